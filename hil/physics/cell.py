"""The cell model and the stack of cells: the one scalar source of the plant's physics.

    V = OCV(s) + (T - 25) dU/dT(s) + h M(s) - v1 - v2
        - I Rs(T) - (2 R T / F) sum over k = a, b of asinh(I g(s) / (2 I0k(T)))

with I > 0 in discharge, one-state hysteresis h in [-1, 1], and two RC pairs v1, v2 with R(T):
ADR 0005. Everything is loops over scalars, compiled by numba; with
NUMBA_DISABLE_JIT=1 the same source runs as plain Python and is its own oracle.

Every compiled function of cell and stack stands in this one file: numba's cache watches the file
of the function it compiled, not the files of the functions that one calls.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hil.physics.compiled import compiled
from hil.physics.parameters import CellParameters

Floats: TypeAlias = NDArray[np.float64]

GAS_J_PER_MOL_K = 8.314462618
FARADAY_AS_PER_MOL = 96485.33212
ZERO_DEGC_K = 273.15
REFERENCE_DEGC = 25.0
REFERENCE_K = ZERO_DEGC_K + REFERENCE_DEGC

# Rows of the state, (6, cells). The last two only add up: they are truth for the metrics.
SOC, HYSTERESIS, V1, V2, LEAKED_AS, HEAT_J = range(6)

# Rows of what tells one cell of the population from another, (5, cells). OFFSET_K is how far the
# cell sits above the pack's own temperature without load (the imposed gradient).
CAPACITY_AH, RESISTANCE_RATIO, LEAKAGE_A, LINK_OHM, OFFSET_K = range(5)

# Rows of a stack seen from its terminals at one instant, (5, cells): V = EMF - drop(I). Solves
# for a current need nothing else, so tables and exponentials stay out of their loops.
EMF_V, SERIES_OHM, THERMAL_V, SLOW_PER_A, FAST_PER_A = range(5)

# Columns of the table over state of charge, (401, 4), and of the one over temperature, (721, 6).
OCV_V, ENTROPIC, HALF_LOOP_V, KINETICS = range(4)
RS_OHM, INVERSE_A, INVERSE_B, R1_OHM, R2_OHM, LEAK_RATIO = range(6)

SOC_STEPS = 400
COLDEST_DEGC, STEPS_PER_K, DEGC_STEPS = -60.0, 4, 720

MAX_SUBSTEP_S = 10.0
_ITERATIONS = 80


class CellTables(NamedTuple):
    """A cell type resampled on uniform grids, so that a look-up is one multiplication."""

    by_soc: Floats
    by_degc: Floats


class Stack(NamedTuple):
    """Cells in series: what they are, and where they are now. Rows and columns as named above.

    ``degc`` (cells + 1,) ends with the box. ``state``, ``degc`` and ``terminals`` change in place;
    ``terminals`` follows from the others (``refresh_terminals``).
    """

    state: Floats
    degc: Floats
    terminals: Floats
    cells: Floats
    by_soc: Floats
    by_degc: Floats
    tau1_s: float
    tau2_s: float
    hysteresis_span: float


def _arrhenius(activation_j_per_mol: float, kelvin: Floats) -> Floats:
    """Return the factor on a rate at ``kelvin`` against 25 degC."""
    exponent = activation_j_per_mol / GAS_J_PER_MOL_K * (1.0 / REFERENCE_K - 1.0 / kelvin)
    return np.asarray(np.exp(exponent))


def _log_linear(at: Floats, knots: tuple[float, ...], values: tuple[float, ...]) -> Floats:
    """Interpolate the logarithm of ``values``; beyond the ends continue the last slope."""
    x, y = np.asarray(knots), np.log(np.asarray(values))
    left = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
    slope = (y[left + 1] - y[left]) / (x[left + 1] - x[left])
    return np.asarray(np.exp(y[left] + slope * (at - x[left])))


def tabulate(cell: CellParameters) -> CellTables:
    """Resample the parameters of a cell type: 0.25 % in charge, 0.25 K from -60 to 120 degC.

    The charge grid contains every knot, so between knots the curves stay straight lines. On the
    temperature grid linear interpolation of the steepest Arrhenius law is within 0.02 %.
    """
    soc = np.arange(SOC_STEPS + 1) / SOC_STEPS
    by_soc = np.empty((SOC_STEPS + 1, 4))
    by_soc[:, OCV_V] = np.interp(soc, cell.soc_ratio, cell.ocv_v)
    by_soc[:, ENTROPIC] = np.interp(soc, cell.soc_ratio, cell.entropic_v_per_k)
    by_soc[:, HALF_LOOP_V] = np.interp(soc, cell.soc_ratio, cell.hysteresis_v)
    by_soc[:, KINETICS] = np.interp(soc, cell.kinetics_soc_ratio, cell.kinetics_ratio)

    degc = COLDEST_DEGC + np.arange(DEGC_STEPS + 1) / STEPS_PER_K
    kelvin = degc + ZERO_DEGC_K
    ah = cell.capacity_ah
    by_degc = np.empty((DEGC_STEPS + 1, 6))
    # A resistance falls with temperature as a rate rises: the same law with the sign turned.
    by_degc[:, RS_OHM] = cell.rs_ohm_ah / ah * _arrhenius(-cell.rs_ea_j_per_mol, kelvin)
    by_degc[:, INVERSE_A] = 0.5 / (cell.i0a_per_h * ah * _arrhenius(cell.i0a_ea_j_per_mol, kelvin))
    by_degc[:, INVERSE_B] = 0.5 / (cell.i0b_per_h * ah * _arrhenius(cell.i0b_ea_j_per_mol, kelvin))
    by_degc[:, R1_OHM] = _log_linear(degc, cell.rc_at_degc, cell.r1_ohm_ah) / ah
    by_degc[:, R2_OHM] = _log_linear(degc, cell.rc_at_degc, cell.r2_ohm_ah) / ah
    by_degc[:, LEAK_RATIO] = _arrhenius(cell.leakage_ea_j_per_mol, kelvin)
    return CellTables(by_soc, by_degc)


# --- one cell --------------------------------------------------------------------------------


@compiled
def equilibrium(by_soc: Floats, soc: float) -> tuple[float, float, float, float]:
    """Return OCV (V), dU/dT (V/K), half the hysteresis loop (V) and g(s) at a state of charge.

    Outside 0 to 1 the OCV keeps the steep slope of its last 0.25 %: charge is never clamped away,
    it shows as a voltage that limits must catch. The other three hold their end values.
    """
    place = soc * SOC_STEPS
    k = min(max(math.floor(place), 0), SOC_STEPS - 1)
    part = place - k
    held = min(max(part, 0.0), 1.0)
    ocv_v = by_soc[k, OCV_V] + part * (by_soc[k + 1, OCV_V] - by_soc[k, OCV_V])
    entropic = by_soc[k, ENTROPIC] + held * (by_soc[k + 1, ENTROPIC] - by_soc[k, ENTROPIC])
    loop_v = by_soc[k, HALF_LOOP_V] + held * (by_soc[k + 1, HALF_LOOP_V] - by_soc[k, HALF_LOOP_V])
    kinetics = by_soc[k, KINETICS] + held * (by_soc[k + 1, KINETICS] - by_soc[k, KINETICS])
    return ocv_v, entropic, loop_v, kinetics


@compiled
def at_degc(by_degc: Floats, column: int, degc: float) -> float:
    """Return one column of the temperature table; beyond -60 and 120 degC its end value."""
    place = min(max((degc - COLDEST_DEGC) * STEPS_PER_K, 0.0), float(DEGC_STEPS))
    k = min(int(place), DEGC_STEPS - 1)
    low = by_degc[k, column]
    return float(low + (place - k) * (by_degc[k + 1, column] - low))


@compiled
def emf_v(
    ocv_v: float, entropic: float, loop_v: float, degc: float, h: float, v1: float, v2: float
) -> float:
    """Return the voltage behind the instantaneous drop: equilibrium, hysteresis, slow terms."""
    return ocv_v + (degc - REFERENCE_DEGC) * entropic + h * loop_v - v1 - v2


@compiled
def drop_v(ohm: float, thermal_v: float, slow: float, fast: float, current_a: float) -> float:
    """Return the instantaneous voltage drop at a terminal current: ohmic and charge transfer.

    Butler-Volmer with equal transfer coefficients, I = 2 I0 sinh(F eta / 2RT), solved for eta,
    once for each electrode. ``slow`` and ``fast`` are g / 2 I0 of the two, in 1/A.
    """
    transfer = math.asinh(slow * current_a) + math.asinh(fast * current_a)
    return current_a * ohm + thermal_v * transfer


@compiled
def drop_ohm(ohm: float, thermal_v: float, slow: float, fast: float, current_a: float) -> float:
    """Return the slope of ``drop_v`` against current, always positive."""
    x, y = slow * current_a, fast * current_a
    return ohm + thermal_v * (slow / math.sqrt(1.0 + x * x) + fast / math.sqrt(1.0 + y * y))


@compiled
def relax(v: float, target_v: float, decay: float) -> float:
    """Return a first-order state after one step towards ``target_v``: exact for any step."""
    return target_v + (v - target_v) * decay


@compiled
def turn_hysteresis(h: float, moved: float, span: float) -> float:
    """Return h after the state of charge moved by ``moved``: towards +1 in charge, -1 in discharge.

    Depends on charge alone, so it is exact for any step length and frozen at rest, but for the
    crawl of self-discharge.
    """
    if moved == 0.0:
        return h
    return relax(h, math.copysign(1.0, moved), math.exp(-abs(moved) / span))


# --- a stack in series -----------------------------------------------------------------------


@compiled
def refresh_terminals(stack: Stack) -> None:
    """Bring what the terminals see up to the present state."""
    state, cells, by_degc, terminals = stack.state, stack.cells, stack.by_degc, stack.terminals
    for c in range(state.shape[1]):
        ocv_v, entropic, loop_v, kinetics = equilibrium(stack.by_soc, state[SOC, c])
        h, v1, v2 = state[HYSTERESIS, c], state[V1, c], state[V2, c]
        ratio = cells[RESISTANCE_RATIO, c]
        degc = stack.degc[c]
        terminals[EMF_V, c] = emf_v(ocv_v, entropic, loop_v, degc, h, v1, v2)
        terminals[SERIES_OHM, c] = ratio * at_degc(by_degc, RS_OHM, degc) + cells[LINK_OHM, c]
        terminals[THERMAL_V, c] = 2.0 * GAS_J_PER_MOL_K * (degc + ZERO_DEGC_K) / FARADAY_AS_PER_MOL
        # A cell with more resistance has less active surface, hence less exchange current.
        terminals[SLOW_PER_A, c] = ratio * kinetics * at_degc(by_degc, INVERSE_A, degc)
        terminals[FAST_PER_A, c] = ratio * kinetics * at_degc(by_degc, INVERSE_B, degc)


@compiled
def cell_drop_v(terminals: Floats, c: int, current_a: float) -> float:
    """Return the instantaneous drop of cell ``c`` at its own terminal current."""
    ohm, thermal_v = terminals[SERIES_OHM, c], terminals[THERMAL_V, c]
    return drop_v(ohm, thermal_v, terminals[SLOW_PER_A, c], terminals[FAST_PER_A, c], current_a)


@compiled
def cell_drop_ohm(terminals: Floats, c: int, current_a: float) -> float:
    """Return the slope of that drop."""
    ohm, thermal_v = terminals[SERIES_OHM, c], terminals[THERMAL_V, c]
    return drop_ohm(ohm, thermal_v, terminals[SLOW_PER_A, c], terminals[FAST_PER_A, c], current_a)


@compiled
def cell_voltages(terminals: Floats, bleed_a: Floats, current_a: float, out_v: Floats) -> None:
    """Write the voltage at every cell's sense point for a stack current into ``out_v``."""
    for c in range(out_v.shape[0]):
        out_v[c] = terminals[EMF_V, c] - cell_drop_v(terminals, c, current_a + bleed_a[c])


