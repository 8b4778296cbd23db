"""What a bleed path lets through, against the arithmetic of data sheets and closed forms."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.physics import board, wiring
from hil.profile.designs import load_board

ROOT = Path(__file__).parents[2]
CELL_V = 3.4


def design(name: str = "standard-50mA", **changes: Any) -> board.BoardDesign:
    exact = {"bleed_tolerance_ratio": 0.0, "bleed_current_a": None}
    return dataclasses.replace(load_board(name, ROOT / "profiles"), **{**exact, **changes})


def path_of(one: board.BoardDesign, **at: float) -> tuple[np.ndarray, np.ndarray]:
    """Return ohms and hottest temperatures (cells,); 25 degC, 3.4 V and no power if not said."""
    rows = {"power_w": 0.0, "drift_ratio": 0.0, "cell_v": CELL_V}
    power_w, drift, cell_v = (np.full(one.cells, at.pop(key, own)) for key, own in rows.items())
    ohm, degc = np.zeros(one.cells), np.zeros(one.cells)
    path = board.make_path(one, board.make_chain(one, 7, 1))
    board.path_resistances(path, at.pop("zone_degc", 25.0), power_w, drift, cell_v, ohm, degc)
    assert not at
    return ohm, degc


@pytest.mark.parametrize(
    ("name", "ohm", "milliampere", "watt"),
    [
        ("standard-50mA", 68, 50, 0.17),
        ("standard-100mA", 33, 103, 0.35),
        ("standard-200mA", 16.5, 206, 0.70),
    ],
)
def test_resistors_give_the_current_they_are_sold_for(
    name: str, ohm: float, milliampere: float, watt: float
) -> None:
    found, _ = path_of(design(name))
    assert found == pytest.approx(ohm)
    assert 1e3 * CELL_V / found[0] == pytest.approx(milliampere, rel=0.01)
    assert CELL_V**2 / found[0] == pytest.approx(watt, rel=0.02)


def test_a_regulated_mosfet_holds_two_percent_where_a_resistor_gives_twelve() -> None:
    def milliampere(name: str, cell_v: float) -> float:
        return 1e3 * cell_v / float(path_of(design(name), cell_v=cell_v)[0][0])

    regulated = [milliampere("mosfet", volt) for volt in (2.8, 3.2, 3.6)]
    assert regulated == pytest.approx([98, 100, 102])
    plain = [milliampere("standard-100mA", volt) for volt in (2.8, 3.2, 3.6)]
    assert [one / plain[1] for one in plain] == pytest.approx([0.875, 1, 1.125])


def test_a_regulated_mosfet_without_headroom_is_its_path() -> None:
    ohm, _ = path_of(design("mosfet", bleed_ohm=40.0))
    assert ohm == pytest.approx(40 + 0.1, abs=0.06)  # 0.05 to 0.15 ohm of FET


def test_on_resistance_rises_by_four_tenths_of_a_percent_a_kelvin() -> None:
    fet = board.Mosfet(rds_on_ohm=0.3, rds_tolerance_ratio=0.0)
    one = design(mosfet=fet, bleed_tcr_ppm_per_k=0.0)
    cold, warm = (path_of(one, zone_degc=degc)[0][0] for degc in (25, 75))
    assert (cold, warm) == pytest.approx((68.3, 68 + 0.3 * 1.2))


@pytest.mark.parametrize(
    ("filter_ohm", "milliampere"), [(20, (39.53, 61.82)), (100, (13.82, 15.82))]
)
def test_an_internal_fet_bleeds_through_both_filter_resistors(
    filter_ohm: float, milliampere: tuple[float, float]
) -> None:
    one = design("internal-fet", filter_resistance_ohm=filter_ohm, cells=64)
    fet_ohm, _ = path_of(one)
    assert board.series_ohm(one) == filter_ohm
    current_ma = 1e3 * CELL_V / (2 * filter_ohm + fet_ohm)
    assert milliampere[0] <= current_ma.min() < current_ma.max() <= milliampere[1]
    # drawn on both sides of the typical 28 ohm, as far as either end
    assert 15 <= fet_ohm.min() < 17
    assert 43 < fet_ohm.max() <= 46
    assert np.median(fet_ohm) == pytest.approx(28, abs=4)


def test_a_series_ntc_passes_more_when_hot() -> None:
    """physics.md, E20: 10 ohm of B 3435 with 23 ohm is 103 mA, and 139 mA at 85 degC."""
    one = design("ntc-in-loop", bleed_tcr_ppm_per_k=0.0)
    cold, hot = (1e3 * CELL_V / path_of(one, zone_degc=degc)[0][0] for degc in (25, 85))
    assert (cold, hot) == pytest.approx((103, 139), abs=0.5)


def test_a_series_ntc_feeds_its_own_heat_back() -> None:
    one = design("ntc-in-loop", bleed_tcr_ppm_per_k=0.0)

    def settled_ma() -> float:
        watt = 0.0
        for _ in range(50):
            ohm, _ = path_of(one, power_w=watt)
            watt = CELL_V**2 / float(ohm[0])
        return 1e3 * watt / CELL_V

    plain_ma = 1e3 * CELL_V / path_of(one)[0][0]
    assert 1.05 < settled_ma() / plain_ma < 1.2


def test_heat_is_shared_out_in_proportion_to_resistance() -> None:
    degc = path_of(design("mosfet"), power_w=0.34)[1]
    # 34 ohm in all at 3.4 V and 102 mA: 15 of them the resistor, the FET has the rest
    ohm = CELL_V / 0.101
    assert degc == pytest.approx(25 + 85 * 0.34 * (ohm - 15) / ohm, rel=1e-3)


def test_a_resistor_at_rated_power_moves_by_its_life_in_1000_hours() -> None:
    drift = np.zeros(3)
    life = np.array([0.01, -0.01, 0.03])
    for _ in range(10):  # 10 x 100 h, at the rating, at half of it, off
        board.age_resistors(life, 2.0, np.array([2.0, 1.0, 0.0]), 3.6e5, drift)
    assert drift == pytest.approx([0.01, -0.005, 0.0])
    ohm, _ = path_of(design(bleed_tcr_ppm_per_k=0.0), drift_ratio=0.01)
    assert ohm == pytest.approx(68.68)


@pytest.mark.parametrize(("degc", "watt"), [(25, 1), (70, 1), (112.5, 0.5), (155, 0), (170, 0)])
def test_derating_line(degc: float, watt: float) -> None:
    assert board.derated_w(design(), degc) == pytest.approx(watt)
    assert board.derated_w(design("reference-16s"), degc) == math.inf


@pytest.mark.parametrize(("degc", "share"), [(20, 1), (65, 1), (70, 0.75), (85, 0), (99, 0)])
def test_a_sensed_ntc_takes_the_duty_back(degc: float, share: float) -> None:
    assert board.duty_share(design("ntc-sensed"), degc) == pytest.approx(share)
    assert board.duty_share(design(), degc) == 1.0


def test_a_broken_ntc_leaves_no_duty_to_a_board_that_derates_by_it() -> None:
    assert board.duty_share(design("ntc-sensed"), math.nan) == 0.0


@st.composite
def harnesses(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    n = draw(st.integers(1, 8))

    def row(low: float, high: float, length: int = n) -> np.ndarray:
        values = st.lists(st.floats(low, high), min_size=length, max_size=length)
        return np.array(draw(values))

    return row(2.5, 3.65), row(0.0, 0.3, n + 1), row(16.5, 100.0), row(0.0, 1.0)


@given(harnesses())
def test_mean_currents_are_those_of_the_whole_network(rows: tuple[np.ndarray, ...]) -> None:
    """The batch's first order against the network that the twins solve, through one cycle."""
    cell_v, lead_ohm, bleed_ohm, duty = rows
    n = cell_v.size
    fast_a, charge_as = np.zeros(n), np.zeros(n)
    board.mean_bleed_currents(cell_v, lead_ohm, bleed_ohm, duty, fast_a)
    ladder = wiring.Ladder(cell_v, np.zeros(n), lead_ohm, bleed_ohm, np.full(n, 1e9))
    wiring.advance(ladder, duty, 0.0, 1.0, 1e-5, charge_as, np.zeros(n))
    # second order in lead over bleed: two neighbours of 0.3 ohm on 16.5 ohm each
    assert fast_a == pytest.approx(charge_as, rel=2e-3, abs=1e-8)


