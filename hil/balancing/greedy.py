"""Greedy: those with most to give first, as many as power and the board's heat allow.

Who has how much is the charge ledger's to say; this only chooses. It is what design/physics.md,
section 5, asks to be tried before any optimisation over a horizon.
"""

from dataclasses import dataclass

import numpy as np

from hil.balancing.charge_ledger import ChargeLedger, LedgerState
from hil.balancing.strategy import Decision, Floats, Observation


@dataclass(frozen=True, slots=True)
class Greedy(ChargeLedger):
    """The ledger's parameters, and a budget.

    At most ``most_w`` are bled at once, by the voltages measured; from ``full_degc`` of the board
    to ``limit_degc`` that falls in a straight line to nothing, and an unknown temperature allows
    nothing. Neighbours may bleed together; a profile that wants otherwise puts the layer
    ``neighbour-exclusion`` around it. [assumed]: 3 W is nine of 16 cells at 100 mA.
    """

    most_w: float = 3.0
    full_degc: float = 60.0
    limit_degc: float = 80.0

    def __post_init__(self) -> None:
        """Refuse a budget that allows nothing. Raises ValueError."""
        ChargeLedger.__post_init__(self)
        if not (self.most_w > 0.0 and self.full_degc < self.limit_degc):
            raise ValueError(
                f"most_w {self.most_w:g}, full_degc {self.full_degc:g}, "
                f"limit_degc {self.limit_degc:g}: expected most_w > 0, full_degc < limit_degc"
            )

    def step(self, state: LedgerState, observation: Observation) -> tuple[LedgerState, Decision]:
        """Let the ledger ask, give to the largest claims first, and count only what was given."""
        after, asked = ChargeLedger.step(self, state, observation)
        each_w = after.bleed_a * np.nan_to_num(observation.cell_v)  # 0 where nothing is asked for
        order = np.argsort(-after.spare_ah, axis=-1, kind="stable")
        total_w = np.cumsum(np.take_along_axis(each_w, order, axis=-1), axis=-1)
        fits = np.empty(total_w.shape, np.bool_)
        np.put_along_axis(fits, order, total_w <= self._budget_w(observation), axis=-1)
        given = asked._replace(duty=np.where(fits, asked.duty, 0.0))
        return after._replace(bleed_a=np.where(fits, after.bleed_a, 0.0)), given

    def _budget_w(self, observation: Observation) -> Floats:
        """Return the power that the board may turn into heat, (..., 1)."""
        span_k = self.limit_degc - self.full_degc
        share = np.clip((self.limit_degc - observation.pcb_degc) / span_k, 0.0, 1.0)
        budget_w: Floats = self.most_w * np.nan_to_num(share)
        return budget_w[..., np.newaxis]
