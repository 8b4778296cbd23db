"""A cell known from its electrodes: a single particle in each, and the salt between them, reduced.

    V = Up(xp) - Un(xn) + (T - 25) (dUp/dT(xp) - dUn/dT(xn)) + h M(s)
        + (2 R T / F) (1 - t+) ln(cp / cn) - I R(T, cn, cp)
        - (2 R T / F) sum over both electrodes of asinh(I / (2 I0k(T, xk, ck)))

x is the stoichiometry at a particle's surface, c the mean salt in an electrode: the single-particle
model with electrolyte (SPMe; Marquis et al., J. Electrochem. Soc. 166, A3693, 2019) with its two
partial differential equations replaced by modes.

Particles and salt are first-order terms, moved by ``motion`` (``particles``, ``salt``).
"""

import math

from hil.physics.compiled import compiled_in_place
from hil.physics.lookup import between, place_of_degc, place_of_soc, stored_at
from hil.physics.stack import (
    CAPACITY_AH,
    DEEP,
    ELECTROLYTE_RATIO,
    EMF_V,
    FAST_GRADE,
    FAST_PER_A,
    HALF_LOOP_V,
    HYSTERESIS,
    JUNCTION,
    JUNCTION_RATIO,
    LOG_RATIO,
    NEGATIVE_EMPTY,
    NEGATIVE_EVENING_OHM,
    NEGATIVE_OHM_PER,
    NEGATIVE_SWING,
    NEGATIVE_UNEVEN_OHM,
    NOTHING,
    PARTICLE_MODES,
    POSITIVE_EMPTY,
    POSITIVE_EVENING_OHM,
    POSITIVE_OHM_PER,
    POSITIVE_SWING,
    POSITIVE_UNEVEN_OHM,
    POTENTIAL_V,
    POTENTIAL_V_PER_K,
    REFERENCE_K,
    RESISTANCE_RATIO,
    RESISTIVITY_OHM_M,
    REST_V,
    REST_V_PER_K,
    ROOT_RATIO,
    SALT_FIRST,
    SALT_LOWEST,
    SALT_MODES,
    SALT_OHM,
    SALT_PER_STEP,
    SALT_STEPS,
    SEPARATOR_OHM,
    SERIES_OHM,
    SLOW_GRADE,
    SLOW_PER_A,
    SOC,
    STOICHIOMETRY_STEPS,
    STORED_V,
    SURFACE_V,
    THERMAL_V,
    UNEVEN_FIRST,
    UNEVEN_TERMS,
    CellTables,
    Floats,
    Pace,
    Stack,
)

_REACH = (math.sqrt(2.0) * math.cos(0.1 * math.pi), math.sqrt(2.0) * math.cos(0.3 * math.pi))
"""Where a cosine over the depth is looked at, either side of its middle: with that, five places of
equal weight (Gauss-Chebyshev)."""

_APART = 1e-6
"""Sides nearer to each other than this have one slope."""

_BARE = 1e-4
"""No surface is quite full or empty of sites: keeps the exchange current above zero."""


@compiled_in_place
def potential(table: Floats, taken: float) -> tuple[float, float]:
    """Return an electrode's potential (V) and its dU/dT (V/K) at a share of taken sites.

    Outside 0 to 1, where no site is, the potential keeps its last slope: the current that asks for
    it shows as a voltage that limits must catch.
    """
    place = taken * STOICHIOMETRY_STEPS
    k = min(max(math.floor(place), 0), STOICHIOMETRY_STEPS - 1)
    part = place - k
    held = min(max(part, 0.0), 1.0)
    at_v = between(table, k, part, POTENTIAL_V)
    return at_v, between(table, k, held, POTENTIAL_V_PER_K)


@compiled_in_place
def _salt_place(figures: Floats, shift: float) -> tuple[int, float]:
    """Return row and part of a row in the salt's table, held at its ends."""
    place = (shift - figures[SALT_LOWEST]) * figures[SALT_PER_STEP]
    place = min(max(place, 0.0), float(SALT_STEPS))
    k = min(int(place), SALT_STEPS - 1)
    return k, place - k


@compiled_in_place
def _room(taken: float) -> float:
    """Return sqrt(x (1 - x)): what the sites of a surface leave of its exchange current."""
    x = min(max(taken, _BARE), 1.0 - _BARE)
    return math.sqrt(x * (1.0 - x))


@compiled_in_place
def _sum_of_eight(slow: Floats, c: int, first: int) -> float:
    """Add up the modes of one electrode's particles, in pairs: no sum waits for all before it."""
    lower = (slow[c, first] + slow[c, first + 1]) + (slow[c, first + 2] + slow[c, first + 3])
    upper = (slow[c, first + 4] + slow[c, first + 5]) + (slow[c, first + 6] + slow[c, first + 7])
    return float(lower + upper)


