"""A cell known from its electrodes: a single particle in each, and the salt between them, reduced.

    V = Up(xp) - Un(xn) + (T - 25) (dUp/dT(xp) - dUn/dT(xn)) + h M(s)
        + (2 R T / F) (1 - t+) ln(cp / cn) - I R(T, cn, cp)
        - (2 R T / F) sum over both electrodes of asinh(I / (2 I0k(T, xk, ck)))

x is the stoichiometry at a particle's surface, c the mean salt in an electrode: the single-particle
model with electrolyte (SPMe; Marquis et al., J. Electrochem. Soc. 166, A3693, 2019) with its two
partial differential equations replaced by modes.

Particles and salt are first-order terms, moved by ``motion`` (``tables.PARTICLE_RATE``, ``salt``).
"""

import math

from hil.physics.compiled import compiled
from hil.physics.lookup import between, equilibrium, place_of_degc
from hil.physics.stack import (
    ELECTROLYTE_RATIO,
    EMF_V,
    FARADAY_AS_PER_MOL,
    FAST_PER_A,
    GAS_J_PER_MOL_K,
    HYSTERESIS,
    INVERSE_A,
    INVERSE_B,
    JUNCTION_RATIO,
    LINK_OHM,
    LOG_RATIO,
    NEGATIVE_EMPTY,
    NEGATIVE_OHM_PER,
    NEGATIVE_SWING,
    PARTICLE_MODES,
    POSITIVE_EMPTY,
    POSITIVE_OHM_PER,
    POSITIVE_SWING,
    POTENTIAL_V,
    POTENTIAL_V_PER_K,
    REFERENCE_DEGC,
    REFERENCE_K,
    RESISTANCE_RATIO,
    RESISTIVITY_OHM_M,
    ROOT_RATIO,
    RS_OHM,
    SALT_FIRST,
    SALT_LOWEST,
    SALT_MODES,
    SALT_PER_STEP,
    SALT_STEPS,
    SEPARATOR_OHM,
    SERIES_OHM,
    SLOW_PER_A,
    SOC,
    STOICHIOMETRY_STEPS,
    SURFACE_V,
    ZERO_DEGC_K,
    CellTables,
    Floats,
    Stack,
)

_BARE = 1e-4
"""No surface is quite full or empty of sites: keeps the exchange current above zero."""


@compiled
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


@compiled
def _salt_place(figures: Floats, shift: float) -> tuple[int, float]:
    """Return row and part of a row in the salt's table, held at its ends."""
    place = (shift - figures[SALT_LOWEST]) * figures[SALT_PER_STEP]
    place = min(max(place, 0.0), float(SALT_STEPS))
    k = min(int(place), SALT_STEPS - 1)
    return k, place - k


@compiled
def _room(taken: float) -> float:
    """Return sqrt(x (1 - x)): what the sites of a surface leave of its exchange current."""
    x = min(max(taken, _BARE), 1.0 - _BARE)
    return math.sqrt(x * (1.0 - x))


@compiled
def _sum_of_eight(slow: Floats, c: int, first: int) -> float:
    """Add up the modes of one electrode's particles, in pairs: no sum waits for all before it."""
    lower = (slow[c, first] + slow[c, first + 1]) + (slow[c, first + 2] + slow[c, first + 3])
    upper = (slow[c, first + 4] + slow[c, first + 5]) + (slow[c, first + 6] + slow[c, first + 7])
    return float(lower + upper)


@compiled
def even_potential(tables: CellTables, soc: float) -> tuple[float, float]:
    """Return OCV (V) and dU/dT (V/K) of a cell in which all lithium has come to rest."""
    figures = tables.figures
    negative = figures[NEGATIVE_EMPTY] + soc * figures[NEGATIVE_SWING]
    positive = figures[POSITIVE_EMPTY] + soc * figures[POSITIVE_SWING]
    negative_v, negative_per_k = potential(tables.negative, negative)
    positive_v, positive_per_k = potential(tables.positive, positive)
    return positive_v - negative_v, positive_per_k - negative_per_k


@compiled
def show_diffusion(stack: Stack) -> None:
    """Bring what the terminals see of every cell up to the present state."""
    state, cells, terminals, tables = stack.state, stack.cells, stack.terminals, stack.tables
    figures, salt, by_degc = tables.figures, tables.salt, tables.by_degc
    for c in range(state.shape[1]):
        degc, soc = stack.degc[c], state[SOC, c]
        warm_k = degc - REFERENCE_DEGC
        negative = figures[NEGATIVE_EMPTY] + soc * figures[NEGATIVE_SWING]
        positive = figures[POSITIVE_EMPTY] + soc * figures[POSITIVE_SWING]
        negative += _sum_of_eight(stack.slow, c, 0)
        positive += _sum_of_eight(stack.slow, c, PARTICLE_MODES)
        at_negative, at_positive = 0.0, 0.0
        for mode in range(SALT_MODES):
            at_negative += tables.salt_shape[0, mode] * stack.slow[c, SALT_FIRST + mode]
            at_positive += tables.salt_shape[1, mode] * stack.slow[c, SALT_FIRST + mode]
        kn, partn = _salt_place(figures, at_negative)
        kp, partp = _salt_place(figures, at_positive)
        kt, partt = place_of_degc(degc)
        thermal_v = 2.0 * GAS_J_PER_MOL_K * (degc + ZERO_DEGC_K) / FARADAY_AS_PER_MOL

        negative_v, negative_per_k = potential(tables.negative, negative)
        positive_v, positive_per_k = potential(tables.positive, positive)
        reaction_per_k = positive_per_k - negative_per_k
        terminals[SURFACE_V, c] = positive_v - negative_v - REFERENCE_K * reaction_per_k
        log_ratio = between(salt, kp, partp, LOG_RATIO) - between(salt, kn, partn, LOG_RATIO)
        _, _, loop_v, _ = equilibrium(tables.by_soc, soc)
        terminals[EMF_V, c] = (
            positive_v
            - negative_v
            + warm_k * reaction_per_k
            + state[HYSTERESIS, c] * loop_v
            + thermal_v * figures[JUNCTION_RATIO] * log_ratio
        )
        ratio = cells[RESISTANCE_RATIO, c]
        electrolyte_ohm = (
            between(salt, kn, partn, RESISTIVITY_OHM_M) * figures[NEGATIVE_OHM_PER]
            + between(salt, kp, partp, RESISTIVITY_OHM_M) * figures[POSITIVE_OHM_PER]
            + figures[SEPARATOR_OHM]
        ) * between(by_degc, kt, partt, ELECTROLYTE_RATIO)
        own_ohm = between(by_degc, kt, partt, RS_OHM) + electrolyte_ohm
        terminals[SERIES_OHM, c] = ratio * own_ohm + cells[LINK_OHM, c]
        # A cell with more resistance has less active surface, hence less exchange current.
        slow = between(by_degc, kt, partt, INVERSE_A) / _room(negative)
        fast = between(by_degc, kt, partt, INVERSE_B) / _room(positive)
        terminals[SLOW_PER_A, c] = ratio * slow / between(salt, kn, partn, ROOT_RATIO)
        terminals[FAST_PER_A, c] = ratio * fast / between(salt, kp, partp, ROOT_RATIO)
