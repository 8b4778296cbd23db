"""The profile as it is played: one generator a step, one demand a tick.

Each player yields the demand of a tick and is resumed in the next one, when the row that answers
it has been measured. A step that ends hands over to the next within the same tick, so no tick is
lost between steps.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, TypeAlias

from hil.bench.demand import REST, Demand
from hil.bench.quantities import Reader
from hil.core.errors import BenchError
from hil.core.instants import HOUR, MINUTE, Duration, Instant, clock_text
from hil.core.records import Record, StepEnded, StepStarted
from hil.ports import BoardFault
from hil.profile.model import (
    After,
    Charge,
    Clear,
    Compare,
    Condition,
    Discharge,
    Expect,
    ExpectFault,
    ExpectGone,
    FaultStep,
    Follow,
    Hold,
    Inject,
    Outdoors,
    Repeat,
    Rest,
    Soak,
    Step,
)
from hil.profile.weather import Weather

Play: TypeAlias = Generator[Demand, None, str]
"""Yields demands; returns why the step ended."""


class World(Protocol):
    """What a player may see and do; the run implements it."""

    now: Instant
    reader: Reader

    @property
    def sensed_at(self) -> Instant:
        """Return when the board was last heard for the newest row."""

    @property
    def row(self) -> Sequence[float]:
        """Return the newest row."""

    @property
    def faults(self) -> frozenset[BoardFault]:
        """Return what the board reports now."""

    def emit(self, record: Record) -> None:
        """Record something."""

    def set_chamber(self, set_degc: float, ramp_k_per_min: float | None) -> None:
        """Give the chamber a new set-point, sent in this tick."""

    def follow_weather(self, weather: Weather) -> None:
        """Let the chamber follow weather that begins now, until it gets a set-point."""

    def inject(self, step: FaultStep, *, active: bool) -> None:
        """Put a fault in or take it out, in this tick."""

    def judge(self, step: Expect) -> None:
        """Judge a value expectation on the current row."""

    def judge_fault(self, step: ExpectFault, after: Duration, by: Duration | None) -> None:
        """Judge a fault that came, or went, later than ``after`` and not later than ``by``.

        None is that it was not seen to.
        """


class Timeline:
    """Walks through the steps of a profile."""

    def __init__(self, steps: Sequence[Step], world: World) -> None:
        """Stand before the first step."""
        self._world = world
        self._steps = 0
        self._play = self._all(steps)
        self.step = 0
        self.path = ""
        self.text = ""

    def next_demand(self) -> Demand | None:
        """Return the demand of this tick, None when the profile is over."""
        return next(self._play, None)

    def _all(self, steps: Sequence[Step]) -> Generator[Demand, None, None]:
        world = self._world
        for step in steps:
            self._steps += 1
            index = self.step = self._steps
            self.path, self.text = step.path, step.text
            world.emit(StepStarted(world.now, index, step.path, step.text))
            if isinstance(step, Repeat):
                reason = yield from self._repeat(step, world)
            else:
                reason = yield from PLAYERS[type(step)](step, world)
            world.emit(StepEnded(world.now, index, step.path, reason))

    def _repeat(self, step: Repeat, world: World) -> Play:
        start = world.now
        for turn in range(1, step.count + 1):
            yield from self._all(step.steps)
            if step.every_ns is not None:
                yield from _rest_until(start + turn * step.every_ns, world)
        return f"{step.count} times done"


def _rest_until(instant: Instant, world: World) -> Generator[Demand, None, None]:
    while world.now < instant:
        yield REST


def _soak(step: Soak, world: World) -> Play:
    """Wait for the air, then dwell; the dwell begins anew whenever the air leaves its band."""
    world.set_chamber(step.chamber_degc, step.ramp_k_per_min)
    start, patience = world.now, _patience(step, _air_degc(world)) + step.for_ns
    reached: Instant | None = None
    while True:
        off_k = abs(_air_degc(world) - step.chamber_degc)
        if off_k > step.within_k:
            reached = None
        elif off_k <= step.within_k and reached is None:
            reached = world.now
        if reached is not None and world.now - reached >= step.for_ns:
            break
        if world.now - start > patience:
            raise BenchError(
                f"{step.path}: the chamber is at {_air_degc(world):.1f} degC after "
                f"{clock_text(patience)}, asked for {step.chamber_degc:g} degC"
            )
        yield REST
    return f"within {step.within_k:g} K from {clock_text(reached - start)} on, then dwelt"


def _patience(step: Soak, air_degc: float) -> Duration:
    """Allow three times the way at the step's ramp (at 1 K/min without one) and two hours more."""
    ramp = step.ramp_k_per_min or 1.0
    way_k = abs(step.chamber_degc - air_degc) if air_degc == air_degc else 100.0  # noqa: PLR0124
    return 2 * HOUR + round(3 * way_k / ramp * MINUTE)


