"""What a pack is doing, told from a noisy current and a noisy voltage.

Two means against chatter, because each alone fails: every threshold has a wider one for leaving
than for entering (noise), and a new state must have been there for a while (spikes). Voltage alone
never makes a state, nor does a current near zero: a shunt's offset drifts, so what counts as no
current is a share of the capacity and not zero.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.balancing.strategy import Bools, Floats


class Doing(IntEnum):
    """What a pack is doing."""

    REST = 0
    CHARGE = 1
    DISCHARGE = 2
    FLOAT = 3
    """Held at the top, or just left there: hardly any current, and voltages tell charge."""
    FULL = 4
    """At the end of a full charge: still charging, at the top, with little current."""


REST, CHARGE, DISCHARGE, FLOAT, FULL = (np.int8(one) for one in Doing)
"""The same as arrays hold them: to look one up in an enumeration and turn it into an array's kind
takes longer than to compare a hundred packs with it."""

Codes = NDArray[np.int8]


class Detected(NamedTuple):
    """What it is (``Doing``), what it may be now, since when each (s); all (...,)."""

    doing: Codes
    maybe: Codes
    since_s: Floats
    maybe_since_s: Floats


UNDECIDED = Detected(np.int8(0), np.int8(0), np.array(np.nan), np.array(np.nan))  # type: ignore[arg-type]
"""A pack that nothing is known of counts as one at rest since no time at all."""


@dataclass(frozen=True, slots=True)
class StateRules:
    """Thresholds; currents are shares of the capacity, per hour.

    [assumed] all, after what they have to keep apart: ``active_per_h`` (2 A of 100 Ah) lies above
    what converters draw at night and ten times above the 0.2 A that a shunt may drift by;
    ``top_v`` is where the slope of open-circuit voltage tells charge (above 98 %), ``full_v`` where
    chargers taper; ``full_per_h`` keeps polarisation of a full pack small.
    """

    capacity_ah: float = 100.0
    active_per_h: float = 0.02
    full_per_h: float = 0.10
    top_v: float = 3.40
    top_hysteresis_v: float = 0.025
    full_v: float = 3.44
    full_hysteresis_v: float = 0.020
    dwell_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse rules that tell nothing apart. Raises ValueError."""
        if not self.capacity_ah > 0.0:
            raise ValueError(f"capacity_ah: found {self.capacity_ah:g}, expected more than 0")
        if not (0.0 < self.active_per_h < self.full_per_h and self.top_v <= self.full_v):
            raise ValueError("expected 0 < active_per_h < full_per_h and top_v <= full_v")

    def step(
        self, before: Detected, time_s: Floats, current_a: Floats, highest_v: Floats
    ) -> Detected:
        """Return what the pack is doing now, (...,); the unknown leaves it as it was.

        ``current_a`` is positive in discharge; ``highest_v`` is the highest cell.
        """
        known = np.isfinite(current_a) & np.isfinite(highest_v)
        seen = np.where(known, self._seen(before.doing, current_a, highest_v), before.doing)
        same = seen == before.maybe
        maybe_since_s = np.where(
            same & np.isfinite(before.maybe_since_s), before.maybe_since_s, time_s
        )
        taken = (seen != before.doing) & (time_s - maybe_since_s >= self.dwell_s)
        first = ~np.isfinite(before.since_s)  # nothing to be held against: take what is seen
        new = taken | first
        doing = np.where(new, seen, before.doing)
        since_s = np.where(new, maybe_since_s, before.since_s)
        return Detected(doing, seen, since_s, maybe_since_s)

    def _seen(self, doing: Codes, current_a: Floats, highest_v: Floats) -> Codes:
        """Return the state that this instant alone would say, with the hysteresis of the last."""
        active_a = self.active_per_h * self.capacity_ah
        was_full, was_top = doing == FULL, doing >= FLOAT
        was_charge = was_full | (doing == CHARGE)
        charging = -current_a > np.where(was_charge, 0.5 * active_a, active_a)
        discharging = current_a > np.where(doing == DISCHARGE, 0.5 * active_a, active_a)
        top = _above(highest_v, self.top_v, self.top_hysteresis_v, was_top)
        full = _above(highest_v, self.full_v, self.full_hysteresis_v, was_full)
        little = -current_a < self.full_per_h * self.capacity_ah * np.where(was_full, 1.2, 1.0)
        charges = np.where(full & little, FULL, CHARGE)
        idles = np.where(top, FLOAT, REST)
        return np.where(discharging, DISCHARGE, np.where(charging, charges, idles))


def _above(value: Floats, enter: float, hysteresis: float, inside: Bools) -> Bools:
    above: Bools = value > np.where(inside, enter - hysteresis, enter)
    return above
