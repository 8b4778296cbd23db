"""What must hold for any current, bleed and temperature: charge, energy, order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stored_energy import stored_j

from hil.physics.cell_types import CircuitCell
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.plant import Plant
from hil.physics.stack import Floats
from hil.profile.load import load_cell

CELLS = 3
TYPES = {name: load_cell(name) for name in ("lfp-100ah", "lfp-100ah-bpx", "bpx-2ah")}
CIRCUITS = [name for name, cell in TYPES.items() if isinstance(cell, CircuitCell)]
DIFFUSION = sorted(set(TYPES) - set(CIRCUITS))
SPREAD = PackSpread(0.03, 0.1, 0.5, 0.02)

amperes = st.floats(-150.0, 150.0)
bleeds = st.lists(st.floats(0.0, 1.0), min_size=CELLS, max_size=CELLS)
steps = st.tuples(st.floats(0.01, 60.0), amperes, bleeds, st.floats(-20.0, 60.0))


@st.composite
def plants(
    draw: st.DrawFn,
    /,
    lowest: float = 0.0,
    highest: float = 1.0,
    types: Sequence[str] = sorted(TYPES),
    **changes: Any,
) -> Plant:
    """Draw a plant; by name of its type, so that a failure does not print a table of voltages."""
    pack = PackParameters(
        CELLS,
        TYPES[draw(st.sampled_from(types))],
        SPREAD,
        soc_ratio=draw(st.floats(lowest, highest)),
        initial_temperature_degc=draw(st.floats(-20.0, 60.0)),
        gradient_k=draw(st.floats(0.0, 20.0)),
        seam_every=draw(st.sampled_from((0, 2))),
    )
    return Plant(replace(pack, **changes), draw(st.integers(0, 2**48 - 1)))


@st.composite
def loaded_plants(draw: st.DrawFn, /, types: Sequence[str] = sorted(TYPES)) -> Plant:
    """Draw a plant that has just been through a step and still bleeds."""
    plant = draw(plants(types=types))
    dt_s, current_a, bleed_a, degc = draw(steps)
    plant.step(dt_s, current_a * per_ah(plant), np.array(bleed_a) * per_ah(plant), degc)
    return plant


# Plants that keep a limit at this very instant: those that have not stepped yet, and circuits at
# any time. One with particles keeps it at the end of its next step (``motion.look_ahead``).
prompt_plants = loaded_plants(CIRCUITS) | plants()


def per_ah(plant: Plant) -> float:
    """Return what a current for 100 Ah is multiplied by for this plant's cells."""
    return plant.pack.cell.capacity_ah / 100.0


@given(plants(), st.lists(steps, max_size=30))
def test_charge_is_conserved(
    plant: Plant, drive: list[tuple[float, float, list[float], float]]
) -> None:
    stored_as = 3600.0 * plant.soc * plant.capacity_ah
    passed_as = np.zeros(CELLS)
    for dt_s, current_a, bleed_a, degc in drive:
        plant.step(dt_s, current_a, bleed_a, degc)
        passed_as += dt_s * (current_a + np.array(bleed_a))
    leaked_as = 3600.0 * plant.truth().leaked_ah
    left_as = 3600.0 * plant.soc * plant.capacity_ah
    assert np.all(leaked_as >= 0.0)
    assert left_as + passed_as + leaked_as == pytest.approx(stored_as, rel=1e-12, abs=1e-6)


@given(plants(), steps)
def test_two_halves_of_a_step_move_the_same_charge(
    plant: Plant, step: tuple[float, float, list[float], float]
) -> None:
    dt_s, current_a, bleed_a, degc = step
    tight = replace(plant.pack, cell=replace(plant.pack.cell, leakage_a=0.0))
    whole, halved = Plant(tight, 0), Plant(tight, 0)
    whole.step(dt_s, current_a, bleed_a, degc)
    for _ in range(2):
        halved.step(dt_s / 2.0, current_a, bleed_a, degc)
    assert halved.soc == pytest.approx(whole.soc, abs=1e-15)


