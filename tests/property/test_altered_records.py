"""A run's record with one thing changed: always found, never better than the evidence."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hil.app import Request, run_profile
from hil.bench.rejudge import same
from hil.bench.replay import Difference, Replayed, against, replay
from hil.bench.replay_physics import replay_physics
from hil.bench.stop import StopLadder
from hil.core.records import (
    BoardFaultChanged,
    Deviation,
    ExpectationJudged,
    Record,
    RecordsLost,
    RunEnded,
    RunStarted,
    StepEnded,
    Tick,
)
from hil.core.signals import Layout, Signal
from hil.results.reader import read
from hil.verdict.judgement import Verdict

PROFILE = """\
profile: to-be-altered
about: a short run with bleeds, a fault, expectations of every kind
needs: {cells: 16}
controller: {strategy: fixed-threshold, every: 2 s, start: 5 mV, stop: 2 mV}
pack: {cell: lfp-100ah, soc: 98 %, spread: {capacity: 1 %, soc: 0.8 %}}
verdict: [max_cell_voltage <= 3.60 V, bled_charge >= 0.0001 Ah]
steps:
  - charge: {current: 30 A, until: [after: 6 s]}
  - expect: {cell.voltage: {min: 3.2 V, max: 3.6 V}}
  - inject: {target: wiring, fault: open-lead, cell: 6}
  - expect: {board: open-wire, cell: 6, within: 10 s}
  - rest: 2 s
"""

Numbered = list[tuple[int, Record]]


class Whole(NamedTuple):
    """A run that passed: its records and its summary, as they stand on the disk."""

    records: Numbered
    summary: Mapping[str, Any]


@cache
def whole() -> Whole:
    """Play the profile once."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "to-be-altered.yaml"
        path.write_text(PROFILE, encoding="utf-8")
        request = Request(str(path), runs=Path(folder) / "runs")
        run = run_profile(request, StopLadder(), lambda _status: None).summary["folder"]
        summary = json.loads((Path(run) / "summary.json").read_text(encoding="utf-8"))
        return Whole(list(read(Path(run))), summary)


def differences(records: Numbered) -> list[Difference]:
    """Return all that a replay finds, physics and summary included."""
    replayed = replay(records)
    told = against(replayed, whole().summary)
    return [*replayed.differences, *told, *replay_physics(records).differences]


def test_the_run_that_is_altered_below_is_whole_and_passes() -> None:
    records = whole().records
    assert differences(records) == []
    assert replay(records).verdict is Verdict.PASS
    kinds = {type(record) for _, record in records}
    assert {BoardFaultChanged, ExpectationJudged, StepEnded, Tick, RunEnded} <= kinds


# --- one record changed at random ---------------------------------------------------------------

anywhere = st.integers(0, 10**6)


@given(place=anywhere)
def test_a_record_that_is_missing_is_found_and_never_passes(place: int) -> None:
    records = list(whole().records)
    seq, _ = records.pop(place % len(records))
    replayed = replay(records)
    assert replayed.verdict is not Verdict.PASS
    told = [str(one) for one in replayed.differences]
    if seq < len(records):
        assert f"record: {seq} is missing" in told
    assert differences(records)


@given(place=anywhere, to=anywhere)
def test_a_record_that_is_doubled_or_moved_is_found(place: int, to: int) -> None:
    records = list(whole().records)
    moved = records[place % len(records)]
    records.insert(to % len(records), moved)
    assert replay(records).differences
    records.remove(moved)
    assume(records != whole().records)
    assert replay(records).differences


floats = st.floats() | st.floats(-5.0, 5.0)
whole_numbers = st.integers(-(2**70), 2**70) | st.integers(-3, 3)


