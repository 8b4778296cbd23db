"""Every line that the vendor's driver can send to a Bloomy ABS, and what it makes of the answer.

Lines and parsers are those of abs-scpi-driver (the C++ library behind absscpi 1.2.1), read in its
sources: the library itself is in no package registry.
"""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from abs_unit import plan

from drivers.virtual.bloomy_abs import BloomyAbsTwin
from hil.core.instants import Instant

FLOAT = r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?"


def floats(count: int) -> str:
    return ",".join([FLOAT] * count)


def words(count: int, *known: str) -> str:
    return ",".join(["(" + "|".join(known) + ")"] * count)


def eight(line: str) -> list[str]:
    """Return what the driver sends for one cell and another, and for all."""
    return [line.format(n=1), line.format(n=8)]


TEXT = '"[^"]*"'
FAULT = "NONE", "OPENCIRCUIT", "SHORTCIRCUIT", "POLARITY"
RANGE = "AUTO", "LOW", "HIGH"

SETS = [
    "*CLS",
    "SYST:ALARM:CLEAR",
    'CONF:COMM:SOCK:ADDR "10.0.0.5","255.0.0.0"',
    *eight("OUTP{n} 1"),
    "OUTP 0,(@1,3,8)",
    *eight("SOUR{n}:VOLT 3.3012"),
    "SOUR:VOLT 5.0000,(@1:8)",
    "SOUR:VOLT 0.0000,(@2,4)",
    "".join(f":SOUR{n}:VOLT 3.{n}000;" for n in range(1, 9)),
    *eight("SOUR{n}:CURR:SRC 5.0000"),
    "SOUR:CURR:SRC 0.0000,(@1:8)",
    "SOUR:CURR:SRC 0.5000,(@2,4)",
    "".join(f":SOUR{n}:CURR:SRC 1.0000;" for n in range(1, 9)),
    *eight("SOUR{n}:CURR:SNK -5.0000"),
    "SOUR:CURR:SNK 5.0000,(@1:8)",
    "SOUR:CURR:SNK 0.5000,(@2,4)",
    "".join(f":SOUR{n}:CURR:SNK -1.0000;" for n in range(1, 9)),
    *[f"OUTP1:FAUL {one}" for one in ("NONE", "OPEN", "SHORT", "POL")],
    "OUTP:FAUL POL,(@1:8)",
    "OUTP:FAUL NONE,(@1,3)",
    "".join(f":OUTP{n}:FAUL SHORT;" for n in range(1, 9)),
    *[f"SENS8:RANG {one}" for one in ("AUTO", "LO", "HI")],
    "SENS:RANG HI,(@1:8)",
    "".join(f":SENS{n}:RANG LO;" for n in range(1, 9)),
    "CONF:MEAS:FILT 1",
    *eight("SOUR:AUX:OUT{n} -10.000"),
    "SOUR:AUX:OUT 10.000,(@1:8)",
    "".join(f":SOUR:AUX:OUT{n} 1.000;" for n in range(1, 9)),
    "SOUR:DAUX:OUT4 1",
    "SOUR:DAUX:OUT 0,(@1:4)",
    "SOUR:DAUX:OUT 1,(@1,3)",
    *eight("MOD:GLOB{n} 1.5e-05"),
    "MOD:GLOB -3,(@1:8)",
    "".join(f":MOD:GLOB{n} 2;" for n in range(1, 9)),
    *eight("MOD:LOC{n} 100000"),
    "MOD:LOC 0.25,(@1:8)",
    "".join(f":MOD:LOC{n} 2;" for n in range(1, 9)),
    "MOD:STOP",
    "MOD:UNLOAD",
]
"""What the driver sends without an answer."""

