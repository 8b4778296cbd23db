"""From records to batches, and what happens when a batch cannot be written.

``Batches`` does the work; ``InThread`` does it beside the event loop, for benches in wall time.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from hil.core.instants import SECOND
from hil.core.records import (
    BenchFailed,
    Record,
    RunEnded,
    RunStarted,
    SafeStateArmed,
    SafeStateReached,
    StopRequested,
    Tick,
    Tripped,
)
from hil.results import canonical
from hil.results.disk import RecordingProblem
from hil.results.store import Records, Store

TICKS_A_BATCH = 1_000
WAITS_NS = SECOND
"""How long a record may wait for its batch, on the host's clock."""

QUEUE = 20_000
"""Records that may wait for a slow disk in wall time; more than that are lost, and said to be."""

AT_ONCE = (
    RunStarted,
    SafeStateArmed,
    SafeStateReached,
    Tripped,
    BenchFailed,
    StopRequested,
    RunEnded,
)
"""Not to wait: whoever clears up after a crash must find these."""


class Lost(NamedTuple):
    """Ticks among records ``first`` to ``last`` that could not be kept."""

    first: int
    last: int
    reason: str


class Writer(Protocol):
    """Keeps records. None of its calls raises because of the disk: that is ``problem``.

    ``beside`` says that it writes beside the loop; ``acknowledged`` is the last record on the disk.
    """

    @property
    def beside(self) -> bool:
        """Say whether it writes beside the loop."""

    @property
    def problem(self) -> RecordingProblem | None:
        """Return why records can no longer be kept; None while they can."""

    @property
    def acknowledged(self) -> int:
        """Return the number of the last record that is known to be on the disk, -1 for none."""

    def take(self, seq: int, record: Record) -> bool:
        """Keep a record; False if there is no room for it."""

    def sync(self) -> None:
        """Return when all that was taken is acknowledged, or there is a problem."""

    def lost(self) -> list[Lost]:
        """Return what has been lost since the last time."""

    def digest(self) -> str:
        """Return the SHA-256, in hex, of the canonical lines of all that was kept."""

    def close(self) -> None:
        """Sync, and let go of the files."""


class Batches:
    """A ``Writer`` that writes at once when a batch is full or due."""

    beside = False

    def __init__(self, store: Store, monotonic_ns: Callable[[], int]) -> None:
        """``monotonic_ns`` is the host's clock."""
        self._store, self._monotonic_ns = store, monotonic_ns
        self._pending = Records()
        self._since_ns = 0
        self._sha = hashlib.sha256()
        self._sha_of_kept = self._sha.copy()
        self._lost: deque[Lost] = deque()  # appended by one thread, taken by another
        self._last = -1
        self.problem: RecordingProblem | None = None
        self.acknowledged = -1

    def take(self, seq: int, record: Record) -> bool:
        """Add a record to the batch, and write the batch if it is time."""
        if not self._pending:
            self._since_ns = self._monotonic_ns()
        line = canonical.line(seq, record)
        self._sha.update(line)
        self._last = seq
        if isinstance(record, Tick):
            self._pending.ticks.append((seq, record))
        else:
            self._pending.others.append((seq, line))
        if (
            len(self._pending.ticks) >= TICKS_A_BATCH
            or isinstance(record, AT_ONCE)
            or self._monotonic_ns() - self._since_ns >= WAITS_NS
        ):
            self.sync()
        return True

    def sync(self) -> None:
        """Write what waits; on a failure once more, on the room kept back for that."""
        if not self._pending:
            return
        try:
            self._store.write(self._pending)
        except RecordingProblem as problem:
            self.problem = self.problem or problem
            if not self._rescued():
                self._lose_ticks(problem)
                return
        self._pending = Records()
        self._sha_of_kept = self._sha.copy()
        self.acknowledged = self._last

    def _rescued(self) -> bool:
        """Write the batch to a new segment; the bench is on its way to its safe state by then."""
        try:
            if not self._store.free_reserve():
                return False
            self._store.write(self._pending)
        except (RecordingProblem, OSError):
            return False
        return True

    def _lose_ticks(self, problem: RecordingProblem) -> None:
        """Give up the batch's ticks; its other records are few, and stay for the next attempt."""
        ticks = self._pending.ticks
        if ticks:
            self._lost.append(Lost(ticks[0][0], ticks[-1][0], str(problem)))
        self._pending = self._pending.without_ticks()
        self._sha = self._sha_of_kept.copy()
        for _, line in self._pending.others:
            self._sha.update(line)

    def lost(self) -> list[Lost]:
        """Return what has been lost since the last time."""
        return [self._lost.popleft() for _ in range(len(self._lost))]

    def digest(self) -> str:
        """Return the SHA-256, in hex, of the canonical lines of all that was kept."""
        return self._sha.hexdigest()

    def close(self) -> None:
        """Write what waits and let go of the files."""
        self.sync()
        if self.problem is None:
            try:
                self._store.close()
            except RecordingProblem as problem:
                self.problem = problem
        else:
            self._store.abandon()


