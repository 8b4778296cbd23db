"""What waits to be sent, in order: some in memory, the rest on the disk, none twice, none for ever.

``put`` is called by the bench's thread and must cost it next to nothing; everything else belongs to
the courier's thread. Oldest to newest: what came back unsent, the spool, what is fresh.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from hil.live.messages import Draft, Encoder, Message
from hil.live.spool import Spool

MOST_FRESH = 2_000
"""Drafts in memory, should even the disk stand still; more than that are dropped, and counted."""

SPILL_FROM = 100
"""More than this many that nobody takes go to the disk."""


class Source(Protocol):
    """Where a courier gets its messages."""

    def take(self, most: int) -> list[Message]:
        """Take up to ``most`` of the oldest; empty if none waits."""

    def put_back(self, messages: list[Message]) -> None:
        """Give back what was taken and not delivered: the next ``take`` begins with it."""

    def make_room(self) -> None:
        """Nobody takes at present: keep memory small."""


class Outbox:
    """The ``Source`` of a run that is going on."""

    def __init__(self, encoder: Encoder, spool: Spool) -> None:
        """Begin empty."""
        self._encoder, self._spool = encoder, spool
        self._back: deque[Message] = deque()
        self._fresh: deque[Draft] = deque()
        self._refused = self._lost = 0
        self.problem = ""

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._back) + len(self._spool) + len(self._fresh)

    @property
    def dropped(self) -> int:
        """Return how many found no room; one number a thread, so that none is miscounted."""
        return self._refused + self._lost

    def put(self, draft: Draft) -> None:
        """Add the newest, or drop it if there is no room; never waits."""
        if len(self._fresh) >= MOST_FRESH:
            self._refused += 1
            self.problem = self.problem or "the disk is too slow"
        else:
            self._fresh.append(draft)

    def take(self, most: int) -> list[Message]:
        """Take up to ``most`` of the oldest. A spool that cannot be read is given up."""
        if not self._back and len(self._spool):
            self._back.extend(self._spooled(max(most, SPILL_FROM)))
        found = [self._back.popleft() for _ in range(min(most, len(self._back)))]
        if not found and not len(self._spool):
            found = self._encoded(most)
        return found

    def put_back(self, messages: list[Message]) -> None:
        """Take back what could not be delivered."""
        self._back.extendleft(reversed(messages))

    def make_room(self) -> None:
        """Move what is fresh to the disk once it is many; what finds no room there is dropped."""
        if len(self._fresh) < SPILL_FROM:
            return
        messages = self._encoded(len(self._fresh))
        kept, reason = 0, "the spool is full"
        try:
            kept = self._spool.append(messages)
        except OSError as error:
            reason = f"the spool cannot be written: {error.strerror}"
        self._lose(len(messages) - kept, reason)

    def close(self) -> None:
        """Throw away what waits."""
        self._back.clear()
        self._fresh.clear()
        self._spool.close()

    def _encoded(self, most: int) -> list[Message]:
        return [
            self._encoder.encode(self._fresh.popleft()) for _ in range(min(most, len(self._fresh)))
        ]

    def _spooled(self, most: int) -> list[Message]:
        """Take messages from the disk; what a disk has lost is dropped."""
        try:
            return self._spool.read(most)
        except (OSError, ValueError) as error:
            self._lose(len(self._spool), f"the spool cannot be read: {error}")
            self._spool.close()
            return []

    def _lose(self, many: int, reason: str) -> None:
        self._lost += many
        if many:
            self.problem = self.problem or reason


class Recorded:
    """The ``Source`` of a run that is over: the messages of its records, read as they are sent."""

    def __init__(self, messages: Iterable[Message]) -> None:
        """``messages`` are those to send, in order."""
        self._left: Iterator[Message] = iter(messages)
        self._back: deque[Message] = deque()

    def take(self, most: int) -> list[Message]:
        """Take the next ones. Raises what reading the record raises."""
        while len(self._back) < most and (message := next(self._left, None)) is not None:
            self._back.append(message)
        return [self._back.popleft() for _ in range(min(most, len(self._back)))]

    def put_back(self, messages: list[Message]) -> None:
        """Take back what could not be delivered."""
        self._back.extendleft(reversed(messages))

    def make_room(self) -> None:
        """Nothing to do: the record keeps what waits."""
