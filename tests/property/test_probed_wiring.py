"""What an open-wire conversion sees, against the node equations of the same network."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hil.physics.wiring import Ladder, probed_voltages

Row = NDArray[np.float64]
volt = st.floats(0.0, 5.0)
# a decade around what leads, inputs and bleeds may be; an open lead is one of a gigaohm
lead_ohm = st.floats(0.01, 100.0) | st.just(1e9)
input_ohm = st.floats(1e5, 1e7)
bleed_ohm = st.floats(10.0, 1000.0)


@st.composite
def ladders(draw: st.DrawFn) -> tuple[Ladder, list[bool], int]:
    """Draw a network, which bleeds are on, and how many cells a chip has."""
    n = draw(st.integers(1, 12))

    def row(one: st.SearchStrategy[float], size: int = n) -> Row:
        return np.array(draw(st.lists(one, min_size=size, max_size=size)))

    ladder = Ladder(row(volt), np.zeros(n), row(lead_ohm, n + 1), row(bleed_ohm), row(input_ohm))
    on = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return ladder, on, draw(st.integers(1, n))


def by_nodes(ladder: Ladder, load_ohm: Row, into_a: Row) -> Row:
    """Return the voltage of every input: one equation a pin, ``into_a`` flowing into it."""
    n = len(load_ohm)
    stack_v = np.concatenate([[0.0], np.cumsum(ladder.source_v)])
    conductance = np.diag(1.0 / ladder.lead_ohm)
    for k in range(n):
        for here, there in ((k, k + 1), (k + 1, k)):
            conductance[here, here] += 1.0 / load_ohm[k]
            conductance[here, there] -= 1.0 / load_ohm[k]
    pins_v = np.linalg.solve(conductance, stack_v / ladder.lead_ohm + into_a)
    difference: Row = np.diff(pins_v)
    return difference


@given(ladders(), st.sampled_from([1e-4, -1e-4]))
def test_both_pins_of_a_cell_are_driven_from_the_supply_of_its_chip(
    drawn: tuple[Ladder, list[bool], int], pin_a: float
) -> None:
    ladder, on, a_chip = drawn
    n = len(on)
    load_ohm = np.where(on, 1 / (1 / ladder.bleed_ohm + 1 / ladder.input_ohm), ladder.input_ohm)
    found = np.empty(n)
    on_until_s = np.where(on, math.inf, 0.0)
    probed_voltages(ladder, on_until_s, 1.0, a_chip, pin_a, found)
    for cell in range(n):
        bottom = cell // a_chip * a_chip
        top = min(bottom + a_chip, n)
        into_a = np.zeros(n + 1)
        into_a[[cell, cell + 1]] += pin_a
        # what flows into the pins comes from the top; what flows out of them leaves at the bottom
        into_a[top if pin_a > 0 else bottom] -= 2 * pin_a
        expected = by_nodes(ladder, load_ohm, into_a)[cell]
        assert math.isclose(found[cell], expected, rel_tol=1e-4, abs_tol=1e-4)
