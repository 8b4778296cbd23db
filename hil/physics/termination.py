"""What ends a charge and a discharge: plain numbers, no behaviour (``protection.py`` has that).

A gap between cells means nothing without its ceiling: with the knee of LFP at about 3.345 V a
charge that stops when the first cell is at 3.50 V cannot show more than some 155 mV, one that goes
on to the over-voltage trip at 3.65 V twice that. So every run states what ended its charges.
"""

from dataclasses import dataclass
from itertools import pairwise

from hil.physics.requirements import require_not_negative, require_positive

KNEE_V = 3.345
"""Open-circuit voltage of a nearly full LFP cell, at 95 % (Sony 3 Ah table): where the lowest cell
still stands while the highest runs away."""


@dataclass(frozen=True, slots=True)
class Termination:
    """The rules of charge and discharge of one pack. Raises ValueError for a window without room.

    - A charger holds the mean of the cells at ``hold_v`` and lets none pass ``cell_max_v``; the
      charge has ended when the current is below ``taper_per_h`` times the capacity.
    - A cell at ``over_voltage_v`` for ``delay_s`` forbids charge until all were at or below
      ``over_voltage_release_v`` for as long; ``under_voltage_*`` forbids discharge alike.
    - Below ``no_charge_below_degc`` (the coldest cell) nothing is charged, below
      ``cold_charge_below_degc`` at most ``cold_charge_per_h`` times the capacity.
    """

    hold_v: float = 3.45
    cell_max_v: float = 3.50
    taper_per_h: float = 0.05
    over_voltage_v: float = 3.65
    over_voltage_release_v: float = 3.50
    under_voltage_v: float = 2.50
    under_voltage_release_v: float = 2.80
    delay_s: float = 1.0
    no_charge_below_degc: float = 0.0
    cold_charge_below_degc: float = 5.0
    cold_charge_per_h: float = 0.1

    def __post_init__(self) -> None:
        """Refuse limits in the wrong order, under which a pack could neither charge nor release."""
        require_positive(self, ("under_voltage_v",))
        require_not_negative(self, ("taper_per_h", "delay_s", "cold_charge_per_h"))
        rising = (
            "under_voltage_v",
            "under_voltage_release_v",
            "hold_v",
            "cell_max_v",
            "over_voltage_v",
        )
        for low, high in pairwise(rising):
            if not getattr(self, low) <= getattr(self, high):
                found = f"{getattr(self, high)} is below {low} {getattr(self, low)}"
                raise ValueError(f"{high}: {found}")
        if not self.hold_v <= self.over_voltage_release_v < self.over_voltage_v:
            found = f"{self.over_voltage_release_v} is not from hold_v to below the trip"
            raise ValueError(f"over_voltage_release_v: {found}")
        if not self.no_charge_below_degc <= self.cold_charge_below_degc:
            found = f"{self.cold_charge_below_degc} is below no_charge_below_degc"
            raise ValueError(f"cold_charge_below_degc: {found}")

    def line(self) -> str:
        """Return all of it in one line, for records and reports."""
        return (
            f"hold {self.hold_v:.2f} V a cell, no cell above {self.cell_max_v:.2f} V, "
            f"done below {self.taper_per_h:g}C; over-voltage {self.over_voltage_v:.2f} V, "
            f"released at {self.over_voltage_release_v:.2f} V, under-voltage "
            f"{self.under_voltage_v:.2f} V, released at {self.under_voltage_release_v:.2f} V, each "
            f"after {self.delay_s:g} s; no charge below {self.no_charge_below_degc:g} degC, "
            f"{self.cold_charge_per_h:g}C below {self.cold_charge_below_degc:g} degC"
        )


def gap_ceiling_v(first_ends_at_v: float) -> float:
    """Return the largest gap that a charge can show which ends with its first cell at a voltage.

    All others may still stand at the knee; a cell further down the plateau adds some 10 mV.
    """
    return max(first_ends_at_v - KNEE_V, 0.0)
