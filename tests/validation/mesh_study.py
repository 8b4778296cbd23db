"""How far the reference itself moves with its mesh: the bound of every comparison with it.

    python tests/validation/mesh_study.py CELL.json tests/validation/reference [NAME...]

Plays the currents of the fine set again on other meshes, and with PyBaMM's own single-particle
model with electrolyte, and prints RMS and largest difference in mV over 5 to 97 % against the
DFN on a mesh finer than all of them.
"""

import sys
from pathlib import Path

import numpy as np
import pybamm
from make_reference import MESHES, Mesh, cell_of, replayed, started
from reference_cases import CAPACITY_AH, CASES, Case

FINEST = Mesh(40, 20, 40, 60, 320, stretch=3.5)
STUDIED: dict[str, tuple[str, Mesh]] = {
    "default": ("DFN", MESHES["default"]),
    "default, 40 points an electrode": ("DFN", Mesh(x_n=40, x_p=40)),
    "default, 60 shells in the negative": ("DFN", Mesh(r_n=60)),
    "default, 60 shells in the positive": ("DFN", Mesh(r_p=60)),
    "fine": ("DFN", MESHES["fine"]),
    "SPMe, fine": ("SPMe", MESHES["fine"]),
}
NAMES = (
    "cycle_25degc_1c_0p5c",
    "cycle_0degc_0p5c_0p2c",
    "top_25degc_0p5c_soc70",
    "top_5degc_0p2c_soc70",
    "pulses_m10degc_0p5c_soc50",
)


def study(case: Case, bpx: Path, folder: Path) -> None:
    """Play one case on every mesh and print how far each is from the finest."""
    path = folder / "fine" / case.half / f"{case.name}.csv"
    table = np.loadtxt(path, delimiter=",", skiprows=1).T
    rows = table[0], table[1], table[4]
    soc = case.soc_ratio - table[5] / CAPACITY_AH
    middle = (soc >= 0.05) & (soc <= 0.97)
    start = started(cell_of(bpx), case.soc_ratio, float(rows[2][0]))
    best_v, _ = replayed(start, rows, FINEST)
    for name, (kind, mesh) in STUDIED.items():
        voltage_v, _ = replayed(start, rows, mesh, kind=kind)
        apart_mv = 1e3 * (voltage_v - best_v)[middle]
        rms_mv, max_mv = np.sqrt(np.mean(apart_mv**2)), np.max(np.abs(apart_mv))
        print(f"{case.name} | {name} | {rms_mv:.2f} | {max_mv:.2f}", flush=True)  # noqa: T201 - its voice


def main() -> None:
    """Study the cases that are named, or those of docs/physics.md."""
    pybamm.set_logging_level("ERROR")
    bpx, folder, *names = sys.argv[1:]
    for case in CASES:
        if case.name in (names or NAMES):
            study(case, Path(bpx), Path(folder))


if __name__ == "__main__":
    main()
