"""The energy that cells store, added up without the sum that the plant keeps: an oracle."""

import numpy as np

from hil.physics.cell_types import CellParameters
from hil.physics.lookup import equilibrium
from hil.physics.stack import REFERENCE_K, Floats
from hil.physics.tables import tabulate


def stored_j(cell: CellParameters, soc: Floats, capacity_ah: Floats) -> Floats:
    """Return the energy (cells,) stored between empty and now, from what equilibrium says.

    U - T dU/dT, integrated over charge by trapezoids from 0, beyond the ends too: between the
    knots of the table it is a straight line, so that is exact.
    """
    by_soc = tabulate(cell).by_soc

    def reaction_v(at: float) -> float:
        ocv_v, entropic, _, _ = equilibrium(by_soc, at)
        return ocv_v - REFERENCE_K * entropic

    def area_v(end: float) -> float:
        low, high = min(0.0, end), max(0.0, end)
        knots = np.arange(np.floor(low * 400.0), np.ceil(high * 400.0)) / 400.0
        at = np.array(sorted({low, high, *knots[(knots > low) & (knots < high)]}))
        area = float(np.trapezoid([reaction_v(float(s)) for s in at], at))
        return area if end > 0.0 else -area

    return np.array([area_v(float(s)) for s in soc]) * 3600.0 * capacity_ah
