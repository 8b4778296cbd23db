"""Instruments by file: every byte as public clients have it, and files that mean no good.

The logs were written by hand from other people's drivers (cts-chamber, labtoys, VT4002 and Weiss
drivers, a controller's own answer to ``$01?``, pymeasure) and from instruments.md, section 2: a
twin made from the same file as the driver would agree with whatever the file says.
"""

from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from chamber_lab import MAKES, Lab, described, in_lab

from hil.core.errors import ConfigErrors, InstrumentFault, MalformedReply
from hil.core.instants import SECOND
from hil.profile import load_bench, load_instrument
from hil.profile.files import CHECKOUT


def cts(text: str) -> bytes:
    """Return a frame of CTS by the words of its protocol, apart from our codec."""
    body = bytes([0x81]) + bytes(ord(letter) + 0x80 for letter in text)
    return b"\x02" + body + bytes([reduce(xor, body) | 0x80]) + b"\x03"


def votsch(value: str, run: str) -> bytes:
    """Return the E string of a chamber with seven values; channel 1 of 32 is start."""
    return f"$01E {value} {'0000.0 ' * 6}0{run}{'0' * 30}\r".encode()


def told(values: str, run: str) -> bytes:
    return f"{values} 0{run}{'0' * 30}\r".encode()


CTS = [
    *[(">", cts("S")), ("<", cts("S001000000"))],
    *[(">", cts("A0")), ("<", cts("A0 023.0 023.0"))],
    *[(">", cts("u1 999.9")), ("<", cts("u")), (">", cts("d1 999.9")), ("<", cts("d"))],
    *[(">", cts("a0 023.0")), ("<", cts("a")), (">", cts("s1 1")), ("<", cts("s1"))],
    *[(">", cts("S")), ("<", cts("S101000000"))],
    *[(">", cts("u1 002.0")), ("<", cts("u")), (">", cts("d1 002.0")), ("<", cts("d"))],
    *[(">", cts("a0 -15.5")), ("<", cts("a"))],
    *[(">", cts("A0")), ("<", cts("A0 023.0 -15.5")), (">", cts("S")), ("<", cts("S101000000"))],
    *[(">", cts("s1 0")), ("<", cts("s1")), (">", cts("S")), ("<", cts("S001000000"))],
]
VOTSCH = [
    *[(">", b"$01I\r"), ("<", told("0023.0 0023.0", "0"))] * 2,
    *[(">", votsch("0023.0", "1")), ("<", b"0\r")] * 2,
    *[(">", b"$01I\r"), ("<", told("0023.0 0023.0", "1"))],
    *[(">", b"$01I\r"), ("<", told("0023.0 0023.0", "1"))],
    *[(">", b"$01I\r"), ("<", told("0023.0 0023.0", "1"))],
    *[(">", votsch("0023.0", "0")), ("<", b"0\r")],
    *[(">", b"$01I\r"), ("<", told("0023.0 0023.0", "0"))],
]
SIMSERV = [
    *[(">", b"99997\xb61\xb61\r"), ("<", b"1\xb6LabEvent T/210/70/5\r\n")],
    *[(">", b"99997\xb61\xb63\r"), ("<", b"1\xb6V-0001\r\n")],
    *[(">", b"11004\xb61\xb61\r"), ("<", b"1\xb623.0\r\n")],
    *[(">", b"11001\xb61\xb61\xb623.0\r"), ("<", b"1\r\n")],
    *[(">", b"14001\xb61\xb61\xb61\r"), ("<", b"1\r\n")],
    *[(">", b"10012\xb61\xb61\r"), ("<", b"1\xb63\r\n")],
    *[(">", b"10012\xb61\r"), ("<", b"1\xb61\r\n")],
    *[(">", b"11002\xb61\xb61\r"), ("<", b"1\xb623.0\r\n")],
    *[(">", b"11004\xb61\xb61\r"), ("<", b"1\xb623.0\r\n")],
    *[(">", b"10012\xb61\xb61\r"), ("<", b"1\xb63\r\n")],
    *[(">", b"10012\xb61\r"), ("<", b"1\xb61\r\n")],
    *[(">", b"11002\xb61\xb61\r"), ("<", b"1\xb623.0\r\n")],
    *[(">", b"14001\xb61\xb61\xb60\r"), ("<", b"1\r\n")],
    *[(">", b"10012\xb61\xb61\r"), ("<", b"1\xb61\r\n")],
    *[(">", b"10012\xb61\r"), ("<", b"1\xb61\r\n")],
]
THERMOTRON = [
    *[(">", b"IDEN?\n"), ("<", b"THERMOTRON 8800\n")],
    *[(">", b"PVAR1?\n"), ("<", b"23.0\n"), (">", b"SETP1,23.0\n"), ("<", b"0\n")],
    *[(">", b"RUNM\n"), ("<", b"0\n"), (">", b"MODE?\n"), ("<", b"16\n")],
    *[(">", b"ALRM1?\n"), ("<", b"0\n")],
    *[(">", b"SETP1?\n"), ("<", b"23.0\n")],
    *[(">", b"PVAR1?\n"), ("<", b"23.0\n"), (">", b"MODE?\n"), ("<", b"16\n")],
    *[(">", b"ALRM1?\n"), ("<", b"0\n"), (">", b"SETP1?\n"), ("<", b"23.0\n")],
    *[(">", b"STOP\n"), ("<", b"0\n"), (">", b"MODE?\n"), ("<", b"0\n")],
    *[(">", b"ALRM1?\n"), ("<", b"0\n")],
]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        ("cts", CTS),
        ("votsch-ascii2", VOTSCH),
        ("simserv", SIMSERV),
        ("thermotron-8800", THERMOTRON),
    ],
)
def test_every_byte_from_the_first_word_to_off(
    make: str, expected: list[tuple[str, bytes]]
) -> None:
    async def story(lab: Lab) -> None:
        lab.twin._spec = lab.twin._spec.__class__(**{**spec_of(lab), "read_noise_k": 0.0})
        lab.twin._offset_k = 0.0
        await lab.armed()
        await lab.driver.apply(-15.5, 2.0)
        await lab.driver.sense()
        await lab.driver.make_safe()
        assert [(chr(entry[0]), entry[1:]) for entry in lab.log] == expected

    in_lab(MAKES[make], story)


