"""The parsers of instruments that take a line at a time and speak no SCPI."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

from garbage import Feed, Parser
from text_parsers import one_of, simple, words
from wire_parsers import IN_ANSWERS, PLAN, driver_of

from drivers.chambers.described import DescribedChambers
from drivers.chambers.espec_p300 import EspecP300
from drivers.fault_boxes.bloomy_fiu import BloomyFiu
from drivers.virtual.bloomy_fiu import BloomyFiuTwin
from drivers.virtual.described_chamber import DescribedChamberTwins
from drivers.virtual.espec_p300 import EspecP300Twin
from drivers.virtual.espec_program import parse_program
from drivers.virtual.line_twin import LineTwin
from drivers.wire import bloomy_fiu, espec_p300
from drivers.wire.bloomy_fiu import Sum8
from drivers.wire.framing import Cts, framing_of, other_side
from hil.core.errors import DeviceError
from hil.core.instants import SECOND
from hil.core.templates import Template
from hil.profile import load_instrument

TO_P300 = words(
    *("TEMP?\r\n", "MON?\r\n", "TEMP, S45.0\r\n", "MODE, CONSTANT\r\n", "MODE, STANDBY\r\n"),
    *("RUN PRGM, TEMP23.0 TIME0:11 GOTEMP45.0\r\n", "RUN PRGM?\r\n", "TEMP, S1 H2 L-3\r\n"),
    *("CONSTANT SET?,TEMP\r\n", "RELAY,ON,1,2\r\n", "ALARM?\r\n", "PRGM,END,HOLD\r\n"),
)
IN_P300 = words(
    *("TEMP", "HUMI", "MODE", "?", ",", " ", "S", "H", "L", "45.0", "-", "\r\n", "\n", "RUN PRGM"),
    *("TIME", "GOTEMP", ":", "99", "9" * 40, "RELAY", "ON", "OFF", "PRGM", "%", "\0", "\xff", "1,"),
)
P300_ANSWERS = words(
    *("23.0,45.0,150.0,-40.0", "23.1,,CONSTANT,0", "23.1,50,RUN,2", "2,1,7", "T,P300,160.0"),
    *("STANDBY", "TEMP23.0 GOTEMP45.0 TIME0:11 REF9", "OK:MODE, STANDBY", "NA:CMD ERR"),
)


def line_twin(make: Callable[..., LineTwin]) -> Callable[[ExitStack], Feed]:
    """Return the maker of a twin whose clock goes on; what it answers ends as it should."""

    def made(_stack: ExitStack) -> Feed:
        clock: Any = SimpleNamespace(at=0, called=[])
        clock.now = lambda: clock.at
        clock.call_at = lambda at, what: clock.called.append((at, what))
        twin = make("unit", clock, PLAN, {})
        answers: list[bytes] = []
        twin.attach(lambda data, _at: answers.append(data))

        def feed(piece: bytes) -> bool:
            clock.at += SECOND
            while clock.called and clock.called[0][0] <= clock.at:
                clock.called.pop(0)[1]()
            twin.receive(piece)
            assert len(twin._waiting) <= 8
            assert len(twin._input._rest) <= twin._input._longest
            assert len(clock.called) <= 1
            ends = twin._framing.wrap("")
            assert all(one.endswith(ends) and one.count(ends) == 1 for one in answers)
            liked = not all(one.startswith(b"NA:") for one in answers)
            answers.clear()
            return liked

        return feed

    return made


TEMPLATES = words(
    *("a0 {set:05.1f}", "{air:.1f} {:values}{running:1c}{:30c}", "{a:text};{b:word}", "{{{n:d}}}"),
)
IN_TEMPLATES = words(
    *("{", "}", "{{", ":", "set", "05.1f", "1c", "99c", "text", "word", "values", "d", " ", ";"),
    *("{a:d}", "9" * 40, "\0", "\xff", "{:text}", ".1f", "-", "\n"),
)
DESCRIBED = ("cts", "votsch-ascii2", "simserv", "thermotron-8800")


def _template(text: str) -> object:
    template = Template(text)
    return template.read(text), template.read(template.write({}))


def _line_of(name: str, values: dict[str, float | str]) -> list[bytes]:
    """Return all that is said to an instrument, as its bytes."""
    chamber = load_instrument(name)
    framing = framing_of(chamber.wire)
    return [framing.wrap(one.line.write(values)) for one in chamber.exchanges.values()]


def _answers_of(name: str) -> list[bytes]:
    """Return all that it answers, as its bytes."""
    chamber = load_instrument(name)
    framing = other_side(chamber.wire)
    values: dict[str, float | str] = {"air": 23.0, "set": 45.0, "running": "1", "alarm": "0"}
    replies = [one.reply for one in chamber.exchanges.values()]
    return [framing.wrap(reply.write(values)) for reply in replies if reply is not None]


def _described() -> Iterable[Parser]:
    """Yield twins and drivers of described instruments, and what they are made of."""
    yield Parser("template", simple(_template), (ValueError,), TEMPLATES, IN_TEMPLATES)
    frames = [Cts(0x81).wrap(line)[:-1] for line in ("A0", "a0 -15.5", "S")]
    in_frames = [b"\x02", b"\x81", b"\x03", b"\xc1", b"\xb0", b"\x80", b"\xff", b"\0"]

    def unwrapped(_stack: ExitStack) -> Feed:
        framing = Cts(0x81)
        return lambda piece: bool(framing.unwrap(piece) or True)

    yield Parser("CTS frame", unwrapped, (ValueError,), frames, in_frames)
    for name in DESCRIBED:
        chamber = load_instrument(name)
        to_it = _line_of(name, {"set": 45.0, "ramp": 2.0})
        twin, driver = (
            DescribedChamberTwins.described(chamber),
            DescribedChambers.described(chamber),
        )
        yield Parser(f"{name} twin", line_twin(twin), (), to_it, [*IN_P300, *in_frames])
        yield Parser(
            f"{name} driver",
            driver_of(driver, twin),
            (DeviceError,),
            _answers_of(name),
            [*IN_ANSWERS, *in_frames],
        )


def _fiu() -> Iterable[Parser]:
    """Yield the twin, the driver and the answers of a fault-insertion unit."""
    asked, told = Sum8(is_padded=False), Sum8(is_padded=True)
    orders = (
        "C099",
        "D003",
        "F001",
        "V024",
        "I024",
        "S0",
        "L0",
        "O01",
        "H0",
        "D0100",
        "C100",
        "X0",
    )
    to_it = [asked.wrap(line) for line in orders]
    answers = [told.wrap(line) for line in ("0", "1" + "C" * 24, "1V01.00", "2", "3BUS IN USE")]
    parts = words(
        "C", "D", "F", "0", "1", "99", "24", "E5", "79", "\r", "\n", "\0", "\xff", "9" * 40
    )
    yield Parser("FIU twin", line_twin(BloomyFiuTwin), (), to_it, parts)
    driver = driver_of(BloomyFiu, BloomyFiuTwin)
    yield Parser("FIU driver", driver, (DeviceError,), answers, [*IN_ANSWERS, *parts])
    each = simple(one_of(bloomy_fiu.parse_answer, bloomy_fiu.parse_order, bloomy_fiu.parse_routes))
    yield Parser("FIU lines", each, (ValueError,), [*answers, *to_it], parts)


def _program(text: str) -> object:
    return parse_program(text, 0)


def line_parsers() -> Iterable[Parser]:
    """Yield twins, the parsers of their answers, and the drivers on top of them."""
    yield Parser("P300 twin", line_twin(EspecP300Twin), (), TO_P300, IN_P300)
    programs = words("TEMP23.0 TIME0:11 GOTEMP45.0", "TEMP1 TIME1:0 RELAYON,1,2")
    yield Parser("P300 program", simple(_program), (ValueError,), programs, IN_P300)
    wire = espec_p300
    answers = (
        *(wire.parse_air, wire.parse_monitor, wire.parse_alarms, wire.parse_type),
        *(wire.parse_ramp, wire.parse_mode),
    )
    each = simple(one_of(*answers))
    yield Parser("P300 answers", each, (ValueError,), P300_ANSWERS, [*IN_ANSWERS, *IN_P300])
    lines = [answer + b"\r\n" for answer in P300_ANSWERS]
    driver = driver_of(EspecP300, EspecP300Twin)
    yield Parser("P300 driver", driver, (DeviceError,), lines, [*IN_ANSWERS, *IN_P300])
    yield from _described()
    yield from _fiu()
