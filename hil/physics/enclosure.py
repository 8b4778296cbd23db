"""What temperature an enclosure sees, by the hour of a year: in the shade, in the sun, indoors.

In the sun that is the *sol-air* temperature: the temperature of a thin metal box that gives no heat
inwards. A pack behind a conductance to that temperature then takes in as much heat as it would from
sun, sky, ground and air together, so the plant's one ambient is enough (ASHRAE Fundamentals,
chapter 18, uses the same quantity for roofs and walls).

Two balances, both solved and neither stepped: the ground's is linear and periodic, so it is solved
by frequencies; the box's is a quartic in its temperature, by Newton's method.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from hil.physics.climate import Climate, Hours, dew_point_degc, sun_of, vapour_pressure_pa, year_of
from hil.physics.sun import HOURS, Floats, Sun

Enclosure: TypeAlias = Literal["shade", "sun", "garage", "basement"]
ENCLOSURES: tuple[Enclosure, ...] = get_args(Enclosure)

ZERO_DEGC_K = 273.15
STEFAN_W_PER_M2_K4 = 5.670374e-8
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Box:
    """A free-standing metal box with walls to the four winds, its bottom on an insulating foot.

    Absorptance: light grey paint, some years old, 0.4 to 0.6; emissivity of any paint 0.9 (tables
    in Duffie and Beckman, section 4.7) [published]. ``roof_ratio`` is the roof's share of what
    faces air, 0.6 m x 0.4 m x 0.8 m high [assumed].
    """

    absorptance_ratio: float = 0.5
    emissivity_ratio: float = 0.9
    roof_ratio: float = 0.13


@dataclass(frozen=True, slots=True)
class Room:
    """A room that follows the air outside late and the ground beneath it in part.

    ``lag_s`` is the time constant to the air, ``ground_ratio`` how far the room goes with the
    ground, whose temperature is that at ``depth_m``. Nobody heats it. All [assumed].
    """

    lag_s: float
    ground_ratio: float
    depth_m: float


# A detached garage of single brick or boards changes its air about once an hour and stores heat in
# slab and walls; a basement lies in the ground with its walls and has the house above it.
ROOMS = {
    "garage": Room(lag_s=12 * HOUR_S, ground_ratio=0.25, depth_m=0.5),
    "basement": Room(lag_s=72 * HOUR_S, ground_ratio=0.7, depth_m=1.5),
}

SOIL_M2_PER_S = 0.6e-6
"""Diffusivity of soil, 0.2e-6 (dry sand) to 1.0e-6 (wet loam): Oke, Boundary Layer Climates, table
2.1 [published range], the middle is ours."""

DRY_INERTIA, WET_INERTIA = 700.0, 1500.0
"""Thermal inertia sqrt(k rho c) in J/(m2 K s^0.5): dry sand about 600, saturated soil about 2,000
(same table) [published range], these are ours."""

WIND_AT_BOX = 0.6
"""Wind at 1 m over that at 10 m, (1/10)^0.2: power law over open ground [published]."""


class Surroundings(NamedTuple):
    """What the box exchanges heat with, each (8760,) at the hours of the year.

    ``sun_w_per_m2`` is what falls on its skin, on average over its faces; ``sky_w_per_m2`` and
    ``ground_w_per_m2`` the long waves that sky and ground send, each as seen by the whole skin.
    """

    air_degc: Floats
    sun_w_per_m2: Floats
    sky_w_per_m2: Floats
    ground_w_per_m2: Floats
    convection_w_per_m2_k: Floats


def ambient(climate: Climate, seed: int = 0, enclosure: Enclosure = "shade") -> Floats:
    """Return the temperature (8760,) in degC that the enclosure sees at each hour of the year.

    Hour 0 is the first midnight of 1 January, standard time; the last hour is followed by the
    first. Between hours it is linear (``at``). The seed draws a year of a climate that is known by
    its months, and means nothing to a measured one. Raises ValueError for another enclosure.
    """
    hours = year_of(climate, seed)
    if enclosure == "shade":
        return hours.air_degc
    if enclosure == "sun":
        return sol_air_degc(Box(), surroundings(climate, hours, Box()))
    if enclosure not in ROOMS:
        raise ValueError(f"no enclosure '{enclosure}': expected one of {', '.join(ENCLOSURES)}")
    return indoors_degc(ROOMS[enclosure], hours.air_degc)


def at(hourly: Floats, since_s: float) -> float:
    """Return a year's value so many seconds after its first hour; before and after it repeats."""
    way, first = np.modf(since_s / HOUR_S % len(hourly))
    before, after = hourly[int(first) % len(hourly)], hourly[(int(first) + 1) % len(hourly)]
    return float(before + way * (after - before))


