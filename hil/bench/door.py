"""The chamber's door: kept shut while room air would condense on what is in the chamber.

A run that ends in the cold, and has the time, warms the chamber with all outputs off before heating
goes off too; one that is in a hurry says that the door must stay shut, and until when.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from hil.bench.rig import Rig
from hil.bench.safe_state import CHAMBER, SafeState, open_known
from hil.core.errors import DeviceError
from hil.core.instants import HOUR, MILLISECOND, MINUTE, SECOND, Duration, Instant, to_seconds
from hil.core.records import DoorKept, Record
from hil.core.signals import Layout
from hil.ports import Clock, Identity
from hil.profile.room import Room

LOOKED_EVERY = 10 * SECOND
DEADLINE = 2 * HOUR
"""After that a chamber does not get warm, whatever the reason."""

UNHEARD_SOAK = 30 * MINUTE
"""What a board needs to follow the air, where it does not say how warm it is: instruments.md, 2."""

ABOVE_RELEASE_K = 2.0
"""The set-point lies so far above what is needed: chambers err by 0.5 K and swing by as much."""

RUNAWAY_K = 15.0
"""Air so far above that set-point is not what was ordered."""

SLICE = 300 * MILLISECOND
"""How long a wait may take to notice that it is to end."""


def told(room: Room, air_degc: float) -> str:
    """Return what to know of the door before it is opened; empty where it may be."""
    dew = f"dew point {room.dew_degc:.1f} degC{' [assumed]' if room.assumed else ''}"
    if math.isnan(air_degc):
        return f"cold? keep the door shut below {room.release_degc:.1f} degC: air unknown, {dew}"
    if air_degc >= room.release_degc:
        return ""
    return f"keep the door shut until {room.release_degc:.1f} degC: air {air_degc:.1f} degC, {dew}"


async def asked(rig: Rig) -> str:
    """Return what to know of the door, by the air as the chamber itself reads it now."""
    try:
        return told(rig.room, (await rig.chamber.sense()).air_degc)
    except DeviceError:
        return told(rig.room, math.nan)


class _Ended(Exception):
    """Nobody waits any longer."""


class Door:
    """Watches over the door of one run's chamber."""

    def __init__(
        self,
        rig: Rig,
        clock: Clock,
        layout: Layout,
        emulated_ntcs: Collection[int],
        emit: Callable[[Record], None],
    ) -> None:
        """``emulated_ntcs`` (from 1) are wires, and say nothing of the chamber."""
        self._rig, self._clock, self._room, self._emit = rig, clock, rig.room, emit
        self._air = layout.index("chamber.air_degc")
        self._pcb, ntcs = layout.index("board.pcb_degc"), layout.columns("board.ntc_degc")
        self._physical = [
            column for ntc, column in enumerate(range(ntcs.start, ntcs.stop), 1)
            if ntc not in emulated_ntcs
        ]  # fmt: skip
        self._ntcs = ntcs
        self.air_degc = self._board_degc = math.nan
        self.warming = False
        self._said = False
        self._ended_by = ""

    def note(self, row: Sequence[float], set_degc: float) -> None:
        """Keep the newest row's temperatures; a set-point stands for air that nobody has read."""
        air_degc = row[self._air]
        self.air_degc = set_degc if math.isnan(air_degc) else air_degc
        self._board_degc = _lowest([row[self._pcb], *(row[column] for column in self._physical)])

    @property
    def coldest_degc(self) -> float:
        """Return the coldest of what is known in the chamber; NaN for nothing."""
        return _lowest([self.air_degc, self._board_degc])

    def told(self) -> str:
        """Return what to know of the door, for the chamber's read-back; empty for nothing."""
        return "" if math.isnan(self.coldest_degc) else told(self._room, self.coldest_degc)

    def end(self, source: str) -> None:
        """Wait no longer: somebody asked for the end."""
        self._ended_by = self._ended_by or source

    async def release(
        self, safe: SafeState, known: Mapping[str, Identity], alive: Callable[[], None]
    ) -> None:
        """Warm a cold chamber with the outputs off, until its door may be opened.

        ``alive`` is called on the way, and may raise. Nothing is done, or recorded, where the
        coldest of what is known is warm enough.
        """
        if not self.coldest_degc < self._room.release_degc:
            return
        target_degc = self._room.release_degc + ABOVE_RELEASE_K
        self.warming, hears = True, False
        try:
            if not await safe.reach_before(CHAMBER):
                self.stays("the outputs could not be shown to be off")
                return
            begun = self._clock.now()
            self._say(
                "warming", f"outputs off, set-point {target_degc:.1f} degC; Ctrl-C leaves it cold"
            )
            hears = await self._listen(known)
            await self._rig.chamber.apply(target_degc, None)
            await self._warm(begun + DEADLINE, target_degc, alive, hears=hears)
            waited_s = to_seconds(self._clock.now() - begun)
            self._say("released", f"after {waited_s / 60:.0f} min")
        except (_Ended, DeviceError) as why:
            self.stays(str(why))
        finally:
            self.warming = False
            if hears:
                await self._rig.board.close()

    def stays(self, reason: str) -> None:
        """Record that the door must stay shut, if it must and nobody has said so."""
        if not self._said and self.coldest_degc < self._room.release_degc:
            self._say("not released", reason)
            self._said = True

    # --- warming ---------------------------------------------------------------------------------

    async def _listen(self, known: Mapping[str, Identity]) -> bool:
        """Open the board's link once more, for its sensors; it may be without a supply by now."""
        try:
            await open_known(self._rig.board, known)
        except DeviceError:
            return False
        return True

    async def _warm(
        self, deadline: Instant, target_degc: float, alive: Callable[[], None], *, hears: bool
    ) -> None:
        """Return when all is warm. Raises _Ended, DeviceError, and what ``alive`` raises."""
        warm_since: Instant | None = None
        while True:
            await self._wait(LOOKED_EVERY, alive)
            await self._look(hears=hears)
            now = self._clock.now()
            if self.air_degc > target_degc + RUNAWAY_K:
                raise _Ended(f"the air went to {self.air_degc:.1f} degC instead")
            if self.coldest_degc >= self._room.release_degc:
                warm_since = now if warm_since is None else warm_since
                heard = not math.isnan(self._board_degc)
                if now - warm_since >= (0 if heard else UNHEARD_SOAK):
                    return
            else:
                warm_since = None
            if now >= deadline:
                raise _Ended(f"still not warm after {to_seconds(DEADLINE) / 3600:g} h")

    async def _wait(self, duration: Duration, alive: Callable[[], None]) -> None:
        """Let time pass, in slices. Raises _Ended when somebody asked for the end."""
        until = self._clock.now() + duration
        while (left := until - self._clock.now()) > 0:
            alive()
            if self._ended_by:
                raise _Ended(f"ended by {self._ended_by}")
            await self._clock.sleep_until(self._clock.now() + min(left, SLICE))

    async def _look(self, *, hears: bool) -> None:
        """Read the air, and the board's own sensors where it still speaks. Raises DeviceError."""
        asked = self._clock.now()
        reading = await self._rig.chamber.sense()
        if reading.alarm or math.isnan(reading.air_degc):
            raise _Ended(f"the chamber reports {reading.alarm or 'no air temperature'}")
        self.air_degc, self._board_degc = reading.air_degc, math.nan
        if not hears:
            return
        with suppress(DeviceError):
            report = await self._rig.board.sense()
            if report.heard_at is not None and report.heard_at > asked - 2 * LOOKED_EVERY:
                ntcs = [report.ntc_degc[column - self._ntcs.start] for column in self._physical]
                self._board_degc = _lowest([report.pcb_degc, *ntcs])

    def _say(self, phase: str, reason: str) -> None:
        room, coldest_degc = self._room, self.coldest_degc
        at = self._clock.now()
        self._emit(DoorKept(at, phase, coldest_degc, room.release_degc, room.dew_degc, reason))


def _lowest(values: Sequence[float]) -> float:
    """Return the lowest of what is known; NaN for nothing."""
    return min((value for value in values if not math.isnan(value)), default=math.nan)
