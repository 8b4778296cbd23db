"""What every frame link promises, whatever carries the frames. A transport joins by a rig."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest
from byte_rigs import SOON
from can import Message
from frame_rigs import RIGS, Rig, Runner

from hil.core.errors import LinkLost
from hil.core.instants import MILLISECOND, SECOND
from hil.ports import FrameLink


@pytest.fixture(params=RIGS)
def on_rig(request: pytest.FixtureRequest) -> Runner:
    """Runs a case on each transport."""
    return RIGS[request.param][1]


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
    on_rig: Runner, kind: dict[str, Any]
) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        await rig.link.send(Message(**kind))
        rig.say(Message(**kind))
        expected = Message(**kind, check=True)
        for arrived in (*(await rig.heard(1)), *(await read(rig.link, 1))):
            assert arrived.equals(expected, timestamp_delta=None, check_channel=False)

    on_rig(case)


def test_frames_of_one_sender_with_one_identifier_stay_in_order(
    on_rig: Runner,
) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
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


def test_pending_takes_all_that_has_arrived_once(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        assert rig.link.pending() == []
        rig.say(frame(1))
        rig.say(frame(2))
        taken: list[Message] = []
        while len(taken) < 2:
            await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
            taken += rig.link.pending()
        assert numbers(taken) == [1, 2]
        assert rig.link.pending() == []

    on_rig(case)


def test_a_cancelled_receive_loses_nothing(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        rig.say(frame(7))
        assert numbers(await read(rig.link, 1)) == [7]

    on_rig(case)


def test_a_lost_adapter_ends_a_waiting_receive_and_every_later_call(
    on_rig: Runner,
) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
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


def test_close_during_a_call_ends_it_and_may_be_repeated(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        await rig.link.close()
        assert "closed" in await refused(reader)
        await rig.link.close()
        assert "closed" in await refused(rig.link.send(frame(1)))

    on_rig(case)


def test_what_was_sent_before_close_is_still_sent(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        for number in range(3):
            await rig.link.send(frame(number))
        await rig.link.close()
        assert numbers(await rig.heard(3)) == [0, 1, 2]

    on_rig(case)


def test_frames_of_an_earlier_session_do_not_wait_for_the_next(
    on_rig: Runner,
) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        rig.say(frame(1))
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        await rig.link.close()
        rig.say(frame(2))
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        await rig.open()
        assert rig.link.pending() == []
        rig.say(frame(3))
        assert numbers(await read(rig.link, 1)) == [3]

    on_rig(case)


def test_check_tells_of_a_lost_adapter_and_takes_nothing(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        with pytest.raises(LinkLost):
            rig.link.check()
        await rig.open()
        rig.say(frame(5))
        rig.link.check()
        assert numbers(await read(rig.link, 1)) == [5]
        rig.die()
        with pytest.raises(LinkLost):
            await checks(rig)

    on_rig(case)


async def checks(rig: Rig) -> None:
    """Look after the link until it is lost."""
    while True:
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        rig.link.check()


def test_a_link_whose_adapter_came_back_is_opened_again(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        for number in range(2):
            rig.die()
            await refused(rig.link.receive())
            rig.revive()
            await rig.open()
            rig.say(frame(number))
            assert numbers(await read(rig.link, 1)) == [number]
            await rig.link.send(frame(number))
            await rig.heard(number + 1)

    on_rig(case)


def test_opening_an_open_link_begins_a_new_session(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        rig.say(frame(1))
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        await rig.open()
        rig.say(frame(2))
        assert numbers(await read(rig.link, 1)) == [2]

    on_rig(case)


def test_what_classical_can_cannot_carry_is_refused_and_hurts_nothing(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        with pytest.raises(ValueError, match="not a frame of classical CAN"):
            await rig.link.send(Message(arbitration_id=1, is_fd=True, data=bytes(12)))
        await rig.link.send(frame(1))
        assert numbers(await rig.heard(1)) == [1]

    on_rig(case)


def test_a_cancelled_send_keeps_its_frame_whole_or_to_itself(on_rig: Runner) -> None:
    async def case(rig: Rig) -> None:
        await rig.open()
        for number in range(20):
            sending = asyncio.create_task(rig.link.send(frame(number)))
            if number % 3:
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        await rig.link.send(frame(99))
        heard = numbers(await rig.heard(1))
        while heard[-1] != 99:
            heard = numbers(await rig.heard(len(heard) + 1))
        assert heard == sorted(set(heard))

    on_rig(case)
