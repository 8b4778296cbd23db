"""Top-balance, the default: decide only where voltage tells charge, at the end of a full charge.

Design and figures: design/physics.md, section 5. On the plateau 5 mV is 10 to 17 % of charge, so no
accuracy helps there; at the knee a few millivolts are hundredths of a per cent.
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
    check_thresholds,
    evidence_v,
    hysteresis,
)
from hil.core.instants import MINUTE, Duration


class TopBalanceState(NamedTuple):
    """Who bleeds (..., cells); current of the last decision and end of the tail, (...,)."""

    bleeding: Bools
    last_a: Floats
    tail_until_s: Floats


@dataclass(frozen=True, slots=True)
class TopBalance:
    """Bleeds on voltage differences at the top, and lets what it decided there run on for a tail.

    The gate is open while some cell is above ``gate_v`` and the current is either small (below
    ``taper_per_h`` times ``capacity_ah``) or tapering: charging, with some cell at ``hold_v``, and
    by ``falling_share`` smaller than at the last decision. When the gate closes, the cells that
    bleed do so for ``tail_s`` more: the charge they have too much of does not vanish with the
    voltage that showed it.

    ``board_error_v`` is the board's declared measurement error. No difference below twice that is
    taken for real: the range of 16 readings within +-10 mV is 17.6 mV on average.
    """

    needs_truth: ClassVar[bool] = False

    start_v: float = 0.010
    stop_v: float = 0.005
    gate_v: float = 3.40
    hold_v: float = 3.45
    capacity_ah: float = 100.0
    taper_per_h: float = 0.05
    falling_share: float = 0.05
    board_error_v: float = 0.002
    tail_s: float = 1800.0
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE

    def __post_init__(self) -> None:
        """Refuse parameters that make no strategy. Raises ValueError."""
        check_thresholds(self.start_v, self.stop_v)
        if self.board_error_v < 0.0 or self.tail_s < 0.0:
            message = f"board_error_v {self.board_error_v}, tail_s {self.tail_s}: expected >= 0"
            raise ValueError(message)

    def thresholds_v(self) -> tuple[float, float]:
        """Return start and stop as applied: lifted above the board's error, as far apart as set."""
        stop_v = max(self.stop_v, 2.0 * self.board_error_v)
        return stop_v + (self.start_v - self.stop_v), stop_v

    def initial(self, cells: int) -> TopBalanceState:
        """Return the state in which no cell bleeds and no tail runs."""
        return TopBalanceState(np.zeros(cells, dtype=np.bool_), np.array(np.nan), np.array(-np.inf))

    def step(
        self, state: TopBalanceState, observation: Observation
    ) -> tuple[TopBalanceState, Decision]:
        """Decide anew while the gate is open; else keep the last decision until its tail ends."""
        cell_v = evidence_v(observation, self.max_age_s)
        decided = hysteresis(state.bleeding, above_lowest(cell_v), *self.thresholds_v())
        is_open = self._gate(state, observation.current_a, cell_v)
        tail_until_s = np.where(is_open, observation.time_s + self.tail_s, state.tail_until_s)
        in_tail = np.less(observation.time_s, tail_until_s)[..., np.newaxis]
        kept = state.bleeding & in_tail & np.isfinite(cell_v)
        bleeding = np.where(is_open[..., np.newaxis], decided, kept)
        after = TopBalanceState(bleeding, observation.current_a, tail_until_s)
        return after, Decision(bleeding.astype(np.float64))

    def _gate(self, state: TopBalanceState, current_a: Floats, cell_v: Floats) -> Bools:
        """Return where voltage differences may be trusted, (...,); closed on an unknown current."""
        highest_v: Floats = np.fmax.reduce(cell_v, axis=-1)
        small = np.abs(current_a) < self.taper_per_h * self.capacity_ah
        # charging is negative: a smaller charge current is the larger number
        falling = (current_a < 0.0) & (current_a > (1.0 - self.falling_share) * state.last_a)
        tapering = falling & (highest_v >= self.hold_v)
        is_open: Bools = (highest_v > self.gate_v) & (small | tapering)
        return is_open
