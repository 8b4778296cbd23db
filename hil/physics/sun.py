"""Where the sun stands, and how much of it there would be without an atmosphere.

Angles come from the day of a year of 365 days and the hour of the place's standard time (no
daylight saving). Accuracy is that of the series used, a few minutes of arc to half a degree: a
tenth of what an hourly mean hides anyway.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

HOURS = 8760
SOLAR_CONSTANT_W_PER_M2 = 1361.0
"""Kopp and Lean, Geophysical Research Letters 38 (2011)."""


class Sun(NamedTuple):
    """The sun at some instants, each array of their shape.

    ``up``, ``west`` and ``equator`` are the direction to it, a unit vector: up, to the west, and
    level towards the equator's side (south on the northern half). ``normal_w_per_m2`` is what falls
    outside the atmosphere on a surface that faces it.
    """

    up: Floats
    west: Floats
    equator: Floats
    normal_w_per_m2: Floats


def declination_rad(day: Floats) -> Floats:
    """Return the sun's declination; ``day`` is 0 on 1 January. Spencer, Search 2 (1971)."""
    g = 2.0 * np.pi * day / 365.0
    return np.asarray(
        0.006918
        - 0.399912 * np.cos(g)
        + 0.070257 * np.sin(g)
        - 0.006758 * np.cos(2.0 * g)
        + 0.000907 * np.sin(2.0 * g)
        - 0.002697 * np.cos(3.0 * g)
        + 0.001480 * np.sin(3.0 * g)
    )


def equation_of_time_h(day: Floats) -> Floats:
    """Return by how much a sundial is ahead of the mean sun, in hours. Spencer (1971)."""
    g = 2.0 * np.pi * day / 365.0
    radians = (
        0.000075
        + 0.001868 * np.cos(g)
        - 0.032077 * np.sin(g)
        - 0.014615 * np.cos(2.0 * g)
        - 0.040849 * np.sin(2.0 * g)
    )
    return np.asarray(radians * 12.0 / np.pi)


def sun_at(hour: Floats, latitude_deg: float, longitude_deg: float, utc_offset_h: float) -> Sun:
    """Return the sun at hours of the year, 0 being the first midnight of standard time.

    East and north count positive. The sun may be below the horizon: then ``up`` is negative.
    """
    day = hour / 24.0
    solar_h = hour + longitude_deg / 15.0 - utc_offset_h + equation_of_time_h(day)
    angle = np.pi * (solar_h % 24.0 - 12.0) / 12.0
    declination, latitude = declination_rad(day), np.radians(latitude_deg)
    side = 1.0 if latitude_deg >= 0.0 else -1.0
    south = np.sin(latitude) * np.cos(declination) * np.cos(angle) - np.cos(latitude) * np.sin(
        declination
    )
    return Sun(
        up=np.sin(latitude) * np.sin(declination)
        + np.cos(latitude) * np.cos(declination) * np.cos(angle),
        west=np.cos(declination) * np.sin(angle),
        equator=side * south,
        # the distance to the sun changes by 1.7 % either way; Duffie and Beckman, eq. 1.4.1a
        normal_w_per_m2=SOLAR_CONSTANT_W_PER_M2 * (1.0 + 0.033 * np.cos(2.0 * np.pi * day / 365.0)),
    )


def hour_before(latitude_deg: float, longitude_deg: float, utc_offset_h: float) -> Sun:
    """Return the sun amid each hour (8760,) that *ends* at hour 0, 1, ... of the year."""
    return sun_at(np.arange(float(HOURS)) - 0.5, latitude_deg, longitude_deg, utc_offset_h)


def sunset_angle_rad(day: Floats, latitude_deg: float) -> Floats:
    """Return half the length of a day as an angle: pi/2 is twelve hours of sun.

    pi where it does not set, 0 where it does not rise.
    """
    cosine = -np.tan(np.radians(latitude_deg)) * np.tan(declination_rad(day))
    return np.asarray(np.arccos(np.clip(cosine, -1.0, 1.0)))
