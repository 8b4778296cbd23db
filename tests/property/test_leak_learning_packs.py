"""Leaks learnt on emulated packs that are hot, cycle partly, and see the top every ten days."""

import numpy as np
import pytest

from hil.balancing.charge_ledger import ChargeLedger
from hil.core.instants import MINUTE
from hil.physics.batch import Batch, Cut
from hil.physics.boards import Boards
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.stack import Floats
from hil.profile.designs import load_board
from hil.profile.load import load_cell
from hil.study.packs import run, truth_of
from hil.study.schedule import Phase, Schedule
from hil.study.tally import Tally

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


def rows(charge_h: float) -> Floats:
    """Return a day: 60 Ah out, a charge of 15 A, and rest."""
    phases = ((4, 15.0), (4, 0.0), (charge_h, -15.0), (16 - charge_h, 0.0))
    demand = Schedule.of_phases([Phase(h * HOUR_S, a) for h, a in phases], HOUR_S).demand
    return np.asarray(demand)


def weeks(*, learns_leaks: bool) -> tuple[Floats, Floats]:
    """Return of four packs at 45 degC the mean spread of the last 20 of 40 days, and wrong shares.

    Cell 3 leaks three times what the others do.
    """
    cell, spread = load_cell("lfp-100ah"), PackSpread(capacity_ratio=0.01, soc_ratio=0.005)
    pack = PackParameters(16, cell, spread, soc_ratio=0.7, initial_temperature_degc=45.0)
    batch = Batch(pack, range(4), overrides={3: {"leakage_ratio": 3.0}})
    design = load_board("sampling-2mV")
    boards = Boards(design, batch)
    tally = Tally(batch, boards)
    strategy = ChargeLedger(
        bleed_ohm=design.bleed_ohm, every_ns=15 * MINUTE, learns_leaks=learns_leaks
    )
    studied = run(
        *(batch, boards, strategy),
        Schedule(HOUR_S, rows(4), 45.0, full=rows(8), lap_s=DAY_S),
        40 * DAY_S,
        look=truth_of,
        look_every_s=DAY_S,
        cut=Cut(tolerance=1e-4),
        after_leg=lambda decision, leg_s: tally.leg(batch, boards, decision, leg_s),
    )
    spreads = [
        np.ptp((1.0 - one.soc) * one.capacity_ah, axis=1) / one.capacity_ah.min(axis=1)
        for one in studied.seen
    ]
    return np.mean(spreads[-20:], axis=0), tally.values()["wrong_cell_share"]


@pytest.mark.nightly
def test_learning_leaks_keeps_hot_packs_closer_together_and_bleeds_no_more_wrong_cells() -> None:
    off, off_wrong = weeks(learns_leaks=False)
    on, on_wrong = weeks(learns_leaks=True)
    assert (on <= off + 1e-4).all()
    assert on.mean() < 0.95 * off.mean()
    assert (on_wrong <= off_wrong + 0.002).all()
