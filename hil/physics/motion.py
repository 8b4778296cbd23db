"""A stack moved on in time: charge, hysteresis, polarisation, heat.

Everything linear is advanced by its exact exponential, so a step may be long; what is not (the
current's own voltage, temperatures inside the tables) is taken at its start.
"""

import numpy as np

from hil.physics.circuit import find_circuit
from hil.physics.compiled import compiled, compiled_in_place
from hil.physics.diffusion import (
    even_potential,
    find_diffusion,
    look_ahead_diffusion,
    spread_reaction,
)
from hil.physics.lookup import (
    between,
    equilibrium,
    held_degc,
    place_of_degc,
    place_of_soc,
    turn_hysteresis,
)
from hil.physics.stack import (
    CAPACITY_AH,
    CIRCUIT,
    DEEP,
    DELIVERED_J,
    ELECTROLYTE_RATIO,
    EMF_V,
    FARADAY_AS_PER_MOL,
    FAST_GRADE,
    FAST_PER_A,
    GAS_J_PER_MOL_K,
    GRADIENT_J,
    HEAT_J,
    HYSTERESIS,
    INVERSE_A,
    INVERSE_B,
    JUNCTION,
    LEAK_A,
    LEAKAGE_A,
    LEAKED_AS,
    LINK_OHM,
    NOTHING,
    OFFSET_K,
    PENDING_J,
    R1_GRADE,
    REFERENCE_DEGC,
    RESISTANCE_RATIO,
    REST_V,
    REST_V_PER_K,
    RS_OHM,
    SALT_OHM,
    SERIES_OHM,
    SLOW_GRADE,
    SLOW_PER_A,
    SOC,
    SPAN,
    STORED_V,
    SURFACE_V,
    THERMAL_V,
    UNEVEN_FIRST,
    UNMIXED,
    V2,
    ZERO_DEGC_K,
    CellTables,
    Floats,
    Pace,
    Stack,
)
from hil.physics.terminals import own_voltages

BEYOND_ALL = 1e6
"""No current (A) and no temperature (degC) is as large: such an input is a slip of the caller."""

SCRATCH = 12
"""Rows of room that a step needs: two of temperatures and heat, four of what was, six to find."""


@compiled_in_place
def find(stack: Stack, found: Floats) -> None:
    """Fill ``found`` (6, cells) with what charge and slow terms say, whatever the temperature."""
    if stack.tables.kind == CIRCUIT:
        find_circuit(stack, found)
    else:
        find_diffusion(stack, found)


@compiled_in_place
def show(stack: Stack, found: Floats) -> None:
    """Make of what ``find`` found what the terminals see at the present temperatures."""
    cells, terminals, tables = stack.cells, stack.terminals, stack.tables
    by_degc = tables.by_degc
    thermal_per_k = 2.0 * GAS_J_PER_MOL_K / FARADAY_AS_PER_MOL
    for c in range(cells.shape[1]):
        degc, ratio = held_degc(stack.degc[c]), cells[RESISTANCE_RATIO, c]
        k, part = place_of_degc(degc)
        thermal_v = thermal_per_k * (degc + ZERO_DEGC_K)
        salt_ohm = found[SALT_OHM, c] * between(by_degc, k, part, ELECTROLYTE_RATIO)
        own_ohm = between(by_degc, k, part, RS_OHM) + salt_ohm
        warm_v = (degc - REFERENCE_DEGC) * found[REST_V_PER_K, c]
        terminals[EMF_V, c] = found[REST_V, c] + warm_v + thermal_v * found[JUNCTION, c]
        terminals[SERIES_OHM, c] = ratio * own_ohm + cells[LINK_OHM, c]
        terminals[THERMAL_V, c] = thermal_v
        # A cell with more resistance has less active surface, hence less exchange current.
        slow_per_a = between(by_degc, k, part, INVERSE_A) * found[SLOW_GRADE, c]
        fast_per_a = between(by_degc, k, part, INVERSE_B) * found[FAST_GRADE, c]
        terminals[SLOW_PER_A, c] = ratio * slow_per_a
        terminals[FAST_PER_A, c] = ratio * fast_per_a
        terminals[LEAK_A, c] = cells[LEAKAGE_A, c] * between(tables.leak_ratio, k, part, 0)


@compiled_in_place
def look_ahead(stack: Stack, pace: Pace, ahead: Floats) -> None:
    """Fill ``ahead`` (5, cells) with what solves for a current need so that a step *ends* right.

    RC pairs move a voltage far less in a step than its resistance does at once: a circuit's
    terminals of now will do.
    """
    for row in range(FAST_PER_A + 1):
        for c in range(ahead.shape[1]):
            ahead[row, c] = stack.terminals[row, c]
    if stack.tables.kind != CIRCUIT:
        look_ahead_diffusion(stack, pace, ahead)


