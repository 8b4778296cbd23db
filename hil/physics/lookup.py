"""Reading the tables of a cell type, and the first-order laws that both kinds of cell share."""

import math

from hil.physics.compiled import compiled
from hil.physics.stack import (
    COLDEST_DEGC,
    DEGC_STEPS,
    ENERGY_V,
    ENTROPIC,
    HALF_LOOP_V,
    KINETICS,
    OCV_V,
    REFERENCE_K,
    SOC_STEPS,
    STEPS_PER_K,
    Floats,
)


@compiled
def place_of_soc(soc: float) -> tuple[int, float]:
    """Return row and part of a row in the table over charge; the part leaves 0..1 outside of it."""
    place = soc * SOC_STEPS
    k = min(max(math.floor(place), 0), SOC_STEPS - 1)
    return k, place - k


@compiled
def equilibrium(by_soc: Floats, soc: float) -> tuple[float, float, float, float]:
    """Return OCV (V), dU/dT (V/K), half the hysteresis loop (V) and g(s) at a state of charge.

    Outside 0 to 1 the OCV keeps the steep slope of its last 0.25 %: charge is never clamped away,
    it shows as a voltage that limits must catch. The other three hold their end values.
    """
    k, part = place_of_soc(soc)
    held = min(max(part, 0.0), 1.0)
    low, high = by_soc[k], by_soc[k + 1]
    return (
        low[OCV_V] + part * (high[OCV_V] - low[OCV_V]),
        low[ENTROPIC] + held * (high[ENTROPIC] - low[ENTROPIC]),
        low[HALF_LOOP_V] + held * (high[HALF_LOOP_V] - low[HALF_LOOP_V]),
        low[KINETICS] + held * (high[KINETICS] - low[KINETICS]),
    )


@compiled
def stored_v(by_soc: Floats, soc: float) -> float:
    """Return the chemical energy between empty and ``soc``, in V: J per C of the whole capacity.

    The exact integral of U - T dU/dT as ``equilibrium`` gives them, beyond the ends too: so the
    energy balance closes to rounding whatever the step.
    """
    k, part = place_of_soc(soc)
    low, high = by_soc[k], by_soc[k + 1]
    held = min(max(part, 0.0), 1.0)
    rise_v = high[OCV_V] - low[OCV_V]
    turn = high[ENTROPIC] - low[ENTROPIC]
    # The entropic part stops changing where the OCV goes on: its integral is a line from there.
    entropic = part * low[ENTROPIC] + turn * (held * part - 0.5 * held * held)
    stored = part * low[OCV_V] + 0.5 * part * part * rise_v - REFERENCE_K * entropic
    return float(low[ENERGY_V] + stored / SOC_STEPS)


@compiled
def place_of_degc(degc: float) -> tuple[int, float]:
    """Return row and part of a row in a table over temperature; held beyond -60 and 120 degC."""
    place = min(max((degc - COLDEST_DEGC) * STEPS_PER_K, 0.0), float(DEGC_STEPS))
    k = min(int(place), DEGC_STEPS - 1)
    return k, place - k


@compiled
def between(table: Floats, k: int, part: float, column: int) -> float:
    """Return one column of a table between two of its rows."""
    low = table[k, column]
    return float(low + part * (table[k + 1, column] - low))


@compiled
def at_degc(by_degc: Floats, column: int, degc: float) -> float:
    """Return one column of the temperature table; beyond -60 and 120 degC its end value."""
    k, part = place_of_degc(degc)
    return between(by_degc, k, part, column)


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
