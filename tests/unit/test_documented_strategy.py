"""The strategy that docs/how-to/add-a-strategy.md shows is one: it runs, and keeps the rules."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from hil.balancing.strategy import AnyStrategy, Observation
from hil.core.instants import HOUR, SECOND
from hil.physics.batch import Batch
from hil.physics.boards import Boards
from hil.physics.parameters import PackParameters, PackSpread
from hil.profile.designs import load_board
from hil.profile.load import load_cell
from hil.study.packs import run, truth_of
from hil.study.schedule import Phase, Schedule

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-strategy.md"


def shown() -> AnyStrategy:
    """Return the strategy of the page's one block of Python."""
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module: dict[str, Any] = {"__name__": "above_mean"}
    exec(compile(source, str(PAGE), "exec"), module)  # noqa: S102 - our own page
    strategy: AnyStrategy = module["AboveMean"]()
    return strategy


def seen(volts: list[float], current_a: float = 0.0) -> Observation:
    cell_v = np.array(volts)
    zero = np.array(0.0)
    ntcs = np.full(1, 25.0)
    return Observation(zero, cell_v, np.array(current_a), ntcs, zero, zero, np.isfinite(cell_v))


def test_it_bleeds_what_stands_above_the_mean_at_rest() -> None:
    strategy = shown()
    volts = [3.40, 3.40, 3.44]
    state, decision = strategy.step(strategy.initial(3), seen(volts))
    assert decision.duty.tolist() == [0.0, 0.0, 1.0]
    assert strategy.step(state, seen(volts, 25.0))[1].duty.tolist() == [0.0, 0.0, 0.0]
    unknown = strategy.step(state, seen([3.40, np.nan, 3.44]))[1]
    assert unknown.duty.tolist() == [0.0, 0.0, 0.0]


def test_it_balances_packs_in_a_study() -> None:
    pack = PackParameters(16, load_cell("lfp-100ah"), PackSpread(soc_ratio=0.01), soc_ratio=0.99)
    ends = []
    for strategy in (shown(), None):
        batch = Batch(pack, range(3))
        boards = Boards(load_board("standard-200mA"), batch)
        rest = Schedule.of_phases([Phase(6.0 * HOUR / SECOND, 0.0)], 60.0)
        if strategy is None:
            batch.run_leg(6.0 * HOUR / SECOND, 0.0, 25.0)
        else:
            args = (batch, boards, strategy, rest, 6.0 * HOUR / SECOND)
            run(*args, look=truth_of, look_every_s=6.0 * HOUR / SECOND)
        ends.append(np.ptp(batch.truth().soc, axis=1))
    assert (ends[0] < ends[1]).all()
