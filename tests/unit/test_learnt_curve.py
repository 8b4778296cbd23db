"""What readings at the top are worth in charge: learnt from bleeds, and from nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.balancing.beliefs import Look, gone, looked, passed, rescaled, unknown
from hil.balancing.curve import Curve, counted, in_charge, learnt, unlearnt
from hil.balancing.self_proving import SelfProving, _seen
from hil.balancing.strategy import Floats, Observation

CELLS = 8
LACKS_AH = np.array([0.2, 0.4, 0.3, 0.9, 0.1, 0.6, 0.5, 0.7])
TOP_V = np.array([3.480, 3.470, 3.500, 3.440, 3.475, 3.480, 3.480, 3.480])
PLATEAU_V = np.full(CELLS, 3.31)
VAR = 1e-4
NO_LEAK = np.zeros(CELLS)


def read(lacks_ah: Floats, var: float = VAR) -> Look:
    """Return a look that reads this, as well at every cell."""
    return Look(lacks_ah, np.full(CELLS, var), np.zeros(CELLS, np.bool_))


def bled(per_ah: float, visits: int, share: float = 0.5, level_ah: float = 0.0) -> Curve:
    """Return what is learnt where each visit bleeds a share of what was read, as the strategy does.

    Readings are ``per_ah`` times the charge, against a level that changes from visit to visit.
    """
    curve, lacks_ah = learnt(unlearnt(CELLS, 0.7), read(per_ah * LACKS_AH), NO_LEAK), LACKS_AH
    for visit in range(visits):
        told_ah = in_charge(curve, read(per_ah * lacks_ah)).lacks_ah
        bled_ah = share * (told_ah.max() - told_ah)
        lacks_ah = lacks_ah + bled_ah
        curve = counted(curve, bled_ah, np.array(24.0))
        curve = learnt(curve, read(per_ah * lacks_ah + level_ah * visit), NO_LEAK)
    return curve


@given(per_ah=st.floats(0.7, 5.0), level_ah=st.floats(-20.0, 20.0))
def test_a_table_that_is_off_by_a_factor_is_found_out(per_ah: float, level_ah: float) -> None:
    curve = bled(per_ah, 2, level_ah=level_ah)
    assert float(np.exp(curve.log[0])) == pytest.approx(per_ah, rel=0.15)
    assert np.sqrt(curve.var[0]) < 0.25


def test_one_experiment_is_enough_to_tell_a_factor_of_three_from_a_bleed_path() -> None:
    assert 2.4 < float(np.exp(bled(3.0, 1).log[0])) <= 3.0
    # and half of the truth is half: a reading that moves less than was bled
    assert 0.5 <= float(np.exp(bled(0.5, 1).log[0])) < 0.65


def test_a_charge_that_is_read_thrice_is_known_thrice_as_well() -> None:
    curve = unlearnt(CELLS, 0.7)._replace(log=np.log([3.0]))
    assert np.allclose(in_charge(curve, read(3.0 * LACKS_AH)).lacks_ah, LACKS_AH)
    assert np.allclose(in_charge(curve, read(LACKS_AH)).var, VAR / 9.0)


def test_after_an_experiment_the_next_begins() -> None:
    curve = bled(3.0, 1)
    assert not curve.bled_ah.any()
    assert not curve.aged_h.any()


def test_a_bleed_that_is_small_against_the_difference_is_no_experiment() -> None:
    """A knee is bent as well as steep: a large difference changes by itself from look to look."""
    first, exact = 10.0 * LACKS_AH, 1e-6
    tenth = 0.1 * (LACKS_AH.max() - LACKS_AH)
    seen = learnt(unlearnt(CELLS, 0.7), read(first, exact), NO_LEAK)
    after = counted(seen, tenth, np.array(1.0))
    after = learnt(after, read(first + 3.0 * tenth, exact), NO_LEAK)
    assert after.log[0] == 0.0


def test_a_table_that_is_right_stays() -> None:
    curve = bled(1.0, 3)
    assert curve.log[0] == pytest.approx(0.0, abs=0.01)
    assert np.sqrt(curve.var[0]) < 0.2


def test_a_curve_that_is_known_is_not_learnt() -> None:
    known = unlearnt(CELLS, 0.0)
    seen = counted(learnt(known, read(LACKS_AH), NO_LEAK), LACKS_AH, np.array(1.0))
    assert learnt(seen, read(4.0 * LACKS_AH), NO_LEAK).log[0] == 0.0


def test_readings_that_change_where_nothing_was_bled_teach_nothing() -> None:
    seen = learnt(unlearnt(CELLS, 0.7), read(LACKS_AH), NO_LEAK)
    for same_ah in (0.0, 3.0):  # nothing; and as much from every cell, which changes no difference
        idle = counted(seen, np.full(CELLS, same_ah), np.array(24.0))
        after = learnt(idle, read(LACKS_AH[::-1]), NO_LEAK)
        assert after.log[0] == 0.0
        assert after.var[0] == seen.var[0]
        # and the next experiment begins with what was read last
        assert np.array_equal(after.seen_ah, LACKS_AH[::-1])
        assert not after.bled_ah.any()


def test_what_noise_or_leaks_may_have_done_is_no_experiment_yet() -> None:
    little = 0.1 * (LACKS_AH.max() - LACKS_AH)
    seen = counted(learnt(unlearnt(CELLS, 0.7), read(LACKS_AH), NO_LEAK), little, np.array(1.0))
    noisy = learnt(seen, read(LACKS_AH + 3.0 * little), NO_LEAK)
    assert noisy.log[0] == 0.0
    assert np.array_equal(noisy.bled_ah, little)
    half = 0.5 * (LACKS_AH.max() - LACKS_AH)
    days = counted(seen, half - little, np.array(999.0))
    assert learnt(days, read(LACKS_AH + 3.0 * half), NO_LEAK).log[0] > 0.5
    assert learnt(days, read(LACKS_AH + 3.0 * half), NO_LEAK + 1e-3**2).log[0] == 0.0


def test_an_offset_that_is_in_both_looks_hides_no_change() -> None:
    """But one that is worth more charge in the one than in the other does."""
    bled_ah = LACKS_AH.max() - LACKS_AH
    logs = []
    for var in (0.05, 0.0005):
        seen = learnt(unlearnt(CELLS, 0.7), read(0.3 * LACKS_AH, 0.05), NO_LEAK)
        after = counted(seen, bled_ah, np.array(1.0))
        after = learnt(after, read(0.3 * LACKS_AH + 3.0 * bled_ah, var), NO_LEAK)
        logs.append(float(after.log[0]))
    assert logs[0] == pytest.approx(np.log(3.0), abs=0.2)
    assert logs[1] == 0.0


def test_a_look_that_tells_nothing_changes_nothing() -> None:
    seen = counted(
        learnt(unlearnt(CELLS, 0.7), read(LACKS_AH), NO_LEAK), LACKS_AH[::-1], np.array(9.0)
    )
    blind = Look(np.full(CELLS, np.nan), np.full(CELLS, np.inf), np.zeros(CELLS, np.bool_))
    after = learnt(seen, blind, NO_LEAK)
    assert all(np.array_equal(a, b) for a, b in zip(seen, after, strict=True))


def test_what_was_bled_since_a_look_is_not_rescaled_with_it() -> None:
    bled_ah = np.where(np.arange(CELLS) == 4, 0.4, 0.0)
    seen = looked(unknown(CELLS, 2.0, 0.1, 1e-3), read(LACKS_AH))
    third = rescaled(passed(seen, bled_ah, np.array(5.0)), np.array([1.0 / 3.0]))
    assert np.allclose(gone(third), bled_ah)
    assert np.allclose(third.lacks_ah - bled_ah, seen.lacks_ah / 3.0)
    assert np.allclose(third.look_var, seen.look_var / 9.0)


def test_a_change_that_the_curve_explains_is_not_blamed_on_bleeds_or_leaks() -> None:
    bled_ah = np.where(np.arange(CELLS) == 2, 0.5, 0.0)
    seen = passed(looked(unknown(CELLS, 2.0, 0.1, 1e-3), read(LACKS_AH)), bled_ah, np.array(24.0))
    thrice = read(LACKS_AH + 3.0 * bled_ah)
    sure, unsure = looked(seen, thrice), looked(seen, thrice, np.array([0.5]))
    assert sure.scale[2] > 0.5
    assert sure.leak_a[2] > 10.0 * unsure.leak_a[2]
    assert unsure.scale[2] < 0.1


# --- the strategy ------------------------------------------------------------------------------


def observe(cell_v: Floats, time_s: float) -> Observation:
    """Return what a board was given at rest, or at the end of a charge."""
    return Observation(
        time_s=np.array(time_s),
        cell_v=cell_v,
        current_a=np.array(0.0),
        ntc_degc=np.full(4, 25.0),
        pcb_degc=np.array(30.0),
        age_s=np.array(0.1),
        valid=np.ones(CELLS, np.bool_),
    )


def test_a_part_of_a_first_look_is_bled_and_then_another_is_asked_for() -> None:
    strategy = SelfProving()
    state, _ = strategy.step(strategy.initial(CELLS), observe(TOP_V, 0.0))
    told_ah = state.belief.lacks_ah.max() - state.belief.lacks_ah
    for k in range(1, 900):
        state, decision = strategy.step(state, observe(PLATEAU_V, 120.0 * k))
    assert not decision.duty.any()
    bled_ah = state.curve.bled_ah
    assert np.all(bled_ah <= 0.5 * told_ah + 0.01)
    assert bled_ah[2] > 0.2 * told_ah[2]


def test_a_second_look_corrects_what_was_believed_since_the_first() -> None:
    """Readings are thrice the charge: first what they are worth is learnt, then they are used."""
    bled_ah = 1.5 * (LACKS_AH.max() - LACKS_AH)
    state = _seen(SelfProving().initial(CELLS), read(3.0 * LACKS_AH))
    state = state._replace(
        belief=passed(state.belief, bled_ah, np.array(24.0)),
        curve=counted(state.curve, bled_ah, np.array(24.0)),
    )
    truth_ah = LACKS_AH + bled_ah
    for var in (VAR, 100.0 * VAR):  # seen well; and so badly that only the old look is corrected
        after = _seen(state, read(3.0 * truth_ah, var)).belief.lacks_ah
        assert np.allclose(after - after.mean(), truth_ah - truth_ah.mean(), atol=0.1)


def test_where_a_large_part_waits_for_a_look_one_is_asked_for() -> None:
    low_v = TOP_V - np.where(np.arange(CELLS) == 3, 0.06, 0.0)
    asked = []
    for ratio in (0.7, 0.0):
        strategy = SelfProving(curve_ratio=ratio)
        state, _ = strategy.step(strategy.initial(CELLS), observe(low_v, 0.0))
        for k in range(1, 1200):
            state, decision = strategy.step(state, observe(PLATEAU_V, 120.0 * k))
        assert ratio == 0.0 or not decision.duty.any()
        asked.append(bool(decision.wants_full))
    assert asked == [True, False]
