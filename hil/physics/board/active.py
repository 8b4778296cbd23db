"""An active balancer: charge carried from cell to cell, or from a cell to the whole pack.

Pure functions. Currents are positive out of a cell; energy that does not arrive is heat.
"""

from hil.physics.compiled import compiled
from hil.physics.wiring import Row

__all__ = ["PACK", "choose_transfer", "transfer_currents"]

PACK = -1
"""As the receiver of a transfer: all cells in series."""


@compiled
def choose_transfer(cell_v: Row, min_difference_v: float) -> tuple[int, int]:
    """Return the highest and the lowest cell (from 0); the same one twice when none may give.

    Nothing is carried between cells that differ by less than ``min_difference_v``.
    """
    high, low = 0, 0
    for k in range(1, cell_v.shape[0]):
        if cell_v[k] > cell_v[high]:
            high = k
        if cell_v[k] < cell_v[low]:
            low = k
    if cell_v[high] - cell_v[low] < min_difference_v:
        return high, high
    return high, low


@compiled
def transfer_currents(
    cell_v: Row, giver: int, taker: int, current_a: float, efficiency_ratio: float, out_a: Row
) -> float:
    """Fill ``out_a`` (cells,) with the currents of one transfer; return its heat in W.

    ``giver`` sends ``current_a`` at its own voltage; ``efficiency_ratio`` of that power comes in at
    the voltage of ``taker``, or at that of the stack (``PACK``), the giver's own cell included.
    Sum of V I over the cells is the heat. A giver that is its own taker carries nothing.
    """
    out_a[:] = 0.0
    if giver == taker:
        return 0.0
    sent_w = current_a * cell_v[giver]
    out_a[giver] = current_a
    if taker == PACK:
        stack_v = 0.0
        for k in range(out_a.shape[0]):
            stack_v += cell_v[k]
        for k in range(out_a.shape[0]):
            out_a[k] -= efficiency_ratio * sent_w / stack_v
    else:
        out_a[taker] -= efficiency_ratio * sent_w / cell_v[taker]
    return float(sent_w * (1.0 - efficiency_ratio))
