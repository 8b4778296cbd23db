"""Jobs side by side: the same outcomes as ``asyncio.gather``, in order, also when cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.bench.clock import run_virtual
from hil.bench.together import together
from hil.core.instants import MILLISECOND, Duration
from hil.ports import Clock

Together = Callable[..., Coroutine[Any, Any, list[Any]]]

plans = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["value", "error", "cancel"])))


async def by_gather(jobs: Any) -> list[Any]:
    return await asyncio.gather(*jobs, return_exceptions=True)


async def job(clock: Clock, wait: Duration, end: str, number: int, log: list[Any]) -> int | None:
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
    return number or None


def shown(outcome: Any) -> str:
    """Return what an outcome is; a cancellation has no more to it than that."""
    return "cancelled" if isinstance(outcome, asyncio.CancelledError) else repr(outcome)


def played(
    run: Together, plan: list[tuple[int, str]], cancel_after: Duration | None
) -> tuple[Any, ...]:
    async def main(clock: Clock) -> tuple[Any, ...]:
        log: list[Any] = []
        jobs = [job(clock, wait, end, k, log) for k, (wait, end) in enumerate(plan)]
        task = asyncio.create_task(run(jobs))
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
    assert (now, outcomes, log, left) == (3 * MILLISECOND, ["ValueError(0)", "1"], [], 1)


@pytest.mark.parametrize("run", [together, by_gather])
def test_cancelling_waits_for_every_clean_up(run: Together) -> None:
    now, outcomes, log, left = played(run, [(3, "value"), (3, "value")], MILLISECOND)
    assert (now, outcomes, left) == (2 * MILLISECOND, ["cancelled"], 1)
    assert log == [(MILLISECOND, 0), (MILLISECOND, 1)]
