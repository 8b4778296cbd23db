"""Whole runs over disturbed links, watched at every record; and proof that the watch sees.

More seeds: ``.venv/bin/python tests/simulation/search.py --seeds 0-2000``.
"""

import pytest
from bugs import BUGS
from plan import MESSAGES, Happening, Plan, plan_of, read
from search import search, smallest
from shrink import shrunk
from world import play

from drivers.links.faulty_plan import KINDS

FEW, NIGHTLY = 30, 3_000


def test_an_undisturbed_run_passes_and_breaks_nothing() -> None:
    run = play(Plan(seed=1))
    assert (run.verdict, run.violations, run.ticks) == ("PASS", (), 25)
    assert play(Plan(seed=1)).digest == run.digest != play(Plan(seed=2)).digest


def test_a_few_seeds_break_nothing() -> None:
    found = search(range(FEW))
    assert not found.broken, found.first
    assert {kind for _, _, kind in found.faults} == set(KINDS)


@pytest.mark.nightly
def test_thousands_of_seeds_break_nothing() -> None:
    found = search(range(NIGHTLY))
    assert not found.broken, {name: run.plan.line() for name, run in found.first.items()}
    assert {"PASS", "FAIL", "INCONCLUSIVE", "ABORTED"} <= found.verdicts.keys()
    places = {(device.partition("-")[0], direction) for device, direction, _ in found.faults}
    assert places == MESSAGES.keys()
