"""Where results are kept: Parquet files, found again by the digest of what they came from.

A file holds what one task has computed, a row a pack, and is written whole or not at all: a study
that is stopped keeps what was done, and goes on from there. Nothing is ever changed in place, so
any number of studies may share one folder. Every table tool reads it::

    select strategy, median(soc_spread) from 'studies/*.parquet' group by strategy
"""

import hashlib
import io
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hil.core.errors import EnvironmentProblem

KEY = "key"
TOOK_S = "took_s"
PREFIX = "metric."
"""What stands before a metric's name in a column."""
_DIGITS = 24
"""Hexadecimal digits of a digest that name a file."""
_NAME = re.compile(f"[0-9a-f]{{{_DIGITS}}}")


class Row(NamedTuple):
    """A pack's result: its key, its metrics, and its share of the time that its task took.

    ``about`` says who it is: for readers of the file, not for finding it.
    """

    key: str
    about: Mapping[str, str | int | float]
    took_s: float
    metrics: Mapping[str, float]


class Store:
    """A folder of results. ``None`` keeps nothing and knows nothing.

    A file is named by the digest of its bytes, so one that was changed since is never believed.
    """

    def __init__(self, folder: Path | None) -> None:
        """Name the folder; it is made when there is something to keep."""
        self._folder = folder

    def known(self, keys: Collection[str]) -> dict[str, Row]:
        """Return what is kept of those keys, without ``about``. Raises EnvironmentProblem.

        Files with other names than ours are somebody else's, and left alone.
        """
        found: dict[str, Row] = {}
        if self._folder is None or not self._folder.exists():
            return found
        for path in sorted(self._folder.glob("*.parquet")):
            if _NAME.fullmatch(path.stem):
                found |= {row.key: row for row in _read(path, keys)}
        return found

    def ready(self) -> None:
        """Raise EnvironmentProblem where nothing could be kept: before hours of work, not after."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def keep(self, rows: Sequence[Row]) -> None:
        """Write rows as one file. Raises EnvironmentProblem."""
        if self._folder is None or not rows:
            return
        written = io.BytesIO()
        pq.write_table(_table(rows), written, compression="zstd")
        content = written.getbuffer()
        path = self._folder / f"{_digest(content)}.parquet"
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            with suppress(OSError):  # the first error is the one to tell
                unfinished.unlink()
            raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(f"{path}: cannot be written: {error.strerror}")


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _table(rows: Sequence[Row]) -> pa.Table:
    plain: list[dict[str, Any]] = [
        {KEY: row.key, **row.about, TOOK_S: row.took_s}
        | {PREFIX + name: value for name, value in row.metrics.items()}
        for row in rows
    ]
    return pa.Table.from_pylist(plain)


def _read(path: Path, keys: Collection[str]) -> Iterator[Row]:
    """Yield what a file has of these keys. Raises EnvironmentProblem for one that is damaged."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read: {error.strerror}") from error
    if _digest(content) != path.stem:
        raise EnvironmentProblem(
            f"{path}: damaged: not what was written; delete it: what it held is computed again"
        )
    table = pq.read_table(pa.BufferReader(content))
    wanted = table.filter(pc.is_in(table[KEY], value_set=pa.array(list(keys), pa.string())))
    for row in wanted.to_pylist():
        metrics = {
            name.removeprefix(PREFIX): value
            for name, value in row.items()
            if name.startswith(PREFIX)
        }
        yield Row(row[KEY], {}, row[TOOK_S], metrics)
