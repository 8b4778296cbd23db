"""Make the reference set: PyBaMM's DFN of the public BPX LFP cell, driven by the cases beside.

    python tests/validation/make_reference.py --mesh default CELL.json tests/validation/reference

Needs the extra ``validation``; about three minutes on the default mesh and half an hour on the fine
one. Names of cases after the folder make only those. The cell's JSON is public and stays outside of
the project.

Two sets, because a mesh is a part of a simulated cell: what PyBaMM makes when nobody asks it for
more, as most published simulations of this cell are made, and what it comes to when shells are
many. In the cold they are two cells (docs/physics.md).

What the voltage ends (a charge at 3.65 V) is played twice: first PyBaMM finds when each phase ends,
then the current it drew, as straight lines between rows, is played again. So a row holds exactly
what the straight lines give, and a model that is driven with the file sees the same current.
"""

import argparse
import sys
import warnings
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pybamm
from reference_cases import CAPACITY_AH, CASES, EDGE_S, NOMINAL_AH, Case, Floats, Phase

COOLING_W_PER_M2K = 10.0
"""Moving air. With the cell's 4.31e-3 m2 it is 0.0431 W/K; PyBaMM's lumped cell has 32.95 J/K."""


@dataclass(frozen=True)
class Mesh:
    """Points across the electrodes and the separator, shells in the particles of both electrodes.

    With ``stretch`` the shells are crowded at the surface: the outermost is exp(-stretch) of the
    innermost; without they are equal.
    """

    x_n: int = 20
    x_s: int = 20
    x_p: int = 20
    r_n: int = 20
    r_p: int = 20
    stretch: float | None = None

    def points(self) -> dict[str, int]:
        """Return the points of every domain by PyBaMM's names."""
        return {name: getattr(self, name) for name in ("x_n", "x_s", "x_p", "r_n", "r_p")}


MESHES = {"default": Mesh(), "fine": Mesh(30, 15, 30, 30, 160, stretch=3.0)}
"""PyBaMM's own, and one that more shells hardly move: ``mesh_study.py`` says how far they are from
a still finer one."""

TOLERANCE = 1e-6
"""Relative and absolute; 1e-7 moves no voltage by 1 uV, at 1e-8 the solver finds no first step."""

NEGATIVE, POSITIVE = (0.0016261, 0.82258, 31400.0), (0.95038, 0.0875, 21200.0)
"""Stoichiometry at 0 and at 100 %, and sites (mol/m3): the BPX file's own."""

PERIOD_S = 5.0
COLUMNS = ("time_s", "current_A", "voltage_V", "cell_temp_C", "ambient_C", "discharged_Ah")
DIGITS = (".1f", ".6f", ".5f", ".3f", ".3f", ".6f")
"""10 uV and 1 mK are far below what the mesh leaves open; times, currents and ambients are rounded
before they are played, so that a file holds exactly what was done."""


def cell_of(bpx: Path) -> Any:
    """Return PyBaMM's parameters of the cell, cooled by moving air, without voltage limits."""
    with warnings.catch_warnings():
        # The file is of BPX 0.1: the limits of its conversion touch nothing that is used here.
        warnings.simplefilter("ignore", UserWarning)
        values = pybamm.ParameterValues.create_from_bpx(str(bpx))
    values.update(
        {
            "Total heat transfer coefficient [W.m-2.K-1]": COOLING_W_PER_M2K,
            "Upper voltage cut-off [V]": 4.5,
            "Lower voltage cut-off [V]": 0.5,
        }
    )
    return values


def started(cell: Any, soc_ratio: float, degc: float) -> Any:
    """Return the parameters with both electrodes even at a state of charge, at a temperature.

    x = x0 + s (x1 - x0) as BPX defines it. PyBaMM's own solve for a state of charge takes the
    voltage limits at the cell's temperature, and would start somewhere else in the cold.
    """
    values = cell.copy()
    for name, (empty, full, sites) in (("negative", NEGATIVE), ("positive", POSITIVE)):
        taken = empty + soc_ratio * (full - empty)
        values[f"Initial concentration in {name} electrode [mol.m-3]"] = sites * taken
    values["Initial temperature [K]"] = values["Ambient temperature [K]"] = degc + 273.15
    return values


def simulation(
    values: Any,
    mesh: Mesh,
    tolerance: float = TOLERANCE,
    experiment: Any = None,
    kind: str = "DFN",
) -> Any:
    """Return a model of PyBaMM (``DFN`` or ``SPMe``) with lumped heat, on a mesh."""
    model = getattr(pybamm.lithium_ion, kind)({"thermal": "lumped"})
    shells = model.default_submesh_types.copy()
    for name in ("negative", "positive") if mesh.stretch else ():
        shells[f"{name} particle"] = pybamm.MeshGenerator(
            pybamm.Exponential1DSubMesh, {"side": "right", "stretch": mesh.stretch}
        )
    return pybamm.Simulation(
        model,
        parameter_values=values,
        var_pts=mesh.points(),
        submesh_types=shells,
        solver=pybamm.IDAKLUSolver(rtol=tolerance, atol=tolerance),
        experiment=experiment,
    )


