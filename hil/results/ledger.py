"""The ledger: everything but ticks, and which batches of ticks were acknowledged, in SQLite.

Write-ahead log with ``synchronous = FULL``: what is committed survives a power loss, and what a
killed process was writing is rolled back by whoever opens the file next. SQLite does not notice
damaged pages either (64 zeroed bytes pass), so every row carries its own CRC-32.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

FILE = "ledger.sqlite"
_LONGEST = 64 << 20
"""Bytes of a row that are read; a record has some thousand."""
LAYOUT = 1
"""Number of the tables' layout, kept where SQLite keeps it (``user_version``)."""

_TABLES = """
CREATE TABLE record (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE batch (number INTEGER PRIMARY KEY, segment TEXT NOT NULL, place INTEGER NOT NULL,
  length INTEGER NOT NULL, crc INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  ticks INTEGER NOT NULL, written_utc TEXT NOT NULL, row_crc INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """One acknowledged batch of ticks: where it stands, and what is in it."""

    number: int
    segment: str
    place: int
    length: int
    crc: int
    first: int
    last: int
    ticks: int
    written_utc: str


class Ledger:
    """One run's ledger. Every call raises sqlite3.Error when it cannot be done."""

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        """Open the file; ``create`` makes it, with its tables."""
        mode = "rwc" if create else "ro" if read_only else "rw"
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        # One thread at a time uses it, but not always the one that opened it.
        self._db = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        if create:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(_TABLES)
            self._db.execute(f"PRAGMA user_version = {LAYOUT}")
        if not read_only:
            self._db.execute("PRAGMA synchronous = FULL")
        if read_only:
            self._distrust()
        # A damaged name is for its CRC to find; it must not hide the rows behind it.
        self._db.text_factory = lambda raw: raw.decode(errors="backslashreplace")

    def _distrust(self) -> None:
        """Let a file say what it holds, and nothing be done: it may come from anybody.

        A table of ours that is a view, or has computed columns, would have SQLite compute for as
        long as its writer likes (https://sqlite.org/security.html).
        """
        self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        self._db.execute("PRAGMA trusted_schema = OFF")
        self._db.set_authorizer(_allowed)

    def commit(self, records: Iterable[tuple[int, bytes]], batch: Batch | None) -> None:
        """Add records (sequence number, canonical line) and a batch, all or nothing, synced."""
        rows = [(seq, body, zlib.crc32(body, seq)) for seq, body in records]
        with self._transaction():
            self._db.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
            if batch is not None:
                row = astuple(batch)
                self._db.execute(
                    "INSERT INTO batch VALUES (?,?,?,?,?,?,?,?,?,?)", (*row, _row_crc(row))
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit at the end; roll back where that fails, so that the next one can begin."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def close(self, *, single_file: bool = False) -> None:
        """Close; ``single_file`` first takes the write-ahead log into the file."""
        try:
            if single_file:
                self._db.execute("PRAGMA journal_mode = DELETE")
        finally:
            self._db.close()

    # --- reading ---------------------------------------------------------------------------------

    def records(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield (sequence number, line) in order; None for a line whose CRC does not fit."""
        for seq, body, crc in self._rows("record", "seq"):
            good = isinstance(body, bytes) and zlib.crc32(body, seq) == crc
            yield seq, body if good else None

    def batches(self) -> Iterator[tuple[int, Batch | None]]:
        """Yield (number, batch) as they were acknowledged; None for one whose CRC does not fit."""
        for *row, crc in self._rows("batch", "number"):
            yield row[0], Batch(*row) if _row_crc(row) == crc else None

    def _rows(self, table: str, key: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a table in order. Raises sqlite3.Error behind the last.

        What stands behind a page that cannot be read is looked for from the other end.
        """
        ask = f"SELECT * FROM {table} ORDER BY {key}"  # noqa: S608 - our own words
        last = -1
        try:
            for row in self._db.execute(ask):
                last = row[0]
                yield row
        except sqlite3.DatabaseError:
            behind = []
            with suppress(sqlite3.DatabaseError):  # the same page again: the error is raised below
                for row in self._db.execute(f"{ask} DESC"):
                    if row[0] <= last:
                        break
                    behind.append(row)
            yield from reversed(behind)
            raise

    def complaints(self) -> list[str]:
        """Return what SQLite's own check finds."""
        found = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found


def _allowed(
    action: int, table: str | None, _more: str | None, _db: str | None, inner: str | None
) -> int:
    """Allow reading our two tables, and SQLite's own check of its pages; ``inner`` is a view."""
    if inner is not None:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_SELECT:
        return sqlite3.SQLITE_OK
    wanted = {
        sqlite3.SQLITE_READ: {"record", "batch", "sqlite_master"},
        sqlite3.SQLITE_PRAGMA: {"integrity_check"},
    }
    return sqlite3.SQLITE_OK if table in wanted.get(action, ()) else sqlite3.SQLITE_DENY


def _row_crc(row: Iterable[Any]) -> int:
    return zlib.crc32(json.dumps(list(row), default=repr).encode())
