"""A time series from a CSV file: what a house, a feeder or a drive cycle asks of the pack.

The first column is the time, ``time_s`` (seconds, any start) or ``time`` (ISO 8601 or seconds);
each other column is named with its unit (``net_w``, ``pack_a``). A row holds until the next one,
rows are equally far apart, and positive values discharge the pack.

The rules are strict because the damage is silent: a gap that is bridged, a NaN that is skipped or
hours taken for seconds give a run that looks fine and means nothing.
"""

import csv
import hashlib
import io
import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

from hil.core.errors import ConfigErrors
from hil.core.instants import Duration, clock_text, from_seconds
from hil.profile.conditions import nearest
from hil.profile.source import Mark, decoded, read_bytes

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
    return parse_series(read_bytes(path, shown, MAX_BYTES), shown, column)


@lru_cache(maxsize=4)
def parse_series(data: bytes, shown: str, column: str) -> Series:
    """Read one column of CSV text. Raises ConfigErrors with the first line that is wrong."""
    decoded(data, Mark(shown))  # for its checks; rows are read one by one, to keep memory small
    rows = csv_rows(data, shown)
    _, names = next(rows, (1, []))
    header = [name.strip() for name in names]
    at, kind = _column(header, shown, column)
    times, values = [], []
    for line, row in rows:
        if len(row) != len(header):
            found = f"{len(row)} values" if row else "an empty line"
            raise wrong_at(shown, line, "", f"found {found}, expected {len(header)} values")
        times.append(_time_ns(row[0], header[0], shown, line))
        values.append(finite_number(row[at], column, shown, line))
    _check_times(times, shown)
    start = times[0]
    digest = hashlib.sha256(data).hexdigest()
    name = Path(shown).name
    return Series(name, column, kind, tuple(t - start for t in times), tuple(values), digest)


def csv_rows(data: bytes, shown: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with its line. Raises ConfigErrors where quotes are not as CSV has them.

    A cell must stand in one line: numbers do, and so rows and lines keep the same count.
    """
    rows = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8-sig"), strict=True)
    line = 0
    try:
        for row in rows:
            line += 1
            if rows.line_num != line:
                raise wrong_at(
                    shown, line, "", "found a quoted line break, expected one row a line"
                )
            yield line, row
    except csv.Error as error:
        raise wrong_at(shown, line + 1, "", f"is no CSV text: {error}") from error


def _column(header: list[str], shown: str, column: str) -> tuple[int, Literal["current", "power"]]:
    """Return where ``column`` stands and whether it is a current or a power."""
    if not header or header[0] not in ("time", "time_s"):
        found = f"found '{header[0]}'" if header else "is empty"
        expected = "expected 'time_s' or 'time' as the first column, and commas between columns"
        raise wrong_at(shown, 1, "", f"{found}, {expected}")
    for number, name in enumerate(header):
        if name in header[:number]:
            raise wrong_at(shown, 1, name, f"two columns are named '{name}', expected one")
    if column not in header[1:]:
        raise wrong_at(shown, 1, column, f"no column '{column}'{nearest(column, header[1:])}")
    kind = KINDS.get(column.rpartition("_")[2])
    if kind is None:
        expected = "expected a column in A or W, such as pack_a or net_w"
        raise wrong_at(shown, 1, column, f"'{column}' is neither a current nor a power: {expected}")
    return header.index(column), kind


def _time_ns(text: str, name: str, shown: str, line: int) -> int:
    """Read one time. ``time_s`` is seconds by its name; ``time`` may be ISO 8601 as well."""
    seconds = _number(text)
    if seconds is None and name == "time":
        seconds = _iso_s(text)
    if seconds is None:
        shape = "a time in seconds or as 2026-07-01T00:00:00" if name == "time" else "seconds"
        raise wrong_at(shown, line, name, f"found '{text}', expected {shape}")
    if not abs(seconds) < 1e10:  # noqa: PLR2004 - three centuries; NaN fails too
        raise wrong_at(shown, line, name, f"found '{text}', expected a time")
    return from_seconds(seconds)


def _iso_s(text: str) -> float | None:
    """Return an ISO 8601 time in seconds. One without an offset is UTC, wherever it is read.

    As local time it would depend on the host, and have a gap or a doubled hour twice a year.
    """
    try:
        time = datetime.fromisoformat(text.strip())
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def finite_number(text: str, column: str, shown: str, line: int) -> float:
    """Read one value. A NaN would follow through every sum of the run, so it ends here."""
    value = _number(text)
    if value is None:
        raise wrong_at(shown, line, column, f"found '{text}', expected a number such as 3.5")
    if not math.isfinite(value):
        raise wrong_at(shown, line, column, f"found '{text}', expected a finite number")
    return value


def _number(text: str) -> float | None:
    """Read a number; None for what is none, Python's ``1_0`` and other scripts' digits included."""
    if "_" in text or not text.isascii():
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _check_times(times: Sequence[int], shown: str) -> None:
    """Refuse what would silently stretch or repeat a load: gaps and time that runs backwards."""
    if len(times) < 2:  # noqa: PLR2004 - one row has no step
        raise wrong_at(shown, len(times) + 1, "", "expected at least two rows of values")
    step = times[1] - times[0]
    for line, (before, after) in enumerate(pairwise(times), 3):
        if after <= before:
            raise wrong_at(shown, line, "", "the time does not increase")
        if after - before != step:
            found = f"{(after - before) / 1e9:.10g} s after the row before"
            raise wrong_at(shown, line, "", f"{found}, expected {step / 1e9:.10g} s: a gap")


def wrong_at(shown: str, line: int, key: str, message: str) -> ConfigErrors:
    """Return the error at a line of the file, to be raised."""
    return ConfigErrors([Mark(shown, line, 1).error(key, message)])