@compiled
def _react(stack: Stack, bleed_a: Floats, current_a: float, dt_s: float, heat_w: Floats) -> None:
    """Move charge, hysteresis and polarisation of every cell on; write its mean heat to ``heat_w``.

    Heat closes the first law: what the reaction gives up, (I + leak)(U - T dU/dT), less what
    leaves at the terminals, I V. It is the Bernardi heat I (U - V) - I T dU/dT plus self-discharge.
    With U linear in T, U - T dU/dT = OCV - T25 dU/dT: chemical energy depends on charge alone.
    What the RC pairs and the hysteresis store for a while counts as heat at once.
    """
    state, cells, by_soc, by_degc = stack.state, stack.cells, stack.by_soc, stack.by_degc
    terminals = stack.terminals
    decay1, decay2 = math.exp(-dt_s / stack.tau1_s), math.exp(-dt_s / stack.tau2_s)
    for c in range(state.shape[1]):
        degc, cell_a = stack.degc[c], current_a + bleed_a[c]
        ocv_v, entropic, _, _ = equilibrium(by_soc, state[SOC, c])
        before_v = ocv_v - REFERENCE_K * entropic

        leak_a = cells[LEAKAGE_A, c] * at_degc(by_degc, LEAK_RATIO, degc)
        moved = -(cell_a + leak_a) * dt_s / (3600.0 * cells[CAPACITY_AH, c])
        soc = state[SOC, c] + moved
        h = turn_hysteresis(state[HYSTERESIS, c], moved, stack.hysteresis_span)
        pull_a = cell_a * cells[RESISTANCE_RATIO, c]
        v1 = relax(state[V1, c], pull_a * at_degc(by_degc, R1_OHM, degc), decay1)
        v2 = relax(state[V2, c], pull_a * at_degc(by_degc, R2_OHM, degc), decay2)

        ocv_v, entropic, loop_v, _ = equilibrium(by_soc, soc)
        after_emf_v = emf_v(ocv_v, entropic, loop_v, degc, h, v1, v2)
        mean_emf_v = 0.5 * (terminals[EMF_V, c] + after_emf_v)
        reaction_v = 0.5 * (before_v + ocv_v - REFERENCE_K * entropic)
        terminal_w = cell_a * (mean_emf_v - cell_drop_v(terminals, c, cell_a))
        heat_w[c] = (cell_a + leak_a) * reaction_v - terminal_w

        state[SOC, c], state[HYSTERESIS, c], state[V1, c], state[V2, c] = soc, h, v1, v2
        state[LEAKED_AS, c] += leak_a * dt_s
        state[HEAT_J, c] += heat_w[c] * dt_s


