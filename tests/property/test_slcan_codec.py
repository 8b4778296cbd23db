"""The slcan codec: its own round trips, and python-can's slcan bus as the oracle of both ends."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from can import Message
from can.interfaces.slcan import slcanBus
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire import slcan
from hil.core.instants import MILLISECOND


def same(one: Message, other: Message) -> bool:
    return one.equals(other, timestamp_delta=None, check_channel=False, check_direction=False)


@st.composite
def frames(draw: st.DrawFn) -> Message:
    """Any frame of classical CAN."""
    extended, remote = draw(st.booleans()), draw(st.booleans())
    identifier = draw(st.integers(0, (1 << 29 if extended else 1 << 11) - 1))
    data = draw(st.binary(max_size=8))
    kind = {"is_remote_frame": True, "dlc": len(data)} if remote else {"data": data}
    return Message(arbitration_id=identifier, is_extended_id=extended, check=True, **kind)


def chunked(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Yield ``data`` cut anywhere."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for first, last in pairwise(edges):
        yield data[first:last]


CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@given(st.lists(frames(), max_size=20), CUTS, st.booleans())
def test_frames_cross_to_the_host_however_the_stream_is_cut(
    sent: list[Message],
    cuts: list[int],
    stamps: bool,  # noqa: FBT001 - drawn
) -> None:
    adapter, host = opened(stamps=stamps), slcan.HostEnd()
    line = b"".join(adapter.forward(frame, 61_234 * MILLISECOND) for frame in sent)
    heard = [host.feed(chunk, 1.5) for chunk in chunked(line, cuts)]
    got = [frame for one in heard for frame in one.frames]
    assert len(got) == len(sent)
    assert all(map(same, got, sent))
    assert {frame.timestamp for frame in got} <= {1.5}
    assert host.garbled == 0
    assert not any(one.replies for one in heard)


@given(st.lists(frames(), max_size=20), CUTS)
def test_frames_cross_to_the_bus_and_each_is_acknowledged(
    sent: list[Message], cuts: list[int]
) -> None:
    adapter, host = opened(), slcan.HostEnd()
    steps = [adapter.receive(chunk) for chunk in chunked(b"".join(map(slcan.encode, sent)), cuts)]
    got = [frame for step in steps for frame in step[0]]
    assert len(got) == len(sent)
    assert all(map(same, got, sent))
    replies = host.feed(b"".join(step[1] for step in steps), 0.0).replies
    assert replies == [
        slcan.Reply(good=True, text="Z" if frame.is_extended_id else "z") for frame in sent
    ]


def opened(*, stamps: bool = False) -> slcan.AdapterEnd:
    adapter = slcan.AdapterEnd()
    commands = b"Z%d\r" % stamps + slcan.set_bitrate(500_000) + slcan.OPEN
    assert adapter.receive(commands) == ([], b"\r\r\r")
    return adapter


# --- python-can as the oracle --------------------------------------------------------------------


class Port(io.BytesIO):
    """A serial port of python-can: what it writes is kept, what it reads is given beforehand."""

    write_timeout: float | None = None

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    @property
    def in_waiting(self) -> int:
        return len(self.getvalue()) - self.tell()

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)


@contextmanager
def python_can() -> Iterator[tuple[slcanBus, Port]]:
    """Open python-can's slcan bus on a port that is a buffer."""
    port = Port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("can.interfaces.slcan.serial.serial_for_url", lambda *_a, **_k: port)
        bus = slcanBus("buffer", bitrate=500_000, sleep_after_open=0)
    port.written = b""
    yield bus, port
    with warnings.catch_warnings():
        bus.shutdown()


@given(st.lists(frames(), min_size=1, max_size=10))
def test_python_can_reads_what_we_write(sent: list[Message]) -> None:
    adapter = opened()
    with python_can() as (bus, port):
        line = b"".join(adapter.forward(frame, 0) for frame in sent)
        io.BytesIO.write(port, line)
        port.seek(0)
        got = [bus.recv(0.0) for _ in sent]
    assert all(frame is not None and same(frame, sent[k]) for k, frame in enumerate(got))


@given(st.lists(frames(), min_size=1, max_size=10))
def test_we_read_and_write_what_python_can_writes(sent: list[Message]) -> None:
    adapter = opened()
    with python_can() as (bus, port):
        for frame in sent:
            bus.send(frame)
        written = port.written
    assert written == b"".join(map(slcan.encode, sent))
    got, _ = adapter.receive(written)
    assert len(got) == len(sent)
    assert all(map(same, got, sent))


def test_python_can_opens_and_closes_our_adapter() -> None:
    adapter = slcan.AdapterEnd()
    port = Port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("can.interfaces.slcan.serial.serial_for_url", lambda *_a, **_k: port)
        bus = slcanBus("buffer", bitrate=250_000, sleep_after_open=0)
    adapter.receive(port.written)
    assert (adapter.is_open, adapter.bitrate) == (True, 250_000)
    port.written = b""
    bus.shutdown()
    adapter.receive(port.written)
    assert not adapter.is_open


