"""Packs and boards of one batch that differ: each is, to the last bit, what it is alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hil.physics.ageing import Life
from hil.physics.batch import EVERY_SECOND, MOST_LEGS, Batch, Cut
from hil.physics.boards import Boards, Readings
from hil.physics.legs import STEPS, Transfer
from hil.physics.pack import Overrides
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.stack import LEAKED_AS, Floats
from hil.profile.designs import load_board
from hil.profile.load import load_cell

CELLS, SEEDS = 16, (5, 8, 21, 40)
TYPES = {name: load_cell(name) for name in ("lfp-100ah", "bpx-2ah")}


def pack_of(name: str, **changes: Any) -> PackParameters:
    return replace(PackParameters(CELLS, TYPES[name], soc_ratio=0.9), **changes)


def leaky(name: str, times: float, kj_per_mol: float) -> Any:
    """Return the cell type with another leakage, hundreds of times what is usual."""
    cell = TYPES[name]
    return replace(cell, leakage_a=times * cell.leakage_a, leakage_ea_j_per_mol=1e3 * kj_per_mol)


def unlike(name: str) -> list[PackParameters]:
    """Return packs of which no two have anything in common that may differ."""
    lived = TYPES[name].ageing is not None
    old = {"age_years": 4.0, "life": Life(40.0)} if lived else {}
    return [
        pack_of(name),
        pack_of(name, cell=leaky(name, 500.0, 35.0), gradient_k=12.0, bleed_heat_ratio=0.8),
        pack_of(name, cell=leaky(name, 300.0, 60.0), cell_air_w_per_k=0.4, soc_ratio=0.97, **old),
        pack_of(
            name,
            spread=PackSpread(0.03, 0.1, 0.5, 0.02),
            initial_temperature_degc=3.0,
            link_ohm=0.001,
            seam_every=4,
            cell_cell_w_per_k=4.0,
            enclosure_ambient_w_per_k=8.0,
            enclosure_j_per_k=3000.0,
        ),
    ]


OWN: list[Overrides] = [{}, {3: {"soc_ratio": 0.5}}, {}, {1: {"leakage_ratio": 40.0}}]
LEAD_OHM = np.linspace(0.02, 0.5, len(SEEDS) * (CELLS + 1)).reshape(len(SEEDS), CELLS + 1)
TAU_S, RTH_RATIO = np.array([1e-5, 1e-3, 4e-3, 2e-2]), np.array([1.0, 0.5, 2.0, 3.0])


def driven(batch: Batch, boards: Boards, rows: slice, cut: Cut) -> list[Readings]:
    """Run an hour of power both ways, bleeds and a transfer on; return what boards read."""
    rng = np.random.default_rng(2)
    unit_w = 3.3 * CELLS * batch.pack.cell.capacity_ah
    duty = rng.random((len(SEEDS), CELLS)) * (rng.random((len(SEEDS), CELLS)) < 0.4)
    wanted = rng.uniform(-1.0, 1.0, (len(SEEDS), CELLS))
    read = [boards.read(batch)]
    for leg in range(30):
        demand = unit_w * np.array([-0.4, 0.3, -0.2, 0.1]) * (1.0 if leg < 20 else -1.0)
        degc = np.array([10.0, 25.0, 45.0, 30.0])
        boards.order(duty[rows], wanted[rows])
        batch.run_leg(
            120.0,
            demand[rows],
            degc[rows],
            boards.conductances(batch),
            kind="power",
            cut=cut,
            transfer=boards.transfer,
        )
        boards.after_leg(batch, 120.0)
        read.append(boards.read(batch))
    return read


def rows_of(batch: Batch, p: int) -> dict[str, Floats]:
    """Return all that is pack ``p``'s own."""
    fleet = batch._fleet._asdict()
    shared = ("tables", "laws", "leak_ratio", "kinds")
    return {name: rows[p] for name, rows in fleet.items() if name not in shared and len(rows)}


