"""A stack seen from its terminals: V = EMF - drop(I), and the current that does what is asked.

Solves for a current need nothing but the five rows of a stack's terminals, so the tables and
exponentials of the cell model stay out of their loops, whichever kind of cell it is.
"""

import math

from hil.physics.compiled import compiled, compiled_in_place
from hil.physics.stack import (
    EMF_V,
    FAST_PER_A,
    SERIES_OHM,
    SLOW_PER_A,
    THERMAL_V,
    Floats,
)

_ITERATIONS = 80

EXACT = 1e-12
"""A round of Newton's method that changes a current by less of it has found it to rounding."""


@compiled_in_place
def drop_and_slope(
    ohm: float, thermal_v: float, slow: float, fast: float, current_a: float
) -> tuple[float, float]:
    """Return the instantaneous voltage drop at a terminal current, and its slope against that.

    Ohmic and charge transfer: Butler-Volmer with equal transfer coefficients, I = 2 I0 sinh(F eta
    / 2RT), solved for eta, once for each electrode. ``slow`` and ``fast`` are g / 2 I0 of the two,
    in 1/A. The slope (ohm) is always positive.
    """
    x, y = abs(slow * current_a), abs(fast * current_a)
    root_x, root_y = math.sqrt(1.0 + x * x), math.sqrt(1.0 + y * y)
    # asinh x + asinh y as one logarithm: it is what a step costs most.
    transfer = math.log((x + root_x) * (y + root_y))
    dropped_v = current_a * ohm + math.copysign(thermal_v * transfer, current_a)
    return dropped_v, ohm + thermal_v * (slow / root_x + fast / root_y)


@compiled_in_place
def cell_drop(terminals: Floats, c: int, current_a: float) -> tuple[float, float]:
    """Return drop (V) and slope (ohm) of cell ``c`` at its own terminal current."""
    ohm, thermal_v = terminals[SERIES_OHM, c], terminals[THERMAL_V, c]
    slow, fast = terminals[SLOW_PER_A, c], terminals[FAST_PER_A, c]
    return drop_and_slope(ohm, thermal_v, slow, fast, current_a)


@compiled_in_place
def cell_drop_v(terminals: Floats, c: int, current_a: float) -> float:
    """Return the instantaneous drop of cell ``c`` at its own terminal current."""
    return cell_drop(terminals, c, current_a)[0]


@compiled_in_place
def own_voltages(terminals: Floats, cell_a: Floats, out_v: Floats) -> None:
    """Write the voltage at every cell's sense point for its own current into ``out_v`` (cells,).

    Two loops: roots and products of the first can be taken side by side, logarithms cannot.
    """
    n = cell_a.shape[0]
    for c in range(n):
        x = abs(terminals[SLOW_PER_A, c] * cell_a[c])
        y = abs(terminals[FAST_PER_A, c] * cell_a[c])
        out_v[c] = (x + math.sqrt(1.0 + x * x)) * (y + math.sqrt(1.0 + y * y))
    for c in range(n):
        transfer_v = math.copysign(terminals[THERMAL_V, c] * math.log(out_v[c]), cell_a[c])
        drop_v = cell_a[c] * terminals[SERIES_OHM, c] + transfer_v
        out_v[c] = terminals[EMF_V, c] - drop_v


@compiled
def cell_voltages(terminals: Floats, bleed_a: Floats, current_a: float, out_v: Floats) -> None:
    """Write the voltage at every cell's sense point for a stack current into ``out_v``."""
    own_voltages(terminals, bleed_a + current_a, out_v)


# --- the current that does what is asked -----------------------------------------------------


@compiled_in_place
def _charge_excess(
    terminals: Floats, bleed_a: Floats, charge_a: float, mean_limit_v: float, max_limit_v: float
) -> tuple[float, float]:
    """Return how far a charge current passes the nearer limit (V) and the slope of that (ohm)."""
    stack = terminals.shape[1]
    total_v, total_ohm = 0.0, 0.0
    highest_v, highest_ohm = -math.inf, 0.0
    for c in range(stack):
        cell_a = bleed_a[c] - charge_a
        dropped_v, ohm = cell_drop(terminals, c, cell_a)
        v = terminals[EMF_V, c] - dropped_v
        total_v += v
        total_ohm += ohm
        if v > highest_v:
            highest_v, highest_ohm = v, ohm
    if highest_v - max_limit_v > total_v / stack - mean_limit_v:
        return highest_v - max_limit_v, highest_ohm
    return total_v / stack - mean_limit_v, total_ohm / stack


