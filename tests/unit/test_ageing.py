"""Ageing: the published figures, the continuation, and cycles counted as the standard has it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from hil.physics.ageing import AgeingParameters, Life
from hil.physics.stack import (
    CAPACITY_AH,
    OFFSET_K,
    RESISTANCE_RATIO,
    SLOW,
    STORED_V,
    CellTables,
    Stack,
)
from hil.physics.wear import (
    CALENDAR_SQUARE,
    CYCLE_SQUARE,
    FULL_CYCLES,
    GROWTH,
    LOST_AS,
    MOST_OPEN,
    OUTSIDE_CYCLES,
    OUTSIDE_S,
    SECONDS_PER_YEAR,
    Ageing,
    age,
    begin,
    count,
    live,
    loss_of,
    wear,
)

NAUMANN = AgeingParameters(
    about="Sony 3 Ah",
    calendar_per_root_second=1.2571e-5,
    calendar_ea_j_per_mol=17126.0,
    calendar_soc_cubic=2.8575,
    calendar_soc_constant=0.60225,
    growth_per_second=3.4194e-10,
    growth_ea_j_per_mol=71827.0,
    growth_soc_square=-3.3903,
    growth_soc_constant=1.5604,
    cycle_base_ratio=0.0971e-2,
    cycle_per_rate_ratio=0.0630e-2,
    cycle_depth_cubic=4.0253,
    cycle_depth_constant=1.0923,
    cycle_growth_base_ratio=0.0021e-2,
    cycle_growth_per_rate_ratio=-0.0020e-2,
    cycle_growth_depth_cubic=6.8477,
    cycle_growth_depth_constant=0.91882,
    fitted_from_degc=15.0,
    fitted_to_degc=60.0,
    fitted_to_rate_per_h=1.0,
)
YEAR_S = SECONDS_PER_YEAR
TABLES = CellTables(0, *(np.zeros((1, 1)) for _ in range(8)))


def new_cells(*capacity_ah: float, pace: Sequence[float] = (1.0,)) -> Ageing:
    """Return new cells of these capacities (one of 100 Ah), in a stack that does nothing else."""
    capacities = capacity_ah or (100.0,)
    cells = np.zeros((OFFSET_K + 1, len(capacities)))
    cells[CAPACITY_AH], cells[RESISTANCE_RATIO] = capacities, 1.0
    state = np.zeros((SLOW, len(capacities)))
    terminals = np.zeros((STORED_V + 1, len(capacities)))
    stack = Stack(state, np.full(len(capacities) + 1, 25.0), terminals, cells, TABLES)
    return begin(NAUMANN, stack, np.array([*pace] * (len(capacities) // len(pace))))


def stored(ageing: Ageing, soc: float, degc: float, years: float) -> Ageing:
    """Let all cells stand at one charge and temperature."""
    ageing.soc[:], ageing.degc[:] = soc, degc
    age(ageing, years * YEAR_S)
    return ageing


# --- the published figures --------------------------------------------------------------------


@pytest.mark.parametrize(("degc", "percent"), [(25.0, 6.0), (45.0, 9.3), (60.0, 12.5)])
def test_two_years_of_storage_cost_what_the_paper_says(degc: float, percent: float) -> None:
    ageing = stored(new_cells(), 0.6, degc, 2.0)
    assert 100.0 - ageing.capacity_ah[0] == pytest.approx(percent, abs=0.05)


def test_six_hundred_cycles_cost_what_the_paper_says() -> None:
    ageing = new_cells()
    wear(ageing, 0, 0.85, 0.2, 600.0)
    assert 100.0 * loss_of(ageing.aged, 0) == pytest.approx(3.1, abs=0.05)
    assert ageing.aged[FULL_CYCLES, 0] == 600.0


def test_the_two_losses_add_up_and_resistance_grows() -> None:
    ageing = new_cells()
    live(ageing, Life(), 2.0, np.zeros(1))
    assert 100.0 - ageing.capacity_ah[0] == pytest.approx(6.04 + 3.10, abs=0.02)
    # at rest 3.4194e-10 x (1.5604 - 3.3903 x 0.1^2) x 2 years, by cycles 600 x 1.7e-5 x 1.2124
    at_rest, by_cycles = 3.4194e-10 * 1.526497 * 2 * YEAR_S, 600.0 * 1.7e-5 * 1.21243
    assert ageing.resistance_ratio[0] == pytest.approx(1.0 + at_rest + by_cycles, rel=1e-5)


def test_heat_and_charge_act_as_published() -> None:
    """SOC 100 % against 50 % at 25 degC, and 55 against 25 degC, straight from the formulas."""
    full, half, hot = (
        stored(new_cells(), soc, degc, 1.0).aged[:, 0]
        for soc, degc in ((1.0, 25.0), (0.5, 25.0), (0.5, 55.0))
    )
    at_full = (2.8575 * 0.125 + 0.60225) / 0.60225
    assert math.sqrt(full[CALENDAR_SQUARE] / half[CALENDAR_SQUARE]) == pytest.approx(at_full)
    assert full[GROWTH] / half[GROWTH] == pytest.approx((1.5604 - 3.3903 * 0.25) / 1.5604)
    inverse_k = (1.0 / 298.15 - 1.0 / 328.15) / 8.314462618
    in_heat = math.sqrt(hot[CALENDAR_SQUARE] / half[CALENDAR_SQUARE])
    assert in_heat == pytest.approx(math.exp(17126 * inverse_k))
    assert hot[GROWTH] / half[GROWTH] == pytest.approx(math.exp(71827 * inverse_k))


def test_deep_and_fast_cycles_cost_more_and_growth_never_turns_young() -> None:
    losses = []
    for depth, rate in ((0.2, 0.2), (0.8, 0.2), (1.0, 0.2), (1.0, 1.0)):
        ageing = new_cells()
        wear(ageing, 0, depth, rate, 100.0)
        losses.append(loss_of(ageing.aged, 0))
    assert losses == sorted(losses)
    assert losses[3] / losses[2] == pytest.approx((0.0630 + 0.0971) / (0.0630 * 0.2 + 0.0971))
    # the published line of the resistance crosses zero at 1.05C
    ageing = new_cells()
    wear(ageing, 0, 0.8, 2.0, 100.0)
    assert ageing.aged[GROWTH, 0] == 0.0


# --- the continuation -------------------------------------------------------------------------


def virtual_time(loss: float, k: float, dt_s: float) -> float:
    """Continue a loss as the paper does: at the time at which ``k`` would have led to it."""
    return k * math.sqrt((loss / k) ** 2 + dt_s)


def test_changing_conditions_continue_at_the_papers_virtual_time() -> None:
    """SimSES inverts the law at every step; the integral of the square is the same thing."""
    ageing, loss = new_cells(), 0.0
    for soc, degc, days in ((0.5, 25.0, 90), (0.9, 45.0, 60), (0.2, 15.0, 200), (1.0, 35.0, 1)):
        stored(ageing, soc, degc, days / 365.25)
        k = 1.2571e-5 * math.exp(-17126 / 8.314462618 * (1 / (degc + 273.15) - 1 / 298.15))
        loss = virtual_time(loss, k * (2.8575 * (soc - 0.5) ** 3 + 0.60225), days * 86400.0)
    assert loss_of(ageing.aged, 0) == pytest.approx(loss, rel=1e-12)


def test_what_was_aged_outside_the_range_is_counted() -> None:
    ageing = stored(stored(stored(new_cells(), 0.5, 25.0, 1.0), 0.5, 5.0, 0.25), 0.5, 61.0, 0.5)
    assert ageing.aged[OUTSIDE_S, 0] == pytest.approx(0.75 * YEAR_S)
    wear(ageing, 0, 0.8, 0.9, 10.0)
    wear(ageing, 0, 0.8, 1.1, 3.0)
    assert ageing.aged[OUTSIDE_CYCLES, 0] == 3.0


def test_a_warmer_cell_of_a_life_has_lost_more_and_a_faster_one_too() -> None:
    ageing = new_cells(100.0, 100.0, 100.0, pace=(1.0, 1.0, 1.2))
    live(ageing, Life(temperature_degc=35.0), 3.0, np.array([-5.0, 5.0, 5.0]))
    lost = 100.0 - ageing.capacity_ah
    assert lost[0] < lost[1]
    assert lost[2] == pytest.approx(1.2 * lost[1])
    assert np.all(ageing.aged[LOST_AS] == 0.0)


def test_no_life_ends_below_a_tenth_and_nothing_becomes_infinite() -> None:
    ageing = stored(new_cells(), 1.0, 90.0, 10_000.0)
    assert ageing.capacity_ah[0] == pytest.approx(10.0)
    assert np.isfinite(ageing.aged).all()


# --- cycles -----------------------------------------------------------------------------------


def drive(history: list[float], current_a: float = 1.0) -> Ageing:
    """Walk through turning points of the charge (A s) of a cell that holds a million."""
    ageing = new_cells(1e6 / 3600.0)
    for start, end in pairwise(history):
        count(ageing, math.copysign(current_a, start - end), abs(end - start) / current_a)
    return ageing


def open_ranges(ageing: Ageing) -> list[float]:
    """Return the charge (A s) of the ranges that are not closed yet, oldest first."""
    return [float(q) for q in ageing.counter[2 : 2 + 2 * int(ageing.counter[0]) : 2]]


def test_counts_the_example_of_the_standard() -> None:
    """ASTM E1049-85, figure 6: ranges 3, 4, 4 (inner, whole), 8 are closed; 9, 8, 6 stay open."""
    history = [-2.0, 1.0, -3.0, 5.0, -1.0, 3.0, -4.0, 4.0, -2.0]
    closed = (0.5 * 3 + 0.5 * 4 + 1.0 * 4 + 0.5 * 8) / 1e6
    ageing = drive(history)
    assert ageing.aged[FULL_CYCLES, 0] == pytest.approx(closed, rel=1e-9)
    assert open_ranges(ageing) == pytest.approx([9.0, 8.0, 6.0])


def test_a_ripple_inside_a_swing_leaves_the_swing_whole() -> None:
    """Two days of 80 %, each with a dip: SimSES' counter of reversals would see four of 40 %."""
    ah = 3600.0 * 80.0
    day = [0.0, ah / 2, ah / 2 - ah / 20, ah, 0.0]
    ageing = new_cells()
    for start, end in pairwise(day * 3):
        if start != end:
            count(ageing, math.copysign(20.0, start - end), abs(end - start) / 20.0)
    k_day = (0.0630 * 0.2 + 0.0971) * (4.0253 * 0.2**3 + 1.0923) / 100.0
    k_dip = (0.0630 * 0.2 + 0.0971) * (4.0253 * (0.04 - 0.6) ** 3 + 1.0923) / 100.0
    # two days and a half are closed by now, and three dips
    square = 2.5 * 0.8 * k_day**2 + 3 * 0.04 * k_dip**2
    assert ageing.aged[CYCLE_SQUARE, 0] == pytest.approx(square, rel=1e-9)


