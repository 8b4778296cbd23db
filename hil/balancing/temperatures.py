"""How warm each cell is, as far as a few thermistors tell."""

import numpy as np

from hil.balancing.strategy import Floats


def mean_degc(ntc_degc: Floats) -> Floats:
    """Return the mean of the known thermistors, (..., ntcs) to (...,); NaN where none is known."""
    known = np.isfinite(ntc_degc)
    count = np.asarray(known.sum(axis=-1))
    total = np.asarray(np.where(known, ntc_degc, 0.0).sum(axis=-1))
    mean: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def cell_degc(ntc_degc: Floats, ntc_cells: tuple[int, ...], cells: int) -> Floats:
    """Return the temperature of each cell, (..., cells), between the thermistors (..., ntcs).

    Thermistor i sits on cell ``ntc_cells[i]``, counted from 1, in rising order; empty is spread
    evenly over the stack, as ``hil.physics.boards.Boards`` does. Linear in between, and as the
    outermost one beyond it. An unknown one is taken for the mean of the known ones: it may not
    blind the whole stack. NaN where none is known. Raises ValueError for places that do not fit.
    """
    ntcs = ntc_degc.shape[-1]
    places = np.asarray(ntc_cells or np.rint(np.linspace(1, cells, ntcs)), float)
    if len(places) != ntcs or np.any(np.diff(places) <= 0.0):
        raise ValueError(f"ntc_cells: expected {ntcs} cells in rising order, found {ntc_cells}")
    filled = np.where(np.isfinite(ntc_degc), ntc_degc, mean_degc(ntc_degc)[..., np.newaxis])
    # each cell lies between thermistor `left` and the next one, `share` of the way
    at = np.clip(np.arange(1.0, cells + 1.0), places[0], places[-1])
    left = np.clip(np.searchsorted(places, at, side="right") - 1, 0, max(ntcs - 2, 0))
    right = np.minimum(left + 1, ntcs - 1)
    share = (at - places[left]) / np.maximum(places[right] - places[left], 1.0)
    degc: Floats = filled[..., left] + share * (filled[..., right] - filled[..., left])
    return degc
