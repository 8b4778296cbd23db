"""The harness between emulators and board: no events, and still every coulomb is there."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_bench import load_design

from drivers.virtual.harness import BoardHarness
from drivers.virtual.terminals import CellLoad
from hil.core.instants import MILLISECOND, Instant
from hil.core.wiring import Channel, WiringPlan
from hil.physics.board import Chain

CYCLE = 100 * MILLISECOND
CELLS = 3
BLEED_OHM, INPUT_OHM = 33.0, 1e6


class Cells:
    """Three outputs that are set at once."""

    def __init__(self) -> None:
        self.volts = [3.3] * CELLS
        self.loads: list[CellLoad] = []

    def connect_load(self, channel: int, load: CellLoad) -> None:
        assert channel == len(self.loads) + 1
        self.loads.append(load)

    def cell_v(self, channel: int, now: Instant) -> float:
        del now
        return self.volts[channel - 1]

    def limits_a(self, channel: int) -> tuple[float, float]:
        del channel
        return 5.0, 5.0

    def aux_v(self, number: int) -> float:
        raise AssertionError(number)


def harness_of(cells: Cells) -> BoardHarness:
    """Leads without resistance, so that every cell can be counted by itself."""
    chain = Chain(np.full(CELLS, BLEED_OHM), np.full(CELLS, INPUT_OHM), *[np.zeros(CELLS)] * 3)
    plan = WiringPlan(
        tuple(Channel("cells", k + 1) for k in range(CELLS)), (0.0,) * (CELLS + 1), (), None
    )
    return BoardHarness(load_design(cells=CELLS), chain, plan, {"cells": cells})


millisecond = st.integers(0, 99)
volt = st.floats(2.5, 3.65) | st.just(math.nan)
change = st.tuples(millisecond, st.integers(0, CELLS - 1), volt)
cycle = st.tuples(
    st.lists(millisecond, min_size=CELLS, max_size=CELLS),
    st.lists(change, max_size=4),
    st.lists(millisecond, max_size=3),
)


@given(st.lists(cycle, min_size=1, max_size=4))
def test_charges_are_those_of_a_sum_over_milliseconds(
    cycles: list[tuple[list[int], list[tuple[int, int, float]], list[int]]],
) -> None:
    """Bleeds, changes of voltage and looks at any time, against one sum a millisecond."""
    cells = Cells()
    harness = harness_of(cells)
    expected = [0.0] * CELLS
    for number, (on_ms, changes, looks) in enumerate(cycles):
        start = number * CYCLE
        harness.start_cycle(start, np.array(on_ms) * 1e-3)
        for ms in range(100):
            now = start + ms * MILLISECOND
            for at_ms, cell, new_v in changes:
                if at_ms == ms:
                    cells.loads[cell].before_change(now)
                    cells.volts[cell] = new_v
            for k, load in enumerate(cells.loads):
                source_v = cells.volts[k]
                rate_a = 0.0 if math.isnan(source_v) else source_v / INPUT_OHM
                if ms < on_ms[k] and rate_a:
                    rate_a += source_v / BLEED_OHM
                if ms in looks:
                    assert load.charge_as(now) == pytest.approx(expected[k], abs=1e-7)
                    assert load.current_a(now) == pytest.approx(rate_a, abs=1e-6)
                expected[k] += rate_a * 1e-3
    end = len(cycles) * CYCLE
    assert harness.charges_as(end) == pytest.approx(expected, abs=1e-7)


def test_looking_twice_at_one_instant_changes_nothing() -> None:
    cells = Cells()
    harness = harness_of(cells)
    harness.start_cycle(0, np.full(CELLS, 0.05))
    first = harness.charges_as(70 * MILLISECOND)
    assert harness.charges_as(70 * MILLISECOND) == first
    assert first == pytest.approx([0.05 * 3.3 / BLEED_OHM + 0.07 * 3.3 / INPUT_OHM] * CELLS)


def test_wiring_that_does_not_fit_the_board_is_refused() -> None:
    cells = Cells()
    chain = Chain(*[np.ones(4)] * 5)
    plan = WiringPlan(tuple(Channel("cells", k + 1) for k in range(3)), (0.1,) * 4, (), None)
    with pytest.raises(ValueError, match="3 cells and 4 leads wired, the board has 4 inputs"):
        BoardHarness(load_design(cells=4), chain, plan, {"cells": cells})
