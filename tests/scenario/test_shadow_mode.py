"""Whole runs in shadow mode: the board's own firmware decides, the reference beside it judges."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scenario import Played, read_back
from tools import program

from hil.app import Request, run_profile
from hil.bench.replay import against, replay
from hil.bench.replay_physics import replay_physics
from hil.bench.stop import StopLadder
from hil.results import reader, report

SHADOW = "{mode: shadow, strategy: fixed-threshold, every: 10 s}"
PACK = "{cell: lfp-100ah, soc: 97 %, cells: {5: {soc: 99.6 %}, 12: {soc: 99.2 %}}}"
STEPS = """\
  - rest: 20 s
  - charge: {current: 15 A, until: [any cell.voltage >= 3.50 V, after: 3 min]}
  - hold: {voltage: 3.38 V, cell_max: 3.52 V, max_current: 20 A, until: [after: 90 s]}
  - rest: 1 min
  - discharge: {current: 60 A, until: [after: 1 min]}
  - rest: 40 s
"""
"""Cell 5 bleeds from the start to the discharge, cell 12 from the hold to the discharge."""
DECIDES_SOON = "bench.board={design: reference-16s, balance_every: 10 s}"
"""A window of 12 s, so that a run of minutes has many."""

Shadowed = Callable[..., Played]


@pytest.fixture
def shadowed(tmp_path: Path, profile: Callable[..., Path]) -> Shadowed:
    """Return a function that runs a profile of these steps with the board's own firmware."""
    program("cc")

    def played(*overrides: str, steps: str = STEPS, seed: int = 1, **keys: str) -> Played:
        file = str(profile(steps, **{"controller": SHADOW, "pack": PACK, **keys}))
        chosen = (DECIDES_SOON, *overrides)
        request = Request(file, None, chosen, seed, tmp_path / "runs", engine="lib")
        return Played(run_profile(request, StopLadder(), lambda _status: None))

    return played


def column(run: Played, name: str) -> list[float]:
    """Return one column of all ticks."""
    at = run.columns().index(name)
    return [float.fromhex(tick["values"][at]) for tick in run.of("tick")]


def test_a_sound_board_passes_and_nothing_is_commanded(shadowed: Shadowed) -> None:
    run = shadowed()
    assert run.verdict == "PASS", run.summary["reasons"]
    assert run.of("deviation") == []
    assert all(map(math.isnan, column(run, "command.duty[5]")))
    board, reference = column(run, "board.duty[5]"), column(run, "reference.duty[5]")
    assert max(board) == max(reference) == 1.0
    assert min(board) == min(reference) == 0.0
    disagreement = run.summary["metrics"]["shadow_disagreement"]
    assert 0.0 < disagreement["value"] < 0.02
    assert disagreement["where"].startswith("most on cell[")
    assert run.summary["metrics"]["bled_charge"]["value"] > 0.001
    read_back(run)


def test_it_repeats_replays_and_is_reported(shadowed: Shadowed) -> None:
    run = shadowed()
    assert shadowed().digest == run.digest
    folder = Path(run.summary["folder"])
    records = list(reader.read(folder))
    replayed = replay(records)
    assert replayed.differences == ()
    assert replayed.verdict.name == run.verdict
    summary = json.loads((folder / "summary.json").read_text())
    assert against(replayed, summary) == []
    del summary["metrics"]["shadow_disagreement"]
    [difference] = against(replayed, summary)
    assert difference.of == "shadow_disagreement"
    assert replay_physics(records).differences == ()
    page = report.write(folder).read_text()
    assert "the board; fixed-threshold beside it" in page
    assert "shadow_disagreement" in page


BOARDS: dict[str, tuple[str, set[str]]] = {
    "too careful a reference": ("start: 90 mV, stop: 80 mV", {"shadow-bleed-unexpected"}),
    "too eager a reference": ("start: 20 mV, stop: 15 mV", {"shadow-bleed-missing"}),
}


@pytest.mark.parametrize("about", BOARDS)
def test_a_board_with_other_thresholds_than_the_profile_asks_for_fails(
    shadowed: Shadowed, about: str
) -> None:
    """The board starts at 50 mV; what it was to do is what the reference does here."""
    thresholds, expected = BOARDS[about]
    controller = f"{{mode: shadow, strategy: fixed-threshold, every: 10 s, {thresholds}}}"
    run = shadowed(controller=controller)
    assert run.verdict == "FAIL"
    assert run.names("deviation") == expected
    assert {r["subject"] for r in run.of("deviation")} <= {"cell[5].duty", "cell[12].duty"}


def test_a_board_that_should_not_balance_at_all_is_found_out(shadowed: Shadowed) -> None:
    run = shadowed(controller="{mode: shadow, strategy: none}")
    assert run.verdict == "FAIL"
    assert run.names("deviation") == {"shadow-bleed-unexpected"}
    assert "the strategy never bleeds" in run.of("deviation")[0]["situation"]


FIRMWARE: dict[str, tuple[str, set[str]]] = {
    "a bleed that never goes off": ("DEFECT_STUCK_BLEED", {"bleed-without-command"}),
    "readings taken under bleed": (
        "DEFECT_BLEED_DURING_MEASUREMENT",
        {"measured-while-bleeding"},
    ),
    "the next cell's bleed": (
        "DEFECT_OFF_BY_ONE",
        {"bleed-without-command", "bleed-without-current"},
    ),
}


@pytest.mark.parametrize("about", FIRMWARE)
def test_a_defect_goes_by_its_name_here_too(shadowed: Shadowed, about: str) -> None:
    flag, expected = FIRMWARE[about]
    run = shadowed(f"bench.devices.board.engine={{kind: lib, define: [{flag}]}}")
    assert run.verdict == "FAIL"
    assert expected <= run.names("deviation")


FRONT_END_AWAY = """\
  - rest: 20 s
  - inject: {target: board, fault: front-end-silent, cell: 1, for: 2500 ms}
  - rest: 30 s
"""


@pytest.mark.parametrize(
    ("define", "expected"), [("", set()), ("DEFECT_STATUS_LOST", {"status-lost"})]
)
def test_a_board_whose_front_end_is_silent_still_has_a_status(
    shadowed: Shadowed, define: str, expected: set[str]
) -> None:
    """It owes no bleed meanwhile; cells it does not know are no wrong readings."""
    run = shadowed(
        f"bench.devices.board.engine={{kind: lib, define: [{define}]}}", steps=FRONT_END_AWAY
    )
    assert run.names("deviation") == expected
    assert run.verdict == ("FAIL" if expected else "PASS"), run.summary["reasons"]


def test_open_leads_and_what_the_board_then_leaves_undone_are_no_deviation(
    shadowed: Shadowed,
) -> None:
    """A lead breaks under a bleeding cell; the board finds it, stops all, and begins anew."""
    steps = """\
  - charge: {current: 15 A, until: [after: 30 s]}
  - inject: {target: wiring, fault: open-lead, cell: 5, for: 20 s}
  - rest: 1 min
"""
    run = shadowed(steps=steps)
    raised: list[Any] = [one for one in run.of("board-fault") if one["fault"] == "open-wire"]
    assert [one["active"] for one in raised] == [True, False]
    assert run.of("deviation") == []
    assert run.verdict == "PASS", run.summary["reasons"]
