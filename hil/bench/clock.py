"""Virtual time behind the ``Clock`` port, and the way to run a program in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from hil.bench.virtual_time import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hil.core.instants import Instant
    from hil.ports import (
        Clock,
    )  # not at run time: it brings python-can, and this needs only asyncio

T = TypeVar("T")


class VirtualClock:
    """``hil.ports.Clock`` on a loop that jumps.

    ``now`` and ``call_at`` are the loop's own functions, because they run thousands of times a
    simulated second.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        """Share the loop's time; ``loop`` stays reachable for ``no_jump()``."""
        self.loop = loop
        self.now = loop.now_ns
        self.call_at = loop.call_at_ns

    async def sleep_until(self, instant: Instant) -> None:
        """Return at ``instant``; if it has passed, at once but after what is ready now."""
        await sleep_until(self, self.loop, instant)


async def sleep_until(clock: Clock, loop: asyncio.AbstractEventLoop, instant: Instant) -> None:
    """Wait on one future and one timer; the shared body of both clocks' ``sleep_until``."""
    arrived = loop.create_future()
    timer = clock.call_at(instant, _arrive, arrived)
    try:
        await arrived
    except asyncio.CancelledError:
        timer.cancel()
        raise


def _arrive(arrived: asyncio.Future[None]) -> None:
    """Wake the sleeper, unless it was cancelled at this very instant."""
    if not arrived.done():
        arrived.set_result(None)


def run_virtual(main: Callable[[Clock], Coroutine[Any, Any, T]]) -> T:
    """Run ``main(clock)`` in virtual time from instant 0 and return what it returns.

    Raises whatever ``main`` or any callback raises, and DeadlockError when all wait for ever;
    in both cases the tasks left are cancelled first and may clean up.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)  # noqa: S101 - tells mypy what the factory made
        return runner.run(watched(main, VirtualClock(loop)))


async def watched(main: Callable[[Clock], Coroutine[Any, Any, T]], clock: Clock) -> T:
    """Run ``main(clock)``; what asyncio would only log (a failed task nobody awaits) ends it.

    ``main`` is cancelled, cleans up, and then the first failure is raised.
    """
    loop = asyncio.get_running_loop()
    own = asyncio.current_task()
    assert own is not None  # noqa: S101 - a coroutine that runs has a task
    failures: list[BaseException] = []

    def fail(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        failures.append(context.get("exception") or RuntimeError(context["message"]))
        own.cancel()

    loop.set_exception_handler(fail)
    try:
        result = await main(clock)
    except asyncio.CancelledError:
        if failures:
            raise failures[0] from None
        raise
    finally:
        loop.set_exception_handler(None)
    if failures:
        raise failures[0]
    return result
