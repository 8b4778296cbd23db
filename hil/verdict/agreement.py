"""The fold over shadow mode: for how much of the time board and reference are not of one mind.

A figure, no judgement: a board that decides at other moments than the reference differs from it
after each of them. What no such board would do is a deviation (``hil.verdict.shadow``).
"""

import numpy as np

from hil.verdict.blocks import Block, Run
from hil.verdict.registry import MetricValue, metric, not_available

REFERENCE = "reference.duty"
"""The signal that only a run in shadow mode has."""


class AgreementFold:
    """Cell-time in which one of the two bleeds and the other does not."""

    def __init__(self, run: Run) -> None:
        """Start with nothing compared."""
        self._has_reference = REFERENCE in run.layout
        self._apart_ns = np.zeros(run.cells, dtype=np.int64)
        self._both_ns = np.zeros(run.cells, dtype=np.int64)

    def feed(self, block: Block) -> None:
        """Add a block; what one of them does not tell is left out."""
        if not self._has_reference:
            return
        board, reference = block.cells("board.duty"), block.cells(REFERENCE)
        told = np.isfinite(board) & np.isfinite(reference)
        apart = told & ((board > 0.0) != (reference > 0.0))
        self._both_ns += (told * block.dt_ns).sum(axis=1)
        self._apart_ns += (apart * block.dt_ns).sum(axis=1)

    def values(self, at: int) -> dict[str, MetricValue]:
        """Return the metric, exact but for what happens between two ticks."""
        name, both_ns = "shadow_disagreement", int(self._both_ns.sum())
        if not self._has_reference:
            return {name: not_available(name, at, "no reference decides beside the board")}
        if not both_ns:
            return {name: not_available(name, at, "the board has reported no duty")}
        worst = int(self._apart_ns.argmax())
        share = int(self._apart_ns[worst]) / max(1, int(self._both_ns[worst]))
        where = f"most on cell[{worst + 1}], {100 * share:.3g} % of its time"
        apart_ns = int(self._apart_ns.sum())
        where = where if apart_ns else "all cells, whole run"
        return {name: metric(name, apart_ns / both_ns, 0.0, at, where)}
