"""The SCPI engine against the rules of IEEE 488.2 and SCPI-1999, on a small made-up instrument."""

import pytest

from drivers.wire.scpi import Channels, Command, ScpiDevice
from drivers.wire.scpi_data import (
    Boolean,
    Choice,
    Number,
    ScpiError,
    Text,
    format_channels,
    format_number,
    parse_channels,
    parse_numbers,
    parse_strings,
)


class Bench:
    """An instrument with four voltages, one mode, one label and one thing that is not fitted."""

    def __init__(self, queue_depth: int = 4) -> None:
        self.volts = dict.fromkeys(range(1, 5), 0.0)
        self.mode, self.label = "VOLTAGE", ""
        self.resets = 0
        self.device = ScpiDevice(
            [
                Command(
                    "[:SOURce#]:VOLTage[:LEVel]", self._set, self._get, (Number(0, 5, 1, "V"),), 4
                ),
                Command(
                    ":SYSTem:MODE",
                    lambda _, mode: setattr(self, "mode", mode),
                    lambda _: self.mode,
                    (Choice("VOLTage", "CURRent"),),
                ),
                Command(
                    ":SYSTem:LABel",
                    lambda _, *texts: setattr(self, "label", "|".join(texts)),
                    None,
                    (Text(), Text()),
                ),
                Command(":OUTPut", self._not_fitted, None, (Boolean(),)),
            ],
            "maker,model,serial,firmware",
            reset=self._reset,
            queue_depth=queue_depth,
            longest_line=100,
        )

    def _set(self, channels: Channels, value_v: float) -> None:
        for channel in channels:
            self.volts[channel] = value_v

    def _get(self, channels: Channels) -> str:
        return ",".join(f"{self.volts[channel]:g}" for channel in channels)

    def _not_fitted(self, _: Channels, _on: bool) -> None:  # noqa: FBT001 - a parsed parameter
        raise ScpiError(-241)

    def _reset(self) -> None:
        self.resets += 1

    def ask(self, line: str) -> str:
        return self.device.execute(line)

    def errors(self) -> list[int]:
        codes = []
        while (code := int(self.ask("SYST:ERR?").split(",")[0])) != 0:
            codes.append(code)
        return codes


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    "header",
    [
        "VOLT",
        "volt",
        "VOLTage",
        ":VOLTAGE:LEV",
        "SOUR:VOLT",
        "source1:voltage:level",
        "SOUR01:VOLT",
    ],
)
def test_every_legal_spelling_sets_channel_one(bench: Bench, header: str) -> None:
    bench.ask(f"{header} 2.5")
    assert bench.volts == {1: 2.5, 2: 0.0, 3: 0.0, 4: 0.0}
    assert bench.ask(f"{header}?") == "2.5"
    assert bench.errors() == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("VOLTag 1", -113),
        ("SOUR5:VOLT 1", -114),
        ("SOUR0:VOLT 1", -114),
        ("SYST2:MODE VOLT", -114),
        ("VOLT", -109),
        ("VOLT ", -109),
        ("VOLT 1,2", -108),
        ("VOLT 6", -222),
        ("VOLT -0.001", -222),
        ("VOLT NAN", -222),
        ("VOLT 9.9E37", -222),
        ("VOLT 1_0", -121),
        ("VOLT 1..0", -121),
        ("VOLT up", -104),
        ("VOLT 1 A", -131),
        ("VOLT? 1", -108),
        ("VOLT 1,(@1:9)", -222),
        ("VOLT 1,(@1:)", -171),
        ("SOUR2:VOLT 1,(@1:2)", -108),
        ("SYST:MODE ohms", -224),
        ("SYST:MODE?;OUTP 1", -113),
        ("OUTP 1", -241),
        ("OUTP maybe", -224),
        ("OUTP?", -113),
        ('SYST:LAB "a"', -109),
        ('SYST:LAB "a",b', -104),
        ("VOLT\x07 1", -101),
        ("VOLT\xe9 1", -101),
        ("VOLT@ 1", -101),
        ("SYST::MODE VOLT", -102),
        ("MNEMONICLONGERTHANTWELVE 1", -112),
        ("*NON", -113),
    ],
)
def test_each_mistake_has_the_standards_number(bench: Bench, line: str, code: int) -> None:
    bench.ask(line)
    assert bench.errors() == [code]
    assert set(bench.volts.values()) == {0.0}


@pytest.mark.parametrize(
    ("data", "value_v"),
    [
        ("3.25V", 3.25),
        ("100 MV", 0.1),
        ("2500000uv", 2.5),
        ("5E-1", 0.5),
        (".5", 0.5),
        ("MIN", 0.0),
        ("MAXimum", 5.0),
        ("def", 1.0),
    ],
)
def test_numbers_take_prefixes_and_limits_by_name(bench: Bench, data: str, value_v: float) -> None:
    bench.ask(f"VOLT {data}")
    assert bench.volts[1] == pytest.approx(value_v, abs=1e-12)
    assert bench.errors() == []


def test_ma_alone_is_milliampere() -> None:
    assert Number(0, 10, 0, "A").parse("20 MA") == pytest.approx(0.02)
    with pytest.raises(ScpiError):
        Number(0, 10).parse("20 MA")


def test_the_path_stays_after_a_semicolon_and_a_colon_resets_it(bench: Bench) -> None:
    bench.ask("SOUR3:VOLT 1;VOLT 2;*CLS;VOLT 3")
    assert bench.volts[3] == 3.0
    assert bench.ask("SYST:MODE CURR;MODE?;:SYST:MODE?;*IDN?;MODE?") == (
        "CURRENT;CURRENT;maker,model,serial,firmware;CURRENT"
    )
    assert bench.errors() == []
    bench.ask("SYST:MODE VOLT;SOUR:VOLT 1")  # below SYST there is no SOUR
    assert bench.errors() == [-113]


