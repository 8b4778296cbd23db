"""Whole days, too long for every commit: the demo's verdict must depend on the balancing."""

import pytest
from scenario import Play, read_back

pytestmark = pytest.mark.nightly


def test_the_demo_passes_and_keeps_the_cells_together(play: Play) -> None:
    run = play("hot-summer-day", seed=7)
    assert run.verdict == "PASS"
    assert run.of("deviation") == []
    read_back(run)


def test_a_controller_that_sleeps_through_the_day_fails_it(play: Play) -> None:
    run = play("hot-summer-day", "controller.strategy=none", seed=7)
    assert run.verdict == "FAIL"
    failed = [one["name"] for one in run.of("expectation") if one["passed"] is False]
    assert failed == ["bled_charge >= 0.5 Ah"]