@compiled_in_place
def _discharge_excess(
    terminals: Floats, bleed_a: Floats, discharge_a: float, min_limit_v: float
) -> tuple[float, float]:
    """Return how far a discharge pulls the lowest cell below its limit (V) and the slope (ohm)."""
    lowest_v, lowest_ohm = math.inf, 0.0
    for c in range(terminals.shape[1]):
        cell_a = discharge_a + bleed_a[c]
        dropped_v, ohm = cell_drop(terminals, c, cell_a)
        v = terminals[EMF_V, c] - dropped_v
        if v < lowest_v:
            lowest_v, lowest_ohm = v, ohm
    return min_limit_v - lowest_v, lowest_ohm


@compiled_in_place
def _excess(
    terminals: Floats,
    bleed_a: Floats,
    at_a: float,
    charging: bool,  # noqa: FBT001 - compiled code passes by position
    limits: tuple[float, float, float],
) -> tuple[float, float]:
    """Return excess (V) and slope (ohm) for a current of magnitude ``at_a`` in one direction."""
    mean_limit_v, max_limit_v, min_limit_v = limits
    if charging:
        return _charge_excess(terminals, bleed_a, at_a, mean_limit_v, max_limit_v)
    return _discharge_excess(terminals, bleed_a, at_a, min_limit_v)


@compiled_in_place
def limited_current(
    terminals: Floats,
    bleed_a: Floats,
    wanted_a: float,
    mean_limit_v: float,
    max_limit_v: float,
    min_limit_v: float,
) -> float:
    """Return the current nearest to ``wanted_a``, between 0 and it, that keeps the limits.

    Charge (negative) heeds the limits on mean and highest cell, discharge the one on the lowest.
    0 when a limit is already passed without any current. Newton inside a bracket: voltages are
    monotone in current, but the cell that decides may change on the way.
    """
    charging = wanted_a < 0.0
    limits = (mean_limit_v, max_limit_v, min_limit_v)
    at_rest_v, _ = _excess(terminals, bleed_a, 0.0, charging, limits)
    if at_rest_v >= 0.0:
        return 0.0
    # The ohmic part alone would use up the room to the limit here, so an infinite wish is fine.
    least_ohm = math.inf
    for c in range(terminals.shape[1]):
        least_ohm = min(least_ohm, terminals[SERIES_OHM, c])
    refused_a = min(abs(wanted_a), -at_rest_v / least_ohm)
    allowed_a, at_a = 0.0, refused_a
    over_v, ohm = _excess(terminals, bleed_a, at_a, charging, limits)
    if over_v <= 0.0:
        return math.copysign(at_a, wanted_a)
    for _ in range(_ITERATIONS):
        change_a = over_v / ohm
        if abs(change_a) <= EXACT * refused_a:
            break
        at_a -= change_a
        if not allowed_a < at_a < refused_a:
            at_a = 0.5 * (allowed_a + refused_a)
        over_v, ohm = _excess(terminals, bleed_a, at_a, charging, limits)
        if over_v > 0.0:
            refused_a = at_a
        else:
            allowed_a = at_a
    return math.copysign(at_a, wanted_a)


@compiled_in_place
def power_current(
    terminals: Floats,
    bleed_a: Floats,
    power_w: float,
    near_a: float = 0.0,
    tolerance: float = EXACT,
) -> float:
    """Return the smaller current at which the stack gives (> 0) or takes (< 0) ``power_w``.

    NaN when no current gives that much. Power is concave in a discharge and its magnitude convex
    in a charge current, so Newton from zero comes from one side and cannot oscillate; a slope
    that is not positive means that the summit was passed. Who knows a current that is near begins
    there, mostly for one round; it ends with one that changes less than ``tolerance`` of the
    current, and what is left is the square of that.
    """
    current_a = near_a
    for _ in range(_ITERATIONS):
        total_v, total_ohm = 0.0, 0.0
        for c in range(terminals.shape[1]):
            dropped_v, ohm = cell_drop(terminals, c, current_a + bleed_a[c])
            total_v += terminals[EMF_V, c] - dropped_v
            total_ohm += ohm
        slope_v = total_v - current_a * total_ohm
        if not slope_v > 0.0:
            return math.nan
        change_a = (power_w - current_a * total_v) / slope_v
        current_a += change_a
        if abs(change_a) <= tolerance * abs(current_a):
            break
    return current_a
