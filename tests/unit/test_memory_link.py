"""What only the memory link promises: exact times, the tap, cut, mute, and its options."""

from collections.abc import Callable
from typing import Any

import pytest

from drivers.links.memory import MemoryByteLink, memory_byte_link
from hil.bench.clock import run_virtual
from hil.core.errors import LinkLost
from hil.core.instants import MICROSECOND, MILLISECOND, SECOND, Instant
from hil.ports import Clock

BYTE_AT_9600 = 10 * SECOND / 9600


class Twin:
    """Notes what arrives and when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.heard: list[tuple[Instant, bytes]] = []
        self.send: Callable[[bytes, Instant], None]

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        self.send = send

    def receive(self, data: bytes) -> None:
        self.heard.append((self.clock.now(), data))


def joined(clock: Clock, tap: Any = None, **options: Any) -> tuple[MemoryByteLink, Twin]:
    twin = Twin(clock)
    return memory_byte_link("chamber", clock, options, twin=twin, tap=tap), twin


def test_latency_alone_is_200_us_each_way() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        await link.send(b"*IDN?\n")
        twin.send(b"late by its own reply time\n", 5 * MILLISECOND)
        assert await link.receive() == b"late by its own reply time\n"
        assert clock.now() == 5 * MILLISECOND + 200 * MICROSECOND
        assert twin.heard == [(200 * MICROSECOND, b"*IDN?\n")]

    run_virtual(main)


def test_bytes_cannot_have_left_before_they_were_handed_over() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        await clock.sleep_until(SECOND)
        twin.send(b"due long ago", MILLISECOND)
        await link.receive()
        assert clock.now() == SECOND + 200 * MICROSECOND

    run_virtual(main)


def test_bytes_take_ten_bits_and_queue_behind_one_another() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock, latency_ns=0, baud=9600)
        await link.open()
        await link.send(b"12345")
        await link.send(b"678")
        twin.send(b"ab", 0)
        await clock.sleep_until(SECOND)
        await link.send(b"9")  # the line is idle again
        await clock.sleep_until(2 * SECOND)
        times = [instant for instant, _ in twin.heard]
        assert times == pytest.approx(
            [5 * BYTE_AT_9600, 8 * BYTE_AT_9600, SECOND + BYTE_AT_9600], abs=2
        )
        assert link.pending() == b"ab"

    run_virtual(main)


def test_the_directions_do_not_wait_for_each_other() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock, latency_ns=0, baud=9600)
        await link.open()
        await link.send(b"x" * 960)
        twin.send(b"y", 0)
        await link.receive()
        assert clock.now() == pytest.approx(BYTE_AT_9600, abs=1)

    run_virtual(main)


def test_an_answer_with_an_earlier_instant_stays_behind_the_one_before() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        twin.send(b"slow ", 9 * MILLISECOND)
        twin.send(b"quick", MILLISECOND)
        await clock.sleep_until(SECOND)
        assert link.pending() == b"slow quick"

    run_virtual(main)


def test_the_tap_sees_what_the_host_sent_and_took_and_nothing_else() -> None:
    seen: list[bytes] = []

    async def main(clock: Clock) -> None:
        link, twin = joined(clock, seen.append)
        twin.send(b"before open", 0)
        await clock.sleep_until(SECOND)
        await link.open()
        await link.send(b"TEMP?\n")
        twin.send(b"23.1\n", clock.now())
        await clock.sleep_until(2 * SECOND)
        assert seen == [b">TEMP?\n"], "nobody has taken the answer yet"
        assert link.pending() == b"23.1\n"
        assert link.pending() == b""
        link.mute()
        twin.send(b"unheard", clock.now())
        await clock.sleep_until(3 * SECOND)
        link.mute(active=False)
        await link.close()
        twin.send(b"after close", clock.now())
        await clock.sleep_until(4 * SECOND)

    run_virtual(main)
    assert seen == [b">TEMP?\n", b"<23.1\n"]


def test_a_mute_peer_hears_but_nothing_comes_back_and_no_error_shows() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        link.mute()
        await link.send(b"?")
        twin.send(b"answer", clock.now())
        await clock.sleep_until(SECOND)
        assert link.pending() == b""
        assert [data for _, data in twin.heard] == [b"?"]
        link.mute(active=False)
        twin.send(b"back", clock.now())
        assert await link.receive() == b"back"

    run_virtual(main)


def test_a_cut_cable_loses_what_is_on_its_way_and_opens_again_only_when_mended() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        await link.send(b"lost")
        twin.send(b"lost", clock.now())
        link.cut()
        twin.send(b"said into the void", clock.now())
        with pytest.raises(LinkLost, match="cut"):
            await link.open()
        link.mend()
        await link.open()
        await clock.sleep_until(SECOND)
        assert (twin.heard, link.pending()) == ([], b"")
        await link.send(b"again")
        twin.send(b"again", clock.now())
        assert await link.receive() == b"again"
        assert [data for _, data in twin.heard] == [b"again"]

    run_virtual(main)


def test_a_reader_too_far_behind_is_told_not_robbed() -> None:
    async def main(clock: Clock) -> None:
        link, twin = joined(clock)
        await link.open()
        for _ in range(2):
            twin.send(b"x" * (1 << 19), clock.now())
        await clock.sleep_until(MILLISECOND)
        assert len(link.pending()) == 1 << 20  # just full
        for _ in range(3):
            twin.send(b"x" * (1 << 19), clock.now())
        await clock.sleep_until(SECOND)
        with pytest.raises(LinkLost, match="not taken"):
            link.pending()

    run_virtual(main)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"latency_ns": -1}, ValueError), ({"baud": 0}, ValueError), ({"bauds": 9600}, TypeError)],
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception]) -> None:
    async def main(clock: Clock) -> None:
        with pytest.raises(error):
            joined(clock, **options)

    run_virtual(main)