def test_the_rate_is_weighted_with_the_charge_it_moved() -> None:
    """Half the charge at 10 A, half at 40 A: 0.25C for 100 Ah, whatever time each took."""
    ageing = new_cells()
    for sign in (1.0, -1.0, 1.0):
        for current_a in (10.0, 40.0):
            count(ageing, sign * current_a, 40.0 * 3600.0 / current_a)
    k = (0.0630 * 0.25 + 0.0971) * (4.0253 * 0.2**3 + 1.0923) / 100.0
    assert ageing.aged[CYCLE_SQUARE, 0] == pytest.approx(0.8 * k**2, rel=1e-9)


def test_a_list_that_is_full_drops_the_oldest_as_half_a_cycle() -> None:
    falling = [float(MOST_OPEN + 1 - k) for k in range(MOST_OPEN + 1)]
    history = [0.0]
    for k, swing in enumerate(falling):
        history.append(history[-1] + (swing if k % 2 == 0 else -swing))
    ageing = drive(history)
    assert open_ranges(ageing) == falling[1:]
    assert ageing.aged[FULL_CYCLES, 0] == pytest.approx(0.5 * falling[0] / 1e6)


def test_a_small_cell_cycles_deeper_than_its_neighbour() -> None:
    ageing = new_cells(100.0, 80.0)
    for sign in (1.0, -1.0, 1.0):
        count(ageing, sign * 20.0, 4.0 * 3600.0)
    assert ageing.aged[FULL_CYCLES] == pytest.approx([0.8, 1.0])
    assert ageing.aged[CYCLE_SQUARE, 1] > 1.25 * ageing.aged[CYCLE_SQUARE, 0]