def _air_degc(world: World) -> float:
    return world.reader.values("chamber.temperature", world.row)[0]


def _charge(step: Charge, world: World) -> Play:
    return (yield from _drive(step, -1.0, world))


def _discharge(step: Discharge, world: World) -> Play:
    return (yield from _drive(step, 1.0, world))


def _drive(step: Charge | Discharge, sign: float, world: World) -> Play:
    obey = step.limit == "board"
    if step.power_w is not None:
        demand = Demand("power", sign * step.power_w, obey_board=obey)
    else:
        demand = Demand("current", sign * (step.current_a or 0.0), obey_board=obey)
    return (yield from _until(lambda: demand, step.until, world))


def _hold(step: Hold, world: World) -> Play:
    limit_a = float("inf") if step.max_current_a is None else step.max_current_a
    demand = Demand(
        "hold",
        step.voltage_v,
        cell_max_v=step.cell_max_v,
        max_a=limit_a,
        obey_board=step.limit == "board",
    )
    return (yield from _until(lambda: demand, step.until, world))


def _rest(step: Rest, world: World) -> Play:
    yield from _rest_until(world.now + step.for_ns, world)
    return "time is over"


def _follow(step: Follow, world: World) -> Play:
    start = world.now
    times, values = step.series.times_ns, step.series.values
    at = 0

    def demand() -> Demand:
        nonlocal at
        while at + 1 < len(times) and times[at + 1] <= world.now - start + times[0]:
            at += 1
        return Demand(
            step.series.kind,
            step.scale * values[at],
            step.cell_min_v,
            step.cell_max_v,
            obey_board=step.limit == "board",
        )

    span = times[-1] - times[0] + (times[-1] - times[-2])
    return (
        yield from _until(demand, (*step.until, After(for_ns=span, text="end of series")), world)
    )


def _outdoors(step: Outdoors, world: World) -> Play:
    world.follow_weather(step.weather)
    yield from ()  # the chamber does it beside the steps that follow
    return "the chamber follows"


def _until(demand: Callable[[], Demand], until: Sequence[Condition], world: World) -> Play:
    """Yield demands until a condition holds on a row that was measured inside this step."""
    start = world.now
    while True:
        yield demand()
        for condition in until:
            if _holds(condition, start, world):
                return condition.text


def _holds(condition: Condition, start: Instant, world: World) -> bool:
    if isinstance(condition, After):
        return world.now - start >= condition.for_ns
    values = world.reader.values(condition.quantity, world.row)
    hits = [_compare(value, condition) for value in values]
    return all(hits) if condition.quantifier == "all" else any(hits)


def _compare(value: float, condition: Compare) -> bool:
    match condition.comparison:
        case ">=":
            return value >= condition.limit
        case ">":
            return value > condition.limit
        case "<=":
            return value <= condition.limit
        case _:
            return value < condition.limit


def _expect(step: Expect, world: World) -> Play:
    world.judge(step)
    yield from ()  # takes no tick, yet plays like its siblings
    return "judged"


def _expect_fault(step: ExpectFault, world: World) -> Play:
    """Look until the fault is seen, or a look after its time has not found it.

    A fault comes between two looks; which side of the limit it came on is known only if both lie
    on that side. One that was there from the start says nothing about how fast the board is; nor
    does one that was gone from the start, where it is expected to go.
    """
    start = world.now
    fault, goes = BoardFault(step.fault, step.cell), isinstance(step, ExpectGone)
    reported = "reported no more" if goes else "reported"
    if (fault in world.faults) != goes:
        world.judge_fault(step, -step.within_ns, step.within_ns + 1)
        return f"was {reported} before the step began"
    unseen_until: Duration = 0
    while unseen_until < step.within_ns:
        yield REST
        if (fault in world.faults) != goes:
            seen_at = world.sensed_at - start
            world.judge_fault(step, unseen_until, seen_at)
            return f"{reported} within {clock_text(seen_at)}"
        unseen_until = world.sensed_at - start
    world.judge_fault(step, unseen_until, None)
    return f"not {reported} within {clock_text(unseen_until)}"


def _inject(step: Inject, world: World) -> Play:
    world.inject(step, active=True)
    if step.for_ns is None:
        return "stays in"
    yield from _rest_until(world.now + step.for_ns, world)
    world.inject(step, active=False)
    return "taken out"


def _clear(step: Clear, world: World) -> Play:
    world.inject(step, active=False)
    yield from ()
    return "taken out"


PLAYERS: dict[type, Callable[[Any, World], Play]] = {
    Soak: _soak,
    Charge: _charge,
    Discharge: _discharge,
    Hold: _hold,
    Rest: _rest,
    Follow: _follow,
    Outdoors: _outdoors,
    Expect: _expect,
    ExpectFault: _expect_fault,
    ExpectGone: _expect_fault,
    Inject: _inject,
    Clear: _clear,
}
