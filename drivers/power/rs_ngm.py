"""Driver of an R&S NGM202 as the board's supply: the unit of the cell emulator, in another role."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.cell_emulators.rs_ngm import NgmSettings, RsNgm
from drivers.wire import rs_ngm as wire
from hil.core.spec import SupplySpec
from hil.ports import ByteLink, Clock, Identity, SupplyReading

_UNIT = wire.SPEC
SPEC = SupplySpec(
    model=_UNIT.model,
    channels=_UNIT.channels,
    set_v=_UNIT.set_v,
    set_accuracy_v=_UNIT.set_accuracy_v,
    read_accuracy_v=_UNIT.read_accuracy_v,
    read_accuracy_a=_UNIT.read_accuracy_a,
    source_a=_UNIT.source_a,
    settle=_UNIT.settle,
    reply=_UNIT.reply,
)


@dataclass(frozen=True, slots=True)
class NgmSupplySettings:
    """The keys that a bench file may give a unit that supplies a board.

    ``limit_a`` is its current limit, ``protection_v`` where its over-voltage protection trips. An
    output that says it is off and measures ``off_below_v`` or more is not taken for safe.
    """

    limit_a: float = 0.5
    protection_v: float = 16.0
    off_below_v: float = wire.OFF_BELOW_V


class RsNgmSupply:
    """One channel of a unit (``hil.ports.Supply``); its other outputs stay at 0 V."""

    SPEC: ClassVar[SupplySpec] = SPEC
    OPTIONS: ClassVar[type] = NgmSupplySettings
    STRONGER: ClassVar[tuple[str, ...]] = RsNgm.STRONGER

    def __init__(
        self, name: str, link: ByteLink, clock: Clock, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``NgmSupplySettings``. Raises ValueError outside SPEC."""
        self.name = name
        wanted = NgmSupplySettings(**(options or {}))
        settings = NgmSettings(wanted.limit_a, wanted.protection_v, wanted.off_below_v)
        keys = {key: getattr(settings, key) for key in NgmSettings.__slots__}
        self._unit = RsNgm(name, link, clock, keys)

    async def connect(self) -> None:
        """Open the link. Raises LinkLost."""
        await self._unit.connect()

    async def identify(self) -> Identity:
        """Ask who answers. Raises InstrumentFault for another model; other DeviceErrors."""
        return await self._unit.identify()

    async def arm(self) -> None:
        """Set limit and protections, then switch on; read all back. Raises DeviceError."""
        await self._unit.arm()

    def check(self) -> None:
        """Raise LinkLost if the link is known to be gone; does no I/O."""
        self._unit.check()

    async def give(self, channel: int, voltage_v: float) -> None:
        """Set the voltage of one channel. Raises ValueError outside SPEC; LinkLost."""
        await self._unit.apply([*[0.0] * (channel - 1), voltage_v], {})

    async def sense(self, channel: int) -> SupplyReading:
        """Read one channel back. Raises InstrumentFault, other DeviceErrors."""
        read = await self._unit.sense()
        return SupplyReading(read.voltage_v[channel - 1], read.current_a[channel - 1], read.alarm)

    async def make_safe(self) -> str:
        """Switch all outputs off and read them back. Raises InstrumentFault, other DeviceErrors."""
        return await self._unit.make_safe()

    async def force(self, means: int) -> str:
        """Take one of ``STRONGER`` and read the outputs back. Raises as ``make_safe``."""
        return await self._unit.force(means)

    async def close(self) -> None:
        """Let go of the link; harmless when it is closed."""
        await self._unit.close()
