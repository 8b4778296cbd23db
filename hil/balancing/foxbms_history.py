"""A baseline: the history-based balancing of foxBMS 2, after its public sources.

[published] (``bal_strategy_history.c`` and its configuration): once the battery is at rest (less
than 200 mA for 10 min) and some cell stands more than threshold plus hysteresis above the lowest
one, each such cell's voltage is looked up as a state of charge, and the difference to the lowest
cell is what it has to give. That charge is then worked off at any current and voltage, I = V/R,
above 2.0 V and below 70 degC, and only when all of it is done the pack is looked at again.

On LFP the lookup is the trouble: 200 mV never show at rest on the plateau, and with thresholds that
do show there, the charge that they are taken for is noise.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.lfp import OCV_V, SOC
from hil.balancing.libresolar import idle_since_s
from hil.balancing.strategy import Bools, Decision, Floats, Observation, above_lowest, evidence_v
from hil.core.instants import MINUTE, Duration

AS_PER_AH = 3600.0


class HistoryState(NamedTuple):
    """What each cell has to give (Ah) and at what duty it does, (..., cells).

    Then since when the pack is idle (NaN: it is not) and the time of the last decision, (...,).
    """

    left_ah: Floats
    duty: Floats
    idle_since_s: Floats
    at_s: Floats


@dataclass(frozen=True, slots=True)
class FoxBmsHistory:
    """Looks up at rest what each cell has too much of, and counts it down from there."""

    needs_truth: ClassVar[bool] = False

    threshold_v: float = 0.200
    hysteresis_v: float = 0.200
    rest_a: float = 0.2
    relax_s: float = 600.0
    lowest_v: float = 2.0
    hottest_degc: float = 70.0
    capacity_ah: float = 100.0
    bleed_ohm: float = 68.0
    bleed_window_ratio: float = 1.0
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE

    def __post_init__(self) -> None:
        """Refuse parameters that make no strategy. Raises ValueError."""
        for name in ("threshold_v", "capacity_ah", "bleed_ohm", "rest_a"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name}: found {getattr(self, name):g}, expected more than 0")

    def initial(self, cells: int) -> HistoryState:
        """Return the state in which no cell has anything to give."""
        nothing = np.zeros(cells)
        return HistoryState(nothing, nothing, np.array(np.nan), np.array(np.nan))

    def step(self, state: HistoryState, observation: Observation) -> tuple[HistoryState, Decision]:
        """Count down what was bled; look anew at rest when nothing is left; bleed what is."""
        cell_v = evidence_v(observation, self.max_age_s)
        left_ah = self._counted(state, observation, cell_v)
        since_s = idle_since_s(state.idle_since_s, observation, self.rest_a)
        rested = np.greater_equal(observation.time_s - since_s, self.relax_s)
        looks = rested & ~(left_ah > 0.0).any(axis=-1)
        left_ah = np.where(looks[..., np.newaxis], self._looked_up(cell_v), left_ah)
        duty = np.where((left_ah > 0.0) & self._allowed(observation, cell_v), 1.0, 0.0)
        return HistoryState(left_ah, duty, since_s, observation.time_s), Decision(duty)

    def given(self, state: HistoryState, share: Floats) -> HistoryState:
        """Count with what layers left of the decision."""
        return state._replace(duty=state.duty * share)

    def _counted(self, state: HistoryState, observation: Observation, cell_v: Floats) -> Floats:
        """Return what is left after the bleeds since the last decision, never below nothing."""
        dt_s = np.nan_to_num(observation.time_s - state.at_s)[..., np.newaxis]
        bled_a = np.nan_to_num(cell_v) / self.bleed_ohm * self.bleed_window_ratio * state.duty
        left_ah: Floats = np.maximum(state.left_ah - bled_a * dt_s / AS_PER_AH, 0.0)
        return left_ah

    def _looked_up(self, cell_v: Floats) -> Floats:
        """Return what each cell has more than the lowest one, 0 for those not far above it.

        The table is that of a data sheet, open-circuit voltage at rest, plateau and all.
        """
        high = above_lowest(cell_v) > self.threshold_v + self.hysteresis_v
        soc = np.interp(cell_v, OCV_V, SOC)
        lowest: Floats = np.fmin.reduce(soc, axis=-1, keepdims=True)
        return np.where(high, (soc - lowest) * self.capacity_ah, 0.0)

    def _allowed(self, observation: Observation, cell_v: Floats) -> Bools:
        """Return where bleeding is allowed, (..., cells); not where a temperature is unknown."""
        cool = (observation.ntc_degc < self.hottest_degc).all(axis=-1, keepdims=True)
        allowed: Bools = (cell_v > self.lowest_v) & cool
        return allowed
