"""Which mesh made a published table of resistances: the DFN's pulses fitted again on several.

    python tests/validation/which_mesh.py CELL.json RC.csv

The table has, for temperatures and states of charge, what R0 + R1 (25 s) + R2 (400 s) come to for
pulses of 0.3C, 10 min on and 40 min of rest: columns temp_C, soc, R0, R1, R2 (ohm), RMS of the fit
(mV). It does not say on which mesh. Prints, for each temperature and number of equal shells, how
far R0 is off (mohm, RMS and largest), in the rows below 50 %, where the particle's surface is far
from its middle and the mesh shows, and in those above.
"""

import sys
from pathlib import Path

import numpy as np
import pybamm
from make_reference import Mesh, cell_of, simulation, started
from reference_cases import Floats
from scipy.optimize import nnls

PULSE_A, PULSE_S, REST_S = 0.6, 600.0, 2400.0
TAUS_S = (25.0, 400.0)
SHELLS = (20, 60)


def fitted_ohm(pulse: tuple[Floats, Floats], rest: tuple[Floats, Floats]) -> Floats:
    """Return R0, R1, R2 (ohm) of one pulse and its rest: (s since it began, V less OCV) each."""
    rows, drops = [], []
    for time_s, drop_v in (pulse, rest):
        first = [np.ones(time_s.size) if time_s is pulse[0] else np.zeros(time_s.size)]
        for tau_s in TAUS_S:
            full = 1.0 - np.exp(-PULSE_S / tau_s)
            on, off = 1.0 - np.exp(-time_s / tau_s), full * np.exp(-time_s / tau_s)
            first.append(on if time_s is pulse[0] else off)
        rows.append(np.column_stack(first))
        drops.append(drop_v / PULSE_A)
    found: Floats = nnls(np.vstack(rows), np.concatenate(drops))[0]
    return found


def pulsed_ohm(bpx: Path, shells: int, degc: float, soc_ratio: float, count: int) -> Floats:
    """Return R0 (ohm) of ``count`` pulses, the first from ``soc_ratio``; fewer where it ends."""
    steps = (
        f"Discharge at {PULSE_A} A for {PULSE_S:g} s (5 s period)",
        f"Rest for {REST_S:g} s (10 s period)",
    )
    experiment = pybamm.Experiment([steps] * count)
    start = started(cell_of(bpx), soc_ratio, degc)
    mesh = Mesh(r_n=shells, r_p=shells)
    solution = simulation(start, mesh, experiment=experiment).solve()
    found = []
    for cycle in solution.cycles:
        fits = []
        for step in cycle.steps:
            time_s = step["Time [s]"].entries
            rested_v = step["Battery open-circuit voltage [V]"].entries
            drop_v = rested_v - step["Voltage [V]"].entries
            fits.append(((time_s - time_s[0])[1:], drop_v[1:]))
        found.append(fitted_ohm(fits[0], fits[1])[0])
    return np.array(found)


def main() -> None:
    """Fit every temperature of the table on every mesh."""
    pybamm.set_logging_level("ERROR")
    bpx, table = sys.argv[1:]
    degc, soc, told_ohm = np.loadtxt(table, delimiter=",", skiprows=1, usecols=(0, 1, 2)).T
    for at_degc in np.unique(degc):
        rows = degc == at_degc
        for shells in SHELLS:
            r0_ohm = pulsed_ohm(Path(bpx), shells, at_degc, soc[rows][0], int(rows.sum()))
            apart = 1e3 * (r0_ohm - told_ohm[rows][: r0_ohm.size])
            low = soc[rows][: r0_ohm.size] < 0.5
            figures = [
                f"{np.sqrt(np.mean(part**2)):.2f} ({np.max(np.abs(part)):.2f})"
                for part in (apart[low], apart[~low])
            ]
            print(f"{at_degc:g} degC | {shells} | {' | '.join(figures)}", flush=True)  # noqa: T201 - its voice


if __name__ == "__main__":
    main()
