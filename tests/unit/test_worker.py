"""The worker's fence: what was given up before it began never takes effect."""

import asyncio
from threading import Event, current_thread
from typing import Any

import pytest

from drivers.links.worker import Dropped, Worker

LONG_S = 30.0


class Output:
    """An output that a blocking library switches; ``gate`` holds up the first call."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.entered, self.gate = asyncio.Event(), Event()
        self.loop: asyncio.AbstractEventLoop

    def slow(self) -> None:
        self.loop.call_soon_threadsafe(self.entered.set)
        assert self.gate.wait(LONG_S)
        self.log.append("slow")

    def set(self, state: str) -> Any:
        return lambda: self.log.append(state)


def play(case: Any) -> Output:
    """Run a case with a worker; return what took effect, the end of the thread included."""
    output = Output()

    async def main() -> None:
        worker = Worker("test", output.set("end"))
        async with asyncio.timeout(LONG_S):
            await case(worker, output)
            worker.retire()
            await worker.ended.wait()

    asyncio.run(main())
    return output


async def held_up(worker: Worker, output: Output) -> "asyncio.Task[None]":
    """Begin a call that blocks in the thread."""
    output.loop = asyncio.get_running_loop()
    task = asyncio.create_task(worker.call(output.slow))
    await output.entered.wait()
    return task


def test_an_on_that_was_given_up_does_not_follow_the_off() -> None:
    async def case(worker: Worker, output: Output) -> None:
        slow = await held_up(worker, output)
        on = asyncio.create_task(worker.call(output.set("on")))
        await asyncio.sleep(0)
        on.cancel()
        with pytest.raises(asyncio.CancelledError):
            await on
        off = asyncio.create_task(worker.call(output.set("off")))
        await asyncio.sleep(0)
        output.gate.set()
        await slow
        await off

    assert play(case).log == ["slow", "off", "end"]


def test_a_call_that_has_begun_when_it_is_given_up_comes_before_the_off() -> None:
    async def case(worker: Worker, output: Output) -> None:
        slow = await held_up(worker, output)
        slow.cancel()
        off = asyncio.create_task(worker.call(output.set("off")))
        await asyncio.sleep(0)
        output.gate.set()
        await off

    assert play(case).log == ["slow", "off", "end"]


def test_whoever_waits_behind_what_is_given_up_is_told() -> None:
    async def case(worker: Worker, output: Output) -> None:
        slow = await held_up(worker, output)
        behind = worker.post(output.set("behind"))
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        output.gate.set()
        with pytest.raises(Dropped):
            await behind

    assert play(case).log == ["slow", "end"]


def test_a_retired_worker_drops_what_waits_and_takes_nothing_more() -> None:
    async def case(worker: Worker, output: Output) -> None:
        slow = await held_up(worker, output)
        waits = worker.post(output.set("waits"))
        worker.retire()
        late = worker.post(output.set("late"))
        output.gate.set()
        await slow
        for dropped in (waits, late):
            with pytest.raises(Dropped):
                await dropped

    assert play(case).log == ["slow", "end"]


def test_results_and_errors_come_back_from_one_thread_in_order() -> None:
    async def case(worker: Worker, _output: Output) -> None:
        def fail() -> None:
            raise OSError("broken")

        names = [worker.post(lambda: current_thread().name) for _ in range(3)]
        broken = worker.post(fail)
        assert [await name for name in names] == ["test"] * 3
        with pytest.raises(OSError, match="broken"):
            await broken
        assert await worker.call(lambda: 1) == 1

    play(case)


def test_a_loop_ends_while_its_worker_is_blocked() -> None:
    output = Output()

    async def main() -> None:
        await held_up(Worker("blocked", output.set("end")), output)

    asyncio.run(main())  # with a thread of the default executor this would wait for it
    assert output.log == []
    output.gate.set()
