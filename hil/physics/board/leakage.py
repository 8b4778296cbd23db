"""Lead leakage in humid air: from every sense lead to the board's ground, its lowest lead."""

import numpy as np

from hil.physics.board.design import BoardDesign
from hil.physics.compiled import compiled
from hil.physics.wiring import Row

__all__ = ["leak_conductances", "leaked_currents"]


def leak_conductances(design: BoardDesign) -> Row:
    """Return the conductance (cells + 1,) in S of each lead to ground; zeros for a dry board.

    The lowest lead is ground itself and leaks nowhere.
    """
    siemens = np.zeros(design.cells + 1)
    leak = design.leakage
    if leak is None:
        return siemens
    if leak.lead == 0:
        siemens[1:] = 1.0 / leak.leak_ohm
    elif leak.lead > 1:
        siemens[leak.lead - 1] = 1.0 / leak.leak_ohm
    return siemens


@compiled
def leaked_currents(
    cell_v: Row, leak_s: Row, series_ohm: float, out_a: Row, out_shift_v: Row
) -> None:
    """Fill ``out_a`` (cells,) with what leaks out of each cell, ``out_shift_v`` with its reading's.

    Lead i stands at the sum of the cells below it and leaks V G (1e5 ohm and more against some
    ohms of lead: its drop does not change the leak by 1e-3). All cells below carry it, so the
    lowest one loses the most: with every lead of 16 cells at 1 Mohm, 449 uA of 3.3 V cells, and
    the highest 53 uA. ``series_ohm`` is what the leak passes before the ADC's pin: its drop lowers
    the lead that leaks, so the cell below reads less and the one above reads more.
    """
    n = out_a.shape[0]
    node_v = 0.0
    for k in range(n):
        node_v += cell_v[k]
        out_a[k] = node_v * leak_s[k + 1]
    for k in range(n):
        below_a = out_a[k - 1] if k > 0 else 0.0
        out_shift_v[k] = (below_a - out_a[k]) * series_ohm
    for k in range(n - 2, -1, -1):
        out_a[k] += out_a[k + 1]