def chemical_j(plant: Plant) -> Floats:
    """Return the energy stored between empty and now: no sum that the plant keeps."""
    return stored_j(plant.pack.cell, plant.soc, plant.capacity_ah)


def drive_insulated(plant: Plant, currents: list[float], bleed_a: list[float]) -> Floats:
    """Drive for 100 s at each current; return the energy (J) that left at each cell's terminals."""
    out_j = np.zeros(plant.cells)
    for step_a in currents:
        for _ in range(200):
            before_v = plant.voltage_at(step_a)
            plant.step(0.5, step_a, bleed_a, 25.0)
            cell_a = step_a + np.array(bleed_a)
            out_j += 0.5 * cell_a * 0.5 * (before_v + plant.terminal_v())
    return out_j


INSULATED: dict[str, Any] = {
    "cell_air_w_per_k": 0.0,
    "cell_cell_w_per_k": 0.0,
    "enclosure_ambient_w_per_k": 0.0,
}


@given(
    plants(0.3, 0.7, CIRCUITS, bleed_heat_ratio=0.0, **INSULATED),
    st.lists(amperes, min_size=1, max_size=5),
    bleeds,
)
def test_energy_is_conserved(plant: Plant, currents: list[float], bleed_a: list[float]) -> None:
    cell = plant.pack.cell
    plant.step(0.01, 0.0, bleed_a, 25.0)  # from here on the bleed shows in voltage_at
    begin = plant.truth()
    out_j = drive_insulated(plant, currents, bleed_a)
    end = plant.truth()

    heat_j = cell.mass_kg * cell.heat_capacity_j_per_kg_k * (end.cell_degc - begin.cell_degc)
    assert end.heat_j - begin.heat_j == pytest.approx(heat_j, abs=1e-6, rel=1e-9)
    # The plant's own account of what left is that of the mean voltage: to first order in the drop's
    # change over a step, 2e-4 of what passes at 0.5 s.
    passed_j = sum((abs(current_a) + 1.0) * 100.0 * 3.3 for current_a in currents)
    assert end.delivered_j - begin.delivered_j == pytest.approx(out_j, abs=0.01 + 2e-4 * passed_j)


@given(plants(**INSULATED), st.lists(steps, min_size=1, max_size=20))
def test_the_energy_balance_closes(
    plant: Plant, drive: list[tuple[float, float, list[float], float]]
) -> None:
    """Stored = delivered + heat + gradients, to 1e-9, whatever the steps, beyond the ends too."""
    begin_j, begin = chemical_j(plant), plant.truth()
    passed_as = np.zeros(CELLS)
    for dt_s, current_a, bleed_a, degc in drive:
        plant.step(dt_s, current_a, bleed_a, degc)
        passed_as += dt_s * np.abs(current_a + np.array(bleed_a))
    end = plant.truth()
    used_j = sum(
        getattr(end, name) - getattr(begin, name)
        for name in ("delivered_j", "heat_j", "gradient_j", "pending_j")
    )
    passed_j = 4.0 * passed_as + np.abs(end.delivered_j)
    released_j = begin_j - chemical_j(plant)
    assert np.all(np.abs(released_j - used_j) <= 1e-9 * (passed_j + 4.0 * 3600.0 * end.capacity_ah))


@given(loaded_plants(), amperes, amperes)
def test_voltage_falls_with_current(plant: Plant, one_a: float, other_a: float) -> None:
    low_a, high_a = sorted((one_a, other_a))
    fall_v = plant.voltage_at(low_a) - plant.voltage_at(high_a)
    # At least the ohmic part: 19.6 mohm Ah at 25 degC, less than half of it in no heat here.
    ohm = 0.5 * 19.6e-3 / plant.pack.cell.capacity_ah
    assert np.all(fall_v >= (high_a - low_a) * ohm * 0.5 - 1e-12)


def made_j(plant: Plant) -> Floats:
    """Return the heat made so far: given off, or about to be."""
    truth = plant.truth()
    return truth.heat_j + truth.pending_j


