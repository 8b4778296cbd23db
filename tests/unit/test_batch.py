"""The batch engine against the bench's plant, against itself cut otherwise, and at its limits."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from hil.physics.batch import EVERY_SECOND, Batch, Cut
from hil.physics.legs import (
    CHANGES_A_PER_S,
    CHARGED_AS,
    FULL,
    HELD,
    HIGHEST_V,
    LOWEST_V,
    REFUSED_S,
    STEPS,
    TAKEN_BACK,
    _middle_a,
)
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.plant import Plant
from hil.physics.stack import Floats
from hil.physics.termination import Termination
from hil.profile.load import load_cell

CELLS = 6
TYPES = ("lfp-100ah", "bpx-2ah")
SPREAD = PackSpread(capacity_ratio=0.02, resistance_ratio=0.1, leakage_ratio=0.5, soc_ratio=0.01)


def pack_of(name: str, **changes: object) -> PackParameters:
    pack = PackParameters(CELLS, load_cell(name), SPREAD, soc_ratio=0.6, gradient_k=6.0)
    return replace(pack, **changes)  # type: ignore[arg-type]


def floats(values: object) -> Floats:
    return np.asarray(values, dtype=np.float64)


def rate(pack: PackParameters, per_h: float) -> float:
    return per_h * pack.cell.capacity_ah


@pytest.mark.parametrize("name", TYPES)
def test_a_batch_does_to_each_pack_what_the_bench_does(name: str) -> None:
    pack = pack_of(name)
    seeds = (3, 11, 12)
    batch, plants = Batch(pack, seeds), [Plant(pack, seed) for seed in seeds]
    rng = np.random.default_rng(5)
    for _ in range(40):
        dt_s, degc = float(rng.choice([1.0, 30.0, 120.0])), float(rng.uniform(-5.0, 50.0))
        current_a = floats(rate(pack, 1.0) * rng.uniform(-0.5, 0.5, len(seeds)))
        bleed_a = floats(rate(pack, 0.002) * rng.integers(0, 2, (len(seeds), CELLS)))
        batch.impose(dt_s, current_a, bleed_a, degc)
        for p, plant in enumerate(plants):
            plant.step(dt_s, float(current_a[p]), bleed_a[p], degc)
    truth, read_v = batch.truth(), batch.voltage_at(current_a, bleed_a)
    for p, plant in enumerate(plants):
        assert read_v[p] == pytest.approx(plant.terminal_v(), abs=1e-12)
        assert truth.soc[p] == pytest.approx(plant.soc, abs=1e-15)
        assert truth.cell_degc[p] == pytest.approx(plant.cell_degc, abs=1e-11)


@pytest.mark.parametrize("name", TYPES)
def test_a_constant_current_that_nothing_limits_is_a_bench_of_the_same_steps(name: str) -> None:
    pack = pack_of(name)
    batch, plant = Batch(pack, [7]), Plant(pack, 7)
    current_a = rate(pack, 0.3)
    batch.run_leg(300.0, current_a, 10.0)
    for _ in range(300):
        plant.step(1.0, current_a, np.zeros(CELLS), 10.0)
    assert batch.seen_v[0] == pytest.approx(plant.terminal_v(), abs=1e-12)
    assert batch.sums[0, STEPS] == 300


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("kind", ["current", "power"])
def test_error_control_stays_near_steps_of_a_second(name: str, kind: str) -> None:
    """A day in each direction, to the charger's limits and back, bleeds on."""
    pack = pack_of(name, initial_temperature_degc=15.0)
    fine, coarse = (Batch(pack, [1, 2]) for _ in range(2))
    bleed_s = np.zeros((2, CELLS))
    bleed_s[:, 2] = rate(pack, 0.0005) / 3.4
    unit = rate(pack, 0.3) * (3.3 * CELLS if kind == "power" else 1.0)
    for k in range(150):
        demand = unit * (-1.0 if k < 90 else 0.6)
        for batch, cut in ((fine, EVERY_SECOND), (coarse, Cut(tolerance=1e-6))):
            batch.run_leg(120.0, demand, 15.0, bleed_s, kind=kind, cut=cut)  # type: ignore[arg-type]
    a, b = fine.truth(), coarse.truth()
    assert a.soc == pytest.approx(b.soc, abs=5e-4)
    assert fine.seen_v == pytest.approx(coarse.seen_v, abs=1e-3)
    assert a.bled_ah == pytest.approx(b.bled_ah, rel=5e-4)
    assert coarse.sums[:, STEPS].max() < 0.1 * fine.sums[:, STEPS].min()
    assert coarse.sums[:, TAKEN_BACK].min() > 0  # it has met what is too long, and cut it


