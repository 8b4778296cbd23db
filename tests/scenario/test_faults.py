"""Faults in the wiring and in the board: found, named, and blamed on the right one."""

import json
from collections.abc import Callable
from pathlib import Path

from conftest import PROFILES, Play, read_back

Profile = Callable[..., Path]


def test_a_board_that_reports_a_broken_lead_in_time_has_passed(play: Play) -> None:
    run = play("open-sense-lead")
    assert run.verdict == "PASS"
    [raised] = [r for r in run.of("board-fault") if r["active"] and r["fault"] == "open-wire"]
    [injected] = run.of("injected")
    assert raised["cell"] == injected["cell"] == 6
    assert run.of("deviation") == []
    read_back(run)


def test_a_board_that_does_not_look_for_broken_leads_fails(play: Play, profile: Profile) -> None:
    steps = """\
  - inject: {target: board, fault: blind}
  - rest: 5 s
  - inject: {target: wiring, fault: open-lead, cell: 6}
  - expect: {board: open-wire, cell: 6, within: 10 s}
  - rest: 10 s
"""
    run = play(profile(steps))
    assert run.verdict == "FAIL"
    assert run.of("expectation")[0]["passed"] is False
    assert "reading-off" in run.names("deviation")


def test_a_cell_voltage_that_is_stuck_is_named(play: Play) -> None:
    run = play(PROFILES / "stuck-cell.yaml")
    assert run.verdict == "FAIL"
    assert "reading-frozen" in run.names("deviation")
    assert {r["subject"] for r in run.of("deviation")} == {"cell[5].voltage"}


def test_a_silent_board_is_named_and_the_bench_goes_safe_at_once(play: Play) -> None:
    run = play(PROFILES / "silent-board.yaml")
    assert run.verdict == "FAIL"
    assert run.names("deviation") == {"board-silent"}
    [tripped] = run.of("tripped")
    assert tripped["blames_board"]
    [injected] = run.of("injected")
    silent_ticks = [t for t in run.of("tick") if t["at"] > injected["at"]]
    assert len(silent_ticks) == 1
    devices = {r["device"]: r["ok"] for r in run.of("safe-state-reached")}
    assert devices == {"board": False, "emulator-1": True, "emulator-2": True, "chamber": True}


def test_a_healthy_board_shows_no_deviation_while_it_charges_bleeds_and_rests(
    play: Play, profile: Profile
) -> None:
    steps = """\
  - charge: {current: 30 A, until: [any cell.voltage >= 3.45 V, after: 5 min]}
  - hold: {voltage: 3.45 V, cell_max: 3.50 V, max_current: 30 A, until: [after: 5 min]}
  - rest: 2 min
  - discharge: {power: 1.5 kW, until: [after: 1 min]}
"""
    pack = "{cell: lfp-100ah, soc: 98 %, spread: {capacity: 1 %, soc: 0.8 %}}"
    controller = "{strategy: fixed-threshold, every: 10 s, start: 10 mV, stop: 5 mV}"
    run = play(profile(steps, pack=pack, controller=controller))
    assert run.of("deviation") == []
    assert run.verdict == "PASS"
    assert run.summary["metrics"]["bled_charge"]["value"] > 0.001


def test_the_log_keeps_everything_but_ticks_and_warns_of_what_matters(play: Play) -> None:
    run = play(PROFILES / "silent-board.yaml")
    log = Path(run.summary["folder"]) / "run.log"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    events = [line["event"] for line in lines]
    assert events == [record["kind"] for record in run.records if record["kind"] != "tick"]
    warned = {line["event"] for line in lines if line["level"] == "warning"}
    assert warned == {"deviation", "tripped", "safe-state-reached"}


def test_an_emulator_that_does_not_switch_off_is_not_taken_for_safe(
    play: Play, profile: Profile
) -> None:
    steps = "  - inject: {target: emulator-1, fault: refuses-off, cell: 3}\n  - rest: 5 s\n"
    run = play(profile(steps))
    assert run.verdict == "ABORTED"
    reached = {r["device"]: r["ok"] for r in run.of("safe-state-reached")}
    assert reached["emulator-1"] is False
    assert reached["emulator-2"] is True


def test_a_cell_above_its_limit_trips_the_bench_and_says_whose_limit(
    play: Play, profile: Profile
) -> None:
    steps = "  - charge: {current: 50 A, limit: none, until: [after: 30 min]}\n"
    pack = "{cell: lfp-100ah, soc: 99.5 %}"
    run = play(profile(steps, pack=pack, limits="{cell.voltage: {max: 3.6 V}}"))
    [tripped] = run.of("tripped")
    assert tripped["limit"] == "cell.voltage <= 3.6 V (profile)"
    assert run.verdict == "ABORTED"
    read_back(run)


def test_a_chamber_that_cannot_be_armed_ends_safe_and_says_why(
    play: Play, profile: Profile
) -> None:
    run = play(profile("  - rest: 5 s\n"), "bench.devices.chamber.virtual.fahrenheit_only=true")
    [failed] = run.of("bench-failed")
    assert "chamber" in failed["message"]
    assert run.verdict == "INCONCLUSIVE"
    assert run.of("tick") == []
    read_back(run)


def test_an_emulator_that_falls_silent_is_a_bad_measurement_and_no_verdict_on_the_board(
    play: Play, profile: Profile
) -> None:
    steps = "  - rest: 5 s\n  - inject: {target: emulator-2, fault: silent}\n  - rest: 10 s\n"
    run = play(profile(steps))
    assert {r["device"] for r in run.of("bad-measurement")} == {"emulator-2"}
    assert run.verdict in {"INCONCLUSIVE", "ABORTED"}
