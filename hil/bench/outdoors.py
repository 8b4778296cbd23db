"""The chamber in the place of a climate: its set-point follows weather, within what it can do."""

import math
from typing import Protocol

from hil.core.instants import Instant
from hil.core.spec import Range
from hil.profile.model import Window
from hil.profile.weather import Weather

STEP_K = 0.1
"""A chamber shows tenths of a kelvin; finer orders would be sent for nothing."""


class Order(Protocol):
    """Takes a set-point; the tick's ``ChamberOrder``."""

    set_degc: float

    def give(self, set_degc: float, ramp_k_per_min: float | None) -> None:
        """Order a set-point."""


class Outdoors:
    """Moves the set-point from tick to tick while a profile lets the chamber follow weather."""

    def __init__(self, chamber: Range, needs: Window) -> None:
        """Stay within the chamber's own range and within what the profile says it needs."""
        low = -math.inf if needs.min_degc is None else needs.min_degc
        high = math.inf if needs.max_degc is None else needs.max_degc
        self._low, self._high = max(chamber.low, low), min(chamber.high, high)
        self._weather: Weather | None = None
        self._since: Instant = 0

    def begin(self, weather: Weather, now: Instant) -> None:
        """Follow from now on."""
        self._weather, self._since = weather, now

    def end(self) -> None:
        """Leave the chamber where it is; a step has given it another set-point."""
        self._weather = None

    def steer(self, now: Instant, order: Order) -> None:
        """Give a new set-point if the weather has moved by a step that the chamber can show.

        Without a ramp: between hours the weather itself goes by fractions of a kelvin a minute, and
        a chamber that lags behind says so in the row.
        """
        if self._weather is None:
            return
        wanted = min(max(self._weather.at(now - self._since), self._low), self._high)
        # one digit; a limit in between stays inside
        set_degc = min(max(round(wanted / STEP_K) * STEP_K, self._low), self._high)
        if not abs(set_degc - order.set_degc) < STEP_K / 2:  # NaN: no set-point yet
            order.give(round(set_degc, 6), None)
