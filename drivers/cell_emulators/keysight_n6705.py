"""Driver of the Keysight N6705C: four cells a unit, and a watchdog that switches them off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.cell_emulators.plain_unit import Outputs, PlainUnit
from drivers.wire import keysight_n6705 as wire
from hil.core.instants import SECOND, Duration, Instant
from hil.core.spec import EmulatorSpec
from hil.ports import ByteLink, CellReadings, Clock

SPEC = wire.SPEC


@dataclass(frozen=True, slots=True)
class N6705Settings:
    """The keys that a bench file may give a unit.

    ``limit_a`` is the current limit of a channel, ``protection_v`` where its over-voltage
    protection trips. A host that says nothing for ``watchdog_s`` has all outputs switched off by
    the unit itself: whole seconds, longer than any tick. An output that says it is off and measures
    ``off_below_v`` or more is not taken for safe.
    """

    limit_a: float = 1.0
    protection_v: float = 5.0
    watchdog_s: float = 30.0
    off_below_v: float = wire.OFF_BELOW_V


class KeysightN6705(PlainUnit):
    """One unit (``hil.ports.CellEmulator``).

    Its current is the charge that it has counted since the reading before, by the time between: it
    covers the whole tick, however long, and what a reading that broke off did not tell.
    """

    SPEC: ClassVar[EmulatorSpec] = SPEC
    OPTIONS: ClassVar[type] = N6705Settings
    SAFE: ClassVar[str] = wire.SAFE
    WINDOW: ClassVar[Duration] = wire.READING_WINDOW
    MAKERS: ClassVar[tuple[str, ...]] = ("KEYSIGHT", "AGILENT")
    MODELS: ClassVar[str] = wire.MODEL[:-1]  # N6705A to C

    def __init__(
        self, name: str, link: ByteLink, clock: Clock, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``N6705Settings``. Raises ValueError outside SPEC."""
        super().__init__(name, link, clock, terminator=b"\n", reply_limit=wire.REPLY_LIMIT)
        self._settings = wanted = N6705Settings(**(options or {}))
        self._within("A current limit", wanted.limit_a, SPEC.source_a)
        self._within("V protection", wanted.protection_v, SPEC.set_v.high)
        if wanted.watchdog_s not in wire.WATCHDOG_S or wanted.watchdog_s % 1.0:
            span = f"whole seconds from {wire.WATCHDOG_S.low:g} to {wire.WATCHDOG_S.high:g} go"
            raise ValueError(f"{name}: a watchdog of {wanted.watchdog_s} s; {span}")
        self._highest_v, self._off_below_v = wanted.protection_v, wanted.off_below_v
        self._counted: tuple[Instant, Sequence[float]] = (0, [0.0] * SPEC.channels)

    async def arm(self) -> None:
        """Set limits, protection and watchdog, then switch all on; read all back.

        Raises InstrumentFault if the unit did not take it; other DeviceErrors.
        """
        wanted = self._settings
        await self._write(wire.CLEAR_TRIPS)
        limits = (wanted.limit_a, wanted.protection_v, wanted.watchdog_s)
        await self._write(wire.limits_line(*limits))
        read = self._parsed(wire.parse_limits, await self._ask(wire.READ_LIMITS))
        self._taken("A current limit", wanted.limit_a, read.current_a)
        self._taken("V protection", wanted.protection_v, read.protection_v)
        self._taken("s watchdog", wanted.watchdog_s, [read.watchdog_s])
        if not read.watchdog:
            raise self._fault("watchdog ordered, and not on")
        await self._switch_on(wire.ARM)
        await self.sense()

    async def sense(self) -> CellReadings:
        """Read voltages, charge and conditions in one exchange.

        Raises InstrumentFault with the unit's own code if it has queued an error since; other
        DeviceErrors.
        """
        asked = self._clock.now()
        sensed = self._parsed(wire.parse_sense, await self._ask(wire.SENSE))
        (since, before_as), self._counted = self._counted, (asked, sensed.charge_as)
        if sensed.has_errors:
            await self._check_errors()
        seconds = max(asked - since, 1) / SECOND
        current_a = [
            (now - then) / seconds for now, then in zip(sensed.charge_as, before_as, strict=True)
        ]
        return CellReadings(sensed.voltage_v, current_a, sensed.alarm)

    def _settings_line(self, voltage_v: Sequence[float]) -> str:
        return wire.settings_line(voltage_v)

    async def _outputs(self) -> Outputs:
        return Outputs(*self._parsed(wire.parse_outputs, await self._ask(wire.READ_OUTPUTS)))
