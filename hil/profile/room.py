"""The room in which a bench stands: its air condenses on what comes cold out of the chamber."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt, Interval

from hil.physics.climate import dew_point_degc, vapour_pressure_pa

RELEASE_ABOVE_DEW_K = 3.0
"""How far above the dew point the coldest thing in a chamber must be before its door is opened."""


@dataclass(frozen=True)
class Room:
    """Temperature and relative humidity of the room, or its dew point where that is measured.

    The defaults are the usual reference atmosphere of laboratories [assumed]: 23 degC and 50 %
    (ISO 554), a dew point of 12.0 degC.
    """

    temperature_degc: Annotated[float, Interval(ge=-20.0, le=60.0)] = 23.0
    humidity_ratio: Annotated[float, Gt(0.0), Interval(le=1.0)] = 0.5
    dew_point_degc: float | None = None

    @property
    def assumed(self) -> bool:
        """Say whether nobody has said anything of the room."""
        return self == Room()

    @property
    def dew_degc(self) -> float:
        """Return the dew point: as given, else by the Magnus formula (WMO-No. 8)."""
        if self.dew_point_degc is not None:
            return self.dew_point_degc
        saturated_pa = vapour_pressure_pa(np.asarray(self.temperature_degc))
        return float(dew_point_degc(self.humidity_ratio * saturated_pa))

    @property
    def release_degc(self) -> float:
        """Return from which temperature on the chamber may be opened."""
        return self.dew_degc + RELEASE_ABOVE_DEW_K