def step_text(phase: Phase) -> str:
    """Return a phase in PyBaMM's words."""
    if phase.hold_v is not None:
        ends_a = (phase.until_rate_per_h or 0.0) * NOMINAL_AH
        return f"Hold at {phase.hold_v} V until {ends_a:g} A"
    if phase.rate_per_h == 0.0:
        return f"Rest for {phase.lasts_s:g} seconds"
    word = "Discharge" if phase.rate_per_h > 0.0 else "Charge"
    text = f"{word} at {abs(phase.rate_per_h) * NOMINAL_AH:g} A"
    ends = f"for {phase.lasts_s:g} seconds" if phase.lasts_s else f"until {phase.until_v} V"
    return f"{text} {ends}"


def played_protocol(case: Case, cell: Any, mesh: Mesh) -> tuple[Floats, Floats]:
    """Let PyBaMM find when phases end; return times (s) and currents (A) of the rows to play."""
    steps = [(step_text(phase),) for phase in case.phases]
    experiment = pybamm.Experiment(steps, period=f"{PERIOD_S:g} seconds")
    start = started(cell, case.soc_ratio, case.degc)
    solution = simulation(start, mesh, experiment=experiment).solve()
    times: list[float] = []
    currents: list[float] = []
    shift_s = 0.0
    for cycle in solution.cycles:
        names = ("Time [s]", "Current [A]", "Voltage [V]")
        time_s, current_a, voltage_v = (cycle.steps[0][name].entries for name in names)
        keep = rows_to_keep(time_s, current_a, voltage_v)
        # A jump of current takes a second; into a held voltage the current runs on without one.
        if times and abs(current_a[0] - currents[-1]) < 0.01 * NOMINAL_AH:
            keep = [k for k in keep if time_s[k] + shift_s > times[-1] + 0.5]
        elif times:
            shift_s += EDGE_S
        times += [float(time_s[k] + shift_s) for k in keep]
        currents += [float(current_a[k]) for k in keep]
    return np.array(times), np.array(currents)


def rows_to_keep(time_s: Floats, current_a: Floats, voltage_v: Floats) -> list[int]:
    """Choose rows: close after a step and where voltage or current bend, else two minutes apart."""
    kept = [0]
    for k in range(1, time_s.size):
        since_s = time_s[k] - time_s[kept[-1]]
        moved = abs(voltage_v[k] - voltage_v[kept[-1]]) > 0.01
        moved = moved or abs(current_a[k] - current_a[kept[-1]]) > 0.01
        due = since_s >= min(120.0, max(PERIOD_S, 0.15 * (time_s[k] - time_s[0])))
        if since_s >= 1.0 and (moved or due or k == time_s.size - 1):
            kept.append(k)
    return kept


def drive_rows(case: Case) -> tuple[Floats, Floats]:
    """Return times (s) and currents (A) of a drive: its corners, with rows thinning out between."""
    at_s, current_a = np.array(case.corners).T
    if case.kind == "day":
        return at_s, current_a  # a row every two minutes as it is
    times = set(at_s.tolist())
    for begins_s, ends_s in pairwise(at_s):
        now_s, gap_s = float(begins_s), 2.0
        while now_s + gap_s < ends_s - gap_s:
            now_s += gap_s
            times.add(round(now_s, 1))
            gap_s = min(120.0 if case.kind == "pulses" else 300.0, gap_s * 1.5)
    rows = np.array(sorted(times))
    return rows, np.interp(rows, at_s, current_a)


def driven(case: Case, cell: Any, mesh: Mesh) -> tuple[Floats, Floats, Floats]:
    """Return times (s), currents (A) and ambients (degC) of a case's rows, as they are written."""
    time_s, current_a = drive_rows(case) if case.corners else played_protocol(case, cell, mesh)
    time_s, current_a = np.round(time_s, 1), np.round(current_a, 6)
    corners = np.array(case.ambient or ((0.0, case.degc),))
    return time_s, current_a, np.round(np.interp(time_s, *corners.T), 3)


