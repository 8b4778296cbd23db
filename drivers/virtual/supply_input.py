"""The supply terminals of a virtual board: what its converter draws, and when that lets it run."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from drivers.virtual.terminals import CellSource
from hil.core.instants import MILLISECOND, Instant
from hil.core.wiring import SupplyWire
from hil.physics.board import Feed
from hil.ports import Clock

_SLEW = 50 * MILLISECOND
"""How long after a change a supply's output may still be on its way."""

_EMPTY_V = 1.0
"""Below this nothing of the board holds a state any more [A: a diode and a threshold]."""


class SupplyInput:
    """The board's end of the supply (``CellLoad``); ``is_on`` is whether the board runs by it.

    Below ``Feed.min_v`` for longer than its capacitors last, the board stops. With a reset circuit
    it starts anew as soon as there is enough again; without one (``hangs``) it does not before all
    its capacitors have been empty.
    """

    def __init__(
        self,
        feed: Feed,
        wire: SupplyWire,
        twins: Mapping[str, Any],
        clock: Clock,
        changed: Callable[[], None],
        *,
        hangs: bool,
    ) -> None:
        """Connect to the supply's channel; ``changed`` is told when ``is_on`` is another."""
        self._feed, self._clock, self._changed, self._hangs = feed, clock, changed, hangs
        self._source: CellSource = twins[wire.by.device]
        self._channel = wire.by.number
        self.is_on = self._draws = False
        self._is_hung = False
        self._low_since: Instant | None = None
        self._charge_as, self._at = 0.0, clock.now()
        self._looks_until: Instant = 0
        self._looking = False
        self._source.connect_load(self._channel, self)

    # --- CellLoad --------------------------------------------------------------------------------

    def before_change(self, now: Instant) -> None:
        """The supply is about to change: watch it until it stands still."""
        self._account(now)
        self._looks_until = now + _SLEW
        if not self._looking:
            self._looking = True
            self._clock.call_at(now + MILLISECOND, self._look)

    def current_a(self, _now: Instant) -> float:
        """Return what the converter draws: nothing below its lock-out, its capacitors do then."""
        return self._feed.current_a if self._draws else 0.0

    def charge_as(self, now: Instant) -> float:
        """Return the charge drawn since the start."""
        self._account(now)
        return self._charge_as

    def limited_v(self, _now: Instant) -> float | None:
        """Return 0 where the supply cannot give the current: a converter pulls it down."""
        most_a, _ = self._source.limits_a(self._channel)
        return 0.0 if self._draws and self._feed.current_a > most_a else None

    # --- the board's side ------------------------------------------------------------------------

    def _account(self, now: Instant) -> None:
        self._charge_as += self.current_a(now) * (now - self._at) * 1e-9
        self._at = now

    def _volts(self, now: Instant) -> float:
        """Return what stands at the terminals; an output that is off or open gives nothing."""
        open_v = self._source.cell_v(self._channel, now)
        self._account(now)
        self._draws = open_v >= self._feed.min_v
        limited_v = self.limited_v(now)
        volts = open_v if limited_v is None else limited_v
        return 0.0 if math.isnan(volts) else volts

    def _look(self) -> None:
        """See what the supply has come to, and look again while it moves or the board holds up."""
        now = self._clock.now()
        volts = self._volts(now)
        if volts < _EMPTY_V:
            self._is_hung = False
        if volts >= self._feed.min_v:
            self._low_since = None
            if not self._is_hung:
                self._turn(on=True)
        elif self.is_on:
            self._low_since = now if self._low_since is None else self._low_since
            if now - self._low_since >= self._feed.hold_up_ns:
                self._is_hung = self._hangs and volts >= _EMPTY_V
                self._turn(on=False)
        self._looking = now < self._looks_until or (self.is_on and self._low_since is not None)
        if self._looking:
            self._clock.call_at(now + MILLISECOND, self._look)

    def _turn(self, *, on: bool) -> None:
        if on == self.is_on:
            return
        self.is_on = on
        self._low_since = None
        self._changed()
