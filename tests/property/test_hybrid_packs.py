"""One cell that lacks 9 %: what an active balancer beside the ledger is for (E13)."""

import numpy as np

from hil.balancing import STRATEGIES
from hil.physics.batch import Batch, Cut
from hil.physics.boards import Boards
from hil.physics.parameters import PackParameters, PackSpread
from hil.profile.designs import load_board
from hil.profile.load import load_cell
from hil.study.packs import run, truth_of
from hil.study.schedule import Phase, Schedule

HOUR_S = 3600.0
DAY = Schedule.of_phases(
    [
        Phase(4 * HOUR_S, 20.0),
        Phase(4 * HOUR_S, 0.0),
        Phase(8 * HOUR_S, -15.0),
        Phase(8 * HOUR_S, 0.0),
    ],
    HOUR_S,
)


def spread_after_two_days(name: str) -> float:
    """Return the spread of charge to full, a share of the capacity."""
    pack = PackParameters(16, load_cell("lfp-100ah"), PackSpread(capacity_ratio=0.0), soc_ratio=0.8)
    batch = Batch(pack, range(1), overrides={5: {"soc_ratio": 0.71}})
    design = load_board("active-2A")
    strategy = STRATEGIES[name](bleed_ohm=design.bleed_ohm)
    studied = run(
        *(batch, Boards(design, batch), strategy, DAY, 48 * HOUR_S),
        look=truth_of,
        look_every_s=48 * HOUR_S,
        cut=Cut(tolerance=1e-5),
    )
    return float(np.ptp((1.0 - studied.truth.soc) * studied.truth.capacity_ah)) / 100.0


def test_a_balancer_brings_back_in_two_days_what_bleeding_takes_a_week_for() -> None:
    assert spread_after_two_days("hybrid") < 0.01
    assert spread_after_two_days("charge-ledger") > 0.05
