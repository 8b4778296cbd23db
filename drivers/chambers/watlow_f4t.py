"""Driver of a thermal chamber with a Watlow F4T controller."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.instrument import CLEARED, LineInstrument
from drivers.wire import watlow_f4t as wire
from drivers.wire.scpi_data import parse_numbers
from hil.core.spec import ChamberSpec
from hil.ports import ByteLink, ChamberReading, Clock, Identity

SPEC = wire.SPEC
_EVERY = 10  # readings between two looks at set-point and loop error, which change rarely
_SAME_K = 0.05  # a set-point that reads back further off than this was not taken


@dataclass(frozen=True, slots=True)
class F4tSettings:
    """The keys that a bench file may give a chamber: how its maker wired the event outputs.

    ``fan_output`` is the one that runs the fan on its own; 0 where the fan follows the machine.
    ``cascade`` is for a controller whose temperature is cascade loop 1: its outer sensor, in or on
    what is tested, is put out of the loop, and the air is what is controlled and read.
    """

    conditioning_output: int = wire.CONDITIONING_OUTPUT
    fan_output: int = 0
    cascade: bool = False


class WatlowF4T(LineInstrument):
    """One chamber (``hil.ports.Chamber``), always in degC."""

    SPEC: ClassVar[ChamberSpec] = SPEC
    OPTIONS: ClassVar[type] = F4tSettings
    SKIPS_BLANK: ClassVar[bool] = True
    STRONGER: ClassVar[tuple[str, ...]] = (
        CLEARED,
        f"its set-point was put to {wire.ROOM_DEGC:g} degC",
    )

    def __init__(
        self, name: str, link: ByteLink, clock: Clock, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``F4tSettings``. Raises ValueError for no such output."""
        super().__init__(name, link, clock, terminator=b"\n", reply_limit=wire.REPLY_LIMIT)
        self._settings = F4tSettings(**(options or {}))
        if not 1 <= self._settings.conditioning_output <= wire.OUTPUTS:
            raise ValueError(f"{name}: no output {self._settings.conditioning_output}")
        cascade = self._settings.cascade
        self._loop = wire.CASCADE if cascade else wire.LOOP
        self._read_air = wire.READ_INNER_AIR if cascade else wire.READ_AIR
        self._look_at = (
            self._read_air,
            wire.READ_INNER_SET if cascade else wire.READ_SET,
            wire.READ_INNER_ERROR if cascade else wire.READ_ERROR,
        )
        self._ordered_degc: float | None = None
        self._ordered_ramp: list[str] = []
        self._until_look = 0
        self._set_degc = math.nan
        self._alarm = ""

    async def identify(self) -> Identity:
        """Ask who answers. Raises InstrumentFault if it is no F4T; other DeviceErrors."""
        reply = await self._ask_identity()
        identity = Identity(*self._parsed(wire.parse_identity, reply))
        if "WATLOW" not in identity.maker.upper() or "F4T" not in identity.model.upper():
            raise self._fault(f"expected a {SPEC.model}, found {identity.maker} {identity.model}")
        return identity

    async def arm(self) -> None:
        """Count in degC, stop a running program and let the machine condition the air.

        Raises InstrumentFault if the controller stays in degF, as old firmware does, or the
        output does not go on; other DeviceErrors.
        """
        self._ordered_degc, self._ordered_ramp, self._until_look = None, [], 0
        await self._write(wire.CELSIUS)
        unit = (await self._ask(wire.READ_UNIT)).strip().upper()
        if unit != "C":
            raise self._fault(f"told to count in degC, but its unit is {unit!r}")
        await self._write(wire.STOP_PROGRAM)
        if self._settings.cascade:
            for line in wire.HOLD_INNER:
                await self._write(line)
        if self._settings.fan_output:
            await self._switch(self._settings.fan_output, on=True)
        await self._switch(self._settings.conditioning_output, on=True)

    async def apply(self, set_degc: float, ramp_k_per_min: float | None) -> None:
        """Go to ``set_degc``, at a ramp or as fast as it can; sends only what changes.

        Raises ValueError outside SPEC, before anything is sent; LinkLost.
        """
        if set_degc not in SPEC.set_degc:
            span = SPEC.set_degc
            raise ValueError(
                f"{self.name}: {set_degc} degC; it goes from {span.low} to {span.high}"
            )
        if ramp_k_per_min is not None and not 0.0 < ramp_k_per_min <= SPEC.ramp_k_per_min:
            most = SPEC.ramp_k_per_min
            raise ValueError(f"{self.name}: {ramp_k_per_min} K/min; up to {most} K/min goes")
        ramp = wire.ramp_lines(ramp_k_per_min)
        if ramp != self._ordered_ramp:
            for line in ramp:
                await self._write(line)
            self._ordered_ramp = ramp
        if set_degc != self._ordered_degc:
            await self._write(wire.set_point_line(set_degc, self._loop))
            self._ordered_degc, self._until_look = set_degc, 0

    async def sense(self) -> ChamberReading:
        """Read the air temperature; set-point and loop error every tenth time and after a change.

        ``alarm`` is empty or what the controller calls it (ERROR); a broken sensor reads NaN.
        Raises InstrumentFault if the set-point is not the one ordered; other DeviceErrors.
        """
        if self._until_look > 0:
            self._until_look -= 1
            air_degc = self._number(await self._ask(self._read_air))
            if not math.isnan(air_degc):
                return ChamberReading(air_degc, self._set_degc, self._alarm)
        return await self._look()

    async def make_safe(self) -> str:
        """Stop a program, switch heating and cooling off, keep the fan on where it has an output.

        Returns the outputs as read back. Raises InstrumentFault if conditioning is still on;
        other DeviceErrors.
        """
        self._ordered_degc, self._ordered_ramp = None, []
        off, fan = self._settings.conditioning_output, self._settings.fan_output
        await self._write(wire.STOP_PROGRAM)  # a program could switch the output on again
        read = [f"output {off} (heating and cooling) {await self._switch(off, on=False)}"]
        if fan:
            read.append(f"output {fan} (fan) {await self._switch(fan, on=True)}")
        # A controller that lost its supply counts in degF: the air is read next, for its door.
        await self._write(wire.CELSIUS)
        return ", ".join(read)

    async def force(self, means: int) -> str:
        """Take one of ``STRONGER`` and read the output back. Raises as ``make_safe``.

        A machine that cannot be switched off is told to go to the room's temperature: what still
        conditions then neither heats nor cools by much. The manual has no reset that would be safe.
        """
        if self.STRONGER[means] == CLEARED:
            await self._clear()
            return await self.make_safe()
        await self._write(wire.CELSIUS)
        if (await self._ask(wire.READ_UNIT)).strip().upper() == "C":  # 23 degF would freeze
            room = wire.set_point_line(wire.ROOM_DEGC, self._loop)
            for line in (*wire.ramp_lines(None), room):
                await self._write(line)
        return await self.make_safe()

    async def _look(self) -> ChamberReading:
        """Read air, set-point and loop error, in three lines sent at once."""
        replies = await self._ask_all(self._look_at)
        air_degc, self._set_degc = self._number(replies[0]), self._number(replies[1])
        error = replies[2].strip()
        self._alarm = "" if error == "NONE" else error
        self._until_look = _EVERY - 1
        ordered = self._ordered_degc
        if ordered is not None and not abs(self._set_degc - ordered) <= _SAME_K:
            self._until_look = 0
            raise self._fault(f"set-point {ordered:.2f} degC ordered, {self._set_degc:.2f} read")
        return ChamberReading(air_degc, self._set_degc, self._alarm)

    async def _switch(self, output: int, *, on: bool) -> str:
        """Switch an event output and return its read-back. Raises InstrumentFault if it differs."""
        await self._write(wire.output_line(output, on=on))
        reply = await self._ask(wire.read_output_line(output))
        if self._parsed(wire.parse_output, reply) != on:
            raise self._fault(f"output {output} told to go {'on' if on else 'off'}, {reply} read")
        return reply.strip()

    def _number(self, reply: str) -> float:
        return self._parsed(lambda text: parse_numbers(text, 1), reply)[0]
