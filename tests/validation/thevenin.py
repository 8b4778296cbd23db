"""The circuit that both PyBaMM's Thevenin model and ours can express, and a drive for it.

Ours has more: hysteresis, dU/dT in the voltage (PyBaMM's circuit has it in the heat only) and
exchange currents whose asinh bends. So hysteresis and dU/dT are zero, and the exchange currents are
so large that the asinh is a straight line: 2 R T / F asinh(I g / 2 I0) is I g R T / (F I0) to 1e-5.
What is left is held to PyBaMM: OCV(s), Rs(T) by Arrhenius, g(s), both RC pairs with R(T), charge,
lumped heat. Left out with those three: leakage, ageing.

    PYTHONPATH=. python tests/validation/thevenin.py > tests/validation/reference/thevenin.csv
"""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.physics.cell_types import CircuitCell

Floats = npt.NDArray[np.float64]

GAS_OVER_FARADAY_V_PER_K = 8.31446261815324 / 96485.33212331
GAS_J_PER_MOL_K = 8.31446261815324
COOLING_W_PER_K = 0.8

SOC_KNOTS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 0.985, 0.995, 1.0)
OCV_V = (2.0, 3.137, 3.188, 3.23, 3.275, 3.286, 3.318, 3.323, 3.325, 3.382, 3.649)


def circuit() -> CircuitCell:
    """Return a 100 Ah cell with the open-circuit voltage of the BPX cell and invented dynamics."""
    zero = (0.0,) * len(SOC_KNOTS)
    return CircuitCell(
        about="what two circuits can both express",
        capacity_ah=100.0,
        mass_kg=2.0,
        heat_capacity_j_per_kg_k=1000.0,
        cooling_w_per_k=COOLING_W_PER_K,
        leakage_a=0.0,
        leakage_ea_j_per_mol=0.0,
        fitted_from_soc_ratio=0.0,
        fitted_to_soc_ratio=1.0,
        fitted_from_degc=-10.0,
        fitted_to_degc=50.0,
        fitted_to_rate_per_h=1.0,
        soc_ratio=SOC_KNOTS,
        ocv_v=OCV_V,
        hysteresis_v=zero,
        entropic_v_per_k=zero,
        hysteresis_span_ratio=0.02,
        rs_ohm_ah=0.0196,
        rs_ea_j_per_mol=10400.0,
        i0a_per_h=30.0,
        i0a_ea_j_per_mol=54700.0,
        i0b_per_h=50.0,
        i0b_ea_j_per_mol=35700.0,
        kinetics_soc_ratio=(0.1, 0.5, 0.9),
        kinetics_ratio=(1.42, 1.0, 1.22),
        rc_at_degc=(-10.0, 25.0, 55.0),
        r1_ohm_ah=(0.040, 0.017, 0.007),
        r2_ohm_ah=(0.038, 0.0013, 0.0012),
        tau1_s=25.0,
        tau2_s=400.0,
    )


@dataclass(frozen=True)
class Drive:
    """Rows of a drive: times, currents and ambients, straight lines in between."""

    time_s: Floats
    current_a: Floats
    ambient_degc: Floats
    start_ratio: float = 0.55


def drive() -> Drive:
    """Return twelve hours of drawn currents up to C/2 both ways, held for 5 to 40 minutes.

    The ambient goes from 30 to -5 degC and back; a change of current takes a second.
    """
    rng = np.random.default_rng(7)
    times, currents, charge_ah = [0.0], [0.0], 0.0
    while times[-1] < 43200.0:
        sign = float(rng.choice([-1.0, 0.0, 1.0]))
        if abs(charge_ah) > 20.0:  # back to the middle from 35 and 75 %
            sign = 1.0 if charge_ah < 0.0 else -1.0
        current_a = round(sign * rng.uniform(2.0, 50.0), 3)
        held_s = round(float(rng.uniform(300.0, 2400.0)))
        first_s = times[-1] + 1.0
        for at in np.unique(np.concatenate(([0.0, 2.0, 5.0, 10.0], np.arange(30.0, held_s, 60.0)))):
            times.append(first_s + float(at))
            currents.append(current_a)
        charge_ah += current_a * held_s / 3600.0
    time_s = np.array(times)
    ambient = np.interp(time_s, [0.0, 21600.0, 43200.0], [30.0, -5.0, 30.0])
    return Drive(time_s, np.array(currents), np.round(ambient, 3))


def series_ohm(cell: CircuitCell) -> Any:
    """Return PyBaMM's R0 (T, I, s): series resistance and the straight line of both asinh terms."""
    import pybamm  # noqa: PLC0415 - an extra: whoever has none still reads the drive

    knots, ratios = np.array(cell.kinetics_soc_ratio), np.array(cell.kinetics_ratio)

    def slower(energy: float, kelvin: Any) -> Any:
        return pybamm.exp(-energy / GAS_J_PER_MOL_K * (1.0 / 298.15 - 1.0 / kelvin))

    def ohm(degc: Any, _current: Any, soc: Any) -> Any:
        kelvin = degc + 273.15
        held = pybamm.maximum(pybamm.minimum(soc, knots[-1]), knots[0])
        kinetics = pybamm.Interpolant(knots, ratios, held, interpolator="linear")
        per_a = slower(cell.i0a_ea_j_per_mol, kelvin) / cell.i0a_per_h
        per_a += slower(cell.i0b_ea_j_per_mol, kelvin) / cell.i0b_per_h
        exchange = GAS_OVER_FARADAY_V_PER_K * kelvin * kinetics * per_a
        return (cell.rs_ohm_ah * slower(cell.rs_ea_j_per_mol, kelvin) + exchange) / cell.capacity_ah

    return ohm


