"""How virtual devices touch each other: the terminals between an emulator's output and its load.

A pull model: nothing happens between events. The emulator asks its load for the current now and
for the charge so far; the load asks the emulator for its voltage. Before a voltage changes, the
load is told, so that it can account for the time up to now at the old voltage.
"""

from typing import Protocol

from hil.core.instants import Instant


class CellLoad(Protocol):
    """What draws current from one emulated cell."""

    def before_change(self, now: Instant) -> None:
        """The voltage is about to change: account for everything up to ``now``."""

    def current_a(self, now: Instant) -> float:
        """Return the current drawn at this instant, positive out of the emulator."""

    def charge_as(self, now: Instant) -> float:
        """Return the charge drawn since the start, in ampere-seconds."""

    def limited_v(self, now: Instant) -> float | None:
        """Return the voltage to which the source sags in its current limit; None if it does not."""


class CellSource(Protocol):
    """A unit of emulated cells as whatever is wired to it sees it; channels count from 1."""

    def connect_load(self, channel: int, load: CellLoad) -> None:
        """Wire a load to a cell output."""

    def cell_v(self, channel: int, now: Instant) -> float:
        """Return the voltage at the output; NaN when it is open or off."""

    def limits_a(self, channel: int) -> tuple[float, float]:
        """Return the most that the output gives and takes, as magnitudes."""

    def aux_v(self, number: int) -> float:
        """Return the voltage of an auxiliary analog output."""


class Air(Protocol):
    """A chamber as whatever sits inside feels it."""

    def air_degc(self, now: Instant) -> float:
        """Return the true air temperature."""
