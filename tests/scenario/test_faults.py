"""Faults in the wiring and in the board: found, named, and blamed on the right one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import PROFILES, Play, held_up, read_back

from drivers.links.memory import MemoryByteLink
from hil.bench.wall_time import WallClock
from hil.core.instants import SECOND

Profile = Callable[..., Path]


def test_a_board_that_reports_a_broken_lead_in_time_has_passed(play: Play) -> None:
    run = play("open-sense-lead")
    assert run.verdict == "PASS"
    [raised] = [r for r in run.of("board-fault") if r["active"] and r["fault"] == "open-wire"]
    [injected] = run.of("injected")
    assert raised["cell"] == injected["cell"] == 6
    assert run.of("deviation") == []
    read_back(run)


def test_a_run_that_is_to_fail_fast_ends_with_its_first_finding(play: Play) -> None:
    """A board that measures every 500 ms looks for broken leads too seldom."""
    whole = play("open-sense-lead", "board.cycle=500 ms")
    run = play("open-sense-lead", "board.cycle=500 ms", fail_fast=True)
    assert (whole.verdict, run.verdict) == ("FAIL", "FAIL")
    first = whole.of("deviation")[0]
    assert run.of("deviation")[0] == first
    assert run.of("tick")[-1]["at"] <= first["at"] < whole.of("tick")[-1]["at"]
    assert run.summary["ended"] == "ended by the first finding (--fail-fast)"
    assert [one for one in run.of("expectation") if one["passed"]] == []  # what is left is open
    manifest = json.loads((Path(run.summary["folder"]) / "manifest.json").read_text())
    assert "--fail-fast" in manifest["repeat"]
    read_back(run)


def test_a_good_board_does_not_end_early(play: Play) -> None:
    assert play("open-sense-lead", fail_fast=True).digest == play("open-sense-lead").digest


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
    assert warned == {"deviation", "tripped", "bad-measurement", "safe-state-reached"}


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


def test_an_output_that_is_not_what_was_set_is_no_evidence(play: Play, profile: Profile) -> None:
    steps = """\
  - inject: {target: emulator-1, fault: stuck-output, cell: 3}
  - discharge: {current: 50 A, until: [after: 30 s]}
"""
    run = play(profile(steps))
    assert {r["device"] for r in run.of("bad-measurement")} == {"emulator-1"}
    assert "cell 3: set" in run.of("bad-measurement")[0]["message"]
    assert run.verdict == "INCONCLUSIVE"
    assert run.of("deviation") == []


@pytest.mark.parametrize("fault", ["open", "short"])
def test_a_fault_that_the_bench_puts_on_its_own_output_is_not_blamed_on_the_board(
    fault: str, play: Play, profile: Profile
) -> None:
    steps = f"""\
  - rest: 5 s
  - inject: {{target: emulator-1, fault: {fault}, cell: 3, for: 10 s}}
  - rest: 5 s
"""
    run = play(profile(steps))
    assert run.of("deviation") == []
    inside = [t for t in run.of("tick") if 6e9 < t["at"] < 15e9]
    read_v = run.columns().index("emulator.read_v[3]")
    assert {t["values"][read_v] for t in inside} == {"nan"}


@pytest.mark.parametrize("fault", ["sensor-break", "compressor-trip"])
def test_a_chamber_in_alarm_ends_the_run_before_it_proves_anything(
    fault: str, play: Play, profile: Profile
) -> None:
    steps = f"  - rest: 5 s\n  - inject: {{target: chamber, fault: {fault}}}\n  - rest: 1 min\n"
    run = play(profile(steps))
    assert {r["device"] for r in run.of("bad-measurement")} == {"chamber"}
    assert run.verdict == "INCONCLUSIVE"


def test_an_expectation_on_cells_that_were_not_read_stays_open(
    play: Play, profile: Profile
) -> None:
    steps = """\
  - rest: 5 s
  - inject: {target: emulator-2, fault: silent}
  - rest: 1 s
  - expect: {cell.voltage: {max: 3.50 V}}
