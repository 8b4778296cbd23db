"""Sensors that the bench emulates and breaks: what they show, and what it refuses."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.bench.sensor_faults import SensorFaults
from hil.core.wiring import Channel, NtcWire, ShuntWire, WiringPlan

OUT = Channel("emulator", 1)
SHUNT = ShuntWire(OUT, 0.0, 100.0)
PLAN = WiringPlan((OUT,), (0.0, 0.0), (NtcWire(2, 1, OUT), NtcWire(3, 1, OUT)), SHUNT)
VOLT = st.floats(0.1, 3.2)
AMPERE = st.floats(-200.0, 200.0)


def sensors(plan: WiringPlan = PLAN) -> SensorFaults:
    return SensorFaults(plan, supply_v=3.3, hot_v=0.2)


@given(VOLT, AMPERE)
def test_sound_sensors_show_the_truth(volt: float, ampere: float) -> None:
    assert (sensors().ntc_v(2, volt), sensors().current_a(ampere)) == (volt, ampere)


@pytest.mark.parametrize(
    ("fault", "shown_v"), [("open-ntc", 3.3), ("shorted-ntc", 0.0), ("hot-ntc", 0.2)]
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
