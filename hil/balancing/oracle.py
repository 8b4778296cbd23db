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


class OracleState(NamedTuple):
    """Nothing to remember: the truth is there at every decision."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """Bleeds every cell that has something to give, at any time, until it has not.

    With the charge to full c = (1 - s) Q of each cell, what a cell can give is x = max c - c. It
    bleeds while x is above 0.2 % of the smallest capacity and what a whole period takes at 3.65 V
    through ``bleed_ohm``: so all it takes, it takes from a cell with something to give.
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
        bleeds = (spare_ah > kept_ah + a_period_ah) & observation.valid
        return state, Decision(np.where(bleeds, 1.0, 0.0))
