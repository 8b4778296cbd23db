"""What drivers of plain emulators share: outputs that one line switches off, and nothing beside."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from drivers.instrument import CLEARED, ScpiInstrument
from drivers.wire.scpi_data import parse_strings
from hil.core.instants import Duration
from hil.core.spec import EmulatorSpec
from hil.ports import Identity

_RESET = "it was reset by *RST"
_LIMIT_STEP = 1e-3  # a limit that reads back further off than this was not taken


class Outputs(NamedTuple):
    """What a unit says and measures of its outputs: (channels,) each."""

    on: list[bool]
    voltage_v: list[float]


class PlainUnit(ScpiInstrument, ABC):
    """A unit without fault relays and auxiliary outputs (a part of ``hil.ports.CellEmulator``).

    ``SAFE`` is the line that switches all outputs off together, ``WINDOW`` how long a reading of a
    voltage looks back.
    """

    SPEC: ClassVar[EmulatorSpec]
    SAFE: ClassVar[str]
    WINDOW: ClassVar[Duration]
    MAKERS: ClassVar[tuple[str, ...]]
    MODELS: ClassVar[str]
    CURRENT_LIMITS: ClassVar[tuple[str, ...]] = ("limit_a",)
    FAULTS: ClassVar[tuple[str, ...]] = ()
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = ()
    STRONGER: ClassVar[tuple[str, ...]] = (CLEARED, _RESET)

    _highest_v: float
    _off_below_v: float

    @abstractmethod
    async def _outputs(self) -> Outputs:
        """Ask what the unit says and measures of its outputs. Raises DeviceError."""

    @abstractmethod
    def _settings_line(self, voltage_v: Sequence[float]) -> str:
        """Return the message that sets the first cells."""

    async def identify(self) -> Identity:
        """Ask who answers and clear old errors.

        Raises InstrumentFault if it is another model or reports an error; other DeviceErrors.
        """
        await self._write("*CLS")
        answer = await self._ask_identity()
        maker, model, serial, firmware = self._parsed(lambda it: parse_strings(it, 4), answer)
        if not maker.upper().startswith(self.MAKERS) or not model.startswith(self.MODELS):
            raise self._fault(f"expected a {self.SPEC.model}, found {maker} {model}")
        await self._check_errors()
        return Identity(maker, model, serial, firmware)

    async def apply(self, voltage_v: Sequence[float], aux_v: Mapping[int, float]) -> None:
        """Set the voltages of cells 1 to ``len(voltage_v)`` in one line.

        Raises ValueError outside SPEC, before anything is sent; LinkLost.
        """
        self._check_settings(voltage_v, aux_v)
        await self._write(self._settings_line(voltage_v))

    def _check_settings(self, voltage_v: Sequence[float], aux_v: Mapping[int, float]) -> None:
        """Refuse what the unit could not have. Raises ValueError."""
        if not 0 < len(voltage_v) <= self.SPEC.channels:
            raise ValueError(f"{self.name}: {len(voltage_v)} cells; it has {self.SPEC.channels}")
        if aux_v:
            raise ValueError(f"{self.name}: it has no auxiliary outputs")
        low, high = self.SPEC.set_v.low, self._highest_v
        for value_v in voltage_v:
            if not low <= value_v <= high:
                raise ValueError(f"{self.name}: {value_v} V; a cell goes from {low} to {high} V")

    async def inputs(self) -> Sequence[bool]:
        """Return no level: a plain unit has no digital inputs."""
        return ()

    async def set_fault(self, channel: int, fault: str) -> None:
        """Refuse: the unit has no fault relays. Raises ValueError but for ``none``."""
        if fault != "none":
            raise ValueError(f"{self.name}: no fault {fault!r} on channel {channel}")

    async def make_safe(self) -> str:
        """Switch all outputs off together and read them back.

        Raises InstrumentFault if an output is still on, or says that it is off with a voltage
        behind it; other DeviceErrors.
        """
        await self._write(self.SAFE)
        left = await self._outputs()
        read = "outputs " + ",".join(str(int(one)) for one in left.on)
        if any(left.on):
            raise self._fault(f"told to switch off, {read} read")
        if max(map(abs, left.voltage_v)) >= self._off_below_v:
            await self._clock.sleep_until(self._clock.now() + 2 * self.WINDOW)
            left = await self._outputs()
        worst_v = max(left.voltage_v, key=abs)
        if abs(worst_v) >= self._off_below_v:
            output = left.voltage_v.index(worst_v) + 1
            raise self._fault(f"says {read}, but measures {worst_v:.2f} V at output {output}")
        return read

    async def force(self, means: int) -> str:
        """Take one of ``STRONGER`` and read the outputs back. Raises as ``make_safe``."""
        if self.STRONGER[means] == _RESET:
            await self._write("*RST")
        else:
            await self._clear()
        return await self.make_safe()

    async def outputs_on(self) -> list[bool]:
        """Return which outputs are on, as the unit says. Raises DeviceError."""
        return (await self._outputs()).on

    async def _switch_on(self, line: str) -> None:
        """Switch all outputs on. Raises InstrumentFault if one does not go; other DeviceErrors."""
        await self._check_errors()
        await self._write(line)
        if not all(await self.outputs_on()):
            await self._check_errors()
            raise self._fault("not all outputs went on")

    def _within(self, what: str, value: float, most: float) -> None:
        """Refuse a setting that the unit could not have. Raises ValueError."""
        if not 0.0 < value <= most:
            raise ValueError(f"{self.name}: {value} {what}; up to {most} goes")

    def _taken(self, what: str, ordered: float, read: Sequence[float]) -> None:
        """Hold what was ordered against what is read. Raises InstrumentFault."""
        if any(abs(value - ordered) > _LIMIT_STEP for value in read):
            raise self._fault(f"{ordered} {what} ordered, {list(read)} read")
