"""Steps of 60, 30, 10 and 1 s against 0.25 s: errors fall in proportion, for both kinds of cell.

First order: temperatures inside the tables and what a leg's bleeds take are those of a step's
start.
"""

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

from hil.physics.batch import Batch, Cut
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.plant import Plant
from hil.physics.stack import MAX_SUBSTEP_S, Floats
from hil.profile.load import load_cell

CELLS = 4
TYPES = ("lfp-100ah", "bpx-2ah")
ENGINES = ("plant", "batch")
FINE_S, STEPS_S = 0.25, (60.0, 30.0, 10.0, 1.0)

# What 10 s may be off by, in mV and mK: one and a half times what it is.
MOST = {
    ("plant", "lfp-100ah"): (0.03, 10.0),
    ("plant", "bpx-2ah"): (0.06, 1.0),
    ("batch", "lfp-100ah"): (0.03, 10.0),
    ("batch", "bpx-2ah"): (0.06, 1.0),
}


class Seen(NamedTuple):
    """Voltages, temperatures and charge (legs, cells) at the end of every leg."""

    cell_v: Floats
    cell_degc: Floats
    soc: Floats


@cache
def driven(engine: str, name: str, step_s: float) -> Seen:
    """Drive a spread pack for two hours, cold and warm, through 12 legs of ten minutes.

    No leg reaches a limit: what a charger holds is another matter, ``test_batch``.
    """
    spread = PackSpread(0.02, 0.1, 0.5, 0.01)
    pack = PackParameters(CELLS, load_cell(name), spread, soc_ratio=0.55, gradient_k=6.0)
    per_h = pack.cell.capacity_ah
    bleed_a = np.linspace(0.0, 0.002, CELLS) * per_h
    plant, batch = Plant(pack, 5), Batch(pack, [5])
    rows = []
    for k in range(12):
        current_a, degc = (0.3, -0.35, 0.0, 0.4)[k % 4] * per_h, (5.0, 35.0)[k // 4 % 2]
        if engine == "plant":
            for _ in range(round(600.0 / step_s)):
                plant.step(step_s, current_a, bleed_a, degc)
            rows.append((plant.terminal_v(), plant.cell_degc.copy(), plant.soc.copy()))
        else:
            batch.run_leg(600.0, current_a, degc, bleed_a[None, :] / 3.3, cut=Cut(step_s=step_s))
            truth = batch.truth()
            shown_v = batch.voltage_at(np.full(1, current_a), bleed_a[None, :])
            rows.append((shown_v[0], truth.cell_degc[0], truth.soc[0]))
    return Seen(*(np.array(column) for column in zip(*rows, strict=True)))


def off(engine: str, name: str, step_s: float) -> Floats:
    """Return the largest errors against a quarter of a second: (mV, mK)."""
    coarse, fine = driven(engine, name, step_s), driven(engine, name, FINE_S)
    off_v = np.abs(coarse.cell_v - fine.cell_v).max()
    return np.array([off_v, np.abs(coarse.cell_degc - fine.cell_degc).max()]) * 1e3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", TYPES)
def test_errors_fall_with_the_step_and_are_small(engine: str, name: str) -> None:
    errors = {step_s: off(engine, name, step_s) for step_s in STEPS_S}
    # the bench cuts its steps at 10 s, the batch engine takes them as they are
    cut = {step_s: min(step_s, MAX_SUBSTEP_S) if engine == "plant" else step_s for step_s in errors}
    for longer_s, shorter_s in pairwise(STEPS_S):
        order = (cut[shorter_s] - FINE_S) / (cut[longer_s] - FINE_S)
        # in proportion to the step, within 35 %; what is better than that is no fault
        assert np.all(errors[shorter_s] <= 1.35 * order * errors[longer_s])
    assert np.all(errors[10.0] <= MOST[engine, name])
    assert np.all(errors[10.0] > 0.0)


@pytest.mark.parametrize("name", TYPES)
def test_the_bench_cuts_a_long_step_into_what_it_takes_one_by_one(name: str) -> None:
    for long_s in (60.0, 30.0):
        for whole, parts in zip(
            driven("plant", name, long_s), driven("plant", name, 10.0), strict=True
        ):
            assert whole == pytest.approx(parts, rel=1e-12)


def test_no_part_of_a_step_is_longer_than_ten_seconds() -> None:
    pack = PackParameters(CELLS, load_cell("lfp-100ah"), initial_temperature_degc=5.0)
    whole, parts, batch = Plant(pack, 5), Plant(pack, 5), Batch(pack, [5])
    none = np.zeros(CELLS)
    for _ in range(20):
        whole.step(25.0, 40.0, none, 30.0)
        batch.impose(25.0, np.full(1, 40.0), none, 30.0)
        for _ in range(3):
            parts.step(25.0 / 3.0, 40.0, none, 30.0)
    assert whole.terminal_v() == pytest.approx(parts.terminal_v(), rel=1e-13)
    assert batch.seen_v[0] == pytest.approx(parts.terminal_v(), rel=1e-13)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_step_loses_charge(engine: str, name: str) -> None:
    """Currents move the same charge in any step; bleeds of a batch follow the voltage."""
    fine = driven(engine, name, FINE_S).soc
    for step_s in STEPS_S:
        assert driven(engine, name, step_s).soc == pytest.approx(fine, abs=5e-6)


@pytest.mark.parametrize("name", TYPES)
def test_plant_and_batch_go_to_the_same_place(name: str) -> None:
    plant, batch = (driven(engine, name, FINE_S) for engine in ENGINES)
    assert batch.soc == pytest.approx(plant.soc, abs=2e-4)  # conductances instead of currents
    assert batch.cell_v == pytest.approx(plant.cell_v, abs=1e-3)
    assert batch.cell_degc == pytest.approx(plant.cell_degc, abs=0.02)
