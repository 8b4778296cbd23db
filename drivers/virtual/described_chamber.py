"""A virtual chamber that understands what a file describes (``hil.core.described``).

It proves nothing of the file: who describes a wrong word gets a twin that takes it. What the
makers' words are is in the tests' wire logs, and clients of others say it too. Assumed of each: an
order outside the range is acknowledged and not taken, a broken sensor reads far above the range,
and a supply that comes back finds the machine off, its set-point kept.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from drivers.virtual.chamber_air import ChamberDesign
from drivers.virtual.chamber_twin import LIMITER_ABOVE_K, ChamberTwin
from drivers.virtual.line_twin import LineTwin
from drivers.wire.framing import other_side
from hil.core.described import DescribedChamber
from hil.core.instants import Duration
from hil.core.templates import Value
from hil.ports import Clock, LabPlan

_OVER_RANGE_DEGC = 999.9
_ACKNOWLEDGED = "0"  # [A] of an order of which nobody knows whether it is
_QUESTIONS = ("identify", "read", "look", "state")


@dataclass(frozen=True, slots=True)
class DescribedOptions:
    """The keys that a bench file may give a virtual chamber; ``serial`` stands on its label."""

    serial: str = "V-0001"
    room_degc: float = 23.0


class DescribedTwin(ChamberTwin, LineTwin):
    """The controller on its link (``ByteTwin``) and the air in its chamber (``Air``)."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        plan: LabPlan,
        words: DescribedChamber,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """``options`` are the fields of ``DescribedOptions``; TypeError for any other."""
        super().__init__(name, clock, other_side(words.wire), words.wire.reply_ns)
        self._options, self._words = DescribedOptions(**(options or {})), words
        heating = words.ramp_k_per_min / 60.0
        cooling = (words.cooling_k_per_min or words.ramp_k_per_min) / 60.0
        design = ChamberDesign(
            room_degc=self._options.room_degc,
            limiter_degc=words.high_degc + LIMITER_ABOVE_K,
            heating_k_per_s=heating,
            cooling_k_per_s=cooling,
            cooling_below_zero_k_per_s=cooling / 2.0,
        )
        self._build_machine(plan, words.spec, design)
        self._set_degc, self._ramp_k_per_min = self._options.room_degc, math.inf
        self._runs = False
        # a line without fields is told from one with them by being just that
        self._known = sorted(words.exchanges.items(), key=lambda one: len(one[1].line.names))
        verbs = words.verbs.all()
        self._asked = {name for verb in _QUESTIONS for name in verbs[verb]}

    def truth(self) -> Mapping[str, Any]:
        """Return the air as it is, and what the controller was told."""
        return {
            "serial": self._options.serial,
            **super().truth(),
            "set_degc": self._set_degc,
            "runs": self._runs,
            "crowded": self.crowded,
        }

    def replace(self, serial: str) -> None:
        """Put another chamber in this place."""
        self._options = replace(self._options, serial=serial)

    def _busy(self, line: str) -> Duration:
        found = self._understood(line)
        wire = self._words.wire
        return wire.after_question_ns if found and found[0] in self._asked else wire.after_order_ns

    def _heard(self, line: str | None) -> str | None:
        """Answer a line that is described; any other as the file says, or not at all."""
        found = None if line is None else self._understood(line)
        if found is None:
            return self._words.unknown or None
        name, values = found
        exchange = self._words.exchanges[name]
        self._take(name, values)
        if exchange.perhaps:
            return _ACKNOWLEDGED
        return None if exchange.reply is None else exchange.reply.write(self._told())

    def _understood(self, line: str) -> tuple[str, Mapping[str, Value]] | None:
        """Return the first exchange that a line can be, and what it says."""
        for name, exchange in self._known:
            values = exchange.line.read(line)
            if values is not None:
                return name, values
        return None

    def _take(self, name: str, values: Mapping[str, Value]) -> None:
        """Do what an exchange is for."""
        verbs = self._words.verbs
        self._air.order(self._clock.now())
        set_degc = float(values.get("set", self._set_degc))
        if self._words.low_degc <= set_degc <= self._words.high_degc:
            self._set_degc = set_degc
        if name in verbs.jump:
            self._ramp_k_per_min = math.inf
        self._ramp_k_per_min = float(values.get("ramp", self._ramp_k_per_min))
        runs = name not in verbs.stop
        if (name in verbs.stop or name in verbs.start) and not self._ignores(on=runs):
            self._runs = runs or (self._refuses_off and self._air.conditioning)
        self._condition()

    def _told(self) -> Mapping[str, Value]:
        """Return what there is to tell, by the names of fields."""
        words, reading_degc = self._words, self._reading_degc()
        others = (str(number) for number in range(1, 99) if str(number) not in words.none)
        trouble = words.some or next(others)
        return {
            **words.also,
            "air": _OVER_RANGE_DEGC if math.isnan(reading_degc) else reading_degc,
            "set": self._set_degc,
            "running": (words.running.on if self._runs else words.running.off)[0],
            "alarm": trouble if self._troubled() else (words.none or ("",))[0],
            "code": "1" if self._troubled() else "0",
            "serial": self._options.serial,
            "firmware": "V1.0",
        }

    def _condition(self) -> None:
        ramp = self._ramp_k_per_min
        ramp_k_per_s = ramp / 60.0 if ramp < math.inf else None
        self._run(ordered=self._runs, set_degc=self._set_degc, ramp_k_per_s=ramp_k_per_s)

    def _supply(self, *, on: bool) -> None:
        """Switch the supply; it comes back off, and still knows its set-point."""
        if on != self._powered:
            self._powered, self._runs = on, False
            self._forget_lines()
            self._condition()


@dataclass(frozen=True)
class DescribedTwinFactory:
    """Makes the twins of one description (``hil.ports.TwinFactory``)."""

    words: DescribedChamber
    OPTIONS: type = DescribedOptions
    FAULTS: tuple[str, ...] = ChamberTwin.FAULTS

    def __call__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any]
    ) -> DescribedTwin:
        """Return the twin."""
        return DescribedTwin(name, clock, plan, self.words, options)


class DescribedChamberTwins:
    """What a bench file names: with a description it makes twins (``hil.ports.Describing``)."""

    OPTIONS: ClassVar[type] = DescribedOptions
    FAULTS: ClassVar[tuple[str, ...]] = ChamberTwin.FAULTS

    @staticmethod
    def described(words: DescribedChamber) -> DescribedTwinFactory:
        """Return what makes the twins of ``words``."""
        return DescribedTwinFactory(words)
