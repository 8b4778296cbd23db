"""The general network of a harness: the ladder where nothing is wrong, physics where it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.physics import wiring
from hil.physics.board import ADC_MAX_V
from hil.physics.network import DIODE_V, Faulty, Network

PULL_A, THRESHOLD_V, TAU_S = 1e-4, 0.2, 1e-4


@st.composite
def ladders(draw: st.DrawFn) -> wiring.Ladder:
    """Return a harness of 2 to 6 cells; leads and sources may be open."""
    n = draw(st.integers(2, 6))

    def row(element: st.SearchStrategy[float], size: int) -> wiring.Row:
        return np.array(draw(st.lists(element, min_size=size, max_size=size)))

    is_open = st.sampled_from([0.0, 0.0, 0.0, wiring.OPEN_OHM])
    return wiring.Ladder(
        source_v=row(st.floats(0.5, 4.5), n),
        source_ohm=row(is_open, n),
        lead_ohm=row(st.floats(0.0, 1.0) | st.just(wiring.OPEN_OHM), n + 1),
        bleed_ohm=row(st.floats(10.0, 100.0), n),
        input_ohm=row(st.floats(1e6, 1e7), n),
    )


def network_of(ladder: wiring.Ladder, **faults: list[int]) -> Network:
    """Return the network of a ladder whose sources have no limit worth the name.

    Without any fault it has no diodes either: the ladder's own solver knows none.
    """
    n = ladder.source_v.shape[0]
    order = faults.pop("order", list(range(n + 1)))
    most = np.full(n, 1e6)
    has_fault = bool(faults) or order != sorted(order)
    diode_v = DIODE_V if has_fault else 1e9
    return Network(ladder, Faulty(order, **faults), most, most, diode_v)


def plain(n: int, volt: float = 3.3) -> wiring.Ladder:
    """Return a harness in order, every cell at ``volt``."""
    return wiring.Ladder(
        np.full(n, volt), np.zeros(n), np.full(n + 1, 0.06), np.full(n, 68.0), np.full(n, 1e7)
    )


@given(ladders(), st.data())
def test_without_a_fault_it_is_the_ladder(ladder: wiring.Ladder, data: st.DataObject) -> None:
    """Two ways to the same currents, charges and readings, bleeds on or off."""
    n = ladder.source_v.shape[0]
    on_until_s = np.array(data.draw(st.lists(st.floats(0.0, 0.1), min_size=n, max_size=n)))
    network = network_of(ladder)
    expected, found = np.zeros(n), np.zeros(n)
    wiring.currents_at(ladder, on_until_s, 0.05, expected)
    network.currents_at(on_until_s, 0.05, found)
    assert found == pytest.approx(expected, abs=1e-9, rel=1e-7)

    states = [(np.zeros(n), np.full(n, 1.0)) for _ in range(2)]
    wiring.advance(ladder, on_until_s, 0.01, 0.08, TAU_S, *states[0])
    network.advance(on_until_s, (0.01, 0.08), TAU_S, *states[1])
    assert states[1][0] == pytest.approx(states[0][0], abs=1e-9, rel=1e-6)
    assert states[1][1] == pytest.approx(states[0][1], abs=1e-5)


@given(ladders())
def test_its_probes_find_what_the_ladders_find(ladder: wiring.Ladder) -> None:
    n = ladder.source_v.shape[0]
    network = network_of(ladder)
    leads = np.zeros(n + 1, np.bool_)
    wiring.find_open_leads(ladder, PULL_A, THRESHOLD_V, ADC_MAX_V, leads)
    assert network.find_open_leads(PULL_A, THRESHOLD_V, ADC_MAX_V) == leads.tolist()
    off, expected = np.zeros(n), np.zeros(n)
    for pin_a in (PULL_A, -PULL_A):
        wiring.probed_voltages(ladder, off, 0.0, 3, pin_a, expected)
        assert network.probed_voltages(off, 0.0, 3, pin_a) == pytest.approx(
            expected, abs=1e-6, rel=1e-5
        )
    bleeding = np.arange(n) % 2 == 0
    wiring.slotted_voltages(ladder, bleeding, 0.05, expected)
    assert network.slotted_voltages(bleeding, 0.05) == pytest.approx(expected, abs=1e-6)


@given(st.integers(2, 8), st.data())
def test_swapped_leads_show_a_reversed_cell_between_two_double_ones(
    n: int, data: st.DataObject
) -> None:
    """Input k sees -V, its neighbours two cells; only above the diode does current flow."""
    lead = data.draw(st.integers(0, n - 1))
    order = list(range(n + 1))
    order[lead], order[lead + 1] = order[lead + 1], order[lead]
    ladder = plain(n, 0.5)
    solved = network_of(ladder, order=order).solve(np.zeros(n, np.bool_))
    expected = np.full(n, 0.5)
    expected[lead] = -0.5
    for neighbour in {lead - 1, lead + 1} & set(range(n)):
        expected[neighbour] = 1.0
    assert solved.input_v == pytest.approx(expected, abs=1e-5)
    assert abs(solved.source_a).max() < 1e-5

    solved = network_of(plain(n, 2.0), order=order).solve(np.zeros(n, np.bool_))
    assert solved.source_a[lead] == pytest.approx((2.0 - DIODE_V) / 68.0, rel=0.01)


def test_a_limit_holds_the_current_and_lets_the_voltage_go() -> None:
    """A short takes what the limit gives; a bleed that asks for more sags to limit times ohms."""
    ladder = plain(4)
    network = network_of(ladder, shorted=[1])
    network.source_limit_a = network.sink_limit_a = np.full(4, 0.02)
    solved = network.solve(np.array([False, False, False, True]))
    assert solved.source_a[[1, 3]] == pytest.approx([0.02, 0.02])
    assert solved.source_v[1] == pytest.approx(0.02 * (0.12 + 0.01), rel=1e-3)
    assert solved.source_v[3] == pytest.approx(0.02 * 68.12, rel=1e-3)
    assert solved.source_v[[0, 2]] == pytest.approx([3.3, 3.3])


def test_a_reversed_cell_conducts_through_the_body_diode() -> None:
    solved = network_of(plain(3), reversed_cells=[1]).solve(np.zeros(3, np.bool_))
    assert solved.source_a[1] == pytest.approx((3.3 - DIODE_V) / 68.12, rel=1e-3)
    assert solved.input_v[[0, 2]] == pytest.approx([3.3, 3.3], abs=0.01)


@given(ladders(), st.data())
def test_every_fault_keeps_the_charge_and_the_energy(
    ladder: wiring.Ladder, data: st.DataObject
) -> None:
    """Whatever is wired: what sources give is never less than what the inputs' loads take."""
    n = ladder.source_v.shape[0]
    order = data.draw(st.permutations(range(n + 1)))
    shorted = data.draw(st.lists(st.integers(0, n - 1), max_size=2, unique=True))
    bleeding = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    network = network_of(ladder, order=list(order), shorted=shorted)
    network.source_limit_a = network.sink_limit_a = np.full(n, 0.5)
    solved = network.solve(bleeding)
    assert abs(solved.source_a).max() <= 0.5 + 1e-9
    given_w = float(solved.source_a @ solved.source_v)
    load_w = float(np.sum(solved.input_v**2 / ladder.input_ohm))
    load_w += float(np.sum((solved.input_v**2 / ladder.bleed_ohm)[bleeding]))
    assert given_w >= load_w - 1e-4