@compiled
def refresh_terminals(stack: Stack) -> None:
    """Bring all that the terminals show up to the present state."""
    found = np.empty((FAST_GRADE + 1, stack.state.shape[1]))
    find(stack, found)
    show(stack, found)


@compiled_in_place
def open_circuit(tables: CellTables, soc: float) -> tuple[float, float, float]:
    """Return OCV at 25 degC (V), dU/dT (V/K) and half the hysteresis loop (V) of a cell at rest."""
    ocv_v, entropic, loop_v, _ = equilibrium(tables.by_soc, soc)
    if tables.kind != CIRCUIT:
        ocv_v, entropic = even_potential(tables, soc)
    return ocv_v, entropic, loop_v


@compiled_in_place
def _pass_charge(stack: Stack, cell_a: Floats, dt_s: float) -> None:
    """Move charge and hysteresis of every cell on."""
    state, cells, terminals = stack.state, stack.cells, stack.terminals
    span = stack.tables.figures[SPAN]
    for c in range(cell_a.shape[0]):
        leaked_as = terminals[LEAK_A, c] * dt_s
        moved = -(cell_a[c] * dt_s + leaked_as) / (3600.0 * cells[CAPACITY_AH, c])
        state[HYSTERESIS, c] = turn_hysteresis(state[HYSTERESIS, c], moved, span)
        state[SOC, c] += moved
        state[LEAKED_AS, c] += leaked_as


@compiled_in_place
def _polarise_circuit(stack: Stack, cell_a: Floats, pace: Pace) -> None:
    """Move the RC pairs of every cell on; exact for constant current, charge and temperature.

    They are driven by amperes, more of them where a cell or its charge has more resistance.
    """
    slow, cells, by_soc = stack.slow, stack.cells, stack.tables.by_soc
    decay, gain = pace.slow_decay, pace.slow_gain
    for c in range(slow.shape[0]):
        # charge has moved on already: half a step back it stands for the whole of it
        half = 0.5 * cell_a[c] * pace.dt_s / (3600.0 * cells[CAPACITY_AH, c])
        at, within = place_of_soc(stack.state[SOC, c] + half)
        within = min(max(within, 0.0), 1.0)
        k, part = place_of_degc(stack.degc[c])
        drive = cell_a[c] * cells[RESISTANCE_RATIO, c]
        for term in range(V2 + 1):
            target = drive * between(by_soc, at, within, R1_GRADE + term)
            left = between(decay, k, part, term)
            moved = slow[c, term] * left + between(gain, k, part, term) * target
            slow[c, term] = moved if abs(moved) > NOTHING else 0.0


@compiled_in_place
def _polarise(stack: Stack, cell_a: Floats, pace: Pace) -> None:
    """Move the slow terms of every cell on, of whatever kind it is."""
    if stack.tables.kind == CIRCUIT:
        _polarise_circuit(stack, cell_a, pace)
        return
    if stack.tables.kind == DEEP:  # by what particles and salt were before they move
        spread_reaction(stack, cell_a, pace)
    _polarise_diffusion(stack, cell_a, pace)


@compiled_in_place
def _polarise_diffusion(stack: Stack, cell_a: Floats, pace: Pace) -> None:
    """Move particles and salt of every cell on; exact for constant current and temperature.

    They are driven by full charges per second.
    """
    slow, cells = stack.slow, stack.cells
    decay, gain = pace.slow_decay, pace.slow_gain
    for c in range(slow.shape[0]):
        drive = cell_a[c] / (3600.0 * cells[CAPACITY_AH, c])
        k, part = place_of_degc(stack.degc[c])
        for term in range(min(slow.shape[1], UNEVEN_FIRST)):
            left = decay[k, term] + part * (decay[k + 1, term] - decay[k, term])
            pull = gain[k, term] + part * (gain[k + 1, term] - gain[k, term])
            moved = slow[c, term] * left + pull * drive
            slow[c, term] = moved if abs(moved) > NOTHING else 0.0


@compiled_in_place
def _give_off(
    stack: Stack, cell_a: Floats, at_v: Floats, before: Floats, dt_s: float, heat_w: Floats
) -> None:
    """Write the mean heat (cells,) of a step to ``heat_w``.

    Heat closes the first law: what the reaction gave up, less what left at the terminals. It is
    the Bernardi heat I (U - V) - I T dU/dT plus self-discharge. What slow terms and hysteresis
    store for a while counts as heat at once, unless the cell type leaves the heat of mixing out.
    ``at_v`` are the voltages of the step's start; by what half their change moved it comes with the
    next step (``_catch_up``).
    """
    state, cells, terminals = stack.state, stack.cells, stack.terminals
    unmixed = stack.tables.figures[UNMIXED] != 0.0
    for c in range(cell_a.shape[0]):
        delivered_j = cell_a[c] * at_v[c] * dt_s
        fallen_v = before[0, c] - terminals[STORED_V, c]
        released_j = fallen_v * 3600.0 * cells[CAPACITY_AH, c]
        if unmixed:
            at_surface_j = (cell_a[c] + before[3, c]) * dt_s * before[2, c]
            state[GRADIENT_J, c] += released_j - at_surface_j
            released_j = at_surface_j
        made_j = released_j - delivered_j + state[PENDING_J, c]
        state[DELIVERED_J, c] += delivered_j
        state[HEAT_J, c] += made_j
        heat_w[c] = made_j / dt_s


