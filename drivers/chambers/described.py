"""Driver of a thermal chamber whose words a file describes (``hil.core.described``)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.instrument import CLEARED, LineInstrument
from drivers.wire.framing import framing_of
from hil.core.described import DescribedChamber, Exchange
from hil.core.errors import MalformedReply
from hil.core.instants import MINUTE, Duration, Instant
from hil.core.spec import ChamberSpec
from hil.core.templates import Value
from hil.ports import ByteLink, ChamberReading, Clock, Identity

_EVERY = 10  # readings between two looks at the set-point, which changes rarely
_ROOM_DEGC = 23.0
_NO_AIR_K = 100.0  # a reading so far outside a chamber's range is none
_ORDERS = ("start", "set", "ramp", "jump", "stop")


@dataclass(frozen=True, slots=True)
class Ramp:
    """A ramp that the driver makes of steps: from where, to where, how fast, since when."""

    start_degc: float
    end_degc: float
    k_per_min: float
    since: Instant

    def at(self, now: Instant) -> float:
        """Return the set-point of now."""
        moved_k = self.k_per_min * (now - self.since) / MINUTE
        away_k = self.end_degc - self.start_degc
        return self.start_degc + math.copysign(min(moved_k, abs(away_k)), away_k)


class DescribedDriver(LineInstrument):
    """One chamber (``hil.ports.Chamber``); made by ``DescribedChambers``."""

    STRONGER: ClassVar[tuple[str, ...]] = (
        CLEARED,
        f"its set-point was put to {_ROOM_DEGC:g} degC",
    )

    def __init__(self, name: str, link: ByteLink, clock: Clock, words: DescribedChamber) -> None:
        """``words`` say what to say."""
        self._words, self.SPEC = words, words.spec
        answered = any(
            words.exchanges[one].perhaps or words.exchanges[one].reply is not None
            for verb in _ORDERS
            for one in words.verbs.all()[verb]
        )
        self.ACKNOWLEDGES = answered  # type: ignore[misc] # of this instrument, not of its class
        super().__init__(
            name,
            link,
            clock,
            terminator=b"",
            reply_limit=words.wire.within_ns,
            spacing=self._spacing,
            framing=framing_of(words.wire),
        )
        self._questions: dict[str, Duration] = {}
        self._ordered: tuple[float, float | None] | None = None
        self._ramp: Ramp | None = None
        self._told_degc = _ROOM_DEGC
        self._until_look = 0

    async def identify(self) -> Identity:
        """Ask who answers; maker and model are what the file says. Raises DeviceError."""
        found = await self._do("identify")
        serial, firmware = (str(found.get(key, "")) for key in ("serial", "firmware"))
        return Identity(self._words.maker, self._words.model, serial, firmware)

    async def arm(self) -> None:
        """Run at the temperature that the air has now. Raises InstrumentFault if it does not."""
        self._forget()
        air_degc = self._number(await self._do("read"), "air")
        span = self.SPEC.set_degc
        here_degc = min(max(air_degc, span.low), span.high) if air_degc == air_degc else _ROOM_DEGC  # noqa: PLR0124 - no reading is NaN
        if self._words.verbs.ramp:
            await self._order("jump" if self._words.verbs.jump else "set", here_degc)
        await self._order("set", here_degc)
        await self._order("start", here_degc)
        state = await self._do("state")
        if state["running"] not in self._words.running.on:
            raise self._fault(f"told to run, it says {state['running']}")

    async def apply(self, set_degc: float, ramp_k_per_min: float | None) -> None:
        """Go to ``set_degc``, at a ramp or as fast as it can; sends only what changes.

        Raises ValueError outside SPEC, before anything is sent; DeviceError.
        """
        if set_degc not in self.SPEC.set_degc:
            span = self.SPEC.set_degc
            raise ValueError(
                f"{self.name}: {set_degc} degC; it goes from {span.low} to {span.high}"
            )
        most = self.SPEC.ramp_k_per_min
        if ramp_k_per_min is not None and not 0.0 < ramp_k_per_min <= most:
            raise ValueError(f"{self.name}: {ramp_k_per_min} K/min; up to {most} K/min goes")
        if (set_degc, ramp_k_per_min) == self._ordered:
            return
        verbs, was_ramp = self._words.verbs, self._ordered and self._ordered[1] is not None
        self._forget()
        if ramp_k_per_min is None:
            if verbs.jump and was_ramp:
                await self._order("jump", set_degc)
            await self._order("set", set_degc)
        elif verbs.ramp:
            await self._order("ramp", set_degc, ramp_k_per_min)
        else:
            here_degc = self._number(await self._do("look"), "set")
            self._ramp = Ramp(here_degc, set_degc, ramp_k_per_min, self._clock.now())
        self._ordered = (set_degc, ramp_k_per_min)

    async def sense(self) -> ChamberReading:
        """Read air and state; the set-point where it comes with them, else every tenth time.

        Moves the set-point of a ramp that is made of steps. ``alarm`` is empty or what the chamber
        calls it. Raises InstrumentFault if it does not run or its set-point is not the one ordered.
        """
        await self._step()
        found = await self._do("read", "state")
        air_degc = self._number(found, "air")
        alarm = ""
        if "alarm" in found and found["alarm"] not in self._words.none:
            alarm = f"alarm {found.get('code', found['alarm'])}"
        elif self._ordered is not None and found["running"] in self._words.running.off:
            raise self._fault(f"told to run, it says {found['running']}")
        await self._look(found)
        set_degc = air_degc if self._ordered is None else self._ordered[0]
        return ChamberReading(air_degc, set_degc, alarm)

    async def make_safe(self) -> str:
        """Stop, and return the state as read back. Raises InstrumentFault if it runs."""
        self._forget()
        if self._broken_off:  # "off" goes out first; what it answers is drained
            for name in self._words.verbs.stop:
                await self._write(self._line(self._words.exchanges[name], self._told_degc))
        await self._order("stop", self._told_degc)
        state = await self._do("state")
        if state["running"] not in self._words.running.off:
            raise self._fault(f"told to stop, it says {state['running']}")
        return f"stopped ({state['running']})"

    async def force(self, means: int) -> str:
        """Take one of ``STRONGER`` and read the state back. Raises as ``make_safe``."""
        self._forget()
        if self.STRONGER[means] == CLEARED:
            await self._clear()
        else:
            span = self.SPEC.set_degc
            await self._order("set", min(max(_ROOM_DEGC, span.low), span.high))
        return await self.make_safe()

    # --- saying --------------------------------------------------------------------------------

    def _forget(self) -> None:
        """Begin anew: nothing was ordered."""
        self._ordered = self._ramp = None
        self._until_look = 0

    async def _order(self, verb: str, set_degc: float, ramp_k_per_min: float = 0.0) -> None:
        """Do a verb that takes a set-point. Raises InstrumentFault where it is not acknowledged."""
        await self._do(verb, set_degc=set_degc, ramp_k_per_min=ramp_k_per_min)
        if verb in ("set", "ramp"):
            self._told_degc = set_degc

    async def _do(
        self, *verbs: str, set_degc: float = _ROOM_DEGC, ramp_k_per_min: float = 0.0
    ) -> dict[str, Value]:
        """Say what the verbs want, each exchange once, and return what was told."""
        words, found = self._words, dict[str, Value]()
        names = dict.fromkeys(name for verb in verbs for name in words.verbs.all()[verb])
        for name in names:
            exchange = words.exchanges[name]
            line = self._line(exchange, set_degc, ramp_k_per_min)
            found |= await self._say(exchange, line, is_order=verbs[0] in _ORDERS)
        return found

    @staticmethod
    def _line(exchange: Exchange, set_degc: float, ramp_k_per_min: float = 0.0) -> str:
        return exchange.line.write({"set": set_degc, "ramp": ramp_k_per_min})

    async def _say(self, exchange: Exchange, line: str, *, is_order: bool) -> dict[str, Value]:
        """Say one line and understand its answer, if there is to be one."""
        self._questions[line] = (
            self._words.wire.after_order_ns if is_order else self._words.wire.after_question_ns
        )
        if exchange.perhaps:
            quiet_ns = self._words.wire.quiet_ns
            await self._exchange(lambda: self._session.tell(line, quiet_ns))
            return {}
        if exchange.reply is None:
            await self._write(line)
            return {}
        answer = await self._ask(line)
        found = exchange.reply.read(answer)
        if found is None and is_order:
            raise self._fault(f"{line!r} is answered {answer!r}")
        if found is None:
            raise MalformedReply(self.name, f"{answer!r} is no answer to {line!r}")
        return found

    def _spacing(self, line: str) -> Duration:
        """Return the time that a line needs; a blank one is an order like any other."""
        return self._questions.pop(line, self._words.wire.after_order_ns)

    def _probe(self) -> tuple[str, Any]:
        """Return the first question that only this instrument understands."""
        exchange = self._words.exchanges[self._words.verbs.identify[0]]
        assert exchange.reply is not None  # noqa: S101 - a description without one is refused
        reply = exchange.reply
        return exchange.line.write({}), lambda line: reply.read(line) is not None

    # --- readings ------------------------------------------------------------------------------

    def _number(self, found: Mapping[str, Value], name: str) -> float:
        """Return a temperature; NaN for one that no chamber has."""
        value, span = float(found[name]), self.SPEC.set_degc
        return value if span.low - _NO_AIR_K <= value <= span.high + _NO_AIR_K else math.nan

    async def _step(self) -> None:
        """Move the set-point of a ramp once it is a step further that the chamber can show."""
        if self._ramp is None:
            return
        step_k = self._words.resolution_k
        now_degc = self._ramp.at(self._clock.now())
        is_there = now_degc == self._ramp.end_degc
        if is_there or abs(now_degc - self._told_degc) >= step_k:
            await self._order("set", now_degc if is_there else round(now_degc / step_k) * step_k)
        if is_there:
            self._ramp = None

    async def _look(self, found: Mapping[str, Value]) -> None:
        """Hold the set-point against the one told last, where it was read or it is time to.

        Raises InstrumentFault where they differ.
        """
        self._until_look -= 1
        if "set" not in found:
            if self._until_look >= 0:
                return
            found = await self._do("look")
        self._until_look = _EVERY - 1
        set_degc = self._number(found, "set")
        if self._ordered is None:
            return
        off_k = 0.6 * self._words.resolution_k + 1e-9
        if not abs(set_degc - self._told_degc) <= off_k:
            self._until_look = 0
            ordered = f"set-point {self._told_degc:.1f} degC ordered"
            raise self._fault(f"{ordered}, {set_degc:.1f} read")


@dataclass(frozen=True)
class Described:
    """Makes the drivers of one description (``hil.ports.DriverFactory``)."""

    words: DescribedChamber
    OPTIONS: type
    CARRIES: str = "bytes"

    @property
    def SPEC(self) -> ChamberSpec:  # noqa: N802 - a driver's data sheet
        """Return the data sheet that the file gives."""
        return self.words.spec

    def __call__(
        self, name: str, link: ByteLink, clock: Clock, _options: Mapping[str, Any]
    ) -> DescribedDriver:
        """Return the device."""
        return DescribedDriver(name, link, clock, self.words)


@dataclass(frozen=True)
class _NoKeys:
    """Whatever there is to say stands in the description."""


class DescribedChambers:
    """What a bench file names: with a description it makes drivers (``hil.ports.Describing``)."""

    CARRIES: ClassVar[str] = "bytes"
    OPTIONS: ClassVar[type] = _NoKeys

    @staticmethod
    def described(words: DescribedChamber) -> Described:
        """Return what makes the drivers of ``words``."""
        return Described(words, _NoKeys)