class InThread:
    """A ``Writer`` that leaves the writing to a thread, so that a slow disk delays no tick.

    The thread only consumes: nothing is called back. Ticks beyond ``QUEUE`` are refused.
    """

    beside = True

    def __init__(self, batches: Batches) -> None:
        """Start the thread."""
        self._batches = batches
        self._queue: deque[tuple[int, Record]] = deque()
        self._changed = threading.Condition()
        self._hurry = self._closing = self._busy = False
        self._refused: list[Lost] = []
        self._last_tick = -1
        self._bug: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> RecordingProblem | None:
        """Return why records can no longer be kept. Raises what went wrong in the thread."""
        self._raise_bug()
        return self._batches.problem

    @property
    def acknowledged(self) -> int:
        """Return the last record that is known to be on the disk."""
        return self._batches.acknowledged

    def take(self, seq: int, record: Record) -> bool:
        """Hand a record to the thread; a tick for which there is no room is refused."""
        with self._changed:
            if len(self._queue) >= QUEUE and isinstance(record, Tick):
                self._refuse(seq)
                return False
            self._queue.append((seq, record))
            if isinstance(record, Tick):
                self._last_tick = seq
            if isinstance(record, AT_ONCE) or len(self._queue) >= TICKS_A_BATCH:
                self._hurry = True
                self._changed.notify_all()
        return True

    def _refuse(self, seq: int) -> None:
        """Note a lost tick; those between two that are kept are one loss."""
        reason = f"the disk is too slow: {QUEUE} records wait for it"
        first = seq
        if self._refused and self._refused[-1].last > self._last_tick:
            first = self._refused.pop().first
        self._refused.append(Lost(first, seq, reason))

    def sync(self) -> None:
        """Wait until the thread has nothing left to write."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._bug or not (self._queue or self._busy))
        self._raise_bug()

    def lost(self) -> list[Lost]:
        """Return what has been lost since the last time.

        What was refused is told when there is room again: a mark takes room, too.
        """
        lost = self._batches.lost()
        with self._changed:
            if len(self._queue) < QUEUE:
                lost, self._refused = [*self._refused, *lost], []
        return lost

    def digest(self) -> str:
        """Return the SHA-256, in hex, of the canonical lines of all that was kept."""
        self.sync()
        return self._batches.digest()

    def close(self) -> None:
        """End the thread when it has written everything."""
        with self._changed:
            self._closing = self._hurry = True
            self._changed.notify_all()
        self._thread.join()
        self._batches.close()
        self._raise_bug()

    def _raise_bug(self) -> None:
        """Raise here what went wrong in the thread, other than the disk."""
        if self._bug is not None:
            raise self._bug

    def _work(self) -> None:
        """Write until there is nothing more to come."""
        try:
            self._write_all()
        except Exception as bug:  # noqa: BLE001 - raised by whoever waits for the thread
            with self._changed:
                self._bug = bug
                self._changed.notify_all()

    def _write_all(self) -> None:
        """Write what has come once a second, earlier when it hurries."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._hurry, timeout=WAITS_NS / SECOND)
                taken, self._queue = self._queue, deque()
                closing, self._hurry, self._busy = self._closing, False, True
            for seq, record in taken:
                self._batches.take(seq, record)
            self._batches.sync()
            with self._changed:
                self._busy = False
                self._changed.notify_all()
            if closing:
                return
