"""Sensors that the bench emulates and breaks: what they show, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.bench.sensor_faults import HOTTEST_DEGC, SensorFaults
from hil.core.instants import SECOND, Instant
from hil.core.wiring import Channel, NtcWire, ShuntWire, WiringPlan

OUT = Channel("emulator", 1)
SHUNT = ShuntWire(OUT, 0.0, 100.0)
PLAN = WiringPlan((OUT,), (0.0, 0.0), (NtcWire(2, 1, OUT), NtcWire(3, 1, OUT)), SHUNT)
VOLT = st.floats(0.1, 3.2)
AMPERE = st.floats(-200.0, 200.0)


def sensors(plan: WiringPlan = PLAN, now: Callable[[], Instant] = lambda: 0) -> SensorFaults:
    """Of NTCs whose divider shows a volt a degree."""
    return SensorFaults(plan, supply_v=3.3, divider_v=lambda degc: degc, now=now)


@given(VOLT, AMPERE)
def test_sound_sensors_show_the_truth(volt: float, ampere: float) -> None:
    assert (sensors().ntc_v(2, volt), sensors().current_a(ampere)) == (volt, ampere)


@pytest.mark.parametrize(
    ("fault", "shown_v"), [("open-ntc", 3.3), ("shorted-ntc", 0.0), ("hot-ntc", HOTTEST_DEGC)]
)
def test_a_broken_ntc_shows_its_fault_and_the_others_the_truth(fault: str, shown_v: float) -> None:
    broken = sensors()
    broken.inject(fault, 2, active=True)
    assert [broken.ntc_v(2, 1.5), broken.ntc_v(3, 1.5)] == [shown_v, 1.5]
    broken.inject(fault, 2, active=False)
    assert broken.ntc_v(2, 1.4) == 1.4


@given(st.lists(VOLT, min_size=1), VOLT)
def test_a_stuck_ntc_stays_where_it_was_shown_last(before_v: list[float], after_v: float) -> None:
    stuck = sensors()
    for volt in before_v:
        stuck.ntc_v(2, volt)
    stuck.inject("stuck-ntc", 2, active=True)
    assert stuck.ntc_v(2, after_v) == stuck.ntc_v(2, after_v / 2) == before_v[-1]


def test_a_runaway_warms_from_what_the_cell_has_and_ends_at_the_hottest() -> None:
    clock = [5 * SECOND]
    running = sensors(now=lambda: clock[0])
    running.inject("runaway-ntc", 2, active=True)
    shown = []
    for after_s in (0, 1, 30, 1_000):
        clock[0] = (5 + after_s) * SECOND
        shown.append(running.ntc_v(2, 25.0))
    assert shown == [25.0, 26.0, 55.0, HOTTEST_DEGC]
    running.inject("runaway-ntc", 2, active=False)
    assert running.ntc_v(2, 25.0) == 25.0


@given(AMPERE, AMPERE)
def test_a_broken_shunt_shows_its_fault(before_a: float, after_a: float) -> None:
    for fault, shown_a in (
        ("dead-current", 0.0),
        ("stuck-current", before_a),
        ("reversed-current", -after_a),
    ):
        broken = sensors()
        broken.current_a(before_a)
        broken.inject(fault, 0, active=True)
        assert broken.current_a(after_a) == shown_a
        broken.inject(fault, 0, active=False)
        assert broken.current_a(after_a) == after_a


@pytest.mark.parametrize(
    ("plan", "fault", "number"),
    [
        (PLAN, "open-ntc", 1),
        (PLAN, "no-such", 2),
        (replace(PLAN, shunt=None), "dead-current", 0),
    ],
)
def test_what_is_not_emulated_cannot_break(plan: WiringPlan, fault: str, number: int) -> None:
    with pytest.raises(ValueError, match="not emulated"):
        sensors(plan).inject(fault, number, active=True)
