"""When each instrument was last read, and for how long nobody did."""

from hil.core.instants import Duration, Instant


class Ages:
    """Keeps the time of each device's newest reading."""

    def __init__(self) -> None:
        """Nothing has been read yet."""
        self._read_at: dict[str, Instant] = {}
        self._longest: dict[str, Duration] = {}

    def read(self, name: str, at: Instant) -> Duration:
        """Note a reading; return the time since the one before, 0 for the first."""
        since = at - self._read_at.get(name, at)
        self._read_at[name] = at
        self._longest[name] = max(since, self._longest.get(name, 0))
        return since

    def worst(self, at: Instant) -> dict[str, Duration]:
        """Return how long each device went unread, at its worst since this was last asked.

        A device that was never read is not in it: it has failed, which ends a run by itself.
        """
        found = {
            name: max(at - read_at, self._longest.get(name, 0))
            for name, read_at in self._read_at.items()
        }
        self._longest.clear()
        return found
