"""A time series from a CSV file: what a house, a feeder or a drive cycle asks of the pack.

The first column is the time, ``time_s`` (seconds, any start) or ``time`` (ISO 8601 or seconds);
each other column is named with its unit (``net_w``, ``pack_a``). A row holds until the next one,
rows are equally far apart, and positive values discharge the pack.

The rules are strict because the damage is silent: a gap that is bridged, a NaN that is skipped or
hours taken for seconds give a run that looks fine and means nothing.
"""

import csv
import hashlib
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

from hil.core.errors import ConfigErrors
from hil.core.instants import Duration, clock_text, from_seconds
from hil.profile.conditions import nearest
from hil.profile.tree import Mark

MAX_BYTES = 64 * 1024 * 1024  # a year by the minute is 10 MB
KINDS: dict[str, Literal["current", "power"]] = {"a": "current", "w": "power"}


@dataclass(frozen=True)
class Series:
    """Equally spaced rows; ``times_ns`` starts at 0, ``values`` in A or W as ``kind`` says.

    ``sha256`` is that of the file and ``start_ns`` where in it the series begins, so that a run's
    record says what it followed.
    """

    name: str
    column: str
    kind: Literal["current", "power"]
    times_ns: tuple[Duration, ...]
    values: tuple[float, ...]
    sha256: str
    start_ns: Duration = 0

    @property
    def step_ns(self) -> Duration:
        """Return the time from one row to the next."""
        return self.times_ns[1] - self.times_ns[0]

    def starting_at(self, start: Duration) -> "Series":
        """Return what is left of the series from ``start`` on. Raises ValueError if it is over."""
        first = bisect_left(self.times_ns, start)
        left = self.times_ns[first:]
        if len(left) < 2:  # noqa: PLR2004 - one row has no step
            raise ValueError(f"the series ends before {clock_text(start)}")
        times = tuple(time - left[0] for time in left)
        return replace(self, start_ns=start, times_ns=times, values=self.values[first:])


def load_series(path: Path, shown: str, column: str) -> Series:
    """Read one column of a CSV file. Raises ConfigErrors with file and line."""
    place = Mark(shown)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigErrors([place.error("", f"longer than {MAX_BYTES >> 20} MiB")])
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ConfigErrors([place.error("", f"cannot be read: {reason}")]) from error
    return parse_series(data, shown, column)


@lru_cache(maxsize=16)
def parse_series(data: bytes, shown: str, column: str) -> Series:
    """Read one column of CSV text. Raises ConfigErrors with the first line that is wrong."""
    try:
        rows = list(csv.reader(data.decode("utf-8-sig").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigErrors([Mark(shown).error("", f"is no CSV text: {error}")]) from error
    header = [name.strip() for name in rows[0]] if rows else []
    at, kind = _column(header, shown, column)
    times, values = [], []
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise _wrong(shown, line, "", f"found {len(row)} values, expected {len(header)}")
        times.append(_time_ns(row[0], header[0], shown, line))
        values.append(_value(row[at], column, shown, line))
    _check_times(times, shown)
    start = times[0]
    digest = hashlib.sha256(data).hexdigest()
    name = Path(shown).name
    return Series(name, column, kind, tuple(t - start for t in times), tuple(values), digest)


def _column(header: list[str], shown: str, column: str) -> tuple[int, Literal["current", "power"]]:
    """Return where ``column`` stands and whether it is a current or a power."""
    if not header or header[0] not in ("time", "time_s"):
        found = f"found '{header[0]}'" if header else "is empty"
        raise _wrong(shown, 1, "", f"{found}, expected 'time_s' or 'time' as the first column")
    if column not in header[1:]:
        raise _wrong(shown, 1, column, f"no column '{column}'{nearest(column, header[1:])}")
    kind = KINDS.get(column.rpartition("_")[2])
    if kind is None:
        expected = "expected a column in A or W, such as pack_a or net_w"
        raise _wrong(shown, 1, column, f"'{column}' is neither a current nor a power: {expected}")
    return header.index(column), kind


def _time_ns(text: str, name: str, shown: str, line: int) -> int:
    """Read one time. ``time_s`` is seconds by its name; ``time`` may be ISO 8601 as well."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            if name == "time_s":
                raise
            seconds = datetime.fromisoformat(text.strip()).timestamp()
        except (ValueError, OverflowError, OSError) as error:
            message = f"found '{text}', expected a time in seconds or as 2026-07-01T00:00:00"
            raise _wrong(shown, line, name, message) from error
    if not abs(seconds) < 1e10:  # noqa: PLR2004 - three centuries; NaN fails too
        raise _wrong(shown, line, name, f"found '{text}', expected a time")
    return from_seconds(seconds)


def _value(text: str, column: str, shown: str, line: int) -> float:
    """Read one value. A NaN would follow through every sum of the run, so it ends here."""
    try:
        value = float(text)
    except ValueError as error:
        raise _wrong(shown, line, column, f"found '{text}', expected a number") from error
    if not math.isfinite(value):
        raise _wrong(shown, line, column, f"found '{text}', expected a finite number")
    return value


def _check_times(times: Sequence[int], shown: str) -> None:
    """Refuse what would silently stretch or repeat a load: gaps and time that runs backwards."""
    if len(times) < 2:  # noqa: PLR2004 - one row has no step
        raise _wrong(shown, len(times) + 1, "", "expected at least two rows of values")
    step = times[1] - times[0]
    for line, (before, after) in enumerate(pairwise(times), 3):
        if after <= before:
            raise _wrong(shown, line, "", "the time does not increase")
        if after - before != step:
            found = f"{(after - before) / 1e9:g} s after the row before"
            raise _wrong(shown, line, "", f"{found}, expected {step / 1e9:g} s: a gap")


def _wrong(shown: str, line: int, key: str, message: str) -> ConfigErrors:
    """Return the error at a line of the file, to be raised."""
    return ConfigErrors([Mark(shown, line, 1).error(key, message)])
