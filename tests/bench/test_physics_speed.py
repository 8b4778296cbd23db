"""What the physics costs: thousands of packs, one pack of the bench, and others' code beside them.

Nothing here asserts a time: figures belong to the machine and to what runs beside (``make bench``).
Processor time is what a core has done, the best of a few runs; wall time is printed where threads
are what is measured.
"""

from collections.abc import Callable
from pathlib import Path
from time import thread_time
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from hil.balancing.fixed_threshold import FixedThreshold
from hil.bench.wall_time import cpu_seconds, monotonic_ns
from hil.physics.batch import EVERY_SECOND, Batch, Cut
from hil.physics.boards import Boards
from hil.physics.cell_types import CellParameters
from hil.physics.legs import HIGHEST_V, STEPS
from hil.physics.pack import ThermalNetwork, pace_of
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.plant import Plant
from hil.physics.stack import (
    CAPACITY_AH,
    COLDEST_DEGC,
    DEGC_STEPS,
    DELIVERED_J,
    EMF_V,
    ENERGY_V,
    ENTROPIC,
    FARADAY_AS_PER_MOL,
    FAST_PER_A,
    GAS_J_PER_MOL_K,
    HALF_LOOP_V,
    HEAT_J,
    HYSTERESIS,
    INVERSE_A,
    INVERSE_B,
    KINETICS,
    LEAK_A,
    LEAKAGE_A,
    LEAKED_AS,
    LINK_OHM,
    OCV_V,
    OFFSET_K,
    PENDING_J,
    R1_GRADE,
    REFERENCE_DEGC,
    REFERENCE_K,
    RESISTANCE_RATIO,
    RS_OHM,
    SERIES_OHM,
    SLOW_PER_A,
    SOC,
    SOC_STEPS,
    SPAN,
    STEPS_PER_K,
    STORED_V,
    SURFACE_V,
    THERMAL_V,
    ZERO_DEGC_K,
    Floats,
)
from hil.profile.designs import load_board
from hil.profile.load import load_cell
from hil.study.packs import run, truth_of
from hil.study.schedule import Schedule

pytestmark = pytest.mark.bench

CELLS, HOUR_S, DAY_S = 16, 3600.0, 86400.0
TYPES = ("lfp-100ah", "bpx-2ah")
SPREAD = PackSpread(capacity_ratio=0.01, resistance_ratio=0.04, leakage_ratio=0.3, soc_ratio=0.01)
REPEATS = 3
INPUTS, NET_W = Path(__file__).parents[2] / "profiles/inputs", 3


def show(line: str) -> None:
    """Print a figure for the record."""
    print(f"\n  {line}", end="")  # noqa: T201 - what make bench is for


class Spent(NamedTuple):
    """What something took: processor time of all threads, and of the clock on the wall."""

    cpu_s: float
    wall_s: float


def spent(work: Callable[[], object], repeats: int = REPEATS) -> Spent:
    """Return the least that ``work`` takes: what else the machine does only ever adds."""
    runs = []
    for _ in range(repeats):
        cpu_s, wall_ns = cpu_seconds(), monotonic_ns()
        work()
        runs.append(Spent(cpu_seconds() - cpu_s, (monotonic_ns() - wall_ns) * 1e-9))
    return Spent(min(one.cpu_s for one in runs), min(one.wall_s for one in runs))


def packs_of(name: str, packs: int, soc_ratio: float = 0.5) -> tuple[Batch, Boards]:
    """Return packs with boards of 100 mA; their bleed in proportion for cells of another size."""
    pack = PackParameters(CELLS, load_cell(name), SPREAD, soc_ratio=soc_ratio)
    batch = Batch(pack, range(packs))
    return batch, Boards(load_board("standard-100mA"), batch)


def household(cell: CellParameters) -> Schedule:
    """Return a household's day (W, a row each decision) for a pack of this cell's size."""
    rows = np.loadtxt(INPUTS / "household_day.csv", delimiter=",", skiprows=1)
    every_s = 120.0
    starts_s = np.arange(0.0, DAY_S, every_s)
    watt = np.interp(starts_s, rows[:, 0], rows[:, NET_W]) * cell.capacity_ah / 100.0
    return Schedule(every_s, watt, 28.0, "power")


