"""What the bench watches of itself: each rule ends a run that breaks it, and only such a run."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scenario import PROFILES, Play, finished, hil, read_back

from hil.results.account import account_of
from hil.results.report import tables, write

Profile = Callable[..., Path]
REST = "  - rest: 5 s\n"


def manifest_of(folder: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((Path(folder) / "manifest.json").read_text())
    return body


def crossed_in(folder: str) -> list[str]:
    """Return the rules that the report marks as crossed."""
    rows = tables.watched(account_of(Path(folder)))
    return [row["rule"] for row in rows if row["at"]]


MISREADINGS = {
    "emulator-2 drifted": ("emulator-2 cells' sum", "emulator-2 sum", "device emulator-2"),
    "emulator-1 frozen": ("emulator-1 reading the same", "emulator-1 reading", "device emulator-1"),
    "chamber frozen": ("chamber reading the same", "chamber reading", "device chamber"),
    "chamber wild": ("chamber.temperature <= 180 degC", "chamber.temperature", "device chamber"),
}


@pytest.mark.parametrize("fault", MISREADINGS)
def test_an_instrument_that_misreads_ends_the_run_and_is_named(
    fault: str, play: Play, profile: Profile
) -> None:
    device, _, kind = fault.partition(" ")
    steps = f"{REST}  - inject: {{target: {device}, fault: {kind}}}\n  - rest: 1 min\n"
    run = play(profile(steps))
    rule, subject, origin = MISREADINGS[fault]
    [tripped] = run.of("tripped")
    assert tripped["limit"].startswith(rule)
    assert tripped["limit"].endswith(f"({origin})")
    assert tripped["subject"].startswith(subject)
    assert not tripped["blames_board"]
    assert run.verdict == "ABORTED"
    assert run.of("deviation") == []
    assert [rule for rule in crossed_in(run.summary["folder"]) if tripped["limit"].startswith(rule)]
    [injected] = run.of("injected")
    seconds = (tripped["at"] - injected["at"]) / 1e9
    assert seconds <= 13
    if fault == "emulator-1 frozen":
        unit = [one for one in run.of("safe-state-reached") if one["device"] == "emulator-1"][-1]
        assert "says outputs 0,0,0,0,0,0,0,0, but measures 3.3" in unit["read_back"]
    else:
        read_back(run)


def test_a_misreading_that_passes_does_not_end_the_run(play: Play, profile: Profile) -> None:
    steps = f"{REST}  - inject: {{target: emulator-1, fault: drifted, for: 3 s}}\n{REST}"
    run = play(profile(steps))
    assert run.of("tripped") == []
    assert run.verdict == "PASS"


def test_a_current_that_a_unit_cannot_carry_is_its_failure_and_no_evidence(
    play: Play, profile: Profile
) -> None:
    steps = f"{REST}  - inject: {{target: emulator-1, fault: wild-current}}\n  - rest: 1 min\n"
    run = play(profile(steps))
    [failed] = run.of("bench-failed")
    assert "A, more than the 5.5 A it can carry" in failed["message"]
    assert run.of("deviation") == []
    assert run.verdict == "INCONCLUSIVE"
    read_back(run)


def test_a_chamber_faster_than_its_limit_ends_the_run(play: Play, profile: Profile) -> None:
    steps = "  - soak: {chamber: 60 degC, for: 5 min}\n"
    limits = "{chamber.temperature: {rate: 2 K/min, over: 1 min}}"
    run = play(profile(steps, limits=limits))
    [tripped] = run.of("tripped")
    assert tripped["limit"] == "chamber.temperature change over 60 s <= 2 K/min (profile)"
    assert float.fromhex(tripped["value"]) > 2.0
    slower = "  - soak: {chamber: 40 degC, ramp: 1 K/min, for: 5 min}\n"
    assert play(profile(slower, limits=limits)).of("tripped") == []


def test_a_warning_is_told_once_and_the_run_goes_on(play: Play, profile: Profile) -> None:
    steps = "  - charge: {current: 50 A, limit: none, until: [after: 2 min]}\n  - rest: 1 min\n"
    limits = "{cell.voltage: {max: 3.6 V, warn: {max: 3.34 V}}}"
    run = play(profile(steps, limits=limits))
    [warned] = run.of("limit-warned")
    assert warned["limit"] == "cell.voltage <= 3.34 V (profile)"
    assert run.verdict == "PASS"
    assert run.of("tripped") == []
    above = run.columns().index("emulator.read_v[1]")
    highest = [max(map(float.fromhex, t["values"][above : above + 16])) for t in run.of("tick")]
    assert sum(one > 3.34 for one in highest) > 10
    assert crossed_in(run.summary["folder"]) == ["cell.voltage <="]


def test_the_manifest_keeps_the_combined_table(play: Play, profile: Profile) -> None:
    limits = "{board.temperature: {max: 110 degC}, cell.voltage: {min: 2.2 V, max: 3.6 V}}"
    run = play(profile(REST, limits=limits))
    manifest = manifest_of(run.summary["folder"])
    table = {one["rule"]: one for one in manifest["interlock"]}
    assert [one for one in manifest["unguarded"] if "80 V DC, above 60 V" in one]
    page = write(Path(run.summary["folder"])).read_text(encoding="utf-8")
    assert all(f"Not watched: {one}." in page for one in manifest["unguarded"])
    assert table["board.temperature <="]["value"] == 105.0
    assert table["board.temperature <="]["origin"] == "bench"
    assert table["cell.voltage >="]["origin"] == "profile"
    assert table["cell.temperature <="]["origin"] == "pack lfp-100ah"
    assert table["chamber.temperature <="]["origin"] == "device chamber"
    assert crossed_in(run.summary["folder"]) == []


@pytest.mark.parametrize("fault", ["open-lead", "stuck-cell", "stuck-bleed", "blind"])
def test_a_board_that_errs_or_lies_is_judged_and_trips_nothing(
    fault: str, play: Play, profile: Profile
) -> None:
    target = "wiring" if fault == "open-lead" else "board"
    cell = "" if fault == "blind" else ", cell: 5"
    steps = f"{REST}  - inject: {{target: {target}, fault: {fault}{cell}}}\n"
    steps += "  - charge: {current: 40 A, until: [after: 30 s]}\n  - rest: 30 s\n"
    run = play(profile(steps))
    assert run.of("tripped") == []


def test_a_lying_board_fails(play: Play) -> None:
    run = play(PROFILES / "stuck-cell.yaml")
    assert (run.verdict, run.of("tripped")) == ("FAIL", [])


@pytest.mark.parametrize("fault", ["open", "short", "polarity"])
def test_a_fault_put_in_on_purpose_trips_nothing(fault: str, play: Play, profile: Profile) -> None:
    inject = f"  - inject: {{target: emulator-1, fault: {fault}, cell: 3, for: 20 s}}\n"
    assert play(profile(f"{REST}{inject}{REST}")).of("tripped") == []


@pytest.mark.alone
def test_a_host_that_stood_still_has_watched_nothing(tmp_path: Path, profile: Profile) -> None:
    """All devices are in the stopped process, so no guardian makes them safe meanwhile."""
    file = profile("  - rest: 1 s\n  - rest: 1 min\n")
    words = ["--set", "bench.clock=wall", "--set", "bench.tick=200 ms"]
    process = hil("run", str(file), *words, "--json", cwd=tmp_path)
    until = time.monotonic() + 60
    # With its first step over it has read all instruments.
    while not any("step-ended" in log.read_text() for log in tmp_path.glob("runs/*/run.log")):
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(4.5)  # the standstill itself
    os.kill(process.pid, signal.SIGCONT)
    _, body = finished(process)
    assert body["verdict"] == "ABORTED"
    assert any("time without a reading <= 3.4 s (bench)" in one for one in body["reasons"])
