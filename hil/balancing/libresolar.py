"""A baseline: LibreSolar's public firmware, as it balances LFP packs.

[published] in its sources (bms-firmware, ``bms_init_config`` and the drivers of its monitor
chips): above 3.30 V, more than 10 mV above the lowest cell, after 30 min of less than 0.1 A; the
highest first, no two neighbours together. 3.30 V is in the middle of the plateau, where 10 mV are
tens of per cent of charge or the hysteresis of the cell: that is what this arm shows.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.strategy import (
    Bools,
    Decision,
    Floats,
    Observation,
    above_lowest,
    evidence_v,
)
from hil.core.instants import MINUTE, Duration


class IdleState(NamedTuple):
    """Since when the pack has been idle, (...,); NaN while it is not."""

    idle_since_s: Floats


@dataclass(frozen=True, slots=True)
class LibreSolar:
    """Bleeds at rest, on voltage differences, the highest cells first and no two neighbours."""

    needs_truth: ClassVar[bool] = False

    above_v: float = 3.30
    difference_v: float = 0.010
    idle_a: float = 0.1
    delay_s: float = 1800.0
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE

    def __post_init__(self) -> None:
        """Refuse parameters that make no strategy. Raises ValueError."""
        for name in ("difference_v", "idle_a"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name}: found {getattr(self, name):g}, expected more than 0")

    def initial(self, cells: int) -> IdleState:  # noqa: ARG002 - the protocol's signature
        """Return the state of a pack that has not been seen idle."""
        return IdleState(np.array(np.nan))

    def step(self, state: IdleState, observation: Observation) -> tuple[IdleState, Decision]:
        """Compare once the pack has been idle for long enough; there is no hysteresis."""
        since_s = idle_since_s(state.idle_since_s, observation, self.idle_a)
        rested = np.greater_equal(observation.time_s - since_s, self.delay_s)  # False for NaN
        cell_v = evidence_v(observation, self.max_age_s)
        high = (cell_v > self.above_v) & (above_lowest(cell_v) > self.difference_v)
        chosen = highest_apart(cell_v, high & rested[..., np.newaxis])
        return IdleState(since_s), Decision(chosen.astype(np.float64))


def idle_since_s(since_s: Floats, observation: Observation, idle_a: float) -> Floats:
    """Return since when the current has been below ``idle_a``, (...,); NaN while it is not."""
    idle = np.less(np.abs(observation.current_a), idle_a)  # False for an unknown current
    began_s = np.where(np.isnan(since_s), observation.time_s, since_s)
    return np.where(idle, began_s, np.nan)


def highest_apart(cell_v: Floats, wanted: Bools) -> Bools:
    """Return who of ``wanted`` is chosen: the highest first, none beside one already chosen.

    Taking every cell that is higher than both its neighbours, dropping those neighbours, and again,
    gives the same as going down the sorted list, for all packs at once. Of two equal neighbours the
    first one wins.
    """
    chosen = np.zeros_like(wanted)
    left = wanted.copy()
    while left.any():
        height_v = np.where(left, cell_v, -np.inf)
        peak = left.copy()
        peak[..., 1:] &= height_v[..., 1:] > height_v[..., :-1]
        peak[..., :-1] &= height_v[..., :-1] >= height_v[..., 1:]
        chosen |= peak
        left &= ~peak
        left[..., 1:] &= ~peak[..., :-1]
        left[..., :-1] &= ~peak[..., 1:]
    return chosen
