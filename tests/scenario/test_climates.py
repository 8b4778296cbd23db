"""The profiles of climates and seasons pass a good board and fail one that deserves it.

Each board or controller that fails here differs in one key of its data; what comes of it is
physics. The short ones run on the slow bench, where hours take seconds; whole seasons by night.
"""

import pytest
from scenario import Play, Played, read_back

SLOW = ("tick=10 s", "bench.board.cycle=4 s", "bench.board.command_timeout=60 s")
"""What virtual-16s-slow differs in from the profiles' own bench."""


def failed(run: Played) -> set[str]:
    """Return the names of the expectations that the run missed, without where they were read."""
    judged = run.of("expectation")
    return {one["name"].partition(",")[0] for one in judged if one["passed"] is False}


# --- chamber-sweep: eight hours in three seconds -------------------------------------------------


def test_a_good_board_passes_the_sweep(play: Play) -> None:
    run = play("chamber-sweep", *SLOW)
    assert run.verdict == "PASS"
    assert run.of("deviation") == []
    read_back(run)


def test_a_reference_that_drifts_fails_in_the_cold_and_passes_at_room_temperature(
    play: Play,
) -> None:
    """100 ppm/K is the cheap chain of design/physics.md; this board drew most of it."""
    run = play("chamber-sweep", *SLOW, "bench.board.drift=100 ppm/K", seed=2)
    assert run.verdict == "FAIL"
    assert failed(run) == {"board.cell.error"}
    places = {one["name"] for one in run.of("expectation") if one["passed"] is False}
    assert "board.cell.error, at -20 degC" in places
    assert not {place for place in places if place.endswith(" 25 degC")}


@pytest.mark.nightly
def test_a_board_that_has_not_settled_fails_the_sweep(play: Play) -> None:
    run = play("chamber-sweep", *SLOW, "bench.board.pcb_tau=3600 s", "parameters.dwell=30 min")
    assert run.verdict == "FAIL"
    assert failed(run) == {"board.temperature.error"}


# --- seasons ------------------------------------------------------------------------------------
