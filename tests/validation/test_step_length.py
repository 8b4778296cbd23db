"""The step of the validation is short enough: figures do not move when it is halved."""

import numpy as np
import pytest
from held_against import CELLS, REFERENCE, index

from hil.physics.validation import LONGEST_STEP_S, follow, true_soc
from hil.profile.load import load_cell
from hil.profile.measured import load_curve


@pytest.mark.parametrize(
    ("name", "most_mv"),
    [
        ("pulses_m10degc_0p5c_soc50", 0.02),
        ("top_25degc_0p5c_soc70", 0.1),
        ("cycle_0degc_0p5c_0p2c", 0.5),
    ],
)
def test_a_quarter_of_the_step_changes_little(name: str, most_mv: float) -> None:
    cell = load_cell(CELLS["default"])
    case = next(one for one in index()["cases"] if one["name"] == name)
    curve = load_curve(REFERENCE / "default" / case["half"] / f"{name}.csv")
    soc = true_soc(curve, case["soc"], cell.capacity_ah)
    middle = (soc >= 0.05) & (soc <= 0.97)
    coarse, fine = (
        follow(cell, case["soc"], curve, step_s).voltage_v[middle]
        for step_s in (LONGEST_STEP_S, LONGEST_STEP_S / 4.0)
    )
    assert 1e3 * np.sqrt(np.mean((coarse - fine) ** 2)) < most_mv
    assert np.any(coarse != fine)