def study(batch: Batch, boards: Boards, schedule: Schedule, span_s: float, **more: object) -> None:
    """Balance all packs by a fixed threshold, decided every two minutes."""
    strategy = FixedThreshold(start_v=0.02, stop_v=0.01)
    run(batch, boards, strategy, schedule, span_s, look=truth_of, look_every_s=span_s, **more)  # type: ignore[arg-type]


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TYPES)
def test_a_second_of_many_packs(name: str) -> None:
    """The whole model and balancing in it: boards read, a strategy decides, packs step 1 s."""
    packs, span_s = 200, 960.0
    batch, boards = packs_of(name, packs)
    schedule = household(batch.pack.cell)
    study(batch, boards, schedule, 120.0)
    one = spent(lambda: study(batch, boards, schedule, span_s))
    steps = packs * CELLS * span_s
    alone = spent(lambda: batch.run_leg(span_s, 0.1 * batch.pack.cell.capacity_ah, 28.0))
    show(
        f"{name}: {steps / one.cpu_s / 1e6:.1f} M cell-steps/s a core with boards and strategy,"
        f" {steps / alone.cpu_s / 1e6:.1f} M without"
    )
    own_s = thread_time()
    two = spent(lambda: study(batch, boards, schedule, span_s, threads=2))
    # what was measured is all of it: every pack took every second of every run, and lived
    legs_s = 120.0 + REPEATS * 3 * span_s
    assert np.array_equal(batch.sums[:, STEPS], np.full(packs, legs_s))
    assert batch.time_s == legs_s
    assert np.isfinite(batch.seen_v).all()
    assert batch.bled_as.min() > 0.0
    alone_s = (thread_time() - own_s) / REPEATS  # what only the one that decides can do
    longest_s = alone_s + 0.5 * (two.cpu_s - alone_s)
    show(
        f"{name}: two threads {one.cpu_s / longest_s:.2f} times one by processor time,"
        f" {one.wall_s / two.wall_s:.2f} on the wall of a machine that others share"
    )


@pytest.mark.parametrize("name", TYPES)
def test_days_in_steps_as_long_as_the_error_allows(name: str) -> None:
    """A household's day with bleeds, and what its longer steps change against steps of 1 s."""
    many, few, legs = 400, 24, DAY_S / 120.0
    (fine, fine_boards), (coarse, coarse_boards) = (packs_of(name, few, 0.9) for _ in range(2))
    schedule = household(fine.pack.cell)
    study(fine, fine_boards, schedule, DAY_S, cut=EVERY_SECOND)
    study(coarse, coarse_boards, schedule, DAY_S, cut=Cut())
    exact, found = fine.truth(), coarse.truth()
    # Longer steps are of use only where they are few, and near what steps of 1 s give. A reading
    # on the edge of a threshold may go either way: such a cell bleeds for some legs more or less.
    assert coarse.sums[:, STEPS].mean() < 0.1 * fine.sums[:, STEPS].mean()
    assert np.median(np.abs(found.soc - exact.soc)) < 1e-4
    assert np.median(np.abs(found.cell_v - exact.cell_v)) < 1e-4
    assert np.abs(found.soc - exact.soc).max() < 0.01
    assert found.bled_ah.max() > 0.1 * exact.bled_ah.max() > 0.0
    took = spent(lambda: study(*packs_of(name, many, 0.9), schedule, DAY_S, cut=Cut()), 1)
    made = spent(lambda: packs_of(name, many, 0.9), 1)
    show(
        f"{name}: {many / (took.cpu_s - made.cpu_s) * HOUR_S:,.0f} pack-days a core-hour in"
        f" {coarse.sums[:, STEPS].mean() / legs:.2f} steps a decision; off by at most"
        f" {1e2 * np.abs(found.soc - exact.soc).max():.2g} % SOC,"
        f" {1e3 * np.abs(found.cell_v - exact.cell_v).max():.2g} mV,"
        f" {1e3 * np.abs(coarse.sums[:, HIGHEST_V] - fine.sums[:, HIGHEST_V]).max():.2g} mV at the"
        f" highest, {np.abs(found.bled_ah - exact.bled_ah).max():.2g} of"
        f" {exact.bled_ah.max():.2g} Ah bled"
    )


# --- one pack of the bench -----------------------------------------------------------------------


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("cells", [16, 32])
def test_a_step_of_the_benchs_plant(name: str, cells: int) -> None:
    """What a tick of the bench waits for: bleeds in, one second, voltages out."""
    plant = Plant(PackParameters(cells, load_cell(name), SPREAD), 7)
    bleed_a = np.zeros(cells)
    current_a = 0.1 * plant.pack.cell.capacity_ah

    def steps() -> None:
        for k in range(1000):
            plant.step(1.0, current_a if k % 2 else -current_a, bleed_a, 25.0)
            plant.voltage_at(current_a)

    plant.step(1.0, current_a, bleed_a, 25.0)
    begin_ah = plant.soc * plant.capacity_ah + plant.truth().leaked_ah
    steps()
    # as much in as out: the steps that are measured move charge, and lose none
    moved_ah = plant.soc * plant.capacity_ah + plant.truth().leaked_ah - begin_ah
    assert np.abs(moved_ah).max() < 1e-9 * current_a
    assert plant.truth().heat_j.min() > 0.0
    show(f"{name}: {spent(steps, 9).cpu_s * 1e3:.1f} us a step of {cells} cells and its voltages")


