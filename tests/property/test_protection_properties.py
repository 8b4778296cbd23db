"""One set of rules, two places: the batch engine's protections against those of the virtual board.

Both see the same voltages and temperatures over random traces. With one cell they must agree at
every look; with more, the batch engine has one latch where the board has one a cell, so it may be
the more careful of the two, never the less.
"""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.virtual.reference_protection import Protections
from hil.core.instants import MILLISECOND, SECOND
from hil.physics.board import BoardDesign
from hil.physics.protection import OVER, UNDER, permitted, rules_of, untripped
from hil.physics.termination import Termination
from hil.profile import load_bench

NOMINAL_AH = 100.0
RULES = Termination()
BOARD: BoardDesign = replace(
    load_bench("virtual-16s", ()).board,
    over_voltage_v=RULES.over_voltage_v,
    over_voltage_release_v=RULES.over_voltage_release_v,
    under_voltage_v=RULES.under_voltage_v,
    under_voltage_release_v=RULES.under_voltage_release_v,
    protection_delay_ns=round(RULES.delay_s * SECOND),
    no_charge_below_degc=RULES.no_charge_below_degc,
    cold_charge_below_degc=RULES.cold_charge_below_degc,
    cold_charge_limit_a=RULES.cold_charge_per_h * NOMINAL_AH,
)

# Counts of 0.1 mV around every threshold, so that traces cross them, stay and come back.
EDGES = (2.45, 2.5, 2.6, 2.8, 2.9, 3.3, 3.45, 3.5, 3.52, 3.6, 3.65, 3.7)
volts = st.sampled_from(EDGES)
degcs = st.sampled_from((-5.0, -0.01, 0.0, 3.0, 4.99, 5.0, 25.0))
steps_ms = st.sampled_from((100, 250, 500, 1000, 2000))


def trace(cells: int) -> st.SearchStrategy[list[tuple[list[float], float, int]]]:
    """Draw looks at a pack: voltages, coldest temperature, and how many steps of what length."""
    return st.lists(
        st.tuples(st.lists(volts, min_size=cells, max_size=cells), degcs, st.integers(1, 8)),
        min_size=1,
        max_size=25,
    )


def limits_of_both(
    looks: list[tuple[list[float], float, int]], step_ms: int
) -> list[tuple[float, float, float, float]]:
    """Play a trace to both; return charge and discharge limits of board and batch at every look."""
    board, state, rules, found = Protections(BOARD), untripped(), rules_of(RULES), []
    now, dt_s = 0, step_ms / 1000.0
    for cell_v, degc, times in looks:
        for _ in range(times):
            now += step_ms * MILLISECOND
            board.check_temperatures([degc], 25.0, now)
            board.check_cells([round(1e4 * v) for v in cell_v], 0.0, now)
            seen = (rules, state, max(cell_v), min(cell_v), degc, NOMINAL_AH)
            charge_a = -permitted(*seen, -BOARD.charge_limit_a, dt_s)
            # time has passed already: what the other direction may be is read at the same look
            under = state[UNDER] > 0.0
            out = board.outcome
            discharge_a = 0.0 if under else BOARD.discharge_limit_a
            found.append((out.charge_limit_a, charge_a, out.discharge_limit_a, discharge_a))
    return found


@given(trace(1), steps_ms)
def test_one_cell_is_judged_alike_by_both(
    looks: list[tuple[list[float], float, int]], step_ms: int
) -> None:
    for board_in, batch_in, board_out, batch_out in limits_of_both(looks, step_ms):
        assert batch_in == pytest.approx(board_in, abs=1e-9)
        assert batch_out == pytest.approx(board_out, abs=1e-9)


@given(trace(4), steps_ms)
def test_of_many_cells_the_batch_is_the_more_careful(
    looks: list[tuple[list[float], float, int]], step_ms: int
) -> None:
    for board_in, batch_in, board_out, batch_out in limits_of_both(looks, step_ms):
        assert batch_in <= board_in + 1e-9
        assert batch_out <= board_out + 1e-9


def look(state: object, highest_v: float, wanted_a: float, dt_s: float = 1.0) -> float:
    """Look once at a warm pack with a low cell at 3.3 V."""
    rules = rules_of(RULES)
    return permitted(rules, state, highest_v, 3.3, 25.0, NOMINAL_AH, wanted_a, dt_s)  # type: ignore[arg-type]


def test_trips_after_the_delay_and_lets_the_pack_discharge() -> None:
    state = untripped()
    assert look(state, 3.65, -50.0) == -50.0  # the first look starts the clock
    assert look(state, 3.65, -50.0) == 0.0
    assert state[OVER] == 1.0
    assert look(state, 3.55, 50.0) == 50.0
    assert look(state, 3.50, -50.0) == 0.0
    assert look(state, 3.50, -50.0) == -50.0


def test_a_dip_below_the_trip_starts_the_delay_anew() -> None:
    state = untripped()
    for highest_v in (3.66, 3.64, 3.66):
        assert look(state, highest_v, -50.0, 0.9) == -50.0
    assert look(state, 3.66, -50.0, 0.9) == -50.0
    assert look(state, 3.66, -50.0, 0.1) == 0.0


def test_ten_tenths_are_a_second() -> None:
    state = untripped()
    allowed = [look(state, 3.7, -50.0, 0.1) for _ in range(11)]
    assert allowed == [-50.0] * 10 + [0.0]


@pytest.mark.parametrize(
    ("degc", "allowed_a"), [(-0.1, 0.0), (0.0, -10.0), (4.9, -10.0), (5.0, -50.0)]
)
def test_the_cold_limits_charge_alone(degc: float, allowed_a: float) -> None:
    for wanted_a, expected_a in ((-50.0, allowed_a), (-5.0, max(-5.0, allowed_a)), (50.0, 50.0)):
        found_a = permitted(rules_of(RULES), untripped(), 3.3, 3.3, degc, NOMINAL_AH, wanted_a, 1.0)
        assert found_a == pytest.approx(expected_a)


def test_what_is_no_number_changes_nothing() -> None:
    state = untripped()
    for _ in range(3):
        assert look(state, math.nan, -50.0) == -50.0
    assert not state[OVER]
