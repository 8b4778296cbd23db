"""A cell known from its terminals: one-state hysteresis, two charge-transfer terms, two RC pairs.

    V = OCV(s) + (T - 25) dU/dT(s) + h M(s) - v1 - v2
        - I Rs(T) - (2 R T / F) sum over k = a, b of asinh(I g(s) / (2 I0k(T)))

with I > 0 in discharge, hysteresis h in [-1, 1] and two RC pairs v1, v2 with R(T): ADR 0005.
"""

from hil.physics.compiled import compiled
from hil.physics.lookup import between, equilibrium, place_of_degc
from hil.physics.stack import (
    EMF_V,
    FAST_PER_A,
    HYSTERESIS,
    INVERSE_A,
    INVERSE_B,
    LINK_OHM,
    REFERENCE_DEGC,
    RESISTANCE_RATIO,
    RS_OHM,
    SERIES_OHM,
    SLOW_PER_A,
    SOC,
    V1,
    V2,
    Stack,
)


@compiled
def show_circuit(stack: Stack) -> None:
    """Bring what the terminals see of every cell up to the present state."""
    state, cells, terminals = stack.state, stack.cells, stack.terminals
    by_soc, by_degc = stack.tables.by_soc, stack.tables.by_degc
    for c in range(state.shape[1]):
        ocv_v, entropic, loop_v, kinetics = equilibrium(by_soc, state[SOC, c])
        degc, ratio = stack.degc[c], cells[RESISTANCE_RATIO, c]
        k, part = place_of_degc(degc)
        slow_v = stack.slow[c, V1] + stack.slow[c, V2]
        loop_v *= state[HYSTERESIS, c]
        terminals[EMF_V, c] = ocv_v + (degc - REFERENCE_DEGC) * entropic + loop_v - slow_v
        terminals[SERIES_OHM, c] = ratio * between(by_degc, k, part, RS_OHM) + cells[LINK_OHM, c]
        # A cell with more resistance has less active surface, hence less exchange current.
        ratio *= kinetics
        terminals[SLOW_PER_A, c] = ratio * between(by_degc, k, part, INVERSE_A)
        terminals[FAST_PER_A, c] = ratio * between(by_degc, k, part, INVERSE_B)
