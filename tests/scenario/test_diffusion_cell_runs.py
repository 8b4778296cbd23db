"""A pack of diffusion cells on the bench: charged, rested, and told by its truth."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import Play, Played

STEPS = """
  - charge: {current: 50 A, until: [after: 5 min]}
  - rest: 5 min
"""
PACK = "{cell: CELL, soc: 60 %, spread: {capacity: 0 %, soc: 0 %, leakage: 0 %, resistance: 0 %}}"


def column(run: Played, name: str) -> list[float]:
    """Return one column of all ticks."""
    at = run.columns().index(name)
    return [float.fromhex(tick["values"][at]) for tick in run.of("tick")]


@pytest.mark.parametrize("cell", ["lfp-100ah-electrodes", "lfp-100ah"])
def test_a_short_charge(cell: str, play: Play, profile: Callable[..., Path]) -> None:
    """Both cells of 100 Ah take the charge; voltages go up and sag at rest."""
    run = play(profile(STEPS, pack=PACK.replace("CELL", cell)))
    soc, cell_v = column(run, "plant.soc[8]"), column(run, "plant.cell_v[8]")
    charged = (max(soc) - soc[0]) * 100.0
    assert charged == pytest.approx(50.0 / 12.0, rel=0.005)
    # at half a charge an hour, two makers' cells on the plateau
    assert 0.06 < max(cell_v) - cell_v[0] < 0.14
    assert 0.03 < max(cell_v) - cell_v[-1] < 0.12
    assert run.verdict == "PASS", run.summary["reasons"]
