"""Whole runs of the board's own firmware in the library engine: verdict, record, replay."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from scenario import Played, hil, recorded
from tools import program

from drivers.engines import build, library
from drivers.engines.watchdog import EXIT_CODE
from hil.app import Request, run_profile
from hil.bench.replay import replay
from hil.bench.stop import StopLadder
from hil.results import junit, reader, report

pytestmark = pytest.mark.alone

ENGINE = "bench.devices.board.engine"
DEADLINE_S = 300.0
"""Ten seconds would do; a busy machine must not turn a test red."""


@pytest.fixture(autouse=True)
def compiler() -> None:
    """Skip where firmware cannot be built."""
    program("cc")


@pytest.fixture
def fly(tmp_path: Path) -> Any:
    """Return a function that runs a profile with the board's firmware in the library engine."""

    def flown(*overrides: str, profile: str = "open-sense-lead", seed: int = 7) -> Played:
        request = Request(profile, None, overrides, seed, tmp_path / "runs", engine="lib")
        return Played(run_profile(request, StopLadder(), lambda _status: None))

    return flown


def test_a_run_says_what_it_ran(fly: Any) -> None:
    played = fly()
    folder = Path(played.summary["folder"])
    engine = played.summary["engine"]
    image = build.build(library.RECIPE)
    assert played.verdict == "PASS", played.summary["reasons"]
    assert engine == {"kind": "lib", "sha256": image.sha256, **image.about}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["engine"] == engine
    assert manifest["repeat"] == "hil run open-sense-lead --engine lib --seed 7"
    page = report.write(folder).read_text()
    assert engine["sha256"] in page
    assert f"{engine['sha256'][:16]}, run by lib" in page, "at the head, beside the verdict"
    assert f'name="engine.sha256" value="{engine["sha256"]}"' in junit.write(folder).read_text()
    [identified] = [one for one in played.of("device-identified") if one["device"] == "board"]
    assert identified["firmware"] == "2.0.0"


def test_it_repeats_and_replays(fly: Any) -> None:
    """To the bit: the firmware's time is the bench's. No engine is needed to judge it again."""
    first, again = fly(), fly()
    assert first.records == again.records
    assert first.digest == again.digest
    replayed = replay(reader.read(Path(first.summary["folder"])))
    assert not replayed.differences
    assert replayed.digest == first.digest


def test_a_defect_of_the_firmware_fails_the_board(fly: Any) -> None:
    """One cell's bleed stays on while the board says otherwise: the emulator sees its current."""
    played = fly(f"{ENGINE}.define=[DEFECT_STUCK_BLEED, DEFECT_CELL=9]")
    assert played.verdict == "FAIL"
    found = {(one["name"], one["subject"]) for one in played.of("deviation")}
    assert ("bleed-without-command", "cell[9].current") in found
    assert played.summary["engine"]["flags"].endswith("-DDEFECT_STUCK_BLEED -DDEFECT_CELL=9")


STANDS_STILL = """
    if (now_us >= 8000000) { /* a loop that waits for what never comes, as seen from outside */
        out->frames = 0;
        out->spi_bytes = 0;
        out->wake_us = now_us;
        return;
    }
"""


def going_wrong(folder: Path, how: str) -> Path:
    """Build the board's firmware with ``how`` in front of each step."""
    for name in library.RECIPE.folders:
        shutil.copytree(build.SOURCES / name, folder / name)
    source = folder / "port_lib/bms_lib.c"
    text, call = source.read_text(), "    bms_step(self"
    assert text.count(call) == 1
    source.write_text(text.replace(call, how + call))
    return build.build(library.RECIPE, (), folder).image


def test_firmware_that_hangs_is_a_board_that_fails(
    fly: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on to its end, as it would with a board whose processor stands still."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    played = fly(f"{ENGINE}.image={going_wrong(tmp_path / 'fw', STANDS_STILL)}")
    assert played.verdict == "FAIL"
    [halted] = played.of("firmware-halted")
    assert (halted["at"], halted["device"]) == (8_000_000_000, "board")
    assert any("stands still" in reason for reason in played.summary["reasons"])
    assert {"board-silent"} <= played.names("deviation")
    folder = Path(played.summary["folder"])
    assert not replay(reader.read(folder)).differences
    assert "board: the firmware halts" in report.write(folder).read_text()
    assert recorded(folder) == played.records


ENDLESS = """
    while (now_us >= 8000000) { /* C that never comes back; the read keeps a compiler from it */
        __asm__ volatile("" ::: "memory");
    }
"""


def test_firmware_in_an_endless_loop_ends_the_process_and_leaves_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No signal gets through to Python then: without a watchdog a CI job would hang for hours."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image = going_wrong(tmp_path / "fw", ENDLESS)
    firmware = ["--engine", "lib", "--set", f"{ENGINE}.image={image}"]
    run = hil("run", "open-sense-lead", *firmware, cwd=tmp_path)
    _, told = run.communicate(timeout=DEADLINE_S)
    assert run.returncode == EXIT_CODE, told
    assert "does not come back from a call for 10 s: a loop without end?" in told
    [left] = (tmp_path / "runs").iterdir()
    repair = hil("runs", "repair", left.name, cwd=tmp_path)
    _, told = repair.communicate(timeout=DEADLINE_S)
    assert repair.returncode == 0, told
