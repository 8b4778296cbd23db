"""What the timeline asks of the pack's current in one tick, and what the pack can give.

With emulated cells no ampere flows through the bench: the current belongs to the plant, the board
sees its effect on the emulated cells and on its emulated shunt. Positive current discharges.
"""

import math
from typing import Literal, NamedTuple

from hil.core.errors import BenchError
from hil.physics.plant import Plant
from hil.ports import BoardReport

Mode = Literal["current", "power", "hold"]


class Demand(NamedTuple):
    """One tick's wish. ``value``: A or W (+ discharge), or the mean cell voltage of a hold.

    ``cell_min_v`` and ``cell_max_v`` bound every cell, ``max_a`` the current's magnitude;
    ``obey_board`` keeps to the current limits and contactors that the board reports.
    """

    mode: Mode = "current"
    value: float = 0.0
    cell_min_v: float = -math.inf
    cell_max_v: float = math.inf
    max_a: float = math.inf
    obey_board: bool = True


REST = Demand()
"""No current."""


def current_for(demand: Demand, plant: Plant, report: BoardReport | None) -> float:
    """Return the pack current in A that answers ``demand`` within every limit, + in discharge.

    Raises BenchError for a power that the pack cannot give.
    """
    discharge_a, charge_a = _allowed(demand, report)
    if demand.mode == "hold":
        return plant.current_for_cell_voltage(demand.value, demand.cell_max_v, charge_a)
    wished_a = _for_power(demand.value, plant) if demand.mode == "power" else demand.value
    limited_a = max(-charge_a, min(discharge_a, wished_a))
    if limited_a and (math.isfinite(demand.cell_min_v) or math.isfinite(demand.cell_max_v)):
        return plant.current_within(limited_a, demand.cell_min_v, demand.cell_max_v)
    return limited_a


def _for_power(power_w: float, plant: Plant) -> float:
    try:
        return plant.current_for_power(power_w)
    except ValueError as error:
        raise BenchError(f"power {power_w:g} W: {error}") from error


def _allowed(demand: Demand, report: BoardReport | None) -> tuple[float, float]:
    """Return the allowed magnitudes (discharge, charge); a board that said nothing allows none."""
    if not demand.obey_board:
        return demand.max_a, demand.max_a
    if report is None:
        return 0.0, 0.0
    discharge_a = report.discharge_limit_a if report.discharge_allowed else 0.0
    charge_a = report.charge_limit_a if report.charge_allowed else 0.0
    return min(_known(discharge_a), demand.max_a), min(_known(charge_a), demand.max_a)


def _known(limit_a: float) -> float:
    """Read a limit the board has not sent yet as zero."""
    return 0.0 if math.isnan(limit_a) else limit_a
