"""What must hold for every life: cut it as you like, it ages the same, and charge is booked."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.physics.pack import make_stack
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.tables import tabulate
from hil.physics.wear import (
    AGED_ROWS,
    CALENDAR_SQUARE,
    CYCLE_SQUARE,
    FULL_CYCLES,
    GROWTH,
    LOST_AS,
    LOST_J,
    Ageing,
    age,
    begin,
    count,
    loss_of,
)
from hil.profile.load import load_cell

CELLS = 3
CELL = load_cell("lfp-100ah")
TABLES = tabulate(CELL)

socs = st.floats(-0.2, 1.2)
degcs = st.floats(-30.0, 80.0)
spans = st.floats(1.0, 1e7)
conditions = st.tuples(socs, degcs, spans)
currents = st.tuples(st.floats(-150.0, 150.0), st.floats(0.1, 20_000.0))


def fresh(pace: float = 1.0) -> Ageing:
    """Return three new cells of different size, at 70 %."""
    pack = PackParameters(CELLS, CELL, PackSpread(0.0, 0.0, 0.0), soc_ratio=0.7)
    ratios = {k: {"capacity_ratio": ratio} for k, ratio in enumerate((0.97, 1.0, 1.04), 1)}
    assert CELL.ageing is not None
    return begin(CELL.ageing, make_stack(pack, TABLES, 0, ratios), np.full(CELLS, pace))


def spend(ageing: Ageing, soc: float, degc: float, dt_s: float) -> None:
    """Let all cells stand at one charge and temperature."""
    ageing.soc[:], ageing.degc[:] = soc, degc
    age(ageing, dt_s)


@given(st.lists(st.tuples(conditions, st.lists(st.floats(0.01, 1.0), max_size=6)), max_size=6))
def test_however_time_is_cut_cells_age_the_same(
    life: list[tuple[tuple[float, float, float], list[float]]],
) -> None:
    whole, cut = fresh(), fresh()
    for (soc, degc, dt_s), shares in life:
        spend(whole, soc, degc, dt_s)
        for share in shares:
            spend(cut, soc, degc, dt_s * share / (sum(shares) + 1.0))
        spend(cut, soc, degc, dt_s * (1.0 / (sum(shares) + 1.0)))
    rows = [CALENDAR_SQUARE, GROWTH]
    assert cut.aged[rows] == pytest.approx(whole.aged[rows], rel=1e-9)
    assert cut.capacity_ah == pytest.approx(whole.capacity_ah, rel=1e-9)


@given(conditions, conditions)
def test_which_of_two_seasons_came_first_does_not_matter(
    one: tuple[float, float, float], other: tuple[float, float, float]
) -> None:
    """Squares add up: the same as SimSES' virtual time, and as an integral over the seasons."""
    forth, back = fresh(), fresh()
    for ageing, seasons in ((forth, (one, other)), (back, (other, one))):
        for soc, degc, dt_s in seasons:
            spend(ageing, soc, degc, dt_s)
    assert back.aged[CALENDAR_SQUARE] == pytest.approx(forth.aged[CALENDAR_SQUARE], rel=1e-9)
    assert back.resistance_ratio == pytest.approx(forth.resistance_ratio, rel=1e-9)


@given(st.lists(conditions, max_size=10))
def test_charge_that_goes_with_capacity_is_booked(life: list[tuple[float, float, float]]) -> None:
    ageing = fresh()
    soc = 0.7
    before_as = 3600.0 * ageing.capacity_ah
    for _, degc, dt_s in life:
        spend(ageing, soc, degc, dt_s)
    left_as = 3600.0 * ageing.capacity_ah
    assert soc * left_as + ageing.aged[LOST_AS] == pytest.approx(soc * before_as, rel=1e-12)
    gone_j = ageing.stored_v * (before_as - left_as)
    assert ageing.aged[LOST_J] == pytest.approx(gone_j, rel=1e-9, abs=1e-6)


