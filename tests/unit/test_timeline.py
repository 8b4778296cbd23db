"""The timeline: what each step asks for, when it ends, and that no tick is lost in between."""

import math
from collections.abc import Sequence

import pytest

from hil.bench.demand import Demand
from hil.bench.quantities import Reader
from hil.bench.timeline import Timeline
from hil.core.errors import BenchError
from hil.core.instants import HOUR, MINUTE, SECOND, Duration, Instant
from hil.core.records import Record, StepEnded, StepStarted
from hil.core.signals import tick_layout
from hil.ports import BoardFault
from hil.profile.model import (
    After,
    Charge,
    Clear,
    Compare,
    Discharge,
    Expect,
    ExpectFault,
    ExpectGone,
    FaultStep,
    Follow,
    Hold,
    Inject,
    Repeat,
    Rest,
    Series,
    Soak,
    Step,
)
from hil.profile.weather import Weather

LAYOUT = tick_layout(2, 1)
HOT = Compare("any", "cell.voltage", ">=", 3.5, "any cell.voltage >= 3.5 V")


class FakeWorld:
    """A world whose rows and faults the test writes."""

    def __init__(self) -> None:
        self.now: Instant = 0
        self.sensed_at: Instant = 0
        self.reader = Reader(LAYOUT)
        self.row: list[float] = [math.nan] * LAYOUT.width
        self.faults: frozenset[BoardFault] = frozenset()
        self.records: list[Record] = []
        self.told: list[object] = []

    def emit(self, record: Record) -> None:
        self.records.append(record)

    def set_chamber(self, set_degc: float, ramp_k_per_min: float | None) -> None:
        self.told.append(("chamber", set_degc, ramp_k_per_min))

    def follow_weather(self, weather: Weather) -> None:
        self.told.append(("weather", weather.climate))

    def inject(self, step: FaultStep, *, active: bool) -> None:
        self.told.append((step.fault, active, self.now))

    def judge(self, step: Expect) -> None:
        self.told.append((step.name, self.now))

    def judge_fault(self, step: ExpectFault, after: Duration, by: Duration | None) -> None:
        self.told.append((step.fault, after, by))

    def show(self, name: str, *values: float) -> None:
        self.row[LAYOUT.columns(name)] = values


def play(
    steps: Sequence[Step], world: FakeWorld, ticks: int, tick: Duration = SECOND
) -> list[Demand]:
    """Play up to ``ticks`` ticks and return their demands."""
    timeline = Timeline(steps, world)
    demands = []
    for k in range(ticks):
        world.now = k * tick
        demand = timeline.next_demand()
        if demand is None:
            break
        demands.append(demand)
    return demands


def ended(world: FakeWorld) -> list[str]:
    return [record.reason for record in world.records if isinstance(record, StepEnded)]


def test_a_rest_of_three_ticks_takes_three_ticks_and_the_next_step_begins_in_the_fourth() -> None:
    world = FakeWorld()
    steps: list[Step] = [
        Rest(for_ns=3 * SECOND, path="1.rest"),
        Discharge(current_a=5.0, until=(After(2 * SECOND, "after 2 s"),), path="2.discharge"),
    ]
    demands = play(steps, world, 10)
    assert [demand.value for demand in demands] == [0.0, 0.0, 0.0, 5.0, 5.0]
    started = [r.at for r in world.records if isinstance(r, StepStarted)]
    assert started == [0, 3 * SECOND]
    assert ended(world) == ["time is over", "after 2 s"]


def test_a_charge_asks_for_negative_current_and_ends_on_a_row_measured_inside_it() -> None:
    world = FakeWorld()
    world.show("emulator.read_v", 3.6, 3.3)  # left over from the step before: must not count
    timeline = Timeline([Charge(current_a=20.0, until=(HOT,))], world)
    assert timeline.next_demand() == Demand("current", -20.0)
    world.show("emulator.read_v", 3.4, 3.3)
    assert timeline.next_demand() is not None
    world.show("emulator.read_v", 3.4, 3.5)
    assert timeline.next_demand() is None
    assert ended(world) == [HOT.text]


def test_all_needs_every_cell_and_a_missing_reading_holds_no_condition() -> None:
    both = Compare("all", "cell.voltage", ">=", 3.5, "all")
    world = FakeWorld()
    timeline = Timeline([Charge(current_a=1.0, until=(both,))], world)
    timeline.next_demand()
    for volts in ((3.5, 3.4), (3.6, math.nan)):
        world.show("emulator.read_v", *volts)
        assert timeline.next_demand() is not None
    world.show("emulator.read_v", 3.6, 3.5)
    assert timeline.next_demand() is None


def test_a_soak_sets_the_chamber_waits_for_it_and_then_dwells() -> None:
    world = FakeWorld()
    timeline = Timeline([Soak(chamber_degc=45.0, ramp_k_per_min=2.0, for_ns=2 * SECOND)], world)
    air = [25.0, 25.0, 44.5, 46.5, math.nan, 45.9, math.nan, 45.0, 45.0, 45.0]
    ticks = 0
    for k, degc in enumerate(air):
        world.now = k * SECOND
        world.show("chamber.air_degc", degc)
        ticks += timeline.next_demand() is not None
    assert world.told == [("chamber", 45.0, 2.0)]
    # In at 2 s, out again (overshoot) at 3 s, in at 5 s for good: two seconds from there. An
    # unread air neither ends nor begins a dwell.
    assert ticks == 7
    assert ended(world) == ["within 1 K from 00:00:05 on, then dwelt"]