def test_no_current_is_no_cycle() -> None:
    ageing = new_cells()
    count(ageing, 0.0, 1e9)
    count(ageing, math.nan, 1.0)
    assert not ageing.counter.any()


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"calendar_per_root_second": -1e-5}, "calendar_per_root_second"),
        ({"calendar_soc_constant": 0.1}, "calendar_soc_constant"),
        ({"growth_soc_constant": 0.5}, "growth_soc_constant"),
        ({"cycle_depth_constant": 0.5}, "cycle_depth_constant"),
        ({"cycle_growth_depth_constant": 0.5}, "cycle_growth_depth_constant"),
        ({"fitted_to_degc": 10.0}, "fitted_to_degc"),
    ],
)
def test_refuses_laws_under_which_cells_grow_young(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}: "):
        replace(NAUMANN, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"soc_ratio": 1.1},
        {"depth_ratio": -0.1},
        {"cycles_per_day": -1.0},
        {"rate_per_h": math.nan},
        {"temperature_degc": 200.0},
    ],
)
def test_refuses_a_life_that_nobody_lived(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(Life(), **change)


def test_refuses_a_pace_that_is_not_above_zero() -> None:
    with pytest.raises(ValueError, match="pace: expected above zero"):
        new_cells(100.0, 100.0, pace=(1.0, 0.0))