@compiled_in_place
def even_potential(tables: CellTables, soc: float) -> tuple[float, float]:
    """Return OCV (V) and dU/dT (V/K) of a cell in which all lithium has come to rest."""
    figures = tables.figures
    negative = figures[NEGATIVE_EMPTY] + soc * figures[NEGATIVE_SWING]
    positive = figures[POSITIVE_EMPTY] + soc * figures[POSITIVE_SWING]
    negative_v, negative_per_k = potential(tables.negative, negative)
    positive_v, positive_per_k = potential(tables.positive, positive)
    return positive_v - negative_v, positive_per_k - negative_per_k


@compiled_in_place
def _slope_v(table: Floats, taken: float) -> float:
    """Return how an electrode's potential changes with the share of taken sites, V."""
    k = min(max(math.floor(taken * STOICHIOMETRY_STEPS), 0), STOICHIOMETRY_STEPS - 1)
    return float((table[k + 1, POTENTIAL_V] - table[k, POTENTIAL_V]) * STOICHIOMETRY_STEPS)


@compiled_in_place
def look_ahead_diffusion(stack: Stack, pace: Pace, ahead: Floats) -> None:
    """Turn ``ahead`` (5, cells), a copy of the terminals, into what they show after one step.

    The surfaces of the particles are a line in the step's current, and the potential nearly one in
    them: so EMF and resistance change, and a solve for a current finds the one whose voltage is
    kept at the step's end. At the ends of charge a surface moves the voltage by more in a second
    than the resistance does at once; a current that heeds only the latter swings between limits.
    """
    state, slow, tables = stack.state, stack.slow, stack.tables
    figures, decay, gain = tables.figures, pace.slow_decay, pace.slow_gain
    for c in range(state.shape[1]):
        k, part = place_of_degc(stack.degc[c])
        per_as = 1.0 / (3600.0 * stack.cells[CAPACITY_AH, c])
        for electrode in range(2):
            first = electrode * PARTICLE_MODES
            empty = figures[POSITIVE_EMPTY if electrode else NEGATIVE_EMPTY]
            swing = figures[POSITIVE_SWING if electrode else NEGATIVE_SWING]
            at = empty + swing * state[SOC, c]
            back, driven = 0.0, -swing * pace.dt_s
            for term in range(first, first + PARTICLE_MODES):
                at += slow[c, term]
                back += slow[c, term] * (between(decay, k, part, term) - 1.0)
                driven += between(gain, k, part, term)
            # the cell's voltage is the positive's potential less the negative's
            slope_v = _slope_v(tables.positive, at) if electrode else -_slope_v(tables.negative, at)
            ahead[EMF_V, c] += slope_v * back
            ahead[SERIES_OHM, c] -= slope_v * driven * per_as


@compiled_in_place
def _side(slow: Floats, c: int, electrode: int) -> float:
    """Return how far the surfaces of an electrode's two sides are from the middle, as a share."""
    first = UNEVEN_FIRST + electrode * UNEVEN_TERMS
    return float(slow[c, first] + _sum_of_eight(slow, c, first + 1))


@compiled_in_place
def spread_reaction(stack: Stack, cell_a: Floats, pace: Pace) -> None:
    """Move on by one step how the two sides of every electrode differ.

    J, the part of the reaction that goes as a cosine over the depth, follows from the balance of
    what drives it, what the surfaces' potential difference W says and what evens it out:

        J = -(G I + W) / (Rct + Re)

    with Rct = d(overpotential)/dI (``tables`` has G and Re). Where the potential is steep it would
    swing in one step from side to side; so W is that of the step's end, linear in J.
    """
    state, slow, terminals, tables = stack.state, stack.slow, stack.terminals, stack.tables
    figures, decay, gain, by_degc = tables.figures, pace.slow_decay, pace.slow_gain, tables.by_degc
    for c in range(state.shape[1]):
        k, part = place_of_degc(stack.degc[c])
        per_as = 1.0 / (3600.0 * stack.cells[CAPACITY_AH, c])
        slower = stack.cells[RESISTANCE_RATIO, c] * between(by_degc, k, part, ELECTROLYTE_RATIO)
        for electrode in range(2):
            first = UNEVEN_FIRST + electrode * UNEVEN_TERMS
            empty = figures[POSITIVE_EMPTY if electrode else NEGATIVE_EMPTY]
            swing = figures[POSITIVE_SWING if electrode else NEGATIVE_SWING]
            table = tables.positive if electrode else tables.negative
            middle = empty + swing * state[SOC, c]
            middle += _sum_of_eight(slow, c, electrode * PARTICLE_MODES)
            side = _side(slow, c, electrode)
            # W rises in discharge: the negative's potential, and the positive's turned round
            sign = -1.0 if electrode else 1.0
            slope_v = sign * _slope_v(table, middle)
            uneven_v = slope_v * side
            if abs(side) > _APART:
                uneven_v = 0.0
                for at in range(2):
                    reach = _REACH[at]
                    high_v, _ = potential(table, middle + reach * side)
                    low_v, _ = potential(table, middle - reach * side)
                    uneven_v += 0.2 * reach * sign * (high_v - low_v)
                slope_v = uneven_v / side
            back, driven = 0.0, 0.0
            for term in range(first, first + UNEVEN_TERMS):
                back += slow[c, term] * (between(decay, k, part, term) - 1.0)
                driven += between(gain, k, part, term)
            per_a = terminals[FAST_PER_A if electrode else SLOW_PER_A, c]
            bent = per_a * cell_a[c]
            transfer_ohm = terminals[THERMAL_V, c] * per_a / math.sqrt(1.0 + bent * bent)
            evening = figures[POSITIVE_EVENING_OHM if electrode else NEGATIVE_EVENING_OHM]
            uneven = figures[POSITIVE_UNEVEN_OHM if electrode else NEGATIVE_UNEVEN_OHM]
            push_v = slower * uneven * cell_a[c] + uneven_v + slope_v * back
            against_ohm = transfer_ohm + slower * evening + slope_v * driven * per_as
            drive = -push_v / against_ohm * per_as
            for term in range(first, first + UNEVEN_TERMS):
                moved = slow[c, term] * between(decay, k, part, term)
                moved += between(gain, k, part, term) * drive
                slow[c, term] = moved if abs(moved) > NOTHING else 0.0


