"""The INA229 across the shunt of a board, at register level.

A frame is one byte, register << 2 and a 1 to read, and the register's bytes, high ones first.
Registers, reset values and steps are those of the INA229 data sheet. The chip converts without
being asked; what it is not asked for here (bus voltage, power, energy, alerts) it does not have,
and such a register reads zero.
"""

from collections.abc import Callable, Mapping

from hil.core.instants import MICROSECOND
from hil.ports import Clock

CONFIG, ADC_CONFIG, SHUNT_CAL, SHUNT_TEMPCO = 0x00, 0x01, 0x02, 0x03
VSHUNT, DIETEMP, MAKER, DEVICE = 0x04, 0x06, 0x3E, 0x3F

VOLT_PER_COUNT = (312.5e-9, 78.125e-9)
"""A step of the shunt voltage at ADCRANGE 0 and 1."""
DEGC_PER_COUNT = 7.8125e-3
_RESET: Mapping[int, int] = {
    CONFIG: 0x0000,
    ADC_CONFIG: 0xFB68,
    SHUNT_CAL: 0x1000,
    SHUNT_TEMPCO: 0x0000,
}
_IDENTITY: Mapping[int, int] = {MAKER: 0x5449, DEVICE: 0x2291}
_RESET_BIT, _RANGE_BIT = 1 << 15, 4
_COUNTS = 1 << 19
_ROUND = 3 * 1052 * MICROSECOND
"""The reset setting takes bus, shunt and temperature in turn, 1052 us each."""
_READ = 1


class Ina229:
    """The chip; ``shunt_v(sample)`` and ``die_degc()`` are what it measures."""

    def __init__(
        self, clock: Clock, shunt_v: Callable[[int], float], die_degc: Callable[[], float]
    ) -> None:
        """Start with the registers as they are after power-up."""
        self._clock, self._shunt_v, self._die_degc = clock, shunt_v, die_degc
        self.reset()

    def reset(self) -> None:
        """Set all registers to what they are after power-up."""
        self._settings = dict(_RESET)

    def transfer(self, data: bytes) -> bytes:
        """Exchange bytes while the select line is low."""
        if not data:
            return b""
        register, body = data[0] >> 2, data[1:]
        if data[0] & _READ:
            return (b"\0" + self._read(register)).ljust(len(data), b"\0")[: len(data)]
        if register in self._settings and len(body) == 2:  # noqa: PLR2004 - all settings have 16 bits
            self._settings[register] = int.from_bytes(body, "big")
            if register == CONFIG and self._settings[CONFIG] & _RESET_BIT:
                self.reset()
        return bytes(len(data))

    def _read(self, register: int) -> bytes:
        """Return a register's bytes; of one that it does not have, none."""
        if register == VSHUNT:
            return self._shunt().to_bytes(3, "big")
        if register == DIETEMP:
            counts = round(self._die_degc() / DEGC_PER_COUNT)
            return counts.to_bytes(2, "big", signed=True)
        value = self._settings.get(register, _IDENTITY.get(register))
        return b"" if value is None else value.to_bytes(2, "big")

    def _shunt(self) -> int:
        """Return the newest shunt voltage: 20 bits with a sign, and four zeros below them."""
        step_v = VOLT_PER_COUNT[self._settings[CONFIG] >> _RANGE_BIT & 1]
        shunt_v = self._shunt_v(self._clock.now() // _ROUND)
        counts = min(max(round(shunt_v / step_v), -_COUNTS), _COUNTS - 1)
        return (counts & 2 * _COUNTS - 1) << 4
