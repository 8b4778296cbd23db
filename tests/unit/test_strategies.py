"""What each strategy decides in the situations that it is made for, and in those that fool it."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from hil.balancing import STRATEGIES
from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.none import NoBalancing
from hil.balancing.strategy import AnyStrategy, Decision, Observation, Truth
from hil.balancing.top_balance import TopBalance
from hil.core import units

WORDS = {"compare", "ntc", "ntc_cells", "learns_leaks"}
"""Fields that are no quantities: words, and numbers of things."""


def observe(cell_v: list[float], time_s: float = 0.0, current_a: float = 0.0) -> Observation:
    return Observation(
        time_s=np.array(time_s),
        cell_v=np.array(cell_v),
        current_a=np.array(current_a),
        ntc_degc=np.full(4, 25.0),
        pcb_degc=np.array(30.0),
        age_s=np.array(0.1),
        valid=np.ones(len(cell_v), dtype=np.bool_),
    )


class Controller:
    """A strategy with its state, as the bench keeps it."""

    def __init__(self, strategy: AnyStrategy, cells: int = 4) -> None:
        """Start from the initial state."""
        self.strategy, self.state = strategy, strategy.initial(cells)

    def decide(self, observation: Observation) -> list[float]:
        """Return the duties of one decision."""
        decision: Decision
        self.state, decision = self.strategy.step(self.state, observation)
        duty: list[float] = decision.duty.tolist()
        return duty


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_is_what_a_profile_takes_it_for(name: str) -> None:
    strategy: AnyStrategy = STRATEGIES[name]()
    assert strategy.needs_truth is (name == "oracle")
    assert strategy.every_ns > 0
    for field in fields(STRATEGIES[name]):  # a profile writes units: each field says which
        assert field.name in WORDS or units.suffix_of(field.name) or field.name.endswith("_share")
    even = observe([3.3] * 4)._replace(truth=Truth(np.full(4, 0.5), np.full(4, 100.0)))
    assert Controller(strategy).decide(even) == [0.0] * 4


def test_none_never_bleeds() -> None:
    assert Controller(NoBalancing()).decide(observe([2.5, 3.0, 3.5, 3.65])) == [0.0] * 4


def test_fixed_threshold_starts_above_50_mv_and_stops_below_30_mv() -> None:
    controller = Controller(FixedThreshold())
    seen = [
        controller.decide(observe([3.3, 3.3, 3.3 + above_mv / 1000, 3.3]))[2]
        for above_mv in (0, 45, 49, 51, 45, 31, 29, 31, 49, 51)
    ]
    assert seen == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1]


def test_range_compares_with_the_lowest_and_adjacent_with_the_lower_neighbour() -> None:
    slope = [3.30, 3.34, 3.38, 3.42]  # 40 mV from cell to cell, 120 mV in all
    assert Controller(FixedThreshold()).decide(observe(slope)) == [0, 0, 1, 1]
    adjacent = FixedThreshold(compare="adjacent")
    assert Controller(adjacent).decide(observe(slope)) == [0, 0, 0, 0]
    assert Controller(adjacent).decide(observe([3.36, 3.30, 3.37, 3.33])) == [1, 0, 1, 0]
    assert Controller(adjacent).decide(observe([3.30, 3.30, 3.30, 3.36])) == [0, 0, 0, 1]


def test_the_gates_close_at_a_large_current_and_at_a_low_voltage() -> None:
    cells = [3.30, 3.30, 3.39, 3.45]
    assert Controller(FixedThreshold()).decide(observe(cells, current_a=50.0)) == [0, 0, 1, 1]
    quiet = FixedThreshold(gate_a=5.0)
    assert Controller(quiet).decide(observe(cells, current_a=-50.0)) == [0, 0, 0, 0]
    assert Controller(quiet).decide(observe(cells, current_a=-4.0)) == [0, 0, 1, 1]
    assert Controller(quiet).decide(observe(cells, current_a=math.nan)) == [0, 0, 0, 0]
    high = FixedThreshold(gate_v=3.40)
    assert Controller(high).decide(observe(cells)) == [0, 0, 0, 1]


@pytest.mark.parametrize(
    "strategy", [FixedThreshold(), FixedThreshold(compare="adjacent"), TopBalance()]
)
def test_no_evidence_no_bleed(strategy: AnyStrategy) -> None:
    good = observe([3.42, 3.42, 3.55, 3.42])
    controller = Controller(strategy)
    assert controller.decide(good) == [0, 0, 1, 0]
    bleeding = controller.state
    invalid = good._replace(valid=np.array([True, True, False, True]))
    unknown = good._replace(cell_v=np.array([3.42, 3.42, math.nan, 3.42]))
    infinite = good._replace(cell_v=np.array([3.42, 3.42, math.inf, 3.42]))
    for bad in (
        invalid,
        unknown,
        infinite,
        good._replace(age_s=np.array(60.0)),
        good._replace(age_s=np.array(math.nan)),
    ):
        controller.state = bleeding
        assert controller.decide(bad) == [0, 0, 0, 0]


def test_adjacent_does_not_bleed_on_a_missing_neighbour() -> None:
    controller = Controller(FixedThreshold(compare="adjacent"))
    assert controller.decide(observe([3.5, math.nan, 3.5, math.nan])) == [0, 0, 0, 0]


# --- top-balance -------------------------------------------------------------------------------

TOP = [3.44, 3.44, 3.46, 3.452]


def test_top_balance_needs_the_knee_and_a_small_current() -> None:
    assert Controller(TopBalance()).decide(observe(TOP, current_a=-4.0)) == [0, 0, 1, 1]
    assert Controller(TopBalance()).decide(observe(TOP, current_a=-20.0)) == [0, 0, 0, 0]
    assert Controller(TopBalance()).decide(observe(TOP, current_a=math.nan)) == [0, 0, 0, 0]
    plateau = [3.30, 3.30, 3.39, 3.33]
    assert Controller(TopBalance()).decide(observe(plateau, current_a=-4.0)) == [0, 0, 0, 0]


def test_top_balance_takes_a_tapering_current_for_a_small_one() -> None:
    controller = Controller(TopBalance())
    assert controller.decide(observe(TOP, current_a=-20.0)) == [0, 0, 0, 0]
    assert controller.decide(observe(TOP, 120.0, -19.5)) == [0, 0, 0, 0]  # noise
    assert controller.decide(observe(TOP, 240.0, -17.0)) == [0, 0, 1, 1]


def test_a_cloud_is_no_taper() -> None:
    """Less charge current below the hold voltage, or a discharge, is no end of charge."""
    below_hold = [3.41, 3.41, 3.44, 3.42]
    controller = Controller(TopBalance())
    controller.decide(observe(below_hold, current_a=-20.0))
    assert controller.decide(observe(below_hold, 120.0, -10.0)) == [0, 0, 0, 0]
    controller.decide(observe(TOP, 240.0, 40.0))
    assert controller.decide(observe(TOP, 360.0, 20.0)) == [0, 0, 0, 0]


def test_top_balance_lifts_its_thresholds_above_twice_the_boards_error() -> None:
    assert TopBalance(board_error_v=0.002).thresholds_v() == pytest.approx((0.010, 0.005))
    assert TopBalance(board_error_v=0.005).thresholds_v() == pytest.approx((0.015, 0.010))
    assert TopBalance(board_error_v=0.010).thresholds_v() == pytest.approx((0.025, 0.020))
    coarse = Controller(TopBalance(board_error_v=0.010))
    assert coarse.decide(observe(TOP, current_a=-4.0)) == [0, 0, 0, 0]


def test_what_was_decided_at_the_top_runs_on_for_the_tail_and_no_longer() -> None:
    controller = Controller(TopBalance(tail_s=600.0))
    controller.decide(observe(TOP, 0.0, -4.0))
    relaxed = [3.33, 3.35, 3.34, 3.34]
    assert controller.decide(observe(relaxed, 120.0)) == [0, 0, 1, 1]
    assert controller.decide(observe(relaxed, 599.0, 30.0)) == [0, 0, 1, 1]
    assert controller.decide(observe(relaxed, 600.0)) == [0, 0, 0, 0]
    # without a tail the gate alone decides
    controller = Controller(TopBalance(tail_s=0.0))
    controller.decide(observe(TOP, 0.0, -4.0))
    assert controller.decide(observe(relaxed, 1.0)) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [
        (FixedThreshold, {"start_v": 0.03, "stop_v": 0.05}),
        (FixedThreshold, {"stop_v": 0.0}),
        (FixedThreshold, {"compare": "mean"}),
        (FixedThreshold, {"start_v": math.nan}),
        (TopBalance, {"start_v": 0.004}),
        (TopBalance, {"board_error_v": -0.001}),
        (TopBalance, {"tail_s": -1.0}),
    ],
)
def test_parameters_that_make_no_strategy_are_refused(
    cls: type[Any], parameters: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="expected"):
        cls(**parameters)


def test_a_fixed_threshold_bleeds_for_its_share_of_the_time() -> None:
    strategy = FixedThreshold(duty_ratio=0.35)
    _, decision = strategy.step(strategy.initial(3), observe([3.30, 3.36, 3.31]))
    assert decision.duty.tolist() == [0.0, 0.35, 0.0]
    for wrong in (0.0, 1.01, -0.5):
        with pytest.raises(ValueError, match="duty_ratio"):
            FixedThreshold(duty_ratio=wrong)
