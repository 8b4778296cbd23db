"""A run from the first connection to the last read-back.

Everything that can go wrong ends here in the same way: the safe state is reached and read back,
the devices are let go, and what happened stands in the records. The verdict is somebody else's.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from hil.bench.coming_up import COMING_UP, WAY_DOWN, all_or_group, connected, not_ours
from hil.bench.door import Door
from hil.bench.expectations import UncertaintyOf, of_fault, of_row
from hil.bench.injections import Injections
from hil.bench.lateness import Durations
from hil.bench.outdoors import Outdoors
from hil.bench.quantities import Reader
from hil.bench.safe_state import PATIENCE, SafeState, to_its_end
from hil.bench.stop import StopLadder
from hil.bench.tick import Parts, Ticker
from hil.bench.timeline import Timeline
from hil.bench.wall_time import cpu_seconds, monotonic_ns
from hil.core.errors import BenchError, InterlockTrip, LinkLost
from hil.core.instants import MILLISECOND, SECOND, Duration, Instant
from hil.core.records import (
    BadMeasurement,
    BenchFailed,
    Overrun,
    StopRequested,
)
from hil.ports import BoardFault, Guard, Identity, Recorder
from hil.profile.model import Expect, ExpectFault, FaultStep, Step, Window
from hil.profile.weather import Weather

CHECKED_EVERY = 300 * MILLISECOND
"""A bench that cannot keep records, or loses a link, goes safe within a second at any tick."""

LONGEST_TICK = 10 * SECOND
"""How long a run may take to get on before its heart stops: every device has its own deadline."""

WILL_NOT_WAIT = frozenset({"SIGTERM", "SIGHUP"})
"""Who stops a run by these kills it soon after: there is no time to warm a chamber."""

Progress = Callable[[Duration, str, Sequence[float]], None]
"""Told after every tick: time since the first one, the step's path, the row."""


@dataclass(frozen=True)
class Plan:
    """What a run needs besides its ticker.

    ``until`` cuts the run short, None plays the profile to its end; ``has_failed`` ends it too,
    after the first tick of which it is true.
    """

    steps: Sequence[Step]
    chamber: Window
    until: Duration | None
    uncertainty_of: UncertaintyOf
    progress: Progress
    emulated_ntcs: Collection[int] = ()
    has_failed: Callable[[], bool] = lambda: False


