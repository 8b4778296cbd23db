"""The ESPEC P300: exact bytes, as the maker's library writes and reads them, and its ramps.

The lines are those of chamberconnectlibrary 2.2.5 (``p300.py``), with its spaces and its small
letters; the answers have the shapes that its parsers take.
"""

from types import SimpleNamespace
from typing import Any

import pytest
from chamber_lab import MAKES, Lab, in_lab
from test_watlow_f4t import plan

from drivers.virtual.espec_p300 import EspecP300Twin
from drivers.wire import espec_p300 as wire
from hil.core.errors import InstrumentFault, MalformedReply
from hil.core.instants import HOUR, MINUTE, SECOND, Instant


class Wire:
    """A twin under a hand-driven clock, asked a line a second."""

    def __init__(self, **options: object) -> None:
        self.now: Instant = 0
        self.out: list[tuple[bytes, Instant]] = []
        self.calls: list[tuple[Instant, Any]] = []
        clock: Any = SimpleNamespace(
            now=lambda: self.now, call_at=lambda at, what: self.calls.append((at, what))
        )
        self.twin = EspecP300Twin("chamber", clock, plan(), options)
        self.twin.attach(lambda data, at: self.out.append((data, at)))

    def ask(self, line: str) -> str:
        self.now += SECOND
        self.out.clear()
        self.twin.receive(line.encode("ascii") + b"\r\n")
        return b"".join(data for data, _ in self.out).decode("ascii")


GOLDEN = [
    ("ROM?", "P300 V3.01"),
    ("ROM?,DISP", "P300 D3.01"),
    ("TYPE?", "T,P300,160.0"),
    ("MODE?", "STANDBY"),
    ("ALARM?", "0"),
    ("KEYPROTECT?", "OFF"),
    ("SET?", "REF9"),
    ("REF?", "2,OFF1,OFF2"),
    ("RELAY?", "0"),
    ("%?", "1,0.0"),
    ("TIMER ON?", "0"),
    ("MASK?", "00000000"),
    ("SRQ?", "00000000"),
    ("TIME?", "0:00:14"),
    ("HUMI?", "NA:CONT NOT READY-1"),
    ("CONSTANT SET?,TEMP", "23.0,ON"),
    ("CONSTANT SET?,REF", "AUTO"),
    ("CONSTANT SET?,RELAY", "0"),
    ("MON PTC?", "NA:CONT NOT READY-1"),
    ("TEMP PTC, PTCON, DEVP5.0, DEVN-5.0", "NA:CONT NOT READY-1"),
    ("PRGM MON?", "NA:CONT NOT READY-2"),
    ("PRGM DATA?,RAM:1", "NA:DATA NOT READY"),
    ("RUN PRGM?", "NA:CONT NOT READY-2"),
    ("TEMP, S45.0", "OK:TEMP, S45.0"),
    ("CONSTANT SET?,TEMP", "45.0,ON"),
    ("TEMP, S50.0 H90.0 L-20.0", "OK:TEMP, S50.0 H90.0 L-20.0"),
    ("TEMP, H 28.0", "NA:DATA OUT OF RANGE"),
    ("TEMP, S151.0", "NA:DATA OUT OF RANGE"),
    ("TEMP, S", "NA:PARA ERR"),
    ("TEMP", "NA:PARA ERR"),
    ("TEMPERATURE?", "NA:CMD ERR"),
    ("", "NA:CMD ERR"),
    ("*IDN?", "NA:CMD ERR"),
    ("SET,REF3", "OK:SET,REF3"),
    ("SET?", "REF3"),
    ("CONSTANT SET?,REF", "50"),
    ("SET,REF2", "NA:PARA ERR"),
    ("RELAY,ON,1,12", "OK:RELAY,ON,1,12"),
    ("RELAY?", "2,1,12"),
    ("RELAY,OFF,12", "OK:RELAY,OFF,12"),
    ("RELAY,ON,13", "NA:PARA ERR"),
    ("KEYPROTECT,ON", "OK:KEYPROTECT,ON"),
    ("TEMP, S20.0", "NA:PROTECT ON"),
    ("MODE,CONSTANT", "NA:PROTECT ON"),
    ("KEYPROTECT,off", "OK:KEYPROTECT,off"),
    ("POWER,ON", "OK:POWER,ON"),
    ("MODE?", "CONSTANT"),
    ("REF?", "2,ON1,ON2"),
    ("POWER,off", "OK:POWER,off"),
    ("MODE?", "OFF"),
    ("MODE,RUN1", "NA:DATA NOT READY"),
    ("MODE,CONSTANT", "OK:MODE,CONSTANT"),
    ("MODE?,DETAIL", "CONSTANT"),
    ("PRGM,PAUSE", "NA:CONT NOT READY-2"),
    ("RUN PRGM, TEMP23.0 TIME0:0 GOTEMP45.0", "NA:PARA ERR"),
    ("RUN PRGM, TEMP23.0 TIME0:10 GOTEMP99.0", "NA:DATA OUT OF RANGE"),
    (
        "RUN PRGM, TEMP20.0 TIME1:0 GOTEMP80.0 RELAYON,2,3",
        "OK:RUN PRGM, TEMP20.0 TIME1:0 GOTEMP80.0 RELAYON,2,3",
    ),
    ("RUN PRGM?", "TEMP20.0 GOTEMP80.0 TIME1:00 REF3 RELAYON,1,2,3"),
    ("MODE?", "RUN"),
    ("MODE?,DETAIL", "RMT RUN"),
    ("PRGM,PAUSE", "OK:PRGM,PAUSE"),
    ("MODE?,DETAIL", "RMT RUN PAUSE"),
    ("RUN PRGM MON?", "1,20.1,1:00,0"),
    ("PRGM,CONTINUE", "OK:PRGM,CONTINUE"),
    ("PRGM,ADVANCE", "OK:PRGM,ADVANCE"),
    ("MODE?,DETAIL", "RMT RUN END HOLD"),
    ("RUN PRGM MON?", "1,80.0,0:00,0"),
    ("PRGM,END,STANDBY", "OK:PRGM,END,STANDBY"),
    ("MODE?", "STANDBY"),
    ("PRGM DATA WRITE,PGM1,EDIT START", "NA:INVALID REQ"),
]