def test_a_chamber_that_never_arrives_stops_the_run_with_a_reason() -> None:
    world = FakeWorld()
    world.show("chamber.air_degc", 25.0)
    soak = Soak(chamber_degc=45.0, ramp_k_per_min=2.0, for_ns=0, path="1.soak")
    with pytest.raises(BenchError, match=r"1.soak: the chamber is at 25.0 degC"):
        play([soak], world, 1000, MINUTE)


def test_repeat_keeps_its_period_and_rests_until_the_next_turn() -> None:
    world = FakeWorld()
    turn = (
        Discharge(current_a=1.0, until=(After(2 * SECOND, "2 s"),), path="1.repeat/1.discharge"),
    )
    demands = play([Repeat(count=2, every_ns=5 * SECOND, steps=turn)], world, 20)
    assert [demand.value for demand in demands] == [1, 1, 0, 0, 0, 1, 1, 0, 0, 0]
    assert ended(world)[-1] == "2 times done"


def test_follow_holds_each_row_until_the_next_and_ends_one_row_after_the_last() -> None:
    world = FakeWorld()
    series = Series("x.csv", "net_w", "power", (0, 2 * SECOND, 4 * SECOND), (100.0, -50.0, 7.0), "")
    follow = Follow(series=series, scale=2.0, cell_min_v=2.9, cell_max_v=3.5)
    demands = play([follow], world, 20)
    assert [demand.value for demand in demands] == [200, 200, -100, -100, 14, 14]
    assert {demand.mode for demand in demands} == {"power"}
    assert demands[0].cell_max_v == 3.5


def test_hold_carries_its_limits() -> None:
    world = FakeWorld()
    hold = Hold(voltage_v=3.45, cell_max_v=3.5, max_current_a=20.0, until=(HOT,))
    [demand] = play([hold], world, 1)
    assert demand == Demand("hold", 3.45, cell_max_v=3.5, max_a=20.0)


def test_expectations_take_no_tick_of_their_own() -> None:
    world = FakeWorld()
    expect = Expect(quantity="gap", minimum=None, maximum=0.06, unit="V", name="gap")
    demands = play([expect, Rest(for_ns=SECOND), expect], world, 10)
    assert len(demands) == 1
    assert world.told == [("gap", 0), ("gap", SECOND)]


OPEN_WIRE = frozenset({BoardFault("open-wire", 2)})


def look_for(world: FakeWorld, seen_in_tick: int | None) -> list[object]:
    """Expect an open wire within 3 s, looked for once a second, 10 ms after the tick's start."""
    timeline = Timeline([ExpectFault(fault="open-wire", cell=2, within_ns=3 * SECOND)], world)
    for k in range(10):
        world.now = k * SECOND
        if timeline.next_demand() is None:
            break
        world.sensed_at = world.now + SECOND // 100
        if k == seen_in_tick:
            world.faults = OPEN_WIRE
    return world.told


def test_a_fault_is_bounded_by_the_two_looks_it_came_between() -> None:
    look = SECOND // 100
    told = look_for(FakeWorld(), seen_in_tick=1)
    assert told == [("open-wire", look, SECOND + look)]


def test_the_last_look_comes_after_the_time_is_over() -> None:
    """A board that reports between 2 s and 3 s is seen by the look at 3 s, not called wrong."""
    look = SECOND // 100
    assert look_for(FakeWorld(), seen_in_tick=3) == [
        ("open-wire", 2 * SECOND + look, 3 * SECOND + look)
    ]
    assert look_for(FakeWorld(), seen_in_tick=None) == [("open-wire", 3 * SECOND + look, None)]


def test_a_fault_that_was_there_before_is_on_both_sides_of_the_limit() -> None:
    world = FakeWorld()
    world.faults = OPEN_WIRE
    assert look_for(world, seen_in_tick=None) == [("open-wire", -3 * SECOND, 3 * SECOND + 1)]


def test_an_injected_fault_is_taken_out_after_its_time_and_stays_without_one() -> None:
    world = FakeWorld()
    steps = [
        Inject(target="board", fault="silent", for_ns=2 * SECOND),
        Inject(target="wiring", fault="open-lead", cell=3),
    ]
    play(steps, world, 10)
    assert world.told == [
        ("silent", True, 0),
        ("silent", False, 2 * SECOND),
        ("open-lead", True, 2 * SECOND),
    ]


def test_a_fault_that_stays_in_is_taken_out_by_a_step_of_its_own() -> None:
    world = FakeWorld()
    steps: list[Step] = [
        Inject(target="wiring", fault="open-lead", cell=3),
        Rest(for_ns=2 * SECOND),
        Clear(target="wiring", fault="open-lead", cell=3),
        Rest(for_ns=SECOND),
    ]
    assert len(play(steps, world, 10)) == 3  # to take it out takes no time
    assert world.told == [("open-lead", True, 0), ("open-lead", False, 2 * SECOND)]


def look_for_end(world: FakeWorld, gone_in_tick: int | None) -> list[object]:
    """Expect an open wire to be reported no more within 3 s."""
    world.faults = OPEN_WIRE
    timeline = Timeline([ExpectGone(fault="open-wire", cell=2, within_ns=3 * SECOND)], world)
    for k in range(10):
        world.now = k * SECOND
        if timeline.next_demand() is None:
            break
        world.sensed_at = world.now + SECOND // 100
        if k == gone_in_tick:
            world.faults = frozenset()
    return world.told


def test_the_end_of_a_fault_is_bounded_as_its_beginning_is() -> None:
    look = SECOND // 100
    assert look_for_end(FakeWorld(), gone_in_tick=1) == [("open-wire", look, SECOND + look)]
    assert look_for_end(FakeWorld(), gone_in_tick=None) == [("open-wire", 3 * SECOND + look, None)]


def test_an_hour_of_ticks_is_an_hour() -> None:
    assert len(play([Rest(for_ns=HOUR)], FakeWorld(), 10_000)) == 3600
