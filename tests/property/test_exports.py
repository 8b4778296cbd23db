"""What is exported is what was recorded, read back by readers that nobody here wrote."""

import csv
import io
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written import closed, sample, unfinished

from hil.cli import ENVIRONMENT, main
from hil.core.records import Record, RunEnded, RunStarted, Tick
from hil.results import exports

Write = Callable[[Path, list[Record]], str]
WRITERS = pytest.mark.parametrize("write", [closed, unfinished])

SIGNALS = (("a", "V", 2), ("b, c", "degC", 0), ('d "e"', "", 0))
COLUMNS = ["a[1]", "a[2]", "b, c", 'd "e"']
values = st.one_of(
    st.floats(), st.sampled_from([0.0, -0.0, math.nan, math.inf, 5e-324, 1.7976931348623157e308])
)
rows = st.lists(st.tuples(values, values, values, values), max_size=30)


def run_of(table: list[tuple[float, ...]]) -> list[Record]:
    """Return a run with these rows, one every 100 ms from an instant that is not 0."""
    ticks = [Tick(7_005 + k * 10**8, row, f"{k:064x}") for k, row in enumerate(table)]
    started = RunStarted(0, "p", "b", 1, 10**8, "{}", SIGNALS, {})
    return [started, *ticks, RunEnded(10**12, "PASS", "")]


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@WRITERS
@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(table=rows)
def test_every_format_holds_what_was_recorded(
    write: Write, table: list[tuple[float, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("exported") / "run"
    run = run_of(table)
    write(folder, run)
    _csv_equals(folder, table)
    _parquet_equals(folder, run)
    _json_equals(folder, run)


def _csv_equals(folder: Path, table: list[tuple[float, ...]]) -> None:
    out = io.StringIO()
    exports.write_csv(folder, out)
    head, *lines = csv.reader(io.StringIO(out.getvalue()))
    assert head == ["time [s]", "a[1] [V]", "a[2] [V]", "b, c [degC]", 'd "e" []']
    assert len(lines) == len(table)
    for k, (line, row) in enumerate(zip(lines, table, strict=True)):
        assert float(line[0]) == pytest.approx(0.1 * k, abs=1e-12)
        for text, value in zip(line[1:], row, strict=True):
            assert (text == "") if math.isnan(value) else (bits(float(text)) == bits(value))


def _parquet_equals(folder: Path, run: list[Record]) -> None:
    out = io.BytesIO()
    exports.write_parquet(folder, out)
    table = pq.read_table(io.BytesIO(out.getvalue()))
    assert table.column_names == ["seq", "at_ns", "wire", *COLUMNS]
    units = [(table.schema.field(name).metadata or {}).get(b"unit", b"") for name in COLUMNS]
    assert units == [b"V", b"V", b"degC", b""]
    ticks = [(seq, record) for seq, record in enumerate(run) if isinstance(record, Tick)]
    assert table["seq"].to_pylist() == [seq for seq, _ in ticks]
    assert table["at_ns"].to_pylist() == [tick.at for _, tick in ticks]
    assert [wire.hex() for wire in table["wire"].to_pylist()] == [tick.wire for _, tick in ticks]
    for k, name in enumerate(COLUMNS):
        assert list(map(bits, table[name].to_pylist())) == [bits(t.values[k]) for _, t in ticks]


def _json_equals(folder: Path, run: list[Record]) -> None:
    lines = [json.loads(json.dumps(one)) for one in exports.json_records(folder)]
    assert [line["kind"] for line in lines] == [record.kind for record in run]
    assert [line["seq"] for line in lines] == list(range(len(run)))
    for line, record in zip(lines, run, strict=True):
        if isinstance(record, Tick):
            finite = [value if math.isfinite(value) else None for value in record.values]
            assert [v if v is None else bits(v) for v in line["values"]] == [
                v if v is None else bits(v) for v in finite
            ]


@WRITERS
@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_the_command_writes_a_file_once_and_none_of_a_damaged_run(
    write: Write, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "run", sample(40))
    target = tmp_path / f"out.{form}"
    ask = ["runs", "export", str(tmp_path / "run"), "--format", form, "-o", str(target)]
    assert main(ask) == 0
    before = target.read_bytes()
    assert before
    assert main(ask) == ENVIRONMENT
    assert target.read_bytes() == before
    target.unlink()
    [ticks] = [*(tmp_path / "run").glob("ticks-*.arrow"), *(tmp_path / "run").glob("*.parquet")]
    data = ticks.read_bytes()
    ticks.write_bytes(data[:-300] + bytes([data[-300] ^ 1]) + data[-299:])
    capsys.readouterr()
    assert main(ask) == ENVIRONMENT
    assert capsys.readouterr().err.count("\n") == 1
    assert not target.exists(), "half an export looks like a whole one"
