"""Whole runs, replayed from what they left on the disk: equal to the bit, however they went."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from scenario import PROFILES, Play, Played, hil

from hil.bench.replay import ENDS_HERE, Difference, Replayed, against, replay
from hil.bench.replay_physics import PhysicsReplay, replay_physics
from hil.bench.stop import StopLadder
from hil.core.records import ExpectationJudged, Overrun, Record
from hil.ports import CellReadings
from hil.results.reader import read
from hil.verdict.judgement import Verdict

Profile = Callable[..., Path]

BALANCING = """\
  - repeat: 2
    steps:
      - charge: {current: 30 A, until: [any cell.voltage >= 3.45 V, after: 1 min]}
      - hold: {voltage: 3.45 V, cell_max: 3.50 V, max_current: 30 A, until: [after: 1 min]}
      - expect: {gap: {max: 200 mV}}
  - rest: 1 min
  - expect: {cell.voltage: {min: 3.2 V, max: 3.6 V}}
"""
HIGH_PACK = "{cell: lfp-100ah, soc: 98.5 %, spread: {capacity: 1 %, soc: 0.8 %, leakage: 30 %}}"
THRESHOLD = "{strategy: fixed-threshold, every: 10 s, start: 10 mV, stop: 5 mV}"
BALANCED = {"pack": HIGH_PACK, "controller": THRESHOLD}
CRITERIA = "[max_cell_voltage <= 3.60 V, bled_charge >= 0.0001 Ah, usable_capacity >= 99.9 %]"
BLIND = "  - inject: {target: board, fault: blind}\n"
BROKEN = "  - inject: {target: wiring, fault: open-lead, cell: 6}\n"
MENDED = "  - clear: {target: wiring, fault: open-lead, cell: 6}\n"
COMES = "  - expect: {board: open-wire, cell: 6, within: 10 s}\n"
GOES = "  - expect: {board: open-wire, cell: 6, gone_within: 10 s}\n"


def gone(device: str, fault: str = "silent", cell: str = "", lasts: str = "2 s") -> str:
    """Return steps in which a device of a bleeding bench is away for a while."""
    return f"""\
  - charge: {{current: 30 A, until: [after: 20 s]}}
  - inject: {{target: {device}, fault: {fault}, {cell}for: {lasts}}}
  - charge: {{current: 10 A, until: [after: 20 s]}}
"""


RUNS: dict[str, tuple[str, dict[str, str], Sequence[str]]] = {
    "balancing": (BALANCING, {**BALANCED, "verdict": CRITERIA}, ()),
    "a pack of its own ambient, cells by hand": (
        BALANCING,
        {
            **BALANCED,
            "pack": "{cell: lfp-280ah, soc: 98 %, gradient: 4 K, ambient: 35 degC, "
            "cells: {3: {capacity: 97 %, soc: 99 %}, 16: {leakage: 0 %, resistance: 2}}}",
        },
        (),
    ),
    "an emulator away": (gone("emulator-2"), BALANCED, ()),
    "the chamber away": (gone("chamber"), BALANCED, ()),
    "the chamber away from the start": (
        "  - inject: {target: chamber, fault: silent, for: 2 s}\n  - rest: 5 s\n",
        BALANCED,
        (),
    ),
    "an output without evidence": (gone("emulator-1", "stuck-output", "cell: 3, "), BALANCED, ()),
    "a channel distrusted": (gone("emulator-1", "open", "cell: 3, ", "5 s"), BALANCED, ()),
    "late at every tick": (gone("emulator-1"), {**BALANCED, "tick": "150 ms"}, ()),
    "a trip": (
        "  - charge: {current: 50 A, limit: none, until: [after: 30 min]}\n",
        {"pack": "{cell: lfp-100ah, soc: 99.5 %}", "limits": "{cell.voltage: {max: 3.6 V}}"},
        (),
    ),
    "a board that sees nothing": (
        f"{BLIND}{BROKEN}{COMES}",
        {},
        (),
    ),
    "an expectation before the first tick": (
        "  - expect: {gap: {max: 1 V}}\n  - rest: 2 s\n",
        {},
        (),
    ),
    "a fault that was there before": (
        f"{BROKEN}  - rest: 12 s\n  - expect: {{board: open-wire, cell: 6, within: 5 s}}\n",
        {},
        (),
    ),
    "a fault that comes and goes, twice": (2 * (BROKEN + COMES + MENDED + GOES), {}, ()),
    "a fault that stays": (BROKEN + COMES + GOES, {}, ()),
    "a fault that was gone before": (f"  - rest: 2 s\n{GOES}", {}, ()),
    "a chamber that cannot be armed": (
        "  - rest: 5 s\n",
        {},
        ("bench.devices.chamber.virtual.fahrenheit_only=true",),
    ),
    "in wall time": (
        "  - discharge: {current: 5 A, until: [after: 1 s]}\n",
        {},
        ("bench.clock=wall", "tick=250 ms"),
    ),
}


def records_of(run: Played) -> list[tuple[int, Record]]:
    """Return a run's records as they stand on the disk."""
    return list(read(Path(run.summary["folder"])))