# --- sky, ground and sun --------------------------------------------------------------------------


def sky_w_per_m2(hours: Hours, sun: Sun) -> Floats:
    """Return the long waves (8760,) that the whole sky sends onto a level surface.

    Clear: Berdahl and Martin, Solar Energy 32 (1984), from the dew point. Clouds: Unsworth and
    Monteith, Quarterly Journal RMS 101 (1975). How much of the sky they cover is taken from the
    day's clearness, 0.75 being none and 0.20 all [assumed]: at night nobody measures it.
    """
    dew_degc = dew_point_degc(hours.humidity_ratio * vapour_pressure_pa(hours.air_degc))
    clear = 0.711 + 0.56 * dew_degc / 100.0 + 0.73 * (dew_degc / 100.0) ** 2
    clear = np.clip(clear, 0.5, 1.0)
    covered = np.clip((0.75 - _daily_clearness(hours, sun)) / 0.55, 0.0, 1.0)
    emissivity = (1.0 - 0.84 * covered) * clear + 0.84 * covered
    return np.asarray(emissivity * black_w_per_m2(hours.air_degc))


def black_w_per_m2(degc: Floats) -> Floats:
    """Return what a black surface of this temperature sends."""
    return np.asarray(STEFAN_W_PER_M2_K4 * (degc + ZERO_DEGC_K) ** 4)


def _daily_clearness(hours: Hours, sun: Sun) -> Floats:
    """Return the clearness (8760,) of each day, on straight lines from noon to noon.

    A day with next to no sun, as in a polar winter, tells nothing: it counts as half covered.
    """
    above = sun.normal_w_per_m2 * np.maximum(sun.up, 0.0)
    # hour 1 to 24 end within the day, and hour 24 is the next day's first
    daily = [np.roll(one, -1).reshape(-1, 24).sum(axis=1) for one in (hours.global_w_per_m2, above)]
    known = daily[1] > 24.0 * 5.0
    clearness = np.where(known, daily[0] / np.maximum(daily[1], 1.0), 0.475)
    noons = 24.0 * np.arange(len(clearness)) + 12.0
    return np.asarray(np.interp(np.arange(HOURS), noons, clearness, period=float(HOURS)))


def convection_w_per_m2_k(wind_m_per_s: Floats) -> Floats:
    """Return the film's conductance (8760,) to the air: 4 + 4 v, ISO 6946:2017, annex C."""
    return np.asarray(4.0 + 4.0 * WIND_AT_BOX * wind_m_per_s)


def ground_degc(climate: Climate, hours: Hours) -> Floats:
    """Return the temperature (8760,) of the ground's surface.

    It takes the sun's heat that it does not reflect or evaporate, trades long waves and air with
    what is above it, and stores the rest: a half-space whose admittance at a frequency w is
    inertia x sqrt(i w) (Carslaw and Jaeger, section 2.6). With the exchange linearised at the
    year's mean all of it is linear, and each frequency of the year stands alone.
    """
    ground, air = climate.ground, hours.air_degc
    absorbed = (1.0 - ground.albedo_ratio) * ground.dry_ratio * at_hours(hours.global_w_per_m2)
    sky_loss = black_w_per_m2(air) - sky_w_per_m2(hours, sun_of(climate))
    film = float(convection_w_per_m2_k(hours.wind_m_per_s).mean())
    film += 4.0 * STEFAN_W_PER_M2_K4 * (float(air.mean()) + ZERO_DEGC_K) ** 3
    inertia = WET_INERTIA + ground.dry_ratio * (DRY_INERTIA - WET_INERTIA)
    turn = 2j * np.pi * np.fft.rfftfreq(HOURS, HOUR_S)
    into = np.fft.rfft(absorbed - sky_loss + film * air)
    return np.asarray(np.fft.irfft(into / (film + inertia * np.sqrt(turn)), HOURS))


