"""Messages that wait on the disk: first in, first out, bounded, gone when the process is.

The file has no name (``O_TMPFILE``), so that not even a killed run leaves one behind. What is lost
with it is lost to nobody: the run's record has it all (``hil telemetry send``).
"""

import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hil.live.messages import Message
from hil.results.disk import Disk

MOST_BYTES = 256 * 2**20
"""Room for two and a half hours of ticks of 16 cells every 100 ms, without a broker."""

LEFT_FREE_BYTES = 512 * 2**20
"""What the disk must keep free: a view must never take the room of the record beside it."""


class Spool:
    """A queue of messages in a file."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        """Open no file before one is needed; it is made in ``folder``'s file system."""
        self._folder, self._most = folder, most_bytes
        self._file: io.FileIO | None = None
        self._read_to = self._end = 0
        self._count = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return self._count

    def append(self, messages: Sequence[Message]) -> int:
        """Write messages behind the others; return how many there was room for.

        Raises OSError when the disk fails; then none of them is kept.
        """
        lines = [b"%d %s %s\n" % (m.seq, m.kind.encode(), m.payload) for m in messages]
        room, kept, size = self._room(), 0, 0
        while kept < len(lines) and size + len(lines[kept]) <= room:
            size += len(lines[kept])
            kept += 1
        if kept:
            file = self._opened()
            file.seek(self._end)  # also over what a full disk left of an earlier attempt
            Disk().write(file.fileno(), b"".join(lines[:kept]))
            self._end += size
            self._count += kept
        return kept

    def read(self, most: int) -> list[Message]:
        """Take up to ``most`` of the oldest messages. Raises OSError when the disk fails."""
        file, found = self._opened(), []
        file.seek(self._read_to)
        reader = io.BufferedReader(file)  # a new one each time: an old one remembers old bytes
        for _ in range(min(most, self._count)):
            seq, kind, payload = reader.readline().rstrip(b"\n").split(b" ", 2)
            found.append(Message(int(seq), kind.decode(), payload))
        self._read_to = reader.tell()
        reader.detach()
        self._count -= len(found)
        if not self._count:  # only here is the room given back: a queue that shrinks is soon empty
            file.truncate(0)
            self._read_to = self._end = 0
        return found

    def close(self) -> None:
        """Give the room back; harmless when closed."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._count = self._read_to = self._end = 0

    def _room(self) -> int:
        """Return how many bytes may be added."""
        disk = os.statvfs(self._folder)
        return min(self._most - self._end, disk.f_bavail * disk.f_frsize - LEFT_FREE_BYTES)

    def _opened(self) -> io.FileIO:
        """Return the file. Unbuffered: what a full disk refused must not be tried again later."""
        if self._file is None:
            made = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - ``close`` does
            assert isinstance(made, io.FileIO)  # noqa: S101 - what unbuffered means
            self._file = made
        return self._file