def test_a_tighter_tolerance_takes_more_steps_and_comes_nearer() -> None:
    pack = pack_of("lfp-100ah")
    exact = Batch(pack, [4])
    off, steps = [], []
    cuts = [Cut(tolerance=t) for t in (1e-4, 1e-6, 1e-8)]
    batches = [Batch(pack, [4]) for _ in cuts]
    for k in range(60):
        demand = (-1500.0 if k < 40 else 1200.0) * CELLS / 16
        exact.run_leg(120.0, demand, 25.0, kind="power", cut=Cut(step_s=0.25))
        for batch, cut in zip(batches, cuts, strict=True):
            batch.run_leg(120.0, demand, 25.0, kind="power", cut=cut)
    for batch in batches:
        off.append(float(np.abs(batch.truth().soc - exact.truth().soc).max()))
        steps.append(float(batch.sums[0, STEPS]))
    assert off[0] > off[1] > off[2]
    assert steps[0] < steps[1] < steps[2]


@pytest.mark.parametrize(
    ("current_a", "change_a", "held", "middle_a"),
    [
        (10.0, 4.0, False, 12.0),
        (-10.0, 4.0, False, -8.0),
        (1.0, -4.0, False, 1.0),  # never past zero
        (-10.0, -4.0, False, -12.0),
        (-10.0, -4.0, True, -10.0),  # one that a limit holds would pass it
        (-10.0, 4.0, True, -8.0),
    ],
)
def test_a_current_is_expected_to_go_on_as_it_did(
    current_a: float,
    change_a: float,
    held: bool,  # noqa: FBT001 - a column of the table
    middle_a: float,
) -> None:
    assert _middle_a(current_a, change_a, held) == middle_a


def test_threads_may_share_a_leg() -> None:
    pack = pack_of("lfp-100ah")
    alone, shared = (Batch(pack, range(8)) for _ in range(2))
    demand = np.linspace(-30.0, 30.0, 8)
    alone.run_leg(600.0, demand, 25.0)
    with ThreadPoolExecutor(2) as threads:
        parts = (slice(0, 3), slice(3, 8))
        jobs = [threads.submit(shared.run_leg, 600.0, demand, 25.0, part=part) for part in parts]
        for job in jobs:
            job.result()
    shared.finish_leg(600.0)
    assert np.array_equal(alone.truth().soc, shared.truth().soc)
    assert np.array_equal(alone.seen_v, shared.seen_v)
    assert alone.time_s == shared.time_s


@pytest.mark.parametrize("cut", [EVERY_SECOND, Cut()])
def test_a_pack_among_others_is_a_pack_alone(cut: Cut) -> None:
    """Packs of other demands, air and bleeds, to the last bit: no pack is moved by its neighbour's.

    Thirty minutes of power: one pack is charged to its end, the others turn round on the way, so
    that latches close, cycles open and cells age.
    """
    pack = pack_of("lfp-100ah", ages=True, soc_ratio=0.97, initial_temperature_degc=30.0)
    seeds, unit_w = (3, 11, 12), 100.0 * 3.3 * CELLS
    demand, degc = unit_w * floats([-0.5, 0.2, -0.1]), floats([10.0, 25.0, 45.0])
    bleed_s = 0.03 * np.random.default_rng(1).random((3, CELLS))
    together, alone = Batch(pack, seeds), [Batch(pack, [seed]) for seed in seeds]
    for k in range(16):
        wanted = demand if k < 8 else demand * floats([1.0, -1.0, -1.0])
        together.run_leg(120.0, wanted, degc, bleed_s, kind="power", cut=cut)
        for p, one in enumerate(alone):
            mine = (wanted[p : p + 1], degc[p : p + 1], bleed_s[p : p + 1])
            one.run_leg(120.0, *mine, kind="power", cut=cut)
    assert together._fleet.counter[:, 0].max() > 1.0
    assert np.any(together._fleet.latches > 0.0)
    for name in together._fleet._fields:
        shared = getattr(together._fleet, name)
        if name not in ("tables", "laws", "leak_ratio"):
            for p, one in enumerate(alone):
                assert np.array_equal(shared[p], getattr(one._fleet, name)[0]), name


def test_a_long_leg_is_cut_into_legs_of_two_minutes() -> None:
    pack = pack_of("lfp-100ah")
    whole, parts = Batch(pack, [4]), Batch(pack, [4])
    whole.run_leg(600.0, 900.0, 5.0, kind="power", cut=Cut())
    for _ in range(5):
        parts.run_leg(120.0, 900.0, 5.0, kind="power", cut=Cut())
    assert np.array_equal(whole._fleet.state, parts._fleet.state)
    assert np.array_equal(whole.sums, parts.sums)


