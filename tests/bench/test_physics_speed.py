"""What the physics costs: thousands of packs, one pack of the bench, and others' code beside them.

Nothing here asserts a time: figures belong to the machine and to what runs beside (``make bench``).
Processor time is what a core has done, the best of a few runs; wall time is printed where threads
are what is measured.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from hil.balancing.fixed_threshold import FixedThreshold
from hil.bench.wall_time import cpu_seconds, monotonic_ns
from hil.physics.batch import EVERY_SECOND, Batch, Cut
from hil.physics.boards import Boards
from hil.physics.cell_types import CellParameters, CircuitCell
from hil.physics.legs import HIGHEST_V, STEPS
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.plant import Plant
from hil.physics.stack import Floats
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
    two = spent(lambda: study(batch, boards, schedule, span_s, threads=2))
    show(
        f"{name}: two threads {one.wall_s / two.wall_s:.2f} times one"
        f" ({two.cpu_s / one.cpu_s:.2f} of the processor time)"
    )


@pytest.mark.parametrize("name", TYPES)
def test_days_in_steps_as_long_as_the_error_allows(name: str) -> None:
    """A household's day with bleeds, and what its longer steps change against steps of 1 s."""
    packs, days = 40, 1
    (fine, fine_boards), (coarse, coarse_boards) = (packs_of(name, packs, 0.9) for _ in range(2))
    schedule = household(fine.pack.cell)
    study(*packs_of(name, 2), schedule, 240.0, cut=Cut())
    study(fine, fine_boards, schedule, days * DAY_S, cut=EVERY_SECOND)
    took = spent(lambda: study(coarse, coarse_boards, schedule, days * DAY_S, cut=Cut()), 1)
    exact, found = fine.truth(), coarse.truth()
    legs = days * DAY_S / 120.0
    show(
        f"{name}: {packs * days / took.cpu_s * HOUR_S:,.0f} pack-days a core-hour in"
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
    show(f"{name}: {spent(steps, 9).cpu_s * 1e3:.1f} us a step of {cells} cells and its voltages")


# --- beside others -------------------------------------------------------------------------------


def test_one_second_in_numpy_and_in_pybamm() -> None:
    """The same circuit at steps of 1 s: our batch, NumPy over packs, PyBaMM's Thevenin model."""
    cell = replace(load_cell("lfp-100ah"), leakage_a=0.0)
    assert isinstance(cell, CircuitCell)
    packs, span_s = 200, 600.0
    batch = Batch(PackParameters(CELLS, cell, SPREAD), range(packs))
    batch.run_leg(2.0, 10.0, 25.0)
    ours = packs * CELLS * span_s / spent(lambda: batch.run_leg(span_s, 10.0, 25.0)).cpu_s
    arrays = Arrays(cell, packs)
    arrays.steps(2)
    numpys = packs * CELLS * 60 / spent(lambda: arrays.steps(60)).cpu_s
    show(
        f"circuit at 1 s: {ours / 1e6:.1f} M cell-steps/s, in NumPy {numpys / 1e6:.2f} M:"
        f" {ours / numpys:.1f} times as many"
    )
    pybamm = pytest.importorskip("pybamm", reason="PyBaMM is not installed: no ratio to it")
    theirs = pybamm_steps_a_second(pybamm)
    show(f"PyBaMM's Thevenin model stepped at 1 s: {theirs:,.0f}/s, ratio {ours / theirs:,.0f}")


class Arrays:
    """The circuit as a careful user of NumPy writes it: (packs, cells) arrays, no heat flow.

    Charge, open-circuit voltage, hysteresis, charge transfer, two RC pairs; less than our step
    does, which also keeps energy, moves heat between cells and answers a demand within limits.
    """

    def __init__(self, cell: CircuitCell, packs: int) -> None:
        self._ah = np.full((packs, CELLS), cell.capacity_ah)
        self._soc = np.full((packs, CELLS), 0.5)
        self._h, self._v1, self._v2 = (np.zeros((packs, CELLS)) for _ in range(3))
        self._socs = np.linspace(0.0, 1.0, 401)
        self._ocv = 3.2 + 0.1 * self._socs
        self._loop, self._grade = 0.02 + 0.0 * self._socs, 1.0 + 0.1 * self._socs
        self.cell_v: Floats = np.zeros((packs, CELLS))

    def steps(self, count: int, current_a: float = 10.0) -> None:
        """Take steps of 1 s."""
        left1, left2 = np.exp(-1.0 / 25.0), np.exp(-1.0 / 400.0)
        for _ in range(count):
            moved = -current_a / (3600.0 * self._ah)
            self._soc += moved
            self._h += (np.sign(moved) - self._h) * -np.expm1(-np.abs(moved) / 0.02)
            self._v1 = left1 * self._v1 + (1.0 - left1) * current_a * 1.7e-4
            self._v2 = left2 * self._v2 + (1.0 - left2) * current_a * 1.3e-5
            rest_v = np.interp(self._soc, self._socs, self._ocv)
            rest_v += self._h * np.interp(self._soc, self._socs, self._loop)
            grade = np.interp(self._soc, self._socs, self._grade)
            transfer = np.arcsinh(current_a * grade / 58.4) + np.arcsinh(current_a * grade / 117.2)
            self.cell_v = rest_v - self._v1 - self._v2 - 2e-4 * current_a - 0.0514 * transfer


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
