"""An active balancer: charge carried from cells to cells, or from cells to the whole pack.

Currents are positive out of a cell; energy that does not arrive is heat. One machine does it all:
its rated current is what may flow out of cells, all of them together.
"""

import numpy as np

from hil.physics.board.groups import ActiveBalancer
from hil.physics.compiled import compiled_in_place
from hil.physics.wiring import Row

__all__ = ["share_transfer", "transfer_currents"]


def share_transfer(machine: ActiveBalancer, cell_v: Row, request: Row) -> tuple[Row, Row]:
    """Return what flows out of each cell (A), and by what weights what arrives divides.

    All (..., cells). ``request`` -1..1 is the share of the rated current that a cell is to give (+)
    or take (-); shares of more than the whole machine together are made smaller alike. A cell gives
    only while it stands ``min_difference_v`` or more above the lowest that takes, and takes only
    that much below the highest that gives: a transfer between less is none. Into the pack all cells
    take alike, for they are in series: there shares below zero ask for nothing, and a giver has to
    stand as far above the lowest cell. Cells that are not known (NaN) neither give nor take.
    """
    wanted = np.where(np.isfinite(cell_v), np.clip(request, -1.0, 1.0), 0.0)
    into_pack = machine.topology == "cell-to-pack"
    takes = np.broadcast_to(np.isfinite(cell_v), wanted.shape) if into_pack else wanted < 0.0
    lowest_v = np.min(np.where(takes, cell_v, np.inf), axis=-1, keepdims=True)
    gives = (wanted > 0.0) & (cell_v - lowest_v >= machine.min_difference_v)
    shares = np.where(gives, wanted, 0.0)
    shares = shares / np.maximum(shares.sum(axis=-1, keepdims=True), 1.0)
    if into_pack:
        return machine.current_a * shares, np.ones_like(shares)
    highest_v = np.max(np.where(gives, cell_v, -np.inf), axis=-1, keepdims=True)
    far = highest_v - cell_v >= machine.min_difference_v
    return machine.current_a * shares, np.where(takes & far, -wanted, 0.0)


@compiled_in_place
def transfer_currents(
    cell_v: Row, gives_a: Row, takes: Row, efficiency_ratio: float, out_a: Row
) -> float:
    """Fill ``out_a`` (cells,) with the currents of one transfer; return its heat in W.

    Every giver sends ``gives_a`` at its own voltage; ``efficiency_ratio`` of that power comes in
    where ``takes`` is above zero, as currents that are to each other as these: of one cell all at
    its voltage, of all cells alike at that of the stack. Sum of V I over the cells is the heat.
    Where nothing takes, nothing is sent.
    """
    sent_w, taken_v = 0.0, 0.0
    for k in range(out_a.shape[0]):
        sent_w += gives_a[k] * cell_v[k]
        taken_v += takes[k] * cell_v[k]
    if not taken_v > 0.0:
        for k in range(out_a.shape[0]):
            out_a[k] = 0.0
        return 0.0
    per_weight_a = efficiency_ratio * sent_w / taken_v
    for k in range(out_a.shape[0]):
        out_a[k] = gives_a[k] - takes[k] * per_weight_a
    return sent_w * (1.0 - efficiency_ratio)
