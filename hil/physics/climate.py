"""The weather of a typical year at a place, by the hour: measured, or made from monthly figures.

A climate is data (``profiles/climates/*.yaml``). Where a measured typical year is there, its hours
are taken as they are. Elsewhere twelve monthly means and their day-to-day spread are turned into
8,760 hours from a seed: another seed is another year of the same climate.

What is made keeps the monthly means, the spread of days, the persistence of weather (an AR(1)
process) and the sun's course, and is continuous over the year's end. It has no fronts, no sea
breeze, no link between clouds and the day's range, and the wind of a month is one number.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hil.physics.sun import (
    HOURS,
    Floats,
    Sun,
    declination_rad,
    hour_before,
    sunset_angle_rad,
)

DAYS = 365
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
WARMEST_HOUR = 15
"""Standard time; screens read their maximum two to three hours after the sun's noon."""

MIN_MAX_CORRELATION = 0.7
"""Of a day's minimum and maximum, each about its month's mean: the three measured years of
``profiles/climates`` have 0.69, 0.69 and 0.82."""

LEAST_RANGE_K = 1.0
"""A day's maximum is at least so much above its minimum, whatever was drawn for both."""

LOWEST_BEAM = 0.0175
"""Sine of the sun's height (1 degree) below which all light counts as the sky's."""

# The weather's own place in the noise: no other device may draw from it. Never change these, or
# every seed means another year.
WEATHER_DEVICE = 0xC11A
_MAX_DRAW, _MIN_DRAW, _CLEARNESS_DRAW = range(3)


class Hours(NamedTuple):
    """A year by the hour, each (8760,), the first being midnight at the start of 1 January.

    Temperature, humidity and wind (at 10 m) are those of the instant, irradiance is the mean of the
    hour that ends there: on a level surface, on one that faces the sun (without the sky), and the
    sky's share of the first.
    """

    air_degc: Floats
    global_w_per_m2: Floats
    direct_w_per_m2: Floats
    diffuse_w_per_m2: Floats
    humidity_ratio: Floats
    wind_m_per_s: Floats


