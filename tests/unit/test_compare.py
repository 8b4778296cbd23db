"""Comparing runs: what counts as a change, and what is said of it."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reported import Made, expectation
from written import unfinished

from hil.cli import main
from hil.core.records import BenchFailed, Deviation, Record, Tripped
from hil.results import manifest
from hil.results.compare import compare, delta

BAD_INPUT = 65
NUMBERS = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.just(math.nan))
SPREADS = st.floats(0, 1e6)


def test_a_run_is_identical_to_itself_and_to_one_of_the_same_records(tmp_path: Path) -> None:
    one, other = Made().write(tmp_path / "a"), Made().write(tmp_path / "b")
    found = compare(one, other)
    assert found.identical
    assert found.equal
    assert [] == found.outcome == found.inputs == found.events == found.first_difference
    assert not any(figure.beyond for figure in found.metrics)


def test_the_first_record_that_differs_is_named_with_its_signals(tmp_path: Path) -> None:
    class Other(Made):
        def rows(self, first: int, count: int) -> Any:
            rows = super().rows(first, count)
            place = self.layout.columns("board.cell_v")
            rows[7:, place.start + 2] += 1e-3
            return rows

    found = compare(Made().write(tmp_path / "a"), Other().write(tmp_path / "b"))
    assert not found.identical
    assert found.equal, "no metric is made of the board's voltages"
    where, what = found.first_difference
    assert where.what == "record 11"
    assert where.first == "tick at 7 s"
    assert what.what == "board.cell_v[3]"


def test_inputs_versions_devices_and_events_that_differ_are_listed(tmp_path: Path) -> None:
    resolved = '[{"pack":{"soc":0.6},"steps":[{"kind":"rest"}]},{"clock":"wall"}]'
    other = '[{"pack":{"soc":0.5},"steps":[{"kind":"rest"}]},{"clock":"virtual"}]'
    one = Made(resolved=resolved).write(tmp_path / "a")
    versions = {"versions": {"python": "3.12.0"}}
    two = Made(61, resolved=other, device="bms").write(tmp_path / "b", **versions)
    found = compare(one, two)
    changed = {change.what: (change.first, change.second) for change in found.inputs}
    assert changed["pack.soc"] == ("0.6", "0.5")
    assert changed["bench.clock"] == ('"wall"', '"virtual"')
    assert changed["version of python"] == ("3.11.7", "3.12.0")
    assert changed["bms serial"] == (None, "0001")
    assert "steps.1.kind" not in changed
    assert [(c.what, c.first, c.second) for c in found.events] == [("tick", "60", "61")]


def test_an_expectation_judged_otherwise_is_beyond_however_near(tmp_path: Path) -> None:
    one = Made(extra=(expectation("gap", passed=True, value=1.9),)).write(tmp_path / "a")
    two = Made(extra=(expectation("gap", passed=None, value=1.91),)).write(tmp_path / "b")
    (gap,) = compare(one, two).expectations
    assert gap.beyond
    assert gap.uncertainty == pytest.approx(math.hypot(0.1, 0.1))


@given(NUMBERS, SPREADS)
def test_a_figure_has_not_changed_from_itself(value: float, spread: float) -> None:
    assert not delta("x", (value, spread, "V"), (value, spread, "V")).beyond


@given(NUMBERS, NUMBERS, SPREADS, SPREADS)
def test_which_run_comes_first_does_not_matter(a: float, b: float, ua: float, ub: float) -> None:
    one = delta("x", (a, ua, "V"), (b, ub, "V"))
    other = delta("x", (b, ub, "V"), (a, ua, "V"))
    assert one.beyond == other.beyond


@given(st.floats(-1e3, 1e3), st.floats(0.01, 10), st.floats(0.01, 10), st.floats(0.0, 0.99))
def test_within_the_combined_uncertainty_nothing_has_changed(
    value: float, ua: float, ub: float, share: float
) -> None:
    apart = math.hypot(ua, ub)
    near = delta("x", (value, ua, "V"), (value + share * apart, ub, "V"))
    far = delta("x", (value, ua, "V"), (value + (2 - share) * apart, ub, "V"))
    assert (near.beyond, far.beyond) == (False, True)


def test_what_only_one_run_could_measure_has_changed() -> None:
    nothing, something = (math.nan, math.nan, "V"), (1.0, 0.1, "V")
    assert delta("x", nothing, something).beyond
    assert delta("x", None, something).beyond
    assert not delta("x", nothing, nothing).beyond
    assert delta("x", (math.inf, 0.0, "s"), (5.0, 0.0, "s")).beyond
    assert not delta("x", (math.inf, 0.0, "s"), (math.inf, 0.0, "s")).beyond


def deviation(name: str, subject: str) -> Record:
    return Deviation(0, name, subject, 0.25, 0.1, "V", "at rest")


def trip(subject: str) -> Record:
    return Tripped(0, "over-voltage", subject, 3.7, 3.65, "V", True)  # noqa: FBT003 - the board's


@pytest.mark.parametrize(
    ("mine", "theirs", "named"),
    [
        (deviation("off", "cell 5"), deviation("late", "cell 5"), "deviation: off of cell 5"),
        (deviation("off", "cell 5"), deviation("off", "cell 6"), "deviation: off of cell 5"),
        (trip("cell 5"), trip("cell 6"), "tripped: over-voltage of cell 5"),
        (
            BenchFailed(0, "LinkLost", "chamber: gone"),
            BenchFailed(0, "LinkLost", "board: gone"),
            "bench-failed: LinkLost of chamber",
        ),
    ],
)
def test_the_same_verdict_on_other_grounds_is_not_equal(
    tmp_path: Path, mine: Record, theirs: Record, named: str
) -> None:
    one = Made(verdict="FAIL", extra=(mine,)).write(tmp_path / "a")
    two = Made(verdict="FAIL", extra=(theirs,)).write(tmp_path / "b")
    found = compare(one, two)
    assert found.grounds[0].what == named
    assert found.grounds[0].second is None
    assert len(found.grounds) == 2
    assert not found.equal
    assert compare(one, one).equal


def test_a_deviation_that_came_more_often_is_the_same_ground(tmp_path: Path) -> None:
    """How often something was seen is a matter of figures; what was seen is not."""
    once = (deviation("off", "cell 5"),)
    one = Made(verdict="FAIL", extra=once).write(tmp_path / "a")
    two = Made(verdict="FAIL", extra=once * 2).write(tmp_path / "b")
    assert compare(one, two).equal


# --- records that show nothing ------------------------------------------------------------------


def test_a_run_that_was_killed_can_be_looked_at_but_is_equal_to_nothing(tmp_path: Path) -> None:
    records = list(Made().records())
    unfinished(tmp_path / "b", records[:30])
    found = compare(Made().write(tmp_path / "a"), tmp_path / "b")
    assert found.verdicts == ("PASS", "UNFINISHED")
    assert not found.equal
    assert found.first_difference[0].what == "record 30"
    assert found.first_difference[0].second is None
    assert found.problems == ("", "unfinished")


def flipped(folder: Path) -> None:
    """Turn one bit of the ticks."""
    ticks = folder / "ticks.parquet"
    data = bytearray(ticks.read_bytes())
    data[len(data) // 2] ^= 1
    ticks.write_bytes(data)


def without_papers(folder: Path) -> None:
    """Take the manifest away."""
    (folder / manifest.FILE).write_text("{}", encoding="utf-8")


@pytest.mark.parametrize("spoil", [flipped, without_papers])
def test_what_is_damaged_is_not_called_identical_whatever_its_seal_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Any
) -> None:
    shutil.copytree(Made().write(tmp_path / "a"), tmp_path / "b")
    spoil(tmp_path / "b")
    for runs in (("a", "b"), ("b", "a"), ("b", "b")):
        assert main(["runs", "compare", *runs, "--runs-dir", str(tmp_path)]) == BAD_INPUT
        *_, told = capsys.readouterr().out.splitlines()
        assert told.startswith("cannot be compared: "), told
        assert "hil runs verify b" in told
    found = compare(tmp_path / "a", tmp_path / "b")
    assert not found.identical
    assert not found.equal


def test_a_killed_run_is_not_equal_to_its_own_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unfinished(tmp_path / "a", list(Made().records())[:30])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    at = ["--runs-dir", str(tmp_path)]
    assert main(["runs", "compare", "a", "b", *at]) == BAD_INPUT
    assert "cannot be compared: a is unfinished" in capsys.readouterr().out
    assert main(["runs", "compare", "a", "b", "--json", *at]) == BAD_INPUT
    body = json.loads(capsys.readouterr().out)
    assert (body["comparable"], body["equal"], body["identical"]) == (False, False, False)
    assert body["problems"] == ["unfinished", "unfinished"]


def test_exit_code_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Made().write(tmp_path / "a")
    Made(70, verdict="FAIL", extra=(expectation("gap", passed=False, value=3.0),)).write(
        tmp_path / "b"
    )
    at = ["--runs-dir", str(tmp_path)]
    assert main(["runs", "compare", "a", "a", *at]) == 0
    assert "identical" in capsys.readouterr().out
    assert main(["runs", "compare", "a", "b", *at]) == 1
    assert "different: other verdict" in capsys.readouterr().out
    assert main(["runs", "compare", "a", "b", "--json", *at]) == 1
    body = json.loads(capsys.readouterr().out)
    assert body["verdicts"] == ["PASS", "FAIL"]
    assert body["equal"] is False