@compiled_in_place
def _catch_up(stack: Stack, cell_a: Floats, before: Floats, dt_s: float) -> None:
    """Have the energy of a step be that of its mean EMF: what was missed is heat not given off.

    Where heat is reckoned at the particles' surface, that moved by as much in the same step.
    """
    state, terminals = stack.state, stack.terminals
    unmixed = stack.tables.figures[UNMIXED]
    for c in range(cell_a.shape[0]):
        half_as = 0.5 * cell_a[c] * dt_s
        missed_j = half_as * (terminals[EMF_V, c] - before[1, c])
        at_surface_j = unmixed * half_as * (terminals[SURFACE_V, c] - before[2, c])
        state[DELIVERED_J, c] += missed_j
        state[PENDING_J, c] = at_surface_j - missed_j
        state[GRADIENT_J, c] -= at_surface_j


@compiled_in_place
def _conduct(degc: Floats, heat_w: Floats, above_k: Floats, pace: Pace) -> None:
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
            degc[node] += pace.decay[source, node] * x_k + pace.gain[source, node] * w


@compiled_in_place
def move(
    stack: Stack,
    pace: Pace,
    cell_a: Floats,
    at_v: Floats,
    extra_w: Floats,
    ambient_degc: float,
    scratch: Floats,
) -> None:
    """Move a stack on by one step of ``pace`` at constant currents and ambient; no check.

    ``cell_a`` (cells,) are the cells' own currents and ``at_v`` the voltages that they show at the
    step's start (``own_voltages``), ``extra_w`` (cells + 1,) heat from outside into every node
    (bleeds beside cells, the box), ``scratch`` (SCRATCH, cells + 1) room.
    """
    n = stack.state.shape[1]
    terminals, dt_s = stack.terminals, pace.dt_s
    above_k, heat_w, before, found = scratch[0], scratch[1], scratch[2:6], scratch[6:]
    for c in range(n):
        before[0, c], before[1, c] = terminals[STORED_V, c], terminals[EMF_V, c]
        before[2, c], before[3, c] = terminals[SURFACE_V, c], terminals[LEAK_A, c]
        above_k[c] = stack.degc[c] - stack.cells[OFFSET_K, c] - ambient_degc
    above_k[n] = stack.degc[n] - ambient_degc
    _pass_charge(stack, cell_a, dt_s)
    _polarise(stack, cell_a, pace)
    find(stack, found)
    _give_off(stack, cell_a, at_v, before, dt_s, heat_w)
    heat_w[n] = 0.0
    for node in range(n + 1):
        heat_w[node] += extra_w[node]
    _conduct(stack.degc, heat_w, above_k, pace)
    show(stack, found)
    _catch_up(stack, cell_a, before, dt_s)


@compiled_in_place
def bleed_heat(bleed_a: Floats, at_v: Floats, into_cell_ratio: float, out_w: Floats) -> None:
    """Fill ``out_w`` (cells + 1,) with what bleeds give off beside their cells and into the box."""
    n = bleed_a.shape[0]
    out_w[n] = 0.0
    for c in range(n):
        bleed_w = bleed_a[c] * at_v[c]
        out_w[c] = into_cell_ratio * bleed_w
        out_w[n] += bleed_w - out_w[c]


@compiled
def advance(
    stack: Stack,
    pace: Pace,
    bleed_a: Floats,
    current_a: float,
    ambient_degc: float,
    bleed_heat_ratio: float,
    steps: int,
) -> bool:
    """Move a stack on by ``steps`` of ``pace`` at constant currents and ambient.

    ``bleed_heat_ratio`` is what part of a bleed's power warms the cell it bleeds; the board gives
    the rest to the air of the box. False, with nothing changed, when an input is not a number or
    larger than anything real: one NaN, or the square of 1e200 A, would spread through the pack.
    """
    if not abs(current_a) + abs(ambient_degc) + np.abs(bleed_a).sum() < BEYOND_ALL:
        return False
    n = stack.state.shape[1]
    scratch = np.empty((SCRATCH, n + 1))
    extra_w = np.empty(n + 1)
    at_v = np.empty(n)
    cell_a = bleed_a + current_a
    for _ in range(steps):
        own_voltages(stack.terminals, cell_a, at_v)
        bleed_heat(bleed_a, at_v, bleed_heat_ratio, extra_w)
        move(stack, pace, cell_a, at_v, extra_w, ambient_degc, scratch)
    return True
