"""What a run's folder really holds: every record that can be believed, and everything wrong.

Nothing here trusts a file because it is there. Messages are believed for their seals, rows for
their CRCs, the whole for an unbroken sequence of numbers; what is missing is looked for by name.
"""

import heapq
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.core.records import Record, RecordsLost
from hil.results import archive, canonical, segments
from hil.results.ledger import FILE as LEDGER_FILE
from hil.results.ledger import Batch, Ledger

SeqRecord = tuple[int, Record]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a run's record, in one line, and the file in which it is."""

    file: str
    what: str

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.file}: {self.what}"


class Contents:
    """The records of one folder. ``findings`` grows while it is opened and while it is read.

    ``missing`` lists the gaps (first, last) between the records that were read so far.
    """

    def __init__(self, folder: Path) -> None:
        """Read the ledger and check the seal of every batch. Raises nothing for damage."""
        self._folder = folder
        self.findings: list[Finding] = []
        self.missing: list[tuple[int, int]] = []
        self.others: list[SeqRecord] = []
        self.batches: list[Batch] = []
        self._read_ledger()
        self._archived = archive.is_whole(folder)
        self._whole: list[tuple[Path, segments.Whole]] = []
        if self._archived:
            self._recall(archive.first_line(folder))
        else:
            self._whole = self._scan_segments()

    def records(self) -> Iterator[SeqRecord]:
        """Yield every record that can be read, in order; then ``findings`` is complete."""
        yield from self._numbered(heapq.merge(self.others, self._ticks(), key=lambda one: one[0]))

    def _found(self, file: str, what: str) -> None:
        self.findings.append(Finding(file, what))

    # --- the ledger ------------------------------------------------------------------------------

    def _read_ledger(self) -> None:
        path = self._folder / LEDGER_FILE
        if not path.is_file():
            self._found(LEDGER_FILE, "is missing")
            return
        try:
            ledger = Ledger(path, read_only=True)
        except sqlite3.Error as error:
            self._found(LEDGER_FILE, f"cannot be opened: {error}")
            return
        try:
            for complaint in ledger.complaints():
                self._found(LEDGER_FILE, f"is damaged: {complaint.splitlines()[0]}")
            for number in ledger.damaged_batches():
                self._found(LEDGER_FILE, f"the entry of batch {number} is damaged")
            self.batches = ledger.batches()
            for seq, line in ledger.records():
                self._take(seq, line)
        except sqlite3.Error as error:
            self._found(LEDGER_FILE, f"is damaged: {error}")
        finally:
            ledger.close()

    def _take(self, seq: int, line: bytes | None) -> None:
        """Keep a record of the ledger, if its line can be believed."""
        if line is None:
            self._found(LEDGER_FILE, f"record {seq} is damaged")
            return
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

    def _scan_segments(self) -> list[tuple[Path, segments.Whole]]:
        """Check every segment's bytes against their seals, and the seals against the ledger."""
        whole = []
        expected = {(batch.segment, batch.place): batch for batch in self.batches}
        for path in segments.segments(self._folder):
            try:
                data = path.read_bytes()
            except OSError as error:
                self._found(path.name, f"cannot be read: {error.strerror}")
                continue
            for part in segments.scan(data):
                if isinstance(part, segments.Damaged):
                    self._damaged(path.name, part, expected)
                elif part.index:
                    whole.append((path, part))
                    self._compare(path.name, part, expected)
                else:
                    self._recall(segments.first_line(data[: part.length]))
        for batch in expected.values():
            self._found(batch.segment, f"{_named(batch)} is missing")
        return whole

    def _damaged(
        self, name: str, part: segments.Damaged, expected: dict[tuple[str, int], Batch]
    ) -> None:
        """Name what the damaged bytes held, as far as the ledger knows it."""
        end = part.offset + part.length
        inside = [key for key in expected if key[0] == name and part.offset <= key[1] < end]
        for key in inside:
            self._found(name, f"{_named(expected.pop(key))} is damaged")
        if not inside:
            known = any(key[0] == name and key[1] >= part.offset for key in expected)
            unasked = part.at_end and not known
            what = "the end was never acknowledged" if unasked else "what is there is damaged"
            self._found(name, f"byte {part.offset}, {part.length} bytes: {what}")

    def _compare(
        self, name: str, part: segments.Whole, expected: dict[tuple[str, int], Batch]
    ) -> None:
        """Hold a whole message against what the ledger says was written there."""
        batch = expected.pop((name, part.offset), None)
        if batch is not None and (batch.length, batch.crc) != (part.length, part.crc):
            self._found(name, f"{_named(batch)} is another one than was written")

    def _ticks(self) -> Iterator[SeqRecord]:
        if self._archived:
            yield from archive.ticks(self._folder, self._found)
            return
        path, data, last = None, b"", -1
        for segment, part in self._whole:
            if segment != path:
                path, data = segment, segment.read_bytes()
            for seq, tick in segments.decode(data[part.offset : part.offset + part.length]):
                if seq > last:  # a batch that could not be cut off was written a second time
                    last = seq
                    yield seq, tick

    # --- the whole -------------------------------------------------------------------------------

    def _numbered(self, records: Iterator[SeqRecord]) -> Iterator[SeqRecord]:
        """Pass records on and find what is missing between them."""
        lost = [(r.first, r.last) for _, r in self.others if isinstance(r, RecordsLost)]
        due = 0
        for seq, record in records:
            if seq < due:
                self._found("journal", f"record {seq} is there twice")
                continue
            self._missing(due, seq - 1, lost)
            due = seq + 1
            yield seq, record

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


def _named(batch: Batch) -> str:
    return f"batch {batch.number} ({batch.ticks} ticks, records {batch.first} to {batch.last})"
