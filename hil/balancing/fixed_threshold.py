"""The trade's usual strategy: bleed a cell that stands 50 mV above the others, until 30 mV.

Ungated by default, as it is in the field: it decides at any current and on the plateau too, which
is where its known trouble comes from (design/physics.md, E2 to E6). The gates are there to show
what each of them is worth.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from hil.balancing.strategy import (
    Bools,
    Bounds,
    Decision,
    Floats,
    Observation,
    Tolerance,
    above_lowest,
    check_thresholds,
    evidence_v,
    hysteresis,
)
from hil.core.instants import MINUTE, Duration
from hil.core.recorded import UNLESS_DEFAULT


class FixedThresholdState(NamedTuple):
    """Who bleeds, (..., cells)."""

    bleeding: Bools


@dataclass(frozen=True, slots=True)
class FixedThreshold:
    """Bleeds a cell from ``start_v`` above its comparison down to ``stop_v``.

    ``compare``: ``range`` sets a cell against the lowest one of the pack, ``adjacent`` against the
    lower one of its neighbours. ``gate_v``: bleed only cells above it. ``gate_a``: decide only
    while the magnitude of the current is below it. None leaves a gate open. ``duty_ratio`` is for
    how much of the time a cell is bled that is.
    """

    needs_truth: ClassVar[bool] = False

    start_v: float = 0.050
    stop_v: float = 0.030
    compare: Literal["range", "adjacent"] = "range"
    gate_v: float | None = None
    gate_a: float | None = None
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE
    duty_ratio: float = field(default=1.0, metadata=UNLESS_DEFAULT)

    def __post_init__(self) -> None:
        """Refuse parameters that make no strategy. Raises ValueError."""
        check_thresholds(self.start_v, self.stop_v)
        if not 0.0 < self.duty_ratio <= 1.0:
            raise ValueError(f"duty_ratio {self.duty_ratio}: expected more than 0, at most 1")
        if self.compare not in ("range", "adjacent"):
            message = f"compare {self.compare!r}: expected 'range' or 'adjacent'"
            raise ValueError(message)

    def initial(self, cells: int) -> FixedThresholdState:
        """Return the state in which no cell bleeds."""
        return FixedThresholdState(np.zeros(cells, dtype=np.bool_))

    def step(
        self, state: FixedThresholdState, observation: Observation
    ) -> tuple[FixedThresholdState, Decision]:
        """Compare, apply the hysteresis, close the gates."""
        cell_v = evidence_v(observation, self.max_age_s)
        bleeding = hysteresis(state.bleeding, self._excess_v(cell_v), self.start_v, self.stop_v)
        bleeding = bleeding & self._gate(cell_v, observation.current_a, Tolerance(0.0, 0.0))
        return FixedThresholdState(bleeding), Decision(np.where(bleeding, self.duty_ratio, 0.0))

    def bounds(self, observation: Observation, tolerance: Tolerance) -> Bounds:
        """Move the excess and both gates to either end of what the decision may have seen."""
        cell_v = evidence_v(observation, self.max_age_s)
        excess_v, off_v = self._excess_v(cell_v), tolerance.excess_v
        wider = Tolerance(-off_v, -tolerance.current_a)
        sure = self._gate(cell_v, observation.current_a, tolerance)
        could = self._gate(cell_v, observation.current_a, wider)
        known = np.isfinite(excess_v)
        if self.gate_a is not None:
            known = known & np.isfinite(observation.current_a)[..., np.newaxis]
        return Bounds(
            could_start=(excess_v + off_v > self.start_v) & could,
            must_start=(excess_v - off_v > self.start_v) & sure,
            could_stop=~((excess_v - off_v >= self.stop_v) & sure),
            must_stop=((excess_v + off_v < self.stop_v) | ~could) & known,
        )

    def situation(self, observation: Observation, cell: int) -> str:
        """Name the cell's excess, what it is above, and the thresholds."""
        cell_v = evidence_v(observation, self.max_age_s)
        excess_mv = 1e3 * self._excess_v(cell_v)[cell]
        if self.compare == "range" and np.isfinite(cell_v).any():
            lowest = int(np.nanargmin(cell_v))
            above = f"the lowest, cell {lowest + 1} at {cell_v[lowest]:.4f} V"
        else:
            above = "its lower neighbour"
        limits = f"starts above {1e3 * self.start_v:g} mV, stops below {1e3 * self.stop_v:g} mV"
        return f"{cell_v[cell]:.4f} V, {excess_mv:.1f} mV above {above} ({limits})"

    def _excess_v(self, cell_v: Floats) -> Floats:
        """Return how far each cell stands above what it is compared with; NaN where unknown."""
        compare = above_lowest if self.compare == "range" else _above_lower_neighbour
        return compare(cell_v)

    def _gate(self, cell_v: Floats, current_a: Floats, margin: Tolerance) -> Bools:
        """Return where the gates are open by a margin, (..., cells); closed on what is unknown."""
        is_open = np.ones(cell_v.shape, dtype=np.bool_)
        if self.gate_v is not None:
            is_open &= cell_v - margin.excess_v > self.gate_v
        if self.gate_a is not None:
            quiet = np.abs(current_a) + margin.current_a < self.gate_a
            is_open &= quiet[..., np.newaxis]
        return is_open


def _above_lower_neighbour(cell_v: Floats) -> Floats:
    """Return each cell's voltage above its lower known neighbour; the ends have one neighbour.

    NaN, so never a bleed, where the cell itself or all its neighbours are unknown.
    """
    neighbour_v = np.full_like(cell_v, np.nan)
    neighbour_v[..., 1:] = cell_v[..., :-1]
    neighbour_v[..., :-1] = np.fmin(neighbour_v[..., :-1], cell_v[..., 1:])
    return cell_v - neighbour_v
