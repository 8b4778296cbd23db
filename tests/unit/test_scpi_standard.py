"""An instrument by the letter of IEEE 488.2 and SCPI-1999: status, waiting, blocks, mistakes."""

import pytest

from drivers.wire.scpi import Channels, Command, ScpiDevice
from drivers.wire.scpi_data import Block, Boolean, Choice, Integer, Number, Text

OPC, QYE, DDE, EXE, CME, PON = 1, 4, 8, 16, 32, 128
EAV, QUES, MAV, ESB, MSS, OPER = 4, 8, 16, 32, 64, 128


class Source:
    """One output that slews: what is set is there when ``arrive`` is called."""

    def __init__(self) -> None:
        self.volts, self.moving, self.blob, self.mode = 0.0, False, b"", "VOLTAGE"
        self.mask, self.label, self.count = 0, "", 3
        self.device = ScpiDevice(
            [
                Command(":VOLTage[:LEVel]", self._set, lambda _: f"{self.volts:g}", (VOLTS,)),
                Command(":CURRent", lambda *_: None, lambda _: "0", (Number(0, 1, 0, "A"),)),
                Command(":DATA", self._keep, None, (Choice("ARB", "SEQ"), Block())),
                Command(":DATA:POINts", read=self._points, asks=(Choice("ARB", "SEQ"),)),
                Command(":MODE", self._mode, lambda _: self.mode, (Choice("VOLTage", "CURRent"),)),
                Command(":LABel", self._label, lambda _: self.label, (Text(),)),
                Command(":MASK", self._mask, lambda _: str(self.mask), (Integer(0, 255),)),
                Command(":APPLy", self._apply, None, (VOLTS, Number(0, 1, 0.5, "A")), optional=1),
                Command(":OUTPut#[:STATe]", lambda *_: None, None, (Boolean(),), 2),
            ],
            "maker,model,serial,1.0",
            reset=lambda: None,
            pending=lambda: self.moving,
            strict=True,
            longest_line=400,
        )

    def _set(self, _: Channels, volts: float) -> None:
        self.volts, self.moving = volts, True

    def arrive(self) -> list[str]:
        self.moving = False
        return self.device.settled()

    def _keep(self, _: Channels, _where: str, blob: bytes) -> None:
        self.blob = blob

    def _points(self, _: Channels, where: str) -> str:
        return f"{where},{len(self.blob)}"

    def _mode(self, _: Channels, mode: str) -> None:
        self.mode = mode

    def _label(self, _: Channels, text: str) -> None:
        self.label = text

    def _mask(self, _: Channels, mask: int) -> None:
        self.mask = mask

    def _apply(self, _: Channels, volts: float, amperes: float | None) -> None:
        self.volts, self.mask = volts, 99 if amperes is None else round(100 * amperes)

    def ask(self, line: str) -> str:
        return self.device.execute(line)

    def errors(self) -> list[int]:
        text = self.ask("SYST:ERR:ALL?")
        return [int(one) for one in text.split(",")[::2] if int(one)]


VOLTS = Number(0, 20, 1, "V")


@pytest.fixture
def source() -> Source:
    one = Source()
    one.ask("*CLS")
    return one


