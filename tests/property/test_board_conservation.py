"""Heat of a board's zones, charge of its leaks and transfers: nothing comes from nowhere."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hil.physics import board
from hil.physics.board import PACK, ZoneNetwork, choose_transfer, step_zones, transfer_currents

conductance = st.floats(0.05, 2.0)
capacity = st.floats(10.0, 500.0)
networks = st.builds(
    ZoneNetwork,
    conductance,
    conductance,
    st.floats(0.0, 2.0),
    capacity,
    capacity,
    st.floats(0.0, 2.0),
)
degc = st.floats(-20.0, 100.0)
watt = st.floats(0.0, 20.0)
SECONDS = 300.0


def way(zones: ZoneNetwork, start: tuple[float, float], air: float, bleed_w: float) -> np.ndarray:
    """Return both temperatures at 0, 1, ... seconds, each from the start in one step."""
    return np.array([step_zones(zones, *start, air, bleed_w, t) for t in np.arange(0, SECONDS + 1)])


@given(networks, degc, degc, degc, watt)
def test_heat_in_is_heat_stored_and_heat_given_to_the_air(
    zones: ZoneNetwork, bleed: float, front: float, air: float, bleed_w: float
) -> None:
    at = way(zones, (bleed, front), air, bleed_w)
    simpson = np.tile([2.0, 4.0], 151)[:301] / 3
    simpson[[0, -1]] = 1 / 3
    lost_w = zones.bleed_air_w_per_k * (at[:, 0] - air) + zones.front_air_w_per_k * (at[:, 1] - air)
    stored_j = zones.bleed_j_per_k * (at[-1, 0] - at[0, 0])
    stored_j += zones.front_j_per_k * (at[-1, 1] - at[0, 1])
    given_j = (bleed_w + zones.front_w) * SECONDS
    assert stored_j + simpson @ lost_w == pytest.approx(given_j, rel=1e-4, abs=0.5)


@given(networks, degc, degc, degc, watt, st.floats(0.1, 1000.0))
def test_two_steps_are_one_of_both_lengths(
    zones: ZoneNetwork, bleed: float, front: float, air: float, bleed_w: float, seconds: float
) -> None:
    once = step_zones(zones, bleed, front, air, bleed_w, seconds)
    half = step_zones(zones, bleed, front, air, bleed_w, 0.3 * seconds)
    twice = step_zones(zones, *half, air, bleed_w, 0.7 * seconds)
    assert once == pytest.approx(twice, rel=1e-9, abs=1e-7)


@given(networks, degc, degc, degc, watt)
def test_slopes_are_those_of_the_balance(
    zones: ZoneNetwork, bleed: float, front: float, air: float, bleed_w: float
) -> None:
    """The derivative at the start, from the equation and not from its solution."""
    dt = 1e-3
    after = step_zones(zones, bleed, front, air, bleed_w, dt)
    over_w = zones.between_w_per_k * (bleed - front)
    bleed_slope = (bleed_w - zones.bleed_air_w_per_k * (bleed - air) - over_w) / zones.bleed_j_per_k
    front_slope = zones.front_w - zones.front_air_w_per_k * (front - air) + over_w
    front_slope /= zones.front_j_per_k
    slopes = (after[0] - bleed) / dt, (after[1] - front) / dt
    assert slopes == pytest.approx((bleed_slope, front_slope), rel=1e-3, abs=1e-3)


@given(networks, degc, watt)
def test_settled_zones_lose_what_they_get_and_bleeds_warm_their_own_most(
    zones: ZoneNetwork, air: float, bleed_w: float
) -> None:
    bleed, front = step_zones(zones, air, air, air, bleed_w, 1e9)
    lost_w = zones.bleed_air_w_per_k * (bleed - air) + zones.front_air_w_per_k * (front - air)
    assert lost_w == pytest.approx(bleed_w + zones.front_w, abs=1e-6)
    assert step_zones(zones, 80.0, -10.0, air, bleed_w, 1e9) == pytest.approx((bleed, front))
    more = step_zones(zones, air, air, air, bleed_w + 1.0, 1e9)
    assert more[0] - bleed > more[1] - front >= -1e-9


@given(st.floats(0.05, 5.0), st.floats(10.0, 5000.0), degc, degc, watt, st.floats(0.1, 1e4))
def test_one_node_is_a_first_order_lag(
    conductance_w: float, j_per_k: float, at: float, air: float, bleed_w: float, seconds: float
) -> None:
    one = ZoneNetwork(conductance_w, 0.0, 0.0, j_per_k, 0.0, 0.0)
    settled = air + bleed_w / conductance_w
    expected = settled + (at - settled) * np.exp(-seconds * conductance_w / j_per_k)
    assert step_zones(one, at, at, air, bleed_w, seconds) == pytest.approx((expected, expected))


cells = st.lists(st.floats(2.5, 3.65), min_size=2, max_size=16).map(np.array)


@given(cells, st.data(), st.floats(0.5, 2.0), st.floats(0.8, 0.92))
def test_a_transfer_loses_what_its_efficiency_says_and_no_more(
    cell_v: np.ndarray, data: st.DataObject, current_a: float, efficiency: float
) -> None:
    giver = data.draw(st.integers(0, cell_v.size - 1))
    taker = data.draw(st.integers(-1, cell_v.size - 1))
    assume(giver != taker)
    flow_a = np.empty(cell_v.size)
    heat_w = transfer_currents(cell_v, giver, taker, current_a, efficiency, flow_a)
    sent_w = current_a * cell_v[giver]
    assert flow_a @ cell_v == pytest.approx(heat_w)
    assert heat_w == pytest.approx((1 - efficiency) * sent_w)
    if taker == PACK:
        through_a = np.delete(flow_a, giver)
        assert through_a == pytest.approx(-efficiency * sent_w / cell_v.sum())
        assert flow_a[giver] == pytest.approx(current_a + through_a[0])
    else:
        assert flow_a[giver] == current_a
        assert flow_a[taker] * cell_v[taker] == pytest.approx(-efficiency * sent_w)
        assert np.count_nonzero(flow_a) == 2


@given(cells, st.floats(0.0, 0.1))
def test_the_highest_gives_to_the_lowest_if_they_differ_enough(
    cell_v: np.ndarray, least_v: float
) -> None:
    giver, taker = choose_transfer(cell_v, least_v)
    if np.ptp(cell_v) < least_v:
        assert giver == taker
        flow_a = np.ones(cell_v.size)
        assert transfer_currents(cell_v, giver, taker, 2.0, 0.85, flow_a) == 0.0
        assert not flow_a.any()
    else:
        assert (cell_v[giver], cell_v[taker]) == (cell_v.max(), cell_v.min())


@given(cells, st.data())
def test_leaks_take_from_all_cells_below_them(cell_v: np.ndarray, data: st.DataObject) -> None:
    """Power of the cells against power in the leaks: two sums that know nothing of each other."""
    n = cell_v.size
    ohm = data.draw(st.lists(st.floats(1e6, 1e8), min_size=n + 1, max_size=n + 1).map(np.array))
    leaked_a, shift_v = np.zeros(n), np.zeros(n)
    board.leaked_currents(cell_v, 1 / ohm, 1000.0, leaked_a, shift_v)
    node_v = np.cumsum(cell_v)
    assert leaked_a @ cell_v == pytest.approx(np.sum(node_v**2 / ohm[1:]))
    assert all(below >= above for below, above in pairwise(leaked_a))
    # all shifts together are the drop of the top lead: the pack's own reading
    assert shift_v.sum() == pytest.approx(-1000.0 * node_v[-1] / ohm[-1])