@pytest.mark.parametrize("cut", [Cut(step_s=20.0), Cut()])
@pytest.mark.parametrize(
    ("name", "design"),
    [("lfp-100ah", "active-2A"), ("bpx-2ah", "standard-50mA"), ("lfp-100ah", "rippled")],
)
def test_each_of_many_unlike_packs_and_boards_is_what_it_is_alone(
    name: str, design: str, cut: Cut
) -> None:
    packs, board = unlike(name), board_of(design)
    together = Batch(packs, SEEDS, overrides=OWN)
    boards = Boards(
        board, together, lead_ohm=LEAD_OHM, filter_tau_s=TAU_S, board_rth_ratio=RTH_RATIO
    )
    read = driven(together, boards, slice(None), cut)
    assert (np.abs(together.moved_as).min(axis=1).max() > 0.0) == (design == "active-2A")
    for p, (pack, seed) in enumerate(zip(packs, SEEDS, strict=True)):
        one, rows = Batch([pack], [seed], overrides=OWN[p]), slice(p, p + 1)
        alone = Boards(
            board,
            one,
            lead_ohm=LEAD_OHM[p],
            filter_tau_s=TAU_S[rows],
            board_rth_ratio=float(RTH_RATIO[p]),
        )
        for many, own in zip(read, driven(one, alone, rows, cut), strict=True):
            for field, told in own._asdict().items():
                assert np.array_equal(getattr(many, field)[p], told[0]), (p, field)
        own_rows = rows_of(one, 0)
        for field, found in rows_of(together, p).items():
            assert np.array_equal(found, own_rows[field], equal_nan=True), (p, field)
        assert np.array_equal(boards.duty[p], alone.duty[0])


EXACT: dict[str, Any] = {"offset_v": 0.0, "gain_ppm": 0.0, "drift_ppm_per_k": 0.0, "noise_v": 0.0}
"""Of a design: its boards read what stands at their inputs."""


def board_of(design: str) -> Any:
    """Return a design; ``rippled`` is one that every filter changes: unmuted, ripple, pick-up."""
    if design != "rippled":
        return load_board(design)
    return replace(load_board("poor-grid"), mute=False)


def test_one_pack_for_all_is_as_many_equal_ones() -> None:
    pack = pack_of("lfp-100ah", ages=True)
    one, many = Batch(pack, SEEDS), Batch([pack] * len(SEEDS), SEEDS, overrides=[{}] * len(SEEDS))
    for batch in (one, many):
        batch.run_leg(3600.0, -20.0, 30.0)
    for p in range(len(SEEDS)):
        for field, found in rows_of(one, p).items():
            assert np.array_equal(found, rows_of(many, p)[field], equal_nan=True), field
    assert len(one._fleet.leak_ratio) == len(many._fleet.leak_ratio) == 1
    assert one._paces_of(60.0, 0).decay.shape == (1, 1, CELLS + 1, CELLS + 1)


def test_a_pack_leaks_by_its_own_law() -> None:
    """A day at 45 degC: exp(Ea / R (1/298.15 - 1/318.15)) of what 25 degC takes, by hand.

    The leak is so small that it does not warm itself.
    """
    cells = [leaky("lfp-100ah", 0.01, kj) for kj in (0.0, 35.0, 60.0)]
    still = PackSpread(leakage_ratio=0.0)
    packs = [
        pack_of("lfp-100ah", cell=cell, spread=still, initial_temperature_degc=45.0)
        for cell in cells
    ]
    batch = Batch(packs, [1, 1, 1])
    batch.run_leg(86400.0, 0.0, 45.0, cut=Cut())
    per_day_as = 86400.0 * cells[0].leakage_a
    found = batch._fleet.state[:, LEAKED_AS].mean(axis=1) / per_day_as
    assert found == pytest.approx([1.0, 2.4292, 4.5792], rel=2e-4)