def replayed(
    start: Any, rows: tuple[Floats, Floats, Floats], mesh: Mesh, **options: Any
) -> tuple[Floats, Floats]:
    """Return voltage (V) and cell temperature (degC) at the rows of a drive.

    ``start`` are the parameters with their first state. Raises RuntimeError where the model did
    not reach the end.
    """
    time_s, current_a, ambient_degc = rows
    values = start.copy()
    values["Current function [A]"] = pybamm.Interpolant(time_s, current_a, pybamm.t)
    if np.ptp(ambient_degc) > 0.0:
        kelvin = ambient_degc + 273.15
        values["Ambient temperature [K]"] = lambda _y, _z, t: pybamm.Interpolant(time_s, kelvin, t)
    # The solver is stopped at every sharp corner: it could step over a pulse that it did not see.
    bends = np.abs(np.diff(np.diff(current_a) / np.diff(time_s)))
    stops = np.concatenate((time_s[:1], time_s[1:-1][bends > 0.03], time_s[-1:]))
    solution = simulation(values, mesh, **options).solve(t_eval=stops, t_interp=time_s)
    if solution.t.size != time_s.size:
        raise RuntimeError(f"the model stopped at {solution.t[-1]:g} of {time_s[-1]:g} s")
    degc = solution["Volume-averaged cell temperature [C]"].entries
    return solution["Voltage [V]"].entries, degc


def discharged_ah(time_s: Floats, current_a: Floats) -> Floats:
    """Return the charge that straight lines between rows have taken out."""
    mean_a = (current_a[1:] + current_a[:-1]) / 2.0
    return np.concatenate(([0.0], np.cumsum(mean_a * np.diff(time_s)))) / 3600.0


def write_case(case: Case, cell: Any, mesh: Mesh, folder: Path) -> str:
    """Play one case on a mesh, write its file into ``folder``; return a line on what it holds."""
    rows = driven(case, cell, mesh)
    start = started(cell, case.soc_ratio, float(rows[2][0]))
    voltage_v, cell_degc = replayed(start, rows, mesh)
    charge_ah = discharged_ah(*rows[:2])
    table = np.column_stack((*rows[:2], voltage_v, cell_degc, rows[2], charge_ah))
    table[np.abs(table) < 5e-7] = 0.0  # no -0.000000 in a file
    path = folder / case.half / f"{case.name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(format(v, d) for v, d in zip(row, DIGITS, strict=True)) for row in table]
    path.write_text("\n".join((",".join(COLUMNS), *lines, "")), encoding="utf-8")
    soc = case.soc_ratio - charge_ah / CAPACITY_AH
    spans = ((soc, ""), (voltage_v, " V"), (cell_degc, " degC"))
    held = ", ".join(f"{one.min():.3f} to {one.max():.3f}{unit}" for one, unit in spans)
    return f"{case.name}: {len(table)} rows, {held}"


def write_index(folder: Path) -> None:
    """Write what made the sets, and what every case holds."""
    made = f"pybamm: {pybamm.__version__}, model: DFN, tolerance: {TOLERANCE:g}"
    lines = [
        "# Written by tests/validation/make_reference.py; soc is that of the first row. Every case",
        "# stands in the folder of each mesh.",
        f"made_with: {{{made}}}",
        "meshes:",
    ]
    for name, mesh in MESHES.items():
        figures = {key: value for key, value in asdict(mesh).items() if value is not None}
        shown = ", ".join(f"{key}: {value:g}" for key, value in figures.items())
        lines.append(f"  {name}: {{{shown}}}")
    lines += [f"capacity_ah: {CAPACITY_AH}", "cases:"]
    for case in sorted(CASES, key=lambda one: (one.half, one.kind, one.degc, one.name)):
        figures_of = f"soc: {case.soc_ratio:g}, degc: {case.degc:g}, rate: {case.rate_per_h:g}"
        about = f"half: {case.half}, kind: {case.kind}, {figures_of}, seed: {case.seed}"
        lines.append(f"  - {{name: {case.name}, {about}}}")
    (folder / "index.yaml").write_text("\n".join([*lines, ""]), encoding="utf-8")


def main() -> int:
    """Make the cases that are named, or all; a case that fails is told and fails the program."""
    parser = argparse.ArgumentParser(description="Make the reference set of the cell model.")
    parser.add_argument("bpx", type=Path, help="the cell's BPX JSON")
    parser.add_argument("folder", type=Path, help="where the sets stand")
    parser.add_argument("--mesh", choices=MESHES, default="default", help="which set to make")
    parser.add_argument("names", nargs="*", help="cases to make; all without")
    asked = parser.parse_args()
    pybamm.set_logging_level("ERROR")
    cell = cell_of(asked.bpx)
    failed = 0
    for case in CASES:
        if asked.names and case.name not in asked.names:
            continue
        try:
            line = write_case(case, cell, MESHES[asked.mesh], asked.folder / asked.mesh)
        except (RuntimeError, pybamm.SolverError) as error:
            failed += 1
            line = f"{case.name}: FAILED: {error}"
        print(line, flush=True)  # noqa: T201 - the program's own voice
    write_index(asked.folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
