"""A disk that fails on purpose, and runs that are recorded on it."""

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from hil.bench import recording
from hil.core.records import Record
from hil.results import store, writer
from hil.results.disk import Disk
from hil.results.journal import Journal
from hil.results.ledger import Batch, Ledger

REASONS = {
    "full": errno.ENOSPC,
    "sync": errno.EIO,
    "create": errno.EMFILE,
    "commit": errno.EIO,
}
"""What breaks, and what the system then says."""


class FailingDisk(Disk):
    """Fails at the ``after``-th call of what breaks, ``times`` times.

    ``full`` takes half of what it is given before it says so, as a real one does.
    """

    def __init__(self, breaks: str, after: int, times: int) -> None:
        self._breaks, self._left, self._times = breaks, after, times
        self.failed = 0
        self.on_failure: Callable[[], None] = lambda: None

    def fails(self, what: str) -> bool:
        """Count a call and say whether it fails."""
        if what != self._breaks or self.failed >= self._times:
            return False
        self._left -= 1
        if self._left > 0:
            return False
        self.failed += 1
        self.on_failure()
        return True

    def _error(self) -> OSError:
        number = REASONS[self._breaks]
        return OSError(number, os.strerror(number))

    def create(self, path: Path) -> int:
        if path.suffix == ".arrow" and self.fails("create"):
            raise self._error()
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> None:
        if self.fails("full"):
            super().write(descriptor, data[: len(data) // 2])
            raise self._error()
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        if self.fails("sync"):
            raise self._error()
        super().sync(descriptor)


class FailingLedger(Ledger):
    """A ledger on such a disk."""

    disk: FailingDisk

    def commit(self, records: Iterable[tuple[int, bytes]], batch: Batch | None) -> None:
        if self.disk.fails("commit"):
            raise sqlite3.OperationalError("disk I/O error")
        super().commit(records, batch)


class SlowDisk(Disk):
    """Blocks every write of ticks until the run has emitted a number of records."""

    def __init__(self, until: int) -> None:
        self.until = until
        self.go = threading.Event()

    def write(self, descriptor: int, data: bytes) -> None:
        assert self.go.wait(60)
        super().write(descriptor, data)


class Emitted:
    """Every record that a run emitted, and what was acknowledged when the disk failed first."""

    def __init__(self) -> None:
        self.records: list[tuple[int, Record]] = []
        self.acknowledged: int | None = None
        self.failed_at = 0


def recorded_on(disk: Disk, monkeypatch: pytest.MonkeyPatch, *, ticks_a_batch: int = 5) -> Emitted:
    """Let the next runs be recorded on this disk, in small batches; return what they emit."""
    emitted = Emitted()
    monkeypatch.setattr(writer, "TICKS_A_BATCH", ticks_a_batch)
    monkeypatch.setattr(recording, "Store", partial(store.Store, disk=disk))
    if isinstance(disk, FailingDisk):
        monkeypatch.setattr(store, "Ledger", type("On", (FailingLedger,), {"disk": disk}))
    add, made = Journal._add, Journal.__init__

    def noted(self: Journal, record: Record) -> None:
        emitted.records.append((self.seq, record))
        if isinstance(disk, SlowDisk) and self.seq >= disk.until:
            disk.go.set()
        add(self, record)

    def begun(self: Journal, sink: writer.Writer) -> None:
        made(self, sink)
        if isinstance(disk, FailingDisk):
            disk.on_failure = lambda: failed(sink)

    def failed(sink: writer.Writer) -> None:
        if emitted.acknowledged is None:
            emitted.acknowledged = sink.acknowledged
            emitted.failed_at = emitted.records[-1][1].at

    monkeypatch.setattr(Journal, "_add", noted)
    monkeypatch.setattr(Journal, "__init__", begun)
    return emitted
