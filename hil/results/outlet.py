"""A text stream that makes nobody wait: a thread writes, what finds no room is dropped and counted.

A pipe that nobody read held a tick up for 5.3 s (measured on a prototype), and would hold a run in
virtual time up for ever. The thread only consumes, so it decides nothing in either clock.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

MOST_CHARACTERS = 1_000_000
"""Room for ten thousand lines, or a hundred ticks in which all goes wrong."""

CLOSES_IN_S = 2.0
"""How long the last lines may take; whoever reads at all has them in a thousandth of that."""


def plain_note(lines: int) -> str:
    """Return the line that stands where others are missing."""
    return f"... {lines} lines dropped: nobody took them in time\n"


class Outlet:
    """Stands in for ``stream``; everything but writing is the stream's own.

    ``dropped`` counts the lines that found no room, ``problem`` is why no more can be written.
    """

    def __init__(
        self,
        stream: TextIO,
        note: Callable[[int], str] = plain_note,
        most: int = MOST_CHARACTERS,
    ) -> None:
        """``note`` writes the line that tells of dropped ones, ``most`` bounds what waits."""
        self._stream, self._note, self._most = stream, note, most
        self._waiting: deque[tuple[str, int]] = deque()  # a text and how many lines are ours
        self._room, self._untold, self._in_hand = most, 0, 0
        self._changed = threading.Condition()
        self._closing = self._orphan = False
        self.dropped = 0
        self.problem: OSError | None = None
        self._thread = threading.Thread(target=self._work, name="outlet", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Take a text, or drop it if there is no room; where it flows again, that is told."""
        lines = max(1, text.count("\n"))
        with self._changed:
            if self._room < len(text) or self._closing or self.problem is not None:
                self._untold += lines
                self.dropped += lines
                return len(text)
            self._tell_dropped()
            self._waiting.append((text, lines))
            self._room -= len(text)
            self._changed.notify_all()
        return len(text)

    def _tell_dropped(self) -> None:
        """Say where lines are missing, and how many."""
        if self._untold and not self._closing:
            note = self._note(self._untold)
            self._waiting.append((note, 0))
            self._room -= len(note)
            self._untold = 0

    def flush(self) -> None:
        """Do nothing: the thread flushes, and nobody waits for it."""

    def close(self, within_s: float | None = None) -> None:
        """Return when all is written, or after ``within_s``; what is left then is dropped.

        ``within_s`` None is ``CLOSES_IN_S``. The stream stays open.
        """
        with self._changed:
            self._tell_dropped()
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSES_IN_S if within_s is None else within_s)
        with self._changed:
            self._drop_the_rest()

    def _drop_the_rest(self) -> None:
        """Count what waits as dropped, and what a stream that stalls has in hand."""
        self.dropped += self._in_hand + sum(lines for _, lines in self._waiting)
        self._in_hand = 0
        self._waiting.clear()

    def close_stream(self) -> None:
        """Close the stream too: now, or when a write that still stalls lets go of it."""
        with self._changed:
            self._orphan = True
            stalls = self._thread.is_alive()
        if not stalls:
            _shut(self._stream)

    def _work(self) -> None:
        """Write what comes; close the stream at the end, if nobody else can."""
        self._write_all()
        with self._changed:
            orphan = self._orphan
        if orphan:
            _shut(self._stream)

    def _write_all(self) -> None:
        """Write what has come until it is closed; a stream that fails takes no more."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                text, lines = self._waiting.popleft()
                self._in_hand = lines
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._fail(error)
                return
            with self._changed:
                self._room += len(text)
                self._in_hand = 0

    def _fail(self, error: OSError | ValueError) -> None:
        """Note why no more can be written; a stream that somebody has closed says ValueError."""
        with self._changed:
            self.problem = error if isinstance(error, OSError) else OSError(str(error))
            self._drop_the_rest()

    def __getattr__(self, name: str) -> Any:
        """Return what the stream itself has."""
        return getattr(self._stream, name)


def _shut(stream: TextIO) -> None:
    """Close a stream; harmless when closed."""
    with suppress(OSError):  # what did not fit is tried again, and fails again
        stream.close()
