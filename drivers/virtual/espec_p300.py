"""A virtual ESPEC P300 in front of a chamber that heats, cools, lags and overshoots.

Commands, answers and errors are those of the maker's North American library. It holds no programs
of its own (``PRGM DATA WRITE`` is an ``INVALID REQ``), only the remote one of a single step, which
at its end holds its last set-point. A chamber with humidity tells and takes set-points of it, and
regulates none; it has no product temperature control. Assumed, and to be checked on a real one:
what a broken sensor reads, the numbers of the alarms, that an alarm stops no mode, that the
set-point must lie within the limits of the alarm (``TEMP, H`` and ``L``), that lines which come too
fast are done later, and that a supply that comes back finds the controller in standby with its
settings as they were.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from drivers.virtual.chamber_air import ChamberDesign
from drivers.virtual.chamber_twin import LIMITER_ABOVE_K, ChamberTwin
from drivers.virtual.espec_program import RemoteProgram, parse_program
from drivers.virtual.line_twin import LineTwin
from drivers.wire import espec_p300 as wire
from drivers.wire.framing import Terminated
from hil.core.instants import MINUTE, SECOND, Duration
from hil.ports import Clock, LabPlan

SPEC = wire.SPEC
_OVER_RANGE_DEGC = 999.9  # what a display shows whose input is open
_SETTING = re.compile(r"([SHL])\s*(OFF|[+-]?\d{1,4}(?:\.\d{1,3})?)", re.IGNORECASE)
_REFRIGERATION = {"REF0": "OFF", "REF1": "20", "REF3": "50", "REF6": "100", "REF9": "AUTO"}
_RELAYS = 12
_OF_PRODUCT_CONTROL = ("MON PTC?", "TEMP PTC?", "SET PTC?", "PTC?", "PRGM DATA PTC?")


class Refused(Exception):
    """A line that the controller does not take, and why."""


@dataclass(frozen=True, slots=True)
class P300Options:
    """The keys that a bench file may give a virtual chamber.

    ``serial`` stands on its label only. ``address`` is its RS-485 one, 0 for none; ``controller``
    and ``highest_degc`` are what ``TYPE?`` tells; ``limiter_degc`` is what the independent limiter
    is set to.
    """

    serial: str = "V-0001"
    reply_ns: int = wire.ANSWER
    room_degc: float = 23.0
    address: int = 0
    controller: str = "P300"
    highest_degc: float = 160.0
    humidity: bool = False
    limiter_degc: float = SPEC.set_degc.high + LIMITER_ABOVE_K


@dataclass(slots=True)
class Loop:
    """Set-point and alarm limits of temperature or humidity, kept without a supply."""

    set: float
    high: float
    low: float
    on: bool = True


class EspecP300Twin(ChamberTwin, LineTwin):
    """The controller on its link (``ByteTwin``) and the air in its chamber (``Air``)."""

    OPTIONS: ClassVar[type] = P300Options

    def __init__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``P300Options``; TypeError for any other."""
        self._options = P300Options(**(options or {}))
        super().__init__(name, clock, Terminated(b"\r\n"), self._options.reply_ns)
        design = ChamberDesign(
            room_degc=self._options.room_degc,
            limiter_degc=self._options.limiter_degc,
            heating_k_per_s=SPEC.ramp_k_per_min / 60.0,
            cooling_k_per_s=wire.COOLING_K_PER_MIN / 60.0,
            cooling_below_zero_k_per_s=wire.COOLING_K_PER_MIN / 120.0,
        )
        self._build_machine(plan, SPEC, design)
        self._temp = Loop(self._options.room_degc, SPEC.set_degc.high, SPEC.set_degc.low)
        self._humi = Loop(50.0, 100.0, 0.0, on=False)
        self._mode = "STANDBY"
        self._program: RemoteProgram | None = None
        self._refrigeration, self._relays, self._protected = "REF9", frozenset[int](), False
        self._mask = "00000000"
        self._questions, self._orders = self._vocabulary()

    def truth(self) -> Mapping[str, Any]:
        """Return the air as it is, and what the controller was told."""
        return {
            "serial": self._options.serial,
            **super().truth(),
            "set_degc": self._temp.set,
            "mode": self._mode,
            "crowded": self.crowded,
        }

    def replace(self, serial: str) -> None:
        """Put another chamber in this place; nothing on its wire tells."""
        self._options = replace(self._options, serial=serial)

    # --- lines ---------------------------------------------------------------------------------

    def _busy(self, line: str) -> Duration:
        return wire.spacing(line)

    def _heard(self, line: str | None) -> str | None:
        """Answer a line; on RS-485 only one to this chamber."""
        if line is not None and self._options.address:
            address, comma, line = line.partition(",")
            if not comma or address.strip() != str(self._options.address):
                return None
        try:
            return self._answer(line)
        except Refused as refused:
            return f"NA:{refused}"

    def _answer(self, line: str | None) -> str:
        """Return a value, or the acknowledgement of an order: its echo."""
        if line is None:
            raise Refused(wire.COMMAND)
        words = [word.strip() for word in line.upper().split(",")]
        if words[0].endswith("?"):
            ask = self._questions.get(words[0])
            if ask is None:
                raise Refused(wire.COMMAND)
            return ask(words[1:])
        order = self._orders.get(words[0])
        if order is None:
            raise Refused(wire.COMMAND)
        if self._protected and words[0] != "KEYPROTECT":
            raise Refused(wire.PROTECTED)
        self._air.order(self._clock.now())
        order(words[1:])
        self._condition()
        return f"OK:{line}"

    def _vocabulary(
        self,
    ) -> tuple[Mapping[str, Callable[[list[str]], str]], Mapping[str, Callable[[list[str]], None]]]:
        """Return the questions and the orders by their first word."""
        questions: dict[str, Callable[[list[str]], str]] = {
            "ROM?": self._ask_rom,
            "TYPE?": self._ask_type,
            "DATE?": lambda _: "26.01/01",
            "TIME?": self._ask_time,
            "SRQ?": lambda _: f"0{int(self._troubled())}000000",
            "MASK?": lambda _: self._mask,
            "TIMER ON?": lambda _: "0",
            "TIMER USE?": lambda _: "0",
            "ALARM?": self._ask_alarms,
            "KEYPROTECT?": lambda _: "ON" if self._protected else "OFF",
            "MODE?": self._ask_mode,
            "MON?": self._ask_monitor,
            "TEMP?": self._ask_temp,
            "HUMI?": self._ask_humi,
            "SET?": lambda _: self._refrigeration,
            "REF?": self._ask_compressor,
            "RELAY?": lambda _: self._listed(self._relays),
            "%?": self._ask_heater,
            "CONSTANT SET?": self._ask_constant,
            "PRGM USE?": lambda _: "0",
            "PRGM MON?": self._no_program,
            "PRGM SET?": self._no_program,
            "PRGM DATA?": self._no_data,
            **dict.fromkeys(_OF_PRODUCT_CONTROL, self._no_product_control),
            "IPSET?": lambda _: "192.0.2.10,255.255.255.0,192.0.2.1",
            "RUN PRGM?": self._ask_program,
            "RUN PRGM MON?": self._ask_progress,
        }
        orders: dict[str, Callable[[list[str]], None]] = {
            "TEMP": lambda words: self._set_loop(self._temp, words),
            "HUMI": self._set_humi,
            "MODE": self._set_mode,
            "POWER": self._set_power,
            "SET": self._set_refrigeration,
            "RELAY": self._set_relays,
            "KEYPROTECT": self._protect,
            "MASK": self._set_mask,
            "SRQ": self._reset_request,
            "RUN PRGM": self._run_program,
            "PRGM": self._steer_program,
            "PRGM DATA WRITE": self._write_program,
            "PRGM ERASE": self._write_program,
            "TEMP PTC": self._set_product_control,
            "PTC": self._set_product_control,
        }
        return questions, orders

    # --- questions -----------------------------------------------------------------------------

    def _ask_rom(self, words: list[str]) -> str:
        if words and words != ["DISP"]:
            raise Refused(wire.PARAMETER)
        return f"{self._options.controller} {'D' if words else 'V'}3.01"

    def _ask_type(self, _: list[str]) -> str:
        sensors = "T,T" if self._options.humidity else "T"
        return f"{sensors},{self._options.controller},{self._options.highest_degc:.1f}"

    def _ask_time(self, _: list[str]) -> str:
        minutes, seconds = divmod(self._clock.now() // SECOND, 60)
        return f"{minutes // 60 % 24}:{minutes % 60:02d}:{seconds:02d}"

    def _alarms(self) -> list[int]:
        """Return the numbers of the alarms that are on."""
        found = {
            wire.SENSOR_ALARM: self._air.sensor_broken,
            wire.COMPRESSOR_ALARM: self._air.compressor_tripped,
        }
        return [number for number, is_on in found.items() if is_on]

    def _ask_alarms(self, _: list[str]) -> str:
        return self._listed(self._alarms())

    def _ask_mode(self, words: list[str]) -> str:
        if not words:
            return self._mode
        if words != ["DETAIL"]:
            raise Refused(wire.PARAMETER)
        return self._mode if self._program is None else f"RMT {self._program.state(self._now())}"

    def _ask_monitor(self, words: list[str]) -> str:
        humidity = f"{self._humi_read():.0f}" if self._options.humidity else ""
        mode = self._ask_mode(words)
        return f"{self._shown()},{humidity},{mode},{len(self._alarms())}"

    def _ask_temp(self, _: list[str]) -> str:
        temp = self._temp
        return f"{self._shown()},{self._working_degc():.1f},{temp.high:.1f},{temp.low:.1f}"

    def _ask_humi(self, _: list[str]) -> str:
        self._need_humidity()
        humi = self._humi
        wanted = f"{humi.set:.0f}" if humi.on else "OFF"
        return f"{self._humi_read():.0f},{wanted},{humi.high:.0f},{humi.low:.0f}"

    def _ask_compressor(self, _: list[str]) -> str:
        cools = self._air.conditioning and not self._air.compressor_tripped
        return "2,ON1,ON2" if cools else "2,OFF1,OFF2"

    def _ask_heater(self, _: list[str]) -> str:
        """Tell the heaters' outputs in percent, as far as full or nothing."""
        reading_degc = self._shown_degc()
        heats = self._air.conditioning and reading_degc < self._working_degc()
        percent = "100.0" if heats else "0.0"
        return f"2,{percent},0.0" if self._options.humidity else f"1,{percent}"

    def _ask_constant(self, words: list[str]) -> str:
        what = _one_of(words, ("TEMP", "HUMI", "REF", "RELAY", "PTC"))
        if what == "TEMP":
            return f"{self._temp.set:.1f},ON"
        if what == "HUMI":
            self._need_humidity()
            return f"{self._humi.set:.0f},{'ON' if self._humi.on else 'OFF'}"
        if what == "REF":
            return _REFRIGERATION[self._refrigeration]
        if what == "RELAY":
            return self._listed(self._relays)
        raise Refused(wire.NO_SUCH_LOOP)

    def _no_product_control(self, _: list[str]) -> str:
        raise Refused(wire.NO_SUCH_LOOP)

    def _no_program(self, _: list[str]) -> str:
        raise Refused(wire.NO_PROGRAM)

    def _no_data(self, _: list[str]) -> str:
        raise Refused(wire.NO_DATA)

    def _ask_program(self, _: list[str]) -> str:
        if self._program is None:
            raise Refused(wire.NO_PROGRAM)
        relays = f" RELAYON,{','.join(map(str, sorted(self._relays)))}" if self._relays else ""
        return f"{self._program.text()} {self._refrigeration}{relays}"

    def _ask_progress(self, _: list[str]) -> str:
        if self._program is None:
            raise Refused(wire.NO_PROGRAM)
        hours, minutes = divmod(-(-self._program.left_ns(self._now()) // MINUTE), 60)
        humidity = f"{self._humi_read():.0f}," if self._options.humidity else ""
        return f"1,{self._working_degc():.1f},{humidity}{hours}:{minutes:02d},0"

    # --- orders --------------------------------------------------------------------------------

    def _set_loop(self, loop: Loop, words: list[str]) -> None:
        """Take a set-point and alarm limits, all or nothing; it has to lie within them."""
        text = " ".join(words).strip()
        found = _SETTING.findall(text)
        if not found or _SETTING.sub("", text).strip():
            raise Refused(wire.PARAMETER)
        wanted = Loop(loop.set, loop.high, loop.low, loop.on)
        for letter, value in found:
            if value.upper() == "OFF":
                if loop is self._temp or letter.upper() != "S":
                    raise Refused(wire.PARAMETER)
                wanted.on = False
                continue
            key = {"S": "set", "H": "high", "L": "low"}[letter.upper()]
            setattr(wanted, key, float(value))
            wanted.on = wanted.on or key == "set"
        low, high = (
            (SPEC.set_degc.low, self._options.highest_degc) if loop is self._temp else (0.0, 100.0)
        )
        if not low <= wanted.low <= wanted.set <= wanted.high <= high:
            raise Refused(wire.RANGE)
        loop.set, loop.high, loop.low, loop.on = wanted.set, wanted.high, wanted.low, wanted.on

    def _set_humi(self, words: list[str]) -> None:
        self._need_humidity()
        self._set_loop(self._humi, words)

    def _set_mode(self, words: list[str]) -> None:
        """Go to a mode; a contactor that is welded, or a deaf controller, stays where it is."""
        if words and re.fullmatch(r"RUN\s*\d{1,2}", words[0]):
            raise Refused(wire.NO_DATA)
        mode = _one_of(words, ("OFF", "STANDBY", "CONSTANT"))
        self._go(mode)

    def _set_power(self, words: list[str]) -> None:
        """Switch operation: on is constant mode."""
        self._go("CONSTANT" if _one_of(words, ("ON", "OFF")) == "ON" else "OFF")

    def _go(self, mode: str) -> None:
        """Change the mode; a program ends by that."""
        runs = mode == "CONSTANT"
        if self._ignores(on=runs):
            return
        if self._refuses_off and not runs and self._air.conditioning:
            raise Refused(wire.NOT_READY)
        self._mode, self._program = mode, None

    def _set_refrigeration(self, words: list[str]) -> None:
        self._refrigeration = _one_of(words, tuple(_REFRIGERATION))

    def _set_relays(self, words: list[str]) -> None:
        """Switch time signals."""
        state = _one_of(words[:1], ("ON", "OFF"))
        numbers = {int(word) for word in words[1:] if re.fullmatch(r"\d{1,2}", word)}
        if (
            not words[1:]
            or len(numbers) != len(words[1:])
            or not numbers <= {*range(1, _RELAYS + 1)}
        ):
            raise Refused(wire.PARAMETER)
        self._relays = self._relays | numbers if state == "ON" else self._relays - numbers

    def _protect(self, words: list[str]) -> None:
        self._protected = _one_of(words, ("ON", "OFF")) == "ON"

    def _set_mask(self, words: list[str]) -> None:
        if len(words) != 1 or not re.fullmatch(r"0[01]{3}00[01]0", words[0]):
            raise Refused(wire.PARAMETER)
        self._mask = words[0]

    def _set_product_control(self, words: list[str]) -> None:
        self._no_product_control(words)

    def _reset_request(self, words: list[str]) -> None:
        """Take the request for service back: an alarm that is on makes it again."""
        _one_of(words, ("RESET",))

    def _run_program(self, words: list[str]) -> None:
        """Begin a remote program of one step, which a mode of its own runs."""
        try:
            program, relays = parse_program(",".join(words), self._now())
        except ValueError:
            raise Refused(wire.PARAMETER) from None
        low, high = self._temp.low, self._temp.high
        if not (low <= program.start_degc <= high and low <= program.end_degc <= high):
            raise Refused(wire.RANGE)
        for state, numbers in relays.items():
            self._set_relays([state, *map(str, numbers)])
        self._mode, self._program = "RUN", program
        self._air.begin_at(program.start_degc)

    def _steer_program(self, words: list[str]) -> None:
        """Pause, continue or end the program that runs."""
        if words[:1] == ["RUN"]:
            raise Refused(wire.NO_DATA)
        verb = _one_of(words[:1], ("PAUSE", "CONTINUE", "ADVANCE", "END"))
        if self._program is None:
            raise Refused(wire.NO_PROGRAM)
        if verb != "END":
            self._program = self._program.steered(verb, self._now())
            return
        end = _one_of(words[1:] or ["STANDBY"], ("HOLD", "CONST", "OFF", "STANDBY"))
        if end == "HOLD":
            self._program = self._program.steered("ADVANCE", self._now())
        else:
            self._go("CONSTANT" if end == "CONST" else end)

    def _write_program(self, _: list[str]) -> None:
        raise Refused(wire.INVALID)

    # --- the machine ---------------------------------------------------------------------------

    def _now(self) -> int:
        return self._clock.now()

    def _condition(self) -> None:
        """Hand mode, set-point and ramp to the machine; this second has been settled before."""
        if self._program is None:
            set_degc, ramp_k_per_s = self._temp.set, None
        else:
            set_degc, ramp_k_per_s = self._program.heading(self._now())
        runs = self._mode in ("CONSTANT", "RUN")
        self._run(ordered=runs, set_degc=set_degc, ramp_k_per_s=ramp_k_per_s)

    def _supply(self, *, on: bool) -> None:
        """Switch the supply; settings are kept, and it comes back in standby."""
        if on != self._powered:
            self._powered = on
            self._mode, self._program = "STANDBY", None
            self._forget_lines()
            self._condition()

    def _working_degc(self) -> float:
        """Return the set-point of now, which a program moves."""
        if self._program is None:
            return self._temp.set
        return self._program.at(self._now())

    def _shown_degc(self) -> float:
        reading_degc = self._reading_degc()
        return _OVER_RANGE_DEGC if math.isnan(reading_degc) else reading_degc

    def _shown(self) -> str:
        return f"{self._shown_degc():.1f}"

    def _humi_read(self) -> float:
        """Return what the humidity sensor reads: nothing moves it."""
        self._need_humidity()
        return 50.0

    def _need_humidity(self) -> None:
        if not self._options.humidity:
            raise Refused(wire.NO_SUCH_LOOP)

    @staticmethod
    def _listed(numbers: "frozenset[int] | list[int]") -> str:
        """Return how many numbers there are, and the numbers."""
        return ",".join(map(str, [len(numbers), *sorted(numbers)]))


def _one_of(words: list[str], known: tuple[str, ...]) -> str:
    """Return the one word there is. Raises Refused for another one."""
    if len(words) != 1 or words[0] not in known:
        raise Refused(wire.PARAMETER)
    return words[0]
