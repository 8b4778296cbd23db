"""Each fault of a link, both ways, for bytes and for frames; and what is left after it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from can import Message
from disturbed import BY, Bytes, Frames, Rig

from drivers.links.faulty import FaultyLink
from drivers.links.faulty_media import BYTES
from drivers.links.faulty_plan import FaultPlan, LinkFault
from hil.bench.clock import run_virtual
from hil.core.errors import DeviceError, LinkLost
from hil.core.instants import MILLISECOND, SECOND, Instant
from hil.ports import Clock, Timer

Case = Callable[[Rig], Coroutine[Any, Any, None]]


@pytest.fixture(params=[Bytes, Frames], ids=lambda kind: str(kind.name))
def on(request: pytest.FixtureRequest) -> Callable[..., Rig]:
    """Runs a case on either kind of link with the given faults, and returns the rig."""

    def run(case: Case, *faults: LinkFault) -> Rig:
        async def main(clock: Clock) -> Rig:
            rig: Rig = request.param(clock, *faults)
            await rig.link.open()
            await case(rig)
            await rig.link.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}, "a task is left"
            return rig

        return run_virtual(main)

    return run


class Expected(NamedTuple):
    """What becomes of messages 0 to 2, sent 10 ms apart, when message 1 has a fault."""

    kind: Any
    amount: int
    at_25_ms: bytes
    at_1_s: bytes


FAULTS = [
    Expected("lost", 0, b"m0m2", b"m0m2"),
    Expected("late", 4 * MILLISECOND, b"m0m1m2", b"m0m1m2"),
    Expected("late", BY, b"m0m2", b"m0m2m1"),
    Expected("partial", 1, b"m0mm2", b"m0mm2"),
    Expected("partial", 0, b"m0m2", b"m0m2"),
    Expected("doubled", 0, b"m0m1m1m2", b"m0m1m1m2"),
    Expected("corrupted", 8, b"m0m0m2", b"m0m0m2"),
    Expected("corrupted", 16 + 8, b"m0m0m2", b"m0m0m2"),
    Expected("reordered", 1, b"m0m2m1", b"m0m2m1"),
    Expected("reordered", 2, b"m0m2", b"m0m2m1"),
]


@pytest.mark.parametrize("expected", FAULTS, ids=lambda one: f"{one.kind}-{one.amount}")
def test_what_becomes_of_a_message_to_the_host(on: Callable[..., Rig], expected: Expected) -> None:
    async def case(rig: Rig) -> None:
        taken = b""
        for k in range(3):
            rig.say(k)
            await rig.clock.sleep_until((k + 1) * 10 * MILLISECOND)
            taken += rig.written(rig.link.pending())
        await rig.clock.sleep_until(35 * MILLISECOND)
        taken += rig.written(rig.link.pending())
        assert taken == expected.at_25_ms
        await rig.clock.sleep_until(SECOND)
        assert taken + rig.written(rig.link.pending()) == expected.at_1_s

    rig = on(case, LinkFault("to host", 1, expected.kind, expected.amount))
    assert [(n.direction, n.fault, n.index) for n in rig.noted] == [("to host", expected.kind, 1)]
    assert b"".join(one[1:] if rig.name == "bytes" else one[6:] for one in rig.tapped) == (
        expected.at_1_s
    ), "the tap sees what the host took"


@pytest.mark.parametrize("expected", FAULTS, ids=lambda one: f"{one.kind}-{one.amount}")
def test_what_becomes_of_a_message_to_the_device(
    on: Callable[..., Rig], expected: Expected
) -> None:
    async def case(rig: Rig) -> None:
        for k in range(3):
            await rig.link.send(rig.message(k))
            await rig.clock.sleep_until((k + 1) * 10 * MILLISECOND)
        await rig.clock.sleep_until(35 * MILLISECOND)
        assert b"".join(rig.heard) == expected.at_25_ms
        await rig.clock.sleep_until(SECOND)
        assert b"".join(rig.heard) == expected.at_1_s

    rig = on(case, LinkFault("to device", 1, expected.kind, expected.amount))
    assert [(n.direction, n.fault, n.index) for n in rig.noted] == [("to device", expected.kind, 1)]
    assert b"".join(one[1:] if rig.name == "bytes" else one[6:] for one in rig.tapped) == (
        b"m0m1m2"
    ), "the tap sees what the host sent"


def test_a_waiting_host_gets_a_late_message_at_its_instant(on: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        rig.say(0)
        begun = rig.clock.now()
        batch = await rig.link.receive()
        assert rig.written(batch) == b"m0"
        took = rig.clock.now() - begun
        assert BY <= took < BY + MILLISECOND
        if isinstance(batch, list):
            assert batch[0].timestamp == rig.clock.now() / SECOND

    on(case, LinkFault("to host", 0, "late", BY))


def test_a_waiting_host_gets_what_comes_before_a_late_message(on: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        rig.say(0)
        rig.clock.call_at(10 * MILLISECOND, rig.say, 1)
        assert rig.written(await rig.link.receive()) == b"m1"
        assert rig.clock.now() < 11 * MILLISECOND
        assert rig.written(await rig.link.receive()) == b"m0"
        assert rig.clock.now() >= BY

    on(case, LinkFault("to host", 0, "late", BY))


def test_a_late_frame_bears_the_time_of_its_late_arrival_also_when_nobody_looked() -> None:
    async def main(clock: Clock) -> None:
        rig = Frames(clock, LinkFault("to host", 0, "late", BY))
        await rig.link.open()
        rig.say(0)
        await clock.sleep_until(10 * MILLISECOND)
        rig.say(1)
        await clock.sleep_until(SECOND)
        first, second = rig.link.pending()
        assert bytes(first.data) == b"m1"
        assert 10 * MILLISECOND < first.timestamp * SECOND < 11 * MILLISECOND
        assert BY < second.timestamp * SECOND < BY + MILLISECOND
        await rig.link.close()

    run_virtual(main)


def test_a_cancelled_wait_for_a_late_message_loses_nothing(on: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        rig.say(0)
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(10 * MILLISECOND)
        rig.say(1)
        reader.cancel()  # as message 1 is on its way, or has just come
        with pytest.raises(asyncio.CancelledError):
            await reader
        taken = b""
        while len(taken) < 4:
            taken += rig.written(await rig.link.receive())
        assert taken == b"m1m0"

    on(case, LinkFault("to host", 0, "late", BY))


def test_two_readers_at_once_are_told_so_also_while_something_is_late(
    on: Callable[..., Rig],
) -> None:
    async def case(rig: Rig) -> None:
        rig.say(0)
        first = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(10 * MILLISECOND)
        with pytest.raises(RuntimeError, match="two tasks"):
            await rig.link.receive()
        assert rig.written(await first) == b"m0"

    on(case, LinkFault("to host", 0, "late", BY))


@pytest.mark.parametrize("direction", ["to host", "to device"])
def test_what_is_held_back_at_the_end_of_a_session_never_arrives(
    on: Callable[..., Rig], direction: Any
) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.send(rig.message(0))
        rig.say(0)
        await rig.clock.sleep_until(10 * MILLISECOND)
        before = rig.written(rig.link.pending())
        await rig.link.close()
        await rig.link.open()
        await rig.clock.sleep_until(SECOND)
        after = rig.written(rig.link.pending())
        other = b"m0"
        assert (before + after, b"".join(rig.heard)) == (
            (b"", other) if direction == "to host" else (other, b"")
        )

    on(case, LinkFault(direction, 0, "late", BY))


def test_a_disconnected_link_refuses_until_it_is_back_and_opened_again(
    on: Callable[..., Rig],
) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.send(rig.message(0))
        with pytest.raises(LinkLost, match="disconnected with message 1 to device"):
            await rig.link.send(rig.message(1))
        for refuse in (rig.link.receive, rig.link.open, lambda: rig.link.send(rig.message(2))):
            with pytest.raises(LinkLost, match="disconnected"):
                await refuse()
        with pytest.raises(LinkLost):
            rig.link.pending()
        await rig.clock.sleep_until(500 * MILLISECOND)
        rig.say(3)  # into an adapter that is not there
        with pytest.raises(LinkLost, match="disconnected"):
            await rig.link.receive()
        await rig.clock.sleep_until(SECOND)
        with pytest.raises(LinkLost):
            await rig.link.receive()
        await rig.link.open()
        await rig.link.send(rig.message(4))
        rig.say(5)
        assert rig.written(await rig.link.receive()) == b"m5"
        assert rig.heard == [b"m0", b"m4"]

    rig = on(case, LinkFault("to device", 1, "disconnected", SECOND - MILLISECOND))
    assert [note.index for note in rig.noted] == [1]


@pytest.mark.parametrize("direction", ["to host", "to device"])
def test_what_is_held_back_goes_with_a_link_that_disconnects(
    on: Callable[..., Rig], direction: Any
) -> None:
    async def case(rig: Rig) -> None:
        taken = b""
        with suppress(LinkLost):
            for k in range(3):
                rig.say(k)
                await rig.link.send(rig.message(k))
                await rig.clock.sleep_until((k + 1) * 10 * MILLISECOND)
                taken += rig.written(rig.link.pending())
        await rig.clock.sleep_until(SECOND)
        with pytest.raises(LinkLost):
            rig.link.pending()
        assert (taken, b"".join(rig.heard)) == (
            (b"", b"m0m1") if direction == "to host" else (b"m0", b"")
        )

    on(
        case,
        LinkFault(direction, 0, "late", BY),
        LinkFault(direction, 1, "disconnected", 10 * MILLISECOND),
    )


def test_what_is_held_back_one_way_goes_with_a_link_lost_the_other_way(
    on: Callable[..., Rig],
) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.send(rig.message(0))
        rig.say(0)
        await rig.clock.sleep_until(10 * MILLISECOND)
        with pytest.raises(LinkLost):
            rig.link.pending()
        await rig.clock.sleep_until(SECOND)
        assert rig.heard == []

    on(
        case,
        LinkFault("to device", 0, "late", BY),
        LinkFault("to host", 0, "disconnected", SECOND),
    )


def test_a_late_frame_that_would_have_come_after_the_link_was_lost_never_comes() -> None:
    async def main(clock: Clock) -> None:
        rig = Frames(
            clock,
            LinkFault("to host", 0, "late", 15 * MILLISECOND),
            LinkFault("to host", 1, "disconnected", SECOND),
        )
        await rig.link.open()
        rig.say(0)
        await clock.sleep_until(10 * MILLISECOND)
        rig.say(1)
        await clock.sleep_until(SECOND)
        with pytest.raises(LinkLost):  # the first look since then
            rig.link.pending()
        await rig.link.close()

    run_virtual(main)


def test_to_close_does_not_wait_for_what_is_late(on: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        await rig.link.send(rig.message(0))
        rig.say(0)
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(10 * MILLISECOND)
        await rig.link.close()
        assert rig.clock.now() == 10 * MILLISECOND
        with pytest.raises(LinkLost, match="closed"):
            await reader

    on(case, LinkFault("to device", 0, "late", BY), LinkFault("to host", 0, "late", BY))


def test_a_waiting_host_learns_that_its_link_is_gone(on: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        reader = asyncio.create_task(rig.link.receive())
        await rig.clock.sleep_until(MILLISECOND)
        with pytest.raises(LinkLost):
            await rig.link.send(rig.message(0))
        with pytest.raises(LinkLost, match="disconnected"):
            await reader

    on(case, LinkFault("to device", 0, "disconnected", SECOND))


def test_a_message_to_the_host_can_take_the_link_with_it(on: Callable[..., Rig]) -> None:
    async def case(rig: Rig) -> None:
        rig.say(0)
        await rig.clock.sleep_until(10 * MILLISECOND)
        assert rig.written(rig.link.pending()) == b"m0"
        rig.say(1)
        with pytest.raises(LinkLost, match="disconnected with message 1 to host"):
            await rig.link.receive()
        with pytest.raises(LinkLost):
            await rig.link.send(rig.message(0))

    on(case, LinkFault("to host", 1, "disconnected", SECOND))


class Full:
    """A byte link that may be opened once, with a message there; its buffer is full for one."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_full = True
        self.is_open = False

    async def open(self) -> None:
        assert not self.is_open, "opened twice"
        self.is_open = True

    async def send(self, data: bytes) -> None:
        if self.is_full:
            self.is_full = False
            raise DeviceError("device", "the buffer is full")
        self.sent.append(data)

    async def receive(self) -> bytes:
        raise AssertionError("nobody waits in here")

    def pending(self) -> bytes:
        return b"m0"

    def check(self) -> None:
        assert self.is_open

    async def close(self) -> None:
        self.is_open = False