@dataclass(frozen=True, slots=True)
class Ground:
    """The ground around the enclosure.

    ``dry_ratio`` is the share of the sun's heat that stays sensible: all of it in a desert, the
    rest of it evaporates water.
    """

    albedo_ratio: float
    dry_ratio: float

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        _require_within("albedo_ratio", (self.albedo_ratio,), 0.0, 1.0)
        _require_within("dry_ratio", (self.dry_ratio,), 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Months:
    """Twelve monthly figures, January first.

    Means of the days' minima and maxima and their standard deviation from day to day within the
    month; relative humidity; clearness (global irradiance over that outside the atmosphere, both on
    a level surface, mean of the days) and its standard deviation; wind at 10 m.
    ``persistence_ratio`` is the correlation of a day's departure with the day before's; the three
    measured years have 0.54 to 0.77.
    """

    min_degc: tuple[float, ...]
    max_degc: tuple[float, ...]
    min_spread_k: tuple[float, ...]
    max_spread_k: tuple[float, ...]
    humidity_ratio: tuple[float, ...]
    clearness_ratio: tuple[float, ...]
    clearness_spread_ratio: tuple[float, ...]
    wind_m_per_s: tuple[float, ...]
    persistence_ratio: float = 0.65

    def __post_init__(self) -> None:
        """Refuse tables that are not twelve numbers of a climate on Earth. Raises ValueError."""
        ranges = {
            "min_degc": (-90.0, 60.0),
            "max_degc": (-90.0, 60.0),
            "min_spread_k": (0.0, 20.0),
            "max_spread_k": (0.0, 20.0),
            "humidity_ratio": (0.0, 1.0),
            "clearness_ratio": (0.0, 0.85),
            "clearness_spread_ratio": (0.0, 0.5),
            "wind_m_per_s": (0.0, 40.0),
        }
        for name, (low, high) in ranges.items():
            values = getattr(self, name)
            if len(values) != len(MONTH_DAYS):
                raise ValueError(f"{name}: {len(values)} values, expected one a month")
            _require_within(name, values, low, high)
        _require_within("persistence_ratio", (self.persistence_ratio,), 0.0, 0.99)
        if any(low > high for low, high in zip(self.min_degc, self.max_degc, strict=True)):
            raise ValueError("min_degc: above max in some month")


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """A place and its typical year.

    ``file`` names the CSV of a measured year beside the climate's own, which the loader puts into
    ``hours``; without one there are ``months``. ``utc_offset_s`` is that of standard time.
    """

    about: str
    latitude_deg: float
    longitude_deg: float
    utc_offset_s: float
    ground: Ground
    months: Months | None = None
    file: str = ""
    hours: Hours | None = None

    def __post_init__(self) -> None:
        """Refuse a place that is not on Earth, and both or neither kind of year."""
        _require_within("latitude_deg", (self.latitude_deg,), -90.0, 90.0)
        _require_within("longitude_deg", (self.longitude_deg,), -180.0, 180.0)
        _require_within("utc_offset_s", (self.utc_offset_s,), -12 * 3600.0, 14 * 3600.0)
        if (self.months is None) != bool(self.file):
            raise ValueError("expected exactly one of months and file")


def _require_within(name: str, values: tuple[float, ...], low: float, high: float) -> None:
    """Raise ValueError unless all values lie between two bounds; NaN does not."""
    for value in values:
        if not low <= value <= high:
            raise ValueError(f"{name}: {value:g} is not within {low:g} to {high:g}")


def sun_of(climate: Climate) -> Sun:
    """Return the place's sun in the middle of each hour (8760,) that ends at hour 0, 1, ..."""
    return hour_before(climate.latitude_deg, climate.longitude_deg, climate.utc_offset_s / 3600.0)


def year_of(climate: Climate, seed: int) -> Hours:
    """Return the hours of the climate's year; of a measured one the seed changes nothing.

    Raises ValueError for a measured climate whose file was not loaded.
    """
    if climate.months is not None:
        return _made(climate, climate.months, seed)
    if climate.hours is None:
        raise ValueError(f"the measured year {climate.file} is not loaded")
    return climate.hours


# --- a year from monthly figures ------------------------------------------------------------------


def _made(climate: Climate, months: Months, seed: int) -> Hours:
    """Draw the days of a year, then lay the hours through them."""
    r, phi = MIN_MAX_CORRELATION, months.persistence_ratio
    warm, apart = _weather(seed, _MAX_DRAW, phi), _weather(seed, _MIN_DRAW, phi)
    highs = _by_day(months.max_degc) + _by_day(months.max_spread_k) * warm
    mixed = r * warm + np.sqrt(1.0 - r * r) * apart
    lows = _by_day(months.min_degc) + _by_day(months.min_spread_k) * mixed
    air_degc = _through(*_in_order(lows, highs, months), _sunrise_hour(climate))
    humidity = _humidity(_by_day(months.humidity_ratio), 0.5 * (lows + highs), air_degc)
    sky = _sky(climate, months, seed)
    return Hours(air_degc, *sky, humidity, _hourly(_by_day(months.wind_m_per_s)))


def _in_order(lows: Floats, highs: Floats, months: Months) -> tuple[Floats, Floats]:
    """Push a day's extremes apart about their middle where the draw brought them too near.

    A climate without any range, as in a climate chamber, is meant so.
    """
    if months.min_degc == months.max_degc:
        return lows, highs
    middle, half = 0.5 * (lows + highs), 0.5 * np.maximum(highs - lows, LEAST_RANGE_K)
    return middle - half, middle + half


def _by_day(monthly: tuple[float, ...]) -> Floats:
    """Return a value a day (365,) on straight lines through the months, whose means are kept.

    Lines through the means themselves would cut off every summer and winter: the knots are moved
    until each month's mean is what it was (Killworth, Journal of Physical Oceanography 26, 1996).
    """
    ends = np.cumsum(MONTH_DAYS)
    middles = ends - 0.5 * np.array(MONTH_DAYS)
    days = np.arange(DAYS) + 0.5
    unit = np.eye(len(MONTH_DAYS))
    through = np.array([np.interp(days, middles, one, period=DAYS) for one in unit]).T
    month = np.repeat(np.arange(len(MONTH_DAYS)), MONTH_DAYS)
    means = np.array([through[month == m].mean(axis=0) for m in range(len(MONTH_DAYS))])
    return np.asarray(through @ np.linalg.solve(means, np.array(monthly, dtype=float)))


def _weather(seed: int, draw: int, persistence: float) -> Floats:
    """Return a standard normal a day (365,) with an AR(1)'s correlation, the year being a circle.

    The noise is filtered by its spectrum: so the last day is followed by the first one as by any
    other, and no start has to be forgotten.
    """
    # numba comes with the noise: whoever only reads a profile need not pay for it
    from hil.physics.noise import noise_row  # noqa: PLC0415 - as said above

    white = np.empty(DAYS)
    noise_row(seed, WEATHER_DEVICE, draw, white)
    turn = np.exp(-2j * np.pi * np.arange(DAYS // 2 + 1) / DAYS)
    filtered = np.fft.irfft(np.fft.rfft(white) / (1.0 - persistence * turn), DAYS)
    return np.asarray(filtered * np.sqrt(1.0 - persistence**2))


def _sunrise_hour(climate: Climate) -> Floats:
    """Return the whole hour of standard time nearest to each day's sunrise (365,), 2 to 10.

    Minima come about then. Where the sun does not rise, it is as on the shortest day that has one.
    """
    half_day_h = 12.0 / np.pi * sunset_angle_rad(np.arange(float(DAYS)) + 0.5, climate.latitude_deg)
    noon_h = 12.0 - climate.longitude_deg / 15.0 + climate.utc_offset_s / 3600.0
    return np.clip(np.rint(noon_h - half_day_h), 2.0, 10.0)


def _through(lows: Floats, highs: Floats, rise_h: Floats) -> Floats:
    """Return hours (8760,) on half cosine waves from each day's minimum to its maximum and on."""
    midnights = 24.0 * np.arange(DAYS)
    times = np.stack([midnights + rise_h, midnights + WARMEST_HOUR], axis=1).ravel()
    values = np.stack([lows, highs], axis=1).ravel()
    times = np.concatenate([[times[-1] - HOURS], times, [times[0] + HOURS]])
    values = np.concatenate([values[-1:], values, values[:1]])
    hours = np.arange(float(HOURS))
    after = np.searchsorted(times, hours, side="right")
    before = after - 1
    way = (hours - times[before]) / (times[after] - times[before])
    share = 0.5 - 0.5 * np.cos(np.pi * way)
    return np.asarray(values[before] + share * (values[after] - values[before]))


def _hourly(daily: Floats) -> Floats:
    """Return hours (8760,) on straight lines between the noons of days (365,)."""
    noons = 24.0 * np.arange(DAYS) + 12.0
    return np.asarray(np.interp(np.arange(float(HOURS)), noons, daily, period=float(HOURS)))


def vapour_pressure_pa(degc: Floats) -> Floats:
    """Return the pressure of saturated vapour over water. Magnus, as in WMO-No. 8 (2018)."""
    return np.asarray(611.2 * np.exp(17.62 * degc / (243.12 + degc)))


def dew_point_degc(vapour_pa: Floats) -> Floats:
    """Return where so much vapour begins to condense, the same formula turned round."""
    log = np.log(np.maximum(vapour_pa, 1.0) / 611.2)
    return np.asarray(243.12 * log / (17.62 - log))


def _humidity(daily_ratio: Floats, mean_degc: Floats, air_degc: Floats) -> Floats:
    """Return relative humidity (8760,): the water in the air stays, its temperature does not."""
    vapour_pa = _hourly(daily_ratio * vapour_pressure_pa(mean_degc))
    return np.minimum(1.0, vapour_pa / vapour_pressure_pa(air_degc))


def _sky(climate: Climate, months: Months, seed: int) -> tuple[Floats, Floats, Floats]:
    """Return global, direct and diffuse irradiance (8760,) from each day's clearness.

    The day's course is that of Collares-Pereira and Rabl, Solar Energy 22 (1979); the sky's share
    that of Erbs, Klein and Duffie, Solar Energy 28 (1982), as in Duffie and Beckman, eq. 2.10.1.
    """
    sun, draw = sun_of(climate), _weather(seed, _CLEARNESS_DRAW, months.persistence_ratio)
    spread = _by_day(months.clearness_spread_ratio)
    clearness = np.clip(_by_day(months.clearness_ratio) + spread * draw, 0.0, 0.8)
    # an hour that ends at midnight belongs to the day before
    day = (np.arange(HOURS) - 1) // 24 % DAYS
    noon = day.astype(float) + 0.5
    setting = sunset_angle_rad(noon, climate.latitude_deg)
    up = np.maximum(sun.up, 0.0)
    latitude, declination = np.radians(climate.latitude_deg), declination_rad(noon)
    level = np.cos(latitude) * np.cos(declination)
    cos_angle = (sun.up - np.sin(latitude) * np.sin(declination)) / np.maximum(level, 1e-9)
    a = 0.409 + 0.5016 * np.sin(setting - np.pi / 3.0)
    b = 0.6609 - 0.4767 * np.sin(setting - np.pi / 3.0)
    kt = np.clip(clearness[day] * (a + b * np.clip(cos_angle, -1.0, 1.0)), 0.0, 0.85)
    level_w = kt * sun.normal_w_per_m2 * up
    diffuse_w = _diffuse_share(kt) * level_w
    # a sun on the horizon would divide nothing by nothing
    beam = up > LOWEST_BEAM
    direct_w = np.where(beam, (level_w - diffuse_w) / np.maximum(up, LOWEST_BEAM), 0.0)
    return level_w, direct_w, level_w - direct_w * up


def _diffuse_share(kt: Floats) -> Floats:
    """Return the sky's share of an hour's irradiance by its clearness (Erbs 1982)."""
    middle = 0.9511 - 0.1604 * kt + 4.388 * kt**2 - 16.638 * kt**3 + 12.336 * kt**4
    share = np.where(kt <= 0.22, 1.0 - 0.09 * kt, np.where(kt <= 0.80, middle, 0.165))  # noqa: PLR2004
    return np.asarray(share)
