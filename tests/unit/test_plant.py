"""The plant: population, heat, relaxation, step length, solves, and the compiler as a bystander."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hil.physics.motion import bleed_heat
from hil.physics.pack import ThermalNetwork, draw_cells, link_resistances
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.plant import Plant
from hil.profile.load import load_cell

ROOT = Path(__file__).resolve().parents[2]
CELL = load_cell("lfp-100ah")
ALIKE = PackSpread(capacity_ratio=0.0, resistance_ratio=0.0, leakage_ratio=0.0)


def alike(cells: int = 4, **changes: Any) -> PackParameters:
    """Return a stack of equal cells without links."""
    return replace(PackParameters(cells, CELL, ALIKE, link_ohm=0.0), **changes)


def rested(plant: Plant, degc: float, hours: int) -> Plant:
    """Let a plant rest in minutes."""
    for _ in range(60 * hours):
        plant.step(60.0, 0.0, np.zeros(plant.cells), degc)
    return plant


# --- the population ---------------------------------------------------------------------------


def test_a_seed_is_a_pack_and_a_longer_pack_begins_with_the_shorter_one() -> None:
    pack = PackParameters(16, CELL, replace(PackSpread(), soc_ratio=0.02))
    one, again, other = Plant(pack, 7), Plant(pack, 7), Plant(pack, 8)
    longer = Plant(replace(pack, cells=32), 7)
    for name in ("soc", "capacity_ah"):
        assert np.array_equal(getattr(one, name), getattr(again, name))
        assert not np.any(getattr(one, name) == getattr(other, name))
        assert np.array_equal(getattr(one, name), getattr(longer, name)[:16])


def test_population_has_the_spread_that_was_asked_for() -> None:
    spread = PackSpread(0.01, 0.04, 0.3, 0.02)
    cells, state = draw_cells(PackParameters(4000, CELL, spread), seed=3)
    assert cells[0].mean() == pytest.approx(100.0, abs=0.06)
    assert cells[0].std() == pytest.approx(1.0, rel=0.05)
    assert cells[1].std() == pytest.approx(0.04, rel=0.05)
    assert np.median(cells[2]) == pytest.approx(0.35e-3, rel=0.03)
    assert np.log(cells[2]).std() == pytest.approx(0.3, rel=0.05)
    assert state[0].std() == pytest.approx(0.02, rel=0.05)
    # Four draws, not one used four times.
    rows = np.corrcoef([cells[0], cells[1], np.log(cells[2]), state[0]])
    assert np.abs(rows - np.eye(4)).max() < 0.06


def test_an_override_stands_in_place_of_the_draw() -> None:
    asked = {
        "capacity_ratio": 0.9,
        "soc_ratio": 0.0,
        "leakage_ratio": 10.0,
        "resistance_ratio": 2.0,
    }
    pack = PackParameters(4, CELL)
    plain, changed = Plant(pack, 7).truth(), Plant(pack, 7, {3: asked}).truth()
    assert changed.capacity_ah[2] == pytest.approx(90.0)
    assert changed.soc[2] == 0.0
    assert changed.leakage_a[2] == pytest.approx(3.5e-3)
    assert changed.resistance_ratio[2] == 2.0
    for name in ("capacity_ah", "soc", "leakage_a", "resistance_ratio"):
        mine, theirs = (np.delete(getattr(truth, name), 2) for truth in (plain, changed))
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize(
    "overrides", [{0: {}}, {5: {}}, {1: {"soc": 0.5}}, {1: {"capacity_ratio": 0.0}}]
)
def test_an_override_that_does_not_fit_is_refused(overrides: dict[int, dict[str, float]]) -> None:
    with pytest.raises(ValueError, match="cell "):
        Plant(PackParameters(4, CELL), 7, overrides)


@pytest.mark.parametrize(
    "change", [{"cells": 0}, {"link_ohm": -1e-6}, {"soc_ratio": 1.5}, {"enclosure_j_per_k": 0.0}]
)
def test_what_cannot_be_a_pack_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(change))}: "):
        alike(**change)


def test_a_spread_that_could_draw_an_impossible_cell_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^capacity_ratio: "):
        PackSpread(capacity_ratio=0.2)


def test_truth_views_cannot_be_written() -> None:
    plant = Plant(alike(), 0)
    for view in (plant.soc, plant.cell_degc, plant.capacity_ah):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 0.0


# --- what the terminals show ------------------------------------------------------------------


def test_the_sense_point_includes_the_link_above_a_cell() -> None:
    pack = alike(6, link_ohm=0.0002, seam_ohm=0.001, seam_every=2)
    assert link_resistances(pack).tolist() == [0.0002, 0.001, 0.0002, 0.001, 0.0002, 0.0]
    # what a link adds is the same above a cell of twice the resistance
    worn = {2: {"resistance_ratio": 2.0}}
    bare, linked = Plant(alike(6), 0, worn), Plant(pack, 0, worn)
    shown = bare.voltage_at(50.0) - linked.voltage_at(50.0)
    assert shown == pytest.approx(50.0 * link_resistances(pack), abs=1e-12)


def test_rest_shows_the_open_circuit_voltage() -> None:
    plant = Plant(alike(soc_ratio=0.55), 0)
    for k in range(600):
        plant.step(1.0, 40.0 if k % 60 < 40 else -60.0, np.zeros(4), 25.0)
    loaded_v = plant.terminal_v()
    truth = rested(plant, 25.0, hours=3).truth()
    # OCV and half loop between the knots at 50 and 60 %, both straight lines there.
    expected = truth.ocv_v + truth.hysteresis * 0.019
    assert np.abs(loaded_v - expected).min() > 5e-3
    assert truth.terminal_v == pytest.approx(expected, abs=2e-5)
    assert np.abs(truth.slow_v).max() < 1e-8


def test_a_cycle_returns_to_its_charge_and_meets_the_loop_on_the_other_side() -> None:
    cell = replace(CELL, leakage_a=0.0)
    plant = Plant(replace(alike(), cell=cell), 0)
    for current_a in (-20.0, 20.0):
        for _ in range(60):
            plant.step(60.0, current_a, np.zeros(4), 25.0)
    assert plant.soc == pytest.approx(np.full(4, 0.5), abs=1e-13)
    assert plant.truth().hysteresis == pytest.approx(np.full(4, -1.0), abs=1e-3)
    rested(plant, 25.0, hours=3)
    # 19 mV below the open-circuit voltage at 50 %.
    assert plant.terminal_v() == pytest.approx(np.full(4, 3.2995 - 0.019), abs=1e-4)


@pytest.mark.parametrize(("coldest", "gap_mv"), [(0.0, 50.0), (25.0, 16.0), (45.0, 5.0)])
def test_a_temperature_gradient_shows_as_a_gap_under_load_and_more_so_in_the_cold(
    coldest: float, gap_mv: float
) -> None:
    # Experiment E2 of the design study: 10 K along the stack, 0.25C.
    plant = Plant(alike(16, gradient_k=10.0, initial_temperature_degc=coldest + 5.0), 0)
    for _ in range(300):
        plant.step(1.0, -25.0, np.zeros(16), coldest + 5.0)
    v = plant.terminal_v()
    assert gap_mv / 1.5 <= np.ptp(v) * 1e3 <= gap_mv * 1.5
    assert np.all(np.diff(v) < 0.0)  # the cold end shows more in charge


def test_a_uniform_shift_of_temperature_leaves_no_gap() -> None:
    plant = Plant(alike(16, initial_temperature_degc=-5.0), 0)
    for _ in range(300):
        plant.step(1.0, -25.0, np.zeros(16), 35.0)
    # Only the two end cells warm up at another pace, for want of a second neighbour.
    assert np.ptp(plant.terminal_v()[3:13]) < 0.5e-3


def test_self_discharge_speeds_up_in_the_heat() -> None:
    leaked = []
    for degc in (25.0, 60.0):
        plant = Plant(alike(1, initial_temperature_degc=degc), 0)
        leaked.append(rested(plant, degc, hours=24).truth().leaked_ah[0])
        assert plant.soc[0] == pytest.approx(0.5 - leaked[-1] / 100.0, abs=1e-12)
    assert leaked[0] == pytest.approx(0.35e-3 * 24.0, rel=1e-3)  # it warms itself a little
    assert leaked[1] / leaked[0] == pytest.approx(8.3, abs=0.05)


def test_leaving_the_fitted_range_is_named() -> None:
    plant = Plant(alike(), 0)
    assert plant.extrapolated() == ()
    plant.step(1.0, 95.0, np.zeros(4), 25.0)
    assert plant.extrapolated() == ("rate",)
    cold = Plant(alike(soc_ratio=0.99, initial_temperature_degc=-20.0), 0)
    assert cold.extrapolated() == ("soc", "temperature")


@pytest.mark.parametrize("soc", [0.01, 0.99])
def test_one_cell_outside_is_named(soc: float) -> None:
    assert Plant(alike(), 0, {2: {"soc_ratio": soc}}).extrapolated() == ("soc",)
    for degc in (CELL.fitted_from_degc + 1.0, CELL.fitted_to_degc - 1.0):
        warped = Plant(alike(gradient_k=6.0, initial_temperature_degc=degc), 0)
        assert warped.extrapolated() == ("temperature",)
    plant = Plant(alike(), 0)
    plant.step(1.0, 0.0, [0.0, 0.0, 95.0, 0.0], 25.0)  # what a cell carries, not what the pack does
    assert plant.extrapolated() == ("rate",)


# --- heat -------------------------------------------------------------------------------------


def test_every_watt_of_a_bleed_warms_its_own_cell_or_the_box() -> None:
    bleed_a, at_v, out_w = np.array([0.2, 0.0, 0.1]), np.array([3.2, 3.3, 3.4]), np.full(4, 9.0)
    bleed_heat(bleed_a, at_v, 0.25, out_w)
    assert out_w == pytest.approx([0.25 * 0.64, 0.0, 0.25 * 0.34, 0.75 * (0.64 + 0.34)])


def network(pack: PackParameters) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return conductances (W/K) and heat capacities (J/K) of the box, written out by hand."""
    n = pack.cells
    g = np.zeros((n + 1, n + 1))
    for a in range(n):
        g[a, n] = g[n, a] = pack.cell_air_w_per_k
        if a + 1 < n:
            g[a, a + 1] = g[a + 1, a] = pack.cell_cell_w_per_k
    c = np.array([CELL.mass_kg * CELL.heat_capacity_j_per_kg_k] * n + [pack.enclosure_j_per_k])
    return g, c


