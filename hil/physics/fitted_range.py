"""Where a cell type's figures were fitted: one rule for a plant and for what it recorded.

Outside the model goes on, because limits and boards must be tried there too; but it is a guess
then, and says so.
"""

from collections.abc import Sequence

from hil.physics.cell_types import CellType


def outside(
    cell: CellType, soc: Sequence[float], degc: Sequence[float], rate_per_h: float
) -> tuple[str, ...]:
    """Name what lies outside the range of ``cell``: any of ``soc``, ``temperature``, ``rate``.

    ``soc`` and ``degc`` are those of all cells of a pack, ``rate_per_h`` the magnitude of the
    largest cell current in multiples of the capacity per hour. Empty when the model stands on data.
    """
    found = {
        "soc": min(soc) < cell.fitted_from_soc_ratio or max(soc) > cell.fitted_to_soc_ratio,
        "temperature": min(degc) < cell.fitted_from_degc or max(degc) > cell.fitted_to_degc,
        "rate": rate_per_h > cell.fitted_to_rate_per_h,
    }
    return tuple(name for name, is_outside in found.items() if is_outside)
