"""What a run's folder really holds: every record that can be believed, and everything wrong.

Nothing here trusts a file because it is there. Messages are believed for their seals, rows for
their CRCs, the whole for an unbroken sequence of numbers; what is missing is looked for by name.
"""

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hil.core.records import Record, RecordsLost
from hil.results import archive, canonical, segments, wal
from hil.results.ledger import FILE as LEDGER_FILE
from hil.results.ledger import Batch, Ledger
from hil.results.stock import Stock, Stored

SeqRecord = tuple[int, Record]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a run's record, in one line, and the file in which it is."""

    file: str
    what: str

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.file}: {self.what}"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Ticks that follow each other without a record between them, as arrays.

    ``first`` is the number of the first one; ``at_ns`` (n,), ``values`` (n, width).
    """

    first: int
    at_ns: Any
    values: Any

    @property
    def last(self) -> int:
        """Return the number of the last tick."""
        return self.first + len(self.at_ns) - 1


class Contents:
    """The records of one folder. ``findings`` grows while it is opened and while it is read.

    ``missing`` lists the gaps (first, last) between the records that were read so far.
    """

    def __init__(self, folder: Path, records: int = 0) -> None:
        """Read the ledger and check the seal of every batch. Raises nothing for damage.

        ``records`` is how many there must be at least, as far as somebody knows.
        """
        self._folder, self._records = folder, records
        self.findings: list[Finding] = []
        self.missing: list[tuple[int, int]] = []
        self.others: list[SeqRecord] = []
        self._batches: list[Batch] = []
        self._read_ledger()
        self._archived = archive.is_whole(folder)
        if self._archived:
            self._stored: list[Stored] = []
            self._recall(archive.first_line(folder))
        else:
            stock = Stock(folder, self._batches, self._found)
            self._stored = stock.stored
            self._recall(stock.first_line)

    def records(self) -> Iterator[SeqRecord]:
        """Yield every record that can be read, in order; then ``findings`` is complete."""
        merged = heapq.merge(self.others, self._ticks(), key=lambda one: one[0])
        yield from self._numbered((one[0], one[0], one) for one in merged)

    def stretches(self) -> Iterator[Record | Rows]:
        """Yield the same as ``records`` with the ticks many at a time: for folds over long runs."""
        ticks = ((rows.first, rows.last, rows) for rows in self._stretched())
        others = ((seq, seq, record) for seq, record in self.others)
        parts: Iterable[tuple[int, int, Record | Rows]]
        parts = heapq.merge(others, ticks, key=lambda one: one[0])
        yield from self._numbered(parts)

    def most_ticks(self) -> int:
        """Return a number that the ticks do not exceed, without reading them."""
        if self._archived:
            return archive.count(self._folder)
        if not self._stored:
            return 0
        one = self._stored[-1]
        return segments.last_seq(one.path.read_bytes()[one.offset : one.offset + one.length]) + 1

    def _found(self, file: str, what: str) -> None:
        self.findings.append(Finding(file, what))

    # --- the ledger ------------------------------------------------------------------------------

    def _read_ledger(self) -> None:
        path = self._folder / LEDGER_FILE
        if not path.is_file():
            self._found(LEDGER_FILE, "is missing")
            return
        try:
            what = wal.complaint(path)
        except OSError as error:
            self._found(LEDGER_FILE, f"cannot be read: {error.strerror}")
            return
        if what:
            self._found(LEDGER_FILE + wal.SUFFIX, what)
        try:
            with closing(Ledger(path, read_only=True)) as ledger:
                for read in (self._ask_sqlite, self._read_batches, self._read_records):
                    self._read_part(ledger, read)
        except sqlite3.Error as error:
            self._found(LEDGER_FILE, f"cannot be opened: {error}")

    def _read_part(self, ledger: Ledger, read: Callable[[Ledger], None]) -> None:
        """Read what can be read: one damaged table does not hide the others."""
        try:
            read(ledger)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._found(LEDGER_FILE, f"is damaged: {error}")

    def _ask_sqlite(self, ledger: Ledger) -> None:
        for complaint in ledger.complaints():
            self._found(LEDGER_FILE, f"is damaged: {complaint.splitlines()[0]}")

    def _read_batches(self, ledger: Ledger) -> None:
        for number, batch in ledger.batches():
            if batch is None:
                self._found(LEDGER_FILE, f"the entry of batch {number} is damaged")
            else:
                self._batches.append(batch)

    def _read_records(self, ledger: Ledger) -> None:
        for seq, line in ledger.records():
            if line is None:
                self._found(LEDGER_FILE, f"record {seq} is damaged")
            else:
                self._take(seq, line)

    def _take(self, seq: int, line: bytes) -> None:
        """Keep a record of the ledger, if its line says what it should."""
        try:
            number, record = canonical.record(line)
        except ValueError as error:
            self._found(LEDGER_FILE, f"record {seq}: {error}")
            return
        if number != seq:
            self._found(LEDGER_FILE, f"record {seq} says that it is record {number}")
            return
        self.others.append((seq, record))

    def _recall(self, first_line: bytes) -> None:
        """Take the run's first record from where the ticks stand, if the ledger has lost it."""
        if first_line and not (self.others and self.others[0][0] == 0):
            self.others.insert(0, canonical.record(first_line))

    # --- the ticks -------------------------------------------------------------------------------

    def _ticks(self) -> Iterator[SeqRecord]:
        if self._archived:
            yield from archive.ticks(self._folder, self._found)
            return
        path, data, last = None, b"", -1
        for one in self._stored:
            if one.path != path:
                path, data = one.path, one.path.read_bytes()
            for seq, tick in segments.decode(data[one.offset : one.offset + one.length]):
                if seq > last:  # a batch that could not be cut off was written a second time
                    last = seq
                    yield seq, tick

    def _rows(self) -> Iterator[tuple[Any, Any, Any]]:
        """Yield numbers, instants and values of the ticks, a row group or batch at a time."""
        if self._archived:
            for seq, at_ns, _wire, values in archive.groups(self._folder, self._found):
                yield seq, at_ns, values
            return
        path, data, last = None, b"", -1
        for one in self._stored:
            if one.path != path:
                path, data = one.path, one.path.read_bytes()
            batch = segments.decode_arrays(data[one.offset : one.offset + one.length])
            new = batch[0] > last  # see _ticks
            if new.any():
                last = int(batch[0].max())
                yield batch[0][new], batch[1][new], batch[3][new]

    # --- the whole -------------------------------------------------------------------------------

    def _stretched(self) -> Iterator[Rows]:
        """Yield ticks as long as their numbers follow each other: where not, another record is."""
        for numbers, at_ns, values in self._rows():
            cuts = (np.flatnonzero(np.diff(numbers) != 1) + 1).tolist()
            for start, stop in pairwise([0, *cuts, len(numbers)]):
                yield Rows(int(numbers[start]), at_ns[start:stop], values[start:stop])

    def _numbered(self, parts: Iterable[tuple[int, int, T]]) -> Iterator[T]:
        """Pass (first, last, records) on and find what is missing between them."""
        lost = [(r.first, r.last) for _, r in self.others if isinstance(r, RecordsLost)]
        due = 0
        for first, last, part in parts:
            if first < due:
                self._found("journal", f"record {first} is there twice")
                continue
            self._missing(due, first - 1, lost)
            due = last + 1
            yield part
        known = max((batch.last for batch in self._batches), default=-1)
        self._missing(due, max(known, self._records - 1), lost)

    def _missing(self, first: int, last: int, lost: list[tuple[int, int]]) -> None:
        """Find records that are missing, other than those that are known to be lost."""
        for low, high in lost:
            if low <= first <= high:
                first = high + 1
            if low <= last <= high:
                last = low - 1
        if first <= last:
            self.missing.append((first, last))
            self._found("journal", f"{gap(first, last)} missing")


def gap(first: int, last: int) -> str:
    """Write a range of records."""
    return f"record {first} is" if first == last else f"records {first} to {last} are"
