"""Self-proving: what a look may change, what is learnt from it, and when anything is looked at."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.balancing.beliefs import Belief, Look, looked, passed, unknown, variance
from hil.balancing.polarisation import LFP
from hil.balancing.self_proving import ProvingState, SelfProving
from hil.balancing.strategy import Decision, Floats, Observation

CELLS = 8
LACKS_AH = np.array([0.2, 0.4, 0.3, 0.9, 0.1, 0.6, 0.5, 0.7])
TOP_V = np.array([3.480, 3.470, 3.500, 3.440, 3.475, 3.480, 3.480, 3.480])
PLATEAU_V = np.full(CELLS, 3.31)
GOOD_VAR, POOR_VAR = 1e-4, 1e-2


def new(scale_ratio: float = 0.1, leak_a: float = 1e-3) -> Belief:
    """Return what is believed of unseen cells."""
    return unknown(CELLS, 2.0, scale_ratio, leak_a)


def look(lacks_ah: Floats, var: float = GOOD_VAR, below: tuple[int, ...] = ()) -> Look:
    """Return a look that is as good at every cell."""
    is_below = np.isin(np.arange(CELLS), below)
    return Look(lacks_ah, np.full(CELLS, var), is_below)


def against_mean(belief: Belief) -> Floats:
    """Return charge to full against the mean: the zero is anyone's."""
    ah: Floats = belief.lacks_ah - belief.lacks_ah.mean()
    return ah


# --- looks -------------------------------------------------------------------------------------


def test_a_first_look_is_believed_and_a_worse_one_changes_nothing() -> None:
    seen = looked(new(), look(LACKS_AH))
    assert np.allclose(against_mean(seen), LACKS_AH - LACKS_AH.mean(), atol=1e-3)
    worse = looked(seen, look(LACKS_AH[::-1], POOR_VAR))
    assert all(np.array_equal(a, b) for a, b in zip(seen, worse, strict=True))


def test_a_better_look_replaces_what_is_believed() -> None:
    poor = looked(new(), look(LACKS_AH[::-1], POOR_VAR))
    better = looked(poor, look(LACKS_AH))
    assert np.allclose(against_mean(better), LACKS_AH - LACKS_AH.mean(), atol=0.02)
    assert np.allclose(better.look_var, GOOD_VAR)


def test_an_offset_is_in_every_look_so_a_hundred_looks_are_worth_no_more_than_one() -> None:
    belief = new()
    for _ in range(100):
        belief = looked(passed(belief, np.zeros(CELLS), np.array(0.25)), look(LACKS_AH))
    assert np.all(variance(belief) >= GOOD_VAR)


@given(level_ah=st.floats(-50.0, 50.0))
def test_what_all_cells_of_a_pack_share_tells_nothing(level_ah: float) -> None:
    """How full the pack is, and an error of its reference."""
    once = looked(looked(new(), look(LACKS_AH)), look(LACKS_AH))
    other = looked(looked(new(), look(LACKS_AH)), look(LACKS_AH + level_ah))
    assert np.allclose(once.lacks_ah, other.lacks_ah, atol=1e-9)
    assert np.allclose(once.leak_a, other.leak_a, atol=1e-12)


def test_a_cell_below_the_slope_lacks_at_least_that_and_teaches_nothing() -> None:
    seen = passed(looked(new(), look(LACKS_AH)), np.zeros(CELLS), np.array(100.0))
    found = LACKS_AH.copy()
    found[3] = 2.0
    belief = looked(seen, look(found, below=(3,)))
    assert belief.lacks_ah[3] - belief.lacks_ah[4] == pytest.approx(1.9, abs=0.03)
    assert list(np.flatnonzero(belief.beyond)) == [3]
    assert belief.leak_a[3] == 0.0
    # one that is believed to lack more is not made fuller by a bound
    again = looked(
        belief._replace(lacks_ah=belief.lacks_ah + np.eye(CELLS)[3]), look(found, below=(3,))
    )
    assert again.lacks_ah[3] - again.lacks_ah[4] == pytest.approx(2.9, abs=0.03)
    # and the first time that it is seen on the slope counts for everything
    found[3] = 1.2
    back = looked(again, look(found))
    assert back.lacks_ah[3] - back.lacks_ah[4] == pytest.approx(1.1, abs=0.02)
    assert not back.beyond.any()
    assert abs(back.leak_a[3]) < 1e-6


