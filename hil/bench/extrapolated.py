"""For how long the cells of a run stood outside the range that their type's figures were fitted in.

The model goes on beyond it, because limits and boards must be tried there too; but then it is a
guess, and a run says so.
"""

from collections.abc import Sequence
from typing import Any

from hil.core.instants import Duration, to_seconds
from hil.core.signals import Layout


class Extrapolated:
    """Adds up time by what was outside: ``soc``, ``temperature``, ``rate``."""

    def __init__(self, cell: Any, layout: Layout, tick: Duration) -> None:
        """``cell`` is the run's cell type, ``layout`` says where a row has what."""
        self._soc, self._degc = layout.columns("plant.soc"), layout.columns("plant.cell_degc")
        self._current = layout.index("pack.current_a")
        self._cell, self._tick = cell, tick
        self._largest_a = cell.fitted_to_rate_per_h * cell.capacity_ah
        self._ticks = {"soc": 0, "temperature": 0, "rate": 0}

    def take(self, row: Sequence[float]) -> None:
        """Look at one tick's row; bleeds are too small to count."""
        cell, soc, degc = self._cell, row[self._soc], row[self._degc]
        if min(soc) < cell.fitted_from_soc_ratio or max(soc) > cell.fitted_to_soc_ratio:
            self._ticks["soc"] += 1
        if min(degc) < cell.fitted_from_degc or max(degc) > cell.fitted_to_degc:
            self._ticks["temperature"] += 1
        if abs(row[self._current]) > self._largest_a:
            self._ticks["rate"] += 1

    def seconds(self) -> dict[str, float]:
        """Return for how long (s) each was outside; without those that never were."""
        return {name: to_seconds(n * self._tick) for name, n in self._ticks.items() if n}
