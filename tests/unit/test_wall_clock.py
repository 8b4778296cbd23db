"""The wall clock. What it promises is order and never early; how late is the host's business."""

import asyncio
import ctypes
import os
import re
from typing import Any

import pytest

from hil.bench import wall_time
from hil.bench.wall_time import WallClock, run_wall
from hil.core.errors import EnvironmentProblem
from hil.core.instants import DAY, MILLISECOND

pytestmark = pytest.mark.alone


def test_no_timer_is_early_not_even_behind_one_that_is_due() -> None:
    async def main(clock: Any) -> list[int]:
        start, early = clock.now(), []

        def ring(due: int) -> None:
            if clock.now() < due:
                early.append(due)

        for k in range(100):
            clock.call_at(start + k * MILLISECOND // 5, ring, start + k * MILLISECOND // 5)
        await clock.sleep_until(start + 20 * MILLISECOND)
        return early

    assert run_wall(main) == []


def test_the_kernel_gets_the_deadline_itself_not_a_rest_of_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    real_set = wall_time._TimerFd.set

    def spy(timer: Any, deadline_ns: int) -> None:
        asked.append(deadline_ns)
        real_set(timer, deadline_ns)

    monkeypatch.setattr(wall_time._TimerFd, "set", spy)

    async def one_by_one(clock: Any) -> list[int]:
        for k in range(1, 6):
            await clock.sleep_until(k * MILLISECOND)
        return [clock._start + k * MILLISECOND for k in range(1, 6)]

    assert run_wall(one_by_one) == asked
    asked.clear()

    async def together(clock: Any) -> list[int]:
        await asyncio.gather(*(clock.sleep_until(k * MILLISECOND) for k in range(1, 6)))
        return [clock._start + k * MILLISECOND for k in range(1, 6)]

    # Several may be due at one expiry, so some may be left out, but none is made up.
    assert set(run_wall(together)) >= set(asked)


def test_equal_instants_run_in_call_order_and_later_ones_after() -> None:
    async def main(clock: Any) -> list[str]:
        ran: list[str] = []
        at = clock.now() + MILLISECOND
        done = asyncio.get_running_loop().create_future()
        clock.call_at(at + MILLISECOND, done.set_result, None)
        for name in "abc":
            clock.call_at(at, ran.append, name)
        clock.call_at(at - 1, ran.append, "first")
        await done
        return ran

    assert run_wall(main) == ["first", "a", "b", "c"]


def test_a_cancelled_timer_does_not_run_not_even_when_due_together() -> None:
    async def main(clock: Any) -> None:
        at = clock.now() + MILLISECOND
        victims: list[Any] = []

        def cancel() -> None:
            victims[0].cancel()

        clock.call_at(at, cancel)
        victims.append(clock.call_at(at, pytest.fail, "ran"))
        clock.call_at(at - 1, pytest.fail, "ran").cancel()
        await clock.sleep_until(at + MILLISECOND)

    run_wall(main)


def test_instants_in_the_past_return_at_once() -> None:
    async def main(clock: Any) -> None:
        await clock.sleep_until(-DAY)
        await clock.sleep_until(0)

    run_wall(main)


def test_a_callback_that_raises_ends_the_run_after_clean_up_and_spares_the_others() -> None:
    ran: list[str] = []

    async def main(clock: Any) -> None:
        at = clock.now() + MILLISECOND
        clock.call_at(at, lambda: 1 // 0)
        clock.call_at(at, ran.append, "other")
        try:
            await clock.sleep_until(at + DAY)
        finally:
            await clock.sleep_until(clock.now() + MILLISECOND)
            ran.append("safe")

    with pytest.raises(ZeroDivisionError):
        run_wall(main)
    assert ran == ["other", "safe"]


def test_a_task_cancelled_at_the_end_still_has_a_clock() -> None:
    ran: list[str] = []

    async def straggler(clock: Any) -> None:
        try:
            await clock.sleep_until(DAY)
        finally:
            await clock.sleep_until(clock.now() + MILLISECOND)
            ran.append("cleaned up")

    async def main(clock: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(straggler(clock))
        await clock.sleep_until(clock.now() + MILLISECOND)
        return task

    task = run_wall(main)
    assert task.cancelled()
    assert ran == ["cleaned up"]


def test_close_gives_the_descriptor_back_and_may_be_repeated() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock = WallClock(loop)
        descriptor = clock._timer.descriptor
        clock.close()
        clock.close()
        assert not loop.remove_reader(descriptor)  # asyncio no longer watches it
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


def test_a_system_without_timerfd_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_kwargs: object())
    with pytest.raises(EnvironmentProblem, match="timerfd"):
        run_wall(lambda _clock: asyncio.sleep(0))


def test_a_refusal_by_the_kernel_carries_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall_time, "_TFD_CLOEXEC", -1)  # flags the kernel does not know
    with pytest.raises(EnvironmentProblem, match="Invalid argument"):
        run_wall(lambda _clock: asyncio.sleep(0))


def test_utc_text_is_iso_with_z() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", wall_time.utc_now_text())


def test_host_counters_never_go_back() -> None:
    assert wall_time.monotonic_ns() <= wall_time.monotonic_ns()
    assert wall_time.cpu_seconds() <= wall_time.cpu_seconds()
