"""A run's standing on its host: what it holds, who watches over it, and who may end it."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.app.guarded import Guardian, guarded
from hil.app.holding import held
from hil.app.leases import FencedError, Tenancy, process_of
from hil.app.preparation import Request
from hil.app.reading_back import read_back_safe, unsafe
from hil.app.summons import Door
from hil.bench.fenced import Fences
from hil.bench.guard import Unguarded
from hil.bench.rig import Rig
from hil.bench.stop import StopLadder
from hil.core.errors import EnvironmentProblem
from hil.ports import Clock, Guard
from hil.profile import Bench


@dataclass
class Outside:
    """What a run has to do with others; nothing for one whose devices are all in its process."""

    tenancy: Tenancy | None = None
    guardian: Guardian | None = None

    @property
    def fences(self) -> Fences | None:
        """Return what gives the fence of a place."""
        return None if self.tenancy is None else self.tenancy.fence

    def plain(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        if self.tenancy is None:
            return {}
        left = [str(holder) for holder in self.tenancy.left_by]
        return {"held": {"tokens": dict(self.tenancy.tokens), "left_by": left}}

    def record_in(self, folder: Path) -> None:
        """Say where the guardian leaves a record, should it come to that."""
        if self.guardian is not None:
            self.guardian.record_in(folder)

    @asynccontextmanager
    async def watched(
        self, rig: Rig, clock: Clock, stop: StopLadder, left_safe: Callable[[], bool]
    ) -> AsyncIterator[Guard]:
        """Return what the run feeds, as soon as somebody watches and nothing old is on.

        Meanwhile `hil safe` is let in. At the end the bench is given back if it was ``left_safe``.
        Raises EnvironmentProblem: then nothing may be switched on.
        """
        if self.tenancy is None or self.guardian is None:
            yield Unguarded()
            return

        def asked(by: str) -> None:
            for _ in ("stop", "abort"):  # it does not wait for the tick
                stop.request(f"hil safe of {by}")

        begun_safe = not self.tenancy.left_by
        door = Door(self.tenancy.leases.folder, process_of(os.getpid()), asked)
        await door.open()
        try:
            await self.guardian.ready(clock)
            await self._clear(rig, clock)
            begun_safe = True
            yield self.guardian
        finally:
            safe = begun_safe and left_safe()
            if safe:
                with suppress(FencedError):  # somebody has taken it over: the record has that
                    self.tenancy.free()
            await door.close({"safe": safe})

    async def _clear(self, rig: Rig, clock: Clock) -> None:
        """Make safe what a holder that is gone may have left on. Raises EnvironmentProblem."""
        assert self.tenancy is not None  # noqa: S101 - watched
        if not self.tenancy.left_by:
            return
        reached = await read_back_safe(rig, clock)
        who = "; ".join(map(str, self.tenancy.left_by))
        if not all(one.ok for one in reached):
            text = f"left by {who}, and not safe: {unsafe(reached)}: nothing was switched on"
            raise EnvironmentProblem(text)


@contextmanager
def outside(bench: Bench, request: Request, what: str) -> Iterator[Outside]:
    """Hold a bench and start a guardian, where there is something outside this process.

    Raises EnvironmentProblem if somebody else holds it.
    """
    with held(bench, what) as tenancy, guarded(bench, request, tenancy) as guardian:
        yield Outside(tenancy, guardian)