@given(plants(0.6, 0.9, CIRCUITS), st.lists(steps, min_size=1, max_size=10))
def test_losses_only_heat(
    plant: Plant, drive: list[tuple[float, float, list[float], float]]
) -> None:
    """Without reversible heat and hysteresis, a discharge warms every cell at every step."""
    cell = plant.pack.cell
    assert isinstance(cell, CircuitCell)
    flat = (0.0,) * len(cell.soc_ratio)
    pack = replace(plant.pack, cell=replace(cell, entropic_v_per_k=flat, hysteresis_v=flat))
    lossy = Plant(pack, seed=4)
    for dt_s, current_a, bleed_a, degc in drive:
        before_j = made_j(lossy)
        lossy.step(dt_s, abs(current_a), bleed_a, degc)
        assert np.all(made_j(lossy) > before_j)


@given(prompt_plants, st.floats(3.0, 3.6), st.floats(3.0, 3.7), st.floats(0.0, 100.0))
def test_constant_voltage_is_the_largest_charge_that_keeps_both_limits(
    plant: Plant, mean_v: float, cell_max_v: float, max_charge_a: float
) -> None:
    current_a = plant.current_for_cell_voltage(mean_v, cell_max_v, max_charge_a)
    assert -max_charge_a <= current_a <= 0.0
    v = plant.voltage_at(current_a)
    over_v = max(v.mean() - mean_v, v.max() - cell_max_v)
    if current_a < 0.0:
        assert over_v <= 1e-9
    if current_a > -max_charge_a:
        assert over_v >= -1e-9


@given(prompt_plants, st.floats(-300.0, 300.0), st.floats(2.5, 3.3), st.floats(3.3, 3.7))
def test_a_window_is_kept_and_used_to_its_edge(
    plant: Plant, wanted_a: float, cell_min_v: float, cell_max_v: float
) -> None:
    current_a = plant.current_within(wanted_a, cell_min_v, cell_max_v)
    assert abs(current_a) <= abs(wanted_a)
    assert current_a * wanted_a >= 0.0
    v = plant.voltage_at(current_a)
    room_v = v.min() - cell_min_v if wanted_a > 0.0 else cell_max_v - v.max()
    if current_a != 0.0:
        assert room_v >= -1e-9
    if current_a != wanted_a:
        assert room_v <= 1e-9


@given(
    plants(0.1, 1.0, DIFFUSION),
    st.sampled_from((0.1, 1.0)),
    st.floats(3.35, 3.6),
    st.floats(3.4, 3.65),
    st.floats(2.8, 3.1),
)
def test_particles_are_held_at_a_limit_from_step_to_step(
    plant: Plant, dt_s: float, mean_v: float, cell_max_v: float, cell_min_v: float
) -> None:
    """Asked anew at every step, the current brings the voltage to its limit and keeps it there."""
    most_a, bleed_a = plant.pack.cell.capacity_ah, np.array([0.0, 0.01, 0.02])
    for charging in (True, False):
        current_a = 0.0
        for _ in range(20):
            if charging:
                current_a = plant.current_for_cell_voltage(mean_v, cell_max_v, most_a)
            else:
                current_a = plant.current_within(most_a, cell_min_v, 4.0)
            plant.step(dt_s, current_a, bleed_a, 25.0)
        v = plant.terminal_v()
        over_v = max(v.mean() - mean_v, v.max() - cell_max_v) if charging else cell_min_v - v.min()
        if current_a != 0.0:
            assert over_v < 3e-3
            assert abs(current_a) == most_a or over_v > -3e-3


@given(loaded_plants(), amperes)
def test_power_finds_the_current_back(plant: Plant, current_a: float) -> None:
    current_a *= per_ah(plant)
    assume(plant.voltage_at(0.0).min() > 1.0)  # an overdrawn stack has no power to give
    pack_v = plant.voltage_at(current_a).sum()
    found_a = plant.current_for_power(current_a * pack_v)
    if plant.voltage_at(0.0).min() > 2.5:  # far from the summit: this root
        assert found_a == pytest.approx(current_a, rel=1e-8, abs=1e-9)
    assert found_a * plant.voltage_at(found_a).sum() == pytest.approx(
        current_a * pack_v, rel=1e-8, abs=1e-6
    )
