"""Driver of the Keithley 2281S-20-6: one cell a unit, held by its battery simulator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.cell_emulators.plain_unit import Outputs, PlainUnit
from drivers.wire import keithley_2281s as wire
from hil.core.instants import Duration
from hil.core.spec import EmulatorSpec
from hil.ports import ByteLink, CellReadings, Clock

SPEC = wire.SPEC


@dataclass(frozen=True, slots=True)
class Keithley2281sSettings:
    """The keys that a bench file may give a unit.

    ``limit_a`` is its current limit (it sinks 1 A at most, whatever that says), ``protection_v``
    where its over-voltage protection trips and the highest voltage of the cell, ``model`` the slot
    of its memory that the driver keeps its model in and overwrites. An output that says it is off
    and measures ``off_below_v`` or more is not taken for safe.
    """

    limit_a: float = 1.0
    protection_v: float = 5.0
    model: int = 9
    off_below_v: float = wire.OFF_BELOW_V


class Keithley2281s(PlainUnit):
    """One unit (``hil.ports.CellEmulator``); why by the simulator: ``drivers/wire``.

    Its current is the mean of all readings that its buffer took since it was asked before.
    """

    SPEC: ClassVar[EmulatorSpec] = SPEC
    OPTIONS: ClassVar[type] = Keithley2281sSettings
    SAFE: ClassVar[str] = wire.SAFE
    WINDOW: ClassVar[Duration] = wire.READING_WINDOW
    MAKERS: ClassVar[tuple[str, ...]] = ("KEITHLEY",)
    MODELS: ClassVar[str] = "MODEL 2281S"

    def __init__(
        self, name: str, link: ByteLink, clock: Clock, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``Keithley2281sSettings``; ValueError outside SPEC."""
        super().__init__(name, link, clock, terminator=b"\n", reply_limit=wire.REPLY_LIMIT)
        self._settings = wanted = Keithley2281sSettings(**(options or {}))
        self._within("A current limit", wanted.limit_a, SPEC.source_a)
        self._within("V protection", wanted.protection_v, SPEC.set_v.high)
        if wanted.protection_v not in wire.PROTECTION_V:
            low = wire.PROTECTION_V.low
            raise ValueError(f"{name}: {wanted.protection_v} V protection; {low} V and more go")
        if wanted.model not in wire.SLOTS:
            raise ValueError(f"{name}: no model {wanted.model}; it has 1 to {wire.SLOTS[-1]}")
        self._highest_v, self._off_below_v = wanted.protection_v, wanted.off_below_v
        self._ordered_v, self._prepared = SPEC.set_v.low, False

    async def apply(self, voltage_v: Sequence[float], aux_v: Mapping[int, float]) -> None:
        """Set the cell; before ``arm`` has recalled the model it is kept, and set there.

        Raises ValueError outside SPEC, before anything is sent; LinkLost.
        """
        self._check_settings(voltage_v, aux_v)
        self._ordered_v = voltage_v[0]
        if self._prepared:
            await self._write(self._settings_line(voltage_v))

    async def arm(self) -> None:
        """Choose the simulator, see to its model, set limits, switch on; read all back.

        The model's memory is written only where it holds another one. Raises InstrumentFault if
        the unit did not take it; other DeviceErrors.
        """
        wanted = self._settings
        await self._write(wire.SIMULATE)
        if not await self._has_model():
            await self._write(wire.model_line(wanted.model, wanted.protection_v))
            if not await self._has_model():
                await self._check_errors()
                raise self._fault(f"model {wanted.model} stored, and another one read")
        await self._write(wire.limits_line(wanted.model, wanted.limit_a, wanted.protection_v))
        read = self._parsed(wire.parse_limits, await self._ask(wire.READ_LIMITS))
        self._taken("A current limit", wanted.limit_a, [read.current_a])
        self._taken("V protection", wanted.protection_v, [read.protection_v])
        if not read.simulates:
            raise self._fault("static simulation ordered, and another function read")
        self._prepared = True
        await self._write(wire.settings_line(self._ordered_v))  # a recalled model starts full
        await self._switch_on(wire.ARM)

    async def sense(self) -> CellReadings:
        """Read voltage, buffered currents and trips in one exchange.

        Raises InstrumentFault with the unit's own code if it has queued an error since; other
        DeviceErrors.
        """
        sensed = self._parsed(wire.parse_sense, await self._ask(wire.SENSE))
        if sensed.has_errors:
            await self._check_errors()
        return CellReadings([sensed.voltage_v], [sensed.current_a], sensed.alarm)

    async def _has_model(self) -> bool:
        wanted = self._settings
        reply = await self._ask(wire.read_model_line(wanted.model))
        return self._parsed(lambda it: wire.is_model(it, wanted.protection_v), reply)

    def _settings_line(self, voltage_v: Sequence[float]) -> str:
        return wire.settings_line(voltage_v[0])

    async def _outputs(self) -> Outputs:
        on, voltage_v = self._parsed(wire.parse_outputs, await self._ask(wire.READ_OUTPUTS))
        return Outputs([on], [voltage_v])