class Run:
    """One run of a profile on a rig; its timeline sees it as the ``World``."""

    def __init__(
        self, plan: Plan, parts: Parts, recorder: Recorder, stop: StopLadder, guard: Guard
    ) -> None:
        """Take the parts; nothing happens before ``play``."""
        self._plan, self._parts, self._rig, self._clock = plan, parts, parts.rig, parts.clock
        self._stop, self._recorder, self._guard = stop, recorder, guard
        self._safe = SafeState(parts.clock, recorder.emit, PATIENCE)
        self._ticker = ticker = Ticker(parts)
        self._outdoors = Outdoors(parts.rig.chamber.SPEC.set_degc, plan.chamber)
        self._door = Door(parts.rig, parts.clock, parts.layout, plan.emulated_ntcs, parts.emit)
        self._injections = Injections(parts.rig, parts.emit, ticker.own_faults)
        self._timeline = Timeline(plan.steps, self)
        self.who: dict[str, Identity] = {}
        self.emit = parts.emit
        self.reader = Reader(parts.layout)
        self.now: Instant = 0
        self.ticks = 0
        self.started: Instant = 0
        self.simulated: Duration = 0
        self.wall_ns = 0
        self.cpu_s = 0.0
        self.late, self.took = Durations(), Durations()
        self.complete = self.left_safe = self._may_break_off = False
        self.reason = ""

    async def play(self) -> None:
        """Run the profile. Returns after the safe state, whatever happened; bugs are raised."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        # A signal's handler runs between any two bytecodes: what it asks for waits for its turn.
        loop = asyncio.get_running_loop()

        def asked(source: str, level: str) -> None:
            loop.call_soon_threadsafe(self._stopping, task, source, level)

        self._stop.listen(asked)
        try:
            if self._stop.level:
                # Asked for while the files were read: nothing is switched on just to go off again.
                self.reason = f"stopped by {self._stop.source} before any device was touched"
                return
            self._may_break_off = True
            await self._come_up()
            await self._play_steps(task)
        except InterlockTrip as trip:
            self._note_trip(trip)
        except asyncio.CancelledError:
            if not self._stop.level:
                raise
            task.uncancel()
            told = "stopped" if self._stop.level == "stop" else "aborted"
            self.reason = f"{told} by {self._stop.source}"
        except (BenchError, BaseExceptionGroup) as error:
            self._note_failure(error)
        finally:
            self._may_break_off = False
            self._guard.alive(WAY_DOWN)
            try:
                self.left_safe = await self._safe.reach()
                self._door.stays(self.reason)
            finally:
                await to_its_end(asyncio.ensure_future(self._let_go()))
            # not after a bug on the way down: then the guardian is the one to see to it
            self._guard.over()

    # --- up and through ----------------------------------------------------------------------

    async def _come_up(self) -> None:
        """Connect and identify all devices in parallel; then arm, each undo registered first."""
        self._guard.alive(COMING_UP)
        await connected(
            self._rig, self._safe, self.who, self._guard, self.emit, self._clock, self._door_told
        )
        await all_or_group("preset", self._ticker.preset())
        # Nothing goes on before its undo stands on the disk, where a crash leaves it.
        self._recorder.sync(self._clock.now())
        self._recorder.check()
        await all_or_group("arm", [device.arm() for device in self._rig.supplied()])
        if self._parts.shadow:
            # an earlier run may have taken the bleeds over, and its safe state was all off
            await self._rig.board.balance()

    async def _play_steps(self, task: "asyncio.Task[None]") -> None:
        """Tick to the end, whatever that is, and let a chamber get warm where there is time."""
        try:
            await self._timed(self._tick_through())
        except asyncio.CancelledError:
            if self._stop.level != "stop":
                raise
            task.uncancel()
            self.reason = f"stopped by {self._stop.source}"
        if self._stop.level:
            await asyncio.sleep(0)  # its request is still to be heard, and is not one not to wait
        if self._stop.source not in WILL_NOT_WAIT:
            await self._door.release(self._safe, self.who, self._still_alive)

    async def _timed(self, ticks: Coroutine[Any, Any, None]) -> None:
        begun_ns, begun_cpu_s = monotonic_ns(), cpu_seconds()
        try:
            await ticks
        finally:
            self.wall_ns = monotonic_ns() - begun_ns
            self.cpu_s = cpu_seconds() - begun_cpu_s
            await to_its_end(asyncio.ensure_future(self._ticker.let_go()))

    async def _tick_through(self) -> None:
        """Tick until the steps are over, the time is up, or somebody asks to stop."""
        period, clock, ticker, timeline = (
            self._parts.period,
            self._clock,
            self._ticker,
            self._timeline,
        )
        # Two board cycles, so that the first tick already finds a full set of cell voltages.
        self.started = clock.now() + 2 * self._rig.board_cycle_ns
        slot = 0
        while True:
            self._may_break_off = True
            await self._sleep_until(self.started + slot * period)
            self._may_break_off = False
            woken = clock.now()
            self._guard.alive(period + LONGEST_TICK)
            self.late.add(woken - (self.started + slot * period))
            slot += self._skip_missed(slot, woken)
            # Steps are timed by their slots, or microseconds of lateness would cost whole ticks.
            self.now = self.started + slot * period
            ticker.advance_plant(woken)
            demand = timeline.next_demand()
            if demand is None:
                self.complete, self.reason = True, "all steps done"
                return
            self._outdoors.steer(self.now, ticker.chamber)
            await self._injections.carry_out()
            await ticker.drive(woken, timeline.step, demand)
            self._door.note(ticker.row, ticker.chamber.set_degc)
            ticker.judge_and_decide(woken, timeline.path)
            self._recorder.check()
            self._guard.check()
            self.took.add(clock.now() - woken)
            self.ticks += 1
            slot += 1
            self.simulated = slot * period
            self._plan.progress(self.now - self.started, timeline.path, ticker.row)
            if self._stop.level:
                self.reason = f"stopped by {self._stop.source}"
                return
            if self._plan.has_failed():
                self.reason = "ended by the first finding (--fail-fast)"
                return
            if self._plan.until is not None and self.now - self.started >= self._plan.until:
                self.reason = "cut short by --until"
                return

    async def _sleep_until(self, instant: Instant) -> None:
        """Sleep, with an eye on what can fail meanwhile: the recorder, the guardian, the links.

        Nothing does in virtual time, where links are memory. Raises EnvironmentProblem, LinkLost.
        """
        if self._recorder.beside:
            while instant - self._clock.now() > CHECKED_EVERY:
                await self._clock.sleep_until(self._clock.now() + CHECKED_EVERY)
                self._recorder.check()
                self._guard.check()
                self._check_links()
        await self._clock.sleep_until(instant)

    def _check_links(self) -> None:
        """Record a device whose link is gone. Raises its LinkLost."""
        for device in self._rig.devices():
            try:
                device.check()
            except LinkLost as lost:
                at, kind = self._clock.now(), type(lost).__name__
                self.emit(BadMeasurement(at, device.name, kind, lost.message))
                raise

    def _skip_missed(self, slot: int, woken: Instant) -> int:
        late = woken - (self.started + slot * self._parts.period)
        missed = late // self._parts.period
        if missed:
            self.emit(Overrun(woken, late, missed))
        return missed

    def _still_alive(self) -> None:
        """Tell the guardian that the run gets on. Raises EnvironmentProblem if it may not."""
        self._guard.alive(LONGEST_TICK)
        self._recorder.check()
        self._guard.check()

    async def _door_told(self) -> str:
        """Return what the chamber's read-back must say of its door: what was read last counts."""
        return self._door.told()

    async def _let_go(self) -> None:
        """Close all links and leave a lab as it was found; what fails keeps nothing else open."""
        jobs = [device.close() for device in self._rig.devices()]
        jobs.append(self._injections.take_out(self._clock.now))
        for outcome in await asyncio.gather(*jobs, return_exceptions=True):
            if isinstance(outcome, BenchError):
                self._note_failure(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome

    # --- how it ends -------------------------------------------------------------------------

    def _stopping(self, task: "asyncio.Task[None]", source: str, level: str) -> None:
        if self._door.warming:
            # the run is over and judged by what it did: all that is asked for is not to wait
            self._door.end(source)
            if level == "panic":
                self._safe.hurry()
            return
        self.emit(StopRequested(self._clock.now(), source, level))
        # outside of a tick there is none whose end a stop could wait for
        if level == "abort" or (level == "stop" and self._may_break_off):
            task.cancel()
        elif level == "panic":
            self._safe.hurry()

    def _note_trip(self, trip: InterlockTrip) -> None:
        tripped = self._parts.interlock.tripped
        if tripped is not None:
            self.emit(tripped)
        self.reason = str(trip)

    def _note_failure(self, error: BenchError | BaseExceptionGroup[BaseException]) -> None:
        foreign = not_ours(error)
        if foreign is not None:
            raise foreign
        leaves = error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
        for leaf in leaves:
            self.emit(BenchFailed(self._clock.now(), type(leaf).__name__, str(leaf)))
        self.reason = "; ".join(str(leaf) for leaf in leaves)

    # --- what the timeline sees --------------------------------------------------------------

    @property
    def board_cycles(self) -> int:
        """Return how many complete sets of cell voltages the board has sent."""
        return 0 if self._ticker.report is None else self._ticker.report.cell_sets

    @property
    def row(self) -> Sequence[float]:
        """Return the newest row."""
        return self._ticker.row

    @property
    def sensed_at(self) -> Instant:
        """Return when the board was last heard for the newest row."""
        return self._ticker.sensed_at

    @property
    def faults(self) -> frozenset[BoardFault]:
        """Return what the board reports now."""
        return self._ticker.faults

    def set_chamber(self, set_degc: float, ramp_k_per_min: float | None) -> None:
        """Order a chamber set-point for this tick."""
        self._outdoors.end()
        self._ticker.chamber.give(set_degc, ramp_k_per_min)

    def follow_weather(self, weather: Weather) -> None:
        """Let the chamber follow weather that begins now."""
        self._outdoors.begin(weather, self.now)

    def inject(self, step: FaultStep, *, active: bool) -> None:
        """Put a fault in or out, in this tick."""
        self._injections.order(step, self.now, active=active)

    def judge(self, step: Expect) -> None:
        """Judge a value of the newest row."""
        at, read_at = self._clock.now(), self._ticker.row_at
        for judged in of_row(step, self.row, self.reader, self._plan.uncertainty_of, at, read_at):
            self.emit(judged)

    def judge_fault(self, step: ExpectFault, after: Duration, by: Duration | None) -> None:
        """Judge how long the board took to report a fault, or that it is gone."""
        self.emit(of_fault(step, after, by, self._clock.now(), self._ticker.row_at))