def test_a_link_that_is_back_is_let_go_before_it_is_opened_again() -> None:
    async def main(clock: Clock) -> None:
        plan = FaultPlan(faults=(LinkFault("to host", 0, "disconnected", 0),))
        link = FaultyLink[bytes, bytes]("device", Full(), clock, plan, BYTES)
        await link.open()
        with pytest.raises(LinkLost):
            link.pending()
        await link.open()
        assert link.pending() == b"m0"

    run_virtual(main)


def test_the_host_hears_once_that_a_late_message_could_not_be_sent() -> None:
    async def main(clock: Clock) -> None:
        plan = FaultPlan(faults=(LinkFault("to device", 0, "late", BY),))
        full = Full()
        link = FaultyLink[bytes, bytes]("device", full, clock, plan, BYTES)
        await link.open()
        await link.send(b"m0")
        await clock.sleep_until(SECOND)
        with pytest.raises(DeviceError, match="full"):
            await link.send(b"m1")
        await link.send(b"m2")
        assert full.sent == [b"m2"]
        await link.close()

    run_virtual(main)


def test_no_timer_outlives_the_wait_that_set_it() -> None:
    async def main(clock: Clock) -> None:
        live: set[Timer] = set()

        class Watched:
            """The clock, with a look at the timers that are set."""

            now, sleep_until = clock.now, clock.sleep_until

            @staticmethod
            def call_at(instant: Instant, callback: Callable[..., None], *args: Any) -> Any:
                timer = clock.call_at(instant, callback, *args)
                live.add(timer)

                def cancel() -> None:
                    timer.cancel()
                    live.discard(timer)

                return SimpleNamespace(cancel=cancel)

        rig = Bytes(clock)
        faults = (LinkFault("to host", 0, "late", BY),)
        link = FaultyLink("device", rig.cable, Watched(), FaultPlan(faults=faults), BYTES)
        await link.open()
        rig.say(0)
        clock.call_at(10 * MILLISECOND, rig.say, 1)
        assert await link.receive() == b"m1"
        assert not live
        assert await link.receive() == b"m0"
        assert not live
        await link.close()

    run_virtual(main)


def test_a_frame_without_data_cannot_be_spoilt() -> None:
    async def main(clock: Clock) -> None:
        rig = Frames(clock, LinkFault("to device", 0, "corrupted"))
        await rig.link.open()
        await rig.link.send(Message(arbitration_id=1, is_extended_id=False))
        await clock.sleep_until(SECOND)
        assert rig.heard == [b""]
        assert rig.noted == []
        await rig.link.close()

    run_virtual(main)
