"""Draws a run of a week as an engineer would look at it: what surrounds the pack, and what it does.

    hil runs export last --format csv --output week.csv
    python tests/validation/plot_weeks.py week.csv week.png

Needs matplotlib (the extra ``validation``) and reads nothing but the exported rows of a run whose
pack stands in weather.
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # no screen is needed

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY_S = 86_400.0


class Rows:
    """The columns of an export by their names, without units; ``day`` counts from the first row."""

    def __init__(self, path: Path) -> None:
        """Read all of it. Raises SystemExit for a run without weather."""
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file)
            self.names = [name.rpartition(" [")[0] for name in next(lines)]
            self.table = np.array([[float(cell or "nan") for cell in line] for line in lines])
        if "pack.ambient_degc" not in self.names:
            raise SystemExit(f"{path}: no pack.ambient_degc: the run's pack stood in no weather")
        self.day = (self.one("time") - self.one("time")[0]) / DAY_S

    def one(self, name: str) -> Floats:
        """Return one column (rows,)."""
        column: Floats = self.table[:, self.names.index(name)]
        return column

    def cells(self, name: str) -> Floats:
        """Return the columns of one signal (rows, cells)."""
        places = [k for k, one in enumerate(self.names) if one.startswith(f"{name}[")]
        columns: Floats = self.table[:, places]
        return columns


def bled_ah(rows: Rows) -> Floats:
    """Return the charge (rows,) that has flowed into all bleeds, by the emulators' own readings."""
    seconds = np.diff(rows.day * DAY_S, prepend=0.0)
    amperes = np.nan_to_num(rows.cells("emulator.read_a")).sum(axis=1)
    charge: Floats = np.cumsum(amperes * seconds) / 3600.0
    return charge


def span(strip: Any, day: Floats, values: Floats) -> None:
    """Fill from the lowest to the highest cell."""
    low, high = values.min(axis=1), values.max(axis=1)
    strip.fill_between(day, low, high, alpha=0.5, label="cells, lowest to highest")
    strip.plot(day, low, lw=0.5, color="tab:blue")
    strip.plot(day, high, lw=0.5, color="tab:red")


def draw(rows: Rows, title: str, to: Path) -> None:
    """Draw six strips over one axis of days."""
    figure, strips = plt.subplots(6, 1, figsize=(13, 17), sharex=True, layout="constrained")
    heat, volts, soc, gap, bled, amps = strips
    cell_v = rows.cells("plant.cell_v")
    heat.plot(rows.day, rows.one("pack.ambient_degc"), label="seen by the box", color="tab:orange")
    heat.plot(rows.day, rows.one("chamber.air_degc"), label="chamber", color="tab:gray", lw=0.7)
    heat.plot(rows.day, rows.one("plant.enclosure_degc"), label="in the box", color="tab:green")
    heat.plot(rows.day, rows.one("board.pcb_degc"), label="board", color="tab:purple", lw=0.7)
    span(heat, rows.day, rows.cells("plant.cell_degc"))
    span(volts, rows.day, cell_v)
    span(soc, rows.day, 100.0 * rows.cells("plant.soc"))
    gap.plot(rows.day, 1e3 * np.ptp(cell_v, axis=1), label="truth")
    gap.plot(rows.day, 1e3 * np.ptp(rows.cells("board.cell_v"), axis=1), label="board", lw=0.5)
    gap.set_yscale("symlog", linthresh=10.0)
    bled.plot(rows.day, bled_ah(rows), label="all cells")
    amps.plot(rows.day, rows.one("pack.current_a"), lw=0.7, label="pack, discharge positive")
    labels = ("degC", "V", "SOC %", "gap mV", "bled Ah", "A")
    for strip, label in zip(strips, labels, strict=True):
        strip.set_ylabel(label)
        strip.grid(alpha=0.3)
        strip.legend(loc="upper right", fontsize="small", ncols=5)
    amps.set_xlabel("days from the start, at midnight")
    figure.suptitle(title)
    figure.savefig(to, dpi=80)


def main() -> None:
    """Draw one export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("picture", type=Path)
    given = parser.parse_args()
    draw(Rows(given.rows), given.rows.stem, given.picture)


if __name__ == "__main__":
    main()