# --- learning ----------------------------------------------------------------------------------


def visits(true_scale: Floats, leak_a: Floats, *, bled_ah: Floats, days: int, count: int) -> Belief:
    """Return what is believed after visits between which cells were bled and leaked."""
    belief, lacks_ah, hours = looked(new(), look(LACKS_AH)), LACKS_AH, 24.0 * days
    for _ in range(count):
        lacks_ah = lacks_ah + (1.0 + true_scale) * bled_ah + leak_a * hours
        belief = looked(passed(belief, bled_ah, np.array(hours)), look(lacks_ah))
    return belief


def test_how_much_more_a_bleed_draws_than_declared_is_learnt() -> None:
    bled_ah = np.where(np.arange(CELLS) == 2, 1.0, 0.0)
    scale = np.where(np.arange(CELLS) == 2, 0.2, 0.0)
    belief = visits(scale, np.zeros(CELLS), bled_ah=bled_ah, days=1, count=4)
    # against the mean of all: what one draws more, seven others seem to draw less
    assert belief.scale[2] == pytest.approx(0.2 * 7 / 8, abs=0.03)
    assert belief.scale_var[2] < 0.2 * 0.1**2


def test_a_cell_that_leaks_is_found_out() -> None:
    leak_a = np.where(np.arange(CELLS) == 5, 5e-3, 0.0)
    nothing = np.zeros(CELLS)
    belief = visits(nothing, leak_a, bled_ah=nothing, days=10, count=3)
    assert belief.leak_a[5] - belief.leak_a[0] == pytest.approx(5e-3, rel=0.03)
    assert np.all(belief.leak_var < 0.01 * 1e-3**2)


def test_doubt_grows_with_time_and_with_what_was_bled() -> None:
    seen = looked(new(), look(LACKS_AH))
    later = passed(seen, np.zeros(CELLS), np.array(240.0))
    bled = passed(seen, np.full(CELLS, 3.0), np.array(0.0))
    assert np.allclose(np.sqrt(variance(later) - GOOD_VAR), 0.24, atol=0.01)
    assert np.allclose(np.sqrt(variance(bled) - GOOD_VAR), 0.30, atol=0.01)


# --- the strategy ------------------------------------------------------------------------------


def observe(cell_v: Floats, time_s: float, current_a: float = -2.0) -> Observation:
    """Return what a board was given at the end of a charge."""
    return Observation(
        time_s=np.array(time_s),
        cell_v=cell_v,
        current_a=np.array(current_a),
        ntc_degc=np.full(4, 25.0),
        pcb_degc=np.array(30.0),
        age_s=np.array(0.1),
        valid=np.ones(CELLS, np.bool_),
    )


def run(strategy: SelfProving, seen: list[Observation]) -> tuple[ProvingState, list[Decision]]:
    """Return the last state and all decisions."""
    state, decisions = strategy.initial(CELLS), []
    for one in seen:
        state, decision = strategy.step(state, one)
        decisions.append(decision)
    return state, decisions


def test_what_is_read_while_it_bleeds_is_not_looked_at() -> None:
    """Unmuted: an own cell reads 120 mV too little, its neighbours 60 mV too much."""
    strategy = SelfProving()
    shift_v = np.array([0.06, 0.06, -0.12, 0.06, 0.0, 0.0, 0.0, 0.0])
    state, first = run(strategy, [observe(TOP_V, 0.0)])
    assert first[0].duty[2] > 0.0
    calm, _ = strategy.step(state, observe(TOP_V, 120.0))
    torn, _ = strategy.step(state, observe(TOP_V + shift_v, 120.0))
    assert all(np.array_equal(a, b) for a, b in zip(calm.belief, torn.belief, strict=True))
    loud, _ = SelfProving(silence_every_ns=0).step(state, observe(TOP_V + shift_v, 120.0))
    assert not np.array_equal(loud.belief.lacks_ah, torn.belief.lacks_ah)


