"""Runs written record by record, for tests of what becomes of them on the disk."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from hil.core.records import Deviation, Record, RunEnded, RunStarted, SafeStateArmed, Tick
from hil.results import catalogue, manifest
from hil.results.disk import Disk
from hil.results.journal import Journal
from hil.results.seal import Sealer
from hil.results.store import RESERVE, Store
from hil.results.writer import Batches

UTC = "2026-01-01T00:00:00Z"


def sample(ticks: int = 5, width: int = 3) -> list[Record]:
    """Return the records of a small run: its start, an event, ticks, a finding, its end."""
    signals = (("a", "V", width - 1), ("b", "", 0))
    rows = [
        Tick(k * 10**9, (*(3.3 + (k + j) * 1e-4 for j in range(width - 1)), math.nan), f"{k:064x}")
        for k in range(ticks)
    ]
    armed = SafeStateArmed(0, "emulator-1", 20, "all outputs off")
    found = Deviation(ticks * 10**9, "reading-off", "cell[5]", 0.25, math.inf, "V", "at rest")
    return [
        RunStarted(0, "p", "b", 1, 10**9, "{}", signals, {"x": (1.5, math.nan)}),
        armed,
        *rows,
        found,
        RunEnded(ticks * 10**9, "FAIL", "all \u2264 1 \u03a9"),
    ]


def journal_in(folder: Path, disk: Disk | None = None) -> Journal:
    """Open a journal whose batches close by their length only."""
    folder.mkdir(parents=True, exist_ok=True)
    return Journal(Batches(Store(folder, lambda: UTC, disk), lambda: 0))


def unfinished(folder: Path, records: Sequence[Record], batch: int = 1_000) -> str:
    """Write records as a run that was killed leaves them; sync every ``batch``. Return the digest.

    What is in the folder is a copy made while the writer still had its files open: nothing is
    closed, folded in, archived or sealed. The reserve, 4 MiB of nothing, is left out.
    """
    working = folder.with_name(f"{folder.name}.working")
    working.mkdir(parents=True)
    manifest.write(working, {"run": folder.name, "started_utc": UTC})
    store = Store(working, lambda: UTC)
    batches = Batches(store, lambda: 0)
    for seq, record in enumerate(records):
        batches.take(seq, record)
        if seq % batch == batch - 1:
            batches.sync()
    batches.sync()
    shutil.copytree(working, folder, ignore=shutil.ignore_patterns(RESERVE), dirs_exist_ok=True)
    store.abandon()
    shutil.rmtree(working)
    return batches.digest()


def closed(folder: Path, records: Sequence[Record]) -> str:
    """Write and close a run as ``hil run`` does; return its digest."""
    book, sealer = journal_in(folder), Sealer()
    book.listen(sealer.feed)
    for record in records:
        book.emit(record)
    book.close()
    catalogue.write_json(folder, catalogue.SUMMARY, {"run": folder.name, "verdict": "FAIL"})
    begun = {"run": folder.name, "started_utc": UTC}
    sealer.seal(folder, begun, digest=book.digest(), records=book.seq)
    return book.digest()
