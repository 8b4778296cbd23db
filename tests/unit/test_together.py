"""Jobs side by side: the same outcomes as ``asyncio.gather``, in order, also when cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.bench.clock import run_virtual
from hil.bench.together import GRACE, Together
from hil.core.instants import MILLISECOND, Duration
from hil.ports import Clock

Way = Callable[[Clock, Any], Coroutine[Any, Any, list[Any]]]
FAR = 10**12

plans = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["value", "error", "cancel"])))


async def by_gather(_: Clock, jobs: Any) -> list[Any]:
    return await asyncio.gather(*jobs, return_exceptions=True)


async def together(clock: Clock, jobs: Any) -> list[Any]:
    named = [(f"device-{k}", one) for k, one in enumerate(jobs)]
    return list(await Together(clock).run(named, FAR))


async def job(clock: Clock, wait: Duration, end: str, number: int, log: list[Any]) -> None:
    try:
        for _ in range(wait):
            await clock.sleep_until(clock.now() + MILLISECOND)
    except asyncio.CancelledError:
        log.append((clock.now(), number))
        await clock.sleep_until(clock.now() + MILLISECOND)  # cleaning up takes its time
        raise
    if end == "error":
        raise ValueError(number)
    if end == "cancel":
        raise asyncio.CancelledError


def shown(outcome: Any) -> str:
    """Return what an outcome is; a cancellation has no more to it than that."""
    return "cancelled" if isinstance(outcome, asyncio.CancelledError) else repr(outcome)


def played(run: Way, plan: list[tuple[int, str]], cancel_after: Duration | None) -> tuple[Any, ...]:
    async def main(clock: Clock) -> tuple[Any, ...]:
        log: list[Any] = []
        jobs = [job(clock, wait, end, k, log) for k, (wait, end) in enumerate(plan)]
        task = asyncio.create_task(run(clock, jobs))
        if cancel_after is not None:
            await clock.sleep_until(cancel_after)
            task.cancel()
        try:
            outcomes = [shown(outcome) for outcome in await task]
        except asyncio.CancelledError:
            outcomes = ["cancelled"]
        return clock.now(), outcomes, log, len(asyncio.all_tasks())

    return run_virtual(main)


@given(plans, st.none() | st.integers(0, 4).map(lambda ms: ms * MILLISECOND + 1))
def test_it_does_what_gather_does(plan: list[tuple[int, str]], cancel_after: int | None) -> None:
    assert played(together, plan, cancel_after) == played(by_gather, plan, cancel_after)


def test_an_error_does_not_end_the_others() -> None:
    now, outcomes, log, left = played(together, [(0, "error"), (3, "value")], None)
    assert (now, outcomes, log, left) == (3 * MILLISECOND, ["ValueError(0)", "None"], [], 1)


@pytest.mark.parametrize("run", [together, by_gather])
def test_cancelling_waits_for_every_clean_up(run: Way) -> None:
    now, outcomes, log, left = played(run, [(3, "value"), (3, "value")], MILLISECOND)
    assert (now, outcomes, left) == (2 * MILLISECOND, ["cancelled"], 1)
    assert log == [(MILLISECOND, 0), (MILLISECOND, 1)]


# --- what outlasts its time ----------------------------------------------------------------------

TICK = 10 * MILLISECOND


def told(outcomes: list[BaseException | None]) -> list[str]:
    """Return what each device failed with."""
    return ["" if one is None else str(one) for one in outcomes]


def test_a_device_that_hangs_holds_up_nobody_and_is_asked_nothing_else() -> None:
    log: list[Any] = []

    async def main(clock: Clock) -> None:
        async def asked(name: str, wait: Duration, end: str = "value") -> None:
            log.append(f"{name} begun")
            await job(clock, wait, end, 0, [])
            log.append(f"{name} done")

        both = Together(clock)

        async def tick(at: Duration, *jobs: tuple[str, Duration, str]) -> list[str]:
            await clock.sleep_until(at)
            named = [(name[:4], asked(name, wait, end)) for name, wait, end in jobs]
            return told(await both.run(named, at + TICK))

        late, still = "slow: no answer by the end of the tick's time", "slow: still at what it was"
        assert await tick(0, ("slow 1", 25, "value"), ("fast 1", 1, "value")) == [late, ""]
        assert clock.now() == TICK + GRACE
        assert both.is_busy("slow")
        found = await tick(2 * TICK, ("slow 2", 1, "value"), ("fast 2", 1, "value"))
        assert found[0].startswith(still)
        assert not found[1]
        assert clock.now() == 2 * TICK + MILLISECOND, "nobody waited for it"
        assert await tick(3 * TICK, ("slow 3", 1, "value")) == [""], "its late answer is no error"

        assert await tick(4 * TICK, ("slow 4", 25, "error")) == [late]
        assert await tick(8 * TICK, ("slow 5", 1, "value")) == ["0"], "a bug is not left untold"
        assert await tick(9 * TICK, ("slow 6", 10**6, "value")) == [late]
        await both.let_go()
        assert not both.is_busy("slow")
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main)
    assert log == [
        *("slow 1 begun", "fast 1 begun", "fast 1 done", "fast 2 begun", "fast 2 done"),
        *("slow 1 done", "slow 3 begun", "slow 3 done", "slow 4 begun", "slow 6 begun"),
    ]


def test_a_loop_that_was_held_up_finds_the_answers_that_have_come() -> None:
    async def main(clock: Clock) -> list[str]:
        return told(await Together(clock).run([("unit", job(clock, 3, "value", 0, []))], -1))

    assert run_virtual(main) == [""]
