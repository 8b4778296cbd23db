"""Driver of the R&S NGM202: two cells a unit, each channel addressed after ``INST:NSEL``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.cell_emulators.plain_unit import Outputs, PlainUnit
from drivers.wire import rs_ngm as wire
from hil.core.instants import Duration
from hil.core.spec import EmulatorSpec
from hil.ports import ByteLink, CellReadings, Clock

SPEC = wire.SPEC


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


class RsNgm(PlainUnit):
    """One unit (``hil.ports.CellEmulator``).

    Its mean current is restarted with each reading: it covers the whole tick, however long.
    """

    SPEC: ClassVar[EmulatorSpec] = SPEC
    OPTIONS: ClassVar[type] = NgmSettings
    SAFE: ClassVar[str] = wire.SAFE
    WINDOW: ClassVar[Duration] = wire.READING_WINDOW
    MAKERS: ClassVar[tuple[str, ...]] = ("ROHDE",)
    MODELS: ClassVar[str] = wire.MODEL

    def __init__(
        self, name: str, link: ByteLink, clock: Clock, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``NgmSettings``. Raises ValueError outside SPEC."""
        super().__init__(name, link, clock, terminator=b"\n", reply_limit=wire.REPLY_LIMIT)
        self._settings = wanted = NgmSettings(**(options or {}))
        self._within("A current limit", wanted.limit_a, SPEC.source_a)
        self._within("V protection", wanted.protection_v, SPEC.set_v.high)
        self._highest_v, self._off_below_v = wanted.protection_v, wanted.off_below_v

    async def arm(self) -> None:
        """Set limit and protections, then switch all on; read all back.

        Raises InstrumentFault if the unit did not take it; other DeviceErrors.
        """
        wanted = self._settings
        await self._write(wire.CLEAR_TRIPS)
        await self._write(wire.limits_line(wanted.limit_a, wanted.protection_v))
        read = self._parsed(wire.parse_limits, await self._ask(wire.READ_LIMITS))
        self._taken("A current limit", wanted.limit_a, read.current_a)
        self._taken("V protection", wanted.protection_v, read.protection_v)
        if not all(read.protected):
            raise self._fault("over-voltage protection and fuse ordered, and not on")
        await self._switch_on(wire.ARM)
        await self._write(wire.RESTART_MEANS)

    async def sense(self) -> CellReadings:
        """Read voltages, currents and trips in one exchange.

        Raises InstrumentFault with the unit's own code if it has queued an error since; other
        DeviceErrors.
        """
        sensed = self._parsed(wire.parse_sense, await self._ask(wire.SENSE))
        if sensed.has_errors:
            await self._check_errors()
        return CellReadings(sensed.voltage_v, sensed.current_a, sensed.alarm)

    def _settings_line(self, voltage_v: Sequence[float]) -> str:
        return wire.settings_line(voltage_v)

    async def _outputs(self) -> Outputs:
        read = self._parsed(wire.parse_outputs, await self._ask(wire.READ_OUTPUTS))
        return Outputs([read.master and one for one in read.selected], read.voltage_v)
