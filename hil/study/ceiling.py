"""What a gap at the end of a charge can be at most: so much says the charge's own end.

On a protected pack a charge ends with the first cell at its limit. All others may stand on the
plateau, where charge hides; what the highest and such a cell are apart is the ceiling of the gap
(design/physics.md, section 1, item 4), whatever the imbalance.
"""

from functools import lru_cache

from hil.physics.cell_types import CellParameters
from hil.physics.lone_cell import LoneCell
from hil.physics.termination import Termination

PLATEAU_SOC_RATIO, NEARER_SOC_RATIO = 0.5, 0.9
"""Where a cell that lags stands at most, half a charge behind; and where one that lags by more than
most packs' spread does. The plateau rises: the nearer one shows less."""
AT_DEGC = 25.0
COOLING_W_PER_K = 1e3
"""The cell stays at its temperature."""
BEFORE_RATIO, LONGEST_S, STEPS = 0.1, 7200.0, 720
"""What it is charged by, and at most how long, before it is looked at: hysteresis and diffusion
have settled by then."""


@lru_cache(64)
def ceiling_v(
    cell: CellParameters, termination: Termination, soc_ratio: float = PLATEAU_SOC_RATIO
) -> tuple[float, float]:
    """Return the ceiling of a gap at the end of charge, and the plateau's voltage there, in V.

    Of a new cell that passes ``soc_ratio`` at the current at which the charge ends.
    """
    rate_per_s = termination.taper_per_h / 3600.0
    lasts_s = min(LONGEST_S, BEFORE_RATIO / rate_per_s) if rate_per_s else LONGEST_S
    current_a = -termination.taper_per_h * cell.capacity_ah
    lone = LoneCell(cell, soc_ratio - rate_per_s * lasts_s, AT_DEGC, COOLING_W_PER_K)
    for _ in range(STEPS):
        lone.step(lasts_s / STEPS, current_a, AT_DEGC)
    plateau_v = lone.voltage_v(current_a)
    return max(0.0, termination.cell_max_v - plateau_v), plateau_v


def ceiling_in_words(cell: CellParameters, termination: Termination) -> str:
    """Return it with how it comes about, in a few sentences."""
    ceiling, plateau_v = ceiling_v(cell, termination)
    nearer, _ = ceiling_v(cell, termination, NEARER_SOC_RATIO)
    return (
        f"Ceiling of the gap at the end of charge: {1e3 * ceiling:.0f} mV. That is the limit of "
        f"every cell, {termination.cell_max_v:.2f} V, less the {plateau_v:.3f} V of a new cell in "
        f"the middle of the plateau at {AT_DEGC:g} degC and the {termination.taper_per_h:.3g}C at "
        "which the charge ends: one cell is full and ends it, however far behind the others are. "
        f"Behind by {1.0 - NEARER_SOC_RATIO:.0%} of its charge, a cell shows {1e3 * nearer:.0f} mV "
        "of it; a colder one less."
    )
