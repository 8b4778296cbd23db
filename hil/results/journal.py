"""The journal of a run: every record in order, in one compressed file, with its digest.

The file holds the canonical lines themselves, zstd-compressed as a stream; the crash-safe form
replaces it behind the same ``Recorder`` port.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from hil.core.errors import EnvironmentProblem
from hil.core.records import Record
from hil.results import canonical

FILE = "journal.jsonl.zst"


class Journal:
    """A ``Recorder`` that writes canonical lines and shows each record to its listeners."""

    def __init__(self, folder: Path) -> None:
        """Open the journal in ``folder``. Raises EnvironmentProblem if it cannot be written."""
        try:
            self._out = pa.CompressedOutputStream(str(folder / FILE), "zstd")
        except OSError as error:
            raise EnvironmentProblem(f"{folder.name}: cannot write the journal: {error}") from error
        self._sha = hashlib.sha256()
        self._listeners: list[Callable[[Record], None]] = []
        self.counts: Counter[str] = Counter()
        self.seq = 0

    def listen(self, listener: Callable[[Record], None]) -> None:
        """Show every later record to ``listener``, in order, after it has been written."""
        self._listeners.append(listener)

    def emit(self, record: Record) -> None:
        """Number the record, write it, hash it, and show it to the listeners.

        Raises EnvironmentProblem if it cannot be written, on a full disk say.
        """
        raw = canonical.line(self.seq, record)
        self._sha.update(raw)
        try:
            self._out.write(raw)
        except OSError as error:
            raise EnvironmentProblem(f"the journal cannot be written: {error}") from error
        self.seq += 1
        self.counts[record.kind] += 1
        for listener in self._listeners:
            listener(record)

    def digest(self) -> str:
        """Return the SHA-256 of all lines so far, in hex."""
        return self._sha.hexdigest()

    def close(self) -> None:
        """Flush and close the file; harmless when closed."""
        if not self._out.closed:
            self._out.close()


def lines(folder: Path) -> Iterator[bytes]:
    """Yield the canonical lines of a recorded run.

    Raises EnvironmentProblem if there is none, or where it is damaged.
    """
    rest = None
    for chunk in _chunks(folder):
        *whole, rest = ((rest or b"") + chunk).split(b"\n")
        for raw in whole:
            yield raw + b"\n"
    if rest is None:
        raise EnvironmentProblem(f"{folder.name}: the journal is empty")
    if rest:
        raise EnvironmentProblem(f"{folder.name}: the journal ends in the middle of a line")


def _chunks(folder: Path) -> Iterator[bytes]:
    """Yield the journal's text piece by piece. Raises EnvironmentProblem."""
    path = folder / FILE
    if not path.is_file():
        raise EnvironmentProblem(f"{folder.name}: no journal here (expected {FILE})")
    try:
        with pa.CompressedInputStream(str(path), "zstd") as stream:
            while chunk := stream.read(1 << 20):
                yield chunk
    except (OSError, pa.ArrowException) as error:
        message = str(error).partition("\n")[0]
        raise EnvironmentProblem(f"{folder.name}: the journal is damaged: {message}") from error


def records(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the recorded lines as dictionaries. Raises EnvironmentProblem."""
    for number, raw in enumerate(lines(folder), 1):
        try:
            yield canonical.parse(raw)
        except ValueError as error:
            raise EnvironmentProblem(f"{folder.name}: line {number} is no record") from error
