"""What every balancing strategy is: a pure function from what the board was given to bleed duties.

A strategy is a frozen dataclass of its parameters. Its state and its observation are NamedTuples of
arrays whose last axis counts cells; whatever stands before it counts packs, so that one source
serves the one pack on the bench and ten thousand in a study. Nothing here keeps time, draws random
numbers or remembers anything outside the state.
"""

from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hil.core.instants import Duration

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


class Truth(NamedTuple):
    """What only an emulated pack knows: state of charge (0..1) and capacity, (..., cells)."""

    soc: Floats
    capacity_ah: Floats


class Observation(NamedTuple):
    """Exactly what the board was given, nothing else.

    ``time_s``, ``current_a`` (positive in discharge), ``pcb_degc`` and ``age_s`` (of the cell
    voltages) have shape (...,); ``cell_v`` and ``valid`` (..., cells); ``ntc_degc`` (..., ntcs).
    Unknown is NaN. ``truth`` is filled only for strategies that declare ``needs_truth``.
    """

    time_s: Floats
    cell_v: Floats
    current_a: Floats
    ntc_degc: Floats
    pcb_degc: Floats
    age_s: Floats
    valid: Bools
    truth: Truth | None = None


class Decision(NamedTuple):
    """One bleed duty (0..1) a cell, shape (..., cells), and what else a strategy may ask for.

    ``transfer`` (..., cells), -1..1: what share of an active balancer's current each cell gives
    (+) or takes (-). ``wants_full`` (...,): asks whoever manages the energy for a full charge.
    None asks for nothing; who cannot do it leaves it.
    """

    duty: Floats
    transfer: Floats | None = None
    wants_full: Bools | None = None


class Tolerance(NamedTuple):
    """How far what somebody else decided on may lie from what we saw, either way.

    ``excess_v``: the difference of two cell voltages; ``current_a``: the pack's current.
    """

    excess_v: float
    current_a: float


class Bounds(NamedTuple):
    """What can be said of a decision on nearly the same readings; each (..., cells).

    ``could``: some reading within tolerance makes a bleed start or stop, whatever went before;
    ``must``: every one of them does. Of an unknown cell all that is known is that it could stop.
    """

    could_start: Bools
    must_start: Bools
    could_stop: Bools
    must_stop: Bools


State = TypeVar("State")


class Strategy(Protocol[State]):
    """The protocol of the reference controller; ``STRATEGIES`` names those that exist."""

    @property
    def needs_truth(self) -> bool:
        """Return True for a strategy that cheats on purpose (an oracle); refused on hardware."""

    @property
    def every_ns(self) -> Duration:
        """Return the time between two decisions."""

    def initial(self, cells: int) -> State:
        """Return the state before the first decision; broadcasts over any number of packs."""

    def step(self, state: State, observation: Observation) -> tuple[State, Decision]:
        """Decide. Pure: equal arguments give equal results, and none of them is changed."""


AnyStrategy: TypeAlias = Strategy[Any]


@runtime_checkable
class Bounded(Protocol):
    """A strategy that a board can be held against: only such a one may run in shadow mode.

    It decides on or off by the newest observation and what bleeds now, and nothing else.
    """

    def bounds(self, observation: Observation, tolerance: Tolerance) -> Bounds:
        """Return what a decision must and could be, seen from one observation."""

    def situation(self, observation: Observation, cell: int) -> str:
        """Say what the decision on ``cell`` (index from 0) of one pack is made of."""


def evidence_v(observation: Observation, max_age_s: float) -> Floats:
    """Return the cell voltages that may be decided on, NaN for all others; (..., cells).

    Evidence is valid, finite and not too old; an unknown age is too old.
    """
    fresh = np.less_equal(observation.age_s, max_age_s)  # False for NaN
    known = np.isfinite(observation.cell_v) & observation.valid & fresh[..., np.newaxis]
    return np.where(known, observation.cell_v, np.nan)


def hysteresis(bleeding: Bools, excess_v: Floats, start_v: float, stop_v: float) -> Bools:
    """Return who bleeds: on above ``start_v``, off below ``stop_v``, as before in between.

    ``excess_v`` (..., cells) is how far a cell stands above what it is compared with; NaN is off.
    """
    return (excess_v > start_v) | (bleeding & (excess_v >= stop_v))


def above_lowest(cell_v: Floats) -> Floats:
    """Return each cell's voltage above the lowest known one of its pack, NaN where unknown.

    A missing reading can only raise the lowest one, so it makes the decision more careful.
    """
    lowest_v: Floats = np.fmin.reduce(cell_v, axis=-1, keepdims=True)
    return cell_v - lowest_v


def check_thresholds(start_v: float, stop_v: float) -> None:
    """Refuse thresholds that would bleed the lowest cell or chatter. Raises ValueError."""
    if not 0.0 < stop_v <= start_v:
        message = f"start_v {start_v} and stop_v {stop_v}: expected 0 < stop_v <= start_v"
        raise ValueError(message)
