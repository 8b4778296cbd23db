"""How far apart the lines to an instrument have to be that takes its time over each."""

from collections.abc import Callable

from hil.core.instants import MILLISECOND, Duration, Instant
from hil.ports import Clock

MARGIN = 20 * MILLISECOND
"""On its way a line may lose on the one before it: an instrument counts from when it hears them."""


class Pace:
    """Awaited before a line is sent; one task at a time, as ``LineSession``."""

    def __init__(self, clock: Clock, after: Callable[[str], Duration]) -> None:
        """``after`` says how long after the begin of a line the next one may begin."""
        self._clock = clock
        self._after = after
        self._free: Instant = 0

    async def __call__(self, line: str) -> None:
        """Return when ``line`` may be sent."""
        await self._clock.sleep_until(self._free)
        needs = self._after(line)
        self._free = self._clock.now() + (needs + MARGIN if needs else 0)
