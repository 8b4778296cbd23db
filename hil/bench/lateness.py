"""How late ticks begin and how long they take, in a fixed amount of memory.

A soak of months has tens of millions of ticks, so durations are counted in classes that rise by
2 % (figures are rounded up to their class, the largest is kept exactly).
"""

import math

from hil.core.instants import MILLISECOND, Duration

_STEP = math.log(1.02)
_FLOOR: Duration = 1_000
"""Nobody needs to tell apart what is below a microsecond."""


class Durations:
    """A distribution of durations that only grows."""

    def __init__(self) -> None:
        """Know none yet."""
        self._counts: dict[int, int] = {}
        self._total = 0
        self.longest: Duration = 0

    def add(self, duration: Duration) -> None:
        """Count one duration; a negative one counts as none at all."""
        of_class = math.ceil(math.log(max(duration, _FLOOR) / _FLOOR) / _STEP)
        self._counts[of_class] = self._counts.get(of_class, 0) + 1
        self._total += 1
        self.longest = max(self.longest, duration)

    def quantile(self, share: float) -> Duration:
        """Return a duration that ``share`` of them do not exceed, at most 2 % above; 0 of none."""
        left = math.ceil(share * self._total)
        for of_class in sorted(self._counts):
            left -= self._counts[of_class]
            if left <= 0:
                return min(round(_FLOOR * math.exp(of_class * _STEP)), self.longest)
        return 0

    def plain(self) -> dict[str, float]:
        """Return median, 99th and 99.9th percentile and maximum in milliseconds."""
        figures = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
        plain = {name: self.quantile(share) / MILLISECOND for name, share in figures.items()}
        return plain | {"max": self.longest / MILLISECOND}
