"""What holds for every SCPI input: round trips, and no bytes that upset an instrument."""

import math
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.virtual.bloomy_abs import BloomyAbsTwin
from drivers.virtual.watlow_f4t import WatlowF4TTwin
from drivers.wire.bloomy_abs import SPEC, parse_sense, settings_line
from drivers.wire.scpi import Command, ScpiDevice
from drivers.wire.scpi_data import (
    Number,
    ScpiError,
    format_channels,
    format_number,
    parse_channels,
    parse_numbers,
    parse_strings,
    quoted,
)
from hil.core.instants import Instant
from hil.core.wiring import WiringPlan
from hil.ports import LabPlan

PLAN = LabPlan(7, WiringPlan((), (), (), None), None, {})
PIECES = [
    *(b":SOUR1", b":VOLT", b"VOLT", b"?", b" ", b";", b",", b"\n", b"\r\n", b":", b"(@1:3)", b"(@"),
    *(b"*IDN?", b"*RST", b"*CLS", b"*ESE 255", b"*STB?", b"SYST:ERR?", b"3.3", b"1E999", b"MAX"),
    *(b"OUTP 1,(@1:8)", b":MEAS:CURR:AVG? (@1:8)", b'"', b"'", b"#0", b"\x00", b"\xff", b"9" * 400),
    *(b":SOURCE:CLOOP1:PVALUE?", b":SOURCE:CLOOP1:SPOINT ", b"-0", b"nan", b"1_0", b"\t", b"@"),
]
soup = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=12)), max_size=40)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=20))
def test_channel_lists_round_trip(channels: list[int]) -> None:
    assert parse_channels(format_channels(channels), 8) == tuple(channels)


@given(st.text(alphabet="(@)1:,8 9", max_size=12))
def test_a_channel_list_is_read_or_refused_with_a_standard_number(text: str) -> None:
    try:
        channels, code = parse_channels(text, 8), 0
    except ScpiError as error:
        channels, code = (1,), error.code
    assert code in (0, -171, -222)
    assert channels
    assert set(channels) <= set(range(1, 9))


@given(st.floats(-10, 10), st.integers(0, 6))
def test_numbers_round_trip_to_their_resolution(value: float, decimals: int) -> None:
    text = format_number(value, decimals)
    assert abs(parse_numbers(text, 1)[0] - value) <= 0.5 * 10.0**-decimals + 1e-12
    assert Number(-10, 10).parse(text) == float(text)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_round_trips_too(value: float) -> None:
    assert str(parse_numbers(format_number(value, 3), 1)[0]) == str(value)


@given(st.lists(st.text(st.characters(codec="ascii")), min_size=1, max_size=4))
def test_strings_round_trip(texts: list[str]) -> None:
    assert list(parse_strings(",".join(map(quoted, texts)), len(texts))) == texts


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=8),
    st.dictionaries(st.integers(1, 8), st.floats(-10, 10)),
)
def test_settings_arrive_within_half_a_step(cells: list[float], aux: dict[int, float]) -> None:
    twin, answers = _emulator()
    twin.receive((settings_line(cells, aux) + "\r\n").encode())
    twin.receive(b"SOUR:VOLT? (@1:8);:SOUR:AUX:OUT? (@1:8);:SYST:ERR:COUN?\n")
    volts, outputs, errors = answers[-1].decode().strip().split(";")
    assert errors == "0"
    for ordered, read in zip(cells, parse_numbers(volts, 8), strict=False):
        assert abs(read - ordered) <= 0.5 * SPEC.set_resolution_v + 1e-9
    for number, ordered in aux.items():
        read = parse_numbers(outputs, 8)[number - 1]
        assert abs(read - ordered) <= 0.5 * SPEC.aux_resolution_v + 1.1e-4


@given(soup, st.data())
def test_no_bytes_upset_a_twin(pieces: list[bytes], data: st.DataObject) -> None:
    """Whatever came, cut anywhere, the next question is answered by itself and alone."""
    clock: Any = SimpleNamespace(now=lambda: 0)
    for twin in (_emulator()[0], WatlowF4TTwin("chamber", clock, PLAN, {})):
        answers: list[bytes] = []
        twin.attach(partial(_keep, answers))
        stream = b"".join(pieces)
        while stream:
            cut = data.draw(st.integers(1, len(stream)))
            twin.receive(stream[:cut])
            stream = stream[cut:]
        twin.receive(b"\n")
        twin._scpi.power_on()
        if isinstance(twin, BloomyAbsTwin):
            twin._deaf_until = 0  # a reboot may have been among it
        answers.clear()
        twin.receive(b"*CLS;*IDN?;:SYST:ERR?\n")
        assert len(answers) == 1
        assert answers[0].endswith(b'0,"No error"\n')


@given(st.lists(st.sampled_from(["BAD", "VOLT 9", "VOLT? MAX,1", "SYST:ERR?"]), max_size=40))
def test_the_error_queue_keeps_the_first_and_marks_the_lost(lines: list[str]) -> None:
    device = ScpiDevice(
        [Command(":VOLTage", lambda *_: None, lambda _: "0", (Number(0, 5),))],
        "a,b,c,d",
        reset=lambda: None,
        queue_depth=5,
    )
    codes = {"BAD": -113, "VOLT 9": -222, "VOLT? MAX,1": -108}
    queue: list[int] = []
    for line in lines:
        reply = device.execute(line)
        if line == "SYST:ERR?":
            assert int(reply.split(",")[0]) == (queue.pop(0) if queue else 0)
        elif len(queue) < 5:
            queue.append(codes[line])
        else:
            queue[-1] = -350
    assert device.error_count() == len(queue)


@given(st.text(alphabet="0123456789.,;-+E", max_size=60))
def test_a_reading_is_whole_or_refused(reply: str) -> None:
    try:
        sensed = parse_sense(reply)
    except ValueError:
        return
    assert len(sensed.voltage_v) == len(sensed.current_a) == SPEC.channels


def _emulator() -> tuple[BloomyAbsTwin, list[bytes]]:
    clock: Any = SimpleNamespace(now=lambda: 0)
    twin = BloomyAbsTwin("emulator-1", clock, PLAN, {})
    answers: list[bytes] = []
    twin.attach(partial(_keep, answers))
    return twin, answers


def _keep(answers: list[bytes], answer: bytes, _at: Instant) -> None:
    answers.append(answer)