@given(st.lists(conditions, min_size=1, max_size=10))
def test_nobody_grows_young_and_everything_stays_finite(
    life: list[tuple[float, float, float]],
) -> None:
    ageing = fresh()
    capacity_ah, resistance = ageing.capacity_ah.copy(), ageing.resistance_ratio.copy()
    for soc, degc, dt_s in life:
        spend(ageing, soc, degc, dt_s)
        assert np.all(ageing.capacity_ah <= capacity_ah)
        assert np.all(ageing.resistance_ratio >= resistance)
        capacity_ah, resistance = ageing.capacity_ah.copy(), ageing.resistance_ratio.copy()
    assert ageing.aged.shape == (AGED_ROWS, CELLS)
    assert np.isfinite(ageing.aged).all()
    assert np.all(capacity_ah > 0.0)


@given(degcs, st.floats(1.0, 30.0), socs)
def test_a_warmer_cell_ages_faster(degc: float, warmer_k: float, soc: float) -> None:
    cold, warm = fresh(), fresh()
    spend(cold, soc, degc, 1e6)
    spend(warm, soc, degc + warmer_k, 1e6)
    assert np.all(warm.aged[CALENDAR_SQUARE] > cold.aged[CALENDAR_SQUARE])
    assert np.all(warm.aged[GROWTH] > cold.aged[GROWTH])


@given(st.floats(0.5, 2.0), conditions)
def test_pace_multiplies_what_is_lost(pace: float, season: tuple[float, float, float]) -> None:
    one, other = fresh(), fresh(pace)
    spend(one, *season)
    spend(other, *season)
    assert loss_of(other.aged, 0) == pytest.approx(pace * loss_of(one.aged, 0), rel=1e-12)
    assert other.aged[GROWTH] == pytest.approx(pace * one.aged[GROWTH], rel=1e-12)


def open_as(ageing: Ageing) -> float:
    """Return the charge (A s) in ranges that are not closed yet."""
    return float(ageing.counter[2 : 2 + 2 * int(ageing.counter[0]) : 2].sum())


def open_square_a2s(ageing: Ageing) -> float:
    """Return the integral of I^2 in ranges that are not closed yet."""
    return float(ageing.counter[3 : 3 + 2 * int(ageing.counter[0]) : 2].sum())


@given(st.lists(currents, max_size=120))
def test_every_ampere_second_is_counted_once(drive: list[tuple[float, float]]) -> None:
    """Closed and open ranges together are the throughput; open ones get smaller."""
    ageing = fresh()
    for current_a, dt_s in drive:
        count(ageing, current_a, dt_s)
    moved_as = sum(abs(current_a) * dt_s for current_a, dt_s in drive)
    closed_as = 2.0 * 3600.0 * 100.0 * ageing.aged[FULL_CYCLES, 1]
    assert closed_as + open_as(ageing) == pytest.approx(moved_as, rel=1e-9)
    still = list(ageing.counter[2 : 2 + 2 * int(ageing.counter[0]) : 2])
    assert all(a > b for a, b in pairwise(still))
    assert np.all(ageing.aged[CYCLE_SQUARE] >= 0.0)


@given(st.lists(st.tuples(currents, st.integers(1, 7)), max_size=40))
def test_however_a_current_is_cut_it_counts_the_same(
    drive: list[tuple[tuple[float, float], int]],
) -> None:
    whole, cut = fresh(), fresh()
    for (current_a, dt_s), parts in drive:
        count(whole, current_a, dt_s)
        for _ in range(parts):
            count(cut, current_a, dt_s / parts)
    assert cut.aged[CYCLE_SQUARE] == pytest.approx(whole.aged[CYCLE_SQUARE], rel=1e-6, abs=1e-18)
    assert open_square_a2s(cut) == pytest.approx(open_square_a2s(whole), rel=1e-6)
