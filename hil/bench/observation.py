"""Exactly what the board was given, as a strategy sees it: read off the row and the board's faults.

The reference decides on it in both modes, and in shadow mode the board is held against it.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from hil.balancing.strategy import Bools, Floats, Observation
from hil.core.instants import Instant, to_seconds
from hil.core.signals import Layout
from hil.ports import BoardFault


class Observer:
    """Makes observations of rows of one layout."""

    def __init__(self, layout: Layout) -> None:
        """Find the columns once."""
        self._cell_v, self._ntc_degc = (
            layout.columns("board.cell_v"),
            layout.columns("board.ntc_degc"),
        )
        self._current_a, self._age_s = layout.index("board.current_a"), layout.index("board.age_s")
        self._pcb_degc = layout.index("board.pcb_degc")

    def __call__(
        self, now: Instant, row: Sequence[float], faults: Iterable[BoardFault]
    ) -> Observation:
        """Return what the board was given, as far as it has told."""
        cell_v = np.array(row[self._cell_v])
        return Observation(
            time_s=np.asarray(to_seconds(now)),
            cell_v=cell_v,
            current_a=np.asarray(row[self._current_a]),
            ntc_degc=np.array(row[self._ntc_degc]),
            pcb_degc=np.asarray(row[self._pcb_degc]),
            age_s=np.asarray(row[self._age_s]),
            valid=_trusted(cell_v, faults),
        )


def _trusted(cell_v: Floats, faults: Iterable[BoardFault]) -> Bools:
    """Return where a reading is evidence: known, and on no lead that the board calls open."""
    valid = ~np.isnan(cell_v)
    for fault, cell in faults:
        if fault == "open-wire":
            valid[max(0, cell - 2) : cell] = False  # the lead is shared with the cell below
    return valid
