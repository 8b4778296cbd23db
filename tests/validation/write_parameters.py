"""Write the tables of parameters in docs/physics.md from the files that hold them.

    .venv/bin/python tests/validation/write_parameters.py docs/physics.md

Each goes between two comments of the page (``test_parameter_tables.py`` holds them to the files).
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from hil.physics.cell_types import CellParameters, CircuitCell, DiffusionCell
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.stack import ENTROPIC, HALF_LOOP_V, OCV_V, SOC_STEPS
from hil.physics.tables import tabulate
from hil.profile import load_cell
from hil.profile.files import CHECKOUT

END = "<!-- end of parameters -->"

Row = Sequence[str]


def markdown(head: Row, rows: Iterable[Row]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# --- cells ---------------------------------------------------------------------------------------

AT_PCT = (0, 1, 5, 10, 20, 50, 80, 90, 95, 99, 100)
"""States of charge of the equilibrium's rows, %."""


VARIATIONS = ("bpx-2ah-smooth",)
"""Cells that differ from another in how they are computed only: told in the text."""


def cells() -> dict[str, CellParameters]:
    """Return all cell types that are shipped, by name."""
    names = sorted(path.stem for path in (CHECKOUT / "cells").glob("*.yaml"))
    return {name: load_cell(name) for name in names}


def equilibrium(cell: CellParameters, column: int) -> str:
    """Return one column of what a rested cell shows, in mV or mV/K, at ``AT_PCT``."""
    by_soc = tabulate(cell).by_soc
    return " ".join(f"{1e3 * by_soc[pct * SOC_STEPS // 100, column]:.4g}" for pct in AT_PCT)


FIGURES: dict[str, Callable[[CellParameters], str]] = {
    "known from": lambda c: "electrodes" if isinstance(c, DiffusionCell) else "terminals",
    "capacity": lambda c: f"{c.capacity_ah:.5g} Ah",
    "mass, specific heat": lambda c: f"{c.mass_kg:.4g} kg, {c.heat_capacity_j_per_kg_k:g} J/kgK",
    "bare in moving air": lambda c: f"{c.cooling_w_per_k:g} W/K" if c.cooling_w_per_k else "-",
    "leakage at 25 °C": lambda c: f"{1e3 * c.leakage_a:g} mA",
    "its activation energy": lambda c: f"{c.leakage_ea_j_per_mol / 1e3:g} kJ/mol",
    "hysteresis closes over": lambda c: f"{100 * c.hysteresis_span_ratio:g} %",
    "ages": lambda c: "yes" if c.ageing else "-",
    "valid: charge": lambda c: (
        f"{100 * c.fitted_from_soc_ratio:g} to {100 * c.fitted_to_soc_ratio:g} %"
    ),
    "valid: temperature": lambda c: f"{c.fitted_from_degc:g} to {c.fitted_to_degc:g} °C",
    "valid: rate up to": lambda c: f"{c.fitted_to_rate_per_h:g}C",
}


def cell_table() -> str:
    """Return what all kinds of cell have."""
    types = {name: cell for name, cell in cells().items() if name not in VARIATIONS}
    rows = [[what, *(tell(cell) for cell in types.values())] for what, tell in FIGURES.items()]
    return markdown(["", *(f"`{name}`" for name in types)], rows)


def equilibrium_table() -> str:
    """Return the open-circuit curves of the distinct equilibria."""
    rows = []
    for name in ("lfp-100ah", "bpx-2ah"):
        cell = load_cell(name)
        for what, column in (("OCV mV", OCV_V), ("dU/dT mV/K", ENTROPIC)):
            rows.append([f"`{name}` {what}", *equilibrium(cell, column).split()])
    half = equilibrium(load_cell("lfp-100ah"), HALF_LOOP_V)
    rows.append(["half the loop mV, all but `bpx-2ah`", *half.split()])
    return markdown(["charge %", *(f"{pct}" for pct in AT_PCT)], rows)


def circuit_table() -> str:
    """Return kinetics and polarisation of the circuits, per ampere-hour."""
    cell = load_cell("lfp-100ah")
    assert isinstance(cell, CircuitCell)
    g = zip(cell.kinetics_soc_ratio, cell.kinetics_ratio, strict=True)
    rows = [
        ["Rs Q", f"{1e3 * cell.rs_ohm_ah:g} mΩ Ah", f"{cell.rs_ea_j_per_mol / 1e3:g} kJ/mol"],
        ["I0a / Q", f"{cell.i0a_per_h:g} 1/h", f"{cell.i0a_ea_j_per_mol / 1e3:g} kJ/mol"],
        ["I0b / Q", f"{cell.i0b_per_h:g} 1/h", f"{cell.i0b_ea_j_per_mol / 1e3:g} kJ/mol"],
        ["g(s)", ", ".join(f"{v:g} at {100 * s:g} %" for s, v in g), "held outside"],
        ["R1 Q, τ1", _over_degc(cell, cell.r1_ohm_ah), f"{cell.tau1_s:g} s"],
        ["R2 Q, τ2", _over_degc(cell, cell.r2_ohm_ah), f"{cell.tau2_s:g} s"],
        ["g1(s)", _over_soc(cell, cell.r1_grade_ratio), "held outside"],
        ["g2(s)", _over_soc(cell, cell.r2_grade_ratio), "held outside"],
    ]
    return markdown(["", "at 25 °C", "activation energy or time constant"], rows)


