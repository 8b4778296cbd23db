"""The journal of a run: every record in order, numbered, kept, and shown to those who fold it.

``emit`` never fails because of the disk, so that the records of the way down are still taken when
it does: what has gone wrong is told by ``check``, where a run can do something about it.
"""

from collections import Counter
from collections.abc import Callable

from hil.core.instants import Instant
from hil.core.records import Record, RecordsLost
from hil.results.disk import RecordingProblem
from hil.results.writer import Writer


class Journal:
    """A ``Recorder`` that numbers records, hands them to a writer, and shows them to listeners."""

    def __init__(self, writer: Writer) -> None:
        """Begin at record 0."""
        self._writer = writer
        self._listeners: list[Callable[[Record], None]] = []
        self.counts: Counter[str] = Counter()
        self.seq = 0

    def listen(self, listener: Callable[[Record], None]) -> None:
        """Show every later record that is kept to ``listener``, in order."""
        self._listeners.append(listener)

    def emit(self, record: Record) -> None:
        """Number the record, keep it, and show it to the listeners."""
        self._add(record)
        for lost in self._writer.lost():
            self._add(RecordsLost(record.at, *lost))

    def _add(self, record: Record) -> None:
        seq, self.seq = self.seq, self.seq + 1
        if self._writer.take(seq, record):
            self.counts[record.kind] += 1
            for listener in self._listeners:
                listener(record)

    @property
    def beside(self) -> bool:
        """Say whether writing goes on beside the loop."""
        return self._writer.beside

    @property
    def problem(self) -> RecordingProblem | None:
        """Return why records can no longer be kept; None while they can."""
        return self._writer.problem

    @property
    def acknowledged(self) -> int:
        """Return the number of the last record that would survive a power loss now."""
        return self._writer.acknowledged

    def check(self) -> None:
        """Raise RecordingProblem when records can no longer be kept."""
        if self._writer.problem is not None:
            raise self._writer.problem

    def sync(self, at: Instant) -> None:
        """Return when all records so far are on the disk, or known not to be.

        ``at`` is the instant of the record that says so, should some be lost.
        """
        self._writer.sync()
        for lost in self._writer.lost():
            self._add(RecordsLost(at, *lost))

    def digest(self) -> str:
        """Return the SHA-256, in hex, of the canonical export of all records that were kept."""
        return self._writer.digest()

    def close(self) -> None:
        """Write what waits and let go of the files. A failure stands in ``problem``."""
        self._writer.close()