@compiled_in_place
def _over_depth(table: Floats, middle: float, side: float) -> tuple[float, float]:
    """Return the mean potential (V) over the depth of an electrode, and its dU/dT (V/K)."""
    middle_v, middle_per_k = potential(table, middle)
    if side == 0.0:
        return middle_v, middle_per_k
    for at in range(2):
        high_v, high_per_k = potential(table, middle + _REACH[at] * side)
        low_v, low_per_k = potential(table, middle - _REACH[at] * side)
        middle_v += high_v + low_v
        middle_per_k += high_per_k + low_per_k
    return 0.2 * middle_v, 0.2 * middle_per_k


@compiled_in_place
def find_diffusion(stack: Stack, found: Floats) -> None:
    """Fill ``found`` (6, cells) with what charge and slow terms say, whatever the temperature."""
    state, slow, terminals, tables = stack.state, stack.slow, stack.terminals, stack.tables
    figures, salt, shape, by_soc = tables.figures, tables.salt, tables.salt_shape, tables.by_soc
    for c in range(state.shape[1]):
        soc = state[SOC, c]
        negative = figures[NEGATIVE_EMPTY] + soc * figures[NEGATIVE_SWING]
        positive = figures[POSITIVE_EMPTY] + soc * figures[POSITIVE_SWING]
        negative += _sum_of_eight(slow, c, 0)
        positive += _sum_of_eight(slow, c, PARTICLE_MODES)
        deep = tables.kind == DEEP
        negative_side = _side(slow, c, 0) if deep else 0.0
        positive_side = _side(slow, c, 1) if deep else 0.0
        negative_v, negative_per_k = _over_depth(tables.negative, negative, negative_side)
        positive_v, positive_per_k = _over_depth(tables.positive, positive, positive_side)
        per_k, surface_v = positive_per_k - negative_per_k, positive_v - negative_v
        terminals[SURFACE_V, c] = surface_v - REFERENCE_K * per_k

        k, part = place_of_soc(soc)
        held = min(max(part, 0.0), 1.0)
        terminals[STORED_V, c] = stored_at(by_soc, k, part)
        loop_v = state[HYSTERESIS, c] * between(by_soc, k, held, HALF_LOOP_V)
        found[REST_V, c], found[REST_V_PER_K, c] = surface_v + loop_v, per_k

        at_negative, at_positive = 0.0, 0.0
        for mode in range(SALT_MODES):
            at_negative += shape[0, mode] * slow[c, SALT_FIRST + mode]
            at_positive += shape[1, mode] * slow[c, SALT_FIRST + mode]
        kn, partn = _salt_place(figures, at_negative)
        kp, partp = _salt_place(figures, at_positive)
        log_ratio = between(salt, kp, partp, LOG_RATIO) - between(salt, kn, partn, LOG_RATIO)
        found[JUNCTION, c] = figures[JUNCTION_RATIO] * log_ratio
        found[SALT_OHM, c] = (
            between(salt, kn, partn, RESISTIVITY_OHM_M) * figures[NEGATIVE_OHM_PER]
            + between(salt, kp, partp, RESISTIVITY_OHM_M) * figures[POSITIVE_OHM_PER]
            + figures[SEPARATOR_OHM]
        )
        found[SLOW_GRADE, c] = 1.0 / (_room(negative) * between(salt, kn, partn, ROOT_RATIO))
        found[FAST_GRADE, c] = 1.0 / (_room(positive) * between(salt, kp, partp, ROOT_RATIO))
