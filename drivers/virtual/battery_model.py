"""The battery models in a Keithley 2281S's memory: what it stores, and what it refuses."""

from bisect import bisect_left

from drivers.wire.keithley_2281s import POINTS
from drivers.wire.scpi_data import ScpiError

NOT_WHILE_RUNNING, TOO_LONG, FULL_BELOW_EMPTY, TOO_SHORT = 704, 702, 703, 705
ILLEGAL_RANGE, NOT_IN_THIS_MODE = 708, 709
LEAST_V, MOST_V = 0.0, 20.0


def numbers(text: str) -> list[float]:
    """Read a list as the unit takes it, in a string. Raises ScpiError -104."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ScpiError(-104) from error
    if not all(0.0 <= one <= 1e3 for one in values):  # noqa: PLR2004 - [A] also keeps NaN out
        raise ScpiError(-222)
    return values


class BatteryModel:
    """Open-circuit voltage and resistance by state of charge, 0 to 100 % in steps of one."""

    def __init__(self) -> None:
        """Start as a slot that nobody has written: a straight line from 3 V to 4.2 V, 50 mohm."""
        self.voc = [3.0 + 0.012 * k for k in range(POINTS)]
        self.resistance = [0.05] * POINTS

    def store(self, element: str, values: list[float], *, append: bool = False) -> None:
        """Take ``voc`` or ``resistance``. Raises ScpiError 702 for too many, -222 out of order."""
        values = [*getattr(self, element), *values] if append else values
        if len(values) > POINTS:
            raise ScpiError(TOO_LONG, "Model length is too long")
        falling = element == "resistance"
        if values != sorted(values, reverse=falling):
            raise ScpiError(-222)
        setattr(self, element, values)

    def check(self) -> None:
        """Raise ScpiError 705 for a model that is not whole."""
        if len(self.voc) != POINTS or len(self.resistance) != POINTS:
            raise ScpiError(TOO_SHORT, "Model length not enough")

    def voc_v(self, soc: float) -> float:
        """Return the open-circuit voltage at a state of charge in percent."""
        place = min(int(soc), POINTS - 2)
        low, high = self.voc[place], self.voc[place + 1]
        return low + (high - low) * (soc - place)

    def resistance_ohm(self, soc: float) -> float:
        """Return the resistance at a state of charge in percent."""
        place = min(int(soc), POINTS - 2)
        low, high = self.resistance[place], self.resistance[place + 1]
        return low + (high - low) * (soc - place)

    def soc_at(self, voc_v: float) -> float:
        """Return the state of charge in percent at a voltage of the model. -222 outside of it."""
        if not self.voc[0] <= voc_v <= self.voc[-1]:
            raise ScpiError(-222)
        place = max(1, bisect_left(self.voc, voc_v))
        low, high = self.voc[place - 1], self.voc[place]
        return place - 1 + ((voc_v - low) / (high - low) if high > low else 0.0)
