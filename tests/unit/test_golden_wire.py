"""Every byte between a driver and a unit of its make, from the first word to all off.

Written down from the makers' command references: a driver that says something else has changed what
a real unit is told, and that is to be looked at before the log is.
"""

import pytest
from plain_lab import Lab, in_lab


def each(words: str) -> str:
    """Return what an NGM202 is asked of both channels."""
    return f":INST:NSEL 1;{words};:INST:NSEL 2;{words}"


PROTECT = ":SOUR:CURR 1.0000;:SOUR:VOLT:PROT:LEV 5.000;:SOUR:VOLT:PROT:STAT 1;:FUSE:STAT 1"
READ = ":MEAS:VOLT?;:MEAS:CURR:AVG?;:MEAS:STAT:RES;:SOUR:VOLT:PROT:TRIP?;:FUSE:TRIP?"
OUTPUTS = f">:OUTP:GEN?;{each(':OUTP:SEL?;:MEAS:VOLT?')}"
NGM_ARM = [
    f">{each(':SOUR:VOLT:PROT:CLE;:FUSE:TRIP:CLE')}",
    f">{each(PROTECT)}",
    f">{each(':SOUR:CURR?;:SOUR:VOLT:PROT:LEV?;:SOUR:VOLT:PROT:STAT?;:FUSE:STAT?')}",
    "<1.0000;5.0000;1;1;1.0000;5.0000;1;1",
    ">SYST:ERR?",
    '<0,"No error"',
    f">{each(':OUTP:SEL 1')};:OUTP:GEN 1",
    OUTPUTS,
    "<1;1;V;1;V",
    f">{each(':MEAS:STAT:RES')}",
]
NGM_REST = [
    ">:INST:NSEL 1;:SOUR:VOLT 3.300;:INST:NSEL 2;:SOUR:VOLT 3.301",
    f">{each(READ)};*STB?",
    "<V;V;0;0;V;V;0;0;16",
    f">:OUTP:GEN 0;{each(':OUTP:SEL 0')}",
    *[OUTPUTS, "<0;0;V;0;V"] * 2,  # at the first look the voltage still falls
]
N6705_SENSE = [
    ">:MEAS:VOLT? (@1:4);:FETC:AHO? (@1:4);:STAT:QUES:COND? (@1:4);*STB?",
    "<V,V,V,V;V,V,V,V;0,0,0,0;16",
]
N6705_ARM = [
    ">:OUTP:PROT:CLE (@1:4)",
    ">:CURR 1.0000,(@1:4);:VOLT:PROT 5.000,(@1:4);:OUTP:PROT:WDOG:DEL 30;:OUTP:PROT:WDOG 1",
    ">:CURR? (@1:4);:VOLT:PROT? (@1:4);:OUTP:PROT:WDOG?;:OUTP:PROT:WDOG:DEL?",
    "<V,V,V,V;V,V,V,V;1;30",
    ">SYST:ERR?",
    '<0,"No error"',
    ">:OUTP 1,(@1:4)",
    ">:OUTP? (@1:4);:MEAS:VOLT? (@1:4)",
    "<1,1,1,1;V,V,V,V",
    *N6705_SENSE,
]
N6705_REST = [
    ">:VOLT 3.3000,(@1);:VOLT 3.3010,(@2);:VOLT 3.3020,(@3);:VOLT 3.3030,(@4)",
    *N6705_SENSE,
    ">:OUTP 0,(@1:4)",
    *[">:OUTP? (@1:4);:MEAS:VOLT? (@1:4)", "<0,0,0,0;V,V,V,V"] * 2,
]
K2281_VOC = ",".join(f"{k * 0.05:.4g}" for k in range(101))
K2281_MODEL = [">:BATT:MOD9:VOC?;:BATT:MOD9:RES?"]
K2281_ARM = [
    ">:ENTR:FUNC SIMULATOR;:OUTP:PROT:CLE",
    *K2281_MODEL,
    f"<{','.join(['V'] * 101)};{','.join(['V'] * 101)}",
    f'>:BATT:MOD9:VOC "{K2281_VOC}";:BATT:MOD9:RES "{",".join("0" * 101)}"',
    *K2281_MODEL,
    f"<{','.join(['V'] * 101)};{','.join('0' * 101)}",
    (
        ">:BATT:MOD:RCL 9;:BATT:SIM:METH STAT;:BATT:SIM:RES:OFFS 0;:BATT:SIM:CURR:LIM 1.0000;"
        ":BATT:SIM:TVOL:PROT 5.000;:BATT:SIM:SAMP:INT 0.01"
    ),
    ">:ENTR:FUNC?;:BATT:SIM:METH?;:BATT:SIM:CURR:LIM?;:BATT:SIM:TVOL:PROT?",
    "<SIMULATOR;STAT;1.00000;5.00000",
    ">:BATT:SIM:VOC 0.0000",
    ">SYST:ERR?",
    '<0,"No error"',
    ">:BATT:DATA:CLE;:BATT:OUTP 1",
    ">:BATT:OUTP?;:BATT:SIM:TVOL?",
    "<1;V",
]
K2281_REST = [
    ">:BATT:SIM:VOC 3.3000",
    '>:BATT:SIM:TVOL?;:BATT:SIM:CURR?;:BATT:DATA:DATA? "CURR";:STAT:QUES:INST:ISUM:COND?;*STB?',
    "<V;V;;8;16",
    ">:BATT:OUTP 0",
    *[">:BATT:OUTP?;:BATT:SIM:TVOL?", "<0;V"] * 2,
]


def said(says: str) -> list[str]:
    """Return how every session begins: who answers is asked twice, against garbled letters."""
    asked = [">*IDN?", f"<{says}"]
    return [">*CLS", *asked, *asked, ">SYST:ERR?", '<0,"No error"']


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        ("rs-ngm", [*said("Rohde&Schwarz,NGM202,N-17,03.068"), *NGM_ARM, *NGM_REST]),
        (
            "keithley-2281s",
            [
                *said("KEITHLEY INSTRUMENTS,MODEL 2281S-20-6,N-17,01.08b"),
                *K2281_ARM,
                *K2281_REST,
            ],
        ),
        (
            "keysight-n6705",
            [*said("Keysight Technologies,N6705C,N-17,E.02.07.3151"), *N6705_ARM, *N6705_REST],
        ),
    ],
)
def test_every_byte_from_the_first_word_to_all_off(make: str, expected: list[str]) -> None:
    """``V`` stands for a reading, whose digits are noise."""

    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        await lab.driver.identify()
        await lab.driver.arm()
        await lab.driver.apply([3.3 + 0.001 * cell for cell in range(lab.cells)], {})
        await lab.driver.sense()
        await lab.driver.make_safe()
        found = [entry.decode("ascii").rstrip("\n") for entry in lab.log]
        assert [blurred(one, like) for one, like in zip(found, expected, strict=True)] == expected

    in_lab(make, story)


def blurred(line: str, like: str) -> str:
    """Return a line with V for each number where the expected line has one."""
    if "V" not in like or not like.startswith("<") or like.count(";") != line.count(";"):
        return line
    parts = [
        ",".join("V" if w == "V" else f for f, w in zip(g.split(","), e.split(","), strict=True))
        for g, e in zip(line[1:].split(";"), like[1:].split(";"), strict=True)
    ]
    return "<" + ";".join(parts)
