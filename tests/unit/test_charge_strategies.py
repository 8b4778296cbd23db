"""What is counted: equilibrium tables, the ledger's entries, budgets, hand-over to a balancer."""

from typing import Any

import numpy as np
import pytest

from hil.balancing.charge_ledger import ChargeLedger
from hil.balancing.greedy import Greedy
from hil.balancing.hybrid import Hybrid
from hil.balancing.lfp import HALF_LOOP_V, OCV_V, SOC, ocv_v, slope_v, soc_of, to_full_share
from hil.balancing.oracle import Oracle
from hil.balancing.strategy import AnyStrategy, Decision, Floats, Observation, Truth
from hil.physics.cell_types import CircuitCell
from hil.profile.load import load_cell

CELLS = 8
TOP_V = np.array([3.420, 3.420, 3.480, 3.420, 3.400, 3.420, 3.420, 3.420])
PLATEAU_V = np.full(CELLS, 3.31)


def observe(cell_v: Floats, time_s: float, **other: Any) -> Observation:
    """Return what a board at rest was given."""
    rest = Observation(
        time_s=np.array(time_s),
        cell_v=cell_v,
        current_a=np.array(0.0),
        ntc_degc=np.full(4, 25.0),
        pcb_degc=np.array(30.0),
        age_s=np.array(0.1),
        valid=np.ones(CELLS, np.bool_),
    )
    return rest._replace(**other)


def run(strategy: AnyStrategy, seen: list[Observation]) -> tuple[Any, list[Decision]]:
    """Return the last state and all decisions."""
    state, decisions = strategy.initial(CELLS), []
    for one in seen:
        state, decision = strategy.step(state, one)
        decisions.append(decision)
    return state, decisions


def visit_then_plateau(hours: float, cell_v: Floats = TOP_V) -> list[Observation]:
    """Return one look at the top and hours on the plateau."""
    plateau = [observe(PLATEAU_V, 120.0 * k) for k in range(1, round(hours * 30))]
    return [observe(cell_v, 0.0), *plateau]


def test_the_tables_are_those_of_the_cells_that_studies_use() -> None:
    cell = load_cell("lfp-100ah")
    assert isinstance(cell, CircuitCell)
    assert np.allclose(SOC, cell.soc_ratio)
    assert np.allclose(OCV_V, cell.ocv_v)
    assert np.allclose(HALF_LOOP_V, cell.hysteresis_v)


def test_charge_is_told_by_voltage_only_where_that_is_steep() -> None:
    soc = np.linspace(0.0, 1.0, 2001)
    told = soc_of(ocv_v(soc))
    known = np.isfinite(told)
    assert known.mean() == pytest.approx(0.12, abs=0.002)
    assert np.allclose(told[known], soc[known], atol=1e-9)
    assert (slope_v(soc[known]) > 0.5).all()  # 5 mV/%
    assert np.isnan(soc_of(np.array([np.nan, 3.3]))).all()
    down = to_full_share(np.linspace(3.2, 3.7, 501))
    assert (np.diff(down) <= 0.0).all()
    assert (down[0], down[-1]) == (pytest.approx(0.02), 0.0)


def test_the_ledger_bleeds_on_the_plateau_what_it_has_seen_at_the_top_and_no_more() -> None:
    strategy = ChargeLedger()
    seen = visit_then_plateau(60.0)
    first, _ = run(strategy, seen[:1])
    _, decisions = run(strategy, seen)
    duty = np.array([one.duty for one in decisions])
    bled_ah = duty.sum(axis=0) * 3.31 / 68.12 / 30.0
    kept_ah = strategy.kept_ratio * strategy.capacity_ah
    assert np.all(bled_ah <= np.maximum(first.spare_ah - kept_ah, 0.0) + 2e-3)
    assert bled_ah[2] > 0.2  # the fullest: what it has beyond doubt
    assert bled_ah[2] == pytest.approx(first.spare_ah[2] - kept_ah, abs=5e-3)
    assert bled_ah[4] == 0.0  # the neediest
    assert duty[1:, 2].any()
    assert not duty[-1].any()


def test_an_old_anchor_counts_for_nothing_and_a_full_charge_is_asked_for() -> None:
    days = 86400.0
    late = observe(PLATEAU_V, 31 * days)
    _, decisions = run(ChargeLedger(), [observe(TOP_V, 0.0), late])
    assert decisions[0].duty[2] == 1.0
    assert not decisions[1].duty.any()
    assert not decisions[0].wants_full
    assert decisions[1].wants_full


