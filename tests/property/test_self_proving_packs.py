"""Self-proving on emulated packs, in the corners that it was made for, part by part."""

import numpy as np
import pytest

from hil.balancing.self_proving import SelfProving
from hil.balancing.state_aware import StateAware
from hil.balancing.strategy import AnyStrategy
from hil.core.instants import MINUTE
from hil.physics.batch import Batch, Cut
from hil.physics.boards import Boards
from hil.physics.pack import Overrides
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.stack import Floats
from hil.profile.designs import load_board
from hil.profile.load import load_cell
from hil.study.packs import run, truth_of
from hil.study.schedule import Phase, Schedule
from hil.study.tally import Tally

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
PACKS = 3
DAILY = ((4, 20.0), (2, 0.0), (8, -20.0), (10, 0.0))
PARTLY = ((3, 20.0), (2, 0.0), (3, -20.0), (16, 0.0))
FULLY = ((3, 20.0), (2, 0.0), (11, -20.0), (8, 0.0))


def rows(phases: tuple[tuple[int, float], ...]) -> Floats:
    """Return a day by the hour."""
    schedule = Schedule.of_phases([Phase(h * HOUR_S, a) for h, a in phases], HOUR_S)
    return np.asarray(schedule.demand)


def days(
    strategy: AnyStrategy,
    board: str,
    count: int,
    *,
    lead_ohm: float = 0.06,
    day: Floats,
    full: Floats | None = None,
    degc: float = 25.0,
    overrides: Overrides | None = None,
    cell: str = "lfp-100ah",
) -> dict[str, Floats]:
    """Return metrics of three packs, each (packs,)."""
    spread = PackSpread(capacity_ratio=0.01, soc_ratio=0.01)
    pack = PackParameters(16, load_cell(cell), spread, soc_ratio=0.5, initial_temperature_degc=degc)
    batch = Batch(pack, range(PACKS), overrides=overrides)
    boards = Boards(load_board(board), batch, lead_ohm=np.full((PACKS, 1), lead_ohm))
    tally = Tally(batch, boards)
    run(
        *(batch, boards, strategy),
        Schedule(HOUR_S, day, degc, full=full, lap_s=DAY_S),
        count * DAY_S,
        look=truth_of,
        look_every_s=DAY_S,
        cut=Cut(),
        after_leg=lambda decision, leg_s: tally.leg(batch, boards, decision, leg_s),
    )
    return tally.values()


def on_long_leads(strategy: AnyStrategy) -> dict[str, Floats]:
    """Return a week on a board whose bleeds shift its readings by tens of millivolts."""
    return days(strategy, "substituted-16s", 8, lead_ohm=0.3, day=rows(DAILY))


def proving(bleed_ohm: float = 16.5, **parameters: float) -> SelfProving:
    """Return a strategy as commissioned, deciding every quarter of an hour."""
    return SelfProving(bleed_ohm=bleed_ohm, every_ns=15 * MINUTE, **parameters)  # type: ignore[arg-type]


def test_on_long_leads_it_bleeds_what_has_to_be_bled_and_that_is_due_to_silence() -> None:
    silent = on_long_leads(proving())
    loud = on_long_leads(proving(silence_every_ns=0))
    assert (silent["soc_spread"] < 0.003).all()
    assert (silent["useful_share"] > 0.85).all()
    assert (loud["soc_spread"] > 3.0 * silent["soc_spread"]).all()
    assert (loud["bled_charge"] > 1.5 * silent["bled_charge"]).all()


def test_a_poor_board_misleads_it_by_no_more_than_its_error() -> None:
    """Ten millivolts are 0.04 % of charge where it looks; range of sixteen: 1.8 times that."""
    found = days(
        proving(68.0, lead_ohm=0.06, board_error_v=0.010), "sampling-10mV", 16, day=rows(DAILY)
    )
    assert (found["soc_spread"] < 0.0035).all()
    assert (found["useful_share"] > 0.9).all()


@pytest.mark.nightly
def test_where_packs_are_full_only_when_asked_for_it_keeps_a_leaky_one_together() -> None:
    """Cell 5 leaks five times as much; those that wait for the top never see one."""
    asked = {"day": rows(PARTLY), "full": rows(FULLY), "degc": 45.0}
    leaky: Overrides = {5: {"leakage_ratio": 5.0}}
    learns = days(proving(68.0), "standard-50mA", 30, overrides=leaky, **asked)  # type: ignore[arg-type]
    blind = days(proving(68.0, leak_per_h=0.0), "standard-50mA", 30, overrides=leaky, **asked)  # type: ignore[arg-type]
    waits = days(StateAware(every_ns=15 * MINUTE), "standard-50mA", 30, overrides=leaky, **asked)  # type: ignore[arg-type]
    assert (learns["soc_spread"] < 0.01).all()
    assert (learns["soc_spread"] < 0.5 * blind["soc_spread"]).all()
    assert (waits["soc_spread"] > 0.03).all()


def test_on_cells_of_another_curve_it_finds_out_what_its_readings_are_worth() -> None:
    """Its table reads these cells' differences three times too large."""
    learns = days(proving(68.0), "standard-50mA", 10, day=rows(DAILY), cell="lfp-100ah-bpx")
    believes = days(
        proving(68.0, curve_ratio=0.0), "standard-50mA", 10, day=rows(DAILY), cell="lfp-100ah-bpx"
    )
    assert (learns["soc_spread"] < 0.003).all()
    assert (learns["useful_share"] > 0.85).all()
    assert believes["bled_charge"].sum() > 2.0 * learns["bled_charge"].sum()


def test_cells_that_rest_lower_than_its_table_has_them_are_looked_at_all_the_same() -> None:
    """They rest where the table has them 0.8 % from full: as `none`, 3 % and more were left."""
    found = days(proving(68.0), "standard-50mA", 14, day=rows(DAILY), cell="lfp-100ah-electrodes")
    assert (found["soc_spread"] < 0.005).all()
    assert (found["useful_share"] > 0.5).all()