def test_at_the_top_bleeds_pause_for_a_look_once_an_hour() -> None:
    # the voltages never change: a strategy that learns its curve would wonder about that
    _, decisions = run(
        SelfProving(curve_ratio=0.0), [observe(TOP_V, 120.0 * k) for k in range(100)]
    )
    silent = [k for k, one in enumerate(decisions) if not one.duty.any()]
    # one decision in thirty-one: that after the hour, and the look itself bleeds again
    assert silent == [30, 61, 92]


def test_coming_to_the_top_pauses_what_still_bleeds() -> None:
    strategy = SelfProving()
    state, _ = run(strategy, [observe(TOP_V, 0.0), observe(PLATEAU_V, 120.0, 10.0)])
    _, on_plateau = strategy.step(state, observe(PLATEAU_V, 240.0, 10.0))
    _, at_top = strategy.step(state, observe(TOP_V, 240.0))
    assert on_plateau.duty.any()
    assert not at_top.duty.any()


def test_what_was_seen_at_the_top_is_bled_on_the_plateau_and_no_more() -> None:
    strategy = SelfProving(curve_ratio=0.0)
    first, _ = run(strategy, [observe(TOP_V, 0.0)])
    seen = [observe(TOP_V, 0.0), *(observe(PLATEAU_V, 120.0 * k, 0.0) for k in range(1, 900))]
    last, decisions = run(strategy, seen)
    duty = np.array([one.duty for one in decisions])
    spare_ah = first.belief.lacks_ah.max() - first.belief.lacks_ah
    bled_ah = duty.sum(axis=0) * 3.31 / 68.12 / 30.0
    assert np.all(bled_ah <= spare_ah)
    # what stays is what is not worth a bleed, and a sigma of doubt
    assert 0.05 <= spare_ah[2] - bled_ah[2] <= 0.08 < spare_ah[2]
    assert not duty[-1].any()
    assert np.ptp(last.belief.lacks_ah) < 0.4 * np.ptp(first.belief.lacks_ah)


def test_a_bleed_that_a_layer_took_away_is_not_counted() -> None:
    strategy = SelfProving()
    state, _ = run(strategy, [observe(TOP_V, 0.0)])
    none = strategy.given(state, np.zeros(CELLS))
    after, _ = strategy.step(none, observe(PLATEAU_V, 1200.0, 0.0))
    assert np.all(after.belief.bled_ah == 0.0)
    counted, _ = strategy.step(state, observe(PLATEAU_V, 1200.0, 0.0))
    assert counted.belief.bled_ah[2] == pytest.approx(3.5 / 68.12 / 3.0, rel=0.001)


def test_a_full_charge_is_asked_for_by_doubt_and_not_by_the_calendar() -> None:
    def asks_after(**parameters: Any) -> float:
        strategy = SelfProving(kept_ratio=1.0, **parameters)
        seen = [observe(TOP_V, 0.0), *(observe(PLATEAU_V, 3600.0 * k, 0.0) for k in range(1, 1200))]
        _, decisions = run(strategy, seen)
        asked = [bool(one.wants_full) for one in decisions]
        assert not asked[0]
        return asked.index(True) / 24.0 if any(asked) else np.inf

    _, unseen = run(SelfProving(), [observe(PLATEAU_V, 0.0, 0.0)])
    assert bool(unseen[0].wants_full)
    assert asks_after() == pytest.approx(0.15 / 1e-3 / 24.0, abs=0.2)
    assert asks_after(leak_per_h=5e-6) == pytest.approx(2.0 * asks_after(), abs=0.2)
    assert asks_after(leak_per_h=0.0) == np.inf


def test_a_discharge_leaves_the_branch_and_then_voltages_are_worth_less() -> None:
    strategy = SelfProving()
    charged, _ = run(strategy, [observe(TOP_V, 0.0)])
    down = [observe(TOP_V, 0.0, 5.0), observe(TOP_V, 3600.0, 5.0), observe(TOP_V, 3720.0, 0.0)]
    left, _ = run(strategy, down)
    assert charged.branch.max() == 1.0
    assert left.branch.max() < -0.5