def told(run: Played) -> dict[str, Any]:
    """Return a run's summary as it stands on the disk."""
    path = Path(run.summary["folder"]) / "summary.json"
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body


def all_equal(run: Played) -> tuple[Replayed, PhysicsReplay]:
    """Replay a run and see that all of it comes out as recorded."""
    records = records_of(run)
    replayed, plant = replay(records), replay_physics(records)
    assert list(replayed.differences) == []
    assert against(replayed, told(run)) == []
    assert replayed.verdict.name == run.verdict
    assert replayed.digest == run.digest
    largest = (plant.voltage.value, plant.soc.value, plant.temperature.value, plant.stopped)
    assert largest == (0.0, 0.0, 0.0, "")
    assert plant.ticks == len(run.of("tick"))
    return replayed, plant


@pytest.mark.parametrize("name", RUNS)
def test_a_run_replayed_comes_out_as_recorded(name: str, play: Play, profile: Profile) -> None:
    steps, keys, overrides = RUNS[name]
    all_equal(play(profile(steps, **keys), *overrides))


@pytest.mark.parametrize("name", ["open-sense-lead", "stuck-cell.yaml", "silent-board.yaml"])
def test_a_run_of_a_stored_profile_replayed_comes_out_as_recorded(name: str, play: Play) -> None:
    run = play(PROFILES / name if "." in name else name)
    replayed, _ = all_equal(run)
    assert replayed.verdict is (Verdict.PASS if name == "open-sense-lead" else Verdict.FAIL)


def test_the_runs_replayed_here_show_what_they_are_for(play: Play, profile: Profile) -> None:
    """A replay of rests would be equal whatever was left out of the row."""
    balanced = play(profile(BALANCING, **BALANCED))
    assert balanced.summary["metrics"]["bled_charge"]["value"] > 0.001
    assert len(balanced.of("expectation")) == 5
    steps, keys, _ = RUNS["late at every tick"]
    late = play(profile(steps, **keys))
    assert late.of("bad-measurement")
    assert not any(isinstance(record, Overrun) for _, record in records_of(late)), "held up"
    span = late.columns().index("emulator.span_s[1]")
    spans = {tick["values"][span] for tick in late.of("tick")}
    assert "nan" in spans
    assert len(spans) > 2, "what a reading covers is not always one tick"


