"""The board's own supply: on before anybody speaks to the board, off when all else is safe.

A profile takes it away, or leaves less of it (``inject: {target: supply, fault: brown-out}``). A
board that says nothing then, and until it has had the time to boot, says nothing wrong.
"""

from hil.core.errors import DeviceError, InstrumentFault
from hil.core.instants import Instant
from hil.core.wiring import SupplyWire
from hil.ports import Clock, Supply, SupplyReading

_OFF_RATIO = 0.02
"""What a supply may be off its set-point beside its data sheet: a drop in its own leads."""


class BoardSupply:
    """One channel of a unit, and what it has been told."""

    def __init__(self, unit: Supply, wire: SupplyWire, clock: Clock) -> None:
        """Take unit and wire; nothing is on before ``power_up``."""
        self.unit, self._wire, self._clock = unit, wire, clock
        self._wanted_v = self._given_v = wire.voltage_v
        self._down_until: Instant = 0

    async def power_up(self) -> None:
        """Switch on what the board needs, wait until it has booted, and read it back.

        Raises InstrumentFault for a board that pulls it down; other DeviceErrors.
        """
        await self._give(self._wire.voltage_v)
        await self.unit.arm()
        await self._clock.sleep_until(self._clock.now() + self._wire.boot_ns)
        await self.sense()

    def order(self, fault: str, *, active: bool) -> None:
        """Take note of one of ``SUPPLY_FAULTS``, put in or out; ``carry_out`` does it."""
        left_v = 0.0 if fault == "lost" else self._wire.brown_out_v
        self._wanted_v = left_v if active else self._wire.voltage_v

    async def carry_out(self) -> None:
        """Give what was ordered. Raises DeviceError."""
        if self._wanted_v == self._given_v:
            return
        await self._give(self._wanted_v)
        self._down_until = self._clock.now() + self._wire.boot_ns

    def is_down(self, now: Instant) -> bool:
        """Say whether the board has less than its supply, or may still be booting after that."""
        return self._given_v != self._wire.voltage_v or now < self._down_until

    async def sense(self) -> SupplyReading:
        """Read it back. Raises InstrumentFault where it is not what was set; other DeviceErrors."""
        read = await self.unit.sense(self._wire.by.number)
        spec, set_v = self.unit.SPEC, self._given_v
        allowed_v = spec.set_accuracy_v.at(set_v) + spec.read_accuracy_v.at(set_v)
        if abs(read.voltage_v - set_v) > allowed_v + _OFF_RATIO * self._wire.voltage_v:
            text = f"set {set_v:g} V for the board, read back {read.voltage_v:.3f} V"
            raise InstrumentFault(self.unit.name, f"{text} at {read.current_a:.3f} A", 0)
        if read.alarm:
            raise InstrumentFault(self.unit.name, f"in alarm 0x{read.alarm:06x}", read.alarm)
        return read

    async def _give(self, voltage_v: float) -> None:
        try:
            await self.unit.give(self._wire.by.number, voltage_v)
        except ValueError as error:
            raise DeviceError(self.unit.name, str(error)) from error
        self._given_v = voltage_v
