"""What the bench's own plan did to its links: each fault recorded, and counted by kind."""

from collections import Counter
from collections.abc import Callable

from hil.core.records import LinkFaulted, Record


class LinkFaults:
    """Takes the faults of all links of a run; links are built before there is a journal."""

    def __init__(self) -> None:
        """Count from nothing."""
        self.counts: Counter[str] = Counter()
        self._emit: Callable[[Record], None] | None = None

    def record_in(self, emit: Callable[[Record], None]) -> None:
        """Hand every later fault to ``emit`` as well; until then nothing has been opened."""
        self._emit = emit

    def plain(self) -> dict[str, dict[str, int]]:
        """Return what a run's summary says of them."""
        return {"link_faults": dict(sorted(self.counts.items()))}

    def record(self, record: Record) -> None:
        """Record what else is told by what was built before there was a journal."""
        if self._emit is not None:
            self._emit(record)

    def note(self, fault: LinkFaulted) -> None:
        """Take one fault that took effect."""
        self.counts[fault.fault] += 1
        self.record(fault)