def test_a_later_look_of_the_same_visit_may_only_add() -> None:
    lower = np.where(TOP_V < 3.41, 3.415, TOP_V)
    once, _ = run(ChargeLedger(), [observe(TOP_V, 0.0)])
    twice, _ = run(ChargeLedger(), [observe(TOP_V, 0.0), observe(lower, 120.0)])
    assert np.all(twice.spare_ah >= once.spare_ah - 3e-3)


def test_what_noise_shows_hours_after_a_charge_is_no_new_visit() -> None:
    """One cell over the edge again, all others far below: that says less than was known before."""
    lower = np.where(TOP_V < 3.41, 3.415, TOP_V)
    once, _ = run(ChargeLedger(), [observe(TOP_V, 0.0)])
    below = observe(PLATEAU_V, 120.0)
    rested, _ = run(ChargeLedger(), [observe(TOP_V, 0.0), below, observe(lower, 240.0)])
    assert np.all(rested.spare_ah >= once.spare_ah - 6e-3)
    used = below._replace(current_a=np.array(20.0))
    anew, _ = run(ChargeLedger(), [observe(TOP_V, 0.0), used, observe(lower, 240.0)])
    assert anew.spare_ah[2] < once.spare_ah[2] - 0.02


def test_a_less_exact_board_bleeds_less() -> None:
    spare = [
        run(ChargeLedger(board_error_v=e), [observe(TOP_V, 0.0)])[0].spare_ah[2]
        for e in (0.0, 0.002, 0.010)
    ]
    assert spare[0] > spare[1] > spare[2] > 0.0


def test_greedy_gives_the_largest_claims_first_within_the_power_and_the_heat() -> None:
    volts = np.array([3.48, 3.47, 3.46, 3.45, 3.40, 3.44, 3.40, 3.40])
    for pcb_degc, many in ((30.0, 2), (70.0, 1), (80.0, 0), (np.nan, 0)):
        seen = observe(volts, 0.0, pcb_degc=np.array(pcb_degc))
        _, decisions = run(Greedy(most_w=0.4), [seen])
        assert decisions[0].duty.tolist() == [1.0] * many + [0.0] * (CELLS - many)
    state, _ = run(Greedy(most_w=0.4), [observe(volts, 0.0)])
    assert np.count_nonzero(state.bleed_a) == 2  # what was not given is not counted


def test_hybrid_carries_only_beyond_an_abnormal_divergence_and_counts_it() -> None:
    far = np.where(np.arange(CELLS) == 4, 3.33, 3.50)
    _, even = run(Hybrid(), [observe(TOP_V, 0.0)])
    assert even[0].transfer is not None
    assert not even[0].transfer.any()
    state, decisions = run(Hybrid(), [observe(far, 0.0)])
    transfer = decisions[0].transfer
    assert transfer is not None
    assert transfer[4] == -1.0
    assert transfer.sum() == pytest.approx(0.0)
    assert (np.delete(transfer, 4) > 0.0).all()
    later, _ = Hybrid().step(state, observe(PLATEAU_V, 120.0))
    closed_ah = state.ledger.spare_ah - later.ledger.spare_ah
    assert closed_ah[0] == pytest.approx((2.0 / 7 + 1.7 + 3.5 / 68.12) / 30.0, rel=1e-3)


def test_the_oracle_keeps_its_weakest_cell_fullest_and_asks_for_the_truth() -> None:
    capacity_ah = np.array([99.0, *[100.0] * 7])
    lacks_ah = np.array([9.796, 9.796, *[10.0] * 6])  # 0.2 % of 99 Ah is 0.198
    truth = Truth(1.0 - lacks_ah / capacity_ah, capacity_ah)
    seen = observe(PLATEAU_V, 0.0, truth=truth)
    _, decisions = run(Oracle(), [seen])
    assert decisions[0].duty.tolist() == [0.0, 1.0, *[0.0] * 6]
    with pytest.raises(ValueError, match="needs the truth"):
        run(Oracle(), [observe(PLATEAU_V, 0.0)])


@pytest.mark.parametrize(
    "wrong", [{"bleed_ohm": 0.0}, {"board_error_v": -1.0}, {"visit_soc_ratio": 0.5}]
)
def test_a_ledger_that_cannot_count_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ChargeLedger(**wrong)  # type: ignore[arg-type]
