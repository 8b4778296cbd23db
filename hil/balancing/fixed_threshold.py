"""The trade's usual strategy: bleed a cell that stands 50 mV above the others, until 30 mV.

Ungated by default, as it is in the field: it decides at any current and on the plateau too, which
is where its known trouble comes from (design/physics.md, E2 to E6). The gates are there to show
what each of them is worth.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

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


class FixedThresholdState(NamedTuple):
    """Who bleeds, (..., cells)."""

    bleeding: Bools


@dataclass(frozen=True, slots=True)
class FixedThreshold:
    """Bleeds a cell from ``start_v`` above its comparison down to ``stop_v``.

    ``compare``: ``range`` sets a cell against the lowest one of the pack, ``adjacent`` against the
    lower one of its neighbours. ``gate_v``: bleed only cells above it. ``gate_a``: decide only
    while the magnitude of the current is below it. None leaves a gate open.
    """

    needs_truth: ClassVar[bool] = False

    start_v: float = 0.050
    stop_v: float = 0.030
    compare: Literal["range", "adjacent"] = "range"
    gate_v: float | None = None
    gate_a: float | None = None
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE

    def __post_init__(self) -> None:
        """Refuse parameters that make no strategy. Raises ValueError."""
        check_thresholds(self.start_v, self.stop_v)
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
        compare = above_lowest if self.compare == "range" else _above_lower_neighbour
        excess_v = compare(cell_v)
        bleeding = hysteresis(state.bleeding, excess_v, self.start_v, self.stop_v)
        if self.gate_v is not None:
            bleeding = bleeding & (cell_v > self.gate_v)
        if self.gate_a is not None:
            quiet = np.abs(observation.current_a) < self.gate_a
            bleeding = bleeding & quiet[..., np.newaxis]
        return FixedThresholdState(bleeding), Decision(bleeding.astype(np.float64))


def _above_lower_neighbour(cell_v: Floats) -> Floats:
    """Return each cell's voltage above its lower known neighbour; the ends have one neighbour.

    NaN, so never a bleed, where the cell itself or all its neighbours are unknown.
    """
    neighbour_v = np.full_like(cell_v, np.nan)
    neighbour_v[..., 1:] = cell_v[..., :-1]
    neighbour_v[..., :-1] = np.fmin(neighbour_v[..., :-1], cell_v[..., 1:])
    return cell_v - neighbour_v
