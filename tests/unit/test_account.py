"""The account of a run, and figures as people read them."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reported import Made, expectation
from written import closed, unfinished

from hil.core.instants import SECOND
from hil.core.records import LinkFaulted, StopRequested, Tick
from hil.results import archive
from hil.results.account import account_of
from hil.results.contents import Contents, Rows
from hil.results.figures import figure, plain
from hil.results.reader import read
from hil.verdict.judgement import Judge, Verdict
from hil.verdict.metrics import Metrics


def test_metrics_and_verdict_are_those_of_the_records_one_by_one(tmp_path: Path) -> None:
    extra = (expectation("gap", passed=None, value=2.05),)
    folder = Made(ticks=9_000, verdict="INCONCLUSIVE", extra=extra).write(tmp_path / "run")
    metrics, judge = Metrics(), Judge()
    for _, record in read(folder):
        metrics.feed(record)
        judge.feed(record)
    account = account_of(folder)
    assert repr(account.metrics) == repr(metrics.result())
    assert account.judgement == judge.result()
    assert account.counts["tick"] == 9_000
    assert account.verdict == "INCONCLUSIVE"


@pytest.mark.parametrize("ending", ["archived", "killed"])
def test_stretches_hold_what_the_records_hold(ending: str, tmp_path: Path) -> None:
    folder, records = tmp_path / "run", list(Made(ticks=700).records())
    for place in (600, 333, 332, 100, 5):  # other records between ticks, two of them side by side
        records.insert(place, LinkFaulted(records[place].at, "board", "to host", "lost", place))
    if ending == "archived":
        closed(folder, records)
    else:
        unfinished(folder, records, batch=90)
    one_by_one = list(Contents(folder).records())
    contents = Contents(folder)
    seq = 0
    for part in contents.stretches():
        if isinstance(part, Rows):
            assert part.first == seq
            ticks = [record for _, record in one_by_one[part.first : part.last + 1]]
            assert all(isinstance(tick, Tick) for tick in ticks)
            values = [tick.values for tick in ticks if isinstance(tick, Tick)]
            assert np.array_equal(part.values, values, equal_nan=True)
            assert part.at_ns.tolist() == [tick.at for tick in ticks]
            seq = part.last + 1
        else:
            assert part == one_by_one[seq][1]
            seq += 1
    assert seq == len(one_by_one)
    assert 700 <= contents.most_ticks() <= seq


def test_stretches_find_the_same_damage(tmp_path: Path) -> None:
    folder = Made(ticks=20_000).write(tmp_path / "run")
    data = bytearray((folder / archive.FILE).read_bytes())
    data[len(data) // 2] ^= 255
    (folder / archive.FILE).write_bytes(data)
    one, other = Contents(folder), Contents(folder)
    counted = sum(isinstance(record, Tick) for _, record in one.records())
    in_rows = sum(len(part.at_ns) for part in other.stretches() if isinstance(part, Rows))
    assert counted == in_rows < 20_000
    assert one.findings == other.findings
    assert one.missing == other.missing


def test_evidence_is_weighed_as_the_judge_weighed_it(tmp_path: Path) -> None:
    """A failed one right after a link fault is nobody's; what comes after a stop is not weighed."""
    extra = (
        expectation("before", passed=False, value=9.0),
        LinkFaulted(2 * SECOND, "board", "to host", "lost", 1),
        expectation("behind", passed=False, value=9.0),
        StopRequested(3 * SECOND, "SIGINT", "stop"),
        expectation("after", passed=False, value=9.0),
    )
    account = account_of(Made(verdict="FAIL", extra=extra).write(tmp_path / "run"))
    weighed = [one.verdict for one in account.expectations]
    assert weighed == [Verdict.FAIL, Verdict.INCONCLUSIVE, None]


def test_an_unsafe_device_is_told_from_the_arming_on(tmp_path: Path) -> None:
    unfinished(tmp_path / "killed", list(Made().records())[:10])
    assert account_of(tmp_path / "killed").unsafe() == ["board"]
    assert account_of(Made().write(tmp_path / "run")).unsafe() == []


def test_a_run_that_ended_and_was_not_closed_has_no_verdict(tmp_path: Path) -> None:
    unfinished(tmp_path / "run", list(Made(ticks=9).records()))
    account = account_of(tmp_path / "run")
    assert account.ended is not None
    assert (account.problem, account.verdict) == ("not sealed", "")


@pytest.mark.parametrize(
    ("value", "uncertainty", "unit", "text"),
    [
        (0.1095850694925633, 0.000707, "V", "109.6 mV ± 0.7 mV"),
        (3.5, 0.0005, "V", "3.5000 V ± 0.0005 V"),
        (0.99564745, 8.557e-5, "1", "99.565 % ± 0.009 %"),
        (4.7267, 0.0235, "Ah", "4.727 Ah ± 0.024 Ah"),
        (48.7, 0.6, "degC", "48.7 °C ± 0.6 °C"),
        (0.0002, 1.3, "V", "0.0 V ± 1.3 V"),
        (25.90704, 0.0, "1/day", "25.907/day"),
        (-0.0, 0.1, "A", "0.00 A ± 0.10 A"),
        (math.inf, 1.0, "s", "never"),
        (math.nan, math.nan, "V", "not measured"),
        (None, None, "V", "not measured"),
    ],
)
def test_figures(value: float, uncertainty: float, unit: str, text: str) -> None:
    assert str(figure(value, uncertainty, unit)) == text


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e4))
def test_rounding_stays_within_the_uncertainty(value: float, uncertainty: float) -> None:
    """What is shown is off by at most half of the last digit, which the uncertainty bears.

    Both have the same last digit: that of six of the value, where the uncertainty has a finer one.
    """
    shown = figure(value, uncertainty, "K")
    read_back, spread = float(shown.value.split()[0]), float(shown.uncertainty.split()[0])
    half_digit = max(0.17 * uncertainty, 5e-6 * abs(value)) + 1e-12
    assert abs(read_back - value) <= half_digit
    assert abs(spread - uncertainty) <= half_digit


@given(st.floats(1e-3, 1e5))
@example(0.015625)  # zeros after the point are no digits
def test_exact_values_keep_five_digits(value: float) -> None:
    assert float(plain(value, "K").split()[0]) == pytest.approx(value, rel=6e-5)