def test_a_channel_list_stands_in_place_of_the_suffix(bench: Bench) -> None:
    bench.ask("SOUR:VOLT 1.5,(@1,3:4)")
    assert bench.ask("VOLT? (@1:4)") == "1.5,0,1.5,1.5"
    assert bench.ask("VOLT? (@4,2)") == "1.5,0"
    assert bench.ask("VOLT? MAX") == "5"


def test_separators_inside_quotes_are_data(bench: Bench) -> None:
    bench.ask("""SYST:LAB "a;b,c",'say ""no""';MODE CURR""")
    assert (bench.label, bench.mode) == ('a;b,c|say ""no""', "CURRENT")


def test_an_empty_unit_is_no_mistake(bench: Bench) -> None:
    bench.ask("VOLT 1;;SOUR2:VOLT 2;")  # the vendor's ABS driver ends its lines so
    bench.ask("")
    assert (bench.volts[1], bench.volts[2], bench.errors()) == (1.0, 2.0, [])


def test_a_command_error_ends_the_line_and_an_execution_error_does_not(bench: Bench) -> None:
    bench.ask("VOLT 9;SOUR2:VOLT 2;NONSENSE;:SOUR3:VOLT 3")
    assert (bench.volts[2], bench.volts[3]) == (2.0, 0.0)
    assert bench.errors() == [-222, -113]


def test_the_queue_is_first_in_first_out_and_its_last_place_says_overflow(bench: Bench) -> None:
    for line in ("VOLT 9", "BAD", "VOLT up", "OUTP 1", "SOUR9:VOLT 1", "VOLT 9"):
        bench.ask(line)
    assert bench.ask("SYST:ERR:COUN?") == "4"
    assert bench.ask("SYST:ERR?") == '-222,"Data out of range"'
    assert bench.ask("SYST:ERR:NEXT?;NEXT?") == '-113,"Undefined header";-104,"Data type error"'
    assert bench.ask("SYST:ERR?") == '-350,"Queue overflow"'
    assert bench.ask("SYST:ERR?") == '0,"No error"'


def test_reset_keeps_the_queue_and_clear_empties_it(bench: Bench) -> None:
    bench.ask("BAD;*RST")
    bench.ask("*RST")
    assert (bench.resets, bench.ask("SYST:ERR:COUN?")) == (1, "1")
    bench.ask("*CLS")
    assert bench.ask("SYST:ERR:COUN?") == "0"


def test_event_register_and_status_byte(bench: Bench) -> None:
    assert bench.ask("*ESR?") == "128"  # power on, once
    assert bench.ask("*ESR?") == "0"
    bench.ask("BAD")
    bench.ask("VOLT 9")
    assert bench.ask("*STB?") == "4"  # an error waits
    bench.ask("*ESE 48;*SRE 36")
    assert bench.ask("*STB?") == str(4 + 32 + 64)
    assert bench.ask("*IDN?;*STB?") == "maker,model,serial,firmware;116"  # + a reply waits
    assert bench.ask("*ESR?") == str(32 + 16)
    assert bench.ask("*CLS;*STB?") == "0"
    assert bench.ask("*OPC;*ESR?;*OPC?;*ESE?;*SRE?") == "1;1;48;36"
    bench.ask("*ESE 256")
    assert bench.errors() == [-222]


def test_bytes_arrive_as_they_like(bench: Bench) -> None:
    receive = bench.device.receive
    assert receive(b"VOLT 1") == []
    assert receive(b".5\r") == []
    assert receive(b"\nVOLT?\r\n\n*IDN?\nVOLT 2\nVO") == ["1.5", "maker,model,serial,firmware"]
    assert receive(b"LT?\n") == ["2"]
    assert bench.errors() == []


def test_a_line_that_does_not_fit_is_dropped_whole_and_reported_once(bench: Bench) -> None:
    for _ in range(5):
        assert bench.device.receive(b"VOLT 1;" * 20) == []
        assert len(bench.device._input._rest) <= 100
    assert bench.device.receive(b";VOLT 1\nVOLT?\n") == ["0"]
    assert bench.errors() == [-363]
    assert bench.device.receive(b"VOLT 1;" * 20 + b"\nVOLT 2\n") == []
    assert (bench.volts[1], bench.errors()) == (2.0, [-363])


def test_channel_lists() -> None:
    assert parse_channels("(@1:3,8)", 8) == (1, 2, 3, 8)
    assert parse_channels(" ( @ 4 : 2 , 7 ) ", 8) == (4, 3, 2, 7)
    assert format_channels([1, 2, 3, 5, 8]) == "(@1:3,5,8)"


def test_replies_are_read_back_with_the_standards_nan() -> None:
    assert format_number(float("nan"), 3) == "9.91E37"
    values = parse_numbers("1.5,9.91E37,-9.9E37", 3)
    assert values[0] == 1.5
    assert values[1] != values[1]
    assert values[2] == float("-inf")
    for reply in ("1.5", "1,2,3,4", "1,2,x", "1,2,1_0", ""):
        with pytest.raises(ValueError, match=r"expected|convert"):
            parse_numbers(reply, 3)
    assert parse_strings('"a, b",F4T,"say ""x"""', 3) == ["a, b", "F4T", 'say "x"']
