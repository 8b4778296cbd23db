"""The house's series add up, have no gap, and are what the committed script makes."""

import csv
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

INPUTS = Path(__file__).resolve().parents[2] / "profiles" / "inputs"
COLUMNS = ["time_s", "load_w", "pv_w", "net_w", "ambient_degc"]
DAYS = {"household_day.csv": 1, "household_week.csv": 7, "household_winter_day.csv": 1}
SUMMER = ["household_day.csv", "household_week.csv"]

Row = dict[str, float]


def read(name: str) -> list[Row]:
    with (INPUTS / name).open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def days(name: str) -> list[list[Row]]:
    rows = read(name)
    return [rows[at : at + 1440] for at in range(0, len(rows), 1440)]


def energy_kwh(rows: list[Row], column: str) -> float:
    return sum(row[column] for row in rows) / 60_000


@pytest.mark.parametrize("name", DAYS)
def test_a_row_a_minute_without_a_gap(name: str) -> None:
    rows = read(name)
    assert list(rows[0]) == COLUMNS
    assert [row["time_s"] for row in rows] == [60.0 * k for k in range(1440 * DAYS[name])]


@pytest.mark.parametrize("name", DAYS)
def test_net_is_load_less_pv(name: str) -> None:
    assert all(row["net_w"] == row["load_w"] - row["pv_w"] for row in read(name))


@pytest.mark.parametrize("name", SUMMER)
def test_a_plausible_house(name: str) -> None:
    """4,500 kWh a year are 12.3 kWh a day; a 6 kWp roof yields 3 to 6 kWh/kWp in July."""
    for rows in days(name):
        assert 9 < energy_kwh(rows, "load_w") < 15
        assert 18 < energy_kwh(rows, "pv_w") < 36
        assert all(50 <= row["load_w"] <= 8_000 for row in rows)
        assert all(0 <= row["pv_w"] <= 6_000 for row in rows)


@pytest.mark.parametrize("name", SUMMER)
def test_the_sun_keeps_its_hours(name: str) -> None:
    """Standard time at 80° W: no power before 5 or after 20 o'clock, most of it around noon."""
    for rows in days(name):
        night = [row for row in rows if not 5 * 3600 <= row["time_s"] % 86_400 < 20 * 3600]
        assert not any(row["pv_w"] for row in night)
        noon = sum(k * row["pv_w"] for k, row in enumerate(rows)) / sum(r["pv_w"] for r in rows)
        assert 11.5 * 60 < noon < 13 * 60


@pytest.mark.parametrize("name", SUMMER)
def test_a_hot_summer(name: str) -> None:
    for rows in days(name):
        air = [row["ambient_degc"] for row in rows]
        assert min(air) > 20
        assert 32 < max(air) < 37
        assert max(abs(b - a) for a, b in pairwise(air)) <= 0.2


def test_a_winter_day() -> None:
    """55 degrees north in December: seven hours of low sun, and less of it than the house needs.

    The roof's share is bounded by the sun itself: 1.36 kW/m2 above the air, at most 12 degrees
    above the horizon for seven hours, on modules tilted by 30 degrees, is below 5 kWh/kWp.
    """
    [rows] = days("household_winter_day.csv")
    assert 9 < energy_kwh(rows, "load_w") < 15
    assert 2 < energy_kwh(rows, "pv_w") < min(30.0, energy_kwh(rows, "load_w"))
    assert all(0 <= row["pv_w"] <= 6_000 for row in rows)
    sunny = [row["time_s"] / 3600 for row in rows if row["pv_w"]]
    assert min(sunny) > 9.5
    assert max(sunny) < 17.5
    assert all(-9 <= row["ambient_degc"] <= -5 for row in rows)


def test_the_day_is_the_weeks_third() -> None:
    day, week = read("household_day.csv"), days("household_week.csv")[2]
    for alone, within in zip(day, week, strict=True):
        assert alone | {"time_s": 0} == within | {"time_s": 0}


@pytest.mark.skipif(
    not (find_spec("pvlib") and find_spec("demandlib")),
    reason="needs: .venv/bin/pip install -c constraints.txt -e '.[inputs]'",
)
def test_the_files_are_what_the_script_makes(tmp_path: Path) -> None:
    script = INPUTS / "make_household_series.py"
    subprocess.run([sys.executable, script, tmp_path], check=True)  # noqa: S603 - our own script
    for name in DAYS:
        assert (tmp_path / name).read_bytes() == (INPUTS / name).read_bytes()
