"""What links to CAN adapters say and do beyond what all frame links promise."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import can
import pytest
from byte_rigs import DEADLINE_S, PtyRig, SocketRig
from can import Message
from frame_rigs import AdapterRig, VirtualBusRig, python_can_virtual

from drivers.links.can_adapter import AdapterOptions, adapter_link
from drivers.links.slcan import SlcanOptions, slcan_link
from hil.bench.wall_time import run_wall
from hil.core.errors import DeviceError, LinkLost, LinkTimeout
from hil.core.instants import MILLISECOND, SECOND
from hil.ports import Clock


def frame() -> Message:
    return Message(arbitration_id=0x123, is_extended_id=False, data=b"\x01\x02")


def at_an_adapter(case: Callable[[AdapterRig], Awaitable[None]]) -> None:
    """Run a case with an slcan link over TCP that is not open yet, and its adapter."""

    async def main(clock: Clock) -> None:
        line = SocketRig(clock)
        async with asyncio.timeout(DEADLINE_S), line.listening() as port:
            link = slcan_link("board", clock, {"host": "127.0.0.1", "port": str(port)})
            try:
                await case(AdapterRig(clock, link, line))
            finally:
                await link.close()

    run_wall(main)


def test_opening_sets_the_bit_rate_and_closing_closes_the_channel() -> None:
    async def case(rig: AdapterRig) -> None:
        await rig.open()
        assert (rig.adapter.is_open, rig.adapter.bitrate) == (True, 500_000)
        await rig.link.close()
        while rig.adapter.is_open:
            await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)

    at_an_adapter(case)


def test_what_an_earlier_host_left_behind_does_not_confuse_the_opening() -> None:
    async def case(rig: AdapterRig) -> None:
        rig.adapter.receive(b"S8\rO\rt1238001122")  # open at another bit rate, half a frame
        await rig.open()
        assert rig.adapter.bitrate == 500_000
        assert rig.frames == []
        await rig.link.send(frame())
        await rig.heard(1)

    at_an_adapter(case)


def test_a_peer_that_is_no_adapter_is_told_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.links.slcan._ANSWER_WITHIN", 50 * MILLISECOND)

    async def case(rig: AdapterRig) -> None:
        asked = bytearray()
        rig.line.hear = asked.extend  # type: ignore[method-assign, assignment] # it says nothing
        with pytest.raises(LinkLost, match=r"no slcan adapter answers within 0\.05 s.*'can'"):
            await rig.link.open()
        assert asked.endswith(b"V\r")

    at_an_adapter(case)


@pytest.mark.parametrize(
    ("refused", "message"),
    [(b"S6\r", r"refuses 500000 bit/s.*S6.*BEL"), (b"O\r", r"refuses to open its channel.*BEL")],
)
def test_an_adapter_that_says_no_is_told_what_it_refused(refused: bytes, message: str) -> None:
    async def case(rig: AdapterRig) -> None:
        obeys = rig.line.hear
        rig.line.hear = lambda data: rig.line.say(b"\a") if data == refused else obeys(data)  # type: ignore[method-assign]
        with pytest.raises(LinkLost, match=message):
            await rig.link.open()
        with pytest.raises(LinkLost):
            await rig.link.send(frame())

    at_an_adapter(case)


def test_a_refused_frame_is_told_at_the_next_one_and_the_link_goes_on() -> None:
    async def case(rig: AdapterRig) -> None:
        await rig.open()
        rig.adapter.listens_only = True
        await rig.link.send(frame())
        with pytest.raises(DeviceError, match="refused 1 frame") as caught:
            await sends(rig)
        assert not isinstance(caught.value, LinkLost)
        rig.adapter.listens_only = False
        await rig.link.send(frame())
        assert len(await rig.heard(1)) == 1

    at_an_adapter(case)


async def sends(rig: AdapterRig) -> None:
    """Look until the refusal has come: each look would send a frame if there were none."""
    while True:
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        rig.link.pending()
        if rig.link._refused:  # type: ignore[attr-defined]
            await rig.link.send(frame())


async def acknowledged(rig: AdapterRig) -> None:
    """Send a frame, and return when its acknowledgement has been seen."""
    await rig.link.send(frame())
    while not rig.link._acknowledges:  # type: ignore[attr-defined]
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        rig.link.pending()


def test_an_adapter_that_freezes_is_not_taken_for_a_silent_board(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is told once to who sends and for as long as it lasts to who listens; nothing is lost."""

    async def case(rig: AdapterRig) -> None:
        await rig.open()
        await acknowledged(rig)
        rig.say(frame())
        wakes, unread = rig.line.hear, bytearray()
        rig.line.hear = unread.extend  # type: ignore[method-assign, assignment]
        monkeypatch.setattr("drivers.links.slcan._ANSWER_WITHIN", 20 * MILLISECOND)
        with pytest.raises(LinkTimeout, match="board: the adapter does not acknowledge"):
            await rig.link.send(frame())
        with pytest.raises(LinkTimeout, match="does not acknowledge"):
            rig.link.pending()
        await rig.link.send(frame())  # "all off" must be there when it wakes up
        with pytest.raises(LinkTimeout):
            rig.link.pending()
        monkeypatch.setattr("drivers.links.slcan._ANSWER_WITHIN", 60 * SECOND)
        while len(unread) < 2 * len(b"t12320102\r"):
            await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        rig.line.hear = wakes  # type: ignore[method-assign]
        rig.line.hear(bytes(unread))
        (got,) = await waits(rig)
        assert got.arbitration_id == 0x123
        await rig.link.send(frame())
        assert len(await rig.heard(4)) == 4

    at_an_adapter(case)


