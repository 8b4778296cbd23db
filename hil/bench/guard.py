"""The run's heartbeat: it beats while the loop turns *and* the run gets on.

A thread of its own would beat on while the loop is blocked; a beat a tick would stop while a slow
instrument is waited for, or through a tick of ten seconds. So the loop's own timer beats, and only
until the deadline that the run last set itself.
"""

from collections.abc import Callable

from hil.core.instants import SECOND, Duration, Instant
from hil.ports import Clock, Identity

BEAT_EVERY = SECOND // 4
"""How often a run beats."""

LOST_AFTER = 3 * SECOND // 2
"""A guardian that has heard nothing for so long acts: within 2 s of the last beat all is told."""


class Unguarded:
    """``hil.ports.Guard`` of a run that reaches nothing outside its process."""

    def alive(self, within: Duration) -> None:
        """Nobody listens."""

    def know(self, device: str, who: Identity) -> None:
        """Nobody asks."""

    def check(self) -> None:
        """Nobody is missing."""

    def over(self) -> None:
        """Nobody waits."""


class Pulse:
    """Calls ``beat`` every ``BEAT_EVERY`` of a clock, up to the deadline set last."""

    def __init__(self, clock: Clock, beat: Callable[[], None]) -> None:
        """Begin without a deadline: no beat yet."""
        self._clock, self._beat = clock, beat
        self._until: Instant = 0
        self._beating = False

    def alive(self, within: Duration) -> None:
        """Set the deadline, and beat at once if there was none or it has passed."""
        self._until = self._clock.now() + within
        if not self._beating:
            self._beating = True
            self._next()

    def stop(self) -> None:
        """Beat no more."""
        self._until = self._clock.now()

    def _next(self) -> None:
        now = self._clock.now()
        if now >= self._until:
            self._beating = False
            return
        self._beat()
        self._clock.call_at(now + BEAT_EVERY, self._next)