# --- beside others -------------------------------------------------------------------------------


def test_one_second_in_numpy_and_in_pybamm() -> None:
    """The same circuit at steps of 1 s: our batch, NumPy over packs, PyBaMM's Thevenin model."""
    packs, span_s = 400, 600.0
    batch = Batch(PackParameters(CELLS, load_cell("lfp-100ah"), SPREAD), range(packs))
    arrays = Arrays(batch)
    arrays.steps(300)
    batch.run_leg(300.0, 10.0, 25.0)
    assert np.abs(arrays.cell_v - batch.seen_v).max() < 1e-9  # else they would not do the same
    ours = packs * CELLS * span_s / spent(lambda: batch.run_leg(span_s, 10.0, 25.0)).cpu_s
    numpys = packs * CELLS * 60 / spent(lambda: arrays.steps(60)).cpu_s
    show(
        f"circuit at 1 s: {ours / 1e6:.1f} M cell-steps/s, in NumPy {numpys / 1e6:.2f} M:"
        f" {ours / numpys:.1f} times as many"
    )
    pybamm = pytest.importorskip("pybamm", reason="PyBaMM is not installed: no ratio to it")
    theirs = pybamm_steps_a_second(pybamm)
    show(f"PyBaMM's Thevenin model stepped at 1 s: {theirs:,.0f}/s, ratio {ours / theirs:,.0f}")