def pair_values(cell: CircuitCell) -> dict[str, Any]:
    """Return PyBaMM's parameters of the RC pairs: R(T) by logarithms between knots, C = tau / R."""
    import pybamm  # noqa: PLC0415 - see above

    degc_knots = np.array(cell.rc_at_degc)
    found: dict[str, Any] = {}
    for n, (ohm_ah, tau_s) in enumerate(
        ((cell.r1_ohm_ah, cell.tau1_s), (cell.r2_ohm_ah, cell.tau2_s)), start=1
    ):
        logs = np.log(np.array(ohm_ah) / cell.capacity_ah)

        def ohm(degc: Any, _current: Any, _soc: Any, logs: Floats = logs) -> Any:
            return pybamm.exp(pybamm.Interpolant(degc_knots, logs, degc, interpolator="linear"))

        found[f"R{n} [Ohm]"] = ohm
        found[f"C{n} [F]"] = lambda t, i, s, ohm=ohm, tau_s=tau_s: tau_s / ohm(t, i, s)
        found[f"Element-{n} initial overpotential [V]"] = 0.0
    return found


def values_of(cell: CircuitCell, asked: Drive) -> dict[str, Any]:
    """Return what PyBaMM calls the parameters of the cell, its cooling and its drive."""
    import pybamm  # noqa: PLC0415 - see above

    kelvin = asked.ambient_degc + 273.15
    soc_knots, ocv_v = np.array(cell.soc_ratio), np.array(cell.ocv_v)
    return {
        "Cell capacity [A.h]": cell.capacity_ah,
        "Nominal cell capacity [A.h]": cell.capacity_ah,
        "Initial SoC": asked.start_ratio,
        "Initial temperature [K]": float(kelvin[0]),
        "Ambient temperature [K]": lambda t: pybamm.Interpolant(asked.time_s, kelvin, t),
        "Current function [A]": pybamm.Interpolant(asked.time_s, asked.current_a, pybamm.t),
        "Open-circuit voltage [V]": lambda soc: pybamm.Interpolant(
            soc_knots, ocv_v, soc, interpolator="linear"
        ),
        "Entropic change [V/K]": 0.0,
        "R0 [Ohm]": series_ohm(cell),
        "Upper voltage cut-off [V]": 5.0,
        "Lower voltage cut-off [V]": 1.0,
        "Cell thermal mass [J/K]": cell.mass_kg * cell.heat_capacity_j_per_kg_k,
        "Cell-jig heat transfer coefficient [W/K]": COOLING_W_PER_K,
        # A jig that is the air: next to no heat in it, next to nothing between it and the air.
        "Jig thermal mass [J/K]": 1.0,
        "Jig-air heat transfer coefficient [W/K]": 1e5,
    }


def played_by_pybamm(cell: CircuitCell, asked: Drive) -> tuple[Floats, Floats]:
    """Return voltage (V) and cell temperature (degC) of PyBaMM's Thevenin model at the rows.

    Raises RuntimeError where it did not reach the end.
    """
    import pybamm  # noqa: PLC0415 - see above

    model = pybamm.equivalent_circuit.Thevenin(options={"number of rc elements": 2})
    values = model.default_parameter_values
    values.update({**values_of(cell, asked), **pair_values(cell)}, check_already_exists=False)
    solver = pybamm.IDAKLUSolver(rtol=1e-8, atol=1e-8)
    simulation = pybamm.Simulation(model, parameter_values=values, solver=solver)
    solution = simulation.solve(t_eval=asked.time_s, t_interp=asked.time_s)
    if solution.t.size != asked.time_s.size:
        raise RuntimeError(f"stopped at {solution.t[-1]:g} of {asked.time_s[-1]:g} s")
    return solution["Voltage [V]"].entries, solution["Cell temperature [degC]"].entries


def main() -> None:
    """Write the drive and what PyBaMM made of it, in the columns of ``hil validate cell``."""
    asked = drive()
    voltage_v, degc = played_by_pybamm(circuit(), asked)
    rows = np.column_stack((asked.time_s, asked.current_a, voltage_v, degc, asked.ambient_degc))
    out = ["time_s,current_A,voltage_V,cell_temp_C,ambient_C"]
    out += [f"{t:.1f},{i:.3f},{v:.6f},{c:.4f},{a:.3f}" for t, i, v, c, a in rows]
    sys.stdout.write("\n".join([*out, ""]))


if __name__ == "__main__":
    main()
