"""The reference set as tests and tables read it: every file with what it holds, and its errors."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hil.physics.validation import Errors, errors, follow, true_soc
from hil.profile.load import load_cell
from hil.profile.measured import load_curve

REFERENCE = Path(__file__).parent / "reference"
CELL = "bpx-2ah"


@dataclass(frozen=True)
class Held:
    """One file of the set, and how far the model is from it."""

    name: str
    half: str
    kind: str
    soc_ratio: float
    degc: float
    rate_per_h: float
    errors: Errors


def index() -> dict[str, Any]:
    """Return the index of the set: what made it, and what each file holds."""
    found: dict[str, Any] = yaml.safe_load((REFERENCE / "index.yaml").read_text(encoding="utf-8"))
    return found


@cache
def held(half: str) -> tuple[Held, ...]:
    """Return all files of one half with their errors; driven once a process."""
    cell = load_cell(CELL)
    found = []
    for case in index()["cases"]:
        if case["half"] != half:
            continue
        curve = load_curve(REFERENCE / half / f"{case['name']}.csv")
        soc = true_soc(curve, case["soc"], cell.capacity_ah)
        figures = errors(curve, follow(cell, case["soc"], curve), soc)
        about = (case["soc"], case["degc"], case["rate"])
        found.append(Held(case["name"], half, case["kind"], *about, figures))
    return tuple(found)
