"""Heat of a board's zones, charge of its leaks and transfers: nothing comes from nowhere."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.physics import board
from hil.physics.board import (
    ActiveBalancer,
    ZoneNetwork,
    share_transfer,
    step_zones,
    transfer_currents,
)

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


RATED_A, LEAST_V = 2.0, 0.01
machines = st.builds(
    ActiveBalancer,
    st.just(RATED_A),
    st.floats(0.8, 0.92),
    st.just(LEAST_V),
    st.sampled_from(("cell-to-cell", "cell-to-pack")),
)


def carried(
    machine: ActiveBalancer, cell_v: np.ndarray, request: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return what flows out of the givers, all currents, and the heat."""
    gives_a, takes = share_transfer(machine, cell_v, request)
    flow_a = np.full(cell_v.size, np.nan)
    heat_w = transfer_currents(cell_v, gives_a, takes, machine.efficiency_ratio, flow_a)
    return gives_a, flow_a, heat_w


@given(machines, cells, st.data())
def test_a_transfer_loses_what_its_efficiency_says_and_no_more(
    machine: ActiveBalancer, cell_v: np.ndarray, data: st.DataObject
) -> None:
    """Whatever is asked for: energy closes, the rating holds, charge goes down only."""
    share = st.floats(-1.0, 1.0)
    n = cell_v.size
    request = np.array(data.draw(st.lists(share, min_size=n, max_size=n)))
    gives_a, flow_a, heat_w = carried(machine, cell_v, request)
    sent_w = gives_a @ cell_v
    assert flow_a @ cell_v == pytest.approx(heat_w, abs=1e-12)
    assert heat_w == pytest.approx((1.0 - machine.efficiency_ratio) * sent_w, abs=1e-12)
    assert gives_a.sum() <= RATED_A * (1.0 + 1e-12)
    assert not np.any(gives_a[request <= 0.0])
    if machine.topology == "cell-to-cell":
        gave, took = flow_a > 0.0, flow_a < 0.0
        assert not np.any(took[request >= 0.0])
        assert gave.any() == took.any()
        if gave.any():
            assert cell_v[gave].min() - cell_v[took].min() >= LEAST_V
            assert cell_v[gave].max() - cell_v[took].max() >= LEAST_V
    else:
        into_a = flow_a - gives_a  # one current through all cells in series, the givers' too
        assert into_a == pytest.approx(-machine.efficiency_ratio * sent_w / cell_v.sum(), abs=1e-12)


def test_one_cell_gives_to_one_cell_what_data_sheets_say() -> None:
    """2 A at 3.4 V, of which 85 % come in at 3.2 V: 1.80625 A, and 1.02 W are heat."""
    cell_v = np.array([3.3, 3.4, 3.2])
    _, flow_a, heat_w = carried(ActiveBalancer(), cell_v, np.array([0.0, 1.0, -1.0]))
    assert flow_a == pytest.approx([0.0, 2.0, -1.80625])
    assert heat_w == pytest.approx(1.02)


def test_one_cell_gives_to_all_in_series_its_own_among_them() -> None:
    into_pack = ActiveBalancer(topology="cell-to-pack")
    _, flow_a, _ = carried(into_pack, np.array([3.3, 3.4, 3.2]), np.array([0.0, 0.5, 0.0]))
    into_a = 0.85 * 3.4 / 9.9
    assert flow_a == pytest.approx([-into_a, 1.0 - into_a, -into_a])


@pytest.mark.parametrize("topology", ["cell-to-cell", "cell-to-pack"])
@pytest.mark.parametrize(
    ("cell_v", "request_"),
    [
        ([3.3, 3.3049], [-1.0, 1.0]),  # less than 5 mV between them
        ([3.4, 3.3], [-1.0, 1.0]),  # uphill
        ([3.3, np.nan], [-1.0, 1.0]),  # not known
        ([3.3, 3.4], [-1.0, 0.0]),  # nobody gives
    ],
)
def test_what_a_balancer_does_not_do(
    topology: str, cell_v: list[float], request_: list[float]
) -> None:
    machine = ActiveBalancer(topology=topology)  # type: ignore[arg-type]
    gives_a, takes = share_transfer(machine, np.array(cell_v), np.array(request_))
    assert not gives_a.any()
    assert topology == "cell-to-pack" or not takes.any()


def test_many_packs_are_shared_at_once_as_one_by_one() -> None:
    rng = np.random.default_rng(3)
    cell_v, request = 3.2 + 0.2 * rng.random((20, 8)), rng.uniform(-1.0, 1.0, (20, 8))
    together = share_transfer(ActiveBalancer(), cell_v, request)
    for p in range(20):
        for many, one in zip(
            together, share_transfer(ActiveBalancer(), cell_v[p], request[p]), strict=True
        ):
            assert np.array_equal(many[p], one)


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
