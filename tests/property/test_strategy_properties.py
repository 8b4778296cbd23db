"""What holds for every strategy, whatever the cells do."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hil.balancing import STRATEGIES
from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.strategy import AnyStrategy, Floats, Observation
from hil.balancing.top_balance import TopBalance

EVERY: list[AnyStrategy] = [
    *(cls() for cls in STRATEGIES.values()),
    FixedThreshold(compare="adjacent"),
    FixedThreshold(gate_v=3.35, gate_a=5.0),
    TopBalance(board_error_v=0.010, tail_s=0.0),
]
UNORDERED = [strategy for strategy in EVERY if getattr(strategy, "compare", "") != "adjacent"]
CELLS = 16

millivolts = st.integers(2000, 3700)
cell_v = arrays(np.float64, CELLS, elements=millivolts.map(lambda mv: mv / 1000))
top_v = arrays(np.float64, CELLS, elements=st.integers(3380, 3480).map(lambda mv: mv / 1000))
currents = st.one_of(st.floats(-100.0, 100.0), st.sampled_from([0.0, -3.0, 3.0, np.nan]))


def observe(volts: Floats, current_a: float = 0.0, time_s: float = 0.0) -> Observation:
    return Observation(
        time_s=np.array(time_s),
        cell_v=volts,
        current_a=np.array(current_a),
        ntc_degc=np.full(4, 25.0),
        pcb_degc=np.array(25.0),
        age_s=np.array(0.0),
        valid=np.isfinite(volts),
    )


def duties(strategy: AnyStrategy, observations: list[Observation]) -> list[Floats]:
    """Return the duty of each decision in a row."""
    state: Any = strategy.initial(CELLS)
    decided = []
    for observation in observations:
        state, decision = strategy.step(state, observation)
        decided.append(decision.duty)
    return decided


def stack(observations: list[Observation]) -> Observation:
    """Return one observation of many packs."""
    fields = Observation._fields[:-1]  # all but the truth
    columns: dict[str, Any] = {
        name: np.stack([getattr(one, name) for one in observations]) for name in fields
    }
    return Observation(**columns)


@pytest.mark.parametrize("strategy", EVERY, ids=repr)
@given(volts=st.lists(cell_v, min_size=1, max_size=8), current_a=currents)
def test_a_duty_lies_between_0_and_1_and_the_lowest_cell_never_bleeds(
    strategy: AnyStrategy, volts: list[Floats], current_a: float
) -> None:
    for duty, v in zip(
        duties(strategy, [observe(v, current_a) for v in volts]), volts, strict=True
    ):
        assert np.all((duty >= 0.0) & (duty <= 1.0))
        if not isinstance(strategy, TopBalance):  # whose tail outlives the order of the cells
            assert not duty[v == v.min()].any()


@given(volts=st.lists(top_v, min_size=1, max_size=8))
def test_top_balance_never_bleeds_the_lowest_cell_while_it_decides(volts: list[Floats]) -> None:
    observations = [observe(v, -3.0) for v in volts]
    for duty, v in zip(duties(TopBalance(tail_s=0.0), observations), volts, strict=True):
        assert not duty[v == v.min()].any()
        if v.max() <= 3.40:
            assert not duty.any()


@given(volts=st.lists(cell_v, min_size=1, max_size=8))
def test_nothing_bleeds_below_stop_and_everything_bleeds_above_start(
    volts: list[Floats],
) -> None:
    strategy = FixedThreshold()
    for duty, v in zip(duties(strategy, [observe(v) for v in volts]), volts, strict=True):
        excess_v = v - v.min()
        assert not duty[excess_v < strategy.stop_v].any()
        assert duty[excess_v > strategy.start_v].all()


@given(volts=cell_v)
def test_between_stop_and_start_it_stays_as_it_was(volts: Floats) -> None:
    strategy = FixedThreshold()
    excess_v = volts - volts.min()
    between = (excess_v >= strategy.stop_v) & (excess_v <= strategy.start_v)
    for was in (False, True):
        state = strategy.initial(CELLS)._replace(bleeding=np.full(CELLS, was))
        _, decision = strategy.step(state, observe(volts))
        assert (decision.duty[between] == float(was)).all()


@pytest.mark.parametrize("strategy", EVERY, ids=repr)
@given(data=st.data())
def test_missing_cells_never_bleed(strategy: AnyStrategy, data: st.DataObject) -> None:
    volts = data.draw(cell_v)
    missing = data.draw(arrays(np.bool_, CELLS))
    before, after = observe(volts, -3.0), observe(np.where(missing, np.nan, volts), -3.0)
    _, duty = duties(strategy, [before, after])
    assert not duty[missing].any()


@pytest.mark.parametrize("strategy", UNORDERED, ids=repr)
@given(volts=st.lists(top_v, min_size=1, max_size=5), order=st.permutations(range(CELLS)))
def test_who_bleeds_does_not_depend_on_the_order_of_the_cells(
    strategy: AnyStrategy, volts: list[Floats], order: list[int]
) -> None:
    straight = duties(strategy, [observe(v, -3.0) for v in volts])
    turned = duties(strategy, [observe(v[order], -3.0) for v in volts])
    for a, b in zip(straight, turned, strict=True):
        assert np.array_equal(a[order], b)


@pytest.mark.parametrize("strategy", EVERY, ids=repr)
@given(volts=st.lists(top_v, min_size=2, max_size=5))
def test_a_step_is_pure(strategy: AnyStrategy, volts: list[Floats]) -> None:
    observations = [observe(v, -3.0) for v in volts]
    for observation in observations:
        for part in observation[:-1]:
            part.flags.writeable = False
    first, second = duties(strategy, observations), duties(strategy, observations)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("strategy", EVERY, ids=repr)
def test_a_thousand_packs_at_once_equal_a_thousand_one_by_one(strategy: AnyStrategy) -> None:
    """Twelve decisions at the top, with missing cells, old readings and currents of both signs."""
    draw = np.random.default_rng(20)
    packs, decisions = 1000, 12
    scenes = []
    for k in range(decisions):
        volts = draw.normal(3.42, 0.03, (packs, CELLS))
        volts[draw.random((packs, CELLS)) < 0.02] = np.nan
        scene = [
            observe(volts[p], float(draw.normal(0.0, 8.0)), 120.0 * k)._replace(
                age_s=np.array(draw.choice([0.1, 0.1, 0.1, 9.0]))
            )
            for p in range(packs)
        ]
        scenes.append(scene)
    together = duties(strategy, [stack(scene) for scene in scenes])
    for p in range(0, packs, 7):
        alone = duties(strategy, [scene[p] for scene in scenes])
        for k in range(decisions):
            assert np.array_equal(together[k][p], alone[k])
    if strategy != EVERY[0]:
        assert any(duty.any() for duty in together)  # else the test compares nothing
