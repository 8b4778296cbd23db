"""Makes household_*.csv: what a house asks of its battery, by the minute.

Run it with the extra installed: ``pip install -c constraints.txt -e '.[inputs]'``, then
``python profiles/inputs/make_household_series.py``. It reads nothing but files that pvlib and
demandlib ship, so it repeats without a network. README.md beside it says where each figure comes
from, what was measured and what is modelled.
"""

import argparse
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pvlib
from demandlib.vdi import Climate, Region

SUMMER = "723170TYA.CSV"  # Greensboro Piedmont Triad International Airport, North Carolina
WINTER = "703165TY.csv"  # Sand Point, Alaska: 55.3 degrees north, as southern Sweden


class Span(NamedTuple):
    """Where and when a file is of: a station's typical year, and days as they were measured."""

    station: str
    first: date
    days: int


SERIES = {
    # The hottest day of the typical year, and nearly cloudless till noon.
    "household_day.csv": Span(SUMMER, date(1981, 7, 10), 1),
    # The hottest seven days: every one above 32 degC.
    "household_week.csv": Span(SUMMER, date(1981, 7, 8), 7),
    # The coldest day of the typical December but its last, under broken clouds.
    "household_winter_day.csv": Span(WINTER, date(1998, 12, 12), 1),
}

ROOF_W = 6_000.0  # STC power of the modules
ROOF_TILT_DEG = 30.0
ROOF_AZIMUTH_DEG = 180.0  # facing south
GAMMA_PER_K = -0.0037  # power over cell temperature, a common crystalline module (PVWatts v5)
INVERTER_EFFICIENCY = 0.96  # pvlib's PVWatts default
INVERTER_W = 6_000.0  # AC limit

YEARLY_LOAD_KWH = 4_500.0
PERSONS = 3
VDI_REGION = 12  # Upper Rhine, the warmest region of VDI 4655
COVERED_SKY_TENTHS = 6.25  # VDI 4655: a mean of five eighths and more

# Below this the sun is at the horizon and the ratio of two small numbers says nothing.
CLEAR_SKY_FLOOR_W_M2 = 30.0


def station_year(station_file: str) -> tuple[pd.DataFrame, pvlib.location.Location]:
    """Return the hourly typical year (months of their own years) and the station's place."""
    path = Path(pvlib.__file__).parent / "data" / station_file
    hours, station = pvlib.iotools.read_tmy3(path, map_variables=True)
    place = pvlib.location.Location(
        station["latitude"], station["longitude"], station["TZ"], station["altitude"]
    )
    return hours, place


def to_minutes(hours: pd.Series, minutes: pd.DatetimeIndex) -> np.ndarray:
    """Interpolate ``hours`` linearly at ``minutes``; values outside hold the nearest hour's."""
    at, known_at = minutes.asi8, hours.index.as_unit(minutes.unit).asi8
    return np.asarray(np.interp(at, known_at, hours.to_numpy()))


def clear_sky_ratio(measured: pd.Series, clear: pd.Series) -> pd.Series:
    """Return measured over clear-sky irradiance, one value an hour, placed at mid-hour.

    A TMY3 value is the mean over the hour that ends at its stamp, so the clear sky is averaged
    over the same hour. Hours with next to no sun take the ratio of the nearest hour that has some.
    """
    hourly_clear = clear.resample("h", label="right", closed="right").mean()
    ratio = (measured / hourly_clear).where(hourly_clear > CLEAR_SKY_FLOOR_W_M2)
    ratio = ratio.clip(0.0, 1.5).interpolate("nearest").ffill().bfill()
    ratio.index -= pd.Timedelta(minutes=30)
    return ratio


def irradiance(
    hours: pd.DataFrame, place: pvlib.location.Location, minutes: pd.DatetimeIndex
) -> pd.DataFrame:
    """Return ghi, dni and dhi in W/m2 at ``minutes``: the clear sky times the hours' own ratio."""
    clear = place.get_clearsky(minutes, model="ineichen")
    sky = pd.DataFrame(index=minutes)
    for part in ("ghi", "dni"):
        ratio = clear_sky_ratio(hours[part], clear[part])
        sky[part] = clear[part] * to_minutes(ratio, minutes)
    zenith_deg = place.get_solarposition(minutes)["apparent_zenith"]
    horizontal = sky["dni"] * np.cos(np.radians(zenith_deg)).clip(lower=0.0)
    sky["dhi"] = (sky["ghi"] - horizontal).clip(lower=0.0)
    return sky


