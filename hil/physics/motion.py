"""A stack moved on in time: charge, hysteresis, polarisation, heat.

Everything linear is advanced by its exact exponential, so a step may be long; what is not (the
current's own voltage, temperatures inside the tables) is taken at its start.
"""

import math

import numpy as np

from hil.physics.circuit import show_circuit
from hil.physics.compiled import compiled
from hil.physics.diffusion import even_potential, show_diffusion
from hil.physics.lookup import (
    at_degc,
    equilibrium,
    place_of_degc,
    stored_v,
    turn_hysteresis,
)
from hil.physics.stack import (
    CAPACITY_AH,
    CIRCUIT,
    DELIVERED_J,
    EMF_V,
    FARADAY_AS_PER_MOL,
    GAS_J_PER_MOL_K,
    GRADIENT_J,
    HEAT_J,
    HYSTERESIS,
    LEAK_RATIO,
    LEAKAGE_A,
    LEAKED_AS,
    OFFSET_K,
    PENDING_J,
    RESISTANCE_RATIO,
    SOC,
    SPAN,
    STORED_V,
    SURFACE_V,
    THERMAL_V,
    UNMIXED,
    ZERO_DEGC_K,
    CellTables,
    Floats,
    Pace,
    Stack,
)
from hil.physics.terminals import cell_drop_v

SCRATCH = 4
"""Rows of room that a step needs: temperatures, heat, and two of what was before."""


@compiled
def refresh_terminals(stack: Stack) -> None:
    """Bring what the terminals see up to the present state."""
    if stack.tables.kind == CIRCUIT:
        show_circuit(stack)
    else:
        show_diffusion(stack)
    per_k = 2.0 * GAS_J_PER_MOL_K / FARADAY_AS_PER_MOL
    for c in range(stack.state.shape[1]):
        stack.terminals[THERMAL_V, c] = per_k * (stack.degc[c] + ZERO_DEGC_K)


@compiled
def open_circuit(tables: CellTables, soc: float) -> tuple[float, float, float]:
    """Return OCV at 25 degC (V), dU/dT (V/K) and half the hysteresis loop (V) of a cell at rest."""
    ocv_v, entropic, loop_v, _ = equilibrium(tables.by_soc, soc)
    if tables.kind != CIRCUIT:
        ocv_v, entropic = even_potential(tables, soc)
    return ocv_v, entropic, loop_v


@compiled
def restore_energy(stack: Stack) -> None:
    """Bring the stored chemical energy up to a charge that was set from outside."""
    for c in range(stack.state.shape[1]):
        stack.terminals[STORED_V, c] = stored_v(stack.tables.by_soc, stack.state[SOC, c])


@compiled
def _polarise(stack: Stack, cell_a: Floats, pace: Pace) -> None:
    """Move the slow terms of every cell on; exact for constant current and temperature.

    RC pairs are driven by amperes (more of them where a cell has more resistance), particles and
    salt by full charges per second.
    """
    slow, cells = stack.slow, stack.cells
    circuit = stack.tables.kind == CIRCUIT
    for c in range(slow.shape[0]):
        if circuit:
            drive = cell_a[c] * cells[RESISTANCE_RATIO, c]
        else:
            drive = cell_a[c] / (3600.0 * cells[CAPACITY_AH, c])
        k, part = place_of_degc(stack.degc[c])
        decay, decay_above = pace.slow_decay[k], pace.slow_decay[k + 1]
        gain, gain_above = pace.slow_gain[k], pace.slow_gain[k + 1]
        own = slow[c]
        for term in range(slow.shape[1]):
            left = decay[term] + part * (decay_above[term] - decay[term])
            pull = gain[term] + part * (gain_above[term] - gain[term])
            own[term] = own[term] * left + pull * drive


