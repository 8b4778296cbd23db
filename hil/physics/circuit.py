"""A cell known from its terminals: one-state hysteresis, two charge-transfer terms, two RC pairs.

    V = OCV(s) + (T - 25) dU/dT(s) + h M(s) - v1 - v2
        - I Rs(T) - (2 R T / F) sum over k = a, b of asinh(I g(s) / (2 I0k(T)))

with I > 0 in discharge, hysteresis h in [-1, 1] and two RC pairs v1, v2 with R(T): ADR 0005.
"""

from hil.physics.compiled import compiled_in_place
from hil.physics.lookup import between, place_of_soc, stored_at
from hil.physics.stack import (
    ENTROPIC,
    FAST_GRADE,
    HALF_LOOP_V,
    HYSTERESIS,
    JUNCTION,
    KINETICS,
    OCV_V,
    REST_V,
    REST_V_PER_K,
    SALT_OHM,
    SLOW_GRADE,
    SOC,
    STORED_V,
    V1,
    V2,
    Floats,
    Stack,
)


@compiled_in_place
def find_circuit(stack: Stack, found: Floats) -> None:
    """Fill ``found`` (6, cells) with what charge and slow terms say, whatever the temperature."""
    state, slow, terminals, by_soc = stack.state, stack.slow, stack.terminals, stack.tables.by_soc
    for c in range(state.shape[1]):
        k, part = place_of_soc(state[SOC, c])
        held = min(max(part, 0.0), 1.0)
        loop_v = state[HYSTERESIS, c] * between(by_soc, k, held, HALF_LOOP_V)
        found[REST_V, c] = between(by_soc, k, part, OCV_V) + loop_v - (slow[c, V1] + slow[c, V2])
        found[REST_V_PER_K, c] = between(by_soc, k, held, ENTROPIC)
        found[JUNCTION, c] = found[SALT_OHM, c] = 0.0
        found[SLOW_GRADE, c] = found[FAST_GRADE, c] = between(by_soc, k, held, KINETICS)
        terminals[STORED_V, c] = stored_at(by_soc, k, part)
