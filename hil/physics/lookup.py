"""Reading the tables of a cell type, and the first-order laws that both kinds of cell share."""

import math

from hil.physics.compiled import compiled_in_place
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

_SHORT = 0.01
"""Up to here the series of exp(-x) that ``turn_hysteresis`` uses is within 2e-15."""


@compiled_in_place
def place_of_soc(soc: float) -> tuple[int, float]:
    """Return row and part of a row in the table over charge; the part leaves 0..1 outside of it."""
    place = soc * SOC_STEPS
    k = min(max(math.floor(place), 0), SOC_STEPS - 1)
    return k, place - k


@compiled_in_place
def between(table: Floats, k: int, part: float, column: int) -> float:
    """Return one column of a table between two of its rows."""
    low = table[k, column]
    return float(low + part * (table[k + 1, column] - low))


@compiled_in_place
def equilibrium(by_soc: Floats, soc: float) -> tuple[float, float, float, float]:
    """Return OCV (V), dU/dT (V/K), half the hysteresis loop (V) and g(s) at a state of charge.

    Outside 0 to 1 the OCV keeps the steep slope of its last 0.25 %: charge is never clamped away,
    it shows as a voltage that limits must catch. The other three hold their end values.
    """
    k, part = place_of_soc(soc)
    held = min(max(part, 0.0), 1.0)
    return (
        between(by_soc, k, part, OCV_V),
        between(by_soc, k, held, ENTROPIC),
        between(by_soc, k, held, HALF_LOOP_V),
        between(by_soc, k, held, KINETICS),
    )


@compiled_in_place
def stored_v(by_soc: Floats, soc: float) -> float:
    """Return the chemical energy between empty and ``soc``, in V: J per C of the whole capacity.

    The exact integral of U - T dU/dT as ``equilibrium`` gives them, beyond the ends too: so the
    energy balance closes to rounding whatever the step.
    """
    k, part = place_of_soc(soc)
    return stored_at(by_soc, k, part)


@compiled_in_place
def stored_at(by_soc: Floats, k: int, part: float) -> float:
    """Return ``stored_v`` at a row and part of a row."""
    held = min(max(part, 0.0), 1.0)
    rise_v = by_soc[k + 1, OCV_V] - by_soc[k, OCV_V]
    turn = by_soc[k + 1, ENTROPIC] - by_soc[k, ENTROPIC]
    # The entropic part stops changing where the OCV goes on: its integral is a line from there.
    entropic = part * by_soc[k, ENTROPIC] + turn * (held * part - 0.5 * held * held)
    stored = part * by_soc[k, OCV_V] + 0.5 * part * part * rise_v - REFERENCE_K * entropic
    return float(by_soc[k, ENERGY_V] + stored / SOC_STEPS)


@compiled_in_place
def held_degc(degc: float) -> float:
    """Return a temperature that the tables have: beyond -60 and 120 degC the nearer end.

    What a cell shows is held there as well. A hotter one would show more voltage, hence make more
    heat, hence be hotter: without end, and within a few steps of a short circuit no number.
    """
    return min(max(degc, COLDEST_DEGC), COLDEST_DEGC + DEGC_STEPS / STEPS_PER_K)


@compiled_in_place
def place_of_degc(degc: float) -> tuple[int, float]:
    """Return row and part of a row in a table over temperature; held beyond -60 and 120 degC."""
    place = min(max((degc - COLDEST_DEGC) * STEPS_PER_K, 0.0), float(DEGC_STEPS))
    k = min(int(place), DEGC_STEPS - 1)
    return k, place - k


@compiled_in_place
def at_degc(by_degc: Floats, column: int, degc: float) -> float:
    """Return one column of the temperature table; beyond -60 and 120 degC its end value."""
    k, part = place_of_degc(degc)
    return between(by_degc, k, part, column)


@compiled_in_place
def relax(v: float, target_v: float, decay: float) -> float:
    """Return a first-order state after one step towards ``target_v``: exact for any step."""
    return target_v + (v - target_v) * decay


@compiled_in_place
def turn_hysteresis(h: float, moved: float, span: float) -> float:
    """Return h after the state of charge moved by ``moved``: towards +1 in charge, -1 in discharge.

    Depends on charge alone, so it is exact for any step length and frozen at rest, but for the
    crawl of self-discharge.
    """
    if moved == 0.0:
        return h
    x = abs(moved) / span
    if x > _SHORT:
        left = math.exp(-x)
    else:
        # Most steps move little: five terms of the series are then as good as the exponential.
        left = 1.0 - x * (1.0 - x / 2.0 * (1.0 - x / 3.0 * (1.0 - x / 4.0 * (1.0 - x / 5.0))))
    return relax(h, math.copysign(1.0, moved), left)
