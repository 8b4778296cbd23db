"""The reference sets as tests and tables read them: every file with what it holds, and its errors.

A simulated cell is one with its mesh, so each set is held against its like: PyBaMM's default mesh
against the cell with as many shells, the fine one against the cell with smooth particles.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hil.physics.validation import Errors, errors, follow, true_soc
from hil.profile.load import load_cell
from hil.profile.measured import load_curve

REFERENCE = Path(__file__).parent / "reference"
CELLS = {"default": "bpx-2ah", "fine": "bpx-2ah-smooth"}
"""Cell type by the mesh of the set that it is held against."""


@dataclass(frozen=True)
class Held:
    """One file of a set, and how far the model is from it."""

    mesh: str
    name: str
    half: str
    kind: str
    soc_ratio: float
    degc: float
    rate_per_h: float
    errors: Errors

    @property
    def path(self) -> Path:
        """Where the file stands."""
        return REFERENCE / self.mesh / self.half / f"{self.name}.csv"


def index() -> dict[str, Any]:
    """Return the index of the sets: what made them, and what each case holds."""
    found: dict[str, Any] = yaml.safe_load((REFERENCE / "index.yaml").read_text(encoding="utf-8"))
    return found


@cache
def held(mesh: str, half: str) -> tuple[Held, ...]:
    """Return all files of one half of a set with their errors; driven once a process."""
    cell = load_cell(CELLS[mesh])
    found = []
    for case in index()["cases"]:
        if case["half"] != half:
            continue
        curve = load_curve(REFERENCE / mesh / half / f"{case['name']}.csv")
        soc = true_soc(curve, case["soc"], cell.capacity_ah)
        figures = errors(curve, follow(cell, case["soc"], curve), soc)
        about = (case["soc"], case["degc"], case["rate"])
        found.append(Held(mesh, case["name"], half, case["kind"], *about, figures))
    return tuple(found)
