"""Weather that is made from monthly figures, and what an enclosure makes of any weather."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.physics.climate import (
    DAYS,
    LEAST_RANGE_K,
    MONTH_DAYS,
    Climate,
    Ground,
    Hours,
    Months,
    _by_day,
    sun_of,
    year_of,
)
from hil.physics.enclosure import (
    ENCLOSURES,
    ROOMS,
    STEFAN_W_PER_M2_K4,
    ZERO_DEGC_K,
    Box,
    ambient,
    at,
    ground_degc,
    heat_in_w_per_m2,
    indoors_degc,
    sol_air_degc,
    surroundings,
)
from hil.physics.sun import HOURS, Floats
from hil.profile.weather import load_climate

MONTH = np.repeat(np.arange(12), MONTH_DAYS)
MEASURED = ("temperate", "nordic-coast", "humid")
MADE = ("gulf-desert", "inland-australia")
ALL = (*MEASURED, *MADE, "constant")
CLIMATES = {name: load_climate(name) for name in ALL}


def twelve(low: float, high: float) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[st.floats(low, high)] * 12)


@st.composite
def climates(draw: st.DrawFn) -> Climate:
    """Any place with any twelve months that the form takes, however unlike weather."""
    lows = draw(twelve(-60.0, 40.0))
    months = Months(
        min_degc=lows,
        max_degc=tuple(low + draw(st.floats(0.0, 20.0)) for low in lows),
        min_spread_k=draw(twelve(0.0, 8.0)),
        max_spread_k=draw(twelve(0.0, 8.0)),
        humidity_ratio=draw(twelve(0.0, 1.0)),
        clearness_ratio=draw(twelve(0.0, 0.85)),
        clearness_spread_ratio=draw(twelve(0.0, 0.5)),
        wind_m_per_s=draw(twelve(0.0, 40.0)),
        persistence_ratio=draw(st.floats(0.0, 0.99)),
    )
    return Climate(
        about="any",
        latitude_deg=draw(st.floats(-90.0, 90.0)),
        longitude_deg=draw(st.floats(-180.0, 180.0)),
        utc_offset_s=3600.0 * draw(st.integers(-12, 14)),
        ground=Ground(draw(st.floats(0.0, 1.0)), draw(st.floats(0.0, 1.0))),
        months=months,
    )


@settings(max_examples=60, deadline=None)
@given(climate=climates(), seed=st.integers(0, 2**48 - 1))
def test_no_climate_gives_what_is_no_number(climate: Climate, seed: int) -> None:
    hours = year_of(climate, seed)
    for one in hours:
        assert one.shape == (HOURS,)
        assert np.isfinite(one).all()
    for irradiance in (hours.global_w_per_m2, hours.direct_w_per_m2, hours.diffuse_w_per_m2):
        assert irradiance.min() >= -1e-9
        assert irradiance.max() < 1500.0
    for enclosure in ENCLOSURES:
        assert np.isfinite(ambient(climate, seed, enclosure)).all()


# --- a made year against the figures it was made of -----------------------------------------------


@pytest.mark.parametrize("name", MADE)
def test_many_years_have_the_months_that_the_climate_gives(name: str) -> None:
    """Thirty years: the mean of a month's days is within three of its standard errors."""
    climate = CLIMATES[name]
    months = climate.months
    assert months is not None
    years = 30
    days = np.array([year_of(climate, k).air_degc.reshape(DAYS, 24) for k in range(years)])
    for month in range(12):
        here = days[:, month == MONTH]
        # weather lasts, so a month's days are fewer than they look: (1 - phi) / (1 + phi) of them
        of_days = years * MONTH_DAYS[month] * 0.35 / 1.65
        for found, mean_degc, spread_k in (
            (here.max(axis=2), months.max_degc[month], months.max_spread_k[month]),
            (here.min(axis=2), months.min_degc[month], months.min_spread_k[month]),
        ):
            # 0.4 K: the hours cut off the top of a wave, and a cold front's night may end a day
            assert abs(found.mean() - mean_degc) < 3.0 * spread_k / np.sqrt(of_days) + 0.4
            # the course of the season within a month is on top of the spread from day to day
            season_k = np.ptp([months.max_degc[(month + k) % 12] for k in (-1, 0, 1)])
            assert 0.8 * spread_k < found.std() < 1.15 * np.hypot(spread_k, season_k) + 0.1


@given(monthly=twelve(-60.0, 60.0))
def test_days_on_lines_through_the_months_keep_every_months_mean(
    monthly: tuple[float, ...],
) -> None:
    days = _by_day(monthly)
    means = [days[month == MONTH].mean() for month in range(12)]
    assert means == pytest.approx(monthly, abs=1e-9)


