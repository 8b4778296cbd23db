"""Series from CSV files: what is read, and the line of each mistake."""

import hashlib
from pathlib import Path

import pytest

from hil.core.errors import ConfigErrors
from hil.core.instants import MINUTE, SECOND
from hil.profile.files import CHECKOUT
from hil.profile.series import load_series, parse_series


def test_a_household_file_is_read_by_the_minute() -> None:
    path = CHECKOUT / "inputs" / "household_day.csv"
    series = load_series(path, path.name, "net_w")
    assert (series.kind, series.step_ns, len(series.values)) == ("power", MINUTE, 1440)
    assert series.times_ns[-1] == 1439 * MINUTE
    assert series.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    rows = path.read_text().splitlines()
    column = rows[0].split(",").index("net_w")
    assert series.values[720] == float(rows[721].split(",")[column])


def test_times_may_be_iso_and_begin_anywhere() -> None:
    text = b"time,pack_a\n2026-07-01T00:00:00,1\n2026-07-01T00:00:10,-2\n2026-07-01T00:00:20,3\n"
    series = parse_series(text, "f.csv", "pack_a")
    assert series.kind == "current"
    assert series.times_ns == (0, 10 * SECOND, 20 * SECOND)
    assert series.values == (1.0, -2.0, 3.0)


GOOD = "time_s,net_w\n0,1\n60,2\n120,3\n180,4\n"

BAD = {
    "gap": ("120,3\n", "", "f.csv:4:1: 120 s after the row before, expected 60 s: a gap"),
    "backwards": ("120,3", "30,3", "f.csv:4:1: the time does not increase"),
    "twice": ("120,3", "60,3", "f.csv:4:1: the time does not increase"),
    "nan": ("120,3", "120,nan", "f.csv:4:1: net_w: found 'nan', expected a finite number"),
    "text": ("120,3", "120,x", "f.csv:4:1: net_w: found 'x', expected a number"),
    "empty cell": ("120,3", "120,", "f.csv:4:1: net_w: found '', expected a number"),
    "no time": (
        "120,3",
        "noon,3",
        "f.csv:4:1: time_s: found 'noon', expected a time in seconds or as 2026-07-01T00:00:00",
    ),
    "infinite time": ("120,3", "inf,3", "f.csv:4:1: time_s: found 'inf', expected a time"),
    "too many values": ("120,3", "120,3,4", "f.csv:4:1: found 3 values, expected 2"),
    "missing column": (
        "net_w",
        "nett_w",
        "f.csv:1:1: net_w: no column 'net_w'; did you mean 'nett_w'?",
    ),
    "no time column": (
        "time_s",
        "hour",
        "f.csv:1:1: found 'hour', expected 'time_s' or 'time' as the first column",
    ),
    "one row": ("60,2\n120,3\n180,4\n", "", "f.csv:2:1: expected at least two rows of values"),
    "empty": (GOOD, "", "f.csv:1:1: is empty, expected 'time_s' or 'time' as the first column"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_series_prints_one_line(case: str) -> None:
    old, new, line = BAD[case]
    assert old in GOOD
    with pytest.raises(ConfigErrors) as errors:
        parse_series(GOOD.replace(old, new).encode(), "f.csv", "net_w")
    assert str(errors.value) == line


def test_a_column_in_another_unit_is_refused() -> None:
    text = GOOD.replace("net_w", "air_degc").encode()
    with pytest.raises(ConfigErrors, match="neither a current nor a power: expected a column in A"):
        parse_series(text, "f.csv", "air_degc")


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"f.csv: is no CSV text"):
        parse_series(b"time_s,net_w\n0,\xff\n", "f.csv", "net_w")
    with pytest.raises(ConfigErrors, match=r"x.csv: cannot be read: no such file"):
        load_series(tmp_path / "x.csv", "x.csv", "net_w")
