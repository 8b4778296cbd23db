"""Charge, energy and heat of a batch close to 1e-9: any cut, bleeds, leaks, limits, ageing.

The engine books what passed (its sums, what bled, what leaked, what was lost with capacity); the
energy stored is added up here from the tables, and the heat in the cells from temperatures.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_energy import stored_j

from hil.physics.batch import EVERY_SECOND, Batch, Cut
from hil.physics.legs import CHARGED_AS, DISCHARGED_AS, TAKEN_BACK
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.stack import DELIVERED_J, GRADIENT_J, HEAT_J, LEAKED_AS, PENDING_J, Floats
from hil.physics.wear import LOST_AS, LOST_J
from hil.profile.load import load_cell

CELLS = 3
SEEDS = (3, 8)
TYPES = {name: load_cell(name) for name in ("lfp-100ah", "bpx-2ah")}
# Leaks a hundred times what is usual, so that they count beside what the legs move.
SPREAD = PackSpread(0.03, 0.1, 0.5, 0.02)
# Each type as it is, and ageing where it says how.
KINDS = [(name, False) for name in TYPES]
KINDS += [(name, True) for name, cell in TYPES.items() if cell.ageing is not None]
CUTS = (EVERY_SECOND, Cut(step_s=60.0), Cut(tolerance=1e-6))


@dataclass(frozen=True)
class Drive:
    """One leg of a test: demand per capacity (1/h), air, and which cells bleed."""

    duration_s: float
    per_h: float
    degc: float
    bleeds: int
    kind: str


legs = st.builds(
    Drive,
    st.sampled_from((30.0, 120.0, 600.0)),
    st.floats(-0.8, 0.8),
    st.floats(-15.0, 55.0),
    st.integers(0, 2**CELLS - 1),
    st.sampled_from(("current", "power")),
)


def batch_of(name: str, soc: float, *, ages: bool = False, **changes: Any) -> Batch:
    """Return two packs that differ in everything, in the warm: they leak."""
    cell = replace(TYPES[name], leakage_a=1e-3 * TYPES[name].capacity_ah)
    pack = PackParameters(CELLS, cell, SPREAD, soc_ratio=soc, gradient_k=5.0, ages=ages)
    return Batch(replace(pack, **changes), SEEDS)


def run(batch: Batch, drive: list[Drive], cut: Cut) -> None:
    """Move a batch through legs; a bleed is a hundredth of the capacity an hour."""
    capacity_ah = batch.pack.cell.capacity_ah
    for leg in drive:
        on = np.array([leg.bleeds >> c & 1 for c in range(CELLS)], float)
        bleed_s = np.outer(np.ones(len(batch)), on * 0.01 * capacity_ah / 3.3)
        unit = capacity_ah * (3.3 * CELLS if leg.kind == "power" else 1.0)
        demand = leg.per_h * unit
        batch.run_leg(leg.duration_s, demand, leg.degc, bleed_s, kind=leg.kind, cut=cut)  # type: ignore[arg-type]


def booked(batch: Batch, row: int) -> Floats:
    """Return a row of what ageing took (packs, cells); nothing where nothing ages."""
    aged = batch._fleet.aged
    return np.asarray(aged[:, row]) if len(aged) else np.zeros((len(batch), CELLS))


def charge_as(batch: Batch) -> Floats:
    """Return what the cells hold and all that left them (packs, cells), A s: it must not change."""
    truth, sums = batch.truth(), batch.sums
    through_as = (sums[:, DISCHARGED_AS] - sums[:, CHARGED_AS])[:, None]
    held_as = 3600.0 * truth.soc * truth.capacity_ah
    leaked_as: Floats = batch._fleet.state[:, LEAKED_AS]
    return held_as + through_as + 3600.0 * truth.bled_ah + leaked_as + booked(batch, LOST_AS)


def energy_j(batch: Batch) -> Floats:
    """Return what the cells store and all that left them (packs, cells), J: it must not change."""
    truth, state = batch.truth(), batch._fleet.state
    rows = zip(truth.soc, truth.capacity_ah, strict=True)
    stored: Floats = np.array([stored_j(batch.pack.cell, soc, ah) for soc, ah in rows])
    left: Floats = state[:, [DELIVERED_J, HEAT_J, PENDING_J, GRADIENT_J]].sum(axis=1)
    return stored + left + booked(batch, LOST_J)


@settings(max_examples=30)
@given(
    st.sampled_from(KINDS),
    st.floats(0.0, 1.0),
    st.lists(legs, min_size=1, max_size=8),
    st.sampled_from(CUTS),
)
@pytest.mark.parametrize(("account", "per_as"), [(charge_as, 1.0), (energy_j, 4.0)])
def test_what_cells_hold_and_what_left_them_is_one_sum(
    account: Callable[[Batch], Floats],
    per_as: float,
    kind: tuple[str, bool],
    soc: float,
    drive: list[Drive],
    cut: Cut,
) -> None:
    name, ages = kind
    batch = batch_of(name, soc, ages=ages)
    begin = account(batch)
    run(batch, drive, cut)
    # relative to what a full cell holds: most legs here move less than that
    scale = per_as * 3600.0 * batch.pack.cell.capacity_ah
    assert account(batch) == pytest.approx(begin, abs=1e-9 * scale)


def test_the_sums_hold_leaks_bleeds_losses_and_steps_taken_back() -> None:
    """The balances above are of something: every term is there, in a day that meets its limits."""
    batch = batch_of("lfp-100ah", 0.9, ages=True, initial_temperature_degc=40.0)
    begin_as, begin_j = charge_as(batch), energy_j(batch)
    run(batch, [Drive(600.0, -0.4, 40.0, 5, "power")] * 12, Cut())
    run(batch, [Drive(600.0, 0.4, 40.0, 5, "power")] * 12, Cut())
    assert batch.sums[:, [DISCHARGED_AS, CHARGED_AS, TAKEN_BACK]].min() > 0.0
    assert batch.truth().bled_ah[:, [0, 2]].min() > 0.1
    assert batch._fleet.state[:, LEAKED_AS].min() > 100.0
    assert booked(batch, LOST_AS).min() > 1.0
    assert booked(batch, LOST_J).min() > 3.0
    scale_as = 3600.0 * batch.pack.cell.capacity_ah
    assert charge_as(batch) == pytest.approx(begin_as, abs=1e-9 * scale_as)
    assert energy_j(batch) == pytest.approx(begin_j, abs=4e-9 * scale_as)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_heat_of_cells_and_bleeds_is_what_warms_an_insulated_box(name: str) -> None:
    """An hour, charged and discharged, two cells bled: joules made are joules in cells and box."""
    batch = batch_of(name, 0.6, enclosure_ambient_w_per_k=0.0)
    pack, fleet = batch.pack, batch._fleet
    cell_j_per_k = pack.cell.mass_kg * pack.cell.heat_capacity_j_per_kg_k
    begin_degc, bled_j = fleet.degc.copy(), np.zeros(len(batch))
    bleed_s = np.tile([0.01 * pack.cell.capacity_ah, 0.0, 0.02 * pack.cell.capacity_ah], (2, 1))
    for k in range(3600):
        current_a = pack.cell.capacity_ah * (0.4 if k % 600 < 300 else -0.3)
        # a leg of one step: its bleeds are at the voltages seen, its heat at those it begins with
        bleed_a = bleed_s * batch.seen_v
        bled_j += (bleed_a * batch.voltage_at(np.full(2, current_a), bleed_a)).sum(axis=1)
        batch.run_leg(1.0, current_a, 25.0, bleed_s)
    warmer_k = fleet.degc - begin_degc
    kept_j = cell_j_per_k * warmer_k[:, :-1].sum(axis=1) + pack.enclosure_j_per_k * warmer_k[:, -1]
    # the gradient is what surrounds the pack, not heat: it stands from the start
    made_j = fleet.state[:, HEAT_J].sum(axis=1) + bled_j
    assert np.all(bled_j > 0.05 * made_j)
    assert kept_j == pytest.approx(made_j, rel=1e-9)
    assert np.all(warmer_k[:, [0, 2]] > 0.0)
