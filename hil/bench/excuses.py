"""What a tick shows that is the doing of the bench, which has taken the board's supply away.

A board without supply says nothing, and one that has started anew counts its frames from 0.
"""

from hil.bench.supply import BoardSupply
from hil.core.instants import Instant
from hil.core.signals import Layout
from hil.ports import BoardReport


class Excuses:
    """Takes it out of rows and reports before limits and judges see them; records keep it."""

    def __init__(self, supply: BoardSupply | None, layout: Layout) -> None:
        """Without a ``supply`` of the bench's there is nothing to excuse."""
        self._supply, self._age = supply, layout.index("board.age_s")
        self._rejected = self._told = 0

    def _is_down(self, now: Instant) -> bool:
        return self._supply is not None and self._supply.is_down(now)

    def row(self, row: list[float], now: Instant) -> list[float]:
        """Return the row without the silence of a board that has no supply, or is booting."""
        if not self._is_down(now):
            return row
        row = row.copy()
        row[self._age] = 0.0
        return row

    def report(self, report: BoardReport, now: Instant) -> BoardReport:
        """Return the report without the frames that were rejected meanwhile."""
        if self._is_down(now):
            self._rejected = report.rejected_frames - self._told
        self._told = report.rejected_frames - self._rejected
        return report._replace(rejected_frames=self._told) if self._rejected else report
