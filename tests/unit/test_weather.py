"""Weather in a profile: how it is written, refused, recorded, and followed."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from hil.app import Request, prepare
from hil.bench.assembly import make_layout
from hil.bench.driven import Driven, make_plant
from hil.bench.outdoors import Outdoors
from hil.bench.recorded import Recorded, run_started
from hil.bench.tick import ChamberOrder
from hil.core.errors import ConfigErrors
from hil.core.instants import HOUR, MINUTE, SECOND
from hil.core.spec import Range
from hil.physics.enclosure import ambient
from hil.profile import load_bench, load_profile, profile_schema
from hil.profile.model import Window
from hil.profile.weather import Weather, load_climate
from hil.verdict.registry import Uncertainties

PROFILE = """\
profile: weathered
needs: {cells: 16, chamber: {min: 20 degC, max: 60 degC}}
controller: {strategy: top-balance}
pack:
  cell: lfp-100ah
  ambient: {climate: gulf-desert, from: 15 July, enclosure: sun, seed: 4}
steps:
  - chamber: {climate: gulf-desert, from: 15 July 06:00}
  - rest: 10 h
verdict: [max_cell_voltage <= 3.60 V]
"""


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    text = PROFILE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "weathered.yaml"
    path.write_text(text)
    return path


def weather_of(folder: Path, *changes: tuple[str, str]) -> Weather:
    weather = load_profile(written(folder, *changes)).pack.weather
    assert weather is not None
    return weather


# --- what is written ------------------------------------------------------------------------------


def test_the_pack_stands_in_the_climate_from_its_date_on(tmp_path: Path) -> None:
    """15 July is day 195 of a year, counted from 0: 181 days of six months, and 14."""
    weather = weather_of(tmp_path)
    year = ambient(load_climate("gulf-desert"), 4, "sun")
    first = 24 * (31 + 28 + 31 + 30 + 31 + 30 + 14)
    assert weather.start_h == first
    for hour in (0, 5, 8759 - first, 8760 - first, 8761):
        assert weather.at(hour * HOUR) == pytest.approx(year[(first + hour) % 8760], abs=5e-4)
    between = 0.25 * year[first] + 0.75 * year[first + 1]
    assert weather.at(45 * MINUTE) == pytest.approx(between, abs=1e-3)
    assert weather.start_degc == weather.at(0)


@pytest.mark.parametrize(
    ("date", "hour"),
    [
        ("1 January", 0),
        ("1 Jan 00:00", 0),
        ("  3   march  7:00", 24 * (31 + 28 + 2) + 7),
        ("31 December 23:00", 8759),
    ],
)
def test_a_date_is_a_day_of_a_year_of_365_days(tmp_path: Path, date: str, hour: int) -> None:
    assert weather_of(tmp_path, ("from: 15 July,", f"from: '{date}',")).start_h == hour


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("climate: gulf-desert, from: 15 July,", "climate: gulf-dessert, from: 15 July,"),
            "6:22: pack.ambient.climate: no climate 'gulf-dessert'; did you mean 'gulf-desert'?",
        ),
        (
            ("from: 15 July,", "from: 15 Juli,"),
            "6:41: pack.ambient.from: no month 'Juli'; did you mean 'July'?",
        ),
        (
            ("from: 15 July,", "from: 31 June,"),
            "6:41: pack.ambient.from: no 31 June; a year of 365 days has 30",
        ),
        (
            ("from: 15 July,", "from: 29 February,"),
            "pack.ambient.from: no 29 February; a year of 365 days has 28",
        ),
        (
            ("from: 15 July,", "from: 2026-07-15,"),
            "6:41: pack.ambient.from: found '2026-07-15', expected a day such as '15 July' or",
        ),
        (
            ("from: 15 July 06:00", "from: 15 July 06:30"),
            "8:43: steps.1.chamber.from: found '15 July 06:30', expected a day such as",
        ),
        (
            ("enclosure: sun", "enclosure: son"),
            "6:61: pack.ambient.enclosure: found 'son'; did you mean 'sun'?",
        ),
        (("seed: 4", "sede: 4"), "pack.ambient.sede: unknown key 'sede'; did you mean 'seed'?"),
        (
            ("climate: gulf-desert, from: 15 July,", "climate: humid, from: 15 July,"),
            "pack.ambient.seed: 'humid' is one measured year: expected no seed",
        ),
        (
            ("{climate: gulf-desert, from: 15 July, enclosure: sun, seed: 4}", "45 K"),
            "6:12: pack.ambient: found '45 K', expected a temperature such as 25 degC",
        ),
        (
            ("{climate: gulf-desert, from: 15 July, enclosure: sun, seed: 4}", "300 degC"),
            "6:12: pack.ambient: ",
        ),
        (
            ("{climate: gulf-desert, from: 15 July 06:00}", "25 degC"),
            "8:14: steps.1.chamber: found '25 degC', expected a mapping",
        ),
        (("from: 15 July, ", ""), "6:3: pack.ambient: missing key 'from'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_weather_is_told_where_it_stands(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_profile(written(tmp_path, change))
    assert told in str(caught.value)
    assert len(caught.value.errors) == 1


def test_a_number_is_still_an_ambient(tmp_path: Path) -> None:
    whole = "{climate: gulf-desert, from: 15 July, enclosure: sun, seed: 4}"
    pack = load_profile(written(tmp_path, (whole, "45 degC"))).pack
    assert (pack.constant_degc, pack.weather) == (45.0, None)


def test_the_schema_takes_both_ways() -> None:
    definitions = profile_schema()["$defs"]
    ways = json.dumps(definitions["PackConfig"]["properties"]["ambient"])
    assert "WeatherForm" in ways
    assert "25 degC" in ways
    assert {"climate", "from"} == set(definitions["WeatherForm"]["required"])


# --- what is said before a run --------------------------------------------------------------------


def warnings_of(path: Path) -> str:
    return "\n".join(map(str, prepare(Request(profile=str(path))).warnings))


def test_a_chamber_that_cannot_follow_is_told_and_one_that_can_is_not(tmp_path: Path) -> None:
    assert "weather" not in warnings_of(written(tmp_path))
    narrow = written(tmp_path, ("max: 60 degC", "max: 40 degC"))
    said = warnings_of(narrow)
    assert "steps.1.chamber.climate: the weather reaches 4" in said
    assert "the chamber stays within 20 to 40 degC" in said


# --- the chamber follows --------------------------------------------------------------------------


def ramp(values: Sequence[float]) -> Weather:
    return Weather("any", "shade", 0, 0, values[0], "", tuple(values))


def orders(outdoors: Outdoors, order: ChamberOrder, minutes: int) -> list[float]:
    """Steer a tick a minute, and return what was sent."""
    sent = []
    for minute in range(minutes):
        outdoors.steer(minute * MINUTE, order)
        if order.changed:
            sent.append(order.set_degc)
        order.changed = False
    return sent


def test_the_set_point_follows_in_steps_that_a_chamber_shows() -> None:
    outdoors, order = Outdoors(Range(-70.0, 180.0), Window()), ChamberOrder()
    outdoors.begin(ramp([20.0, 23.0, 20.0]), 0)
    sent = orders(outdoors, order, 60)
    assert sent == pytest.approx([20.0 + 0.1 * k for k in range(30)], abs=0.051)
    outdoors.end()
    assert orders(outdoors, order, 60) == []


def test_the_set_point_stays_within_chamber_and_needs() -> None:
    outdoors = Outdoors(Range(-70.0, 180.0), Window(21.03, 22.0))
    outdoors.begin(ramp([20.0, 23.0, 20.0, 15.0]), 0)
    sent = orders(outdoors, ChamberOrder(), 180)
    assert (min(sent), max(sent)) == (21.03, 22.0)
    cold = Outdoors(Range(21.5, 180.0), Window())
    cold.begin(ramp([20.0, 23.0]), 0)
    assert min(orders(cold, ChamberOrder(), 30)) == 21.5


def test_weather_begins_when_the_step_does() -> None:
    outdoors, order = Outdoors(Range(-70.0, 180.0), Window()), ChamberOrder()
    outdoors.begin(ramp([20.0, 30.0]), 5 * HOUR)
    outdoors.steer(5 * HOUR, order)
    assert order.set_degc == 20.0
    outdoors.steer(5 * HOUR + 30 * MINUTE, order)
    assert order.set_degc == 25.0
    assert order.ramp_k_per_min is None


# --- the row, and what is kept --------------------------------------------------------------------


def test_the_row_says_what_surrounds_the_pack_and_nothing_else_counts(tmp_path: Path) -> None:
    """The chamber's air and a constant are both there, and far off."""
    profile = load_profile(written(tmp_path))
    bench = load_bench(profile.bench)
    layout = make_layout(bench, weather=True)
    plant, other = (make_plant(16, profile.pack, profile.cell_parameters, seed=1) for _ in range(2))
    assert profile.pack.weather is not None
    assert plant.cell_degc.mean() == pytest.approx(profile.pack.weather.start_degc)
    driven = Driven(plant, layout, bench.wiring.cells, -40.0)
    row = [math.nan] * layout.width
    row[layout.index("pack.current_a")] = 0.0
    row[layout.index("chamber.air_degc")] = 90.0
    row[layout.index("pack.ambient_degc")] = 55.0
    driven.advance(0, [])
    driven.advance(60 * SECOND, row)
    other.step(60.0, 0.0, [0.0] * 16, 55.0)
    assert plant.cell_degc.tolist() == other.cell_degc.tolist()


def test_a_record_keeps_the_digest_of_the_weather_and_starts_the_same_pack(tmp_path: Path) -> None:
    profile = load_profile(written(tmp_path))
    bench = load_bench(profile.bench)
    plant = make_plant(16, profile.pack, profile.cell_parameters, 3)
    layout = make_layout(bench, weather=True)
    started = run_started(profile, bench, 3, SECOND, layout, plant, Uncertainties())
    recorded = Recorded.of(started)
    assert profile.pack.weather is not None
    assert recorded.pack == profile.pack
    assert recorded.pack.weather is not None
    assert recorded.pack.weather.values == ()
    again = make_plant(16, recorded.pack, recorded.cell, 3)
    assert again.cell_degc.tolist() == plant.cell_degc.tolist()
    assert len(started.resolved) < 20_000  # no year of hours in it


def test_another_year_is_another_digest(tmp_path: Path) -> None:
    here = weather_of(tmp_path)
    assert weather_of(tmp_path).sha256 == here.sha256
    for change in (("seed: 4", "seed: 5"), ("sun, seed", "shade, seed"), ("15 July,", "16 July,")):
        assert weather_of(tmp_path, change).sha256 != here.sha256
