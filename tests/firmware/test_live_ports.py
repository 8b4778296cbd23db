"""What ports in real time share: slcan against the adapter in Python, packets of the SPI bus."""

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import pytest
from can import Message
from hypothesis import given
from hypothesis import strategies as st
from tools import program

from drivers.wire import slcan
from drivers.wire.slcan import AdapterEnd, HostEnd
from hil.core.instants import MICROSECOND

pytestmark = pytest.mark.alone

SOURCES = Path(__file__).parents[2] / "firmware_stubs"
BUS = 500_000
BUS_ERROR = 0x80
ROOM = 256  # a context has less

LINE = 32


class Frame(ctypes.Structure):
    """``struct bms_frame``."""

    _fields_ = (("id", ctypes.c_uint32), ("length", ctypes.c_uint32), ("data", ctypes.c_uint8 * 8))


class Heard(ctypes.Structure):
    """``struct slcan_heard``."""

    _fields_ = (
        ("has_frame", ctypes.c_bool),
        ("answer_bytes", ctypes.c_uint32),
        ("answer", ctypes.c_uint8 * 8),
        ("frame", Frame),
    )


def library(folder: Path) -> Any:
    """Build the codec for this host, with what finds wrong reads and writes."""
    image = folder / "ports.so"
    words = [
        "-std=c11",
        "-O1",
        "-g",
        "-shared",
        "-fPIC",
        "-Iapp",
        "-Iport",
        "port/slcan.c",
        "port/spi_wire.c",
    ]
    strict = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    command = [program("cc"), *words, *strict, "-o", str(image)]
    subprocess.run(command, cwd=SOURCES, check=True)  # noqa: S603 - our own sources
    loaded = ctypes.CDLL(str(image))
    loaded.slcan_hear.argtypes = [ctypes.c_void_p, ctypes.c_uint8, ctypes.c_void_p]
    loaded.slcan_hear.restype = None
    say: list[Any] = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p]
    loaded.slcan_say.argtypes = say
    loaded.slcan_say.restype = ctypes.c_size_t
    ask: list[Any] = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_char_p,
        ctypes.c_uint32,
        ctypes.c_void_p,
    ]
    loaded.spi_wire_ask.argtypes = ask
    loaded.spi_wire_ask.restype = ctypes.c_size_t
    loaded.spi_wire_give_up.argtypes = [ctypes.c_void_p]
    loaded.spi_wire_hear.argtypes = [ctypes.c_void_p, ctypes.c_uint8]
    loaded.spi_wire_hear.restype = ctypes.c_bool
    return loaded


class Wire(ctypes.Structure):
    """``struct spi_wire``."""

    _fields_ = (
        ("owed", ctypes.c_uint32),
        ("is_awaited", ctypes.c_bool),
        ("select", ctypes.c_uint8),
        ("asked", ctypes.c_uint32),
        ("got", ctypes.c_uint32),
        ("head", ctypes.c_uint8 * 3),
        ("bytes", ctypes.c_uint8 * 64),
    )


