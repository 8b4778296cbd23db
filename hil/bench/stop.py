"""How a run is asked to stop: the ladder stop -> abort -> panic.

SIGTERM counts like Ctrl-C, since CI cancels and containers stop with it. The first request ends
the run at the end of its tick, at once if none is on, the second cancels whatever the tick waits
for, the third skips the order of the safe state and tells all devices at once.
"""

from collections.abc import Callable
from typing import TypeAlias

LEVELS = ("stop", "abort", "panic")

Listener: TypeAlias = Callable[[str, str], None]


class StopLadder:
    """Counts the requests and tells the run about each new level, whenever it begins to listen."""

    def __init__(self) -> None:
        """Start with nothing requested."""
        self._sources: list[str] = []
        self._listeners: list[tuple[Listener, list[str]]] = []

    @property
    def requests(self) -> int:
        """Return how often a stop was requested."""
        return len(self._sources)

    @property
    def source(self) -> str:
        """Return who asked first, empty if nobody did."""
        return self._sources[0] if self._sources else ""

    @property
    def level(self) -> str:
        """Return the highest level requested so far, empty if none."""
        return _level(self.requests)

    def listen(self, listener: Listener) -> None:
        """Call ``listener(source, level)`` on every request, those that came before included.

        A signal that arrives while the physics is compiled must stop the run all the same.
        """
        self._listeners.append((listener, []))
        self._tell()

    def request(self, source: str) -> None:
        """Go one rung up; ``source`` is the signal's name or who asked."""
        self._sources.append(source)
        self._tell()

    def over(self) -> None:
        """Tell nobody any more: the run has come to its end, what is asked now comes too late."""
        self._listeners.clear()

    def _tell(self) -> None:
        """Tell each listener what it has not heard: a signal may come in the middle of this."""
        for listener, heard in self._listeners:
            while len(heard) < len(self._sources):
                source = self._sources[len(heard)]
                heard.append(source)
                listener(source, _level(len(heard)))


def _level(requests: int) -> str:
    return LEVELS[min(requests, len(LEVELS)) - 1] if requests else ""
