"""Fewer points that show the same picture: of every bucket of ticks, each signal's extremes.

A bucket is a number of ticks in a row. It gives two points on a time axis that all signals share,
at its first and its last tick: a signal's least and greatest value, in the order in which they
came. So no spike is lost, and a line through the points goes where the signal went, to within the
width of a bucket. A signal that is unknown (NaN) in part of a bucket breaks off behind it, at a
third point; where nothing was recorded for longer than a tick, all of them do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hil.core.instants import Duration

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Nanoseconds = NDArray[np.int64]
Bools = NDArray[np.bool_]

Kind = TypeVar("Kind", bound=np.generic)

MISSING = 1.5
"""Two ticks further apart than this many periods have a hole between them."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Decimated signals. ``at_ns`` (points,), ``values`` (signals, points).

    ``bucket_ns`` (buckets + 1,) are the edges of the buckets; ``mean`` and ``peak``
    (shares, buckets) are of the signals that were asked for as shares; ``every`` is the number of
    ticks in a bucket.
    """

    at_ns: Nanoseconds
    values: Singles
    bucket_ns: Nanoseconds
    mean: Singles
    peak: Singles
    every: int


class Decimation:
    """Takes rows as they come, a bucket at a time; memory holds the picture and one bucket."""

    def __init__(self, period: Duration, every: int, lines: int, shares: Sequence[int]) -> None:
        """``every`` ticks make a bucket; rows have ``lines`` signals, of which ``shares``.

        ``period`` is the tick; ``shares`` are columns of which mean and peak are wanted too.
        """
        self._period, self._every, self._lines = period, every, lines
        self._shares = list(shares)
        self._left = (np.empty(0, np.int64), np.empty((0, lines)))
        self._at: list[Nanoseconds] = []
        self._values: list[Singles] = []
        self._edges: list[Nanoseconds] = []
        self._means: list[Singles] = []
        self._peaks: list[Singles] = []
        self._last: int | None = None

    def add(self, at_ns: Nanoseconds, rows: Floats) -> None:
        """Take rows (n, lines) at their instants (n,), which rise."""
        at_ns, rows = self._with_holes(at_ns, rows)
        at_ns = np.concatenate([self._left[0], at_ns])
        rows = np.concatenate([self._left[1], rows])
        whole = len(at_ns) // self._every * self._every
        if whole:
            self._close(at_ns[:whole], rows[:whole], self._every)
        self._left = (at_ns[whole:].copy(), rows[whole:].copy())

    def _with_holes(self, at_ns: Nanoseconds, rows: Floats) -> tuple[Nanoseconds, Floats]:
        """Put a row of NaN one period after each tick that no other follows in time."""
        before = at_ns[0] - self._period if self._last is None else self._last
        holes = np.flatnonzero(np.diff(at_ns, prepend=before) > MISSING * self._period)
        self._last = int(at_ns[-1])
        if not len(holes):
            return at_ns, rows
        ends = np.concatenate([[before], at_ns])[holes] + self._period
        return np.insert(at_ns, holes, ends), np.insert(rows, holes, np.nan, axis=0)

    def _close(self, at_ns: Nanoseconds, rows: Floats, every: int) -> None:
        """Reduce rows that fill buckets of ``every`` ticks."""
        at = at_ns.reshape(-1, every)
        cube = rows.reshape(-1, every, self._lines)
        unknown = np.isnan(cube)
        low, high = np.where(unknown, np.inf, cube), np.where(unknown, -np.inf, cube)
        least, most = low.min(axis=1), high.max(axis=1)
        none = unknown.all(axis=1)
        least[none] = most[none] = np.nan
        rising = low.argmin(axis=1) <= high.argmax(axis=1)
        ends = np.where(rising, least, most), np.where(rising, most, least)
        self._draw(at, ends, np.logical_and(unknown.any(axis=1), ~none))
        self._edges.append(at[:, 0])
        shares = cube[:, :, self._shares]
        self._means.append(_mean(shares).astype(np.float32))
        self._peaks.append(most[:, self._shares].astype(np.float32))

    def _draw(self, at: Nanoseconds, ends: tuple[Floats, Floats], mixed: Bools) -> None:
        """Keep two points a bucket, of one tick one, and a third where ``mixed`` says so.

        ``at`` (buckets, ticks); ``ends`` (buckets, lines) what came first and last; ``mixed`` the
        lines that are known in a part of the bucket only.
        """
        if at.shape[1] == 1:
            self._at.append(at[:, 0])
            self._values.append(ends[0].astype(np.float32))
            return
        behind = np.where(mixed, np.nan, ends[1])
        values = np.stack([*ends, behind], axis=1).astype(np.float32)
        times = np.stack([at[:, 0], at[:, -1], at[:, -1] + self._period // 2], axis=1)
        keep = np.ones(times.shape, np.bool_)
        keep[:, 2] = mixed.any(axis=1)
        self._at.append(times[keep])
        self._values.append(values[keep])

    def picture(self) -> Picture:
        """Return what has been taken. The last bucket may have fewer ticks than the others."""
        at_ns, rows = self._left
        if len(at_ns):
            self._close(at_ns, rows, len(at_ns))
            self._left = (at_ns[:0], rows[:0])
        end = [] if self._last is None else [self._last + self._period]
        return Picture(
            at_ns=_joined(self._at, np.empty(0, np.int64)),
            values=_joined(self._values, np.empty((0, self._lines), np.float32)).T,
            bucket_ns=np.concatenate([*self._edges, np.array(end, np.int64)]),
            mean=_joined(self._means, np.empty((0, len(self._shares)), np.float32)).T,
            peak=_joined(self._peaks, np.empty((0, len(self._shares)), np.float32)).T,
            every=self._every,
        )


def _mean(shares: Floats) -> Floats:
    """Return the mean over the ticks (axis 1) of what is known; NaN where nothing is."""
    known = ~np.isnan(shares)
    with np.errstate(invalid="ignore"):
        mean: Floats = np.where(known, shares, 0.0).sum(axis=1) / known.sum(axis=1)
    return mean


def _joined(parts: Sequence[NDArray[Kind]], none: NDArray[Kind]) -> NDArray[Kind]:
    return np.concatenate(parts) if parts else none
