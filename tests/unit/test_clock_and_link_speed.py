"""What virtual time, the wall clock and the memory links cost. Run by ``make bench``.

Figures are printed for the record; what is asserted is a ratio to a floor measured in the same
run, with room for a busy machine.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import can
import pytest
from can import Message

from drivers.links.lines import LineSession
from drivers.links.memory import memory_byte_link
from drivers.links.memory_can import memory_frame_link
from hil.bench.clock import run_virtual
from hil.bench.wall_time import cpu_seconds, run_wall
from hil.core.instants import MILLISECOND, SECOND, Instant
from hil.ports import Clock

pytestmark = pytest.mark.bench


def microseconds_each(count: int, work: Callable[[], object]) -> float:
    """Return the processor time of ``work`` by ``count``, the best of three."""
    times = []
    for _ in range(3):
        start = cpu_seconds()
        work()
        times.append(cpu_seconds() - start)
    return min(times) / count * 1e6


def stock_switch() -> float:
    """Return what it costs asyncio's own loop to go once round and resume a task."""

    async def main() -> None:
        for _ in range(20_000):
            await asyncio.sleep(0)

    return microseconds_each(20_000, lambda: asyncio.run(main()))


def show(line: str) -> None:
    """Print a figure for the record."""
    print(f"\n  {line}", end="")  # noqa: T201 - what make bench is for


def virtual(main: Callable[[Clock], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    return lambda: run_virtual(main)


def test_ticks_of_virtual_time() -> None:
    async def bare(clock: Clock) -> None:
        for k in range(50_000):
            await clock.sleep_until(k * SECOND)

    async def forty(clock: Clock) -> None:
        async def device(offset: int) -> None:
            for k in range(500):
                await clock.sleep_until(k * SECOND + offset)

        await asyncio.gather(*map(device, range(40)))

    tick = microseconds_each(50_000, virtual(bare))
    forty_tick = microseconds_each(500, virtual(forty))
    switch = stock_switch()
    show(f"bare ticks {1e6 / tick:,.0f}/s, with 40 coroutines {1e6 / forty_tick:,.0f}/s")
    show(f"a tick {tick:.2f} us, asyncio's own loop for a bare switch {switch:.2f} us")
    assert tick < 2.5 * switch


class Echo:
    """Answers every line with itself after a millisecond."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.send: Callable[[bytes, Instant], None]

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        self.send = send

    def receive(self, data: bytes) -> None:
        self.send(data, self.clock.now() + MILLISECOND)


def test_a_query_over_a_memory_link() -> None:
    async def main(clock: Clock) -> None:
        link = memory_byte_link("dmm", clock, {"baud": 115_200}, twin=Echo(clock))
        await link.open()
        session = LineSession(link, clock, "dmm")
        for _ in range(5_000):
            await session.query("MEAS:VOLT? (@1,2,3,4,5,6,7,8)", SECOND)

    query = microseconds_each(5_000, virtual(main))
    show(f"query and answer {query:.1f} us")
    assert query < 10 * stock_switch()


class Talker:
    """A node that only talks."""

    def __init__(self) -> None:
        self.send: Callable[[Message], None]

    def attach(self, send: Callable[[Message], None]) -> None:
        self.send = send

    def receive(self, frame: Message) -> None:
        """Hear nothing."""


def test_a_frame_over_the_memory_bus_beside_python_can() -> None:
    async def ours(clock: Clock) -> None:
        board = Talker()
        link = memory_frame_link("board", clock, {}, twin=board)
        await link.open()
        for k in range(500):
            for n in range(20):
                board.send(Message(arbitration_id=n, is_extended_id=False, data=b"12345678"))
            await clock.sleep_until((k + 1) * 100 * MILLISECOND)
            assert len(link.pending()) == 20

    def theirs() -> None:
        with (
            can.Bus(interface="virtual", channel="speed") as one,
            can.Bus(interface="virtual", channel="speed") as other,
        ):
            for n in range(10_000):
                one.send(Message(arbitration_id=n % 20, is_extended_id=False, data=b"12345678"))
                other.recv(0)

    frame = microseconds_each(10_000, virtual(ours))
    reference = microseconds_each(10_000, theirs)
    show(f"frame {frame:.2f} us, python-can's virtual bus {reference:.2f} us")
    assert frame < reference


def test_lateness_of_the_wall_clock_beside_asyncio_sleep() -> None:
    async def lateness(clock: Clock, wait: Callable[[Instant], Awaitable[None]]) -> list[float]:
        start = clock.now()
        late = []
        for k in range(1, 301):
            await wait(start + 10 * k * MILLISECOND)
            late.append((clock.now() - start - 10 * k * MILLISECOND) / MILLISECOND)
        return sorted(late)

    async def main(clock: Clock) -> list[float]:
        async def stock(due: Instant) -> None:
            await asyncio.sleep((due - clock.now()) / SECOND)

        medians = []
        for name, wait in (("timerfd", clock.sleep_until), ("asyncio.sleep", stock)):
            late = await lateness(clock, wait)
            show(f"{name}: p50 {late[150]:.2f} ms, p99 {late[297]:.2f} ms, max {late[-1]:.2f}")
            medians.append(late[150])
        return medians

    timerfd, stock = run_wall(main)
    assert timerfd < stock