@pytest.mark.parametrize("name", MADE)
def test_beam_and_sky_make_up_what_falls_on_the_level(name: str) -> None:
    hours, sun = year_of(CLIMATES[name], 0), sun_of(CLIMATES[name])
    level = hours.direct_w_per_m2 * np.maximum(sun.up, 0.0) + hours.diffuse_w_per_m2
    assert np.abs(level - hours.global_w_per_m2).max() < 1e-9


@pytest.mark.parametrize("name", MADE)
def test_clearness_gives_the_sun_that_the_climate_has(name: str) -> None:
    climate = CLIMATES[name]
    assert climate.months is not None
    sun = sun_of(climate)
    above = (sun.normal_w_per_m2 * np.maximum(sun.up, 0.0)).sum()
    below = np.mean([year_of(climate, k).global_w_per_m2.sum() for k in range(10)])
    assert below / above == pytest.approx(np.mean(climate.months.clearness_ratio), abs=0.02)


def test_weather_lasts_and_closes_the_year_as_it_goes_through_it() -> None:
    """AR(1): the last day knows the first one as well as any day knows the next."""
    climate = CLIMATES["gulf-desert"]
    highs = np.array([year_of(climate, k).air_degc.reshape(DAYS, 24).max(1) for k in range(60)])
    rest = (highs - highs.mean(axis=0)) / highs.std(axis=0)
    inside = float((rest[:, 1:] * rest[:, :-1]).mean())
    over_the_end = float((rest[:, 0] * rest[:, -1]).mean())
    assert inside == pytest.approx(0.65, abs=0.03)
    assert over_the_end == pytest.approx(0.65, abs=0.25)  # sixty pairs


@pytest.mark.parametrize("name", MADE)
def test_a_seed_is_a_year_and_another_seed_another_one(name: str) -> None:
    climate = CLIMATES[name]
    assert (ambient(climate, 3, "sun") == ambient(climate, 3, "sun")).all()
    assert np.abs(ambient(climate, 3) - ambient(climate, 4)).max() > 2.0


def test_a_day_keeps_a_range_whatever_was_drawn() -> None:
    climate = CLIMATES["gulf-desert"]
    assert climate.months is not None
    wild = replace(climate, months=replace(climate.months, min_spread_k=(20.0,) * 12))
    day = year_of(wild, 0).air_degc.reshape(DAYS, 24)
    assert (day[:, 15] - day.min(axis=1)).min() >= 0.9 * LEAST_RANGE_K


# --- any year -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("enclosure", ENCLOSURES)
def test_the_year_closes_and_has_no_jumps(name: str, enclosure: str) -> None:
    """From the last hour to the first it goes no further than between any two hours."""
    year = ambient(CLIMATES[name], 0, enclosure)  # type: ignore[arg-type]
    steps = np.abs(np.diff(year))
    assert abs(year[0] - year[-1]) <= max(steps.max(), 1e-9)
    # measured hours jump at fronts and where the months of different years meet
    assert steps.max() < (16.0 if name in MEASURED else 9.0)