def test_bleeds_follow_the_voltage_inside_a_leg() -> None:
    """A leg of two minutes is one of a hundred and twenty seconds, as its voltage sags."""
    pack = pack_of("lfp-100ah")
    whole, parts = Batch(pack, [4]), Batch(pack, [4])
    bleed_s = np.linspace(0.0, 0.1, CELLS)[None, :]
    whole.run_leg(120.0, 50.0, 5.0, bleed_s)
    for _ in range(120):
        parts.run_leg(1.0, 50.0, 5.0, bleed_s)
    assert whole._fleet.bled_as == pytest.approx(parts._fleet.bled_as, rel=1e-7)
    assert whole.truth().soc == pytest.approx(parts.truth().soc, rel=1e-11)


def test_a_batch_knows_how_fast_its_current_changes() -> None:
    """At constant power the current rises as the voltage falls: A/s, whatever the step was."""
    batch, current_a = Batch(pack_of("lfp-100ah", soc_ratio=0.3), [4]), []
    for _ in range(4):  # a stretch of the table without a knot
        batch.run_leg(120.0, 900.0, 5.0, kind="power", cut=Cut())
        current_a.append(float(batch.truth().current_a[0]))
    per_s = (current_a[-1] - current_a[-2]) / 120.0
    assert per_s > 0.0
    assert batch._fleet.flow[0, CHANGES_A_PER_S] == pytest.approx(per_s, rel=0.3)


def test_a_power_that_no_current_gives_lets_go() -> None:
    batch = Batch(pack_of("lfp-100ah"), [4])
    batch.run_leg(10.0, 900.0, 25.0, kind="power")
    assert batch.truth().current_a[0] > 40.0
    batch.run_leg(10.0, 1e9, 25.0, kind="power")
    assert batch.truth().current_a[0] == 0.0
    assert batch.sums[0, REFUSED_S] == 10.0


def test_bleeds_are_the_board_s_and_the_power_the_pack_s() -> None:
    """What a pack gives is its own current times its voltage; bleeds take theirs beside it."""
    batch = Batch(pack_of("lfp-100ah"), [4])
    bleed_s = np.full((1, CELLS), 3.0)  # 10 A: as large as the pack's own
    batch.run_leg(60.0, 200.0, 25.0, bleed_s, kind="power")
    batch.run_leg(1.0, 200.0, 25.0, bleed_s, kind="power")
    current_a = batch.truth().current_a
    shown_v = batch.voltage_at(current_a, bleed_s * batch.seen_v)
    assert current_a[0] * shown_v[0].sum() == pytest.approx(200.0, rel=1e-3)


def test_a_charge_holds_the_mean_of_cells_that_are_alike() -> None:
    pack = pack_of("lfp-100ah", soc_ratio=0.97, gradient_k=0.0)
    pack = replace(pack, spread=PackSpread(0.0, 0.0, 0.0), link_ohm=0.0)
    batch, ends = Batch(pack, [2]), Termination()
    current_a, held = [], []
    for _ in range(180):
        batch.run_leg(10.0, -30.0, 25.0, cut=Cut())
        current_a.append(-batch.truth().current_a[0])
        held.append(bool(batch._fleet.latches[0, HELD]))
    assert ends.hold_v - 2e-3 < batch.sums[0, HIGHEST_V] < ends.hold_v + 1e-3
    # it falls from what was asked for down to its taper of 5 A, and is held all the way
    flowing = [a for a in current_a if a > 0.0]
    assert flowing == sorted(flowing, reverse=True)
    assert flowing[0] == 30.0
    assert 5.0 <= flowing[-1] < 6.0
    assert current_a[-1] == 0.0
    assert held[: len(flowing)] == [a < 30.0 for a in flowing]


@pytest.mark.parametrize("name", TYPES)
def test_a_charge_to_its_taper_takes_as_much_in_steps_of_any_length(name: str) -> None:
    """A long step whose end would end the charge is taken back, and that end with it."""
    pack = pack_of(name, soc_ratio=0.9)
    seeds, capacity_as = (1, 2, 3), 3600.0 * pack.cell.capacity_ah
    charged = []
    for cut in (EVERY_SECOND, Cut(tolerance=1e-6)):
        batch = Batch(pack, seeds)
        for _ in range(40):
            batch.run_leg(120.0, rate(pack, -0.4), 25.0, cut=cut)
        assert np.all(batch._fleet.latches[:, FULL] == 1.0)
        charged.append(batch.sums[:, CHARGED_AS] / capacity_as)
    assert batch.sums[:, TAKEN_BACK].min() > 0
    assert charged[1] == pytest.approx(charged[0], abs=2e-4)