def _another(data: st.DataObject, value: Any) -> Any:
    """Draw something else of the same kind, or one element of it changed, added or taken out."""
    simple: dict[type, st.SearchStrategy[Any]] = {
        bool: st.booleans() | st.none(),
        int: whole_numbers,
        float: floats,
        type(None): st.booleans(),
    }
    if type(value) in simple:
        return data.draw(simple[type(value)])
    if isinstance(value, str):
        at = data.draw(st.integers(0, len(value)))
        return (
            value[:at] + data.draw(st.text("0123456789.,:{}[]ea\x00", max_size=3)) + value[at + 1 :]
        )
    if isinstance(value, Mapping):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: _another(data, value[name])}
    at = data.draw(st.integers(0, len(value) - 1))
    put = data.draw(st.sampled_from(["changed", "dropped", "doubled"]))
    middle = {"changed": (), "dropped": (), "doubled": (value[at], value[at])}[put]
    if put == "changed":
        middle = (_another(data, value[at]),)
    return (*value[:at], *middle, *value[at + 1 :])


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    return same(one, other)


@given(data=st.data(), place=anywhere)
def test_a_record_of_which_anything_is_altered_is_found(data: st.DataObject, place: int) -> None:
    """Nothing makes the replay raise either: not a layout, a profile or an instant gone mad."""
    records = list(whole().records)
    # one in five times the first record, which rules all others
    at = data.draw(st.sampled_from([0, *[place % len(records)] * 4]))
    seq, record = records[at]
    name = data.draw(st.sampled_from([f.name for f in fields(record)]))
    old = getattr(record, name)
    new = _another(data, old)
    assume(not _alike(old, new))
    records[at] = seq, replace(record, **{name: new})
    assert differences(records)


# --- what a forger would change -----------------------------------------------------------------


def _column(name: str) -> int:
    started = whole().records[0][1]
    assert isinstance(started, RunStarted)
    return Layout(Signal(*signal) for signal in started.signals).index(name)


def _nudged(name: str, by: float) -> Callable[[Record], Record | None]:
    """Return a change of one column of the fifth tick of a run."""
    ticks = 0

    def change(record: Record) -> Record | None:
        nonlocal ticks
        if not isinstance(record, Tick):
            return None
        ticks += 1
        if ticks != 5:
            return None
        values = list(record.values)
        values[_column(name)] += by
        return replace(record, values=tuple(values))

    return change


def _in(kind: type[Record], **new: Any) -> Callable[[Record], Record | None]:
    """Return a change of every record of a kind."""
    return lambda record: replace(record, **new) if isinstance(record, kind) else None


def _first(old: str, new: str) -> Callable[[Record], Record | None]:
    """Return a change of the profile in the first record."""

    def change(record: Record) -> Record | None:
        if not isinstance(record, RunStarted):
            return None
        assert old in record.resolved
        return replace(record, resolved=record.resolved.replace(old, new))

    return change


def altered(change: Callable[[Record], Record | None]) -> Numbered:
    """Return the records with ``change`` where it applies."""
    return [(seq, change(record) or record) for seq, record in whole().records]


