"""Series from CSV files: what is read, and the line of each mistake."""

import hashlib
import time
from pathlib import Path

import pytest

from hil.core.errors import ConfigErrors
from hil.core.instants import HOUR, MINUTE, SECOND
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


FIRST = "expected 'time_s' or 'time' as the first column, and commas between columns"
GOOD = "time_s,net_w\n0,1\n60,2\n120,3\n180,4\n"

BAD = {
    "gap": ("120,3\n", "", "f.csv:4:1: 120 s after the row before, expected 60 s: a gap"),
    "backwards": ("120,3", "30,3", "f.csv:4:1: the time does not increase"),
    "twice": ("120,3", "60,3", "f.csv:4:1: the time does not increase"),
    "nan": ("120,3", "120,nan", "f.csv:4:1: net_w: found 'nan', expected a finite number"),
    "text": ("120,3", "120,x", "f.csv:4:1: net_w: found 'x', expected a number such as 3.5"),
    "empty cell": ("120,3", "120,", "f.csv:4:1: net_w: found '', expected a number such as 3.5"),
    "no time": (
        "120,3",
        "noon,3",
        "f.csv:4:1: time_s: found 'noon', expected seconds",
    ),
    "infinite time": ("120,3", "inf,3", "f.csv:4:1: time_s: found 'inf', expected a time"),
    "too many values": ("120,3", "120,3,4", "f.csv:4:1: found 3 values, expected 2 values"),
    "missing column": (
        "net_w",
        "nett_w",
        "f.csv:1:1: net_w: no column 'net_w'; did you mean 'nett_w'?",
    ),
    "no time column": (
        "time_s",
        "hour",
        f"f.csv:1:1: found 'hour', {FIRST}",
    ),
    "one row": ("60,2\n120,3\n180,4\n", "", "f.csv:2:1: expected at least two rows of values"),
    "empty": (GOOD, "", f"f.csv:1:1: is empty, {FIRST}"),
    "semicolons": ("time_s,net_w", "time_s;net_w", f"f.csv:1:1: found 'time_s;net_w', {FIRST}"),
    "decimal comma": (
        "120,3",
        '120,"3,5"',
        "f.csv:4:1: net_w: found '3,5', expected a number such as 3.5",
    ),
    "Python's digits": ("120,3", "120,1_0", "f.csv:4:1: net_w: found '1_0', expected a number"),
    "another script's digits": ("120,3", "120,\u0663", "f.csv:4:1: net_w: found '\u0663'"),
    "one name twice": (
        "time_s,net_w",
        "net_w,time_s,net_w",
        f"f.csv:1:1: found 'net_w', {FIRST}",
    ),
    "empty line": ("120,3", "", "f.csv:4:1: found an empty line, expected 2 values"),
    "empty line at the end": ("180,4\n", "180,4\n\n", "f.csv:6:1: found an empty line"),
    "line break in quotes": (
        "120,3",
        '"12\n0",3',
        "f.csv:4:1: found a quoted line break, expected one row a line",
    ),
    "open quote": ("120,3", '120,"3', "f.csv:4:1: is no CSV text: unexpected end of data"),
    "junk after a quote": (
        "120,3",
        '120,"3"x',
        "f.csv:4:1: is no CSV text: ',' expected after '\"'",
    ),
    "escape sequence": (
        "120,3",
        "120,\x1b[31m3",
        "f.csv:4:5: found the control character U+001B, expected printable text",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_series_prints_one_line(case: str) -> None:
    old, new, line = BAD[case]
    assert old in GOOD
    with pytest.raises(ConfigErrors) as errors:
        parse_series(GOOD.replace(old, new).encode(), "f.csv", "net_w")
    assert str(errors.value).startswith(line)
    assert str(errors.value).count("\n") == 0


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigErrors, match="two columns are named 'net_w', expected one"):
        parse_series(b"time_s,net_w,net_w\n0,1,2\n60,1,2\n", "f.csv", "net_w")


def test_thousand_columns_carriage_returns_and_quotes_are_all_right() -> None:
    names = ",".join(f"c{number}_w" for number in range(1000))
    rows = "".join(f"{60 * row}," + ",".join(["7"] * 1000) + "\n" for row in range(3))
    assert parse_series(f"time_s,{names}\n{rows}".encode(), "f.csv", "c999_w").values == (7.0,) * 3
    for text in (GOOD.replace("\n", "\r\n"), GOOD.replace("\n", "\r"), f"\ufeff{GOOD}"):
        assert parse_series(text.encode(), "f.csv", "net_w").values == (1.0, 2.0, 3.0, 4.0)
    assert parse_series(GOOD.replace(",3", ',"3"').encode(), "f.csv", "net_w").values[2] == 3.0


def test_a_time_without_an_offset_is_utc_whatever_the_host_thinks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # the night in which Berlin's clocks skip an hour
    rows = "".join(f"2026-03-29T{hour:02d}:00:00,1\n" for hour in range(6))
    try:
        monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        series = parse_series(f"time,net_w\n{rows}".encode(), "f.csv", "net_w")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert series.times_ns == tuple(hour * HOUR for hour in range(6))


def test_a_column_in_another_unit_is_refused() -> None:
    text = GOOD.replace("net_w", "air_degc").encode()
    with pytest.raises(ConfigErrors, match="neither a current nor a power: expected a column in A"):
        parse_series(text, "f.csv", "air_degc")


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"f.csv:2:3: found byte 0xff, expected text in UTF-8"):
        parse_series(b"time_s,net_w\n0,\xff\n", "f.csv", "net_w")
    with pytest.raises(ConfigErrors, match=r"x.csv: cannot be read: no such file"):
        load_series(tmp_path / "x.csv", "x.csv", "net_w")
