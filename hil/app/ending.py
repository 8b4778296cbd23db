"""Ending another process for certain: by a descriptor of it, so that nobody else is hit."""

import asyncio
import os
import signal

from hil.app.leases import alive
from hil.bench.lease import Process
from hil.ports import Clock

DEAD_WITHIN_S = 5


async def end(pidfd: int) -> bool:
    """Kill the process of a pidfd and wait until it is gone: only then its links are free.

    False for one that is stuck in the kernel.
    """
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return True
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pidfd, gone.set)
    try:
        async with asyncio.timeout(DEAD_WITHIN_S):
            await gone.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(pidfd)
    return True


async def end_process(process: Process, _clock: Clock | None = None) -> bool:
    """Kill a process by its number, if that is still its own, and wait until it is gone."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        return not alive(process) or await end(pidfd)
    finally:
        os.close(pidfd)