def at_hours(hourly_means: Floats) -> Floats:
    """Return values at the hours from means over the hours that end there; the sum is kept."""
    return np.asarray(0.5 * (hourly_means + np.roll(hourly_means, -1)))


def surroundings(climate: Climate, hours: Hours, box: Box) -> Surroundings:
    """Return what the box stands in, averaged over its skin.

    Walls see half sky and half ground, the roof nothing but sky; sky light and reflected light are
    the same from everywhere.
    """
    sun, walls = sun_of(climate), 1.0 - box.roof_ratio
    # of four walls to the four winds, two at most have the sun, each by its own cosine
    level = np.where(sun.up > 0.0, np.abs(sun.west) + np.abs(sun.equator), 0.0) / 4.0
    reflected = 0.5 * climate.ground.albedo_ratio * hours.global_w_per_m2
    on_walls = hours.direct_w_per_m2 * level + 0.5 * hours.diffuse_w_per_m2 + reflected
    on_skin = box.roof_ratio * hours.global_w_per_m2 + walls * on_walls
    sees_sky = box.roof_ratio + 0.5 * walls
    return Surroundings(
        air_degc=hours.air_degc,
        sun_w_per_m2=at_hours(on_skin),
        sky_w_per_m2=sees_sky * sky_w_per_m2(hours, sun),
        ground_w_per_m2=(1.0 - sees_sky) * black_w_per_m2(ground_degc(climate, hours)),
        convection_w_per_m2_k=convection_w_per_m2_k(hours.wind_m_per_s),
    )


# --- what the box makes of it ---------------------------------------------------------------------


def heat_in_w_per_m2(box: Box, around: Surroundings, skin_degc: Floats) -> Floats:
    """Return the heat (8760,) that a skin of this temperature takes in, all ways together."""
    long_waves = around.sky_w_per_m2 + around.ground_w_per_m2 - black_w_per_m2(skin_degc)
    return np.asarray(
        box.absorptance_ratio * around.sun_w_per_m2
        + box.emissivity_ratio * long_waves
        + around.convection_w_per_m2_k * (around.air_degc - skin_degc)
    )


def sol_air_degc(box: Box, around: Surroundings) -> Floats:
    """Return the skin temperature (8760,) at which no heat flows.

    Heat falls ever faster with the skin's temperature, so Newton's method comes down on the one
    root from any start above it; the first step from below lands above.
    """
    skin = around.air_degc.copy()
    for _ in range(12):
        slope = around.convection_w_per_m2_k + 4.0 * box.emissivity_ratio * STEFAN_W_PER_M2_K4 * (
            (skin + ZERO_DEGC_K) ** 3
        )
        skin = skin + heat_in_w_per_m2(box, around, skin) / slope
    return skin


def indoors_degc(room: Room, air_degc: Floats) -> Floats:
    """Return the air (8760,) of an unheated room: the outside's, damped and late, and the ground's.

    Each frequency w of the year is damped by 1 / (1 + i w lag) on its way through the walls and by
    exp(-depth sqrt(i w / a)) on its way down (Carslaw and Jaeger, section 2.6).
    """
    turn = 2j * np.pi * np.fft.rfftfreq(HOURS, HOUR_S)
    through_walls = (1.0 - room.ground_ratio) / (1.0 + turn * room.lag_s)
    through_ground = room.ground_ratio * np.exp(-room.depth_m * np.sqrt(turn / SOIL_M2_PER_S))
    return np.asarray(np.fft.irfft(np.fft.rfft(air_degc) * (through_walls + through_ground), HOURS))