"""
    run = play(profile(steps))
    [judged] = [e for e in run.of("expectation") if "voltage" in e["name"]][:1]
    assert judged["passed"] is None
    assert "not read: [9, 10" in judged["where"]
    assert judged["read_at"] == run.of("tick")[-1]["at"]


def test_a_fault_expectation_is_honest_about_how_often_it_looked(play: Play) -> None:
    """At a 2 s tick nobody knows on which side of 6 s a report came that a 5 s scan found."""
    run = play("open-sense-lead", "tick=2 s", "steps.3.expect.within=6 s")
    [judged] = [e for e in run.of("expectation") if e["name"].startswith("board reports")]
    assert judged["passed"] is None
    assert run.verdict == "INCONCLUSIVE"


def test_the_same_steps_take_the_same_ticks_in_wall_time(play: Play, profile: Profile) -> None:
    steps = "  - rest: 600 ms\n  - discharge: {current: 5 A, until: [after: 900 ms]}\n"
    path = profile(steps, tick="300 ms")
    virtual = play(path)
    wall = play(path, "bench.clock=wall")
    # a busy host may cost the wall clock a slot: it is recorded as missed, and no step gets longer
    ticks = wall.of("tick")
    missed = sum(o["missed"] for o in wall.of("overrun") if o["at"] <= ticks[-1]["at"])
    assert len(virtual.of("tick")) == 5
    assert len(ticks) + missed == 5 or (wall.of("tripped") and held_up(wall.summary))
    read_back(wall)


def test_a_busy_host_is_told_from_all_else_that_speaks_against_a_run() -> None:
    late = "slots missed: 28.57% of the run, tolerated 1.00%"
    silent = "board.age <= 1.5 s (bench): board.age 2.02962 s, bound 1.5"
    short = "gap: 0.1 ± 0.01 V, expected <= 1: cannot tell (the profile did not end)"
    wrong = "reading-off: cell[5].voltage 0.28 V, limit 0.01: board 3.58 V, emulator 3.30 V"
    assert held_up({"reasons": [late, silent, short]})
    assert not any(held_up({"reasons": told}) for told in ([], [short], [wrong], [late, wrong]))


def test_an_emulator_that_falls_silent_is_a_bad_measurement_and_no_verdict_on_the_board(
    play: Play, profile: Profile
) -> None:
    steps = "  - rest: 5 s\n  - inject: {target: emulator-2, fault: silent}\n  - rest: 10 s\n"
    run = play(profile(steps))
    assert {r["device"] for r in run.of("bad-measurement")} == {"emulator-2"}
    assert run.verdict == "INCONCLUSIVE"
    [failed] = run.of("bench-failed")
    assert "emulator-2: has failed for" in failed["message"]


def test_a_link_that_goes_between_two_ticks_is_noticed_before_the_next_one(
    play: Play, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a tick of a minute, a dead link must not leave the bench on for a minute."""
    opened = MemoryByteLink.open

    async def open_for_a_second(link: MemoryByteLink) -> None:
        await opened(link)
        # not in the rehearsal, which is in virtual time
        if link._name == "emulator-2" and isinstance(link._clock, WallClock):
            gone_at = link._clock.now() + 3 * SECOND
            link._clock.call_at(gone_at, link.cut)
            link._clock.call_at(gone_at + SECOND // 2, link.mend)

    monkeypatch.setattr(MemoryByteLink, "open", open_for_a_second)
    patient = "bench.board.command_timeout=5 min"
    run = play(profile("  - rest: 10 min\n", tick="60 s"), "bench.clock=wall", patient)
    lost, *later = run.of("bad-measurement")
    assert {(r["device"], r["error"]) for r in (lost, *later)} == {("emulator-2", "LinkLost")}
    [tick] = run.of("tick")
    assert lost["at"] - tick["at"] < 59 * SECOND
    assert run.verdict == "INCONCLUSIVE" or held_up(run.summary)
    last = {record["device"]: record["ok"] for record in run.of("safe-state-reached")}
    assert last == dict.fromkeys(("emulator-1", "emulator-2", "chamber", "board"), True)
