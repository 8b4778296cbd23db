"""Makes the CSV files beside it: measured typical years that the package pvlib ships.

Run it with the extra installed: ``pip install -c constraints.txt -e '.[inputs]'``, then
``python profiles/climates/make_measured_years.py``. It reads nothing but files inside pvlib, so it
repeats without a network. README.md beside it says what the columns are and where they come from.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pvlib

YEARS = {
    "temperate.csv": "723170TYA.CSV",  # Greensboro, North Carolina
    "nordic-coast.csv": "703165TY.csv",  # Sand Point, Alaska
    "humid.csv": "12839.tm2",  # Miami, Florida
}

COLUMNS = ("air_degc", "global_w", "direct_w", "diffuse_w", "humidity_pct", "wind_m_per_s")


def station_year(name: str) -> pd.DataFrame:
    """Return a station's hours as the file has them, the first being that which ends at 01:00."""
    path = Path(pvlib.__file__).parent / "data" / name
    if path.suffix == ".tm2":
        hours, _ = pvlib.iotools.read_tmy2(path)
        # temperature and wind in tenths
        known = ("DryBulb", "GHI", "DNI", "DHI", "RHum", "Wspd")
        scale = (0.1, 1.0, 1.0, 1.0, 1.0, 0.1)
    else:
        hours, _ = pvlib.iotools.read_tmy3(path, map_variables=True)
        known = ("temp_air", "ghi", "dni", "dhi", "relative_humidity", "wind_speed")
        scale = (1.0,) * len(known)
    return pd.DataFrame(
        {c: hours[k].to_numpy() * s for c, k, s in zip(COLUMNS, known, scale, strict=True)}
    )


def series(name: str) -> pd.DataFrame:
    """Return the year from midnight to 23:00.

    A typical year counts its hours from 01:00 to 24:00: the last one is put first, as the midnight
    at which the year begins and ends.
    """
    hours = station_year(name)
    if len(hours) != 8760 or not np.isfinite(hours.to_numpy()).all():  # noqa: PLR2004 - a year
        raise SystemExit(f"{name}: expected 8760 whole rows, found {len(hours)}")
    turned = hours.apply(lambda column: np.roll(column.to_numpy(), 1))
    whole = [column for column in COLUMNS if column not in ("air_degc", "wind_m_per_s")]
    turned = turned.round(1)
    turned[whole] = turned[whole].round().astype(int)
    turned.insert(0, "hour", np.arange(len(turned)))
    return turned


def main() -> None:
    """Write all files into the folder given, by default the one this script is in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    folder: Path = parser.parse_args().folder
    for name, station in YEARS.items():
        series(station).to_csv(folder / name, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