def test_a_discharge_to_the_end_does_not_forbid_the_next_charge() -> None:
    batch = Batch(pack_of("lfp-100ah", soc_ratio=0.06), [2])
    for _ in range(60):
        batch.run_leg(120.0, 20.0, 25.0, cut=Cut())
    assert abs(batch.truth().current_a[0]) < 5.0  # it has met its end
    batch.run_leg(600.0, -20.0, 25.0, cut=Cut())
    assert batch.sums[0, CHARGED_AS] == pytest.approx(600.0 * 20.0)


def test_it_is_the_coldest_cell_that_forbids_a_charge_not_the_box() -> None:
    pack = pack_of("lfp-100ah", initial_temperature_degc=9.0, gradient_k=2.0)
    batch = Batch(pack, [2])
    batch.run_leg(300.0, 0.0, -40.0)
    assert batch.enclosure_degc[0] < 0.0
    assert batch.truth().cell_degc.min() > 5.0
    batch.run_leg(10.0, -20.0, -40.0)
    assert batch.truth().current_a[0] == -20.0


def test_a_charge_ends_at_its_limits_and_begins_again_after_a_discharge() -> None:
    pack = pack_of("lfp-100ah", soc_ratio=0.95)
    batch = Batch(pack, [2, 9])
    ends = Termination()
    for _ in range(200):
        batch.run_leg(120.0, -30.0, 25.0, cut=Cut())
    assert batch.sums[:, HIGHEST_V].max() <= ends.cell_max_v + 1e-3
    assert np.all(batch.truth().current_a == 0.0)  # the taper has ended it
    assert np.all(batch.sums[:, REFUSED_S] > 0.0)
    charged_as = batch.sums[:, CHARGED_AS].copy()
    batch.run_leg(120.0, -30.0, 25.0)
    assert np.array_equal(batch.sums[:, CHARGED_AS], charged_as)
    batch.run_leg(600.0, 20.0, 25.0)
    batch.run_leg(600.0, -20.0, 25.0)
    assert np.all(batch.sums[:, CHARGED_AS] > charged_as)


def test_a_discharge_ends_at_the_lowest_cell() -> None:
    pack = pack_of("bpx-2ah", soc_ratio=0.2)
    batch = Batch(pack, [2])
    for _ in range(60):
        batch.run_leg(120.0, rate(pack, 0.5), 25.0, cut=Cut())
    ends = Termination()
    assert ends.under_voltage_v - 2e-3 <= batch.sums[0, LOWEST_V] < ends.under_voltage_v + 0.05
    assert batch.truth().soc.min() > 0.0


@pytest.mark.parametrize(("degc", "most_a"), [(-3.0, 0.0), (3.0, 10.5), (20.0, 30.0)])
def test_cold_cells_are_charged_as_the_termination_says(degc: float, most_a: float) -> None:
    pack = pack_of("lfp-100ah", initial_temperature_degc=degc, gradient_k=0.0)
    batch = Batch(pack, [5])
    batch.run_leg(60.0, -30.0, degc)
    assert -batch.truth().current_a[0] <= most_a
    assert (batch.truth().current_a[0] < 0.0) == (most_a > 0.0)


def test_a_batch_ages_as_the_plant_does() -> None:
    pack = pack_of("lfp-100ah", ages=True, initial_temperature_degc=40.0)
    batch, plant = Batch(pack, [6]), Plant(pack, 6)
    new_ah = batch.truth().capacity_ah.copy()
    for k in range(400):
        current_a = 20.0 if k % 40 < 20 else -20.0
        batch.run_leg(60.0, current_a, 40.0)
        for _ in range(60):
            plant.step(1.0, current_a, np.zeros(CELLS), 40.0)
    assert batch.truth().capacity_ah[0] == pytest.approx(plant.capacity_ah, rel=1e-12)
    assert np.all(batch.truth().capacity_ah < new_ah)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0.0, 1.0, 25.0), "a leg of"),
        ((60.0, math.nan, 25.0), "not finite"),
        ((60.0, 1.0, math.inf), "not finite"),
        ((60.0, 1.0, 25.0, np.full((1, CELLS), -1.0)), "bleed_s"),
        ((60.0, 1.0, 25.0, np.zeros((2, CELLS))), "bleed_s"),
    ],
)
def test_what_cannot_be_a_leg_is_refused(arguments: tuple[float, ...], words: str) -> None:
    batch = Batch(pack_of("lfp-100ah"), [1])
    before_v = batch.seen_v.copy()
    with pytest.raises(ValueError, match=words):
        batch.run_leg(*arguments)  # type: ignore[arg-type]
    assert np.array_equal(batch.seen_v, before_v)


def test_no_pack_and_no_cut_are_refused() -> None:
    with pytest.raises(ValueError, match="seeds"):
        Batch(pack_of("lfp-100ah"), [])
    with pytest.raises(ValueError, match="step_s"):
        Cut(step_s=0.0)
    with pytest.raises(ValueError, match="tolerance"):
        Cut(tolerance=0.0)