def _over_degc(cell: CircuitCell, ohm_ah: Sequence[float]) -> str:
    pairs = zip(cell.rc_at_degc, ohm_ah, strict=True)
    return ", ".join(f"{1e3 * ohm:g} at {degc:g} °C" for degc, ohm in pairs) + " mΩ Ah"


def _over_soc(cell: CircuitCell, grade: Sequence[float]) -> str:
    pairs = zip(cell.rc_soc_ratio, grade, strict=True)
    return ", ".join(f"{ratio:g} at {100 * soc:g} %" for soc, ratio in pairs)


def electrode_table() -> str:
    """Return the electrodes of the BPX cell."""
    cell = load_cell("bpx-2ah")
    assert isinstance(cell, DiffusionCell)
    both = (cell.negative, cell.positive)
    rows = [
        ["thickness µm", *(f"{1e6 * e.thickness_m:g}" for e in both)],
        ["particle radius µm", *(f"{1e6 * e.particle_radius_m:g}" for e in both)],
        ["surface 1/m", *(f"{e.surface_per_m:g}" for e in both)],
        ["porosity", *(f"{e.porosity_ratio:g}" for e in both)],
        ["transport efficiency", *(f"{e.transport_ratio:g}" for e in both)],
        ["conductivity of the solid S/m", *(f"{e.conductivity_s_per_m:g}" for e in both)],
        ["sites mol/m³", *(f"{e.concentration_mol_per_m3:g}" for e in both)],
        ["diffusivity m²/s", *(f"{e.diffusivity_m2_per_s:g}" for e in both)],
        ["its activation energy kJ/mol", *(f"{e.diffusivity_ea_j_per_mol / 1e3:g}" for e in both)],
        [
            "R²/D at 25 °C s",
            *(f"{e.particle_radius_m**2 / e.diffusivity_m2_per_s:.4g}" for e in both),
        ],
        ["rate constant k mol/m²s", *(f"{e.rate_mol_per_m2_s:g}" for e in both)],
        ["its activation energy kJ/mol", *(f"{e.rate_ea_j_per_mol / 1e3:g}" for e in both)],
        [
            "stoichiometry empty, full",
            *(f"{e.at_empty_ratio:.5f}, {e.at_full_ratio:.5f}" for e in both),
        ],
    ]
    return markdown(["`bpx-2ah`", "negative", "positive"], rows)


# --- packs ---------------------------------------------------------------------------------------

RANGES = {
    "capacity_ratio": "0.3 to 2 %",
    "resistance_ratio": "3 to 5 %",
    "leakage_ratio": "bad cells far above",
    "ageing_ratio": "makes 0.5 % of capacity a year at 25 °C",
    "link_ohm": "0.1 to 0.3 mΩ",
    "seam_ohm": "1 mΩ x 50 A is 50 mV",
    "cell_cell_w_per_k": "0.5 to 4",
    "cell_air_w_per_k": "0.4 to 1.5",
    "enclosure_ambient_w_per_k": "3 to 8",
    "enclosure_j_per_k": "3000 to 8000",
    "bleed_heat_ratio": "0 to 1",
}
"""What to sweep of the pack's figures; all of them are assumptions of ADR 0005."""


def pack_table() -> str:
    """Return the defaults of a pack and what to sweep."""
    found = {f.name: f.default for cls in (PackSpread, PackParameters) for f in fields(cls)}
    rows = [[f"`{name}`", f"{found[name]:g}", about] for name, about in RANGES.items()]
    return markdown(["", "default", "to be swept"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "cells": cell_table,
    "equilibrium": equilibrium_table,
    "circuit": circuit_table,
    "electrodes": electrode_table,
    "pack": pack_table,
}


def filled(text: str) -> str:
    """Return a page with all tables made anew. Raises ValueError where it has no place for one."""
    for name, table in TABLES.items():
        before, begin, rest = text.partition(f"<!-- parameters: {name} -->")
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise ValueError(f"expected '<!-- parameters: {name} -->' and after it '{END}'")
        text = f"{before}{begin}\n{table()}\n{end}{after}"
    return text


def main() -> None:
    """Fill the page that is named."""
    page = Path(sys.argv[1])
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
