"""How a study is cut into tasks: every pack once, none too short, for any number of workers."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.instants import DAY, MINUTE
from hil.profile.experiment import Arm
from hil.profile.load_experiment import load_experiment
from hil.study.arms import fuses
from hil.study.draws import draws_of
from hil.study.tasks import FEWEST_PACKS, LEAST_S, Pack, Task, cost_s, cut, packs_of

EXPERIMENT = load_experiment("E05-more-current")
ARMS = EXPERIMENT.arms


def packs(arms: int, draws: int) -> list[Pack]:
    """Return packs with keys that are cheap to make: cutting looks at nothing but equality."""
    drawn = draws_of(EXPERIMENT.assumed, draws, (1,))
    return [
        Pack(arm, draw, f"{arm.label} {draw.pack_seed}") for arm in ARMS[:arms] for draw in drawn
    ]


def every(tasks: list[Task]) -> list[tuple[str, int]]:
    return [
        (arm.label, draw.pack_seed) for task in tasks for arm in task.arms for draw in task.draws
    ]


@settings(max_examples=40)
@given(st.integers(1, len(ARMS)), st.integers(1, 200), st.integers(1, 64), st.integers(1, 700))
def test_every_pack_is_in_one_task(arms: int, draws: int, workers: int, days: int) -> None:
    asked = packs(arms, draws)
    tasks = cut(asked, EXPERIMENT.assumed, days * DAY, workers)
    assert sorted(every(tasks)) == sorted((p.arm.label, p.draw.pack_seed) for p in asked)
    for task in tasks:
        assert all(fuses(task.arms[0], arm) for arm in task.arms)
    assert all(one.cost_s >= other.cost_s for one, other in pairwise(tasks))


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 700))
def test_no_task_is_too_short_to_be_handed_out(draws: int, workers: int, days: int) -> None:
    """One that is shorter is all that there is of its kind."""
    tasks = cut(packs(3, draws), EXPERIMENT.assumed, days * DAY, workers)
    for task in tasks:
        whole_s = cost_s(task.arms, draws, days * DAY)
        if len(task.draws) < draws:
            assert whole_s >= LEAST_S
            assert len(task.draws) * len(task.arms) >= FEWEST_PACKS / 2


def test_what_is_lacking_is_all_that_is_computed() -> None:
    asked = [pack for pack in packs(4, 9) if pack.draw.pack_seed % 3 or pack.arm is ARMS[1]]
    tasks = cut(asked, EXPERIMENT.assumed, DAY, 2)
    assert sorted(every(tasks)) == sorted((p.arm.label, p.draw.pack_seed) for p in asked)


def test_of_two_packs_that_are_the_same_one_is_computed() -> None:
    arm = next(one for one in ARMS if one.name == "none")
    twin = replace(arm, name="twin")
    draws = draws_of(EXPERIMENT.assumed, 5, (1,))
    asked = packs_of([arm, twin], EXPERIMENT.assumed, draws, DAY)
    assert len(every(cut(asked, EXPERIMENT.assumed, DAY, 1))) == 5


def test_more_workers_get_more_tasks() -> None:
    asked = packs(2, 200)
    few, many = (len(cut(asked, EXPERIMENT.assumed, 30 * DAY, workers)) for workers in (1, 4))
    assert few < many


@pytest.mark.parametrize("every_ns", [2 * MINUTE, 15 * MINUTE])
def test_more_work_is_taken_to_cost_more(every_ns: int) -> None:
    def with_every(arm: Arm) -> Arm:
        return replace(arm, strategy=replace(arm.strategy, every_ns=every_ns))

    one = with_every(ARMS[2])
    base = cost_s([one], 20, 30 * DAY)
    assert cost_s([one], 40, 30 * DAY) > base
    assert cost_s([one, one], 20, 30 * DAY) > base
    assert cost_s([one], 20, 60 * DAY) == pytest.approx(2.0 * base)