def explicitly(
    pack: PackParameters, above: NDArray[np.float64], heat: NDArray[np.float64], seconds: int
) -> NDArray[np.float64]:
    """Integrate temperatures above ambient in steps of 1 ms."""
    g, c = network(pack)
    for _ in range(1000 * seconds):
        flow = heat + (g * (above[None, :] - above[:, None])).sum(axis=1)
        flow[-1] -= pack.enclosure_ambient_w_per_k * above[-1]
        above = above + 1e-3 * flow / c
    return above


def test_heat_spreads_as_a_fine_explicit_scheme_says() -> None:
    pack = alike(5)
    above, heat = (
        np.array([3.0, 0.0, -2.0, 8.0, 0.0, 1.0]),
        np.array([5.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
    )
    decay, gain = ThermalNetwork.of_pack(pack).propagators(60.0)
    exact = above @ decay + heat @ gain
    assert exact == pytest.approx(explicitly(pack, above, heat, 60), abs=1e-5)


def test_an_idle_plant_warms_up_in_time_as_that_scheme_says() -> None:
    pack = replace(alike(3, initial_temperature_degc=10.0), cell=replace(CELL, leakage_a=0.0))
    plant = Plant(pack, 0)
    for _ in range(5):
        plant.step(12.0, 0.0, np.zeros(3), 40.0)
    expected = 40.0 + explicitly(pack, np.full(4, -30.0), np.zeros(4), 60)
    got = [*plant.cell_degc, plant.truth().enclosure_degc]
    assert got == pytest.approx(expected, abs=1e-4)


def test_an_insulated_stack_keeps_its_heat() -> None:
    pack = alike(5, enclosure_ambient_w_per_k=0.0)
    _, c = network(pack)
    above, heat = np.array([3.0, 0.0, -2.0, 8.0, 0.0, 1.0]), np.full(6, 2.0)
    decay, gain = ThermalNetwork.of_pack(pack).propagators(600.0)
    after = above @ decay + heat @ gain
    assert c @ after == pytest.approx(c @ above + 600.0 * heat.sum(), rel=1e-12)


def test_an_idle_pack_settles_at_ambient_and_gradient() -> None:
    plant = Plant(alike(5, gradient_k=8.0, initial_temperature_degc=10.0), 0)
    rested(plant, 40.0, hours=48)
    assert plant.cell_degc == pytest.approx([36.0, 38.0, 40.0, 42.0, 44.0], abs=0.01)
    assert plant.truth().enclosure_degc == pytest.approx(40.0, abs=0.01)


# --- step length ------------------------------------------------------------------------------


def cycle(step_s: float) -> Plant:
    """Drive a spread pack through two cold hours of changing current in steps of ``step_s``."""
    pack = PackParameters(8, CELL, initial_temperature_degc=0.0, gradient_k=6.0)
    plant = Plant(pack, seed=5)
    bleed_a = np.linspace(0.0, 0.2, 8)
    for k in range(12):
        current_a = (30.0, -45.0, 0.0, 60.0)[k % 4]
        for _ in range(round(600.0 / step_s)):
            plant.step(step_s, current_a, bleed_a, 5.0)
    return plant


@pytest.mark.parametrize(
    ("step_s", "volts", "kelvins"), [(0.25, 1e-5, 1e-3), (10.0, 1e-4, 0.01), (60.0, 1e-4, 0.01)]
)
def test_step_length_does_not_matter(step_s: float, volts: float, kelvins: float) -> None:
    fine, coarse = cycle(1.0), cycle(step_s)
    assert coarse.soc == pytest.approx(fine.soc, abs=1e-8)  # leakage follows the temperature
    assert coarse.terminal_v() == pytest.approx(fine.terminal_v(), abs=volts)
    assert coarse.cell_degc == pytest.approx(fine.cell_degc, abs=kelvins)


@pytest.mark.parametrize(
    ("dt_s", "current_a", "ambient_degc", "bleed_a"),
    [
        (0.0, 1.0, 25.0, 0.0),
        (math.inf, 1.0, 25.0, 0.0),
        (1.0, math.nan, 25.0, 0.0),
        (1.0, 1.0, math.nan, 0.0),
        (1.0, 1.0, 25.0, math.nan),
    ],
)
def test_what_is_not_finite_is_refused_and_changes_nothing(
    dt_s: float, current_a: float, ambient_degc: float, bleed_a: float
) -> None:
    plant, untouched = Plant(alike(), 0), Plant(alike(), 0)
    with pytest.raises(ValueError, match=r"finite"):
        plant.step(dt_s, current_a, [0.0, 0.0, bleed_a, 0.0], ambient_degc)
    assert np.array_equal(plant.terminal_v(), untouched.terminal_v())
    assert np.array_equal(plant.soc, untouched.soc)


# --- the current that does what is asked --------------------------------------------------------


def spread_pack() -> Plant:
    """Return a pack whose cells differ in everything, nearly full."""
    pack = PackParameters(16, CELL, replace(PackSpread(), soc_ratio=0.02), soc_ratio=0.9)
    return Plant(pack, seed=11)


def test_constant_voltage_holds_the_mean_or_the_highest_cell() -> None:
    plant = spread_pack()
    by_mean_a = plant.current_for_cell_voltage(3.40, 4.0, math.inf)
    assert by_mean_a < 0.0
    assert plant.voltage_at(by_mean_a).mean() == pytest.approx(3.40, abs=1e-9)
    by_cell_a = plant.current_for_cell_voltage(3.45, 3.43, math.inf)
    assert plant.voltage_at(by_cell_a).max() == pytest.approx(3.43, abs=1e-9)
    assert plant.current_for_cell_voltage(3.45, 3.50, 5.0) == -5.0
    assert plant.current_for_cell_voltage(3.30, 3.50, 20.0) == 0.0
    assert math.copysign(1.0, plant.current_for_cell_voltage(3.30, 3.50, 20.0)) == 1.0


def test_a_window_shrinks_the_current_only_as_far_as_it_must() -> None:
    plant = spread_pack()
    assert plant.current_within(20.0, 2.5, 3.65) == 20.0
    out_a = plant.current_within(500.0, 3.1, 3.65)
    assert 20.0 < out_a < 500.0
    assert plant.voltage_at(out_a).min() == pytest.approx(3.1, abs=1e-9)
    in_a = plant.current_within(-500.0, 2.5, 3.5)
    assert plant.voltage_at(in_a).max() == pytest.approx(3.5, abs=1e-9)
    assert plant.current_within(20.0, 3.5, 3.65) == 0.0
    # Cells above the window do not forbid a discharge.
    assert plant.current_within(20.0, 2.5, 3.2) == 20.0


def test_a_limit_is_met_whatever_one_cell_resists_and_bleeds() -> None:
    plant = Plant(alike(), 0, {2: {"resistance_ratio": 20.0}})
    plant.step(1.0, 0.0, [0.0, 8.0, 0.0, 0.0], 25.0)
    in_a = plant.current_for_cell_voltage(3.60, 9.0, math.inf)
    assert plant.voltage_at(in_a).mean() == pytest.approx(3.60, abs=1e-9)
    out_a = plant.current_within(1e5, 2.8, 3.65)
    assert plant.voltage_at(out_a).min() == pytest.approx(2.8, abs=1e-9)


@pytest.mark.parametrize("power_w", [3000.0, 20.0, 0.0, -20.0, -3000.0, -100e3])
def test_power_is_met(power_w: float) -> None:
    plant = spread_pack()
    current_a = plant.current_for_power(power_w)
    assert current_a * plant.voltage_at(current_a).sum() == pytest.approx(power_w, rel=1e-9)


def test_the_summit_of_power_is_found_and_what_lies_above_is_refused() -> None:
    plant = spread_pack()
    power_w = [a * plant.voltage_at(a).sum() for a in np.arange(0.0, 6000.0, 1.0)]
    summit_a = float(np.argmax(power_w))
    current_a = plant.current_for_power(0.999 * max(power_w))
    assert 0.9 * summit_a < current_a < summit_a  # the smaller of the two currents
    with pytest.raises(ValueError, match="no current"):
        plant.current_for_power(1.001 * max(power_w))


# --- one source, with and without the compiler ------------------------------------------------


def trace() -> list[float]:
    """Drive everything that is compiled a little and return every number that came out."""
    pack = PackParameters(5, CELL, PackSpread(0.01, 0.04, 0.3, 0.02), gradient_k=5.0)
    plant = Plant(pack, seed=2)
    out: list[float] = []
    for k in range(40):
        dt_s = (1.0, 25.0, 0.1)[k % 3]
        current_a = plant.current_within((90.0, -70.0, 0.0, 10.0)[k % 4], 3.0, 3.4)
        plant.step(dt_s, current_a, np.linspace(0.0, 0.1, 5), 20.0 + k)
        out += [current_a, *plant.soc.tolist(), *plant.terminal_v().tolist()]
        out += plant.cell_degc.tolist()
        out += [plant.current_for_power(200.0), plant.current_for_cell_voltage(3.36, 3.4, 40.0)]
    for value in plant.truth():
        out += np.atleast_1d(value).tolist()
    return out


def test_the_source_without_the_compiler_is_its_own_oracle() -> None:
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    script = "import json, test_plant; print(json.dumps(test_plant.trace()))"
    plain = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    compiled = trace()
    assert json.loads(plain.stdout) == pytest.approx(compiled, rel=1e-12, abs=1e-12)
