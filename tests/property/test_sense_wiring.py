"""The sense harness against Kirchhoff by NumPy, a fine time step, and the rules of thumb."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.physics.wiring import OPEN_OHM, Ladder, advance, currents_at, find_open_leads

CYCLE_S = 0.1


def ladder(
    cell_v: list[float],
    lead_ohm: float = 0.3,
    bleed_ohm: float = 33.0,
    open_lead: int | None = None,
) -> Ladder:
    n = len(cell_v)
    leads = np.full(n + 1, lead_ohm)
    if open_lead is not None:
        leads[open_lead] = OPEN_OHM
    tolerance = 1 + 0.1 * np.cos(np.arange(n))
    return Ladder(np.array(cell_v), np.zeros(n), leads, np.full(n, bleed_ohm), 1e7 * tolerance)


def settled_v(net: Ladder, bleeding: set[int]) -> np.ndarray:
    """What the inputs read after a long time with these cells (from 0) bleeding."""
    n = len(net.source_v)
    on = np.array([9.0 if k in bleeding else 0.0 for k in range(n)])
    reading = np.zeros(n)
    advance(net, on, 0.0, 8.0, 1e-5, np.zeros(n), reading)
    return reading


def nodal_v(net: Ladder, bleeding: set[int]) -> np.ndarray:
    """The same by nodal analysis: conductances into a dense matrix, solved by LAPACK."""
    n = len(net.source_v)
    tap = np.concatenate([[0.0], np.cumsum(net.source_v)])
    lead = 1 / net.lead_ohm
    load = 1 / net.input_ohm + np.array([k in bleeding for k in range(n)]) / net.bleed_ohm
    matrix = np.diag(lead)
    for k in range(n):
        matrix[k : k + 2, k : k + 2] += load[k] * np.array([[1, -1], [-1, 1]])
    return np.diff(np.linalg.solve(matrix, lead * tap))


cells = st.lists(st.floats(2.0, 3.7), min_size=1, max_size=18)


@given(cells, st.floats(0.01, 0.5), st.sets(st.integers(0, 17)), st.integers(0, 18))
def test_readings_obey_kirchhoff(
    cell_v: list[float], lead_ohm: float, bleeding: set[int], lead: int
) -> None:
    net = ladder(cell_v, lead_ohm, open_lead=lead if lead < len(cell_v) + 1 else None)
    assert settled_v(net, bleeding) == pytest.approx(nodal_v(net, bleeding), abs=1e-6)


def test_a_bleed_shifts_its_own_reading_by_two_leads_and_its_neighbours_by_one() -> None:
    net = ladder([3.3] * 8, lead_ohm=0.3, bleed_ohm=16.5)
    current_a = np.zeros(8)
    on = np.array([0, 0, 0, 1.0, 0, 0, 0, 0])
    currents_at(net, on, 0.5, current_a)
    shift_v = settled_v(net, {3}) - settled_v(net, set())
    drop_v = current_a[3] * 0.3
    assert drop_v > 0.05
    assert shift_v == pytest.approx([0, 0, drop_v, -2 * drop_v, drop_v, 0, 0, 0], abs=1e-5)


@pytest.mark.parametrize("lead", range(1, 8))
def test_an_open_lead_shifts_the_two_cells_it_joins_oppositely(lead: int) -> None:
    shift_v = settled_v(ladder([3.3] * 8, open_lead=lead), set()) - 3.3
    assert abs(shift_v[lead]) > 0.005
    assert shift_v[lead - 1] == pytest.approx(-shift_v[lead], abs=1e-5)
    others = np.delete(shift_v, [lead - 1, lead])
    assert np.abs(others).max() < 1e-5


@given(st.lists(st.floats(2.5, 3.65), min_size=2, max_size=18), st.data())
def test_the_scan_finds_the_open_lead_and_no_other(
    cell_v: list[float], data: st.DataObject
) -> None:
    lead = data.draw(st.none() | st.integers(0, len(cell_v)))
    found = np.zeros(len(cell_v) + 1, np.bool_)
    find_open_leads(ladder(cell_v, open_lead=lead), 1e-4, 0.2, 5.0, found)
    assert list(np.flatnonzero(found)) == ([] if lead is None else [lead])


def test_the_scan_finds_two_open_leads() -> None:
    net = ladder([3.3] * 8, open_lead=3)
    net.lead_ohm[5] = OPEN_OHM
    found = np.zeros(9, np.bool_)
    find_open_leads(net, 1e-4, 0.2, 5.0, found)
    assert list(np.flatnonzero(found)) == [3, 5]


def test_an_output_that_is_off_within_the_stack_is_no_open_lead() -> None:
    net = ladder([3.3, 3.3, 0.0, 3.3, 3.3])
    net.source_ohm[2] = OPEN_OHM
    found = np.ones(6, np.bool_)
    find_open_leads(net, 1e-4, 0.2, 5.0, found)
    assert not found.any()


@given(
    cells,
    st.lists(st.floats(0, CYCLE_S), min_size=18, max_size=18),
    st.lists(st.floats(0, CYCLE_S), max_size=4),
    st.floats(1e-5, 1e-2),
)
def test_charge_and_filter_equal_a_fine_time_step(
    cell_v: list[float], on_until: list[float], stops: list[float], tau_s: float
) -> None:
    """The closed form, called in pieces, against 2,000 small steps of both integrals."""
    n, steps = len(cell_v), 2_000
    grid = CYCLE_S / steps
    on = np.round(np.array(on_until[:n]) / grid) * grid
    net = ladder(cell_v)
    charge, filtered = np.zeros(n), np.full(n, 3.0)
    places = [0.0, *sorted(stops), CYCLE_S]
    for at_s, next_s in itertools.pairwise(places):
        advance(net, on, at_s, next_s, tau_s, charge, filtered)

    brute_as, lagged, current = np.zeros(n), np.full(n, 3.0), np.zeros(n)
    loads = np.array(
        [net.input_ohm, net.input_ohm * net.bleed_ohm / (net.input_ohm + net.bleed_ohm)]
    )
    for step in range(steps):
        middle_s = (step + 0.5) * grid
        if step == 0 or ((on > middle_s) != (on > middle_s - grid)).any():
            currents_at(net, on, middle_s, current)
            target = current * np.where(on > middle_s, loads[1], loads[0])
        brute_as += current * grid
        lagged += (target - lagged) * -np.expm1(-grid / tau_s)
    assert charge == pytest.approx(brute_as, abs=1e-12, rel=1e-9)
    assert filtered == pytest.approx(lagged, abs=1e-9)
