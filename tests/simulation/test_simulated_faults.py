"""Whole runs over disturbed links, watched at every record; and proof that the watch sees.

More seeds: ``.venv/bin/python tests/simulation/search.py --seeds 0-2000``.
"""

import pytest
from bugs import BUGS
from draw import MESSAGES, plan_of
from plan import Disturbed, Happening, Plan, read
from scenario import Play
from search import search, smallest
from shrink import shrunk
from world import PROFILE, simulate

from drivers.links.faulty_plan import KINDS, LinkFault
from drivers.wire.reference_board import FAULTS

FEW, NIGHTLY = 30, 3_000


def test_an_undisturbed_run_passes_and_breaks_nothing() -> None:
    run = simulate(Plan(seed=1))
    assert (run.verdict, run.violations, run.ticks) == ("PASS", (), 25)
    assert simulate(Plan(seed=1)).digest == run.digest != simulate(Plan(seed=2)).digest


def test_a_few_seeds_break_nothing() -> None:
    found = search(range(FEW))
    assert not found.broken, found.first
    assert {kind for _, _, kind in found.faults} == set(KINDS)


def test_a_simulated_run_is_the_run_that_hil_run_makes_of_the_plan(play: Play) -> None:
    links = plan_of(0).links[:3]
    assert links
    plan = Plan(seed=5, links=links)
    run = play(PROFILE, *plan.overrides(), seed=plan.seed)
    assert simulate(plan).digest == run.digest


@pytest.mark.nightly
def test_thousands_of_seeds_break_nothing() -> None:
    found = search(range(NIGHTLY))
    assert not found.broken, {name: run.plan.line() for name, run in found.first.items()}
    assert found.verdicts.keys() == {"PASS", "FAIL", "INCONCLUSIVE", "ABORTED"}
    places = {(device.partition("-")[0], direction) for device, direction, _ in found.faults}
    assert places == MESSAGES.keys()


# --- the watch itself ----------------------------------------------------------------------------

# A plan for each bug, as small as the search could make it: with the bug it breaks the invariant,
# without the bug nothing.
SMALLEST = {
    "late-answer": (
        "an_answer_is_to_its_own_query",
        '{"seed": 0, "links": [["emulator-2", "to host", 29, "late", 1000000000]]}',
    ),
    "counter-ignored": (
        "an_answer_is_to_its_own_query",
        '{"seed": 0, "links": [["board", "to host", 1858, "reordered", 1]]}',
    ),
    "error-swallowed": (
        "a_reading_is_of_its_tick",
        '{"seed": 0, "links": [["emulator-2", "to host", 31, "late", 1000000000]]}',
    ),
    "undo-forgotten": ("an_output_has_an_armed_safe_state", '{"seed": 0, "until_s": 0}'),
    "way-down-broken-off": (
        "nothing_breaks",
        (
            '{"until_s": 12, "lab": [[11000000000, "emulator-2", "mute", 1, 100000000000]],'
            ' "stops": [[20000000000, "SIGINT"], [20000000000, "SIGTERM"]]}'
        ),
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_put_in_on_purpose_is_seen(bug: str) -> None:
    invariant, line = SMALLEST[bug]
    assert simulate(read(line)).violations == ()
    with BUGS[bug]():
        assert invariant in {one.invariant for one in simulate(read(line)).violations}


@pytest.mark.nightly
@pytest.mark.parametrize("bug", BUGS)
def test_a_search_finds_each_bug_and_shrinks_what_it_finds(bug: str) -> None:
    with BUGS[bug]():
        found = search(range(200))
        assert found.broken[SMALLEST[bug][0]]
        run = found.first[SMALLEST[bug][0]]
        least = smallest(run, SMALLEST[bug][0])
    assert len(least.parts) <= len(run.plan.parts)
    assert len(least.parts) <= 4


# --- what the search has found, and has been mended ----------------------------------------------

FOUND = {
    # a board whose link the bench itself had lost was blamed for its silence
    "cut-cable": '{"until_s": 1, "lab": [[1000000000, "board", "cut", 1, 0]]}',
    # set-points that were late arrived at an emulator that had been read back as safe
    "late-set-point": '{"links": [["emulator-1", "to device", 59, "late", 4000000000],'
    ' ["emulator-2", "to device", 63, "lost", 0], ["emulator-2", "to device", 70, "corrupted", 0],'
    ' ["emulator-2", "to host", 35, "disconnected", 1000000000]]}',
    # a replay took a criterion for the expectation in which the run was broken off
    "broken-off-expectation": '{"stops": [[17000000000, "SIGINT"]]}',
    # another unit behind the same address was refused once, and at the next attempt taken for ours
    "stranger": '{"until_s": 0, "lab": [[100000000, "chamber", "swapped", 1, 0]]}',
    # an answer that came later than the session had waited for it was taken for the next one
    "very-late-answer": '{"links": [["chamber", "to host", 26, "late", 3022000000]]}',
    # half a command in the instrument's buffer spoilt the question who it is, until it was too late
    "half-a-line": '{"until_s": 0, "links": ['
    '["chamber", "to device", 5, "disconnected", 1000000000],'
    ' ["chamber", "to device", 7, "disconnected", 0], ["chamber", "to device", 8, "partial", 1]]}',
}


def test_a_report_that_the_bench_kept_from_itself_is_no_failure_of_the_board() -> None:
    """An unmet expectation was held against a board all of whose fault frames the plan had lost."""
    frames = enumerate(simulate(Plan()).heard)
    lost = [LinkFault("to host", k, "lost") for k, one in frames if one == FAULTS and k > 1_200]
    run = simulate(Plan(links=tuple(Disturbed("board", fault) for fault in lost)))
    assert (run.verdict, run.violations) == ("INCONCLUSIVE", ())


@pytest.mark.parametrize("name", FOUND)
def test_what_the_search_has_found_stays_mended(name: str) -> None:
    assert simulate(read(FOUND[name])).violations == ()


def test_shrinking_leaves_only_what_matters() -> None:
    plan = plan_of(71)
    needed = {plan.parts[0], plan.parts[-1]}
    least = shrunk(plan, lambda one: needed <= set(one.parts))
    assert set(least.parts) == needed
    assert (least.seed, least.until_s) == (0, 0)
    assert read(least.line()) == least


def test_a_happening_is_over_when_the_device_could_work_again() -> None:
    assert Happening(1, "chamber", "mute", 1, 5).over == 6
    assert Happening(1, "emulator-1", "reset", 1, 5).over == 9_000_000_001
