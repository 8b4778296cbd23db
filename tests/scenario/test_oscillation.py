"""Boards that disturb their own measurement are named in a run, and sound ones are not (E6)."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import Play, Played

from hil.results import junit, report

Profile = Callable[..., Path]

STEPS = "  - soak: {chamber: 22 degC, for: %s min}\n"
"""At rest, at room temperature: no gradient, no current and no charge has a part in it."""
PACK = "{cell: lfp-100ah, soc: 60 %, cells: {5: {soc: 99.1 %}}}"
"""Cell 5 alone stands above the 50 mV of the threshold, and would for hours of bleeding."""
CONTROLLER = "{strategy: fixed-threshold, every: 20 s}"


BOARDS = ["unmuted", pytest.param("substituted-16s", marks=pytest.mark.nightly)]
"""200 mA through two leads of 0.3 ohm are 120 mV: all of that is read by the first board, 37 % of
it by the second, which lets go where the excess is less than the 30 mV at which it stops."""


def played(play: Play, profile: Profile, board: str, leads: str, minutes: int) -> Played:
    keys = {"pack": PACK, "controller": CONTROLLER, "verdict": "[max_cell_voltage <= 3.60 V]"}
    path = profile(STEPS % minutes, **keys)
    return play(path, f"bench.board={board}", f"bench.wiring.leads={leads}")


@pytest.mark.nightly
@pytest.mark.parametrize("board", BOARDS)
def test_a_board_that_reads_under_bleed_oscillates_and_is_named(
    play: Play, profile: Profile, board: str
) -> None:
    run = played(play, profile, board, "300 mohm", 64)
    found = [one for one in run.of("deviation") if one["name"] == "bleed-oscillates"]
    assert found
    for one in found:
        # on at one decision, off at the next one: no cell can do it more often
        assert 100.0 < float.fromhex(str(one["value"])) <= 181.0
        assert re.search(r"on and off every [4-7]\d(\.\d)? s, 1\d\d edges/h", one["situation"])
        assert "follow its own bleed or a neighbour's, since t = " in one["situation"]
        assert one["at"] >= 3600e9
    assert run.verdict == "FAIL"
    share = run.summary["metrics"]["oscillation"]
    assert share["value"] >= 0.9 * len(found) / 16
    assert share["where"].startswith("most on cell[")
    folder = Path(run.summary["folder"])
    for text in (report.write(folder).read_text(), junit.write(folder).read_text()):
        assert "bleed-oscillates" in text


def test_a_muted_board_on_short_leads_bleeds_its_cell_and_goes_on(
    play: Play, profile: Profile
) -> None:
    run = played(play, profile, "standard-200mA", "60 mohm", 15)
    metrics = run.summary["metrics"]
    assert metrics["bled_charge"]["value"] > 0.03
    edges = metrics["switch_cycles"]["value"] * run.summary["simulated_s"] / 86400.0
    assert edges == pytest.approx(1.0)  # cell 5 is switched on once, and no other
    assert metrics["oscillation"]["value"] == 0.0
    assert run.of("deviation") == []
