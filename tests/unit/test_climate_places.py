"""The places: what the files say against figures that others published about them."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hil.core.errors import ConfigErrors
from hil.physics.climate import Climate, Ground, Months, sun_of, year_of
from hil.physics.enclosure import ambient, ground_degc
from hil.physics.sun import declination_rad, equation_of_time_h, sun_at
from hil.profile.weather import load_climate

MJ = 3600.0 / 1e6


def month(year: np.ndarray, number: int) -> np.ndarray:
    """Return the days (days, 24) of a month, January being 1."""
    ends = np.cumsum((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31))
    return year.reshape(365, 24)[ends[number - 1] - (31 if number != 2 else 28) : ends[number - 1]]


# --- the sun: almanac figures ---------------------------------------------------------------------


def test_the_sun_stands_where_the_almanac_has_it() -> None:
    """Solstices: 23.44 degrees north and south. Equation of time: -14.2 min, +16.4 min."""
    days = np.arange(365.0)
    declination = np.degrees(declination_rad(days))
    assert declination.max() == pytest.approx(23.44, abs=0.05)
    assert declination.min() == pytest.approx(-23.44, abs=0.05)
    assert 170 <= int(declination.argmax()) <= 173  # 20 to 23 June
    minutes = 60.0 * equation_of_time_h(days)
    assert minutes.min() == pytest.approx(-14.2, abs=0.3)
    assert minutes.max() == pytest.approx(16.4, abs=0.3)


@pytest.mark.parametrize("latitude_deg", [-66.0, -23.8, 0.0, 36.1, 55.3, 66.0])
def test_the_direction_to_the_sun_is_one_and_goes_from_east_to_west(latitude_deg: float) -> None:
    hours = np.arange(8760.0) + 0.25
    sun = sun_at(hours, latitude_deg, 15.0, 1.0)
    assert np.hypot(np.hypot(sun.up, sun.west), sun.equator) == pytest.approx(1.0, abs=1e-9)
    of_day = hours % 24.0
    assert (sun.west[(of_day > 6.5) & (of_day < 11.0)] < 0.0).all()
    assert (sun.west[(of_day > 13.0) & (of_day < 17.5)] > 0.0).all()


def test_a_sundial_goes_ahead_in_november_and_behind_in_february() -> None:
    """At 0 degrees it is due south at 11:43:36 on 3 November, at 12:14:12 on 11 February."""
    for day, noon_h in ((306.0, 11.0 + 43.6 / 60.0), (41.0, 12.0 + 14.2 / 60.0)):
        there = sun_at(np.array([24.0 * day + noon_h]), 50.0, 0.0, 0.0)
        assert abs(there.west[0]) < 0.003  # 0.0044 are a minute


def test_at_noon_on_both_halves_the_sun_is_over_the_equator() -> None:
    for latitude_deg in (-55.0, -40.0, 40.0, 55.0):
        noon = sun_at(np.array([24.0 * 80 + 12.1]), latitude_deg, 0.0, 0.0)
        assert noon.equator[0] > 0.5
        # equinox: the height is 90 degrees less the latitude
        height = math.degrees(math.asin(noon.up[0]))
        assert height == pytest.approx(90.0 - abs(latitude_deg), abs=1.0)


# --- the places -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mean_degc", "lowest_degc", "highest_degc"),
    [
        ("temperate", 14.4, -16.7, 35.6),
        ("nordic-coast", 4.4, -10.6, 19.4),
        ("humid", 24.3, 3.3, 33.9),
    ],
)
def test_a_measured_year_is_as_pvlib_ships_it(
    name: str, mean_degc: float, lowest_degc: float, highest_degc: float
) -> None:
    """Read with pvlib itself, and rounded, when the files were made."""
    air = ambient(load_climate(name))
    assert air.mean() == pytest.approx(mean_degc, abs=0.06)
    assert (air.min(), air.max()) == pytest.approx((lowest_degc, highest_degc), abs=0.06)


@pytest.mark.parametrize("name", ["temperate", "nordic-coast", "humid"])
def test_measured_sun_and_our_sun_agree(name: str) -> None:
    """Global is beam times the sine of the sun's height, and the sky: in a year's sum, by the hour.

    A longitude of the wrong sign, or hours one off, would put the beam into the night.
    """
    climate = load_climate(name)
    hours, sun = year_of(climate, 0), sun_of(climate)
    level = hours.direct_w_per_m2 * np.maximum(sun.up, 0.0) + hours.diffuse_w_per_m2
    assert level.sum() == pytest.approx(hours.global_w_per_m2.sum(), rel=0.01)
    high = sun.up > 0.3
    off = (level - hours.global_w_per_m2)[high]
    assert np.sqrt(np.mean(off**2)) < 0.05 * hours.global_w_per_m2[high].mean()


def test_the_gulf_has_its_published_sun_and_a_ground_above_60_degc() -> None:
    climate = load_climate("gulf-desert")
    years = [year_of(climate, seed) for seed in range(3)]
    july = month(years[0].air_degc, 7)
    assert july.max(axis=1).mean() == pytest.approx(46.7, abs=1.0)
    for year in years:
        ground = month(ground_degc(climate, year), 7).max(axis=1)
        assert 58.0 < ground.mean() < 72.0
        assert ground.max() > 60.0
    sun = ambient(climate, 0, "sun")
    assert month(sun, 7).max(axis=1).mean() > 50.0


def test_alice_springs_has_its_published_sun() -> None:
    """Bureau of Meteorology: 26.9 MJ/m2 a day in January, 15.8 in July, 21.8 over the year."""
    climate = load_climate("inland-australia")
    years = [year_of(climate, seed).global_w_per_m2 for seed in range(8)]
    for number, known_mj in ((1, 26.9), (7, 15.8)):
        daily = np.mean([month(year, number).sum(axis=1).mean() for year in years]) * MJ
        assert daily == pytest.approx(known_mj, rel=0.05)
    assert np.mean(years) * 24.0 * MJ == pytest.approx(21.8, rel=0.05)


def test_the_constant_climate_is_constant() -> None:
    climate = load_climate("constant")
    for enclosure in ("shade", "garage", "basement"):
        assert ambient(climate, 5, enclosure) == pytest.approx(25.0, abs=1e-9)


# --- files that are wrong -------------------------------------------------------------------------

MONTHS = Months(
    min_degc=(10.0,) * 12,
    max_degc=(20.0,) * 12,
    min_spread_k=(2.0,) * 12,
    max_spread_k=(2.0,) * 12,
    humidity_ratio=(0.5,) * 12,
    clearness_ratio=(0.5,) * 12,
    clearness_spread_ratio=(0.1,) * 12,
    wind_m_per_s=(3.0,) * 12,
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_degc": (10.0,) * 11}, "min_degc: 11 values, expected one a month"),
        ({"min_degc": (10.0,) * 11 + (21.0,)}, "min_degc: above max in some month"),
        ({"humidity_ratio": (1.2,) * 12}, "humidity_ratio: 1.2 is not within 0 to 1"),
        ({"wind_m_per_s": (math.nan,) * 12}, "wind_m_per_s: nan is not within 0 to 40"),
        ({"persistence_ratio": 1.0}, "persistence_ratio: 1 is not within 0 to 0.99"),
    ],
)
def test_months_that_are_no_climate_are_refused(
    change: dict[str, tuple[float, ...]], message: str
) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        replace(MONTHS, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(("months", "file"), [(None, ""), (MONTHS, "x.csv")])
def test_a_climate_is_measured_or_made(months: Months | None, file: str) -> None:
    with pytest.raises(ValueError, match="expected exactly one of months and file"):
        Climate(
            about="",
            latitude_deg=0.0,
            longitude_deg=0.0,
            utc_offset_s=0.0,
            ground=Ground(0.2, 0.5),
            months=months,
            file=file,
        )


HEADER = "hour,air_degc,global_w,direct_w,diffuse_w,humidity_pct,wind_m_per_s"
ROWS = [f"{k},10.0,0,0,0,50,3.0" for k in range(8760)]
PLACE = """about: somewhere
latitude: 50 deg
longitude: 10 deg
utc_offset: 1 h
ground: {albedo: 20 %, dry: 50 %}
file: here.csv
"""


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["hour,temp", *ROWS], "here.csv:1:1: expected the columns hour,air_degc"),
        ([HEADER, *ROWS[:-1]], "here.csv:8760:1: found 8759 hours, expected 8760"),
        ([HEADER, ROWS[0], "1,x,0,0,0,50,3", *ROWS[2:]], "here.csv:3:1: found '1,x,0,0,0,50,3'"),
        ([HEADER, ROWS[0], "1,99.0,0,0,0,50,3", *ROWS[2:]], "here.csv:3:1: found '1,99.0"),
        ([HEADER, ROWS[0], "1,nan,0,0,0,50,3", *ROWS[2:]], "here.csv:3:1: found '1,nan"),
        ([HEADER, ROWS[0], ROWS[0], *ROWS[2:]], "here.csv:3:1: found '0,10.0,0,0,0,50,3.0'"),
        ([HEADER, ROWS[0], "1,9.0,0,0", *ROWS[2:]], "expected hour 1 of a year"),
    ],
    ids=["header", "short", "text", "too hot", "nan", "repeated hour", "too few columns"],
)
def test_a_measured_year_that_is_none_says_where(
    tmp_path: Path, lines: list[str], told: str
) -> None:
    folder = tmp_path / "climates"
    folder.mkdir()
    (folder / "here.yaml").write_text(PLACE)
    (folder / "here.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(ConfigErrors) as caught:
        load_climate("here", tmp_path)
    assert told in str(caught.value)
    (folder / "here.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    assert load_climate("here", tmp_path).hours is not None
