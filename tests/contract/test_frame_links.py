"""What every frame link promises, whatever carries the frames. A transport joins by a rig."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import pytest
from can import Message

from drivers.links.faulty import disturb
from drivers.links.faulty_media import FRAMES
from drivers.links.memory_can import memory_frame_link
from hil.bench.clock import run_virtual
from hil.core.errors import LinkLost
from hil.core.instants import MILLISECOND, SECOND
from hil.ports import Clock, FrameLink

SOON = 20 * MILLISECOND
"""Longer than any transport under test needs, shorter than a test may take in wall time."""


class Rig(Protocol):
    """A link that is not open yet, and a peer on its bus."""

    clock: Clock

    @property
    def link(self) -> FrameLink:
        """The link."""

    async def heard(self, count: int) -> list[Message]:
        """Wait until the peer has ``count`` frames and return all that it has."""

    def say(self, frame: Message) -> None:
        """Let the peer queue ``frame``."""

    def die(self) -> None:
        """Let the adapter go away."""


class MemoryRig:
    """The rig in memory, at once the twin; virtual time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.frames: list[Message] = []
        self.cable = memory_frame_link("board", clock, {}, twin=self)
        self.link: FrameLink = self.cable

    def attach(self, send: Callable[[Message], None]) -> None:
        self._send = send

    def receive(self, frame: Message) -> None:
        self.frames.append(frame)

    async def heard(self, count: int) -> list[Message]:
        while len(self.frames) < count:
            await self.clock.sleep_until(self.clock.now() + MILLISECOND)
        return self.frames

    def say(self, frame: Message) -> None:
        self._send(frame)

    def die(self) -> None:
        self.cable.cut()


Case = Callable[[Rig], Awaitable[None]]


def in_memory(case: Case) -> None:
    async def main(clock: Clock) -> None:
        await case(MemoryRig(clock))

    run_virtual(main)


def through_a_disturber(case: Case) -> None:
    """Run a case through the wrapper, which has nothing to disturb."""

    async def main(clock: Clock) -> None:
        rig = MemoryRig(clock)
        rig.link = disturb(FRAMES, "board", rig.cable, clock, {}, seed=1)
        await case(rig)

    run_virtual(main)


@pytest.fixture(params=[in_memory, through_a_disturber])
def on_rig(request: pytest.FixtureRequest) -> Callable[[Case], None]:
    """Runs a case on each transport."""
    runner: Callable[[Case], None] = request.param
    return runner


KINDS = (
    {"arbitration_id": 0x7FF, "is_extended_id": False, "data": b""},
    {"arbitration_id": 0, "is_extended_id": False, "data": b"\x00\xff" * 4},
    {"arbitration_id": 0x1FFFFFFF, "is_extended_id": True, "data": b"\x01\x02\x03"},
    {"arbitration_id": 0x123, "is_extended_id": True, "data": b"bms"},
    {"arbitration_id": 0x123, "is_extended_id": False, "is_remote_frame": True, "dlc": 8},
)


def frame(number: int, **other: Any) -> Message:
    """Return a standard frame with an identifier of 0x100 that says its number."""
    data = number.to_bytes(4, "big")
    return Message(arbitration_id=0x100, is_extended_id=False, data=data, **other)


def numbers(frames: Sequence[Message]) -> list[int]:
    return [int.from_bytes(message.data, "big") for message in frames]


async def read(link: FrameLink, count: int) -> list[Message]:
    """Read until ``count`` frames have come."""
    frames: list[Message] = []
    while len(frames) < count:
        some = await link.receive()
        assert some, "receive returned without a frame"
        frames += some
    return frames


async def refused(call: Awaitable[Any]) -> str:
    """Await a call that must raise LinkLost, which names the device."""
    with pytest.raises(LinkLost) as caught:
        await call
    assert caught.value.device == "board"
    return caught.value.message


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_arrives_as_python_can_would_compare_it(
    on_rig: Callable[[Case], None], kind: dict[str, Any]
) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        await rig.link.send(Message(**kind))
        rig.say(Message(**kind))
        expected = Message(**kind, check=True)
        for arrived in (*(await rig.heard(1)), *(await read(rig.link, 1))):
            assert arrived.equals(expected, timestamp_delta=None, check_channel=False)

    on_rig(case)


def test_frames_of_one_sender_with_one_identifier_stay_in_order(
    on_rig: Callable[[Case], None],
) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        for number in range(100):
            await rig.link.send(frame(number))
            rig.say(frame(1000 + number))
        assert numbers(await rig.heard(100)) == list(range(100))
        frames = await read(rig.link, 100)
        assert numbers(frames) == list(range(1000, 1100))
        stamps = [message.timestamp for message in frames]
        assert stamps == sorted(stamps)
        assert stamps[0] > 0
        assert stamps[-1] <= rig.clock.now() / SECOND

    on_rig(case)


def test_pending_takes_all_that_has_arrived_once(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        assert rig.link.pending() == []
        rig.say(frame(1))
        rig.say(frame(2))
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        assert numbers(rig.link.pending()) == [1, 2]
        assert rig.link.pending() == []

    on_rig(case)


def test_a_cancelled_receive_loses_nothing(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        rig.say(frame(7))
        assert numbers(await read(rig.link, 1)) == [7]

    on_rig(case)


def test_a_lost_adapter_ends_a_waiting_receive_and_every_later_call(
    on_rig: Callable[[Case], None],
) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        rig.die()
        await refused(reader)
        await refused(rig.link.receive())
        await refused(rig.link.send(frame(1)))
        with pytest.raises(LinkLost):
            rig.link.pending()
        await rig.link.close()

    on_rig(case)


def test_close_during_a_call_ends_it_and_may_be_repeated(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        await rig.link.close()
        assert "closed" in await refused(reader)
        await rig.link.close()
        assert "closed" in await refused(rig.link.send(frame(1)))

    on_rig(case)


def test_what_was_sent_before_close_is_still_sent(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        for number in range(3):
            await rig.link.send(frame(number))
        await rig.link.close()
        assert numbers(await rig.heard(3)) == [0, 1, 2]

    on_rig(case)


def test_frames_of_an_earlier_session_do_not_wait_for_the_next(
    on_rig: Callable[[Case], None],
) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        rig.say(frame(1))
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        await rig.link.close()
        rig.say(frame(2))
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        await rig.link.open()
        assert rig.link.pending() == []
        rig.say(frame(3))
        assert numbers(await read(rig.link, 1)) == [3]

    on_rig(case)
