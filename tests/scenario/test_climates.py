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


# --- nordic-winter: what the board must forbid, and whom the cold misleads ------------------------

ANNEALED = ("bench.board.no_charge_below=-30 degC", "bench.board.cold_charge_below=-25 degC")
"""A board that does not know that LFP is not charged in the frost."""
AFTER_THE_FROST_S = 26_000.0


def frost(run: Played) -> dict[str, bool | None]:
    """Return how the charging in the frost was judged."""
    judged = run.of("expectation")
    return {one["name"]: one["passed"] for one in judged if "below 0 degC" in one["name"]}


@pytest.mark.nightly
def test_a_good_board_forbids_charging_in_the_frost(play: Play) -> None:
    run = play("nordic-winter", *SLOW, until_s=AFTER_THE_FROST_S)
    assert frost(run) == {"current, charging below 0 degC": True}
    assert run.of("deviation") == []


@pytest.mark.nightly
def test_a_board_that_charges_in_the_frost_fails(play: Play) -> None:
    run = play("nordic-winter", *SLOW, *ANNEALED, until_s=AFTER_THE_FROST_S)
    assert run.verdict == "FAIL"
    assert frost(run) == {"current, charging below 0 degC": False}


# --- whole seasons, by night --------------------------------------------------------------------

FIXED = "controller.strategy=fixed-threshold"
ASLEEP = "controller.strategy=none"
THREE_DAYS = "steps.3.hold.until.1.after=3 d"
FIRST_WEEK = ("steps.2.repeat=1", "steps.2.steps.1.repeat=1")
HOT_PAUSE = ("bench.board.bleed_pause=55 degC", "bench.board.bleed_resume=50 degC")


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.parametrize(
    ("profile", "changes"),
    [
        ("nordic-winter", SLOW),
        ("desert-summer", SLOW),
        ("off-grid-partial", FIRST_WEEK),
        ("float-month", (THREE_DAYS,)),
    ],
)
def test_a_good_board_passes(play: Play, profile: str, changes: tuple[str, ...], seed: int) -> None:
    run = play(profile, *changes, seed=seed)
    assert run.verdict == "PASS", failed(run)
    assert run.of("deviation") == []
    read_back(run)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("profile", "changes", "missed"),
    [
        # Polarisation at the cold end taken for charge: the warm cells are bled (E2).
        ("nordic-winter", (*SLOW, FIXED), {"useful_share >= 50 %"}),
        # A board that pauses where its pack needs it.
        ("desert-summer", (*SLOW, *HOT_PAUSE), {"board.bleeding"}),
        # Weak cells read low where the pack is empty: a threshold bleeds all others there (E3).
        ("off-grid-partial", (*FIRST_WEEK, FIXED), {"useful_share >= 50 %"}),
        # Who is asleep bleeds nothing at the top; on the plateau, nobody can tell.
        ("off-grid-partial", (*FIRST_WEEK, ASLEEP), {"board.bleeding"}),
        # 30 mV at float is 1 % of charge: a threshold that is content with it leaves the pack so.
        ("float-month", (THREE_DAYS, FIXED), {"gap", "soc_spread <= 1 %"}),
        ("float-month", (THREE_DAYS, ASLEEP), {"gap", "soc_spread <= 1 %"}),
    ],
)
def test_a_board_that_deserves_it_fails(
    play: Play, profile: str, changes: tuple[str, ...], missed: set[str]
) -> None:
    run = play(profile, *changes)
    assert run.verdict == "FAIL"
    assert missed <= failed(run)


@pytest.mark.nightly
@pytest.mark.parametrize("profile", ["float-month", "off-grid-partial"])
def test_a_whole_month(play: Play, profile: str) -> None:
    assert play(profile).verdict == "PASS"