def test_the_bit_rates_are_those_of_python_can_and_the_manual() -> None:
    ours = {rate: f"S{digit}" for digit, rate in enumerate(slcan.BITRATES)}
    theirs = {rate: text for rate, text in slcanBus._BITRATES.items() if rate in ours}
    assert theirs == {rate: text for rate, text in ours.items() if rate != 800_000}
    with pytest.raises(ValueError, match="750000"):
        slcan.set_bitrate(750_000)  # S7 is 800 kbit/s in Lawicel's manual and in Linux


# --- what is not right ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        *(b"t12", b"t1238", b"t1239001122334455667788", b"t123100FF0", b"t80010 ", b"t8001FF"),
        *(b"T200000000", b"T2000000010", b"t1_31FF", b"t 231FF", b"t+231FF", b"t1232F F "),
        *(b"r1232FF", b"T1234567", b"t1231GG", b"t1231FF001", b"t1231FF00GG", b"t123\xb21FF"),
        *(b"\xff\xfe", b"\x1b[2J"),
    ],
)
def test_what_is_not_whole_is_counted_by_the_host_and_refused_by_the_adapter(line: bytes) -> None:
    host = slcan.HostEnd()
    assert host.feed(line + b"\r", 0.0) == ([], [])
    assert host.garbled == 1
    (good,) = host.feed(b"t1231FF\r", 0.0).frames
    assert good.arbitration_id == 0x123
    adapter = opened()
    assert adapter.receive(line + b"\r") == ([], b"\a")
    assert adapter.receive(b"t1231FF\r")[1] == b"z\r"


@pytest.mark.parametrize(
    "frame",
    [
        Message(arbitration_id=0x800, is_extended_id=False),
        Message(arbitration_id=1 << 29),
        Message(arbitration_id=1, is_fd=True, data=bytes(12)),
        Message(arbitration_id=1, is_error_frame=True),
        Message(arbitration_id=1, data=b"12", dlc=3),
        Message(arbitration_id=1, data=bytes(9)),
    ],
)
def test_what_classical_can_cannot_carry_is_refused(frame: Message) -> None:
    with pytest.raises(ValueError, match=r"frame|identifier|length"):
        slcan.encode(frame)


def test_an_endless_line_is_dropped_up_to_its_end() -> None:
    host, adapter = slcan.HostEnd(), opened()
    assert host.feed(b"t" * 100_000, 0.0) == ([], [])
    assert host.feed(b"t" * 100_000, 0.0) == ([], [])
    assert host.garbled == 1
    assert len(host._lines._rest) <= 256
    assert len(host.feed(b"tail\rt1231FF\r", 0.0).frames) == 1
    assert adapter.receive(b"x" * 1_000) == ([], b"\a")
    assert adapter.receive(b"x" * 1_000 + b"\rV\r") == ([], b"V1013\r")


def test_the_host_hears_each_answer_in_its_order() -> None:
    host = slcan.HostEnd()
    heard = host.feed(b"\rz\r\at1231FF\rV1013\rt12\aF00\r", 0.0)
    no = slcan.Reply(good=False, text="")
    answers = [("", True), ("z", True), None, ("V1013", True), None, ("F00", True)]
    assert heard.replies == [slcan.Reply(a[1], a[0]) if a else no for a in answers]
    assert (len(heard.frames), host.garbled) == (1, 1)


def test_the_adapter_keeps_the_order_of_its_manual() -> None:
    adapter = slcan.AdapterEnd(serial="N4711")
    for command, answer in (
        *((b"O\r", b"\a"), (b"C\r", b"\a"), (b"t1230\r", b"\a"), (b"F\r", b"\a")),
        *((b"S9\r", b"\a"), (b"S\r", b"\a"), (b"S66\r", b"\a"), (b"S6\r", b"\r")),
        *(
            (b"L\r", b"\r"),
            (b"t1230\r", b"\a"),
            (b"S5\r", b"\a"),
            (b"Z1\r", b"\a"),
            (b"C\r", b"\r"),
        ),
        *((b"O\r", b"\r"), (b"O\r", b"\a"), (b"t1230\r", b"z\r"), (b"T000001230\r", b"Z\r")),
        *((b"N\r", b"N4711\r"), (b"\r", b"\a"), (b"?\r", b"\a"), (b"OO\r", b"\a")),
    ):
        assert adapter.receive(command)[1] == answer, command
    adapter.flags = 0x82
    assert adapter.receive(b"F\rF\r")[1] == b"F82\rF00\r"


def test_a_closed_channel_passes_nothing_and_a_stamp_counts_its_minute() -> None:
    frame = Message(arbitration_id=0x123, is_extended_id=False, data=b"\xff")
    assert slcan.AdapterEnd().forward(frame, 0) == b""
    stamped = opened(stamps=True).forward(frame, (120_000 + 0xABC) * MILLISECOND)
    assert stamped == b"t1231FF0ABC\r"