@compiled
def _conduct(degc: Floats, heat_w: Floats, above_k: Floats, decay: Floats, gain: Floats) -> None:
    """Move temperatures on: x becomes decay x + gain heat; ``above_k`` holds x on entry.

    x is above ambient and above the imposed gradient; all have the box as their last node. Exact
    for heat that is constant over the step. ``pack.ThermalNetwork`` gives both matrices transposed,
    by source node: so the inner loop adds independent terms and the compiler can run it wide.
    """
    nodes = degc.shape[0]
    for node in range(nodes):
        degc[node] -= above_k[node]
    for source in range(nodes):
        x_k, w = above_k[source], heat_w[source]
        for node in range(nodes):
            degc[node] += decay[source, node] * x_k + gain[source, node] * w


@compiled
def advance(
    stack: Stack,
    decay: Floats,
    gain: Floats,
    bleed_a: Floats,
    current_a: float,
    ambient_degc: float,
    dt_s: float,
    substeps: int,
) -> bool:
    """Move a stack on by ``substeps`` times ``dt_s`` at constant currents and ambient.

    ``decay`` and ``gain`` (cells + 1 square, by source node) belong to ``dt_s``. False, with
    nothing changed, when an input is not finite: one NaN would spread through the whole pack.
    """
    if not math.isfinite(current_a + ambient_degc + bleed_a.sum()):
        return False
    n = stack.state.shape[1]
    heat_w = np.zeros(n + 1)
    above_k = np.empty(n + 1)
    for _ in range(substeps):
        for c in range(n):
            above_k[c] = stack.degc[c] - stack.cells[OFFSET_K, c] - ambient_degc
        above_k[n] = stack.degc[n] - ambient_degc
        _react(stack, bleed_a, current_a, dt_s, heat_w)
        _conduct(stack.degc, heat_w, above_k, decay, gain)
        refresh_terminals(stack)
    return True


