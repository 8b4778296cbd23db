"""Which batches of ticks stand in a run's segments, held against what the ledger says of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.results import segments
from hil.results.ledger import Batch

Found = Callable[[str, str], None]
"""Takes a file's name and what is wrong with it."""


@dataclass(frozen=True, slots=True, order=True)
class Stored:
    """A batch whose seal is good; ``first`` is the number of its first tick."""

    first: int
    path: Path
    offset: int
    length: int


class Stock:
    """The batches of one folder in the order of their records, wherever they stand.

    ``first_line`` is the run's first record as the segments have it, empty if none does.
    """

    def __init__(self, folder: Path, batches: Sequence[Batch], found: Found) -> None:
        """Look at every byte of every segment; what is wrong is told to ``found``."""
        self._found = found
        self._expected = {(batch.segment, batch.place): batch for batch in batches}
        self._known = {(batch.length, batch.crc): batch for batch in batches}
        self.stored: list[Stored] = []
        self.first_line = b""
        for path in segments.segments(folder):
            try:
                self._take(path, path.read_bytes())
            except OSError as error:
                found(path.name, f"cannot be read: {error.strerror}")
        for batch in self._expected.values():
            found(batch.segment, f"{named(batch)} is missing")
        self.stored.sort()

    def _take(self, path: Path, data: bytes) -> None:
        unknown = []
        for part in segments.scan(data):
            if isinstance(part, segments.Damaged):
                self._damaged(path.name, part)
            elif not segments.is_batch(data, part):
                self._head(path.name, data, part)
            elif not self._batch(path, data, part):
                unknown.append(part)
        # One at the end was on its way when the process ended, or the disk failed: that is usual.
        for part in unknown:
            if part.offset + part.length < len(data):
                self._found(path.name, f"byte {part.offset}: a batch that the ledger does not know")

    def _head(self, name: str, data: bytes, part: segments.Whole) -> None:
        if part.offset:
            self._found(name, f"byte {part.offset}: the start of another segment")
        self.first_line = self.first_line or segments.first_line(segments.bytes_of(data, part))

    def _batch(self, path: Path, data: bytes, part: segments.Whole) -> bool:
        """Keep a batch, and say whether the ledger knows it."""
        known = self._known.get((part.length, part.crc))
        there = self._expected.pop((path.name, part.offset), None)
        if there is not None and there != known:
            self._found(path.name, f"{named(there)} is another one than was written")
        elif known is not None and there is None:
            self._found(path.name, f"byte {part.offset}: {named(known)} should not stand here")
        first = known.first if known else segments.first_seq(segments.bytes_of(data, part))
        self.stored.append(Stored(first, path, part.offset, part.length))
        return known is not None

    def _damaged(self, name: str, part: segments.Damaged) -> None:
        """Name what the damaged bytes held, as far as the ledger knows it."""
        end = part.offset + part.length
        inside = [at for at in self._expected if at[0] == name and part.offset <= at[1] < end]
        for at in inside:
            self._found(name, f"{named(self._expected.pop(at))} is damaged")
        if not inside:
            known = any(at[0] == name and at[1] >= part.offset for at in self._expected)
            unasked = part.at_end and not known
            what = "the end was never acknowledged" if unasked else "what is there is damaged"
            self._found(name, f"byte {part.offset}, {part.length} bytes: {what}")


def named(batch: Batch) -> str:
    """Return what people call a batch."""
    return f"batch {batch.number} ({batch.ticks} ticks, records {batch.first} to {batch.last})"