def test_a_board_is_as_much_warmer_as_its_way_to_the_air_is_worse() -> None:
    pack = replace(pack_of("lfp-100ah"), spread=PackSpread(0.0, 0.0, 0.0))
    batch = Batch(pack, (7, 7, 7))
    design = replace(load_board("reference-16s"), bleed_pause_degc=200.0, bleed_tcr_ppm_per_k=0.0)
    boards = Boards(design, batch, board_rth_ratio=np.array([1.0, 2.0, 0.5]))
    boards.order(np.ones((3, CELLS)))
    for _ in range(60):
        batch.run_leg(120.0, 0.0, 25.0, boards.conductances(batch))
        boards.after_leg(batch, 120.0, air_degc=np.full(3, 25.0))
    rise_k = boards._made.zone_degc - 25.0
    assert rise_k[0] == pytest.approx(2.0 * 16 * 3.35**2 / 68.0, rel=0.02)  # 2 K/W
    assert rise_k / rise_k[0] == pytest.approx([1.0, 2.0, 0.5], rel=0.01)


def test_leads_and_filters_of_a_board_are_its_own() -> None:
    """An unmuted bleed shifts its reading by -2 I R lead; a filter slower than a cycle hides it."""
    pack = replace(pack_of("lfp-100ah"), spread=PackSpread(0.0, 0.0, 0.0))
    design = replace(load_board("reference-16s"), mute=False, bleed_tolerance_ratio=0.0, **EXACT)
    batch = Batch(pack, (3, 3, 3, 3))
    lead_ohm = np.array([[0.0], [0.2], [0.4], [0.4]])
    tau_s = np.array([1e-5, 1e-5, 1e-5, 10.0])
    boards = Boards(design, batch, lead_ohm=lead_ohm, filter_tau_s=tau_s)
    duty = np.zeros((4, CELLS))
    duty[:, 7] = 1.0
    boards.order(duty)
    shift_v = batch.seen_v[:, 7] - boards.read(batch).cell_v[:, 7]
    bleed_a = batch.seen_v[1, 7] / 68.0
    assert shift_v[:3] == pytest.approx(2.0 * bleed_a * lead_ohm[:3, 0], rel=0.02, abs=2e-4)
    assert abs(shift_v[3]) < 0.05 * shift_v[2]


def test_a_balancer_carries_what_it_is_asked_for_while_cells_differ() -> None:
    """Two hours of 2 A: 4 Ah out of one cell, and into another what 85 % of the power makes."""
    own: Overrides = {2: {"soc_ratio": 0.99}, 9: {"soc_ratio": 0.05}}
    batch = Batch(pack_of("lfp-100ah"), SEEDS, overrides=own)
    boards = Boards(load_board("active-2A"), batch)
    wanted = np.zeros((len(SEEDS), CELLS))
    wanted[:, 1], wanted[:, 8] = 1.0, -1.0
    begin, came_ah = batch.truth(), np.zeros(len(SEEDS))
    boards.read(batch)
    for _ in range(60):
        boards.order(np.zeros_like(wanted), wanted)
        drawn_s = boards.conductances(batch)
        batch.run_leg(120.0, 0.0, 25.0, drawn_s, transfer=boards.transfer, cut=Cut())
        came_ah += 0.85 * 2.0 / 30.0 * batch.seen_v[:, 1] / batch.seen_v[:, 8]
        boards.after_leg(batch, 120.0)
        boards.read(batch)
    end, moved_ah = batch.truth(), batch.moved_as / 3600.0
    assert moved_ah[:, 1] == pytest.approx(4.0)
    assert moved_ah[:, 8] == pytest.approx(-came_ah, rel=2e-3)
    assert np.count_nonzero(moved_ah) == 2 * len(SEEDS)
    lost_ah = (begin.soc - end.soc) * begin.capacity_ah
    assert lost_ah[:, [1, 8]] == pytest.approx(moved_ah[:, [1, 8]], abs=0.01)  # leaks and inputs


def test_a_board_without_a_balancer_and_cells_alike_carry_nothing() -> None:
    batch = Batch(pack_of("lfp-100ah", spread=PackSpread(0.0, 0.0, 0.0)), SEEDS)
    wanted = np.tile(np.linspace(-1.0, 1.0, CELLS), (len(SEEDS), 1))
    passive, active = (Boards(load_board(name), batch) for name in ("standard-50mA", "active-2A"))
    passive.order(np.zeros_like(wanted), wanted)
    assert passive.transfer is None
    active = Boards(replace(active.design, **EXACT), batch)
    active.read(batch)
    active.order(np.zeros_like(wanted), wanted)
    assert active.transfer is not None
    assert not active.transfer.gives_a.any()