def spec_of(lab: Lab) -> dict[str, object]:
    spec = lab.twin._spec
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__}


def test_the_frame_of_the_example() -> None:
    """STX, address, "A0" with bit 7 set, XOR with bit 7 set, ETX: worked out by hand."""
    assert cts("A0") == bytes([0x02, 0x81, 0xC1, 0xB0, 0xF0, 0x03])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"A0 023.0 023.0\r\n\x03", "is no frame"),
        (cts("A0 023.0 023.0")[:-2] + b"\x80\x03", "wrong checksum"),
        (cts("A0 023.0 023.0").replace(b"\x81", b"\x82"), "no frame of address 0x81"),
        (cts("A0 0b3.0 023.0"), "is no answer to 'A0'"),
        (cts("A1 023.0 023.0"), "is no answer to 'A0'"),
    ],
)
def test_what_is_no_answer_of_a_cts_is_refused(answer: bytes, why: str) -> None:
    async def story(lab: Lab) -> None:
        await lab.driver.connect()
        lab.twin.receive = lambda _: lab.twin._send(answer, lab.clock.now())
        with pytest.raises(MalformedReply, match=why):
            await lab.driver.sense()

    in_lab(MAKES["cts"], story)


def test_an_order_that_is_answered_otherwise_is_refused() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        lab.twin._heard = lambda _: "1"
        with pytest.raises(InstrumentFault, match=r"'SETP1,40.0' is answered '1'"):
            await lab.driver.apply(40.0, None)

    in_lab(MAKES["thermotron-8800"], story)


def test_a_ramp_without_words_for_it_is_made_of_steps() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        here = lab.twin.truth()["set_degc"]
        await lab.driver.apply(here + 2.0, 2.0)
        lab.log.clear()
        await lab.watched(2)
        steps = [entry for entry in lab.log if entry.startswith(b">SETP1,")]
        assert 18 <= len(steps) <= 20  # one a tenth of a kelvin, each three seconds
        assert lab.twin.truth()["set_degc"] == pytest.approx(here + 2.0, abs=0.051)
        lab.log.clear()
        await lab.watched(1)
        assert not [entry for entry in lab.log if entry.startswith(b">SETP1,")]

    in_lab(MAKES["thermotron-8800"], story)


def test_one_that_answers_no_order_gets_its_second() -> None:
    async def story(lab: Lab) -> None:
        await lab.armed()
        begin = lab.clock.now()
        await lab.driver.apply(40.0, None)
        reading = await lab.driver.sense()
        assert lab.clock.now() - begin >= 2 * SECOND  # set and run, a second each
        assert reading.set_degc == pytest.approx(40.0)
        assert await lab.driver.make_safe() == "stopped (0)"
        assert lab.twin.truth()["crowded"] == 0

    in_lab(described("thermotron-3800"), story)


# --- files that mean no good ---------------------------------------------------------------------

CHAMBER = """\
instrument: mine
model: Mine 1
low: -40 degC
high: 100 degC
ramp: 3 K/min
exchanges:
  all: {say: "ALL?", answer: "{air:.1f},{set:.1f},{running:1c}"}
  go: {say: "SET {set:.1f}", answer: "OK"}
  run: {say: "RUN", answer: "OK"}
  stop: {say: "STOP", answer: "OK"}
verbs:
  {identify: [all], start: [run], set: [go], read: [all], look: [all], state: [all], stop: [stop]}
running: {on: ["1"], off: ["0"]}
"""