# --- the current that does what is asked -----------------------------------------------------


@compiled
def _charge_excess(
    terminals: Floats, bleed_a: Floats, charge_a: float, mean_limit_v: float, max_limit_v: float
) -> tuple[float, float]:
    """Return how far a charge current passes the nearer limit (V) and the slope of that (ohm)."""
    stack = terminals.shape[1]
    total_v, total_ohm = 0.0, 0.0
    highest_v, highest_ohm = -math.inf, 0.0
    for c in range(stack):
        cell_a = bleed_a[c] - charge_a
        v = terminals[EMF_V, c] - cell_drop_v(terminals, c, cell_a)
        ohm = cell_drop_ohm(terminals, c, cell_a)
        total_v += v
        total_ohm += ohm
        if v > highest_v:
            highest_v, highest_ohm = v, ohm
    if highest_v - max_limit_v > total_v / stack - mean_limit_v:
        return highest_v - max_limit_v, highest_ohm
    return total_v / stack - mean_limit_v, total_ohm / stack


@compiled
def _discharge_excess(
    terminals: Floats, bleed_a: Floats, discharge_a: float, min_limit_v: float
) -> tuple[float, float]:
    """Return how far a discharge pulls the lowest cell below its limit (V) and the slope (ohm)."""
    lowest_v, lowest_ohm = math.inf, 0.0
    for c in range(terminals.shape[1]):
        cell_a = discharge_a + bleed_a[c]
        v = terminals[EMF_V, c] - cell_drop_v(terminals, c, cell_a)
        if v < lowest_v:
            lowest_v, lowest_ohm = v, cell_drop_ohm(terminals, c, cell_a)
    return min_limit_v - lowest_v, lowest_ohm


