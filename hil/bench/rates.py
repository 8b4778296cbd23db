"""How fast a quantity changes: the mean over a window, of each of its values."""

import math
from collections import deque
from collections.abc import Sequence

from hil.core.instants import Duration, Instant, to_seconds

PER_S = {"V/s": 1.0, "A/s": 1.0, "K/min": 60.0}
"""Seconds in the time of a rate's unit."""


class Rates:
    """Follows one quantity's values over a window.

    A rate is the difference between a row and the newest row that is at least the window older, by
    the time between the two. Until the window is full there is none, nor of a value that was not
    read in one of both.
    """

    def __init__(self, over_ns: Duration, unit: str) -> None:
        """``unit`` is a key of ``PER_S``."""
        self._over_ns, self._per_s = over_ns, PER_S[unit]
        self._rows: deque[tuple[Instant, Sequence[float]]] = deque()

    def of(self, at: Instant, values: Sequence[float]) -> list[float]:
        """Take the values of one row; return their rates (magnitudes), NaN where there is none."""
        rows, begin = self._rows, at - self._over_ns
        rows.append((at, values))
        while len(rows) > 1 and rows[1][0] <= begin:
            rows.popleft()
        then, before = rows[0]
        if then > begin:
            return [math.nan] * len(values)
        scale = self._per_s / to_seconds(at - then)
        return [abs(now - old) * scale for now, old in zip(values, before, strict=True)]
