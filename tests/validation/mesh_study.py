"""How far the reference itself moves with its mesh: the bound of every comparison with it.

    python tests/validation/mesh_study.py CELL.json tests/validation/reference [NAME...]

Prints, for each case and mesh, RMS and largest difference in mV over 5 to 97 % against the finest.
"""

import sys
from pathlib import Path

import numpy as np
import pybamm
from make_reference import MESH, STRETCH, cell_of, replayed, started
from reference_cases import CAPACITY_AH, CASES, Case

FINEST = ((40, 20, 40, 60, 320), 3.5)
MESHES: tuple[tuple[tuple[int, ...], float | None], ...] = (
    ((20, 20, 20, 20, 20), None),  # PyBaMM's default
    ((40, 20, 40, 20, 20), None),
    ((20, 20, 20, 60, 20), None),
    ((20, 20, 20, 20, 60), None),
    ((20, 20, 20, 60, 400), None),
    ((20, 20, 20, 30, 120), STRETCH),
    ((20, 20, 20, 60, 320), 3.5),
    (tuple(MESH.values()), STRETCH),
)
NAMES = (
    "top_25degc_0p5c_soc70",
    "top_5degc_0p2c_soc70",
    "pulses_m10degc_0p5c_soc50",
    "cycle_0degc_0p5c_0p2c",
)


def study(case: Case, bpx: Path, folder: Path) -> None:
    """Play one case on every mesh and print how far each is from the finest."""
    table = np.loadtxt(folder / case.half / f"{case.name}.csv", delimiter=",", skiprows=1).T
    rows = table[0], table[1], table[4]
    soc = case.soc_ratio - table[5] / CAPACITY_AH
    middle = (soc >= 0.05) & (soc <= 0.97)
    start = started(cell_of(bpx), case.soc_ratio, float(rows[2][0]))
    best_v, _ = replayed(start, rows, dict(zip(MESH, FINEST[0], strict=True)), stretch=FINEST[1])
    for points, stretch in MESHES:
        mesh = dict(zip(MESH, points, strict=True))
        voltage_v, _ = replayed(start, rows, mesh, stretch=stretch)
        apart_mv = 1e3 * (voltage_v - best_v)[middle]
        rms_mv, max_mv = np.sqrt(np.mean(apart_mv**2)), np.max(np.abs(apart_mv))
        shells = f"stretch {stretch:g}" if stretch else "equal"
        name = "/".join(str(one) for one in points)
        print(f"{case.name} {name} {shells}: {rms_mv:.3f} {max_mv:.3f}", flush=True)  # noqa: T201 - its voice


def main() -> None:
    """Study the cases that are named, or those of docs/physics.md."""
    pybamm.set_logging_level("ERROR")
    bpx, folder, *names = sys.argv[1:]
    for case in CASES:
        if case.name in (names or NAMES):
            study(case, Path(bpx), Path(folder))


if __name__ == "__main__":
    main()
