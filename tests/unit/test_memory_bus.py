"""What only the bus in memory promises: bit times, arbitration, saturation, faults."""

from collections.abc import Callable
from typing import Any

import pytest
from can import Message

from drivers.links.memory_can import (
    BusSaturated,
    MemoryBus,
    MemoryFrameLink,
    frame_bits,
    memory_frame_link,
    wire_order,
)
from hil.bench.clock import run_virtual
from hil.core.errors import LinkLost
from hil.core.instants import MICROSECOND, MILLISECOND, SECOND, Instant
from hil.ports import Clock


class Twin:
    """Notes what arrives and when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.heard: list[tuple[Instant, int]] = []
        self.send: Callable[[Message], None]

    def attach(self, send: Callable[[Message], None]) -> None:
        self.send = send

    def receive(self, frame: Message) -> None:
        self.heard.append((self.clock.now(), frame.arbitration_id))


def joined(clock: Clock, tap: Any = None, **options: Any) -> tuple[MemoryFrameLink, Twin]:
    twin = Twin(clock)
    return memory_frame_link("board", clock, options, twin=twin, tap=tap), twin


def standard(identifier: int, data: bytes = b"12345678") -> Message:
    return Message(arbitration_id=identifier, is_extended_id=False, data=data)


def extended(identifier: int, data: bytes = b"12345678") -> Message:
    return Message(arbitration_id=identifier, is_extended_id=True, data=data)


def test_frame_lengths_are_those_of_the_literature() -> None:
    # Davis et al. 2007: 55 + 10n and 80 + 10n; 135 bits is the textbook worst case.
    assert [frame_bits(n, extended=False) for n in range(9)] == [55 + 10 * n for n in range(9)]
    assert [frame_bits(n, extended=True) for n in range(9)] == [80 + 10 * n for n in range(9)]


def test_frames_end_exactly_at_500_kbit() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        for data in (b"12345678", b"12345678", b""):
            await link.send(standard(0x100, data))
        await clock.sleep_until(SECOND)
        await link.send(extended(0x100))
        await clock.sleep_until(2 * SECOND)
        instants = [instant for instant, _ in twin.heard]
        assert instants == [
            270 * MICROSECOND,
            540 * MICROSECOND,
            650 * MICROSECOND,
            SECOND + 320 * MICROSECOND,
        ]
        assert link.bus.frames == 4
        assert link.bus.busy == (270 + 270 + 110 + 320) * MICROSECOND

    run_virtual(main)


def test_the_time_stamp_is_the_arrival() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock, bitrate=125_000)
        await link.open()
        twin.send(standard(1))
        (frame,) = await link.receive()
        assert clock.now() == 1080 * MICROSECOND
        assert frame.timestamp == 1080e-6

    run_virtual(main)


def test_the_lowest_identifier_goes_first_however_late_it_was_queued() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        others = [link.bus.attach(f"node {n}", lambda _frame: None) for n in range(4)]
        await link.open()
        for node, frame in zip(
            others,
            (extended(0x100 << 18), standard(0x300), standard(0x100), extended(0xFF << 18)),
            strict=True,
        ):
            node.send(frame)
        await link.send(standard(0x200))
        await clock.sleep_until(100 * MICROSECOND)
        others[0].send(standard(0x000))  # the bus is busy, and this node's head is the other one
        twin.send(standard(0x0FE))
        await clock.sleep_until(SECOND)
        order = [identifier for _, identifier in twin.heard]
        # 0xFF (29 bit) wins the first arbitration; 0x0FE is the twin's own and not heard by it.
        assert order == [0xFF << 18, 0x100, 0x100 << 18, 0x000, 0x200, 0x300]
        assert [frame.arbitration_id for frame in link.pending()][1] == 0x0FE

    run_virtual(main)


def test_remote_frames_lose_against_data_frames_and_standard_beats_extended() -> None:
    remote = Message(arbitration_id=0x100, is_extended_id=False, is_remote_frame=True, dlc=2)
    remote_extended = Message(arbitration_id=0x100 << 18, is_remote_frame=True, dlc=2)
    frames = [standard(0x100), remote, extended(0x100 << 18), remote_extended, standard(0x101)]
    orders = [wire_order(frame) for frame in frames]
    assert orders == sorted(set(orders))


def test_a_saturated_bus_says_so_counts_it_and_drops_nothing() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        for number in range(1_000):
            twin.send(standard(number))
        with pytest.raises(BusSaturated, match=r"board.*1000 frames"):
            twin.send(standard(1_000))
        await clock.sleep_until(10 * SECOND)
        assert [frame.arbitration_id for frame in link.pending()] == list(range(1_000))
        assert (link.bus.frames, link.bus.refused) == (1_000, 1)
        twin.send(standard(1_000))  # room again

    run_virtual(main)


def test_a_reader_too_far_behind_is_told_not_robbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.links.memory_can._RECEIVE_FRAMES", 50)

    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        for number in range(50):
            twin.send(standard(number))
        await clock.sleep_until(SECOND)
        assert len(link.pending()) == 50
        for number in range(51):
            twin.send(standard(number))
        await clock.sleep_until(2 * SECOND)
        with pytest.raises(LinkLost, match="not taken"):
            link.pending()

    run_virtual(main)


def test_one_frame_object_sent_again_arrives_as_two() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        keep_alive = standard(0x10, b"\x01")
        twin.send(keep_alive)
        twin.send(keep_alive)  # still under way
        await clock.sleep_until(SECOND)
        twin.send(keep_alive)  # arrived long ago
        keep_alive.data[0] = 2
        await clock.sleep_until(2 * SECOND)
        arrived = [(frame.timestamp, bytes(frame.data)) for frame in link.pending()]
        # The copies keep what was sent; the first one is the object itself.
        assert arrived[1:] == [(260e-6, b"\x01"), (1 + 130e-6, b"\x01")]
        assert arrived[0][0] == 130e-6

    run_virtual(main)


def test_the_tap_sees_way_identifier_length_and_data() -> None:
    seen: list[bytes] = []

    async def main(clock: Clock) -> None:
        link, twin = joined(clock, seen.append)
        twin.send(standard(0x7F, b"before open"[:8]))
        await clock.sleep_until(SECOND)
        await link.open()
        await link.send(standard(0x123, b"\xaa\xbb"))
        await clock.sleep_until(2 * SECOND)
        twin.send(extended(0x1ABCDEF0, b""))
        await clock.sleep_until(3 * SECOND)
        link.mute()
        twin.send(standard(0x7F))
        await clock.sleep_until(4 * SECOND)

    run_virtual(main)
    assert seen == [b">\x00\x00\x01\x23\x02\xaa\xbb", b"<\x9a\xbc\xde\xf0\x00"]


def test_a_shared_bus_joins_several_hosts() -> None:
    async def main(clock: Clock) -> None:
        bus = MemoryBus(clock, 250_000)
        links = [MemoryFrameLink(f"host {n}", bus) for n in range(3)]
        for link in links:
            await link.open()
        await links[0].send(standard(0x42))
        await clock.sleep_until(SECOND)
        assert [len(link.pending()) for link in links] == [0, 1, 1]

    run_virtual(main)


def test_a_cut_cable_breaks_off_what_is_being_sent_and_a_mute_bus_shows_no_error() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        await link.send(standard(1))
        await link.send(standard(2))
        await clock.sleep_until(100 * MICROSECOND)
        link.cut()
        with pytest.raises(LinkLost, match="cut"):
            await link.open()
        link.mend()
        await link.open()
        await clock.sleep_until(MILLISECOND)
        assert twin.heard == []
        link.mute()
        twin.send(standard(3))
        await link.send(standard(4))
        await clock.sleep_until(2 * MILLISECOND)
        assert link.pending() == []
        assert [identifier for _, identifier in twin.heard] == [4]
        link.mute(active=False)
        twin.send(standard(5))
        assert [frame.arbitration_id for frame in await link.receive()] == [5]

    run_virtual(main)


@pytest.mark.parametrize(
    "frame",
    [
        Message(arbitration_id=0x800, is_extended_id=False),
        Message(arbitration_id=1 << 29),
        Message(arbitration_id=1, is_fd=True),
        Message(arbitration_id=1, is_error_frame=True),
        Message(arbitration_id=1, data=b"123456789"),
        Message(arbitration_id=1, data=b"12", dlc=3),
    ],
)
def test_what_classical_can_cannot_carry_is_refused(frame: Message) -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        with pytest.raises(ValueError, match=r"classical CAN|identifier"):
            twin.send(frame)

    run_virtual(main)


@pytest.mark.parametrize(
    ("options", "error"), [({"bitrate": 0}, ValueError), ({"bit_rate": 1}, TypeError)]
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception]) -> None:
    async def main(clock: Clock) -> None:
        with pytest.raises(error):
            joined(clock, **options)

    run_virtual(main)
