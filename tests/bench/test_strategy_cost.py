"""What a decision of each strategy costs: for one pack, for fifty, and of a pack-day in a study."""

import time
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from hil.balancing import STRATEGIES
from hil.balancing.strategy import AnyStrategy, Decision, Observation, Truth
from hil.physics.batch import Batch, Cut
from hil.physics.boards import Boards
from hil.physics.parameters import PackParameters, PackSpread
from hil.profile.designs import load_board
from hil.profile.load import load_cell
from hil.study.packs import run, truth_of
from hil.study.schedule import Phase, Schedule

pytestmark = pytest.mark.bench

CELLS, PACKS = 16, 50
DECISIONS = 720
HOUR_S = 3600.0


def seen(shape: tuple[int, ...], k: int) -> Observation:
    """Return readings on the plateau, and at the top for one decision in six: as on a full day."""
    random = np.random.Generator(np.random.PCG64(k))
    level_v = 3.42 if k % 6 == 0 else 3.31
    return Observation(
        time_s=np.full(shape, 120.0 * k),
        cell_v=level_v + random.normal(0.0, 0.01, (*shape, CELLS)),
        current_a=np.full(shape, -2.0),
        ntc_degc=np.full((*shape, 4), 25.0),
        pcb_degc=np.full(shape, 30.0),
        age_s=np.zeros(shape),
        valid=np.ones((*shape, CELLS), np.bool_),
        truth=Truth(random.uniform(0.5, 0.52, (*shape, CELLS)), np.full((*shape, CELLS), 100.0)),
    )


def decision_us(strategy: AnyStrategy, shape: tuple[int, ...]) -> float:
    """Return the mean time of a decision, us; all of them are checked afterwards."""
    days = [seen(shape, k) for k in range(120)]
    state, decisions = strategy.initial(CELLS), list[Decision]()
    began = time.perf_counter()
    for one in days:
        state, decision = strategy.step(state, one)
        decisions.append(decision)
    took_s = time.perf_counter() - began
    duty = np.array([one.duty for one in decisions])
    assert duty.shape == (len(days), *shape, CELLS)
    assert np.isfinite(duty).all()
    assert ((duty >= 0.0) & (duty <= 1.0)).all()
    return took_s / len(days) * 1e6


def day_s(strategy: AnyStrategy) -> float:
    """Return the wall time of a day of fifty packs in the batch, s."""
    spread = PackSpread(soc_ratio=0.01)
    batch = Batch(
        PackParameters(CELLS, load_cell("lfp-100ah"), spread, soc_ratio=0.6), range(PACKS)
    )
    boards = Boards(load_board("standard-100mA"), batch)
    phases = [Phase(4 * HOUR_S, 25.0), Phase(6 * HOUR_S, -20.0), Phase(14 * HOUR_S, 0.0)]
    began = time.perf_counter()
    run(
        *(batch, boards, strategy, Schedule.of_phases(phases, HOUR_S), 24 * HOUR_S),
        look=truth_of,
        look_every_s=24 * HOUR_S,
        cut=Cut(),
    )
    return time.perf_counter() - began


def commissioned(kind: Callable[..., AnyStrategy]) -> AnyStrategy:
    """Return a strategy that knows the bleed path, and decides every two minutes as all do."""
    known = {"bleed_ohm"} & {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**dict.fromkeys(known, load_board("standard-100mA").bleed_ohm))


def test_what_decisions_cost(capsys: pytest.CaptureFixture[str]) -> None:
    strategies = {name: commissioned(kind) for name, kind in STRATEGIES.items()}
    lines = [f"{'strategy':22} {'1 pack us':>10} {'50 packs us':>12} {'pack-day ms':>12}"]
    run_once = day_s(strategies["none"])  # compiles, where nothing is cached yet
    assert run_once > 0.0
    for name, strategy in strategies.items():
        one_us, fifty_us = (decision_us(strategy, shape) for shape in ((), (PACKS,)))
        lines.append(
            f"{name:22} {one_us:10.0f} {fifty_us:12.0f} {day_s(strategy) / PACKS * 1e3:12.1f}"
        )
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201 - figures are what a bench is for