class Device:
    """The adapter in C."""

    def __init__(self, loaded: Any) -> None:
        self._library = loaded
        self._memory = ctypes.create_string_buffer(ROOM)

    def receive(self, data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
        """Feed it byte by byte; return the frames for the board and the answers for the host."""
        frames, answers, heard = [], b"", Heard()
        for byte in data:
            self._library.slcan_hear(self._memory, byte, ctypes.byref(heard))
            answers += bytes(heard.answer[: heard.answer_bytes])
            if heard.has_frame:
                frame = heard.frame
                frames.append((frame.id, bytes(frame.data[: frame.length])))
        return frames, answers

    def say(self, identifier: int, data: bytes, now_us: int) -> bytes:
        """Return what the host gets for a frame of the board."""
        frame = Frame(identifier, len(data), (ctypes.c_uint8 * 8)(*data))
        line = (ctypes.c_uint8 * LINE)()
        return bytes(
            line[: self._library.slcan_say(self._memory, ctypes.byref(frame), now_us, line)]
        )


class Reference:
    """The adapter in Python, on a bus of 500 kbit/s."""

    def __init__(self) -> None:
        self._end = AdapterEnd(version="V0200", serial="N0001")

    def receive(self, data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
        """Feed it whole; the board's acceptance filter takes plain frames with 11 bits."""
        taken, answers = self._end.receive(data)
        if taken and self._end.bitrate != BUS:
            self._end.flags |= BUS_ERROR
            return [], answers
        plain = [one for one in taken if not (one.is_extended_id or one.is_remote_frame)]
        return [(one.arbitration_id, bytes(one.data)) for one in plain], answers

    def say(self, identifier: int, data: bytes, now_us: int) -> bytes:
        """Return what the host gets for a frame of the board."""
        if self._end.is_open and self._end.bitrate != BUS:
            self._end.flags |= BUS_ERROR
            return b""
        frame = Message(arbitration_id=identifier, data=data, is_extended_id=False)
        return self._end.forward(frame, now_us * MICROSECOND)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return library(tmp_path_factory.mktemp("ports"))


FRAMES = st.builds(
    lambda identifier, data, remote: slcan.encode(
        Message(
            arbitration_id=identifier,
            is_extended_id=identifier > 0x7FF,
            is_remote_frame=remote,
            dlc=len(data),
            data=None if remote else data,
        )
    ),
    st.one_of(st.integers(0, 0x7FF), st.integers(0x800, 0x1FFFFFFF)),
    st.binary(max_size=8),
    st.booleans(),
)
STAMPED = st.builds(
    lambda line, stamp: line[:-1] + b"%04x\r" % stamp, FRAMES, st.integers(0, 65535)
)
COMMANDS = st.sampled_from(
    [b"O", b"L", b"C", b"V", b"N", b"F", b"S6", b"S6", b"S5", b"S9", b"Z0", b"Z1"]
)
# letters of commands, so that what is nearly one comes up as well, and lines that are too long
NOISE = st.text("tTrRSZ0123456789abcdefABCDEFgGOLCVNF\a\n \xff", max_size=40).map(
    lambda text: text.encode("latin-1")
)
LONG = st.integers(20, 300).map(lambda size: b"t" + b"0" * size)
LINES = st.one_of(
    FRAMES,
    STAMPED,
    COMMANDS.map(lambda word: word + b"\r"),
    st.one_of(NOISE, LONG).map(lambda word: word + b"\r"),
)
SAID = st.tuples(st.integers(0, 0x7FF), st.binary(max_size=8), st.integers(0, 2**44))
OPENING = st.sampled_from([[], [b"S6\r", b"O\r"], [b"S6\r", b"Z1\r", b"O\r"], [b"S4\r", b"O\r"]])


@given(opening=OPENING, talk=st.lists(st.one_of(LINES, SAID), max_size=30))
def test_it_answers_as_the_adapter_in_python_does(
    loaded: Any, opening: list[bytes], talk: list[bytes | tuple[int, bytes, int]]
) -> None:
    device, reference = Device(loaded), Reference()
    for one in [*opening, *talk]:
        if isinstance(one, bytes):
            assert device.receive(one) == reference.receive(one), one
        else:
            assert device.say(*one) == reference.say(*one), one


@given(said=st.lists(SAID, min_size=1), stamps=st.booleans())
def test_a_host_reads_what_it_says(
    loaded: Any,
    said: list[tuple[int, bytes, int]],
    stamps: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    device = Device(loaded)
    assert device.receive(b"S6\rZ%d\rO\r" % stamps)[1] == b"\r\r\r"
    text = b"".join(device.say(*one) for one in said)
    heard = HostEnd().feed(text, 0.0).frames
    assert [(one.arbitration_id, bytes(one.data)) for one in heard] == [one[:2] for one in said]


@given(noise=st.binary(max_size=200))
def test_after_any_noise_an_empty_line_makes_it_hear_again(loaded: Any, noise: bytes) -> None:
    device = Device(loaded)
    device.receive(noise)
    assert device.receive(b"\rV\r")[1].endswith(b"V0200\r")


# --- the SPI bus -----------------------------------------------------------------------------


def packet(select: int, data: bytes) -> bytes:
    """Return a transfer as either side of the wire sends it."""
    return bytes([select, len(data) & 0xFF, len(data) >> 8]) + data


class Chips:
    """What answers each transfer in turn, as late as it likes."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bytes]] = []

    def answer(self) -> bytes:
        """Answer the oldest transfer: every byte inverted."""
        select, data = self.asked.pop(0)
        return packet(select, bytes(byte ^ 0xFF for byte in data))


ASK = st.tuples(st.integers(0, 1), st.binary(min_size=1, max_size=64))


@given(steps=st.lists(st.one_of(ASK, st.sampled_from(["answer", "give up"])), max_size=40))
def test_an_answer_is_that_of_the_last_transfer_or_nobodys(
    loaded: Any, steps: list[tuple[int, bytes] | str]
) -> None:
    """Answers that came too late must not be taken for those of the transfers after them."""
    wire, chips, room = Wire(), Chips(), (ctypes.c_uint8 * 67)()
    awaited: bytes | None = None
    for step in steps:
        if isinstance(step, tuple):
            select, awaited = step
            size = loaded.spi_wire_ask(ctypes.byref(wire), select, awaited, len(awaited), room)
            assert bytes(room[:size]) == packet(select, awaited)
            chips.asked.append(step)
        elif step == "give up":
            loaded.spi_wire_give_up(ctypes.byref(wire))
            awaited = None
        elif chips.asked:
            is_last = len(chips.asked) == 1
            done = [loaded.spi_wire_hear(ctypes.byref(wire), byte) for byte in chips.answer()]
            assert not any(done[:-1])
            assert done[-1] == (is_last and awaited is not None)
            if done[-1] and awaited is not None:
                got = bytes(wire.bytes[: len(awaited)])
                assert got == bytes(byte ^ 0xFF for byte in awaited)
                awaited = None


def test_an_answer_of_another_shape_is_none(loaded: Any) -> None:
    """Nor does it, however long, spoil the next one."""
    wire, room = Wire(), (ctypes.c_uint8 * 67)()
    for strange in (packet(1, b"abcd"), packet(0, b"abc"), packet(0, b"x" * 500)):
        loaded.spi_wire_ask(ctypes.byref(wire), 0, b"sent", 4, room)
        assert not any(loaded.spi_wire_hear(ctypes.byref(wire), byte) for byte in strange)
    loaded.spi_wire_ask(ctypes.byref(wire), 0, b"sent", 4, room)
    done = [loaded.spi_wire_hear(ctypes.byref(wire), byte) for byte in packet(0, b"good")]
    assert done[-1]
    assert bytes(wire.bytes[:4]) == b"good"
