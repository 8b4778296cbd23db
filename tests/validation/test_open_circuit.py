"""The open-circuit voltage of the BPX cell against points that PyBaMM gave for the same electrodes.

The points (25 degC, evenly filled electrodes) were not made by this project, and the voltage here
comes from two electrode tables and their stoichiometries: a swapped electrode, a wrong window or a
table that is too coarse at the top shows at once.
"""

import pytest

from hil.physics.lone_cell import LoneCell
from hil.profile.load import load_cell

CELL = load_cell("bpx-2ah")

POINTS = (
    (0, 1.99998, -0.00022362),
    (0.01, 2.83697, -0.00024913),
    (0.02, 2.9482, -0.00027982),
    (0.05, 3.13654, -0.00038629),
    (0.1, 3.18817, -0.00048848),
    (0.2, 3.22962, -0.00019592),
    (0.3, 3.26735, -8.8387e-05),
    (0.4, 3.27496, -6.1384e-05),
    (0.5, 3.27807, -3.8618e-05),
    (0.6, 3.2864, -1.4204e-05),
    (0.7, 3.30565, 1.2111e-05),
    (0.8, 3.31813, 3.7517e-05),
    (0.9, 3.32179, 6.669e-05),
    (0.95, 3.32269, 8.4789e-05),
    (0.98, 3.3235, 9.6519e-05),
    (0.99, 3.33399, 9.9818e-05),
    (0.995, 3.38233, 0.00010109),
    (1, 3.64856, 0.00010237),
)
"""State of charge, open-circuit voltage (V), dU/dT (V/K)."""


COLD, ROOM, WARM = (LoneCell(CELL, 0.5, degc) for degc in (5.0, 25.0, 45.0))


@pytest.mark.parametrize(("soc", "ocv_v", "_entropic"), POINTS)
def test_open_circuit_voltage(soc: float, ocv_v: float, _entropic: float) -> None:
    # Within 1 % of the ends a tenth of a percent of charge is worth tens of millivolts.
    most_v = 0.0005 if 0.01 < soc < 0.99 else 0.003
    assert ROOM.shifted_voltage_v(0.0, soc - 0.5) == pytest.approx(ocv_v, abs=most_v)


@pytest.mark.parametrize(("soc", "_ocv_v", "entropic"), POINTS)
def test_voltage_follows_temperature(soc: float, _ocv_v: float, entropic: float) -> None:
    """40 K of temperature move the voltage at rest by 40 dU/dT."""
    cold, warm = (model.shifted_voltage_v(0.0, soc - 0.5) for model in (COLD, WARM))
    assert (warm - cold) / 40.0 == pytest.approx(entropic, abs=1e-5)


def test_capacity() -> None:
    assert CELL.capacity_ah == pytest.approx(2.0801, abs=1e-4)
