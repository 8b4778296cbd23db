"""Driver of a thermal chamber with an ESPEC P300 or SCP-220 controller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.instrument import CLEARED, LineInstrument
from drivers.wire import espec_p300 as wire
from hil.core.errors import MalformedReply
from hil.core.instants import Instant
from hil.core.spec import ChamberSpec
from hil.ports import ByteLink, ChamberReading, Clock, Identity

SPEC = wire.SPEC
_EVERY = 10  # readings between two looks at the set-point, which changes rarely
_SAME_K = 0.06  # the controller counts in tenths
_HIGHEST_ADDRESS = 16


@dataclass(frozen=True, slots=True)
class P300Settings:
    """The keys that a bench file may give a chamber; ``address`` is its RS-485 one, 0 for none."""

    address: int = 0


class EspecP300(LineInstrument):
    """One chamber (``hil.ports.Chamber``).

    A ramp is a remote program of the controller, as steep as whole minutes allow without being
    steeper than ordered. When it has run its time, ``sense`` brings the controller back to constant
    mode at the ramp's end, an order a reading: whatever the program itself does at its end, the
    chamber holds.
    """

    SPEC: ClassVar[ChamberSpec] = SPEC
    OPTIONS: ClassVar[type] = P300Settings
    IDENTIFY: ClassVar[str] = wire.ASK_ROM
    ACKNOWLEDGES: ClassVar[bool] = True
    STRONGER: ClassVar[tuple[str, ...]] = (
        CLEARED,
        "its operation was switched off (POWER, OFF)",
        f"its set-point was put to {wire.ROOM_DEGC:g} degC",
    )

    def __init__(
        self, name: str, link: ByteLink, clock: Clock, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``P300Settings``. Raises ValueError for no such address."""
        settings = P300Settings(**(options or {}))
        if not 0 <= settings.address <= _HIGHEST_ADDRESS:
            raise ValueError(f"{name}: no address {settings.address}: 1 to {_HIGHEST_ADDRESS}")
        super().__init__(
            name,
            link,
            clock,
            terminator=b"\r\n",
            reply_limit=wire.REPLY_LIMIT,
            spacing=wire.spacing,
            prefix=f"{settings.address}," if settings.address else "",
        )
        self._ordered: tuple[float, float | None] | None = None
        self._ramp_ends: Instant | None = None
        self._landing: list[str] = []
        self._until_look = 0
        self._alarm = ""

    async def identify(self) -> Identity:
        """Ask who answers; there is no serial number to ask for. Raises DeviceError."""
        firmware = await self._ask_identity()
        if firmware.startswith("NA:"):
            raise self._fault(f"expected a controller of ESPEC, which knows ROM?; found {firmware}")
        model, _ = self._parsed(wire.parse_type, await self._ask(wire.ASK_TYPE))
        return Identity("ESPEC", model, "", firmware)

    async def arm(self) -> None:
        """Run in constant mode at the temperature that the air has now.

        The stored set-point could be anybody's. Raises InstrumentFault if the mode is not taken or
        the controller refuses; other DeviceErrors.
        """
        self._forget()
        air = self._parsed(wire.parse_air, await self._ask(wire.ASK_AIR))
        here_degc = min(max(air.air_degc, SPEC.set_degc.low), SPEC.set_degc.high)
        await self._order(wire.set_point_line(here_degc))
        await self._order(wire.CONSTANT)
        mode = await self._mode()
        if mode != "CONSTANT":
            raise self._fault(f"told to go to CONSTANT, {mode} read")

    async def apply(self, set_degc: float, ramp_k_per_min: float | None) -> None:
        """Go to ``set_degc``, at a ramp or as fast as it can; sends only what changes.

        Raises ValueError outside SPEC, before anything is sent; InstrumentFault if the controller
        refuses; other DeviceErrors.
        """
        if set_degc not in SPEC.set_degc:
            span = SPEC.set_degc
            raise ValueError(
                f"{self.name}: {set_degc} degC; it goes from {span.low} to {span.high}"
            )
        if ramp_k_per_min is not None and not 0.0 < ramp_k_per_min <= SPEC.ramp_k_per_min:
            most = SPEC.ramp_k_per_min
            raise ValueError(f"{self.name}: {ramp_k_per_min} K/min; up to {most} K/min goes")
        if (set_degc, ramp_k_per_min) == self._ordered:
            return
        was_ramping = self._ramp_ends is not None or bool(self._landing)
        self._forget()
        if ramp_k_per_min is not None:
            await self._ramp(set_degc, ramp_k_per_min)
        else:
            await self._order(wire.set_point_line(set_degc))
            if was_ramping:
                await self._order(wire.CONSTANT)
        self._ordered = (set_degc, ramp_k_per_min)

    async def sense(self) -> ChamberReading:
        """Read air, mode and alarms; every tenth time and after a change the set-point.

        ``alarm`` is empty or the maker's numbers. Raises InstrumentFault if the set-point or the
        mode is not the one ordered; other DeviceErrors.
        """
        await self._land()
        if self._until_look > 0 or self._landing:
            self._until_look = max(self._until_look - 1, 0)
            return await self._monitor()
        return await self._look()

    async def make_safe(self) -> str:
        """Stop everything, a program too, and return the mode as read back.

        Raises InstrumentFault if it still runs or refuses; other DeviceErrors.
        """
        self._forget()
        if self._broken_off:  # "off" goes out first; what it answers is drained
            await self._write(wire.STANDBY)
        await self._order(wire.STANDBY)
        return await self._stopped()

    async def force(self, means: int) -> str:
        """Take one of ``STRONGER`` and read the mode back. Raises as ``make_safe``."""
        self._forget()
        if self.STRONGER[means] == CLEARED:
            await self._clear()
            return await self.make_safe()
        if "POWER" in self.STRONGER[means]:
            await self._order(wire.POWER_OFF)
            return await self._stopped()
        await self._order(wire.set_point_line(wire.ROOM_DEGC))
        if await self._mode() == "RUN":  # a ramp has its own end
            await self._order(wire.CONSTANT)
        return await self.make_safe()

    # --- set-points ------------------------------------------------------------------------------

    def _forget(self) -> None:
        """Begin anew: nothing was ordered."""
        self._ordered, self._ramp_ends, self._landing = None, None, []
        self._until_look, self._alarm = 0, ""

    async def _ramp(self, set_degc: float, ramp_k_per_min: float) -> None:
        """Run a remote program from the set-point of now to ``set_degc``."""
        now = self._parsed(wire.parse_air, await self._ask(wire.ASK_AIR))
        try:
            line, takes = wire.ramp_line(now.set_degc, set_degc, ramp_k_per_min)
        except ValueError as error:
            raise self._fault(str(error)) from error
        await self._order(line)
        self._ramp_ends = self._clock.now() + takes
        self._until_look = 1  # two questions behind two lines would not fit into a tick

    async def _land(self) -> None:
        """Bring a ramp that has run its time over to constant mode, an order each time."""
        if self._ramp_ends is not None and self._clock.now() >= self._ramp_ends:
            assert self._ordered is not None  # noqa: S101 - a ramp was ordered
            self._ramp_ends = None
            self._landing = [wire.set_point_line(self._ordered[0]), wire.CONSTANT]
        if self._landing:
            await self._order(self._landing[0])
            del self._landing[0]

    async def _order(self, line: str) -> None:
        """Send an order and see that it is acknowledged. Raises InstrumentFault if it is not."""
        answer = await self._ask(line)
        if answer.startswith("NA:"):
            raise self._fault(f"{line!r} is refused: {answer.removeprefix('NA:')}")
        if _bare(answer) not in (_bare(f"OK:{line}"), _bare(f"OK:{self._prefix}{line}")):
            raise MalformedReply(self.name, f"{answer!r} does not acknowledge {line!r}")

    # --- readings --------------------------------------------------------------------------------

    async def _monitor(self) -> ChamberReading:
        """Read air, mode and alarms in one line."""
        found = self._parsed(wire.parse_monitor, await self._ask(wire.ASK_MONITOR))
        self._alarm = ""
        if found.alarms:
            numbers = self._parsed(wire.parse_alarms, await self._ask(wire.ASK_ALARMS))
            self._alarm = f"alarm {', '.join(map(str, numbers)) or found.alarms}"
        elif self._ordered is not None and found.mode in wire.STOPPED:
            raise self._fault(f"told to run, its mode is {found.mode}")
        set_degc = found.air_degc if self._ordered is None else self._ordered[0]
        return ChamberReading(found.air_degc, set_degc, self._alarm)

    async def _look(self) -> ChamberReading:
        """Read the set-point too: that of constant mode, or where a ramp ends."""
        self._until_look = _EVERY - 1
        if self._ramp_ends is not None:
            _, set_degc = self._parsed(wire.parse_ramp, await self._ask(wire.ASK_RAMP))
            self._hold_to(set_degc)
            return await self._monitor()
        air = self._parsed(wire.parse_air, await self._ask(wire.ASK_AIR))
        self._hold_to(air.set_degc)
        return ChamberReading(air.air_degc, air.set_degc, self._alarm)

    def _hold_to(self, set_degc: float) -> None:
        """Raise InstrumentFault where a set-point is not the one ordered."""
        if self._ordered is not None and not abs(set_degc - self._ordered[0]) <= _SAME_K:
            self._until_look = 0
            ordered = f"set-point {self._ordered[0]:.1f} degC ordered"
            raise self._fault(f"{ordered}, {set_degc:.1f} read")

    async def _mode(self) -> str:
        return self._parsed(wire.parse_mode, await self._ask(wire.ASK_MODE))

    async def _stopped(self) -> str:
        """Return the mode. Raises InstrumentFault if the chamber runs."""
        mode = await self._mode()
        if mode not in wire.STOPPED:
            raise self._fault(f"told to stop, its mode is {mode}")
        return f"mode {mode}"


def _bare(text: str) -> str:
    """Return a line without what an echo may change: spaces and case."""
    return text.replace(" ", "").upper()