def test_an_empty_cell_gives_nothing_and_takes() -> None:
    batch = Batch(pack_of("lfp-100ah"), SEEDS)
    boards = Boards(load_board("active-2A"), batch)
    batch.seen_v[:] = 3.3
    batch.seen_v[:, :2] = 2.4, 2.3
    boards.read(batch)
    wanted = np.zeros((len(SEEDS), CELLS))
    for first, gives_a in ((1.0, 0.0), (0.0, 2.0)):
        wanted[:, 0], wanted[:, 1], wanted[:, 5] = first, -1.0, 1.0 - first
        boards.order(np.zeros_like(wanted), wanted)
        assert boards.transfer is not None
        assert boards.transfer.gives_a[:, 5] == pytest.approx(gives_a)
        assert not boards.transfer.gives_a[:, 0].any()
        assert boards.transfer.takes[:, 1].all() == (gives_a > 0.0)


def test_what_cannot_stand_side_by_side_is_named() -> None:
    pack = pack_of("lfp-100ah")
    larger = replace(pack, cell=replace(pack.cell, mass_kg=5.0))
    for other, message in (
        (replace(pack, cells=8), r"packs\[1\]\.cells: found 8, expected 16"),
        (replace(pack, ages=True), r"packs\[1\]\.ages: found True, expected False"),
        (larger, r"packs\[1\]\.cell\.mass_kg: found 5\.0, expected 2"),
        (pack_of("bpx-2ah"), r"packs\[1\]\.cell: found DiffusionCell, expected CircuitCell"),
    ):
        with pytest.raises(ValueError, match=message):
            Batch([pack, other], [1, 2])
    with pytest.raises(ValueError, match="packs: found 2, expected one or 3"):
        Batch([pack, pack], [1, 2, 3])
    with pytest.raises(ValueError, match="overrides: found 1, expected one or 2"):
        Batch(pack, [1, 2], overrides=[{}])


def test_boards_refuse_values_that_do_not_fit() -> None:
    batch, design = Batch(pack_of("lfp-100ah"), SEEDS), load_board("reference-16s")
    amiss: dict[str, Any]
    for amiss, message in (
        ({"lead_ohm": np.ones((3, 1))}, "lead_ohm"),
        ({"lead_ohm": -0.1}, "lead_ohm: expected finite values, not negative"),
        ({"filter_tau_s": np.zeros(4)}, "filter_tau_s: expected values above zero"),
        ({"board_rth_ratio": np.array([1.0, np.nan, 1.0, 1.0])}, "board_rth_ratio"),
    ):
        with pytest.raises(ValueError, match=message):
            Boards(design, batch, **amiss)


def test_a_batch_refuses_a_transfer_amiss_and_an_unknown_kind_of_demand() -> None:
    batch = Batch(pack_of("lfp-100ah"), SEEDS)
    rows = np.ones((len(SEEDS), CELLS))
    for transfer, message in (
        (Transfer(rows[:1], rows, 0.9), "gives_a"),
        (Transfer(rows, -rows, 0.9), "takes"),
        (Transfer(rows, rows, 1.1), "efficiency_ratio"),
    ):
        with pytest.raises(ValueError, match=message):
            batch.run_leg(60.0, 0.0, 25.0, transfer=transfer)
    with pytest.raises(ValueError, match="kind 'voltage': expected 'current' or 'power'"):
        batch.run_leg(60.0, 0.0, 25.0, kind="voltage")  # type: ignore[arg-type]
    assert batch.time_s == 0.0


def test_a_batch_remembers_a_few_lengths_of_legs_and_not_all() -> None:
    batch = Batch(pack_of("lfp-100ah"), SEEDS)
    for k in range(2 * MOST_LEGS):
        batch.run_leg(10.0 + k, 1.0, 25.0, cut=EVERY_SECOND if k % 2 else Cut(step_s=10.0 + k))
    assert batch._paces_of.cache_info().currsize <= MOST_LEGS
    assert batch.sums[:, STEPS].min() > MOST_LEGS
