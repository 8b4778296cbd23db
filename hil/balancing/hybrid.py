"""Hybrid: the passive ledger always, an active balancer when cells have come abnormally far apart.

A deficit of 9 Ah takes 180 hours at 50 mA and 4.5 at 2 A (design/physics.md, E13); but a balancer
loses 15 % of what it carries, and has little to do in a pack that is merely a little uneven.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hil.balancing.charge_ledger import ChargeLedger, LedgerState
from hil.balancing.strategy import (
    Bools,
    Decision,
    Floats,
    Observation,
    check_thresholds,
    evidence_v,
    hysteresis,
)


class HybridState(NamedTuple):
    """The ledger, whose ``bleed_a`` counts transfers too; whether the balancer is on, (...,)."""

    ledger: LedgerState
    carrying: Bools


@dataclass(frozen=True, slots=True)
class Hybrid(ChargeLedger):
    """The ledger's parameters, and when and what an active balancer carries.

    It starts when some cell has ``start_ratio`` of the capacity more than the neediest and stops
    below ``stop_ratio`` [assumed]. Those in between give, all alike; the neediest takes. What a
    cell gives and what the neediest gets both make the difference smaller: ``balancer_a`` and
    ``efficiency_ratio``. ``least_v`` is the difference that the balancer needs in order to work:
    on the plateau there may be none, and then nothing is asked for and nothing counted.
    """

    start_ratio: float = 0.010
    stop_ratio: float = 0.004
    balancer_a: float = 2.0
    efficiency_ratio: float = 0.85
    least_v: float = 0.005

    def __post_init__(self) -> None:
        """Refuse parameters that make no hand-over. Raises ValueError."""
        ChargeLedger.__post_init__(self)
        check_thresholds(self.start_ratio, self.stop_ratio)
        if not (self.balancer_a > 0.0 and 0.0 < self.efficiency_ratio <= 1.0):
            raise ValueError(
                f"balancer_a {self.balancer_a:g}, efficiency_ratio {self.efficiency_ratio:g}: "
                "expected more than 0, and efficiency at most 1"
            )

    def initial(self, cells: int) -> HybridState:  # type: ignore[override]
        """Return an empty ledger and a balancer at rest."""
        return HybridState(ChargeLedger.initial(self, cells), np.zeros((), np.bool_))

    def given(  # type: ignore[override]
        self, state: HybridState, share: Floats
    ) -> HybridState:
        """Count with what layers left of the decision."""
        return state._replace(ledger=ChargeLedger.given(self, state.ledger, share))

    def step(  # type: ignore[override]
        self, state: HybridState, observation: Observation
    ) -> tuple[HybridState, Decision]:
        """Bleed by the ledger; beside that carry, and count what was carried."""
        ledger, decision = ChargeLedger.step(self, state.ledger, observation)
        most = ledger.spare_ah.max(axis=-1) / self.capacity_ah
        carrying = hysteresis(state.carrying, most, self.start_ratio, self.stop_ratio)
        transfer = self._transfer(ledger.spare_ah, evidence_v(observation, self.max_age_s))
        transfer = np.where(carrying[..., np.newaxis], transfer, 0.0)
        closes_a = ledger.bleed_a + self._closes_a(transfer)
        after = HybridState(ledger._replace(bleed_a=closes_a), carrying)
        return after, decision._replace(transfer=transfer)

    def _transfer(self, spare_ah: Floats, cell_v: Floats) -> Floats:
        """Return who gives (+) and who takes (-) the whole current, (..., cells)."""
        known = np.isfinite(cell_v)
        takes = known & (spare_ah <= spare_ah.min(axis=-1, keepdims=True))
        lowest_v = np.min(np.where(takes, cell_v, np.inf), axis=-1, keepdims=True)
        far = np.greater_equal(np.where(known, cell_v, -np.inf) - lowest_v, self.least_v)
        gives = far & (spare_ah > self.stop_ratio * self.capacity_ah)
        shares = gives / np.maximum(gives.sum(axis=-1, keepdims=True), 1)
        takers = np.maximum(takes.sum(axis=-1, keepdims=True), 1)
        any_gives = gives.any(axis=-1, keepdims=True)
        asked: Floats = shares - np.where(takes & any_gives, 1.0 / takers, 0.0)
        return asked

    def _closes_a(self, transfer: Floats) -> Floats:
        """Return how fast a transfer makes each cell's lead over the neediest smaller, A."""
        given = np.maximum(transfer, 0.0)
        most_taken = np.max(-np.minimum(transfer, 0.0), axis=-1, keepdims=True)
        closes_a: Floats = self.balancer_a * (given + self.efficiency_ratio * most_taken)
        return closes_a