class Arrays:
    """The whole step of a circuit as a user of NumPy writes it: (packs, cells) at a time.

    Tables, hysteresis, charge transfer, RC pairs, energy account, heat between cells. It starts
    where a batch stands, and nothing is asked of it but a constant current.
    """

    def __init__(self, batch: Batch) -> None:
        fleet = batch._fleet
        self._state, self._cells, self._tables = fleet.state.copy(), fleet.cells, fleet.tables
        self._slow, self._degc = fleet.slow.copy(), fleet.degc.copy()
        pace = pace_of(fleet.tables, ThermalNetwork.of_pack(batch.pack), 1.0)
        self._decay, self._gain = pace.decay, pace.gain
        self._slow_decay, self._slow_gain = pace.slow_decay, pace.slow_gain
        self._terminals = fleet.terminals.copy()

    @property
    def cell_v(self) -> Floats:
        """Voltages at the last current."""
        return self._shown_v(self._flows_a)

    def steps(self, count: int, current_a: float = 10.0, air_degc: float = 25.0) -> None:
        """Take steps of 1 s."""
        self._flows_a = current_a
        for _ in range(count):
            self._step(current_a, air_degc)

    def _shown_v(self, current_a: float) -> Floats:
        t = self._terminals
        transfer = np.arcsinh(t[:, SLOW_PER_A] * current_a) + np.arcsinh(
            t[:, FAST_PER_A] * current_a
        )
        shown_v: Floats = t[:, EMF_V] - current_a * t[:, SERIES_OHM] - t[:, THERMAL_V] * transfer
        return shown_v

    def _step(self, current_a: float, air_degc: float) -> None:
        state, cells, by_soc = self._state, self._cells, self._tables.by_soc
        before, capacity_as = self._terminals, 3600.0 * cells[:, CAPACITY_AH]
        delivered_j = current_a * self._shown_v(current_a)
        moved = -(current_a + before[:, LEAK_A]) / capacity_as
        left = np.exp(-np.abs(moved) / self._tables.figures[SPAN])
        state[:, HYSTERESIS] = np.sign(moved) * (1.0 - left) + state[:, HYSTERESIS] * left
        state[:, SOC] += moved
        state[:, LEAKED_AS] += before[:, LEAK_A]
        self._polarise(current_a, state[:, SOC] + 0.5 * current_a / capacity_as)

        k, part = place(state[:, SOC] * SOC_STEPS, SOC_STEPS)
        held = np.clip(part, 0.0, 1.0)
        ocv_v, entropic, loop_v, grade = (
            at(by_soc, k, share, column)
            for share, column in (
                (part, OCV_V),
                (held, ENTROPIC),
                (held, HALF_LOOP_V),
                (held, KINETICS),
            )
        )
        rest_v = ocv_v + state[:, HYSTERESIS] * loop_v - self._slow.sum(axis=-1)
        low, high = by_soc[k, OCV_V], by_soc[k + 1, OCV_V]
        stored = part * low + 0.5 * part**2 * (high - low)
        turned = by_soc[k + 1, ENTROPIC] - by_soc[k, ENTROPIC]
        bent = part * by_soc[k, ENTROPIC] + turned * (held * part - 0.5 * held**2)
        stored_v = by_soc[k, ENERGY_V] + (stored - REFERENCE_K * bent) / SOC_STEPS

        heat_j = (before[:, STORED_V] - stored_v) * capacity_as - delivered_j + state[:, PENDING_J]
        state[:, HEAT_J] += heat_j
        self._conduct(heat_j, air_degc)
        self._show(rest_v, entropic, grade, stored_v)
        missed_j = 0.5 * current_a * (self._terminals[:, EMF_V] - before[:, EMF_V])
        state[:, DELIVERED_J] += delivered_j + missed_j
        state[:, PENDING_J] = -missed_j

    def _polarise(self, current_a: float, soc: Floats) -> None:
        at_soc, within = place(soc * SOC_STEPS, SOC_STEPS)
        within = np.clip(within, 0.0, 1.0)
        k, part = place_of(self._degc[:, :-1])
        for term in range(2):
            grade = at(self._tables.by_soc, at_soc, within, R1_GRADE + term)
            driven_v = current_a * self._cells[:, RESISTANCE_RATIO] * grade
            kept = at(self._slow_decay, k, part, term) * self._slow[:, :, term]
            self._slow[:, :, term] = kept + at(self._slow_gain, k, part, term) * driven_v

    def _conduct(self, heat_w: Floats, air_degc: float) -> None:
        above_k = self._degc - air_degc
        above_k[:, :-1] -= self._cells[:, OFFSET_K]
        into_w = np.concatenate([heat_w, np.zeros((len(heat_w), 1))], axis=1)
        self._degc += above_k @ self._decay + into_w @ self._gain - above_k

    def _show(self, rest_v: Floats, entropic: Floats, grade: Floats, stored_v: Floats) -> None:
        cells, shown = self._cells, np.empty_like(self._terminals)
        degc = self._degc[:, :-1]
        k, part = place_of(degc)
        ohm, slow, fast = (
            at(self._tables.by_degc, k, part, column) for column in (RS_OHM, INVERSE_A, INVERSE_B)
        )
        leak = at(self._tables.leak_ratio, k, part, 0)
        ratio = cells[:, RESISTANCE_RATIO]
        shown[:, EMF_V] = rest_v + (degc - REFERENCE_DEGC) * entropic
        shown[:, SERIES_OHM] = ratio * ohm + cells[:, LINK_OHM]
        thermal_per_k = 2.0 * GAS_J_PER_MOL_K / FARADAY_AS_PER_MOL
        shown[:, THERMAL_V] = thermal_per_k * (degc + ZERO_DEGC_K)
        shown[:, SLOW_PER_A], shown[:, FAST_PER_A] = ratio * slow * grade, ratio * fast * grade
        shown[:, STORED_V], shown[:, SURFACE_V] = stored_v, self._terminals[:, SURFACE_V]
        shown[:, LEAK_A] = cells[:, LEAKAGE_A] * leak
        self._terminals = shown


def place(rows: Floats, steps: int) -> tuple[NDArray[np.intp], Floats]:
    """Return rows of a table and parts of a row."""
    k = np.clip(np.floor(rows), 0, steps - 1).astype(np.intp)
    return k, rows - k


def place_of(degc: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return rows and parts in a table over temperature."""
    return place((degc - COLDEST_DEGC) * STEPS_PER_K, DEGC_STEPS)


def at(table: Floats, k: NDArray[np.intp], part: Floats, column: int) -> Floats:
    """Return one column of a table between two of its rows."""
    low = table[k, column]
    found: Floats = low + part * (table[k + 1, column] - low)
    return found


def pybamm_steps_a_second(pybamm: object) -> float:
    """Return how many steps of 1 s of one cell PyBaMM's Thevenin model takes in a second."""
    models = pybamm.equivalent_circuit  # type: ignore[attr-defined]
    simulation = pybamm.Simulation(models.Thevenin(options={"number of rc elements": 2}))  # type: ignore[attr-defined]
    values = simulation.parameter_values
    second = {"R2 [Ohm]": 1e-3, "C2 [F]": 1e4, "Element-2 initial overpotential [V]": 0.0}
    values.update({"Current function [A]": 1.0, **second}, check_already_exists=False)

    def steps() -> None:
        for _ in range(30):
            simulation.step(1.0, save=False)

    steps()
    return 30 / spent(steps).cpu_s
