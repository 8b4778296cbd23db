"""Where records go: a segment for the ticks, the ledger for everything else, both synced.

A batch is acknowledged when its ticks are synced and then the ledger's transaction, which names
the batch and holds its other records, is committed. Whatever happens before that leaves the
batches before it untouched.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hil.core.records import Tick
from hil.results import segments
from hil.results.disk import Disk, RecordingProblem, lock, sync_folder
from hil.results.ledger import FILE as LEDGER_FILE
from hil.results.ledger import Batch, Ledger

RESERVE = "reserve"
RESERVE_BYTES = 4 << 20
"""Room for what a full disk would otherwise keep out: the last batch, the way down, the verdict."""

ROWS_A_SEGMENT = 36_000
"""An hour at 10 ticks a second: what is damaged beyond reading is damaged no further than this."""

Line = tuple[int, bytes]
"""Sequence number and canonical line."""


@dataclass
class Records:
    """A batch on its way to the disk: ticks, and the canonical lines of all other records."""

    ticks: list[segments.SeqTick] = field(default_factory=list)
    others: list[Line] = field(default_factory=list)

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self.ticks) + len(self.others)

    def without_ticks(self) -> "Records":
        """Return the batch without its ticks."""
        return Records([], self.others)


class Store:
    """Writes batches. One thread at a time."""

    def __init__(self, folder: Path, utc_now: Callable[[], str], disk: Disk | None = None) -> None:
        """Make ledger and reserve in ``folder``. Raises RecordingProblem."""
        self._folder, self._utc_now = folder, utc_now
        self._disk = disk or Disk()
        self._segment: _Segment | None = None
        self._segments = self._batches = 0
        self._first_line = b""
        self._lock = lock(folder)
        try:
            self._disk.reserve(folder / RESERVE, RESERVE_BYTES)
            self._ledger = Ledger(folder / LEDGER_FILE, create=True)
            sync_folder(folder)
        except (OSError, sqlite3.Error) as error:
            os.close(self._lock)
            raise _problem(error) from error

    def write(self, records: Records) -> None:
        """Write one batch; when this returns, it is acknowledged.

        Raises RecordingProblem: then the batch is not, and the segment ends with the one before.
        """
        if not self._first_line and records.others:
            self._first_line = records.others[0][1]
        try:
            batch = self._put(records.ticks) if records.ticks else None
            self._ledger.commit(records.others, batch)
        except (OSError, sqlite3.Error) as error:
            self._give_up_segment()
            raise _problem(error) from error
        if batch is not None and self._segment is not None:
            self._batches = batch.number
            self._segment.size += batch.length
            self._segment.rows += batch.ticks

    def free_reserve(self) -> bool:
        """Give the room kept back to what has to be written; False if it was given before."""
        path = self._folder / RESERVE
        if not path.exists():
            return False
        path.unlink()
        return True

    def close(self) -> None:
        """End the segment, fold the ledger into one file. Raises RecordingProblem."""
        try:
            self._end_segment()
            self.free_reserve()
            self._ledger.close(single_file=True)
        except (OSError, sqlite3.Error) as error:
            raise _problem(error) from error
        finally:
            os.close(self._lock)

    def abandon(self) -> None:
        """Let go of the files as they are; the ledger's log is folded in if the disk allows it."""
        if self._segment is not None:
            os.close(self._segment.descriptor)
            self._segment = None
        with suppress(sqlite3.Error):  # then the log stays, and holds what the ledger lacks
            self._ledger.close(single_file=True)
        os.close(self._lock)

    # --- segments --------------------------------------------------------------------------------

    def _put(self, ticks: Sequence[tuple[int, Tick]]) -> Batch:
        """Write and sync ticks; return their entry in the ledger. Raises OSError."""
        if self._segment is not None and self._segment.rows >= ROWS_A_SEGMENT:
            self._end_segment()
        segment = self._segment or self._begin_segment()
        message = segment.encoder.batch(ticks)
        self._disk.write(segment.descriptor, message)
        self._disk.sync(segment.descriptor)
        return Batch(
            number=self._batches + 1,
            segment=segment.name,
            place=segment.size,
            length=len(message),
            crc=segments.crc_of(message),
            first=ticks[0][0],
            last=ticks[-1][0],
            ticks=len(ticks),
            written_utc=self._utc_now(),
        )

    def _begin_segment(self) -> "_Segment":
        self._segments += 1
        name = segments.name_of(self._segments)
        self._segment = segment = _Segment(
            name, self._disk.create(self._folder / name), segments.Encoder(self._first_line)
        )
        self._disk.write(segment.descriptor, segment.encoder.head)
        segment.size = len(segment.encoder.head)
        sync_folder(self._folder)
        return segment

    def _end_segment(self) -> None:
        if self._segment is not None:
            segment, self._segment = self._segment, None
            try:
                self._disk.write(segment.descriptor, segment.encoder.end())
                self._disk.sync(segment.descriptor)
            finally:
                os.close(segment.descriptor)

    def _give_up_segment(self) -> None:
        """Leave the segment with what was acknowledged: half a message must not stay behind it.

        After a failed sync nobody knows what the disk holds, so the next batch begins a new file.
        """
        if self._segment is not None:
            segment, self._segment = self._segment, None
            with suppress(OSError):  # what cannot be cut off, the scan will find and name
                self._disk.truncate(segment.descriptor, segment.size)
            os.close(segment.descriptor)


@dataclass
class _Segment:
    """The segment being written; ``size`` in bytes counts acknowledged batches only."""

    name: str
    descriptor: int
    encoder: segments.Encoder
    size: int = 0
    rows: int = 0


def _problem(error: OSError | sqlite3.Error) -> RecordingProblem:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return RecordingProblem(f"records cannot be kept: {text or error}")
