"""Layers that share out what a board may do at once: no two neighbours, so much power."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.strategy import Bools, Decision, Floats, Observation

DUTY_STEPS = 200
"""Boards take duties in steps of 1/200 and round them; a share that must not be exceeded is cut."""
HIGHEST_CELL_V = 3.65
"""Over-voltage limit of LFP: what a cell whose voltage is unknown may have at most."""


class TurnState(NamedTuple):
    """Whose turn it is, (...,): False for the cells with an odd number (1, 3, ...)."""

    even: Bools


@dataclass(frozen=True, slots=True)
class NeighbourExclusion:
    """Never bleeds two adjacent cells at once: they share a lead, and what warms one warms both.

    Odd and even cells have their turn, a decision each. In its turn a cell that is to bleed does
    so; another one does only if neither neighbour is to. So nobody waits longer than one decision.
    """

    kind: ClassVar[str] = "neighbour-exclusion"

    def initial(self, cells: int) -> TurnState:  # noqa: ARG002 - the protocol's signature
        """Return that it is the odd cells' turn."""
        return TurnState(np.array(False))  # noqa: FBT003 - an array of one bool

    def before(self, state: TurnState, observation: Observation) -> tuple[TurnState, Observation]:
        """Let everything through."""
        return state, observation

    def after(
        self,
        state: TurnState,
        observation: Observation,  # noqa: ARG002 - the protocol's signature
        decision: Decision,
    ) -> tuple[TurnState, Decision]:
        """Keep the bleeds whose turn it is, and those that have no neighbour among them."""
        wanted = decision.duty > 0.0
        even = np.arange(wanted.shape[-1]) % 2 == 1
        first = wanted & (even == state.even[..., np.newaxis])
        beside = np.zeros_like(wanted)
        beside[..., 1:] |= first[..., :-1]
        beside[..., :-1] |= first[..., 1:]
        kept = first | (wanted & ~beside)
        return TurnState(~state.even), decision._replace(duty=np.where(kept, decision.duty, 0.0))


class Unchanging(NamedTuple):
    """The state of a layer that remembers nothing."""


@dataclass(frozen=True, slots=True)
class PowerBudget:
    """Bleeds no more than ``limit_w`` in all, the highest cells first.

    P = sum of V^2/R times duty. The cell at the limit gets what is left, at a lower duty. A cell
    of unknown voltage counts as one at its highest. Raises ValueError for a limit of nothing.
    """

    kind: ClassVar[str] = "power-budget"

    limit_w: float = 5.0
    bleed_ohm: float = 68.0

    def __post_init__(self) -> None:
        """Refuse what is no budget."""
        if not (self.limit_w > 0.0 and self.bleed_ohm > 0.0):
            raise ValueError(
                f"limit_w {self.limit_w}, bleed_ohm {self.bleed_ohm}: expected more than 0"
            )

    def initial(self, cells: int) -> Unchanging:  # noqa: ARG002 - the protocol's signature
        """Return that there is nothing to remember."""
        return Unchanging()

    def before(self, state: Unchanging, observation: Observation) -> tuple[Unchanging, Observation]:
        """Let everything through."""
        return state, observation

    def after(
        self, state: Unchanging, observation: Observation, decision: Decision
    ) -> tuple[Unchanging, Decision]:
        """Give to the highest first until the budget is spent."""
        asked_w = bleed_w(observation.cell_v, self.bleed_ohm, decision.duty)
        order = np.argsort(-np.where(decision.duty > 0.0, asked_w, 0.0), axis=-1, kind="stable")
        sorted_w = np.take_along_axis(asked_w, order, axis=-1)
        spent_w = np.cumsum(sorted_w, axis=-1)
        left_w = np.clip(self.limit_w - (spent_w - sorted_w), 0.0, sorted_w)
        given_w = np.empty_like(asked_w)
        np.put_along_axis(given_w, order, left_w, axis=-1)
        cut = given_w < asked_w
        share = np.divide(given_w, asked_w, out=np.ones_like(asked_w), where=cut)
        lowered = np.floor(decision.duty * share * DUTY_STEPS) / DUTY_STEPS
        return state, decision._replace(duty=np.where(cut, lowered, decision.duty))


def bleed_w(cell_v: Floats, bleed_ohm: float, duty: Floats) -> Floats:
    """Return the power that each bleed turns into heat, (..., cells)."""
    known_v = np.where(np.isfinite(cell_v), cell_v, HIGHEST_CELL_V)
    power_w: Floats = known_v**2 / bleed_ohm * duty
    return power_w
