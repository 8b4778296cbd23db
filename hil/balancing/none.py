"""The arm without balancing: what every comparison is measured against."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.strategy import Bounds, Decision, Observation, Tolerance
from hil.core.instants import MINUTE, Duration


class NoState(NamedTuple):
    """Nothing to remember."""


@dataclass(frozen=True, slots=True)
class NoBalancing:
    """Never bleeds."""

    needs_truth: ClassVar[bool] = False

    every_ns: Duration = 2 * MINUTE

    def initial(self, cells: int) -> NoState:  # noqa: ARG002 - the protocol's signature
        """Return the empty state."""
        return NoState()

    def step(self, state: NoState, observation: Observation) -> tuple[NoState, Decision]:
        """Return duty 0 for every cell."""
        return state, Decision(np.zeros_like(observation.cell_v))

    def bounds(self, observation: Observation, tolerance: Tolerance) -> Bounds:  # noqa: ARG002 - the protocol's signature
        """Return that every bleed must stop."""
        never = np.zeros(observation.cell_v.shape, dtype=np.bool_)
        return Bounds(never, never, ~never, ~never)

    def situation(self, observation: Observation, cell: int) -> str:  # noqa: ARG002 - the protocol's signature
        """Say that no cell bleeds."""
        return "the strategy never bleeds"
