"""``hil validate cell``: what it reports, what it writes, and one line for each bad file."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cyclopts import Token

from hil.cli import BAD_INPUT, ENVIRONMENT, USAGE, main
from hil.cli.validate import _soc
from hil.physics.lone_cell import MOST_PACES, LoneCell
from hil.physics.validation import (
    Curve,
    Floats,
    Trace,
    errors,
    follow,
    horizontal_error,
    true_soc,
)
from hil.profile.load import load_cell
from hil.profile.measured import load_curve, parse_curve

CELL = load_cell("bpx-2ah")
HEADER = "time_s,current_A,voltage_V,cell_temp_C,ambient_C,discharged_Ah"
ROWS = "0,0,3.3,25,25,0\n10,0.5,3.29,25,25,0.000694\n20,0.5,3.28,25,25,0.002083\n"
GOOD = f"{HEADER}\n{ROWS}"


def played(start: float, current_a: list[float], every_s: float, degc: float = 25.0) -> Curve:
    """Return what the model itself shows: rows ``every_s`` apart, finely stepped in between."""
    time_s: Floats = every_s * np.arange(len(current_a), dtype=np.float64)
    amperes = np.array(current_a)
    mean_a = (amperes[1:] + amperes[:-1]) / 2.0
    charge_ah = np.concatenate(([0.0], np.cumsum(mean_a * every_s))) / 3600.0
    none = np.zeros(time_s.size)
    ambient = np.full(time_s.size, degc)
    curve = Curve("played", time_s, amperes, none, ambient, ambient, charge_ah)
    shown = follow(CELL, start, curve, longest_step_s=0.25)
    return Curve("played", time_s, amperes, shown.voltage_v, shown.cell_degc, ambient, charge_ah)


def written(curve: Curve, path: Path, offset_v: float = 0.0, offset_k: float = 0.0) -> Path:
    """Write a curve as a file, its voltage and temperature moved by an offset."""
    assert curve.cell_degc is not None
    assert curve.ambient_degc is not None
    columns = (
        curve.time_s,
        curve.current_a,
        curve.voltage_v + offset_v,
        curve.cell_degc + offset_k,
        curve.ambient_degc,
        curve.discharged_ah,
    )
    lines = [",".join(repr(float(one)) for one in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join((HEADER, *lines, "")), encoding="utf-8")
    return path


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """Return what the command prints as JSON."""
    assert main(["validate", "cell", "--parameters", "bpx-2ah", "--json", *arguments]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


DRIVE = [0.0, 1.0, 1.0, 0.2, -0.8, -0.8, 0.0, 0.0]


def test_an_offset_is_reported_as_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = played(0.6, DRIVE, 60.0)
    exact = written(curve, tmp_path / "exact.csv")
    moved = written(curve, tmp_path / "moved.csv", offset_v=0.007, offset_k=0.3)
    found = asked(capsys, "--soc", "0.6", str(exact), str(moved))
    assert [one["file"] for one in found] == [str(exact), str(moved)]
    assert set(found[0]) == {"file", "rms_mv", "max_mv", "dsoc_pct", "rms_k"}
    assert found[0]["rms_mv"] == pytest.approx(0.0, abs=0.1)
    assert found[0]["rms_k"] == pytest.approx(0.0, abs=0.001)
    assert found[1]["rms_mv"] == pytest.approx(7.0, abs=0.1)
    assert found[1]["max_mv"] == pytest.approx(7.0, abs=1.0)
    assert found[1]["dsoc_pct"] is None
    # The model starts where the file's cell does: 0.3 K too warm, and cools towards the ambient.
    assert 0.05 < float(found[1]["rms_k"]) < 0.3


@pytest.mark.parametrize("text", ["0.6", "60", "60 %", "60%"])
def test_a_state_of_charge_is_a_ratio_or_a_percentage(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(played(0.6, DRIVE, 60.0), tmp_path / "a.csv")
    [found] = asked(capsys, "--soc", text, str(path))
    assert float(found["rms_mv"]) < 0.1


def test_one_is_full_and_one_percent_is_not() -> None:
    assert [_soc(float, [Token(value=text)]) for text in ("1", "1 %", "1.5")] == [1.0, 0.01, 0.015]


@pytest.mark.parametrize("text", ["101", "-1", "nan", "half", "1.2.3", "", "1_0"])
def test_what_is_no_state_of_charge_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(GOOD, encoding="utf-8")
    arguments = ["validate", "cell", "--parameters", "bpx-2ah", f"--soc={text}", str(path)]
    assert main(arguments) == USAGE
    assert "expected a state of charge such as 90 %" in capsys.readouterr().err


def test_the_true_charge_falls_as_charge_is_taken() -> None:
    text = "time_s,current_A,voltage_V,ambient_C\n0,1,3.2,25\n3600,1,3.2,25\n"
    curve = parse_curve(text.encode(), "a.csv")
    assert true_soc(curve, 0.9, 2.0) == pytest.approx([0.9, 0.4])


def test_rows_outside_5_to_97_percent_do_not_count() -> None:
    """Of ten rows from 99 to 2 % the first and the last are told apart by a volt, and left out."""
    ends = np.array([1.0] + [0.0] * 8 + [1.0])
    soc = np.array([0.99, 0.97, 0.9, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.02])
    none = np.zeros(10)
    curve = Curve("ends", np.arange(10.0), none, none, none, none, none)
    found = errors(curve, Trace(soc, ends, none, np.full(10, np.nan)), soc)
    assert (found.rms_mv, found.max_mv, found.dsoc_pct) == (0.0, 0.0, None)


def test_the_horizontal_error_is_the_charge_that_was_moved() -> None:
    """A cell that holds 0.3 % more than it is told shows a horizontal error of 0.3 %."""
    slow = [0.0] + [-0.02] * 40
    curve = played(0.985, slow, 60.0)
    told = true_soc(curve, 0.982, CELL.capacity_ah)
    found = errors(curve, follow(CELL, 0.982, curve), told)
    assert found.dsoc_pct == pytest.approx(0.3, abs=0.005)
    assert found.rms_mv is None  # no row is below 97 %


@pytest.mark.parametrize("shift", [-0.004, 0.0, 0.004])
def test_the_shift_is_found_with_its_sign(shift: float) -> None:
    model = LoneCell(CELL, 0.992, 25.0)
    seen_v = model.shifted_voltage_v(0.0, shift)
    assert horizontal_error(model, 0.0, seen_v) == pytest.approx(shift, abs=1e-6)
    assert model.voltage_v(0.0) == pytest.approx(model.shifted_voltage_v(0.0, 0.0), abs=1e-12)


def test_on_the_flat_part_no_shift_is_defined() -> None:
    assert np.isnan(horizontal_error(LoneCell(CELL, 0.975, 25.0), 0.0, 3.4))


def test_a_voltage_that_no_charge_shows_is_reported_at_its_bound() -> None:
    model = LoneCell(CELL, 0.995, 25.0)
    assert abs(horizontal_error(model, 0.0, -1e9)) == 0.5


def test_current_is_a_straight_line_between_rows() -> None:
    """Two rows far apart and the same line with rows between are one drive."""
    coarse = played(0.5, [0.0, 2.0], 600.0)
    time_s = np.linspace(0.0, 600.0, 11)
    amperes = 2.0 * time_s / 600.0
    flat = np.full(11, 25.0)
    fine = Curve("fine", time_s, amperes, flat, flat, flat, amperes * time_s / 7200.0)
    shown = follow(CELL, 0.5, fine, longest_step_s=0.25)
    assert shown.voltage_v[-1] == pytest.approx(coarse.voltage_v[-1], abs=1e-5)
    assert shown.soc_ratio[-1] == pytest.approx(0.5 - 600.0 / 3600.0 / CELL.capacity_ah, abs=1e-9)


def test_a_clock_with_its_own_rounding_is_followed() -> None:
    """Seconds of a calendar date have no whole microseconds, those of a cycler are never alike."""
    time_s = 1.7e9 + np.cumsum([1.0000007, 0.9998031, 1.0002503, 0.1000003, 7e-7, 0.9999004])
    amperes, flat = np.full(6, 1.0), np.full(6, 25.0)
    charge_ah = (time_s - time_s[0]) / 3600.0
    shown = follow(CELL, 0.5, Curve("clock", time_s, amperes, flat, flat, None, charge_ah))
    assert shown.soc_ratio[-1] == pytest.approx(0.5 - charge_ah[-1] / CELL.capacity_ah, abs=1e-9)


def test_a_lone_cell_remembers_a_few_lengths_of_steps_and_not_all() -> None:
    model, lengths_s = LoneCell(CELL, 0.5, 25.0), 1.0 + 1e-3 * np.arange(2 * MOST_PACES + 1)
    for dt_s in lengths_s.tolist():
        model.step(dt_s, 1.0, 25.0)
        assert model._pace_of.cache_info().currsize <= MOST_PACES
    given_ah = lengths_s.sum() / 3600.0
    assert model.soc == pytest.approx(0.5 - given_ah / CELL.capacity_ah, abs=1e-12)


def test_ambient_is_a_straight_line_too() -> None:
    time_s, none = np.array([0.0, 7644.3]), np.zeros(2)
    curve = Curve("ramp", time_s, none, none, none, np.array([0.0, 10.0]), none)
    # dT/dt = (a t - T) / tau: behind a ramp of slope a the cell lags by a tau (1 - exp(-t / tau))
    tau_s = 0.03298 * 999.0 / 0.0431
    lag_k = 10.0 / 7644.3 * tau_s * (1.0 - np.exp(-7644.3 / tau_s))
    assert follow(CELL, 0.5, curve).cell_degc[-1] == pytest.approx(10.0 - lag_k, abs=0.005)


def test_without_an_ambient_the_cell_is_held_at_its_measured_temperature() -> None:
    text = "time_s,current_A,voltage_V,cell_temp_C\n0,1,3.2,5\n600,1,3.2,25\n1200,1,3.2,45\n"
    curve = parse_curve(text.encode(), "a.csv")
    shown = follow(CELL, 0.6, curve)
    assert shown.cell_degc == pytest.approx([5.0, 25.0, 45.0], abs=1e-9)
    assert errors(curve, shown, true_soc(curve, 0.6, CELL.capacity_ah)).rms_k is None


def test_without_a_charge_the_current_is_integrated() -> None:
    text = "time_s,current_A,voltage_V,ambient_C\n0,0,3.2,25\n3600,1,3.2,25\n"
    curve = parse_curve(text.encode(), "a.csv")
    assert curve.discharged_ah == pytest.approx([0.0, 0.5])
    assert errors(curve, follow(CELL, 0.6, curve), true_soc(curve, 0.6, 2.0)).rms_k is None


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("note,voltage_V,time_s,ambient_C,current_A\n,3.2,0,25,1\nx,3.1,1,25,2\n")
    curve = load_curve(path)
    assert curve.voltage_v.tolist() == [3.2, 3.1]
    assert curve.current_a.tolist() == [1.0, 2.0]


def test_two_rows_of_one_time_are_a_jump_of_the_current() -> None:
    head = "time_s,current_A,voltage_V,ambient_C\n"
    jump = parse_curve(f"{head}0,0,3.3,25\n60,0,3.3,25\n60,1,3.2,25\n120,1,3.2,25\n".encode(), "a")
    ramp = parse_curve(
        f"{head}0,0,3.3,25\n60,0,3.3,25\n60.0001,1,3.2,25\n120,1,3.2,25\n".encode(), "b"
    )
    assert jump.discharged_ah[-1] == pytest.approx(1.0 / 60.0)
    shown_v = follow(CELL, 0.6, jump).voltage_v
    assert shown_v == pytest.approx(follow(CELL, 0.6, ramp).voltage_v, abs=1e-5)
    assert shown_v[1] - shown_v[2] > 0.01  # ohms, at once


def test_an_empty_line_may_end_a_file() -> None:
    head = "time_s,current_A,voltage_V,ambient_C\n"
    curve = parse_curve(f"{head}0,0,3.3,25\n60,0,3.3,25\n\n\n".encode(), "a.csv")
    assert curve.time_s.tolist() == [0.0, 60.0]


BAD = {
    "empty": (GOOD, "", ":1:1: is empty, expected columns time_s, current_A"),
    "header alone": (ROWS, "", ":1:1: expected at least two rows of values"),
    "one row": (ROWS, "0,0,3.3,25,25,0\n", ":2:1: expected at least two rows"),
    "falling": ("20,0.5", "9,0.5", ":4:1: time_s: found 9 after 10, expected time not to fall"),
    "a gap": ("20,0.5", "\n20,0.5", ":4:1: found an empty line, expected 6 values"),
    "NaN": ("3.29", "nan", ":3:1: voltage_V: found 'nan', expected a finite number"),
    "text": ("3.29", "high", ":3:1: voltage_V: found 'high', expected a number"),
    "nothing": ("3.29", "", ":3:1: voltage_V: found '', expected a number"),
    "infinite": ("10,0.5", "10,inf", ":3:1: current_A: found 'inf', expected a finite number"),
    "short row": ("25,25,0.002083", "25", ":4:1: found 4 values, expected 6 values"),
    "missing": ("current_A", "current_a", ":1:1: current_A: no column 'current_A'; did you mean"),
    "twice": ("ambient_C", "voltage_V", ":1:1: voltage_V: two columns are named 'voltage_V'"),
    "no temperature": (
        "cell_temp_C,ambient_C",
        "a,b",
        ":1:1: cell_temp_C: neither 'cell_temp_C' nor 'ambient_C'",
    ),
    "sign": (
        "20,0.5,3.28,25,25,0.002083",
        "3600,0.5,3.28,25,25,-0.5",
        ": at 3600 s discharged_Ah has moved by -0.5 Ah, current_A by 0.4993 Ah: expected the same",
    ),
    "millivolts": ("3.29", "3290", ":3:1: voltage_V: found 3290, expected -10 to 10 V of one cell"),
    "kelvins": ("3.29,25", "3.29,298", ":3:1: cell_temp_C: found 298, expected -60 to 120 degC"),
    "no such air": ("3.29,25,25", "3.29,25,-300", ":3:1: ambient_C: found -300, expected -60 to"),
    "no such current": (
        ROWS,
        "0,0,3.3,25,25,0\n1e-5,5e6,3.28,25,25,0\n",
        ": not finite, or beyond 1e+06: ",
    ),
    "milliamperes": (
        ROWS,
        "0,500,3.3,25,25,0\n20,500,3.28,25,25,2.7778\n",
        ": at 20 s a cell of 2.08 Ah would be at -83.54 %: expected 0 to 100 %; look at the charge",
    ),
    "no end": (ROWS, "0,0,3.3,25,25,0\n4e7,0,3.3,25,25,0\n", ": time_s goes on for 4e+07 s"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_line(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, says = BAD[case]
    assert old in GOOD
    path = tmp_path / "bad.csv"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    code = main(["validate", "cell", "--parameters", "bpx-2ah", "--soc", "0.5", str(path)])
    told = capsys.readouterr()
    assert code == BAD_INPUT
    assert told.out == ""
    assert told.err.startswith(f"{path}{says}"), told.err
    assert told.err.count("\n") == 1


def test_every_bad_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / name) for name in ("none.csv", "nothing.csv")]
    assert main(["validate", "cell", "--parameters", "bpx-2ah", "--soc", "1", *files]) == BAD_INPUT
    assert [line.partition(": ")[0] for line in capsys.readouterr().err.splitlines()] == files


def test_an_unknown_cell_and_no_file_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "cell", "--parameters", "bpx-2h", "--soc", "1", "a.csv"]) == BAD_INPUT
    assert "did you mean 'bpx-2ah'" in capsys.readouterr().err
    assert main(["validate", "cell", "--parameters", "bpx-2ah", "--soc", "1"]) == USAGE


def test_a_cell_that_nobody_cooled_bare_is_told_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(GOOD, encoding="utf-8")
    asking = ["validate", "cell", "--parameters", "lfp-100ah", "--soc", "60", str(path)]
    assert main(asking) == BAD_INPUT
    told = capsys.readouterr().err
    assert told.startswith("lfp-100ah: cooling: missing, expected what the bare cell gives")
    assert told.count("\n") == 1
    path.write_text(GOOD.replace("ambient_C", "somewhere_C"), encoding="utf-8")
    assert main(asking) == 0


def read(path: Path) -> dict[str, Floats]:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def test_a_trace_is_the_models_own_voltage_at_the_files_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = played(0.6, DRIVE, 60.0)
    path = written(curve, tmp_path / "a.csv", offset_v=0.02)
    asked(capsys, "--soc", "0.6", "--trace", str(tmp_path / "to" / "here"), str(path))
    trace = read(tmp_path / "to" / "here" / "a.csv")
    assert list(trace) == ["time_s", "voltage_V", "cell_temp_C"]
    assert trace["time_s"].tolist() == curve.time_s.tolist()
    assert trace["voltage_V"] == pytest.approx(curve.voltage_v, abs=5e-4)
    assert trace["cell_temp_C"] == pytest.approx(curve.cell_degc, abs=0.005)


def test_a_trace_takes_no_other_files_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    first = written(played(0.6, DRIVE, 60.0), tmp_path / "a.csv")
    second = tmp_path / "other" / "a.csv"
    second.write_text(first.read_text())
    before = first.read_text()
    start = ["validate", "cell", "--parameters", "bpx-2ah", "--soc", "0.6", "--trace"]
    assert main([*start, str(tmp_path), str(first)]) == ENVIRONMENT
    assert "would overwrite" in capsys.readouterr().err
    assert main([*start, str(tmp_path / "to"), str(first), str(second)]) == ENVIRONMENT
    assert "would both be traced to a.csv" in capsys.readouterr().err
    assert first.read_text() == before


def test_the_table_has_the_worst_first_and_says_what_it_was_held_against(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = played(0.6, DRIVE, 60.0)
    files = [written(curve, tmp_path / f"{mv}.csv", offset_v=mv / 1e3) for mv in (1, 9, 5)]
    arguments = ["validate", "cell", "--parameters", "bpx-2ah", "--soc", "60"]
    assert main([*arguments, *map(str, files)]) == 0
    head, *lines, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["file", "rms", "mV", "max", "mV", "dSOC", "%", "rms", "K"]
    assert [Path(line.split()[0]).name for line in lines] == ["9.csv", "5.csv", "1.csv"]
    assert last == "validated against a model, not against measured cells"
