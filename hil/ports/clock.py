"""Time, as the bench sees it: whatever passes or waits goes through a clock that it is given."""

from collections.abc import Callable
from typing import Any, Protocol

from hil.core.instants import Instant


class Timer(Protocol):
    """A callback that has not run yet."""

    def cancel(self) -> None:
        """Forget the callback; harmless when it already ran."""


class Clock(Protocol):
    """The only source of time. Virtual or wall; nothing else may look at a clock."""

    def now(self) -> Instant:
        """Return the time since the clock started."""

    def call_at(self, instant: Instant, callback: Callable[..., None], *args: Any) -> Timer:
        """Run ``callback(*args)`` at ``instant``; equal instants run in the order of the calls."""

    async def sleep_until(self, instant: Instant) -> None:
        """Return at ``instant``, at once if it has passed."""