@compiled
def _react(stack: Stack, cell_a: Floats, pace: Pace, before: Floats, heat_w: Floats) -> None:
    """Move charge, hysteresis and polarisation of every cell on; write its mean heat to ``heat_w``.

    Heat closes the first law: what the reaction gives up, less what leaves at the terminals. It is
    the Bernardi heat I (U - V) - I T dU/dT plus self-discharge. What slow terms and hysteresis
    store for a while counts as heat at once. The voltage is that of the step's start; by what half
    its change moved it comes with the next step (``_catch_up``), for which ``before`` (2, cells)
    gets EMF and surface potential.
    """
    state, cells, terminals, tables = stack.state, stack.cells, stack.terminals, stack.tables
    dt_s, span = pace.dt_s, tables.figures[SPAN]
    unmixed = tables.figures[UNMIXED] != 0.0
    for c in range(state.shape[1]):
        capacity_as = 3600.0 * cells[CAPACITY_AH, c]
        leak_a = cells[LEAKAGE_A, c] * at_degc(tables.by_degc, LEAK_RATIO, stack.degc[c])
        moved = -(cell_a[c] + leak_a) * dt_s / capacity_as
        soc = state[SOC, c] + moved
        state[HYSTERESIS, c] = turn_hysteresis(state[HYSTERESIS, c], moved, span)
        state[SOC, c] = soc
        state[LEAKED_AS, c] += leak_a * dt_s

        before_v, after_v = terminals[STORED_V, c], stored_v(tables.by_soc, soc)
        terminals[STORED_V, c] = after_v
        before[0, c], before[1, c] = terminals[EMF_V, c], terminals[SURFACE_V, c]
        delivered_j = (
            cell_a[c] * dt_s * (terminals[EMF_V, c] - cell_drop_v(terminals, c, cell_a[c]))
        )
        released_j = (before_v - after_v) * capacity_as
        if unmixed:
            at_surface_j = (cell_a[c] + leak_a) * dt_s * terminals[SURFACE_V, c]
            state[GRADIENT_J, c] += released_j - at_surface_j
            released_j = at_surface_j
        made_j = released_j - delivered_j + state[PENDING_J, c]
        state[PENDING_J, c] = 0.0
        state[DELIVERED_J, c] += delivered_j
        state[HEAT_J, c] += made_j
        heat_w[c] = made_j / dt_s
    _polarise(stack, cell_a, pace)


@compiled
def _catch_up(stack: Stack, cell_a: Floats, before: Floats, dt_s: float) -> None:
    """Have the energy of a step be that of its mean EMF: what was missed is heat not given off.

    Where heat is reckoned at the particles' surface, that moved by as much in the same step.
    """
    state, terminals = stack.state, stack.terminals
    unmixed = stack.tables.figures[UNMIXED] != 0.0
    for c in range(cell_a.shape[0]):
        half_as = 0.5 * cell_a[c] * dt_s
        missed_j = half_as * (terminals[EMF_V, c] - before[0, c])
        state[DELIVERED_J, c] += missed_j
        state[PENDING_J, c] -= missed_j
        if unmixed:
            at_surface_j = half_as * (terminals[SURFACE_V, c] - before[1, c])
            state[PENDING_J, c] += at_surface_j
            state[GRADIENT_J, c] -= at_surface_j


@compiled
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


@compiled
def move(
    stack: Stack,
    pace: Pace,
    cell_a: Floats,
    extra_w: Floats,
    ambient_degc: float,
    scratch: Floats,
) -> None:
    """Move a stack on by one step of ``pace`` at constant currents and ambient; no check.

    ``cell_a`` (cells,) are the cells' own currents, ``extra_w`` (cells + 1,) heat from outside
    into every node (bleeds beside cells, the box), ``scratch`` (SCRATCH, cells + 1) room.
    """
    n = stack.state.shape[1]
    above_k, heat_w = scratch[0], scratch[1]
    for c in range(n):
        above_k[c] = stack.degc[c] - stack.cells[OFFSET_K, c] - ambient_degc
    above_k[n] = stack.degc[n] - ambient_degc
    heat_w[n] = 0.0
    before = scratch[2:]
    _react(stack, cell_a, pace, before, heat_w)
    for node in range(n + 1):
        heat_w[node] += extra_w[node]
    _conduct(stack.degc, heat_w, above_k, pace)
    refresh_terminals(stack)
    _catch_up(stack, cell_a, before, pace.dt_s)


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
    the rest to the air of the box. False, with nothing changed, when an input is not finite: one
    NaN would spread through the whole pack.
    """
    if not math.isfinite(current_a + ambient_degc + bleed_a.sum()):
        return False
    n = stack.state.shape[1]
    scratch = np.empty((SCRATCH, n + 1))
    cell_a = np.empty(n)
    extra_w = np.zeros(n + 1)
    for c in range(n):
        cell_a[c] = current_a + bleed_a[c]
    for _ in range(steps):
        extra_w[n] = 0.0
        for c in range(n):
            bleed_w = bleed_a[c] * stack.terminals[EMF_V, c]
            extra_w[c] = bleed_heat_ratio * bleed_w
            extra_w[n] += (1.0 - bleed_heat_ratio) * bleed_w
        move(stack, pace, cell_a, extra_w, ambient_degc, scratch)
    return True
