"""Thresholds that move with temperature: as the trade does it, and as physics would have it.

A uniform shift of temperature moves all cells alike (design/physics.md, section 1), so a threshold
on differences need not care. What differences do care for is polarisation: the colder of two
cells shows more of it. The trade's rule knows one temperature, and so cannot know that.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.polarisation import LFP
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
from hil.balancing.temperatures import cell_degc
from hil.core.instants import MINUTE, Duration


class TradeState(NamedTuple):
    """Who bleeds, (..., cells)."""

    bleeding: Bools


@dataclass(frozen=True, slots=True)
class CompensatedTrade:
    """A fixed threshold (range) that is wider in the cold: linear in one thermistor's temperature.

    Both thresholds are as they are written at ``reference_degc`` and move by ``slope_v_per_k`` for
    each kelvin below it; above it they get narrower, by half of ``stop_v`` at most. [assumed]:
    1 mV/K from 25 degC, which makes 50 mV at room temperature 75 mV at freezing point. ``ntc`` is
    the number of the thermistor, from 1.
    """

    needs_truth: ClassVar[bool] = False

    start_v: float = 0.050
    stop_v: float = 0.030
    slope_v_per_k: float = 0.001
    reference_degc: float = 25.0
    ntc: int = 1
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE

    def __post_init__(self) -> None:
        """Refuse parameters that make no strategy. Raises ValueError."""
        check_thresholds(self.start_v, self.stop_v)
        if self.ntc < 1 or not self.slope_v_per_k >= 0.0:
            raise ValueError(
                f"ntc {self.ntc}, slope_v_per_k {self.slope_v_per_k}: expected ntc >= 1, slope >= 0"
            )

    def initial(self, cells: int) -> TradeState:
        """Return the state in which no cell bleeds."""
        return TradeState(np.zeros(cells, dtype=np.bool_))

    def step(self, state: TradeState, observation: Observation) -> tuple[TradeState, Decision]:
        """Move both thresholds and compare; an unknown temperature bleeds nothing."""
        number = min(self.ntc, observation.ntc_degc.shape[-1])  # a board may have fewer
        colder_k = self.reference_degc - observation.ntc_degc[..., number - 1]
        wider_v = np.maximum(self.slope_v_per_k * colder_k, -0.5 * self.stop_v)
        excess_v = above_lowest(evidence_v(observation, self.max_age_s)) - wider_v[..., np.newaxis]
        bleeding = hysteresis(state.bleeding, excess_v, self.start_v, self.stop_v)
        return TradeState(bleeding), Decision(bleeding.astype(np.float64))


class PhysicsState(NamedTuple):
    """Who bleeds (..., cells); what the slow diffusion has come to, and when, (...,)."""

    bleeding: Bools
    slow_a: Floats
    at_s: Floats


@dataclass(frozen=True, slots=True)
class CompensatedPhysics:
    """A fixed threshold on voltages without their polarisation, V + eta(I, T), cell by cell.

    The temperature of each cell is interpolated between the thermistors (``ntc_cells``), its
    polarisation is that of ``hil.balancing.polarisation``. A model is wrong by something: both
    thresholds are raised by ``guard_ratio`` times sigma, sigma being ``model_error_ratio`` of the
    largest polarisation. Where polarisations differ by more than ``widest_v`` nothing is decided,
    and what cannot be decided is not bled.
    """

    needs_truth: ClassVar[bool] = False

    start_v: float = 0.050
    stop_v: float = 0.030
    capacity_ah: float = 100.0
    model_error_ratio: float = 0.05
    guard_ratio: float = 2.0
    widest_v: float = 0.010
    ntc_cells: tuple[int, ...] = ()
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE

    def __post_init__(self) -> None:
        """Refuse parameters that make no strategy. Raises ValueError."""
        check_thresholds(self.start_v, self.stop_v)
        for name in ("capacity_ah", "widest_v"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name}: found {getattr(self, name):g}, expected more than 0")
        for name in ("model_error_ratio", "guard_ratio"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name}: found {getattr(self, name):g}, expected at least 0")

    def initial(self, cells: int) -> PhysicsState:
        """Return the state in which no cell bleeds and no current has flown."""
        return PhysicsState(np.zeros(cells, dtype=np.bool_), np.array(np.nan), np.array(np.nan))

    def step(self, state: PhysicsState, observation: Observation) -> tuple[PhysicsState, Decision]:
        """Take the polarisation out, compare what is left, and stay clear of what is not known."""
        slow_a = LFP.slowed(state.slow_a, observation.current_a, observation.time_s - state.at_s)
        cell_v = evidence_v(observation, self.max_age_s)
        degc = cell_degc(observation.ntc_degc, self.ntc_cells, cell_v.shape[-1])
        eta_v = LFP.voltage_v(observation.current_a, slow_a, degc, self.capacity_ah)
        highest_v = eta_v.max(axis=-1, keepdims=True)  # NaN stays NaN: then nothing is decided
        lowest_v = eta_v.min(axis=-1, keepdims=True)
        sigma_v = self.model_error_ratio * np.maximum(np.abs(highest_v), np.abs(lowest_v))
        excess_v = above_lowest(cell_v + eta_v) - self.guard_ratio * sigma_v
        bleeding = hysteresis(state.bleeding, excess_v, self.start_v, self.stop_v)
        bleeding = bleeding & (highest_v - lowest_v <= self.widest_v)
        after = PhysicsState(bleeding, slow_a, observation.time_s)
        return after, Decision(bleeding.astype(np.float64))
