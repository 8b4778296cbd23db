"""The oracle: knows the true charge of every cell, and takes only from those that can spare it.

It cheats, on purpose: what it reaches is what could be reached, and no strategy that has to live
on readings may do better (design/physics.md, section 4).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.strategy import Decision, Observation
from hil.core.instants import MINUTE, Duration, to_seconds

NOTHING_TO_GIVE = 0.002
"""Share of the smallest capacity: a cell with less above the neediest has nothing to give."""

_HELD_BACK = 3.0
"""Periods of bleeding; others hover within one of them, so it has to be more than that."""


class OracleState(NamedTuple):
    """Nothing to remember: the truth is there at every decision."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """Bleeds every cell that has something to give, at any time, until it has not.

    With the charge to full c = (1 - s) Q of each cell, what a cell can give is x = max c - c. It
    bleeds while x is above 0.2 % of the smallest capacity and what a whole period takes at 3.65 V
    through ``bleed_ohm``: so all it takes, it takes from a cell with something to give.

    Usable capacity is min charge-out + min c, so what the cell with the least to put out has above
    min c is lost. That one is left ``_HELD_BACK`` periods sooner than all others, and so is itself
    min c. Nothing helps where it is also (nearly) the neediest: no cell may then be bled as far as
    it, and up to 0.2 % is lost to the rule that no wrong cell is bled.
    """

    needs_truth: ClassVar[bool] = True

    bleed_ohm: float = 68.0
    every_ns: Duration = 2 * MINUTE

    def initial(self, cells: int) -> OracleState:  # noqa: ARG002 - the protocol's signature
        """Return the empty state."""
        return OracleState()

    def step(self, state: OracleState, observation: Observation) -> tuple[OracleState, Decision]:
        """Bleed whoever can spare what a period takes. Raises ValueError without the truth."""
        truth = observation.truth
        if truth is None:
            raise ValueError("the oracle needs the truth: only virtual cells have it")
        to_full_ah = (1.0 - truth.soc) * truth.capacity_ah
        spare_ah = to_full_ah.max(axis=-1, keepdims=True) - to_full_ah
        kept_ah = NOTHING_TO_GIVE * truth.capacity_ah.min(axis=-1, keepdims=True)
        a_period_ah = 3.65 / self.bleed_ohm * to_seconds(self.every_ns) / 3600.0
        out_ah = truth.soc * truth.capacity_ah
        weakest = out_ah <= out_ah.min(axis=-1, keepdims=True)
        left_ah = kept_ah + np.where(weakest, 1.0 + _HELD_BACK, 1.0) * a_period_ah
        bleeds = (spare_ah > left_ah) & observation.valid
        return state, Decision(np.where(bleeds, 1.0, 0.0))
