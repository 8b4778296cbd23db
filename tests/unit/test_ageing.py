"""Ageing: the published figures, the continuation, and cycles counted as the standard has it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from hil.physics.ageing import AgeingParameters, Life
from hil.physics.pack import age_stack, make_stack
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.plant import Plant
from hil.physics.stack import CAPACITY_AH
from hil.physics.tables import tabulate
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
from hil.profile.load import load_cell

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
CELL = load_cell("lfp-100ah")
ALIKE = PackSpread(capacity_ratio=0.0, resistance_ratio=0.0, leakage_ratio=0.0)


def new_cells(*capacity_ah: float, pace: Sequence[float] = (1.0,)) -> Ageing:
    """Return new cells of these capacities (one of 100 Ah), in a stack that does nothing else."""
    ratios = [ah / CELL.capacity_ah for ah in capacity_ah] or [1.0]
    pack = PackParameters(len(ratios), CELL, ALIKE)
    by_hand = {number: {"capacity_ratio": ratio} for number, ratio in enumerate(ratios, 1)}
    stack = make_stack(pack, tabulate(CELL), 0, by_hand)
    return begin(NAUMANN, stack, np.array([*pace] * (len(ratios) // len(pace))))


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


# --- a pack that has lived --------------------------------------------------------------------


def test_the_cell_files_hold_the_laws_of_the_paper() -> None:
    for name in ("lfp-100ah", "lfp-280ah"):
        laws = load_cell(name).ageing
        assert laws is not None
        assert replace(laws, about=NAUMANN.about) == NAUMANN


def test_a_pack_of_two_years_is_what_the_laws_make_of_new_cells() -> None:
    new, old = (Plant(PackParameters(16, CELL, age_years=years), 7) for years in (0.0, 2.0))
    lost = 1.0 - old.capacity_ah / new.capacity_ah
    assert lost.mean() == pytest.approx(0.0914, abs=0.004)
    assert np.all(old.truth().resistance_ratio > new.truth().resistance_ratio)
    assert np.array_equal(old.soc, new.soc)
    again = Plant(PackParameters(16, CELL, age_years=2.0), 7)
    assert np.array_equal(again.capacity_ah, old.capacity_ah)


def test_two_years_spread_the_capacity_by_a_percent() -> None:
    """The design's 0.5 % a year, from 10 % of difference in pace."""
    spread = replace(ALIKE, ageing_ratio=0.1)
    pack = PackParameters(2000, CELL, spread, age_years=2.0)
    stack = make_stack(pack, tabulate(CELL), 7)
    age_stack(pack, stack, 7)
    capacity_ah = stack.cells[CAPACITY_AH]
    assert capacity_ah.std() / capacity_ah.mean() == pytest.approx(0.01, abs=0.001)


def test_a_gradient_ages_the_warm_end_more() -> None:
    alike = replace(ALIKE, ageing_ratio=0.0)
    old = Plant(PackParameters(16, CELL, alike, gradient_k=10.0, age_years=5.0), 7)
    assert np.all(np.diff(old.capacity_ah) < 0.0)


def test_a_pack_that_ages_on_loses_what_the_laws_say_and_closes_its_charge() -> None:
    """Thirty days of one cycle: every term of the balance, and the loss from the formulas."""
    pack = PackParameters(
        2, CELL, replace(ALIKE, ageing_ratio=0.0), soc_ratio=0.9, age_years=2.0, ages=True
    )
    plant = Plant(pack, 7)
    ageing = plant.ageing
    assert ageing is not None
    before = ageing.aged.copy()
    stored_as = 3600.0 * plant.soc * plant.capacity_ah
    passed_as = 0.0
    for _ in range(30):
        for current_a, hours in ((20.0, 4), (0.0, 8), (-20.0, 4), (0.0, 8)):
            for _ in range(6 * hours):
                plant.step(600.0, current_a, np.zeros(2), 25.0)
            passed_as += current_a * hours * 3600.0
    left_as = 3600.0 * plant.soc * plant.capacity_ah
    booked_as = left_as + passed_as + 3600.0 * plant.truth().leaked_ah + ageing.aged[LOST_AS]
    assert booked_as == pytest.approx(stored_as, rel=1e-9)
    assert np.all(ageing.aged[LOST_AS] > 0.0)

    grown = ageing.aged - before
    # 30 days between 90 and 10 %: half at either end, the rest on the way, all at about 25 degC
    at_90, at_10 = (2.8575 * off**3 + 0.60225 for off in (0.4, -0.4))
    mean_square = (at_90**2 + at_10**2) / 2.0
    square = 1.2571e-5**2 * mean_square * 30 * 86400.0
    assert grown[CALENDAR_SQUARE] == pytest.approx(square, rel=0.15)
    # a cycle of 80 Ah a day; the last half of the last one is still open
    assert grown[FULL_CYCLES] == pytest.approx(29.5 * 80.0 / plant.capacity_ah, rel=0.02)


def test_a_cell_that_does_not_say_how_it_ages_has_no_age() -> None:
    with pytest.raises(ValueError, match="age_years: the cell type does not say"):
        PackParameters(16, replace(CELL, ageing=None), age_years=2.0)
