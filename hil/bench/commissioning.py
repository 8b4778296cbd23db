"""A wiring self-test from the first connection to the last read-back, as a run is for a profile.

Two passes: with every output limited to some milliamperes until the wiring is known, and, where it
is sound, with the bench's own limits for the bleeds and the leads.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from hil.bench.coming_up import COMING_UP, WAY_DOWN, all_or_group, connected, not_ours
from hil.bench.rig import Rig
from hil.bench.safe_state import PATIENCE, SafeState, to_its_end
from hil.bench.selftest import Findings, Progress, SelfTest
from hil.bench.stop import StopLadder
from hil.core.errors import BenchError
from hil.core.records import BadMeasurement, Record, SafeStateReached
from hil.ports import Clock, Guard, Identity
from hil.profile import Bench

BuildRig = Callable[[float | None], Rig]
"""Builds the rig anew with this limit of an output's current; None for the bench's own."""


class Commissioning:
    """One self-test: what it found, who answered, and what was read back at its end."""

    def __init__(self, bench: Bench, clock: Clock, stop: StopLadder, progress: Progress) -> None:
        """Nothing happens before ``play``."""
        self._bench, self._clock, self._stop, self._progress = bench, clock, stop, progress
        self._tests: list[SelfTest] = []
        self.who: dict[str, Identity] = {}
        self.reached: dict[str, SafeStateReached] = {}
        self.reason = ""
        self.left_safe = True

    @property
    def found(self) -> Findings:
        """Return what both passes have found together."""
        whole = Findings()
        for test in self._tests:
            whole.wrong += test.found.wrong
            whole.steps += test.found.steps
            whole.open_points += test.found.open_points
            whole.leads_ohm |= test.found.leads_ohm
            whole.most_w = max(whole.most_w, test.found.most_w)
        return whole

    @property
    def is_sound(self) -> bool:
        """Say whether the test came to its end, found nothing, and left all off."""
        return not self.reason and not self.found.wrong and self.left_safe

    async def play(self, first: Rig, build: BuildRig, guard: Guard) -> None:
        """Test, and make safe whatever happens; ``first`` is a rig with the limit ``LIMIT_A``.

        Bugs are raised, when all is off.
        """
        await self._pass(first, guard, SelfTest.wiring)
        if not self.reason and not self.found.wrong and self.left_safe:
            await self._pass(build(None), guard, SelfTest.leads)
        guard.over()

    async def _pass(self, rig: Rig, guard: Guard, stage: Callable[[SelfTest], Any]) -> None:
        """Bring a rig up, take one stage of the test, and bring it down."""
        safe = SafeState(self._clock, self._keep, PATIENCE)
        test = SelfTest(rig, self._bench, self._clock, self._progress, guard.alive)
        self._tests.append(test)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        loop, under_way = asyncio.get_running_loop(), True

        def asked(source: str, level: str) -> None:
            loop.call_soon_threadsafe(stopping, source, level)

        def stopping(source: str, level: str) -> None:
            self.reason = f"stopped by {source}"
            if level == "panic":
                safe.hurry()
            elif under_way:
                task.cancel()

        self._stop.listen(asked)
        try:
            guard.alive(COMING_UP)
            await connected(rig, safe, self.who, guard, self._keep, self._clock)
            await _all_on(rig)
            await stage(test)
        except asyncio.CancelledError:
            if not self._stop.level:
                raise
            task.uncancel()
        except (BenchError, BaseExceptionGroup) as error:
            self.reason = _told(error)
        finally:
            under_way = False
            guard.alive(WAY_DOWN)
            self.left_safe = await safe.reach()
            await to_its_end(asyncio.ensure_future(_let_go(rig)))

    def _keep(self, record: Record) -> None:
        """Keep what was read back of each device last, and show what went wrong."""
        if isinstance(record, SafeStateReached):
            self.reached[record.device] = record
        elif isinstance(record, BadMeasurement):
            self._progress(f"{record.device}: {record.message}")


async def _all_on(rig: Rig) -> None:
    """Arm emulators at 0 V, board and fault boxes; leave the chamber until it is made safe."""
    zeros = {name: [0.0] * unit.SPEC.channels for name, unit in rig.emulators.items()}
    jobs = [unit.apply(zeros[name], {}) for name, unit in rig.emulators.items()]
    await all_or_group("preset", jobs)
    await all_or_group("arm", [one.arm() for one in rig.supplied() if one is not rig.chamber])


async def _let_go(rig: Rig) -> None:
    """Close all links; what fails keeps no other one open. A bug is raised."""
    outcomes = await asyncio.gather(
        *(device.close() for device in rig.devices()), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, BenchError):
            raise outcome


def _told(error: BenchError | BaseExceptionGroup[BaseException]) -> str:
    """Return what the bench could not do. Raises what is no BenchError: a bug."""
    foreign = not_ours(error)
    if foreign is not None:
        raise foreign
    leaves = error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
    return "; ".join(map(str, leaves))