FORGED: dict[str, tuple[Callable[[Record], Record | None], str]] = {
    "the verdict": (_in(RunEnded, verdict="FAIL"), "verdict 'FAIL', recomputed 'PASS'"),
    "the reason": (_in(RunEnded, reason="well done"), "reason 'well done', recomputed"),
    "an expectation's value": (_in(ExpectationJudged, value=3.3), "value is 3.3, recomputed"),
    "its uncertainty": (_in(ExpectationJudged, uncertainty=0.0), "uncertainty is 0.0, recomputed"),
    "its limit": (_in(ExpectationJudged, limit=9.0), "limit is 9.0, recomputed"),
    "its outcome": (_in(ExpectationJudged, passed=None), "passed is None, recomputed True"),
    "the profile's limit": (
        _first('"maximum":3.6', '"maximum":3.7'),
        "limit is 3.6, recomputed 3.7",
    ),
    "the profile's criterion": (
        _first('"limit":3.6', '"limit":3.7'),
        "limit is 3.6, recomputed 3.7",
    ),
    "when a fault was seen": (_in(BoardFaultChanged, at=8 * 10**9), "value is"),
    "which fault was seen": (_in(BoardFaultChanged, fault="over-voltage"), "recomputed inf"),
    "a step that ended": (_in(StepEnded, path="9.rest"), "step 9.rest ends without having begun"),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_was_forged_is_named_without_any_summary(name: str) -> None:
    change, said = FORGED[name]
    found = [str(one) for one in replay(altered(change)).differences]
    assert any(said in line for line in found), found


@pytest.mark.parametrize(
    ("column", "by", "metric"),
    [
        ("plant.cell_v", 1.0, "max_cell_voltage"),
        ("emulator.read_a", 0.01, "bled_charge"),
        ("pack.current_a", 1e-9, "throughput"),
        ("board.pcb_degc", 50.0, "peak_pcb_temperature"),
    ],
)
def test_a_row_that_was_forged_shows_in_its_metric(column: str, by: float, metric: str) -> None:
    told = against(replay(altered(_nudged(column, by))), whole().summary)
    assert {"digest", metric} <= {one.of for one in told}


@pytest.mark.parametrize(
    ("column", "by"),
    [
        ("plant.cell_v", 1e-8),
        ("plant.soc", 1e-8),
        ("plant.cell_degc", 1e-8),
        ("pack.current_a", 1e-3),
        ("emulator.read_a", 1e-2),
        ("emulator.span_s", 3600.0),
        ("chamber.air_degc", 10.0),
    ],
)
def test_physics_shows_a_row_that_was_forged(column: str, by: float) -> None:
    found = replay_physics(altered(_nudged(column, by)))
    assert [one.of for one in found.differences][:1] == ["physics"]
    assert not found.stopped
    assert math.isfinite(found.voltage.value)


@pytest.mark.parametrize(
    "change", [_in(RunStarted, seed=2), _first('"capacity_ah":100.0', '"capacity_ah":100.5')]
)
def test_physics_shows_that_another_pack_was_drawn(
    change: Callable[[Record], Record | None],
) -> None:
    found = replay_physics(altered(change))
    assert "another pack" in found.stopped
    assert found.ticks == 0


# --- what is lost, and what is known to be ------------------------------------------------------


def test_a_gap_that_the_record_itself_announces_is_no_difference_but_no_pass() -> None:
    records = [one for one in whole().records if one[0] != 20]
    end = records.pop()
    assert isinstance(end[1], RunEnded)
    lost = RecordsLost(end[1].at, 20, 20, "the disk was full")
    text = "records 20 to 20 are lost: the disk was full"
    said = RunEnded(end[1].at, "INCONCLUSIVE", text)
    replayed = replay([*records, (end[0], lost), (end[0] + 1, said)])
    assert replayed.verdict is Verdict.INCONCLUSIVE
    assert replayed.reasons[0] == text
    assert not any("missing" in str(one) for one in replayed.differences)


def test_a_proven_failure_stays_one_in_a_record_that_breaks_off() -> None:
    at = whole().records[30][1].at
    deviation = Deviation(at, "reading-off", "cell[1].voltage", 1.0, 0.1, "V", "made up")
    replayed = replay([*whole().records[:31], (31, deviation)])
    assert replayed.verdict is Verdict.FAIL
    assert replayed.ended is None


def test_no_records_at_all_show_nothing() -> None:
    replayed: Replayed = replay([])
    assert replayed.verdict is Verdict.INCONCLUSIVE
    assert replayed.metrics == {}
    assert replay_physics([]).ticks == 0


def test_so_many_differences_are_counted_and_not_all_told() -> None:
    tick = next(record for _, record in whole().records if isinstance(record, Tick))
    short = [(seq, replace(tick, values=())) for seq in range(500)]
    found = replay(short).differences
    assert 100 <= len(found) <= 101
    assert "more differences" in str(found[-1])
