"""Driver of a Bloomy fault-insertion unit: one module of 24 channels on RS-485."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.instrument import CLEARED, LineInstrument
from drivers.wire import bloomy_fiu as wire
from drivers.wire.bloomy_fiu import Route, Sum8
from hil.core.errors import InstrumentFault
from hil.core.spec import FaultBoxSpec
from hil.ports import ByteLink, Clock, Identity


@dataclass(frozen=True, slots=True)
class FiuSettings:
    """The key that a bench file may give a unit: ``module``, its rotary switch."""

    module: int = 0


class BloomyFiu(LineInstrument):
    """One module (``hil.ports.FaultBox``); it answers every line, and never by itself."""

    SPEC: ClassVar[FaultBoxSpec] = wire.SPEC
    OPTIONS: ClassVar[type] = FiuSettings
    ACKNOWLEDGES: ClassVar[bool] = True
    STRONGER: ClassVar[tuple[str, ...]] = (CLEARED,)

    def __init__(
        self, name: str, link: ByteLink, clock: Clock, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``FiuSettings``. Raises ValueError for no such module."""
        self._module = FiuSettings(**(options or {})).module
        self.IDENTIFY = wire.version_line(self._module)  # type: ignore[misc] # of this module
        super().__init__(
            name,
            link,
            clock,
            terminator=wire.END,
            reply_limit=wire.REPLY_LIMIT,
            framing=Sum8(is_padded=False),
        )
        self._ordered: list[Route] = [Route.CONNECTED] * wire.CHANNELS

    async def identify(self) -> Identity:
        """Ask for its version: it knows no serial number. Raises DeviceError."""
        answer = self._parsed(wire.parse_answer, await self._ask_identity())
        return Identity("Bloomy", self.SPEC.model, "", answer)

    async def arm(self) -> None:
        """Connect all channels and read them back. Raises InstrumentFault, other DeviceErrors."""
        await self._connect_all()

    async def set_open(self, channel: int, *, is_open: bool) -> None:
        """Open a channel or connect it again, and read all back.

        Raises ValueError for a channel that there is not, InstrumentFault, other DeviceErrors.
        """
        route = Route.OPEN if is_open else Route.CONNECTED
        line = wire.route_line(self._module, channel, route)
        if channel == wire.ALL:
            raise ValueError(f"{self.name}: expected one channel, 1 to {wire.CHANNELS}")
        await self._order(line)
        self._ordered[channel - 1] = route
        await self.sense()

    async def sense(self) -> None:
        """See that all channels are as they were told. Raises InstrumentFault if one is not."""
        found = await self._routes()
        for channel, (told, read) in enumerate(zip(self._ordered, found, strict=True), 1):
            if read is not told:
                shown = "unknown" if read is None else read.name.lower()
                text = f"channel {channel} was told {told.name.lower()}, {shown} read"
                raise self._fault(text)

    async def make_safe(self) -> str:
        """Connect all channels: the board sees its pack whole. Raises InstrumentFault."""
        await self._connect_all()
        return f"channels 1 to {wire.CHANNELS} connected"

    async def force(self, means: int) -> str:
        """Take one of ``STRONGER`` and read back. Raises as ``make_safe``."""
        assert self.STRONGER[means] == CLEARED  # noqa: S101 - there is no other
        await self._clear()
        return await self.make_safe()

    async def _connect_all(self) -> None:
        await self._order(wire.route_line(self._module, wire.ALL, Route.CONNECTED))
        self._ordered = [Route.CONNECTED] * wire.CHANNELS
        await self.sense()

    async def _order(self, line: str) -> None:
        """Send an order and see that it was taken. Raises InstrumentFault with the unit's words."""
        answer = await self._ask(line)
        try:
            wire.parse_answer(answer)
        except ValueError as error:
            raise InstrumentFault(self.name, f"{line}: {error}", 0) from error

    async def _routes(self) -> list[Route | None]:
        """Return every channel's route as it says, None for what it does not tell."""
        answer = await self._ask(wire.states_line(self._module))
        return list(self._parsed(lambda it: wire.parse_routes(wire.parse_answer(it)), answer))
