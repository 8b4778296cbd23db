"""Driver of the Bloomy ABS: eight emulated cells a unit, with auxiliary analog outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.instrument import CLEARED, ScpiInstrument
from drivers.wire import bloomy_abs as wire
from drivers.wire.scpi_data import parse_strings
from hil.core.spec import EmulatorSpec
from hil.ports import ByteLink, CellReadings, Clock, Identity

SPEC = wire.SPEC
_INTERLOCK = "its soft interlock was raised, and stays so until somebody clears it"
_RESET = "it was reset by *RST, and boots"
_LIMIT_STEP_A = 1e-3  # a limit that reads back further off than this was not taken


@dataclass(frozen=True, slots=True)
class AbsSettings:
    """The keys that a bench file may give a unit: current limits a cell, and the 50/60 Hz filter.

    Limits up to 1 A let the unit use its finer current range. With the filter the averaged
    current covers 1 s, without it 10 ms; the vendor says that it also slows the unit's control to
    10 Hz, which is to be measured on a real unit before a tick shorter than 1 s is trusted. An
    output that says it is off and measures ``off_below_v`` or more is not taken for safe.
    ``address`` is the unit's on RS-485, where several share a line.
    """

    source_limit_a: float = 1.0
    sink_limit_a: float = 1.0
    filter: bool = True
    off_below_v: float = wire.OFF_BELOW_V
    address: int | None = None


class BloomyAbs(ScpiInstrument):
    """One unit (``hil.ports.CellEmulator``).

    The unit averages over its last ten samples (``AVG?``): with the filter on that is 1 s, so
    that at a tick of 1 s a reading covers the time since the one before. At a longer tick it
    covers the last second of it.
    """

    SPEC: ClassVar[EmulatorSpec] = SPEC
    OPTIONS: ClassVar[type] = AbsSettings
    CURRENT_LIMITS: ClassVar[tuple[str, ...]] = ("source_limit_a", "sink_limit_a")
    FAULTS: ClassVar[tuple[str, ...]] = tuple(fault for fault in wire.FAULTS if fault != "none")
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = FAULTS
    STRONGER: ClassVar[tuple[str, ...]] = (CLEARED, _INTERLOCK, _RESET)

    def __init__(
        self, name: str, link: ByteLink, clock: Clock, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``AbsSettings``. Raises ValueError outside SPEC."""
        self._settings = AbsSettings(**(options or {}))
        address = self._settings.address
        if address is not None and not 0 <= address <= wire.MAX_ADDRESS:
            raise ValueError(f"{name}: address {address}; 0 to {wire.MAX_ADDRESS} goes")
        super().__init__(
            name,
            link,
            clock,
            terminator=b"\r\n",
            reply_limit=wire.REPLY_LIMIT,
            prefix="" if address is None else f"@{address} ",
        )
        for limit_a, most_a in (
            (self._settings.source_limit_a, SPEC.source_a),
            (self._settings.sink_limit_a, SPEC.sink_a),
        ):
            if not 0.0 < limit_a <= most_a:
                raise ValueError(f"{name}: a current limit of {limit_a} A; up to {most_a} A goes")

    async def identify(self) -> Identity:
        """Ask who answers and clear old errors.

        Raises InstrumentFault if it is no ABS or reports an error at once; other DeviceErrors.
        """
        await self._write("*CLS")
        maker, model, serial, firmware = self._parsed(_four_strings, await self._ask_identity())
        if not maker.upper().startswith("BLOOMY") or "ABS" not in model.upper():
            raise self._fault(f"expected a {SPEC.model}, found {maker} {model}")
        calibrated = await self._ask("CAL:DATE?")
        await self._check_errors()
        return Identity(maker, model, serial, firmware, calibrated.strip('"'))

    async def arm(self) -> None:
        """Set limits, range and filter, take faults out, then switch all on; read all back.

        Raises InstrumentFault if the unit did not take it; other DeviceErrors.
        """
        limits = (self._settings.source_limit_a, self._settings.sink_limit_a)
        await self._write(wire.limits_line(*limits, noise_filter=self._settings.filter))
        replies = await self._ask(wire.READ_LIMITS)
        read = self._parsed(wire.parse_limits, replies)
        if _differ(read.source_a, limits[0]) or _differ(read.sink_a, limits[1]):
            found = f"{read.source_a}, {read.sink_a} A read"
            raise self._fault(f"current limits {limits} A ordered, {found}")
        if read.noise_filter != self._settings.filter:
            raise self._fault("the noise filter did not take its setting")
        if read.faults != [wire.FAULT_READ_BACK["none"]] * SPEC.channels:
            raise self._fault(f"all faults taken out, {','.join(read.faults)} read")
        await self._check_errors()
        await self._write(f":OUTP 1,{wire.ALL}")
        if not all(await self.outputs_on()):
            await self._check_errors()
            raise self._fault("not all outputs went on")

    async def apply(self, voltage_v: Sequence[float], aux_v: Mapping[int, float]) -> None:
        """Set the voltages of cells 1 to ``len(voltage_v)`` and the auxiliary outputs, one line.

        Raises ValueError outside SPEC, before anything is sent; LinkLost.
        """
        if not 0 < len(voltage_v) <= SPEC.channels:
            raise ValueError(f"{self.name}: {len(voltage_v)} cells; it has {SPEC.channels}")
        low, high = SPEC.set_v.low, SPEC.set_v.high
        for value_v in voltage_v:
            if not low <= value_v <= high:
                raise ValueError(f"{self.name}: {value_v} V; a cell goes from {low} to {high} V")
        for number, value_v in aux_v.items():
            if not 1 <= number <= SPEC.aux_outputs or value_v not in SPEC.aux_v:
                raise ValueError(f"{self.name}: auxiliary output {number} at {value_v} V")
        await self._write(wire.settings_line(voltage_v, aux_v))

    async def sense(self) -> CellReadings:
        """Read voltages, averaged currents and alarms in one exchange.

        Raises InstrumentFault with the unit's own code if it has queued an error since, such as a
        refused set-point; other DeviceErrors.
        """
        sensed = self._parsed(wire.parse_sense, await self._ask(wire.SENSE))
        if sensed.errors:
            await self._check_errors()
        return CellReadings(sensed.voltage_v, sensed.current_a, sensed.alarm)

    async def inputs(self) -> Sequence[bool]:
        """Return the levels of the digital inputs. Raises DeviceError."""
        return self._parsed(wire.parse_inputs, await self._ask(wire.READ_INPUTS))

    async def set_fault(self, channel: int, fault: str) -> None:
        """Put ``none``, ``open``, ``short`` or ``polarity`` on one channel and read it back.

        Raises ValueError for any other channel or fault; DeviceError.
        """
        if fault not in wire.FAULTS or not 1 <= channel <= SPEC.channels:
            raise ValueError(f"{self.name}: no fault {fault!r} on channel {channel}")
        await self._write(f":OUTP{channel}:FAUL {wire.FAULTS[fault]}")
        read = (await self._ask(f":OUTP{channel}:FAUL?")).strip()
        if read != wire.FAULT_READ_BACK[fault]:
            raise self._fault(f"fault {fault} ordered on channel {channel}, {read} read")

    async def make_safe(self) -> str:
        """Switch all outputs off together and the auxiliary outputs to 0 V; read both back.

        Raises InstrumentFault if an output is still on, or says that it is off with a voltage
        behind it; other DeviceErrors.
        """
        await self._write(wire.SAFE)
        outputs = await self.outputs_on()
        left = self._parsed(wire.parse_left, await self._ask(wire.READ_LEFT))
        read = "outputs " + ",".join(str(int(on)) for on in outputs)
        if any(outputs):
            raise self._fault(f"told to switch off, {read} read")
        if max(map(abs, left.aux_v)) > SPEC.aux_resolution_v:
            aux = ",".join(f"{value_v:g}" for value_v in left.aux_v)
            raise self._fault(f"auxiliary outputs told to go to 0 V, {aux} read")
        if max(map(abs, left.voltage_v)) >= self._settings.off_below_v:
            await self._refuse_live(read)
        return read

    async def _refuse_live(self, read: str) -> None:
        """Look once more, when all has settled. Raises InstrumentFault if there is a voltage."""
        await self._clock.sleep_until(self._clock.now() + 2 * SPEC.settle)
        left = self._parsed(wire.parse_left, await self._ask(wire.READ_LEFT))
        worst_v = max(left.voltage_v, key=abs)
        if abs(worst_v) >= self._settings.off_below_v:
            cell = left.voltage_v.index(worst_v) + 1
            raise self._fault(f"says {read}, but measures {worst_v:.2f} V at output {cell}")

    async def force(self, means: int) -> str:
        """Take one of ``STRONGER`` and read the outputs back. Raises as ``make_safe``.

        The interlock stays raised: the next one to arm the unit is refused until somebody has
        looked and cleared it (``SYST:ALARM:CLEAR``, or power off and on). A reset drops the outputs
        at once; it can be read back only when the unit has booted.
        """
        how = self.STRONGER[means]
        if how == _INTERLOCK:
            await self._write(wire.RAISE_INTERLOCK)
        elif how == _RESET:
            await self._write(wire.RESET)
            await self._clock.sleep_until(self._clock.now() + wire.REBOOT)
            self._broken_off = True  # what it still owed is gone
        else:
            await self._clear()
        return await self.make_safe()

    async def outputs_on(self) -> list[bool]:
        """Return which outputs are on, as the unit says. Raises DeviceError."""
        return self._parsed(wire.parse_flags, await self._ask(wire.READ_OUTPUTS))


def _four_strings(reply: str) -> Sequence[str]:
    return parse_strings(reply, 4)


def _differ(read_a: Sequence[float], ordered_a: float) -> bool:
    return any(abs(value_a - ordered_a) > _LIMIT_STEP_A for value_a in read_a)