async def waits(rig: AdapterRig) -> list[Message]:
    """Look until the adapter answers, and return what has arrived meanwhile."""
    while True:
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        try:
            return rig.link.pending()
        except LinkTimeout:
            continue


def test_an_adapter_that_acknowledges_no_frames_is_not_asked_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def case(rig: AdapterRig) -> None:
        await rig.open()
        said = rig.line.say
        rig.line.say = lambda data, after=0: said(data, after) if data[:1] == b"t" else None  # type: ignore[method-assign]
        monkeypatch.setattr("drivers.links.slcan._ANSWER_WITHIN", 0)
        for _ in range(3):
            await rig.link.send(frame())
            assert rig.link.pending() == []
        await rig.heard(3)
        rig.say(frame())
        assert len(await rig.link.receive()) == 1

    at_an_adapter(case)


def test_a_link_that_is_closed_lets_go_of_who_waits_for_an_acknowledgement() -> None:
    async def case(rig: AdapterRig) -> None:
        await rig.open()
        await acknowledged(rig)
        unread = bytearray()
        rig.line.hear = unread.extend  # type: ignore[method-assign, assignment]
        sending = asyncio.create_task(rig.link.send(frame()))
        while not unread:
            await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        rig.die()
        with pytest.raises(LinkLost):
            await sending

    at_an_adapter(case)


def test_a_line_that_makes_no_sense_is_a_frame_lost_and_counted() -> None:
    async def case(rig: AdapterRig) -> None:
        await rig.open()
        rig.line.say(b"t12\xb2201\rt1232")
        rig.line.say(b"0102\r")
        (got,) = await rig.link.receive()
        assert bytes(got.data) == b"\x01\x02"
        assert rig.link.garbled == 1  # type: ignore[attr-defined]

    at_an_adapter(case)


def test_a_place_is_either_a_port_or_a_host_with_a_number() -> None:
    assert SlcanOptions("/dev/ttyACM0").baud == 115_200
    with pytest.raises(ValueError, match="port: found '/dev/x', expected a number"):
        SlcanOptions("/dev/x", host="127.0.0.1")
    with pytest.raises(ValueError, match=r"bitrate: .*123"):
        SlcanOptions("1", bitrate=123)


# --- python-can ----------------------------------------------------------------------------------


def test_bus_off_ends_the_link_and_other_error_frames_are_no_messages() -> None:
    async def case(rig: VirtualBusRig) -> None:
        await rig.open()
        rig.say(Message(arbitration_id=0x04, is_error_frame=True, data=bytes(8)))
        rig.say(frame())
        (got,) = await rig.link.receive()
        assert got.arbitration_id == 0x123
        rig.say(Message(arbitration_id=0x40, is_error_frame=True, data=bytes(8)))
        with pytest.raises(LinkLost, match="bus off"):
            await rig.link.receive()

    python_can_virtual(case)


def test_an_adapter_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    async def main(clock: Clock) -> None:
        options = {"interface": "slcan", "channel": str(tmp_path / "none")}
        link = adapter_link("board", clock, options)
        with pytest.raises(LinkLost, match=r"board: slcan .*none: .*[Nn]o such file"):
            await link.open()
        await link.close()

    run_wall(main)


def test_python_cans_own_slcan_hears_an_adapter_that_is_unplugged(tmp_path: Path) -> None:
    async def main(clock: Clock) -> None:
        line = PtyRig(clock, tmp_path / "port")
        line.settles = False
        link = adapter_link("board", clock, {"interface": "slcan", "channel": str(line.place)})
        rig = AdapterRig(clock, link, line)
        await rig.open()
        line.die()
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(LinkLost, match="slcan"):
                await link.receive()
        await link.close()

    run_wall(main)


def test_an_interface_that_python_can_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(ValueError, match=r"interface: found 'sloan', .*slcan.*socketcan"):
        AdapterOptions("sloan", "can0")
    with pytest.raises(ValueError, match="bitrate"):
        AdapterOptions("socketcan", "can0", 0)
    assert "virtual" in can.VALID_INTERFACES
    assert os.name == "posix"