MALFORMED = [
    ("VOLT", -109),
    ("VOLT 1,2", -108),
    ("VOLT 1 2", -103),
    ("VOLT,1", -103),
    ("VOLT 21", -222),
    ("VOLT -1", -222),
    ("VOLT INF", -222),
    ("VOLT NAN", -222),
    ("VOLT 1E32001", -123),
    ("VOLT 1" + "0" * 255 + "1", -124),
    ("VOLT 1.2.3", -121),
    ("VOLT 1e", -131),
    ("VOLT +-1", -121),
    ("VOLT 0x10", -121),
    ("VOLT 1 A", -131),
    ("VOLT 1 VOLTS", -131),
    ("VOLT abc", -104),
    ("VOLT 'x'", -104),
    ("VOLT #14abcd", -104),
    ("VOLT (@1)", -104),
    ("MASK 5 V", -138),
    ("MASK #HXY", -121),
    ("MASK #B2", -121),
    ("MASK #H100", -222),
    ("MODE", -109),
    ("MODE ohms", -224),
    ("MODE VOLT,CURR", -108),
    ("MODE 5", -104),
    ("MODE 'VOLT'", -104),
    ("LAB", -109),
    ("LAB abc", -104),
    ("LAB 5", -104),
    ("LAB 'abc", -151),
    ('LAB "a"b', -151),
    ("DATA ARB", -109),
    ("DATA ARB,5", -104),
    ("DATA ARB,#xyz", -161),
    ("DATA ARB,#2", -161),
    ("DATA? ARB", -113),
    ("DATA:POIN?", -109),
    ("DATA:POIN? OTHER", -224),
    ("DATA:POIN? ARB,1", -108),
    ("APPL", -109),
    ("APPL 1,0.5,3", -108),
    ("APPL 1,2", -222),
    ("OUTP3 ON", -114),
    ("OUTP0 ON", -114),
    ("OUTP maybe", -224),
    ("OUTP ON,(@3)", -222),
    ("OUTP ON,(@1", -171),
    ("OUTP ON,(1)", -171),
    ("VOLT2 1", -114),
    ("VOLTA 1", -113),
    ("VOL 1", -113),
    ("VOLT:LEVE 1", -113),
    ("*IDN", -113),
    ("*IDN? 1", -108),
    ("*ESE 256", -222),
    ("*ESE", -109),
    ("*XYZ?", -113),
    ("VOLT::LEV 1", -102),
    (":", -102),
    ("VOLT$ 1", -101),
    ("VOLT\x01 1", -101),
    ("MNEMONICLONGERTHANTWELVE 1", -112),
    ("SYST:ERR? 1", -108),
    ("STAT:OPER:ENAB", -109),
    ("*IDN?;*STB?", -440),
]


@pytest.mark.parametrize(("line", "code"), MALFORMED, ids=[repr(one) for one, _ in MALFORMED])
def test_each_mistake_has_its_number_and_its_bit(source: Source, line: str, code: int) -> None:
    source.ask(line)
    byte, event = int(source.ask("*STB?")), int(source.ask("*ESR?"))
    assert source.errors() == [code]
    assert byte == EAV
    assert event == (CME if -200 < code <= -100 else QYE if code <= -400 else EXE)
    assert source.ask("VOLT?") == "0"


def test_what_comes_behind_a_mistake_of_execution_still_counts(source: Source) -> None:
    source.ask("VOLT 99;MASK 7")
    assert (source.mask, source.errors()) == (7, [-222])
    source.ask("VOLT;MASK 8")
    assert (source.mask, source.errors()) == (7, [-109])


def test_a_strict_client_sets_and_measures(source: Source) -> None:
    """It polls *STB? after every write, and reads *ESR? when its *OPC has come."""
    for line in ("*CLS;*ESE 1;*SRE 0", "MODE CURR", "OUTP ON"):
        source.ask(line)
        assert int(source.ask("*STB?")) & EAV == 0
    source.ask("VOLT 5;*OPC")
    assert int(source.ask("*STB?")) & ESB == 0  # it still slews
    assert source.arrive() == []
    assert int(source.ask("*STB?")) & ESB
    assert source.ask("*ESR?") == "1"
    assert int(source.ask("*STB?")) & ESB == 0
    assert source.ask("VOLT?") == "5"


def test_opc_answers_when_all_has_arrived(source: Source) -> None:
    assert source.device.receive(b"VOLT 5;*OPC?;VOLT?\nVOLT 6\nVOLT?\n") == []
    assert source.device.waits
    assert source.arrive() == ["1;5", "6"]
    assert source.device.waits is False


def test_wai_holds_what_follows(source: Source) -> None:
    assert source.device.receive(b"MODE?;VOLT 5;*WAI;MODE CURR;MODE?\n") == []
    assert source.mode == "VOLTAGE"
    assert source.arrive() == ["VOLTAGE;CURRENT"]


def test_nothing_is_pending_when_nothing_moves(source: Source) -> None:
    assert source.ask("*WAI;*OPC?") == "1"
    source.ask("*OPC")
    assert source.ask("*ESR?") == "1"


