"""Starting a run's guardian, and the run's end of what they say to each other.

Two pipes: the run's beats go one way, each is answered on the other. A pipe ends with whoever held
its other end, by SIGKILL too, and nothing else of the run keeps it open (PEP 446).
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hil.app.leases import Tenancy
from hil.app.preparation import Request
from hil.bench.guard import Pulse
from hil.bench.wall_time import monotonic_ns
from hil.core.errors import EnvironmentProblem
from hil.core.instants import SECOND, Duration
from hil.ports import Clock, Identity
from hil.profile import Bench

READY_WITHIN_S = 60
LEAVES_WITHIN_S = 10
ACTS_WITHIN_S = 60
SILENT_AFTER = 3 * SECOND
"""A guardian that answers no beat for so long is none: frozen, or its host thrashes."""

_CHUNK = 65_536


class Guardian:
    """A guardian process, as its run sees it (``hil.ports.Guard``)."""

    def __init__(self, bench: Bench, request: Request, tenancy: Tenancy) -> None:
        """Start it; it reads the bench while the run gets ready. Raises EnvironmentProblem."""
        hears, self._say = os.pipe()
        self._hear, says = os.pipe()
        # -P: what lies in the folder where a run is started is no program of ours
        command = [sys.executable, "-P", "-m", "hil.guardian", str(hears), str(says)]
        try:
            # A session of its own: Ctrl-C and a closed terminal are for the run alone.
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command, pass_fds=(hears, says), stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise EnvironmentProblem(f"the guardian does not start: {error}") from error
        finally:
            os.close(hears)
            os.close(says)
        os.set_blocking(self._say, False)
        os.set_blocking(self._hear, False)
        self._pulse: Pulse | None = None
        self._owed_since = 0
        self._over = False
        tenancy.watched_by(self._process.pid)
        self._tell(
            {
                "leases": str(tenancy.leases.folder),
                "tokens": dict(tenancy.tokens),
                "pid": os.getpid(),
                "bench": str(bench.file),
                "overrides": list(request.overrides),
                "engine": request.engine,
                "resolved": bench.resolved_text(),
            }
        )

    async def ready(self, clock: Clock) -> None:
        """Wait until it could act. Raises EnvironmentProblem: then nothing may be switched on."""
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._hear, told.set)
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await told.wait()
        except TimeoutError:
            raise EnvironmentProblem(
                f"the guardian was not ready within {READY_WITHIN_S} s: nothing was switched on"
            ) from None
        finally:
            loop.remove_reader(self._hear)
        self.check()
        self._pulse = Pulse(clock, self._beat)

    def record_in(self, folder: Path) -> None:
        """Say where to leave a record, should it come to that."""
        self._tell({"folder": str(folder.resolve())})

    def alive(self, within: Duration) -> None:
        """Say that the run has got on, and that it will again ``within`` so long."""
        assert self._pulse is not None  # noqa: S101 - nothing begins before ``ready``
        self._pulse.alive(within)

    def know(self, device: str, who: Identity) -> None:
        """Say who answered behind a device's link."""
        self._tell({"device": device, "who": list(who)})

    def check(self) -> None:
        """Raise EnvironmentProblem if it has gone, or answers no more."""
        try:
            gone = not os.read(self._hear, _CHUNK)
            self._owed_since = 0
        except BlockingIOError:
            owed = monotonic_ns() - self._owed_since
            gone = bool(self._owed_since) and owed > SILENT_AFTER
        if gone:
            self._process.kill()  # a frozen one that wakes up must not end a run that ends itself
            raise EnvironmentProblem(
                "the guardian is gone: outputs may not stay on with nobody to switch them off"
            )

    def over(self) -> None:
        """Say that every device was told and let go: there is nothing left to watch."""
        if self._pulse is not None:
            self._pulse.stop()
        self._over = True
        self._tell({"done": True})

    def stand_down(self) -> None:
        """Let it go, and wait until it has left.

        After a bug on the way down it does first what the run could not: the run has let go of its
        links, and lives on to tell of the bug.
        """
        if not self._over:
            self._tell({"left": "a bug on the run's way down"})
        os.close(self._say)
        os.close(self._hear)
        try:
            self._process.wait(LEAVES_WITHIN_S if self._over else ACTS_WITHIN_S)
        except subprocess.TimeoutExpired:  # frozen, and nothing is left for it to do
            self._process.kill()
            self._process.wait()

    def _beat(self) -> None:
        if not self._owed_since:
            self._owed_since = monotonic_ns()
        self._tell({})

    def _tell(self, message: Mapping[str, Any]) -> None:
        """Send one line; one that nobody takes is noticed by ``check``."""
        with suppress(BrokenPipeError, BlockingIOError):
            os.write(self._say, json.dumps(message).encode() + b"\n")


@contextmanager
def guarded(bench: Bench, request: Request, tenancy: Tenancy | None) -> Iterator[Guardian | None]:
    """Start a guardian for a run that can reach hardware or another process; let it go at the end.

    None for a bench whose devices are all in this process: they end with it.
    """
    if tenancy is None:
        yield None
        return
    guardian = Guardian(bench, request, tenancy)
    try:
        yield guardian
    finally:
        guardian.stand_down()
