"""For how long the cells of a run stood outside the range that their type's figures were fitted in.

A fold over the records, like a metric: the tick that trips and ends a run counts as any other.
"""

from typing import Any

from hil.core.instants import Duration, to_seconds
from hil.core.records import Record, Tick
from hil.core.signals import Layout
from hil.physics.fitted_range import outside


class Extrapolated:
    """Adds up time by what was outside: ``soc``, ``temperature``, ``rate``."""

    def __init__(self, cell: Any, layout: Layout, tick: Duration) -> None:
        """``cell`` is the run's cell type, ``layout`` says where a row has what."""
        self._soc, self._degc = layout.columns("plant.soc"), layout.columns("plant.cell_degc")
        self._current = layout.index("pack.current_a")
        self._cell, self._tick = cell, tick
        self._ticks = {"soc": 0, "temperature": 0, "rate": 0}

    def feed(self, record: Record) -> None:
        """Look at a tick's row; bleeds are too small beside the pack's current to count."""
        if type(record) is not Tick:
            return
        row = record.values
        rate_per_h = abs(row[self._current]) / self._cell.capacity_ah
        for name in outside(self._cell, row[self._soc], row[self._degc], rate_per_h):
            self._ticks[name] += 1

    def seconds(self) -> dict[str, float]:
        """Return for how long (s) each was outside; without those that never were."""
        return {name: to_seconds(n * self._tick) for name, n in self._ticks.items() if n}
