"""How a run is asked to stop: the ladder stop -> abort -> panic.

SIGTERM counts like Ctrl-C, since CI cancels and containers stop with it. The first request ends
the run at the end of its tick, the second cancels whatever the tick waits for, the third skips
the order of the safe state and tells all devices at once.
"""

from collections.abc import Callable

LEVELS = ("stop", "abort", "panic")


class StopLadder:
    """Counts the requests and tells the run about each new level."""

    def __init__(self) -> None:
        """Start with nothing requested."""
        self.requests = 0
        self.source = ""
        self._told: list[Callable[[str, str], None]] = []

    @property
    def level(self) -> str:
        """Return the highest level requested so far, empty if none."""
        return LEVELS[min(self.requests, len(LEVELS)) - 1] if self.requests else ""

    def listen(self, listener: Callable[[str, str], None]) -> None:
        """Call ``listener(source, level)`` on every request."""
        self._told.append(listener)

    def request(self, source: str) -> None:
        """Go one rung up; ``source`` is the signal's name or who asked."""
        self.requests += 1
        self.source = self.source or source
        for listener in self._told:
            listener(source, self.level)