@compiled
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


@compiled
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
    refused_a = min(abs(wanted_a), -at_rest_v / terminals[SERIES_OHM].min())
    allowed_a, at_a = 0.0, refused_a
    over_v, ohm = _excess(terminals, bleed_a, at_a, charging, limits)
    if over_v <= 0.0:
        return math.copysign(at_a, wanted_a)
    for _ in range(_ITERATIONS):
        change_a = over_v / ohm
        if abs(change_a) <= 1e-12 * refused_a:
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


@compiled
def power_current(terminals: Floats, bleed_a: Floats, power_w: float) -> float:
    """Return the smaller current at which the stack gives (> 0) or takes (< 0) ``power_w``.

    NaN when no current gives that much. Power is concave in a discharge and its magnitude convex
    in a charge current, so Newton from zero comes from one side and cannot oscillate; a slope
    that is not positive means that the summit was passed.
    """
    current_a = 0.0
    for _ in range(_ITERATIONS):
        total_v, total_ohm = 0.0, 0.0
        for c in range(terminals.shape[1]):
            cell_a = current_a + bleed_a[c]
            total_v += terminals[EMF_V, c] - cell_drop_v(terminals, c, cell_a)
            total_ohm += cell_drop_ohm(terminals, c, cell_a)
        slope_v = total_v - current_a * total_ohm
        if not slope_v > 0.0:
            return math.nan
        change_a = (power_w - current_a * total_v) / slope_v
        current_a += change_a
        if abs(change_a) <= 1e-12 * abs(current_a):
            break
    return current_a