def test_the_controller_answers_line_for_line() -> None:
    wires = Wire()
    for asked, answered in GOLDEN:
        assert (asked, wires.ask(asked)) == (asked, f"{answered}\r\n")


def test_a_chamber_with_humidity_tells_of_it() -> None:
    wires = Wire(humidity=True, controller="S2")
    for asked, answered in (
        ("TYPE?", "T,T,S2,160.0"),
        ("HUMI?", "50,OFF,100,0"),
        ("HUMI, S60.0", "OK:HUMI, S60.0"),
        ("HUMI?", "50,60,100,0"),
        ("CONSTANT SET?,HUMI", "60,ON"),
        ("HUMI,SOFF", "OK:HUMI,SOFF"),
        ("HUMI?", "50,OFF,100,0"),
        ("%?", "2,0.0,0.0"),
    ):
        assert (asked, wires.ask(asked)) == (asked, f"{answered}\r\n")
    assert wires.ask("MON?").split(",")[1:] == ["50", "STANDBY", "0\r\n"]


def test_on_a_bus_it_answers_to_its_address_alone() -> None:
    wires = Wire(address=2)
    assert wires.ask("MODE?") == wires.ask("1,MODE?") == wires.ask("12,MODE?") == ""
    assert wires.ask("2,MODE?") == "STANDBY\r\n"
    assert wires.ask("2,TEMP, S30.0") == "OK:TEMP, S30.0\r\n"


def test_what_comes_too_fast_is_done_later_and_counted() -> None:
    wires = Wire()
    wires.twin.receive(b"TEMP, S30.0\r\nMODE?\r\n")
    assert wires.out == [(b"OK:TEMP, S30.0\r\n", wire.ANSWER)]
    assert wires.twin.truth()["crowded"] == 1
    at, what = wires.calls.pop()
    assert at == wire.AFTER_ORDER
    wires.now = at
    what()
    assert wires.out[1] == (b"STANDBY\r\n", wire.AFTER_ORDER + wire.ANSWER)


@pytest.mark.parametrize(
    ("start", "end", "ramp", "line", "minutes"),
    [
        (23.0, 45.0, 2.0, "RUN PRGM, TEMP23.0 TIME0:11 GOTEMP45.0", 11),
        (23.0, 45.1, 2.0, "RUN PRGM, TEMP23.0 TIME0:12 GOTEMP45.1", 12),
        (40.0, -20.0, 0.5, "RUN PRGM, TEMP40.0 TIME2:00 GOTEMP-20.0", 120),
        (23.0, 23.0, 2.0, "RUN PRGM, TEMP23.0 TIME0:01 GOTEMP23.0", 1),
    ],
)
def test_a_ramp_is_never_steeper_than_ordered(
    start: float, end: float, ramp: float, line: str, minutes: int
) -> None:
    assert wire.ramp_line(start, end, ramp) == (line, minutes * MINUTE)


def test_a_ramp_that_the_controller_cannot_count_is_refused() -> None:
    with pytest.raises(ValueError, match="counts to 5999"):
        wire.ramp_line(-40.0, 150.0, 0.03)


