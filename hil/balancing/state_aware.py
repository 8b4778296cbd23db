"""Bleeds by what the pack is doing: precisely when full, gently when floating, hardly ever at rest.

Design: design/physics.md, E12. It is gating by slope: voltages are compared only where a
millivolt is hundredths of a per cent of charge, and never on the plateau.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.states import FLOAT, FULL, REST, UNDECIDED, Detected, StateRules
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


class StateAwareState(NamedTuple):
    """Who bleeds, (..., cells), and what the pack is doing."""

    bleeding: Bools
    detected: Detected


@dataclass(frozen=True, slots=True)
class StateAware:
    """Decides by the state that ``hil.balancing.states`` detects.

    Full: from ``start_v`` down to ``stop_v``, all the time. Float: the same at half the thresholds
    and ``float_duty_ratio`` of the time, which takes the last millivolts without haste; bleeding
    there can only lower a cell, so nothing is over-charged by it. Rest: as float, after ``rest_s``
    and only cells above ``knee_v``, where open-circuit voltage is steep: differences there are
    charge, such as self-discharge makes. The lower knee is left alone, since a pack that is made
    even at the bottom is uneven at the top. Charge and discharge: nothing, polarisation hides it.

    No threshold lies below twice ``board_error_v``, the board's declared measurement error.
    """

    needs_truth: ClassVar[bool] = False

    start_v: float = 0.010
    stop_v: float = 0.005
    float_duty_ratio: float = 0.5
    knee_v: float = 3.375
    rest_s: float = 3600.0
    capacity_ah: float = 100.0
    board_error_v: float = 0.002
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE

    def __post_init__(self) -> None:
        """Refuse parameters that make no strategy. Raises ValueError."""
        check_thresholds(self.start_v, self.stop_v)
        if not 0.0 < self.float_duty_ratio <= 1.0:
            raise ValueError(
                f"float_duty_ratio: found {self.float_duty_ratio:g}, expected 0 % to 100 %, not 0"
            )
        if not (self.capacity_ah > 0.0 and self.board_error_v >= 0.0):
            raise ValueError(
                f"capacity_ah {self.capacity_ah:g}, board_error_v {self.board_error_v:g}: "
                "expected capacity_ah > 0, board_error_v >= 0"
            )

    def initial(self, cells: int) -> StateAwareState:
        """Return the state in which no cell bleeds and nothing is known of the pack."""
        return StateAwareState(np.zeros(cells, dtype=np.bool_), UNDECIDED)

    def step(
        self, state: StateAwareState, observation: Observation
    ) -> tuple[StateAwareState, Decision]:
        """Find out what the pack is doing, and compare where that is allowed."""
        cell_v = evidence_v(observation, self.max_age_s)
        highest_v: Floats = np.fmax.reduce(cell_v, axis=-1)
        detected = StateRules(self.capacity_ah).step(
            state.detected, observation.time_s, observation.current_a, highest_v
        )
        full = (detected.doing == FULL)[..., np.newaxis]
        excess_v = above_lowest(cell_v)
        strong = hysteresis(state.bleeding, excess_v, *self._limits_v(1.0))
        fine = hysteresis(state.bleeding, excess_v, *self._limits_v(0.5))
        known = np.isfinite(observation.current_a)[..., np.newaxis]
        gentle = fine & self._gentle(detected, observation.time_s, cell_v) & known
        bleeding = np.where(full, strong & known, gentle)
        duty = np.where(full, 1.0, self.float_duty_ratio) * bleeding
        return StateAwareState(bleeding, detected), Decision(duty)

    def _gentle(self, detected: Detected, time_s: Floats, cell_v: Floats) -> Bools:
        """Return who may be bled in float, and at a long rest above the knee, (..., cells)."""
        rested = (detected.doing == REST) & (time_s - detected.since_s >= self.rest_s)
        floats = detected.doing == FLOAT
        gentle: Bools = np.expand_dims(floats | rested, -1) & (cell_v > self.knee_v)
        return gentle

    def _limits_v(self, share: float) -> tuple[float, float]:
        """Return start and stop at a share of what is written, lifted above the board's error."""
        stop_v = max(share * self.stop_v, 2.0 * self.board_error_v)
        return stop_v + share * (self.start_v - self.stop_v), stop_v