def pv_power_w(weather: pd.DataFrame, place: pvlib.location.Location) -> pd.Series:
    """Return the roof's AC power by NREL's PVWatts version 5, as pvlib has it, default losses."""
    system = pvlib.pvsystem.PVSystem(
        surface_tilt=ROOF_TILT_DEG,
        surface_azimuth=ROOF_AZIMUTH_DEG,
        module_parameters={"pdc0": ROOF_W, "gamma_pdc": GAMMA_PER_K},
        inverter_parameters={"pdc0": INVERTER_W / INVERTER_EFFICIENCY},
        temperature_model_parameters=pvlib.temperature.TEMPERATURE_MODEL_PARAMETERS["sapm"][
            "close_mount_glass_glass"
        ],
    )
    chain = pvlib.modelchain.ModelChain.with_pvwatts(system, place)
    chain.run_model(weather)
    return chain.results.ac.fillna(0.0).clip(lower=0.0)


def load_power_w(hours: pd.DataFrame, first: date, days: int) -> np.ndarray:
    """Return the house's electric load by VDI 4655's one-minute reference days, shape (minutes,).

    The typical year's own temperatures and clouds choose season and sky of each reference day;
    the date chooses Sunday or working day (VDI 4655 counts Saturday as one).
    """
    year = hours.set_index(pd.date_range(f"{first.year}-01-01", periods=len(hours), freq="h"))
    daily = year.resample("D").mean(numeric_only=True)
    climate = Climate(
        temperature=daily["temp_air"],
        cloud_coverage=daily["TotCld (tenths)"].ge(COVERED_SKY_TENTHS).map({True: "B", False: "H"}),
        energy_factors=Climate().from_try_data(VDI_REGION).energy_factors,
    )
    house = {
        "name": "house",
        "house_type": "EFH",
        "N_Pers": PERSONS,
        "N_WE": 1,
        "Q_Heiz_a": 0.0,
        "Q_TWW_a": 0.0,
        "W_a": YEARLY_LOAD_KWH,
        "summer_temperature_limit": 15,
        "winter_temperature_limit": 5,
    }
    region = Region(first.year, climate=climate, houses=[house])
    energy_kwh = region.get_load_curve_houses()["house"]["EFH"]["W_TT"]
    last = first + timedelta(days=days - 1)
    minute_kwh = energy_kwh.loc[first.isoformat() : last.isoformat()].to_numpy()
    return np.asarray(minute_kwh * 60_000.0)


def household_series(span: Span) -> pd.DataFrame:
    """Return one row a minute from the first midnight (standard time), columns as in the CSV."""
    hours, place = station_year(span.station)
    minutes = pd.date_range(span.first, periods=span.days * 1440, freq="min", tz=hours.index.tz)
    # In the file, months of different years follow each other; sorted, ours stand together.
    near = hours.sort_index().loc[minutes[0] : minutes[-1] + pd.Timedelta(hours=1)]
    weather = irradiance(near, place, minutes)
    for quantity in ("temp_air", "wind_speed"):
        weather[quantity] = to_minutes(near[quantity], minutes)
    load_w = np.rint(load_power_w(hours, span.first, span.days)).astype(int)
    pv_w = np.rint(pv_power_w(weather, place).to_numpy()).astype(int)
    return pd.DataFrame(
        {
            "time_s": np.arange(len(minutes)) * 60,
            "load_w": load_w,
            "pv_w": pv_w,
            "net_w": load_w - pv_w,
            "ambient_degc": weather["temp_air"].round(1).to_numpy(),
        }
    )


def main() -> None:
    """Write all files into the folder given, by default the one this script is in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    folder: Path = parser.parse_args().folder
    for name, span in SERIES.items():
        household_series(span).to_csv(folder / name, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