@pytest.mark.parametrize("forgets", ["*CLS", "*RST"])
def test_an_opc_that_waits_is_forgotten(source: Source, forgets: str) -> None:
    source.ask("VOLT 5;*OPC")
    source.ask(forgets)
    source.arrive()
    assert source.ask("*ESR?") == "0"


def test_who_hangs_up_is_waited_for_no_longer(source: Source) -> None:
    source.device.receive(b"VOLT 5;*OPC?\nMODE CURR\n")
    source.device.hang_up()
    assert source.arrive() == []
    assert (source.mode, source.ask("*IDN?")) == ("VOLTAGE", "maker,model,serial,1.0")


def test_what_piles_up_behind_one_that_waits_has_an_end(source: Source) -> None:
    source.device.receive(b"VOLT 5;*WAI\n")
    source.device.receive(b"MASK 1\n" * 1_000)
    source.arrive()
    assert source.errors()[0] == -363


def test_a_condition_that_counts_reaches_the_status_byte(source: Source) -> None:
    status = source.device.status
    assert source.ask("STAT:QUES:ENAB #H3;:STAT:OPER:ENAB 16;*SRE 255;*SRE?") == "191"
    status.questionable.set(2)
    assert int(source.ask("*STB?")) == QUES | MSS
    assert source.ask("STAT:QUES:COND?;EVEN?;EVEN?") == "2;2;0"
    status.questionable.set(0)
    assert source.ask("STAT:QUES?") == "0"  # only what rises counts
    source.ask("STAT:QUES:NTR 2")
    status.questionable.set(2)
    status.questionable.set(0)
    assert source.ask("STAT:QUES?") == "2"
    status.operation.set(16)
    assert int(source.ask("*STB?")) == OPER | MSS
    source.ask("*CLS")
    assert int(source.ask("*STB?")) == 0
    assert source.ask("STAT:OPER:COND?;ENAB?;PTR?") == "16;16;32767"
    source.ask("STAT:PRES")
    assert source.ask("STAT:OPER:ENAB?;:STAT:QUES:NTR?;:SYST:VERS?") == "0;0;1999.0"


def test_power_on_is_an_event_of_its_own() -> None:
    one = Source()
    assert one.ask("*ESR?;*ESR?") == f"{PON};0"
    one.device.power_on()
    assert one.ask("*ESR?") == f"{PON}"


def test_a_reply_that_waits_is_in_the_byte(source: Source) -> None:
    assert source.ask("MODE?;*STB?") == f"VOLTAGE;{MAV}"


@pytest.mark.parametrize("cut", [1, 3, 7, 1_000])
def test_a_block_may_hold_anything(source: Source, cut: int) -> None:
    blob = bytes(range(256))
    data = b"DATA ARB,#3256" + blob + b";MASK 5\nDATA:POIN? ARB\n"
    answers = [
        one for at in range(0, len(data), cut) for one in source.device.receive(data[at : at + cut])
    ]
    assert (source.blob, source.mask, answers) == (blob, 5, ["ARB,256"])
    assert source.errors() == []


def test_a_block_without_length_reaches_to_the_end(source: Source) -> None:
    source.device.receive(b'DATA ARB,#0a;b,"c\nMASK 5\n')
    assert (source.blob, source.mask) == (b'a;b,"c', 5)


def test_a_sharp_in_a_text_is_text(source: Source) -> None:
    source.device.receive(b"LAB 'cell #15'\nMASK 4\n")
    assert (source.label, source.mask) == ("cell #15", 4)


def test_a_block_that_is_too_long_is_dropped_whole(source: Source) -> None:
    source.device.receive(b"DATA ARB,#3900" + bytes(900) + b"\nMASK 3\n")
    assert (source.blob, source.errors()) == (b"", [-363])
    assert source.mask == 3


def test_parameters_may_be_left_out_where_the_manual_says_so(source: Source) -> None:
    source.ask("APPL 3")
    assert (source.volts, source.mask) == (3.0, 99)
    source.ask("APPL 4 V, 250 mA")
    assert (source.volts, source.mask) == (4.0, 25)


def test_numbers_of_other_bases_are_read(source: Source) -> None:
    for text in ("#H1F", "#q37", "#B11111", "31", "30.6"):
        source.ask(f"MASK 0;MASK {text}")
        assert source.mask == 31
