"""What every byte link promises, whatever carries the bytes. A transport joins by adding a rig."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest

from drivers.links.faulty import disturb
from drivers.links.faulty_media import BYTES
from drivers.links.memory import memory_byte_link
from hil.bench.clock import run_virtual
from hil.core.errors import LinkLost
from hil.core.instants import MILLISECOND, Duration, Instant
from hil.ports import ByteLink, Clock

SOON = 20 * MILLISECOND
"""Longer than any transport under test needs, shorter than a test may take in wall time."""


class Rig(Protocol):
    """A link that is not open yet, and its peer."""

    clock: Clock

    @property
    def link(self) -> ByteLink:
        """The link."""

    async def heard(self, count: int) -> bytes:
        """Wait until the peer has ``count`` bytes and return all that it has."""

    def say(self, data: bytes, after: Duration = 0) -> None:
        """Let the peer send ``data`` after a while."""

    def die(self) -> None:
        """Let the peer go away."""


class MemoryRig:
    """The rig in memory, at once the twin; virtual time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.bytes = bytearray()
        self.cable = memory_byte_link("peer", clock, {"baud": 115_200}, twin=self)
        self.link: ByteLink = self.cable

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        self._send = send

    def receive(self, data: bytes) -> None:
        self.bytes += data

    async def heard(self, count: int) -> bytes:
        while len(self.bytes) < count:
            await self.clock.sleep_until(self.clock.now() + MILLISECOND)
        return bytes(self.bytes)

    def say(self, data: bytes, after: Duration = 0) -> None:
        self._send(data, self.clock.now() + after)

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
        rig.link = disturb(BYTES, "peer", rig.cable, clock, {}, seed=1)
        await case(rig)

    run_virtual(main)


@pytest.fixture(params=[in_memory, through_a_disturber])
def on_rig(request: pytest.FixtureRequest) -> Callable[[Case], None]:
    """Runs a case on each transport."""
    runner: Callable[[Case], None] = request.param
    return runner


async def read(link: ByteLink, count: int) -> bytes:
    """Read until ``count`` bytes have come, however they are cut."""
    data = b""
    while len(data) < count:
        chunk = await link.receive()
        assert chunk, "receive returned without a byte"
        data += chunk
    return data


async def refused(call: Awaitable[Any]) -> str:
    """Await a call that must raise LinkLost, which names the device."""
    with pytest.raises(LinkLost) as caught:
        await call
    assert caught.value.device == "peer"
    return caught.value.message


def test_bytes_cross_both_ways_whole_and_in_order(on_rig: Callable[[Case], None]) -> None:
    sent = [bytes([k]) * (k % 7 + 1) for k in range(200)]

    async def case(rig: Rig) -> None:
        await rig.link.open()
        for data in sent:
            await rig.link.send(data)
            rig.say(data[::-1])
        whole = b"".join(sent)
        assert await rig.heard(len(whole)) == whole
        assert await read(rig.link, len(whole)) == whole
        assert rig.link.pending() == b""

    on_rig(case)


def test_receive_waits_for_a_late_byte_and_pending_does_not(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        rig.say(b"late", after=5 * MILLISECOND)
        start = rig.clock.now()
        assert rig.link.pending() == b""
        assert await read(rig.link, 4) == b"late"
        assert rig.clock.now() - start >= 5 * MILLISECOND

    on_rig(case)


def test_pending_takes_all_that_has_arrived_once(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        rig.say(b"one ")
        rig.say(b"two", after=MILLISECOND)
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        assert rig.link.pending() == b"one two"
        assert rig.link.pending() == b""

    on_rig(case)


def test_a_cancelled_receive_loses_nothing(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        rig.say(b"3.700")
        assert await read(rig.link, 5) == b"3.700"

    on_rig(case)


def test_a_receive_cancelled_as_bytes_arrive_leaves_them(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        reader = asyncio.create_task(rig.link.receive())
        rig.say(b"x")
        while not reader.done():
            await asyncio.sleep(0)
            await rig.clock.sleep_until(rig.clock.now() + 10_000)
            reader.cancel()  # again and again, until it hits or the byte was quicker
        got = b"" if reader.cancelled() else reader.result()
        rig.say(b"y")
        assert got + await read(rig.link, 2 - len(got)) == b"xy"

    on_rig(case)


def test_peer_death_ends_a_waiting_receive_and_every_later_call(
    on_rig: Callable[[Case], None],
) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        rig.die()
        await refused(reader)
        await refused(rig.link.receive())
        await refused(rig.link.send(b"?"))
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
        assert "closed" in await refused(rig.link.send(b"?"))
        assert "closed" in await refused(rig.link.receive())

    on_rig(case)


def test_a_link_that_was_never_opened_refuses_and_closes(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await refused(rig.link.send(b"?"))
        await refused(rig.link.receive())
        await rig.link.close()

    on_rig(case)


def test_what_the_peer_said_to_an_earlier_session_stays_there(
    on_rig: Callable[[Case], None],
) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        rig.say(b"stale, waiting")
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        rig.say(b"stale, on its way")
        await rig.link.close()
        await rig.link.open()
        await rig.clock.sleep_until(rig.clock.now() + SOON)
        assert rig.link.pending() == b""
        rig.say(b"fresh")
        assert await read(rig.link, 5) == b"fresh"

    on_rig(case)


def test_what_was_sent_before_close_still_arrives(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        await rig.link.send(b"OUTP OFF\n")
        await rig.link.close()
        assert await rig.heard(9) == b"OUTP OFF\n"

    on_rig(case)


def test_two_readers_at_once_are_a_bug_and_told_so(on_rig: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.open()
        first = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(rig.clock.now() + MILLISECOND)
        with pytest.raises(RuntimeError, match="two tasks"):
            await rig.link.receive()
        rig.say(b"1")
        assert await first == b"1"

    on_rig(case)
