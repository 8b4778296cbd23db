"""The loop that jumps. Standard library, pytest and hil.core only: it runs on every Python."""

import asyncio
import itertools
import os
import random
import signal
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from hil.bench.clock import run_virtual
from hil.bench.virtual_time import VirtualLoop
from hil.core.errors import DeadlockError, EnvironmentProblem
from hil.core.instants import DAY, MILLISECOND, SECOND


def run(main: Callable[[VirtualLoop], Any]) -> Any:
    """Run ``main(loop)`` the way any asyncio program runs on this loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(main(loop))


# --- time ----------------------------------------------------------------------------------------


def test_a_year_of_ticks_ends_on_the_nanosecond() -> None:
    period = 100 * MILLISECOND + 1

    async def main(clock: Any) -> int:
        for k in range(0, 365 * DAY // period, 999_983):
            await clock.sleep_until(k * period)
            assert clock.now() == k * period
        await clock.sleep_until(365 * DAY)
        return int(clock.now())

    assert run_virtual(main) == 365 * DAY


@pytest.mark.parametrize("seed", range(5))
def test_timers_run_by_instant_and_equal_instants_in_call_order(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a seeded order for a test
    instants = [rng.randrange(20) * SECOND for _ in range(500)]

    async def main(clock: Any) -> list[tuple[int, int, int]]:
        ran: list[tuple[int, int, int]] = []
        for number, instant in enumerate(instants):
            clock.call_at(instant, lambda i, n: ran.append((clock.now(), i, n)), instant, number)
        await clock.sleep_until(20 * SECOND)
        return ran

    expected = sorted((instant, instant, number) for number, instant in enumerate(instants))
    assert run_virtual(main) == expected


def test_asyncio_timers_at_one_deadline_run_in_call_order() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        ran: list[int] = []
        for number in range(100):
            loop.call_at(1.5, ran.append, number)
        await asyncio.sleep(2)
        return ran

    assert run(main) == list(range(100))


def test_a_cancelled_timer_does_not_move_time() -> None:
    async def main(clock: Any) -> int:
        far = clock.call_at(DAY, pytest.fail, "a cancelled timer ran")
        soon = clock.call_at(SECOND, far.cancel)
        await clock.sleep_until(2 * SECOND)
        soon.cancel()  # has run: harmless
        with pytest.raises(DeadlockError):
            # Nothing but the cancelled timer is left; a day must not pass before that shows.
            clock.loop._advance()
        return int(clock.now())

    assert run_virtual(main) == 2 * SECOND


def test_a_timer_cancelled_by_another_at_the_same_instant_does_not_run() -> None:
    async def main(clock: Any) -> None:
        victims: list[Any] = []

        def cancel() -> None:
            victims[0].cancel()

        clock.call_at(SECOND, cancel)
        victims.append(clock.call_at(SECOND, pytest.fail, "ran"))
        await clock.sleep_until(2 * SECOND)

    run_virtual(main)


def test_cancelled_timers_do_not_pile_up() -> None:
    async def main(clock: Any) -> int:
        for k in range(20_000):
            clock.call_at(DAY + k, pytest.fail, "ran").cancel()
        kept = [clock.call_at(SECOND + k, int) for k in range(10)]
        assert len(kept) == 10
        return len(clock.loop._heap)

    assert run_virtual(main) < 2_100


def test_an_instant_that_has_passed_runs_now_and_time_stays() -> None:
    async def main(clock: Any) -> list[int]:
        await clock.sleep_until(5 * SECOND)
        seen: list[int] = []
        clock.call_at(SECOND, lambda: seen.append(clock.now()))
        await clock.sleep_until(0)
        await clock.sleep_until(6 * SECOND)
        return seen

    assert run_virtual(main) == [5 * SECOND]


def test_waiting_until_asyncio_time_passes_never_spins() -> None:
    async def main(loop: VirtualLoop) -> int:
        deadline = loop.time() + 4e-10  # below a nanosecond
        rounds = 0
        while loop.time() < deadline and rounds < 10:
            await asyncio.sleep(deadline - loop.time())
            rounds += 1
        return rounds

    assert run(main) == 1


def test_a_sleeper_cancelled_at_its_own_instant_ends_quietly() -> None:
    async def main(clock: Any) -> bool:
        sleepers: list[asyncio.Task[None]] = []

        def cancel() -> None:
            sleepers[0].cancel()

        clock.call_at(SECOND, cancel)
        sleepers.append(asyncio.create_task(clock.sleep_until(SECOND)))
        await clock.sleep_until(2 * SECOND)
        return sleepers[0].cancelled()

    assert run_virtual(main)


def test_a_callback_sees_the_context_variables_of_its_caller() -> None:
    run_name: ContextVar[str] = ContextVar("run_name", default="none")

    async def main(clock: Any) -> str:
        seen: list[str] = []
        run_name.set("hot-summer")
        clock.call_at(SECOND, lambda: seen.append(run_name.get()))
        run_name.set("later")
        await clock.sleep_until(2 * SECOND)
        return seen[0]

    assert run_virtual(main) == "hot-summer"


# --- asyncio on this loop ------------------------------------------------------------------------


def test_asyncio_timeout_ends_a_wait_after_exactly_its_time() -> None:
    async def main(loop: VirtualLoop) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await loop.create_future()
        return loop.now_ns()

    assert run(main) == 3600 * SECOND


def test_gather_task_groups_and_queues_keep_virtual_time() -> None:
    async def main(loop: VirtualLoop) -> tuple[list[int], list[int], int]:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)

        async def produce(number: int) -> int:
            await asyncio.sleep(number)
            await queue.put(number)
            return number

        async with asyncio.TaskGroup() as group:
            taken = [group.create_task(queue.get()) for _ in range(3)]
            gathered = await asyncio.gather(*(produce(number) for number in (3, 1, 2)))
        return gathered, [task.result() for task in taken], loop.now_ns()

    assert run(main) == ([3, 1, 2], [1, 2, 3], 3 * SECOND)


def test_stop_before_run_forever_runs_one_generation_and_no_timer() -> None:
    loop = VirtualLoop()
    ran: list[str] = []
    loop.call_soon(ran.append, "soon")
    loop.call_later(1, ran.append, "later")
    loop.stop()
    loop.run_forever()
    loop.stop()
    loop.run_forever()  # nothing is ready: returns, neither jumps nor reports a deadlock
    assert (ran, loop.now_ns()) == (["soon"], 0)
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_at_ns(1, print)


def test_debug_mode_runs_the_same() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        await asyncio.gather(asyncio.sleep(1), asyncio.sleep(2))
        assert isinstance(loop, VirtualLoop)
        return loop.now_ns()

    with asyncio.Runner(debug=True, loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == 2 * SECOND


# --- nothing left to do --------------------------------------------------------------------------


def test_a_deadlock_names_the_tasks_that_wait_and_lets_them_clean_up() -> None:
    cleaned: list[str] = []

    async def wait_for_ever(name: str) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cleaned.append(name)

    async def main(clock: Any) -> None:
        await clock.sleep_until(90 * SECOND)
        task = asyncio.create_task(wait_for_ever("board"), name="board-reader")
        await task

    with pytest.raises(DeadlockError) as caught:
        run_virtual(main)
    text = str(caught.value)
    assert "board-reader at test_virtual_time.py:" in text
    assert "wait_for_ever" in text
    assert "00:01:30" in text
    assert cleaned == ["board"]


def test_an_exception_in_a_callback_ends_the_run_after_clean_up() -> None:
    cleaned: list[int] = []

    async def main(clock: Any) -> None:
        clock.call_at(SECOND, lambda: 1 // 0)
        try:
            await clock.sleep_until(10 * SECOND)
        finally:
            await clock.sleep_until(clock.now() + SECOND)  # safe state may take time
            cleaned.append(clock.now())

    with pytest.raises(ZeroDivisionError):
        run_virtual(main)
    assert cleaned == [2 * SECOND]


def test_a_failed_task_that_nobody_awaits_ends_the_run() -> None:
    async def fail() -> None:
        raise ValueError("lost")

    async def main(clock: Any) -> None:
        asyncio.create_task(fail())  # noqa: RUF006 - losing it is the point
        await clock.sleep_until(DAY)

    with pytest.raises(ValueError, match="lost"):
        run_virtual(main)


# --- the outside ---------------------------------------------------------------------------------


def test_a_held_loop_waits_for_a_thread_instead_of_jumping() -> None:
    async def main(loop: VirtualLoop) -> int:
        released = threading.Event()
        loop.call_at_ns(SECOND, pytest.fail, "time moved while it was held")
        with loop.no_jump(), loop.no_jump():
            loop.call_soon(released.set)  # the thread ends only while the loop waits
            assert await loop.run_in_executor(None, released.wait, 10)
        return loop.now_ns()

    assert run(main) == 0


def test_a_held_loop_sleeps_rather_than_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, real_advance, seen = [0], VirtualLoop._advance, threading.Event()

    def advance(loop: VirtualLoop) -> None:
        looks[0] += 1
        seen.set()
        real_advance(loop)

    monkeypatch.setattr(VirtualLoop, "_advance", advance)

    async def main(loop: VirtualLoop) -> None:
        with loop.no_jump():
            assert await loop.run_in_executor(None, lambda: seen.wait(10) and sum(range(100_000)))

    run(main)
    assert looks[0] < 10


def test_due_timers_still_run_while_time_is_held() -> None:
    async def main(loop: VirtualLoop) -> int:
        with loop.no_jump():
            await asyncio.sleep(0)
            done = loop.create_future()
            loop.call_at_ns(loop.now_ns(), done.set_result, 7)
            return int(await done)

    assert run(main) == 7


def test_a_thread_without_a_hold_is_refused() -> None:
    async def main(_loop: VirtualLoop) -> None:
        await asyncio.to_thread(int)

    with pytest.raises(EnvironmentProblem, match="no_jump"):
        run(main)


def test_many_threads_calling_back_lose_nothing() -> None:
    async def main(loop: VirtualLoop) -> int:
        count, everyone = [0], loop.create_future()

        def add() -> None:
            count[0] += 1
            if count[0] == 4_000:
                everyone.set_result(count[0])

        def work() -> None:
            for _ in range(1_000):
                loop.call_soon_threadsafe(add)

        threads = [threading.Thread(target=work) for _ in range(4)]
        with loop.no_jump():
            for thread in threads:
                thread.start()
            total = await everyone
        for thread in threads:
            thread.join()
        return int(total)

    assert run(main) == 4_000


@pytest.mark.parametrize("held", [False, True])
def test_a_signal_handler_may_schedule_callbacks(held: bool) -> None:  # noqa: FBT001 - a parameter
    async def tick() -> None:
        for _ in itertools.count():
            await asyncio.sleep(1)

    async def main(loop: VirtualLoop) -> str:
        stopped = loop.create_future()

        def handle(*_: object) -> None:
            loop.call_soon_threadsafe(stopped.set_result, "stopped")

        before = signal.signal(signal.SIGUSR1, handle)
        try:
            kill = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1))
            if held:
                with loop.no_jump():
                    kill.start()
                    await stopped
            else:
                ticking = asyncio.create_task(tick())  # a busy bench: always a timer to jump to
                kill.start()
                await stopped
                ticking.cancel()
            kill.join()
            return str(stopped.result())
        finally:
            signal.signal(signal.SIGUSR1, before)

    assert run(main) == "stopped"


def test_ctrl_c_cancels_main_even_while_time_is_held() -> None:
    cleaned: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        try:
            with loop.no_jump():
                loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
                await loop.create_future()
        finally:
            cleaned.append("safe")

    # A shell starts what it puts into the background with SIGINT ignored, and so these tests.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(main)
    finally:
        signal.signal(signal.SIGINT, before)
    assert cleaned == ["safe"]


@pytest.mark.parametrize(
    "call",
    [
        lambda loop: loop.add_reader(0, print),
        lambda loop: loop.add_signal_handler(signal.SIGUSR1, print),
        lambda loop: loop.create_connection(asyncio.Protocol, "localhost", 5025),
        lambda loop: loop.sock_recv(None, 1),
        lambda loop: loop.subprocess_exec(asyncio.SubprocessProtocol, "true"),
    ],
)
def test_the_kernel_is_refused_by_name(call: Callable[[VirtualLoop], Any]) -> None:
    loop = VirtualLoop()
    with pytest.raises(EnvironmentProblem, match=r"^\w+\(\): .*(memory links only|signal\.signal)"):
        call(loop)
    loop.close()
