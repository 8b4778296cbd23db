"""The cell model against figures that nobody here made up: knots, Arrhenius laws, DFN pulses."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hil.physics.cell_types import CircuitCell
from hil.physics.lookup import at_degc, equilibrium, stored_v, turn_hysteresis
from hil.physics.motion import find
from hil.physics.pack import make_stack
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.plant import Plant
from hil.physics.stack import (
    CAPACITY_AH,
    FAST_GRADE,
    HYSTERESIS,
    INVERSE_A,
    INVERSE_B,
    REST_V,
    RS_OHM,
    SOC,
    V1,
)
from hil.physics.tables import tabulate
from hil.physics.terminals import drop_and_slope
from hil.profile.load import load_cell

TYPES = ("lfp-100ah", "lfp-280ah", "lfp-100ah-bpx")
ALIKE = PackSpread(capacity_ratio=0.0, resistance_ratio=0.0, leakage_ratio=0.0)

# 10 s resistance x capacity of the electrochemical model of the BPX 2 Ah cell at -10 degC, by
# rate: 808 mohm at 0.02C, 176 mohm at 0.9C (docs/adr/0005).
COLD_OHM = {0.02: 0.808, 0.9: 0.176}

# The same model at 50 % and 0.3C, by temperature: the part of a pulse that appears at once, ohm
# for the 2 Ah cell.
INSTANT_OHM = {-10: 0.3347, 0: 0.2317, 10: 0.1489, 25: 0.0673, 40: 0.0317, 55: 0.0168}


def circuit(name: str) -> CircuitCell:
    """Return a cell type that is known from its terminals."""
    cell = load_cell(name)
    assert isinstance(cell, CircuitCell)
    return cell


def small_cell() -> CircuitCell:
    """Return the type at the size of the cell its resistances come from, without hysteresis.

    That cell is called 2 Ah, and rates refer to that; it holds 2.080 Ah.
    """
    cell = circuit("lfp-100ah")
    return replace(cell, capacity_ah=2.08, hysteresis_v=(0.0,) * len(cell.soc_ratio), leakage_a=0.0)


def bare(cell: CircuitCell, degc: float, soc: float = 0.5) -> Plant:
    """Return one such cell, without links."""
    pack = PackParameters(1, cell, ALIKE, soc_ratio=soc, initial_temperature_degc=degc)
    return Plant(pack, seed=0)


@pytest.mark.parametrize("name", TYPES)
def test_tables_hold_every_knot(name: str) -> None:
    cell = circuit(name)
    tables = tabulate(cell)
    for k, soc in enumerate(cell.soc_ratio):
        ocv_v, entropic, loop_v, _ = equilibrium(tables.by_soc, soc)
        assert ocv_v == pytest.approx(cell.ocv_v[k], abs=1e-9)
        assert entropic == pytest.approx(cell.entropic_v_per_k[k], abs=1e-12)
        assert loop_v == pytest.approx(cell.hysteresis_v[k], abs=1e-9)
    for k, soc in enumerate(cell.kinetics_soc_ratio):
        assert equilibrium(tables.by_soc, soc)[3] == pytest.approx(cell.kinetics_ratio[k])


@pytest.mark.parametrize("name", TYPES)
def test_open_circuit_voltage_rises_with_charge_even_outside_full_and_empty(name: str) -> None:
    by_soc = tabulate(circuit(name)).by_soc
    ocv_v = [equilibrium(by_soc, s / 10_000)[0] for s in range(-500, 10_501)]
    assert min(np.diff(ocv_v)) > 0.0


def test_charge_outside_the_tables_shows_as_a_steep_voltage() -> None:
    by_soc = tabulate(circuit("lfp-100ah")).by_soc
    full, over = equilibrium(by_soc, 1.0), equilibrium(by_soc, 1.01)
    empty, under = equilibrium(by_soc, 0.0), equilibrium(by_soc, -0.01)
    assert over[0] - full[0] == pytest.approx(0.268, abs=1e-9)  # 134 mV over the last 0.5 %
    assert empty[0] - under[0] == pytest.approx(0.497, abs=1e-9)  # 497 mV over the first 1 %
    assert over[1:] == full[1:]
    assert under[1:] == empty[1:]


@pytest.mark.parametrize(("end", "beyond"), [(0.0, -0.05), (1.0, 1.05)])
def test_outside_the_tables_only_the_open_circuit_voltage_goes_on(
    end: float, beyond: float
) -> None:
    """Half a loop, dU/dT and kinetics are those of the end; so is the energy of a step further."""
    cell = circuit("lfp-100ah")
    stack = make_stack(PackParameters(1, cell, ALIKE, soc_ratio=end), tabulate(cell), seed=0)
    rows = []
    for soc in (end, beyond):
        stack.state[SOC], stack.state[HYSTERESIS] = soc, 1.0
        found = np.zeros((FAST_GRADE + 1, 1))
        find(stack, found)
        found[REST_V] -= equilibrium(stack.tables.by_soc, soc)[0]
        rows.append(found[:, 0])
    assert rows[1] == pytest.approx(rows[0], rel=1e-12, abs=1e-15)


def test_stored_energy_is_the_integral_of_the_reaction_s_voltage_past_the_ends_too() -> None:
    """With a dU/dT that still changes at both ends, where that of no published table does."""
    cell = circuit("lfp-100ah")
    entropic = tuple(1e-3 * (s - 0.3) for s in cell.soc_ratio)
    by_soc = tabulate(replace(cell, entropic_v_per_k=entropic)).by_soc
    places = np.arange(-40, 441) / 400.0  # between them U - T dU/dT is a straight line
    reaction_v = [u - 298.15 * per_k for u, per_k, _, _ in (equilibrium(by_soc, s) for s in places)]
    rises_v = np.diff([stored_v(by_soc, s) for s in places])
    means_v = 0.5 * (np.array(reaction_v[1:]) + np.array(reaction_v[:-1]))
    assert rises_v == pytest.approx(means_v / 400.0, rel=1e-9)


@pytest.mark.parametrize(("end", "beyond", "current_a"), [(0.0, -0.05, 1e-3), (1.0, 1.05, -1e-3)])
def test_polarisation_past_the_ends_is_that_of_the_end(
    end: float, beyond: float, current_a: float
) -> None:
    grades: dict[str, tuple[float, ...]] = {"r1_grade_ratio": (3.0, 1.0)}
    grades |= {"r2_grade_ratio": (1.0, 2.0), "rc_soc_ratio": (0.0, 1.0)}
    cell = replace(small_cell(), mass_kg=1e6, **grades)  # type: ignore[arg-type]
    slow_v = []
    for soc in (end, beyond):
        plant = bare(cell, 25.0)
        plant._stack.state[SOC] = soc
        for _ in range(100):
            plant.step(10.0, current_a, [0.0], 25.0)
        slow_v.append(plant.truth().slow_v[0])
    assert slow_v[1] == pytest.approx(slow_v[0], rel=1e-6)


def test_leakage_follows_arrhenius() -> None:
    leak_ratio = tabulate(circuit("lfp-100ah")).leak_ratio
    at_25, at_60 = (at_degc(leak_ratio, 0, t) for t in (25.0, 60.0))
    assert at_25 == pytest.approx(1.0)
    assert at_60 == pytest.approx(8.3, abs=0.05)


@pytest.mark.parametrize("degc", [-37.11, -10.0, 3.3, 25.0, 59.9])
def test_temperature_table_is_the_law_it_samples(degc: float) -> None:
    cell = circuit("lfp-100ah")
    by_degc = tabulate(cell).by_degc
    per_k = (1.0 / (degc + 273.15) - 1.0 / 298.15) / 8.314462618
    rs_ohm = cell.rs_ohm_ah / cell.capacity_ah * math.exp(cell.rs_ea_j_per_mol * per_k)
    i0a_a = cell.i0a_per_h * cell.capacity_ah * math.exp(-cell.i0a_ea_j_per_mol * per_k)
    assert at_degc(by_degc, RS_OHM, degc) == pytest.approx(rs_ohm, rel=4e-5)
    i0b_a = cell.i0b_per_h * cell.capacity_ah * math.exp(-cell.i0b_ea_j_per_mol * per_k)
    assert at_degc(by_degc, INVERSE_A, degc) == pytest.approx(0.5 / i0a_a, rel=4e-5)
    assert at_degc(by_degc, INVERSE_B, degc) == pytest.approx(0.5 / i0b_a, rel=4e-5)


def test_slow_resistances_pass_through_their_knots_and_fall_with_temperature() -> None:
    cell = circuit("lfp-100ah")
    steady = tabulate(cell).steady
    for k, degc in enumerate(cell.rc_at_degc):
        r1 = at_degc(steady, V1, degc)
        assert r1 == pytest.approx(cell.r1_ohm_ah[k] / cell.capacity_ah, rel=1e-9)
    assert np.all(np.diff(steady[:, V1]) < 0.0)


@pytest.mark.parametrize("rate", COLD_OHM)
def test_cold_resistance_falls_with_current_as_the_electrochemical_model_says(rate: float) -> None:
    cell = small_cell()
    plant = bare(cell, degc=-10.0)
    current_a = rate * 2.0
    rest_v = plant.voltage_at(0.0)[0]
    for _ in range(10):
        plant.step(1.0, current_a, [0.0], -10.0)
    ohm = (rest_v - plant.terminal_v()[0]) / current_a
    assert ohm == pytest.approx(COLD_OHM[rate], rel=0.06)


@pytest.mark.parametrize("degc", INSTANT_OHM)
def test_instant_resistance_matches_the_electrochemical_model(degc: int) -> None:
    plant = bare(small_cell(), float(degc))
    drop_v = plant.voltage_at(0.0)[0] - plant.voltage_at(0.6)[0]
    assert drop_v / 0.6 == pytest.approx(INSTANT_OHM[degc], rel=0.13)


@pytest.mark.parametrize(("soc", "kinetics"), [(0.05, 1.42), (0.5, 1.0), (0.8, 1.09), (0.95, 1.22)])
def test_small_currents_see_the_linear_limit(soc: float, kinetics: float) -> None:
    # asinh(x) -> x: the small-signal resistance is Rs + g (RT/F)(1/I0a + 1/I0b).
    cell = small_cell()
    plant = bare(cell, 25.0, soc)
    rt_f = 8.314462618 * 298.15 / 96485.33212
    transfer = kinetics * rt_f * (1 / cell.i0a_per_h + 1 / cell.i0b_per_h)
    drop_v = plant.voltage_at(-1e-4)[0] - plant.voltage_at(1e-4)[0]
    assert drop_v / 2e-4 == pytest.approx((cell.rs_ohm_ah + transfer) / 2.08, rel=1e-6)


def test_polarisation_builds_up_as_two_exponentials_and_stays_when_current_stops() -> None:
    # It does not warm itself, and holds so much that its charge hardly moves.
    cell = replace(small_cell(), mass_kg=1e6)
    plant = bare(cell, -10.0, soc=0.53)
    plant._stack.cells[CAPACITY_AH] *= 1e6
    for _ in range(400):
        plant.step(1.0, 1.0, [0.0], -10.0)
    truth = plant.truth()
    grade1, grade2 = (
        np.interp(0.53, cell.rc_soc_ratio, grades)
        for grades in (cell.r1_grade_ratio, cell.r2_grade_ratio)
    )
    v1_v = 0.052 / 2.08 * grade1 * (1.0 - math.exp(-400.0 / 25.0))
    v2_v = 0.038 / 2.08 * grade2 * (1.0 - math.exp(-400.0 / 400.0))
    assert truth.slow_v[0] == pytest.approx(v1_v + v2_v, rel=1e-6)
    entropic_v = -35.0 * np.interp(truth.soc[0], cell.soc_ratio, cell.entropic_v_per_k)
    expected_v = truth.ocv_v[0] + entropic_v - v1_v - v2_v
    assert plant.voltage_at(0.0)[0] == pytest.approx(expected_v, rel=1e-6)


def test_a_cell_of_twice_the_resistance_drops_twice_as_much() -> None:
    pack = PackParameters(2, replace(small_cell(), mass_kg=1e6), ALIKE, link_ohm=0.0)
    plant = Plant(pack, 0, {2: {"resistance_ratio": 2.0}})
    for _ in range(600):
        plant.step(1.0, 0.001, [0.0, 0.0], 25.0)  # in the linear limit of charge transfer
    truth = plant.truth()
    drop_v = truth.ocv_v - truth.terminal_v
    assert drop_v[1] == pytest.approx(2.0 * drop_v[0], rel=1e-6)


def test_drop_slope_is_the_derivative_of_the_drop() -> None:
    cell = (0.001, 0.05, 0.3, 0.1)
    for current_a in (-40.0, -1.0, 0.0, 3.0, 100.0):
        ahead, behind = (drop_and_slope(*cell, current_a + d)[0] for d in (1e-4, -1e-4))
        slope_ohm = drop_and_slope(*cell, current_a)[1]
        assert slope_ohm == pytest.approx((ahead - behind) / 2e-4, rel=1e-6)


def test_hysteresis_goes_to_its_own_side_and_stays_at_rest() -> None:
    h = 0.0
    for _ in range(100):
        h = turn_hysteresis(h, +0.001, 0.02)  # 10 % charged
    assert h == pytest.approx(1.0, abs=0.01)
    assert turn_hysteresis(h, 0.0, 0.02) == h
    # One long move is the same as many short ones.
    assert turn_hysteresis(0.0, 0.1, 0.02) == pytest.approx(h, rel=1e-12)
    assert turn_hysteresis(h, -0.1, 0.02) == pytest.approx(-1.0, abs=0.02)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"soc_ratio": (0.0, 0.5)}, "soc_ratio"),
        ({"soc_ratio": (0.0, 0.3333, 1.0), "ocv_v": (2.0, 3.0, 3.5)}, "soc_ratio"),
        ({"ocv_v": (3.0, 2.9)}, "ocv_v"),
        ({"r1_ohm_ah": (0.01,)}, "r1_ohm_ah"),
        ({"tau1_s": 0.0}, "tau1_s"),
        ({"mass_kg": math.nan}, "mass_kg"),
        ({"leakage_a": -1e-3}, "leakage_a"),
    ],
)
def test_what_cannot_be_a_cell_is_refused_by_name(change: dict[str, object], key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}: "):
        replace(circuit("lfp-100ah"), **change)  # type: ignore[arg-type]