ASKS = {
    "*IDN?": r"[^,]+,[^,]+,[^,]+,[^,]+",
    "CONF:COMM:SER:ID?": r"\d{1,3}",
    "CONF:COMM:SOCK:ADDR?": f"{TEXT},{TEXT}",
    "CAL:DATE?": TEXT,
    "SYST:ERR:COUN?": r"\d+",
    "SYST:ERR?": rf"-?\d+,{TEXT}",
    "SYST:ALARM?": r"\d+",
    "SYST:INT?": "[01]",
    "OUTP8?": "[01]",
    "OUTP? (@1:8)": words(8, "0", "1"),
    **{f"{one}8?": FLOAT for one in ("SOUR:AUX:OUT", "MEAS:AUX:IN", "MOD:GLOB", "MOD:LOC")},
    **{
        f"{head}8:{tail}?": FLOAT
        for head, tails in {
            "SOUR": ("VOLT", "CURR:SRC", "CURR:SNK"),
            "MEAS": ("VOLT", "VOLT:AVG", "CURR", "CURR:AVG"),
        }.items()
        for tail in tails
    },
    **{
        f"{one}? (@1:{count})": floats(count)
        for one in (
            *("SOUR:VOLT", "SOUR:CURR:SRC", "SOUR:CURR:SNK", "SOUR:AUX:OUT", "MEAS:AUX:IN"),
            *("MEAS:VOLT", "MEAS:VOLT:AVG", "MEAS:CURR", "MEAS:CURR:AVG", "MOD:GLOB", "MOD:LOC"),
        )
        for count in (8, 3)
    },
    "OUTP8:FAUL?": words(1, *FAULT),
    "OUTP:FAUL? (@1:8)": words(8, *FAULT),
    "SENS8:RANG?": words(1, *RANGE),
    "SENS:RANG? (@1:8)": words(8, *RANGE),
    "OUTP8:MODE?": "CV|ILIM",
    "OUTP:MODE? (@1:8)": words(8, "CV", "ILIM"),
    "CONF:MEAS:FILT?": "[01]",
    "SOUR:DAUX:OUT4?": "[01]",
    "SOUR:DAUX:OUT? (@1:4)": words(4, "0", "1"),
    "MEAS:DAUX:IN4?": "[01]",
    "MEAS:DAUX:IN? (@1:4)": words(4, "0", "1"),
    "MOD:STAT?": r"\d{1,3}",
    "MOD:TIME?": r"\d+",
    "MOD:INFO?": f"{TEXT},{TEXT}",
    "MOD:ID?": TEXT,
    "MOD:OUT36?": FLOAT,
    "MOD:OUT? (@1:36)": floats(36),
}
"""What the driver asks, and what it can parse."""

Ask = Callable[[str], str]


def unit(**options: Any) -> Ask:
    out: list[tuple[bytes, Instant]] = []
    clock: Any = SimpleNamespace(now=lambda: 0)
    twin = BloomyAbsTwin("emulator-1", clock, plan(7), {"serial": "V-17", **options})
    twin.attach(lambda data, at: out.append((data, at)))

    def ask(line: str) -> str:
        out.clear()
        twin.receive(line.encode("ascii") + b"\r\n")
        return b"".join(data for data, _ in out).decode("ascii")

    return ask


@pytest.mark.parametrize("line", SETS)
def test_every_setting_is_taken(line: str) -> None:
    ask = unit()
    assert ask(line) == ""
    assert ask("SYST:ERR?") == '0,"No error"\n'


@pytest.mark.parametrize("line", ASKS)
def test_every_question_has_the_answer_that_is_parsed(line: str) -> None:
    ask = unit()
    answer = ask(line)
    assert answer.endswith("\n")
    assert re.fullmatch(ASKS[line], answer[:-1]), answer
    assert ask("SYST:ERR?") == '0,"No error"\n'


@pytest.mark.parametrize(
    ("put", "asked", "told"),
    [
        ("MOD:GLOB3 2.5", "MOD:GLOB? (@2:4)", "0,2.5,0\n"),
        ("MOD:LOC 0.25,(@1:8)", "MOD:LOC8?", "0.25\n"),
        (":SOUR:AUX:OUT1 1.000;:SOUR:AUX:OUT2 -2.000;", "SOUR:AUX:OUT? (@1:2)", "1.0001,-2.0001\n"),
        ("OUTP:FAUL SHORT,(@2,3)", "OUTP:FAUL? (@1:3)", "NONE,SHORTCIRCUIT,SHORTCIRCUIT\n"),
        ("SENS8:RANG LO", "SENS8:RANG?", "LOW\n"),
        ("SOUR:DAUX:OUT 1,(@1,3)", "SOUR:DAUX:OUT? (@1:4)", "1,0,1,0\n"),
    ],
)
def test_what_is_set_is_read_back(put: str, asked: str, told: str) -> None:
    ask = unit()
    ask(put)
    assert ask(asked) == told


@pytest.mark.parametrize(("line", "code"), [("MOD:LOAD", "-256"), ("MOD:START", "-221")])
def test_a_model_that_is_not_there_is_told_of(line: str, code: str) -> None:
    ask = unit()
    assert ask(line) == ""
    assert ask("SYST:ERR?").startswith(code)
    assert ask("MOD:STAT?") == "0\n"


def test_an_interlock_raised_is_an_alarm_until_it_is_cleared() -> None:
    ask = unit()
    ask("SYST:ALARM:RAISE")
    assert (ask("SYST:ALARM?"), ask("SYST:INT?")) == ("1\n", "1\n")
    ask("SYST:ALARM:CLEAR")
    assert (ask("SYST:ALARM?"), ask("SYST:INT?")) == ("0\n", "0\n")


def test_on_a_shared_line_each_unit_hears_what_is_for_it() -> None:
    ask = unit(address=7)
    assert ask("@7 CONF:COMM:SER:ID?") == "7\n"
    assert ask("@8 *IDN?") == ""
    assert ask("@8 SOUR1:VOLT 3.3") == ""
    assert ask("@7 SOUR1:VOLT?") == "0.0000\n"
    assert ask("@7 SYST:ERR:COUN?") == "0\n", "what is another's is nobody's error here"
    with pytest.raises(ValueError, match="address: found 256, expected 0 to 255"):
        unit(address=256)
