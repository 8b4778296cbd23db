"""The clock of a board's chips: it stands still while the board's firmware runs.

An engine is given one instant and runs its firmware up to there; what the firmware asks its chips
meanwhile happens at that instant. In virtual time this is so by itself. A wall clock goes on, by
milliseconds on a busy host: then a conversion would start later than the firmware believes, and not
be done when the firmware, which waits no longer than the data sheet asks for, reads its result.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hil.core.instants import Instant
from hil.ports import Clock, Timer


class HeldClock:
    """Another clock (``hil.ports.Clock``), and still while it is held."""

    def __init__(self, clock: Clock) -> None:
        """Go with ``clock``."""
        self._clock = clock
        self._held: Instant | None = None
        self.call_at: Callable[..., Timer] = clock.call_at
        self.sleep_until: Callable[[Instant], Any] = clock.sleep_until

    def now(self) -> Instant:
        """Return the time, or the instant at which it stands."""
        return self._clock.now() if self._held is None else self._held

    @contextmanager
    def held(self) -> Iterator[Instant]:
        """Stand still at what is now."""
        self._held = self._clock.now()
        try:
            yield self._held
        finally:
            self._held = None