def test_cells_that_differ_in_temperature_only_are_seen_alike() -> None:
    """Eight amperes into cells of 2 to 14 degC: what they differ by is polarisation."""
    degc = np.linspace(2.0, 14.0, CELLS)
    eta_v = LFP.voltage_v(np.array(-8.0), np.array(0.0), degc, 100.0)
    seen = observe(3.47 - eta_v, 0.0, -8.0)._replace(ntc_degc=degc[[0, -1]])
    state, decisions = run(SelfProving(), [seen])
    assert np.ptp(eta_v) > 0.005
    assert np.ptp(state.belief.lacks_ah) < 1e-9
    assert not decisions[0].duty.any()


def test_a_cell_that_bled_at_rest_has_left_its_branch_and_is_as_full_as_before() -> None:
    strategy = SelfProving()
    branch = np.where(np.arange(CELLS) == 2, 0.2, 1.0)
    state = strategy.initial(CELLS)._replace(branch=branch)
    after, _ = strategy.step(state, observe(3.49 - 0.026 * (1.0 - branch), 0.0, 0.0))
    assert np.ptp(after.belief.lacks_ah) < 0.01
    # but nobody knows the loop that well
    assert after.belief.look_var[2] > 10.0 * after.belief.look_var[3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"capacity_ah": 0.0},
        {"bleed_ohm": 0.0},
        {"board_error_v": 0.0},
        {"spread_ratio": 0.0},
        {"guard_ratio": -1.0},
        {"leak_per_h": -1e-6},
        {"visit_soc_ratio": 1.0},
        {"visit_soc_ratio": 0.9},
    ],
)
def test_parameters_that_count_nothing_are_refused(wrong: dict[str, float]) -> None:
    [name] = wrong
    with pytest.raises(ValueError, match=name):
        SelfProving(**wrong)  # type: ignore[arg-type]


# --- cells that rest lower than the table says ---------------------------------------------------

CHARGED_V = np.full(CELLS, 3.48)
RESTS_V = np.linspace(3.375, 3.385, CELLS)
"""1 % and more from full by the table."""


def day(number: int) -> list[Observation]:
    """Return a charge to the top, the rest behind it, and a discharge of a quarter."""
    return [
        observe(CHARGED_V, 86400.0 * number, -25.0),
        *(observe(RESTS_V, 86400.0 * number + 3600.0 * hour, 0.0) for hour in range(1, 9)),
        *(observe(PLATEAU_V, 86400.0 * number + 3600.0 * hour, 25.0) for hour in (9, 10)),
    ]


def looks_in(strategy: SelfProving, seen: list[Observation]) -> bool:
    state, _ = run(strategy, seen)
    return not np.allclose(state.belief.look_var, strategy.initial(CELLS).belief.look_var)


def test_where_three_charges_ended_at_the_top_and_none_rested_there_rest_is_the_top() -> None:
    strategy = SelfProving()
    assert not looks_in(strategy, day(0) + day(1))
    assert looks_in(strategy, day(0) + day(1) + day(2))
    # not where charges end elsewhere, however often
    partly = [one._replace(cell_v=np.minimum(one.cell_v, 3.40)) for one in day(0) + day(1) + day(2)]
    assert not looks_in(strategy, partly)


def test_one_rest_at_the_top_says_that_the_table_is_right_there() -> None:
    strategy = SelfProving(spread_ratio=1e-6)  # so good is no look that it would be believed
    before, _ = run(strategy, day(0) + day(1) + day(2))
    after, _ = strategy.step(before, observe(TOP_V, 86400.0 * 3, -2.0))
    assert (int(before.vain), int(after.vain)) == (3, 0)


def test_what_is_drawn_from_a_pack_takes_it_from_the_top() -> None:
    """A third of a per cent: a rest that follows is none behind a charge."""
    strategy = SelfProving()
    state, _ = run(strategy, day(0) + day(1) + day(2)[:1])
    near = strategy.step(state, observe(RESTS_V, 86400.0 * 2 + 60.0, 1.0))[0]
    far = strategy.step(state, observe(RESTS_V, 86400.0 * 2 + 180.0, 9.0))[0]
    assert np.all(near.belief.look_var < state.belief.look_var)
    assert np.array_equal(far.belief.look_var, state.belief.look_var)
