"""The rules of ``termination.Termination`` as the batch engine plays them: one pack, every step.

The same rules as those of a protection board, with two things a board has and this has not: it
looks at the true cells, and it keeps one latch for the highest and one for the lowest cell instead
of one for each. So where two cells take turns it trips no later and releases no sooner.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hil.physics.compiled import compiled_in_place
from hil.physics.termination import Termination

Floats: TypeAlias = NDArray[np.float64]

# The state of the latches of a pack, (4,): tripped (0 or 1), and for how long (s) each has wanted
# to change, below zero while it does not.
OVER, OVER_FOR_S, UNDER, UNDER_FOR_S = range(4)
QUIET = -1.0
_ROUNDING_S = 1e-9
"""Ten steps of 0.1 s are one second, whatever their sum says."""


class Rules(NamedTuple):
    """``Termination`` as compiled code takes it: the same numbers under the same names."""

    over_voltage_v: float
    over_voltage_release_v: float
    under_voltage_v: float
    under_voltage_release_v: float
    delay_s: float
    no_charge_below_degc: float
    cold_charge_below_degc: float
    cold_charge_per_h: float


def rules_of(termination: Termination) -> Rules:
    """Return the protections of a termination for the compiled functions."""
    return Rules(*(float(getattr(termination, name)) for name in Rules._fields))


def untripped() -> Floats:
    """Return the latches (4,) of a pack in which nothing has tripped."""
    return np.array([0.0, QUIET, 0.0, QUIET])


@compiled_in_place
def latch(
    state: Floats, at: int, value: float, trip: float, release: float, delay_s: float, dt_s: float
) -> bool:
    """Look at a value ``dt_s`` after the last look; return whether the latch at ``at`` is tripped.

    It trips where the value stays at or above ``trip`` for ``delay_s``, and releases where it stays
    at or below ``release`` for as long. A value that is not a number changes nothing.
    """
    tripped = bool(state[at] > 0.0)
    wants_to_change = value <= release if tripped else value >= trip
    if not wants_to_change:
        state[at + 1] = QUIET
        return tripped
    # the first look starts the clock: how long it was so before is not known
    state[at + 1] = 0.0 if state[at + 1] < 0.0 else state[at + 1] + dt_s
    if state[at + 1] < delay_s - _ROUNDING_S:
        return tripped
    state[at], state[at + 1] = (0.0 if tripped else 1.0), QUIET
    return not tripped


@compiled_in_place
def permitted(
    rules: Rules,
    state: Floats,
    highest_v: float,
    lowest_v: float,
    coldest_degc: float,
    capacity_ah: float,
    wanted_a: float,
    dt_s: float,
) -> float:
    """Return the current (A, + in discharge) that the protections let through; moves ``state``.

    Call it once a step, with the voltages that the last step ended with, also when no current is
    wanted: the latches release in rest. ``dt_s`` is the time since the last call.
    """
    delay_s = rules.delay_s
    over = latch(
        state, OVER, highest_v, rules.over_voltage_v, rules.over_voltage_release_v, delay_s, dt_s
    )
    # too little is too much of the negative: one rule for both
    under = latch(
        state,
        UNDER,
        -lowest_v,
        -rules.under_voltage_v,
        -rules.under_voltage_release_v,
        delay_s,
        dt_s,
    )
    if wanted_a >= 0.0:
        return 0.0 if under else wanted_a
    if over or coldest_degc < rules.no_charge_below_degc:
        return 0.0
    if coldest_degc < rules.cold_charge_below_degc:
        return max(wanted_a, -rules.cold_charge_per_h * capacity_ah)
    return wanted_a
