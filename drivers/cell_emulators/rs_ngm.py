"""Driver of the R&S NGM202: two cells a unit, each channel addressed after ``INST:NSEL``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.instrument import CLEARED, ScpiInstrument
from drivers.wire import rs_ngm as wire
from drivers.wire.scpi_data import parse_strings
from hil.core.spec import EmulatorSpec
from hil.ports import ByteLink, CellReadings, Clock, Identity

SPEC = wire.SPEC
_RESET = "it was reset by *RST"
_LIMIT_STEP = 1e-3  # a limit in V or A that reads back further off than this was not taken


@dataclass(frozen=True, slots=True)
class NgmSettings:
    """The keys that a bench file may give a unit.

    ``limit_a`` is the current limit of a channel, ``protection_v`` where its over-voltage
    protection trips; its electronic fuse trips when the limit is reached. An output that says it is
    off and measures ``off_below_v`` or more is not taken for safe.
    """

    limit_a: float = 1.0
    protection_v: float = 5.0
    off_below_v: float = wire.OFF_BELOW_V


class RsNgm(ScpiInstrument):
    """One unit (``hil.ports.CellEmulator``). It has no fault relays and no auxiliary outputs.

    Its mean current is restarted with each reading: it covers the whole tick, however long.
    """

    SPEC: ClassVar[EmulatorSpec] = SPEC
    OPTIONS: ClassVar[type] = NgmSettings
    FAULTS: ClassVar[tuple[str, ...]] = ()
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = ()
    STRONGER: ClassVar[tuple[str, ...]] = (CLEARED, _RESET)

    def __init__(
        self, name: str, link: ByteLink, clock: Clock, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``NgmSettings``. Raises ValueError outside SPEC."""
        super().__init__(name, link, clock, terminator=b"\n", reply_limit=wire.REPLY_LIMIT)
        self._settings = NgmSettings(**(options or {}))
        if not 0.0 < self._settings.limit_a <= SPEC.source_a:
            found = f"a current limit of {self._settings.limit_a} A"
            raise ValueError(f"{name}: {found}; up to {SPEC.source_a} A goes")
        if not 0.0 < self._settings.protection_v <= SPEC.set_v.high:
            found = f"a protection at {self._settings.protection_v} V"
            raise ValueError(f"{name}: {found}; up to {SPEC.set_v.high} V goes")

    async def identify(self) -> Identity:
        """Ask who answers and clear old errors.

        Raises InstrumentFault if it is no NGM202 or reports an error; other DeviceErrors.
        """
        await self._write("*CLS")
        answer = await self._ask_identity()
        maker, model, serial, firmware = self._parsed(lambda it: parse_strings(it, 4), answer)
        if not maker.upper().startswith("ROHDE") or model != wire.MODEL:
            raise self._fault(f"expected a {SPEC.model}, found {maker} {model}")
        await self._check_errors()
        return Identity(maker, model, serial, firmware)

    async def arm(self) -> None:
        """Set limit and protections, then switch all on; read all back.

        Raises InstrumentFault if the unit did not take it; other DeviceErrors.
        """
        wanted = self._settings
        await self._write(
            f"{wire.CLEAR_TRIPS};{wire.limits_line(wanted.limit_a, wanted.protection_v)}"
        )
        read = self._parsed(wire.parse_limits, await self._ask(wire.READ_LIMITS))
        for what, ordered, found in (
            ("A current limit", wanted.limit_a, read.current_a),
            ("V protection", wanted.protection_v, read.protection_v),
        ):
            if any(abs(value - ordered) > _LIMIT_STEP for value in found):
                raise self._fault(f"{ordered} {what} ordered, {found} read")
        if not all(read.protected):
            raise self._fault("over-voltage protection and fuse ordered, and not on")
        await self._check_errors()
        await self._write(wire.ARM)
        if not all(await self.outputs_on()):
            await self._check_errors()
            raise self._fault("not all outputs went on")
        await self._write(wire.RESTART_MEANS)

    async def apply(self, voltage_v: Sequence[float], aux_v: Mapping[int, float]) -> None:
        """Set the voltages of cells 1 to ``len(voltage_v)`` in one line.

        Raises ValueError outside SPEC, before anything is sent; LinkLost.
        """
        if not 0 < len(voltage_v) <= SPEC.channels:
            raise ValueError(f"{self.name}: {len(voltage_v)} cells; it has {SPEC.channels}")
        if aux_v:
            raise ValueError(f"{self.name}: it has no auxiliary outputs")
        low, high = SPEC.set_v.low, min(SPEC.set_v.high, self._settings.protection_v)
        for value_v in voltage_v:
            if not low <= value_v <= high:
                raise ValueError(f"{self.name}: {value_v} V; a cell goes from {low} to {high} V")
        await self._write(wire.settings_line(voltage_v))

    async def sense(self) -> CellReadings:
        """Read voltages, currents and trips in one exchange.

        Raises InstrumentFault with the unit's own code if it has queued an error since; other
        DeviceErrors.
        """
        sensed = self._parsed(wire.parse_sense, await self._ask(wire.SENSE))
        if sensed.has_errors:
            await self._check_errors()
        return CellReadings(sensed.voltage_v, sensed.current_a, sensed.alarm)

    async def set_fault(self, channel: int, fault: str) -> None:
        """Refuse: the unit has no fault relays. Raises ValueError but for ``none``."""
        if fault != "none":
            raise ValueError(f"{self.name}: no fault {fault!r} on channel {channel}")

    async def make_safe(self) -> str:
        """Switch all outputs off together and read them back.

        Raises InstrumentFault if an output is still on, or says that it is off with a voltage
        behind it; other DeviceErrors.
        """
        await self._write(wire.SAFE)
        left = await self._left()
        read = "outputs " + ",".join(str(int(left.master and one)) for one in left.selected)
        if left.master or any(left.selected):
            raise self._fault(f"told to switch off, {read} read")
        if max(map(abs, left.voltage_v)) >= self._settings.off_below_v:
            await self._clock.sleep_until(self._clock.now() + 2 * wire.READING_WINDOW)
            left = await self._left()
        worst_v = max(left.voltage_v, key=abs)
        if abs(worst_v) >= self._settings.off_below_v:
            output = left.voltage_v.index(worst_v) + 1
            raise self._fault(f"says {read}, but measures {worst_v:.2f} V at output {output}")
        return read

    async def force(self, means: int) -> str:
        """Take one of ``STRONGER`` and read the outputs back. Raises as ``make_safe``."""
        if self.STRONGER[means] == _RESET:
            await self._write(wire.RESET)
        else:
            await self._clear()
        return await self.make_safe()

    async def outputs_on(self) -> list[bool]:
        """Return which outputs are on, as the unit says. Raises DeviceError."""
        left = await self._left()
        return [left.master and one for one in left.selected]

    async def _left(self) -> wire.Outputs:
        return self._parsed(wire.parse_outputs, await self._ask(wire.READ_OUTPUTS))
