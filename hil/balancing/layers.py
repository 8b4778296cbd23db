"""Layers around a strategy: what has to hold whatever it decides, written once for all of them.

A layer looks at an observation before the strategy does, and at the decision after it. The rule
that makes layers compose in any order: ``before`` takes evidence away and never makes any up, and
``after`` lowers duties and never raises one. So what one layer promises, no other can break.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np

from hil.balancing.strategy import Decision, Floats, Observation
from hil.core.instants import Duration

State = TypeVar("State")


class Layer(Protocol[State]):
    """What a layer is; ``hil.balancing.LAYERS`` names those that exist. Pure, as strategies are."""

    kind: ClassVar[str]
    """Its name in a profile."""

    def initial(self, cells: int) -> State:
        """Return the state before the first decision; broadcasts over any number of packs."""

    def before(self, state: State, observation: Observation) -> tuple[State, Observation]:
        """Return what the strategy may see of an observation."""

    def after(
        self, state: State, observation: Observation, decision: Decision
    ) -> tuple[State, Decision]:
        """Return what becomes of a decision; ``observation`` is the one that it was made on."""


AnyLayer: TypeAlias = Layer[Any]


@runtime_checkable
class Counts(Protocol):
    """A strategy that counts what it bleeds, and so has to hear what its layers left of it."""

    def given(self, state: Any, share: Floats) -> Any:
        """Return the state after ``step`` if only ``share`` (..., cells) of each duty is bled.

        1 where all of it is, or where nothing was asked for.
        """


class LayeredState(NamedTuple):
    """The state of the strategy, and that of each layer."""

    base: Any
    layers: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Layered:
    """A strategy with layers around it, the outermost first; itself a strategy."""

    base: Any
    layers: tuple[Any, ...]

    @property
    def needs_truth(self) -> bool:
        """Return whether the strategy inside cheats; no layer does."""
        return bool(self.base.needs_truth)

    @property
    def every_ns(self) -> Duration:
        """Return the time between two decisions of the strategy inside."""
        every_ns: Duration = self.base.every_ns
        return every_ns

    def initial(self, cells: int) -> LayeredState:
        """Return the state of all before the first decision."""
        return LayeredState(
            self.base.initial(cells), tuple(layer.initial(cells) for layer in self.layers)
        )

    def step(self, state: LayeredState, observation: Observation) -> tuple[LayeredState, Decision]:
        """Show the strategy what the layers let through, and let them lower what it decides."""
        states = list(state.layers)
        for k, layer in enumerate(self.layers):
            states[k], observation = layer.before(states[k], observation)
        base, asked = self.base.step(state.base, observation)
        decision = asked
        for k, layer in enumerate(self.layers):
            states[k], decision = layer.after(states[k], observation, decision)
        if isinstance(self.base, Counts):
            all_of_it = np.ones_like(asked.duty)
            share = np.divide(decision.duty, asked.duty, out=all_of_it, where=asked.duty > 0.0)
            base = self.base.given(base, share)
        return LayeredState(base, tuple(states)), decision