def test_the_row_says_what_was_sent_to_the_emulators(
    play: Play, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drivers.wire import bloomy_abs as wire  # noqa: PLC0415 - patched below

    compose, sent = wire.settings_line, []

    def noted(voltage_v: Sequence[float], aux_v: Mapping[int, float]) -> str:
        line = compose(voltage_v, aux_v)
        sent.append([float(one) for one in re.findall(r":VOLT (\S+?)(?:;|$)", line)])
        return line

    monkeypatch.setattr(wire, "settings_line", noted)
    run = play(profile(BALANCING, **BALANCED))
    first = run.columns().index("emulator.set_v[1]")
    told = [[float.fromhex(v) for v in t["values"][first : first + 16]] for t in run.of("tick")]
    assert len(told) > 100
    # two units a tick, and before the first one the presets of both
    assert told == [sent[k] + sent[k + 1] for k in range(2, len(sent), 2)]


@pytest.mark.parametrize("quantity", ["voltage_v", "current_a"])
def test_a_reading_that_is_no_number_is_none_and_the_next_one_covers_its_time(
    quantity: str, play: Play, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drivers.cell_emulators.bloomy_abs import BloomyAbs  # noqa: PLC0415 - patched below

    sense, calls = BloomyAbs.sense, 0

    async def sometimes(self: BloomyAbs) -> CellReadings:
        nonlocal calls
        reading = await sense(self)
        calls += 1
        bad = [math.nan, *getattr(reading, quantity)[1:]]
        return CellReadings(**{**reading._asdict(), quantity: bad}) if calls == 20 else reading

    monkeypatch.setattr(BloomyAbs, "sense", sometimes)
    run = play(profile(BALANCING, **BALANCED))
    all_equal(run)
    [bad] = run.of("bad-measurement")
    assert bad["error"] == "InstrumentFault"
    spans = [
        [
            float.fromhex(tick["values"][run.columns().index(f"emulator.span_s[{unit}]")])
            for tick in run.of("tick")
        ]
        for unit in (1, 2)
    ]
    assert sorted(sum(map(math.isnan, span)) for span in spans) == [0, 1]
    assert sorted(2.0 in span for span in spans) == [False, True]


class StopsAfter(StopLadder):
    """Asks the run to stop while it ticks."""

    def __init__(self, looks: int, requests: int) -> None:
        super().__init__()
        self._looks, self._requests = looks, requests

    @property
    def level(self) -> str:
        self._looks -= 1
        if self._looks == 0:
            for _ in range(self._requests):
                self.request("SIGTERM")
        return super().level


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_a_run_that_was_stopped_replays_as_aborted(
    requests: int, play: Play, profile: Profile
) -> None:
    run = play(profile("  - rest: 1 d\n"), stop=StopsAfter(20, requests))
    assert all_equal(run)[0].verdict is Verdict.ABORTED


@pytest.mark.parametrize("requests", [1, 2])
def test_a_run_stopped_while_it_waits_for_a_fault_replays_with_its_criteria(
    requests: int, play: Play, profile: Profile
) -> None:
    """The step that is broken off expects something; the criteria after it are not that."""
    steps = f"{BLIND}{BROKEN}  - expect: {{board: open-wire, cell: 6, within: 1 h}}\n"
    run = play(profile(steps), stop=StopsAfter(20, requests))
    all_equal(run)
    assert [one["name"] for one in run.of("expectation")] == ["max_cell_voltage <= 3.60 V"]


def test_a_run_stopped_before_it_began_has_no_tick_to_replay(play: Play, profile: Profile) -> None:
    stop = StopLadder()
    stop.request("SIGTERM")
    assert all_equal(play(profile("  - rest: 1 d\n"), stop=stop))[1].ticks == 0


def test_a_run_cut_short_replays_as_cut_short(play: Play, profile: Profile) -> None:
    run = play(profile(BALANCING, **BALANCED), until_s=70)
    replayed, _ = all_equal(run)
    assert replayed.verdict is Verdict.INCONCLUSIVE
    assert "the profile did not end" in replayed.reasons[0]


def test_a_record_cut_off_anywhere_never_passes(play: Play, profile: Profile) -> None:
    run = play(profile("  - rest: 4 s\n  - expect: {gap: {max: 1 V}}\n  - rest: 2 s\n"))
    records = records_of(run)
    assert run.verdict == "PASS"
    for count in range(len(records)):
        cut = replay(records[:count])
        assert cut.verdict is Verdict.INCONCLUSIVE
        assert cut.reasons[-1] == ENDS_HERE
        assert Difference("record", ENDS_HERE) in cut.differences


def test_a_verdict_rests_on_the_evidence_and_not_on_what_was_written_of_it(
    play: Play, profile: Profile
) -> None:
    """Every expectation made to have passed: the replay is not impressed."""
    steps = "  - rest: 2 s\n  - expect: {cell.voltage: {max: 3.0 V}}\n"
    records = records_of(play(profile(steps, verdict="[max_cell_voltage <= 3.0 V]")))
    flattered = [
        (seq, _passed(one) if isinstance(one, ExpectationJudged) else one) for seq, one in records
    ]
    replayed = replay(flattered)
    assert replayed.verdict is Verdict.FAIL
    found = [str(one) for one in replayed.differences]
    assert sum("passed is True, recomputed False" in one for one in found) == 2


def _passed(one: ExpectationJudged) -> ExpectationJudged:
    fields = {name: getattr(one, name) for name in one.__slots__}
    return ExpectationJudged(**{**fields, "passed": True})


def test_the_command_says_equal_and_ends_with_0_whatever_the_verdict(
    play: Play, profile: Profile, tmp_path: Path
) -> None:
    run = play(profile("  - rest: 2 s\n", verdict="[max_cell_voltage <= 3.0 V]"))
    assert run.verdict == "FAIL"
    process = hil("runs", "replay", "last", "--physics", "--json", cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    body = json.loads(out)
    assert body["equal"]
    assert body["verdict"] == "FAIL"
    assert body["digest"] == run.digest
    assert body["metrics"] == told(run)["metrics"]
    assert body["physics"] | {"ticks": 0} == {
        "ticks": 0,
        "largest_v": 0.0,
        "largest_soc_ratio": 0.0,
        "largest_k": 0.0,
        "stopped": "",
    }


def test_the_command_names_what_differs_and_ends_with_65(
    play: Play, profile: Profile, tmp_path: Path
) -> None:
    run = play(profile("  - rest: 2 s\n"))
    path = Path(run.summary["folder"]) / "summary.json"
    body = told(run)
    body["digest"] = "0" * 64
    body["metrics"]["max_cell_voltage"]["value"] += 1e-15
    path.write_text(json.dumps(body), encoding="utf-8")
    process = hil("runs", "replay", "last", cwd=tmp_path)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 65
    lines = [line for line in out.splitlines() if line.startswith("differs")]
    assert [line.split()[1] for line in lines] == ["digest:", "max_cell_voltage:"]
    path.unlink()
    process = hil("runs", "replay", "last", cwd=tmp_path)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 65
    assert "there is no summary.json" in out