SESSION = [
    *[("ROM?", "P300 V3.01")] * 2,
    *[("TYPE?", "T,P300,160.0"), ("TEMP?", "AIR,23.0,150.0,-40.0")],
    *[("TEMP, SAIR", "OK:TEMP, SAIR"), ("MODE, CONSTANT", "OK:MODE, CONSTANT")],
    *[("MODE?", "CONSTANT"), ("TEMP, S-12.5", "OK:TEMP, S-12.5")],
    *[("TEMP?", "AIR,-12.5,150.0,-40.0"), ("MON?", "AIR,,CONSTANT,0")],
    *[("MODE, STANDBY", "OK:MODE, STANDBY"), ("MODE?", "STANDBY")],
]
"""Written down from the maker's library; ``AIR`` is a reading, whose digits are noise."""


@pytest.mark.parametrize(("make", "prefix"), [("espec-p300", ""), ("espec-p300-rs485", "3,")])
def test_every_byte_from_the_first_word_to_standby(make: str, prefix: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(-12.5, None)
        await lab.driver.sense()
        await lab.driver.sense()
        await lab.driver.make_safe()
        said = [entry.decode("ascii") for entry in lab.log]
        air = said[7].split(",")[0][1:]
        expected = [
            f"{way}{before}{text}\r\n".replace("AIR", air)
            for asked, answered in SESSION
            for way, before, text in ((">", prefix, asked), ("<", "", answered))
        ]
        assert said == expected

    in_lab(MAKES[make], story)


def test_every_line_of_a_ramp_and_of_its_end() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.sense()
        lab.log.clear()
        await lab.driver.apply(26.0, 2.0)
        await lab.watched(3)
        said = [entry.decode("ascii").strip() for entry in lab.log]
        asked = [line for line in said if line.startswith(">") and line != ">MON?"]
        begin = float(said[1][1:].split(",")[1])
        assert asked == [
            ">TEMP?",
            f">RUN PRGM, TEMP{begin:.1f} TIME0:02 GOTEMP26.0",
            *[">RUN PRGM?"] * 12,
            ">TEMP, S26.0",
            ">MODE, CONSTANT",
            *[">TEMP?"] * 6,
        ]
        assert lab.twin.truth()["mode"] == "CONSTANT"

    in_lab(MAKES["espec-p300"], story)


def test_a_mode_that_somebody_stopped_is_told_of() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        await lab.driver.apply(40.0, None)
        lab.twin._set_mode(["STANDBY"])
        with pytest.raises(InstrumentFault, match="its mode is STANDBY"):
            await lab.watched(1)

    in_lab(MAKES["espec-p300"], story)


def test_what_the_controller_refuses_is_said_with_its_reason() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin._temp.high = 60.0  # somebody protects what is in the chamber
        with pytest.raises(InstrumentFault, match="is refused: DATA OUT OF RANGE"):
            await lab.driver.apply(80.0, None)
        await lab.driver.apply(50.0, None)

    in_lab(MAKES["espec-p300"], story)


def test_programs_do_not_drift_with_who_looks() -> None:
    """A program that is watched ends where one does that nobody looks at."""
    watched, alone = Wire(), Wire()
    for one in (watched, alone):
        one.ask("RUN PRGM, TEMP23.0 TIME0:30 GOTEMP60.0")
    for _ in range(3600):
        watched.ask("MON?")
    alone.now = watched.now
    assert watched.twin.air_degc(2 * HOUR) == alone.twin.air_degc(2 * HOUR)


@pytest.mark.parametrize(
    ("parse", "reply"),
    [
        (wire.parse_air, "23.0,23.0,150.0"),
        (wire.parse_air, "23.0,nan,150.0,-40.0"),
        (wire.parse_air, "23.0,1e3,150.0,-40.0"),
        (wire.parse_monitor, "23.0,,PAUSE,0"),
        (wire.parse_monitor, "23.0,,CONSTANT,-1"),
        (wire.parse_monitor, "23.0,CONSTANT,0"),
        (wire.parse_alarms, "2,1"),
        (wire.parse_alarms, ""),
        (wire.parse_type, "T,,160.0"),
        (wire.parse_ramp, "TEMP23.0 TIME0:10"),
        (wire.parse_mode, "NA:CMD ERR"),
    ],
)
def test_answers_that_are_none_are_refused(parse: Any, reply: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(reply)


def test_another_instrument_is_not_taken_for_one() -> None:
    async def story(lab: Lab) -> None:
        lab.twin._questions = {"ROM?": lambda _: "3.01", "TYPE?": lambda _: "X"}
        await lab.driver.connect()
        with pytest.raises(MalformedReply, match="expected sensors"):
            await lab.driver.identify()

    in_lab(MAKES["espec-p300"], story)