@pytest.mark.parametrize("since_s", [0.0, 1800.0, 3600.0 * 8759.5, 3600.0 * 8760.0, -1800.0])
def test_between_hours_it_is_linear_over_the_years_end_too(since_s: float) -> None:
    year = ambient(CLIMATES["temperate"])
    before, after = int(since_s // 3600.0) % HOURS, (int(since_s // 3600.0) + 1) % HOURS
    way = since_s / 3600.0 % 1.0
    assert at(year, since_s) == pytest.approx((1.0 - way) * year[before] + way * year[after])
    assert at(year, since_s + 8760.0 * 3600.0) == pytest.approx(at(year, since_s))


@pytest.mark.parametrize("name", ALL)
def test_the_box_gives_off_what_it_takes_in(name: str) -> None:
    """The balance anew, term by term, at the temperature that was found."""
    climate, box = CLIMATES[name], Box()
    around = surroundings(climate, year_of(climate, 0), box)
    skin = sol_air_degc(box, around)
    gained = box.absorptance_ratio * around.sun_w_per_m2 + box.emissivity_ratio * (
        around.sky_w_per_m2 + around.ground_w_per_m2
    )
    lost = box.emissivity_ratio * STEFAN_W_PER_M2_K4 * (skin + ZERO_DEGC_K) ** 4
    lost = lost + around.convection_w_per_m2_k * (skin - around.air_degc)
    assert np.abs(gained - lost).max() < 1e-9 * np.abs(gained).max()
    warmer = heat_in_w_per_m2(box, around, skin + 1.0)
    assert (warmer < 0.0).all()


@pytest.mark.parametrize("name", ALL)
def test_the_sun_warms_a_box_and_never_cools_it(name: str) -> None:
    """A box that trades no long waves is at the air's temperature by night and above it by day."""
    climate, bright = CLIMATES[name], Box(emissivity_ratio=0.0)
    around = surroundings(climate, year_of(climate, 0), bright)
    above_k = sol_air_degc(bright, around) - around.air_degc
    assert above_k.min() >= -1e-9
    dark = around.sun_w_per_m2 == 0.0
    assert np.abs(above_k[dark]).max() < 1e-9
    assert (above_k[~dark] > 0.0).all()
    white, black = (Box(absorptance_ratio=share) for share in (0.2, 0.9))
    assert (sol_air_degc(black, around) >= sol_air_degc(white, around) - 1e-9).all()


@pytest.mark.parametrize("name", [*MEASURED, *MADE])
def test_by_day_a_box_in_the_sun_is_above_the_air_and_under_a_clear_night_below(name: str) -> None:
    climate = CLIMATES[name]
    hours = year_of(climate, 0)
    above_k = ambient(climate, 0, "sun") - hours.air_degc
    assert (above_k[hours.global_w_per_m2 > 250.0] > 0.0).all()
    assert -8.0 < above_k[hours.global_w_per_m2 == 0.0].mean() < 0.0
    assert above_k.max() < 30.0


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("name", ALL)
def test_indoors_the_year_has_the_same_mean_smaller_swings_and_comes_late(
    name: str, room: str
) -> None:
    air = year_of(CLIMATES[name], 0).air_degc
    inside = indoors_degc(ROOMS[room], air)
    assert inside.mean() == pytest.approx(air.mean(), abs=1e-6)
    assert inside.min() >= air.min() - 1e-6
    assert inside.max() <= air.max() + 1e-6
    if name == "constant":
        return
    assert daily_range_k(inside) < 0.5 * daily_range_k(air)
    assert 0 < lag_h(air, inside) <= 24


def daily_range_k(year: Floats) -> float:
    return float(np.ptp(year.reshape(DAYS, 24), axis=1).mean())


def lag_h(first: Floats, second: Floats) -> int:
    """Return by how many hours the second series' days come after the first's."""
    a, b = (one - one.reshape(DAYS, 24).mean(axis=1).repeat(24) for one in (first, second))
    return int(np.argmax([np.dot(a, np.roll(b, -shift)) for shift in range(24)]))


def test_the_ground_swings_and_lags_as_a_half_space_does() -> None:
    """A sine of one day on dry ground in still air of 20 degC: Carslaw and Jaeger, section 2.6.

    Without ground beneath, it would swing by 60 W/m2 over 9.7 W/m2K and not lag.
    """
    hours = np.arange(float(HOURS))
    sun_w = 300.0 + 100.0 * np.sin(2.0 * np.pi * (hours - 0.5) / 24.0)  # means of the hours before
    still = Hours(
        air_degc=np.full(HOURS, 20.0),
        global_w_per_m2=sun_w,
        direct_w_per_m2=np.zeros(HOURS),
        diffuse_w_per_m2=sun_w,
        humidity_ratio=np.full(HOURS, 0.3),
        wind_m_per_s=np.zeros(HOURS),
    )
    dry = replace(CLIMATES["constant"], latitude_deg=0.0, ground=Ground(0.4, 1.0))
    swing = np.fft.rfft(ground_degc(dry, still))[365] / (HOURS / 2.0)
    omega = 2.0 * np.pi / 86_400.0
    film = 4.0 + 4.0 * STEFAN_W_PER_M2_K4 * 293.15**3
    into = 700.0 * np.sqrt(omega) * (1.0 + 1.0j) / np.sqrt(2.0)
    # an hour's mean of a sine is smaller by 0.3 %, and the mean of two hours again by 0.9 %
    expected = 60.0 * np.cos(np.pi / 24.0) / (film + into)
    assert abs(swing) == pytest.approx(abs(expected), rel=0.01)
    assert np.angle(swing) + np.pi / 2.0 == pytest.approx(np.angle(expected), abs=0.02)


def test_a_room_takes_a_step_outside_as_its_time_constant_says() -> None:
    """A sine of one day: amplitude and delay of a single lag, the ground being too deep for it."""
    hours = np.arange(float(HOURS))
    day = np.sin(2.0 * np.pi * hours / 24.0)
    room = ROOMS["garage"]
    inside = indoors_degc(room, day)
    w_lag = 2.0 * np.pi / 86400.0 * room.lag_s
    through_walls = (1.0 - room.ground_ratio) / (1.0 + 1j * w_lag)
    deep = room.depth_m * np.sqrt(2j * np.pi / 86400.0 / 0.6e-6)
    expected = abs(through_walls + room.ground_ratio * np.exp(-deep))
    assert inside.max() == pytest.approx(expected, rel=0.02)


def test_no_other_enclosure_is_known() -> None:
    with pytest.raises(ValueError, match="expected one of shade, sun, garage, basement"):
        ambient(CLIMATES["constant"], 0, "cellar")  # type: ignore[arg-type]