def refusal(text: str, folder: Path) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigErrors) as found:
        load_instrument(path)
    [line] = str(found.value).splitlines()
    return line.removeprefix(str(folder) + "/")


def test_the_plain_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(CHAMBER, encoding="utf-8")
    assert load_instrument(path).spec.set_degc.high == 100.0


def test_the_one_of_the_guide_is_read(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs/how-to/describe-an-instrument.md").read_text("utf-8")
    [example] = [one for one in guide.split("```") if one.startswith("yaml\ninstrument: mine")]
    path = tmp_path / "mine.yaml"
    path.write_text(example.removeprefix("yaml\n"), encoding="utf-8")
    assert load_instrument(path).model == "Mine 1"


def test_a_bench_writes_over_figures_of_a_description(tmp_path: Path) -> None:
    virtual = next(CHECKOUT.glob("benches/virtual-16s.yaml")).read_text("utf-8")
    own = "driver: described-chamber\n    description: {file: cts, high: 150 degC}\n"
    path = tmp_path / "bench.yaml"
    path.write_text(virtual.replace("driver: watlow-f4t\n", own, 1), encoding="utf-8")
    [words] = [one.description for one in load_bench(path).devices.values() if one.description]
    assert (words.instrument, words.high_degc, words.low_degc) == ("cts", 150.0, -40.0)
    path.write_text(virtual.replace("driver: watlow-f4t\n", own.replace("150", "-150"), 1))
    with pytest.raises(ConfigErrors, match=r"bench\.yaml:\d+:.*expected more than low"):
        load_bench(path)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (",{running:1c}", "", "it could not be shown to be off"),
        ("{air:.1f},", "", "no answer to read tells {air:...}"),
        ("{air:.1f}", "{air:text}", "{air:...} is a number"),
        ("SET {set:.1f}", "SET {set:word}", "{set:...} is a number"),
        ("{running:1c}", "{running:d}", "{running:...} is no number"),
        ("SET {set:.1f}", "SET 25", "set says no {set:...}"),
        ("SET {set:.1f}", "SET {set:.1f}\\nSTOP", "printable ASCII"),
        ("SET {set:.1f}", "SET {set.__class__}", "expected a field such as"),
        ("SET {set:.1f}", "SET {home:text}", "no value for 'home'"),
        ('"ALL?", answer', '"ALL?", perhaps: yes, answer', "not both"),
        (', answer: "{air', ', anwser: "{air', "unknown key 'anwser'"),
        ("start: [run]", "start: [fly]", "start names 'fly', which is no exchange"),
        ("stop: [stop]}", "stop: []}", "expected at least one exchange"),
        ("read: [all]", "read: [go]", "no answer to read tells {air:...}"),
        ("{on: ", "{on: [], of: ", "unknown key 'of'"),
        ('on: ["1"], off: ["0"]', 'on: ["0"], off: ["0"]', "says the same as on"),
        ("high: 100 degC", "high: -50 degC", "expected more than low"),
        ("high: 100 degC", "high: 1e99 degC", "at most 500"),
        ("ramp: 3 K/min", "ramp: 0 K/min", "more than 0"),
        ("instrument: mine", "instrument: mine\nwire: {within: 1 h}", "expected 0 to 10 s"),
        ("instrument: mine", "instrument: mine\nwire: {framing: exec}", "framing"),
        ("instrument: mine", "instrument: mine\nwire: {framing: cts, address: 5}", "129 to 160"),
        ("instrument: mine", "instrument: mine\nalso: {air: '1'}", "no field of another name"),
        ("instrument: mine", "instrument: mine\nnone: ['0']\nsome: '0'", "the same as none"),
        ("instrument: mine", 'instrument: mine\nunknown: "a\\nb"', "printable"),
        ("instrument: mine", "instrument: mine\ncode: os.system", "unknown key 'code'"),
        ("instrument: mine", "instrument: !!python/object:os.system mine", ""),
    ],
)
def test_hostile_descriptions_are_refused_in_a_line(
    old: str, new: str, why: str, tmp_path: Path
) -> None:
    assert old in CHAMBER
    line = refusal(CHAMBER.replace(old, new, 1), tmp_path)
    assert line.startswith("mine.yaml:")
    assert why in line


def test_a_file_of_a_thousand_exchanges_is_refused(tmp_path: Path) -> None:
    many = "".join(f'  e{number}: {{say: "E{number}"}}\n' for number in range(1000))
    line = refusal(CHAMBER.replace("exchanges:\n", f"exchanges:\n{many}", 1), tmp_path)
    assert "expected at most 40" in line
