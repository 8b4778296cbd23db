"""Our circuit beside PyBaMM's Thevenin model with the same parameters: promised is 1 mV RMS."""

import numpy as np
import pytest
from held_against import REFERENCE
from thevenin import circuit, drive, played_by_pybamm

from hil.physics.validation import follow
from hil.profile.measured import load_curve

CURVE = load_curve(REFERENCE / "thevenin.csv")


def test_the_circuit_is_pybamms_to_a_hundredth_of_a_millivolt() -> None:
    assert CURVE.cell_degc is not None
    shown = follow(circuit(), drive().start_ratio, CURVE)
    apart_mv = 1e3 * (shown.voltage_v - CURVE.voltage_v)
    assert np.sqrt(np.mean(apart_mv**2)) < 0.01
    assert np.max(np.abs(apart_mv)) < 0.05
    assert np.max(np.abs(shown.cell_degc - CURVE.cell_degc)) < 0.002


def test_the_drive_uses_what_is_compared() -> None:
    """Both signs, C/2, cold and warm, up and down: a term that is not driven proves nothing."""
    assert CURVE.cell_degc is not None
    soc = drive().start_ratio - CURVE.discharged_ah / circuit().capacity_ah
    assert (soc.min(), soc.max()) < (0.3, 1.0)
    assert soc.max() > 0.85
    assert CURVE.current_a.min() < -45.0
    assert CURVE.current_a.max() > 45.0
    assert CURVE.cell_degc.min() < 0.0
    assert CURVE.cell_degc.max() > 29.0
    assert CURVE.current_a == pytest.approx(drive().current_a, abs=1e-6)


@pytest.mark.nightly
def test_the_committed_curve_is_what_pybamm_says() -> None:
    pytest.importorskip("pybamm")
    voltage_v, degc = played_by_pybamm(circuit(), drive())
    assert voltage_v == pytest.approx(CURVE.voltage_v, abs=2e-5)
    assert degc == pytest.approx(CURVE.cell_degc, abs=2e-3)
