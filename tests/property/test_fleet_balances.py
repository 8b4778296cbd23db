"""Charge and energy of unlike packs close, with an active balancer at work among bleeds and limits.

The engine books what passed; the energy stored is added up here from the tables, and the heat in
cells and box from temperatures.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_energy import stored_j

from hil.physics.batch import EVERY_SECOND, Batch, Cut
from hil.physics.legs import CHARGED_AS, DISCHARGED_AS, Transfer
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.stack import DELIVERED_J, GRADIENT_J, HEAT_J, LEAKED_AS, PENDING_J, Floats
from hil.profile.load import load_cell

CELLS, SEEDS = 3, (3, 8)
TYPES = {name: load_cell(name) for name in ("lfp-100ah", "bpx-2ah")}
SPREAD = PackSpread(0.03, 0.1, 0.5, 0.02)
CUTS = (EVERY_SECOND, Cut(step_s=60.0), Cut(tolerance=1e-6))

rows = st.lists(st.floats(0.0, 1.0), min_size=2 * CELLS, max_size=2 * CELLS)
legs = st.tuples(st.floats(-0.8, 0.8), rows, rows, rows)
"""Demand per capacity (1/h); what bleeds, gives and takes, as shares."""


def unlike(name: str, soc: float, **changes: Any) -> Batch:
    """Return two packs in the warm that differ in all they may, and leak so that it counts."""
    cell = replace(TYPES[name], leakage_a=1e-3 * TYPES[name].capacity_ah)
    other = replace(cell, leakage_a=3e-3 * cell.capacity_ah, leakage_ea_j_per_mol=60e3)
    first = PackParameters(CELLS, cell, SPREAD, soc_ratio=soc, gradient_k=5.0, **changes)
    second = replace(first, cell=other, cell_air_w_per_k=0.3, bleed_heat_ratio=0.9)
    return Batch([first, second], SEEDS)


def shares(batch: Batch, values: list[float]) -> Floats:
    return np.reshape(values, (2, CELLS)) * batch.pack.cell.capacity_ah


def charge_as(batch: Batch) -> Floats:
    """Return what cells hold and all that left them (packs, cells), A s: it must not change."""
    truth, sums = batch.truth(), batch.sums
    through_as = (sums[:, DISCHARGED_AS] - sums[:, CHARGED_AS])[:, None]
    held_as = 3600.0 * truth.soc * truth.capacity_ah
    left_as: Floats = batch.bled_as + batch.moved_as + batch._fleet.state[:, LEAKED_AS]
    return held_as + through_as + left_as


def energy_j(batch: Batch) -> Floats:
    """Return what cells store and all that left them (packs, cells), J: it must not change."""
    truth, state = batch.truth(), batch._fleet.state
    pairs = zip(truth.soc, truth.capacity_ah, strict=True)
    stored = np.array([stored_j(batch.pack.cell, soc, ah) for soc, ah in pairs])
    left: Floats = state[:, [DELIVERED_J, HEAT_J, PENDING_J, GRADIENT_J]].sum(axis=1)
    return stored + left


@settings(max_examples=20)
@given(
    st.sampled_from(sorted(TYPES)),
    st.floats(0.02, 0.98),
    st.lists(legs, min_size=1, max_size=6),
    st.sampled_from(CUTS),
)
def test_charge_and_energy_of_unlike_packs_close(
    name: str,
    soc: float,
    drive: list[tuple[float, list[float], list[float], list[float]]],
    cut: Cut,
) -> None:
    batch = unlike(name, soc)
    begin_as, begin_j = charge_as(batch), energy_j(batch)
    capacity_ah = batch.pack.cell.capacity_ah
    for per_h, bleeds, gives, takes in drive:
        transfer = Transfer(0.05 * shares(batch, gives), np.reshape(takes, (2, CELLS)), 0.85)
        bleed_s = 0.003 * shares(batch, bleeds)
        batch.run_leg(120.0, per_h * capacity_ah, 45.0, bleed_s, cut=cut, transfer=transfer)
    scale_as = 3600.0 * capacity_ah
    assert charge_as(batch) == pytest.approx(begin_as, abs=1e-9 * scale_as)
    assert energy_j(batch) == pytest.approx(begin_j, abs=4e-9 * scale_as)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_what_a_transfer_loses_warms_the_box(name: str) -> None:
    """An hour in an insulated box: joules made in cells, bleeds and balancer are all in it."""
    batch = unlike(name, 0.6, enclosure_ambient_w_per_k=0.0)
    pack, fleet = batch.pack, batch._fleet
    cell_j_per_k = pack.cell.mass_kg * pack.cell.heat_capacity_j_per_kg_k
    begin_degc, lost_j = fleet.degc.copy(), np.zeros((2, 2))
    ah = pack.cell.capacity_ah
    give_a, take, bleed_s = np.zeros((3, 2, CELLS))
    give_a[:, 0], take[:, 1:], bleed_s[:, 2] = 0.02 * ah, [1.0, 2.0], 0.01 * ah
    transfer, still_a = Transfer(give_a, take, 0.85), np.zeros(2)
    for _ in range(3600):
        # a leg of one step: its currents are at the voltages seen, its heat at those it begins with
        seen_v = batch.seen_v.copy()
        bleed_a = bleed_s * seen_v
        sent_w = (give_a * seen_v).sum(axis=1)
        came_a = take * (0.85 * sent_w / (take * seen_v).sum(axis=1))[:, None]
        begin_v = batch.voltage_at(still_a, bleed_a + give_a - came_a)
        lost_j[0] += (bleed_a * begin_v).sum(axis=1)
        lost_j[1] += ((give_a - came_a) * begin_v).sum(axis=1)
        batch.run_leg(1.0, 0.0, 25.0, bleed_s, transfer=transfer)
    warmer_k = fleet.degc - begin_degc
    kept_j = cell_j_per_k * warmer_k[:, :-1].sum(axis=1) + pack.enclosure_j_per_k * warmer_k[:, -1]
    made_j = fleet.state[:, HEAT_J].sum(axis=1) + lost_j.sum(axis=0)
    assert kept_j == pytest.approx(made_j, rel=1e-9)
    # 15 % of what was given, by hand: 2 % of the capacity an hour, at some 3.3 V
    given_j = 3600.0 * 0.02 * ah * 3.3
    assert lost_j[1] == pytest.approx(0.15 * given_j, rel=0.03)
    # the pack whose bleeds warm their own cell has that cell warmer, and its box colder
    bled_k = warmer_k[:, 2] - warmer_k[:, 0]
    assert bled_k[1] > bled_k[0]
