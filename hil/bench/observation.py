"""Exactly what the board was given, as a strategy sees it: read off the row and the board's faults.

The reference decides on it in both modes, and in shadow mode the board is held against it.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from hil.balancing.strategy import Bools, Floats, Observation, Truth
from hil.core.instants import Instant, to_seconds
from hil.core.signals import Layout
from hil.ports import BoardFault


class Observer:
    """Makes observations of rows of one layout.

    ``capacity_ah`` (cells,) is given for a strategy that needs truth: then it gets that, and the
    state of charge that the row has from the plant.
    """

    def __init__(self, layout: Layout, capacity_ah: Floats | None = None) -> None:
        """Find the columns once."""
        self._capacity_ah, self._soc = capacity_ah, layout.columns("plant.soc")
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
            truth=self._truth(row),
        )

    def _truth(self, row: Sequence[float]) -> Truth | None:
        """Return the truth for who needs it, as it is now."""
        if self._capacity_ah is None:
            return None
        return Truth(np.array(row[self._soc]), self._capacity_ah.copy())


def _trusted(cell_v: Floats, faults: Iterable[BoardFault]) -> Bools:
    """Return where a reading is evidence: known, and on no lead that the board calls open."""
    valid = ~np.isnan(cell_v)
    for fault, cell in faults:
        if fault == "open-wire":
            valid[max(0, cell - 2) : cell] = False  # the lead is shared with the cell below
    return valid