def test_unmuted_readings_shift_by_two_drops_and_one() -> None:
    """physics.md, E6: own cell -2 I Rw, neighbours +I Rw; muted, what settling leaves of it."""
    current_a, seen_v = np.array([0, 0, 0.2, 0, 0]), np.zeros(5)
    board.input_voltages(np.full(5, 3.3), np.full(6, 0.25), current_a, 1.0, seen_v)
    assert seen_v - 3.3 == pytest.approx([0, 0.05, -0.1, 0.05, 0])  # 200 mA, 3 m of 24 AWG
    board.input_voltages(np.full(5, 3.3), np.full(6, 0.25), current_a, math.exp(-3), seen_v)
    assert seen_v[2] - 3.3 == pytest.approx(-0.005, rel=0.01)
    board.input_voltages(np.full(5, 3.3), np.full(6, 0.25), current_a, 0.0, seen_v)
    assert seen_v.tolist() == [3.3] * 5


@pytest.mark.parametrize(("slow", "lost"), [(1, 0.143), (2, 0.071), (4, 0.036), (8, 0.018)])
def test_a_measurement_loop_costs_its_slots(slow: int, lost: float) -> None:
    one = design(slots=board.Slots(slow=slow))
    assert 1 - one.bleed_window_s / 0.1 == pytest.approx(lost, abs=5e-4)


def test_a_slot_shorter_than_the_filter_leaves_a_part_of_the_step() -> None:
    """physics.md: 1 kohm + 1 uF and 3 ms leave e^-3 = 5 % of the step."""
    n = 7
    rows = np.full(n, 3.3), np.zeros(n), np.full(n + 1, 0.1), np.full(n, 16.5), np.full(n, 1e9)
    ladder = wiring.Ladder(*rows)
    bleeding = np.array([False, False, False, True, False, False, True])
    seen_v = np.zeros(n)
    wiring.slotted_voltages(ladder, bleeding, math.exp(-3), seen_v)
    step_v = 2 * 0.1 * 3.3 / 16.7
    assert seen_v[3] == pytest.approx(3.3 - math.exp(-3) * step_v, abs=1e-5)
    wiring.slotted_voltages(ladder, bleeding, 0.0, seen_v)
    assert seen_v[3] == pytest.approx(3.3, abs=1e-6)  # itself and its neighbours are off
    # neighbours of a cell that is read are off too: left on, they would lift it by 20 mV
    wiring.slotted_voltages(ladder, np.ones(n, np.bool_), 0.0, seen_v)
    assert seen_v == pytest.approx(np.full(n, 3.3), abs=1e-6)
