"""What is learnt of leaks from made visits to the top: no more than is certain, and no noise."""

from typing import Any

import numpy as np
import pytest

from hil.balancing.charge_ledger import ChargeLedger
from hil.balancing.leaks import arrhenius
from hil.balancing.lfp import HALF_LOOP_V, OCV_V, SOC
from hil.balancing.strategy import Bools, Floats, Observation

CELLS = 8
STEP_S = 1800.0
BETWEEN_DAYS = 10
LEAKS_A = np.array([1.0, 1.2, 0.9, 1.5, 1.1, 1.0, 0.8, 1.3]) * 1e-3
BAD = 3
BAD_LEAKS_A = np.where(np.arange(CELLS) == BAD, 5e-3, LEAKS_A)


def top_v(lacks_ah: Floats) -> Floats:
    """Return the voltage of cells of 100 Ah at rest after a charge."""
    volts: Floats = np.interp(1.0 - lacks_ah / 100.0, SOC, OCV_V + HALF_LOOP_V)
    return volts


def months(
    visits: int,
    leaks_a: Floats,
    noise_v: float = 0.0,
    degc: float = 25.0,
    given: float | None = None,
    **parameters: Any,
) -> tuple[Floats, Floats, Any, Bools]:
    """Return charge to full and bled Ah at the end, the state, and if ever one too poor bled.

    Every ten days a charge brings the fullest cell to 99.7 %, read with offsets of up to
    ``noise_v`` that are others at each visit; in between nothing is to be seen. ``given``: what a
    layer leaves of every bleed.
    """
    random = np.random.Generator(np.random.PCG64(7))
    strategy = ChargeLedger(every_ns=round(STEP_S * 1e9), **parameters)
    state = strategy.initial(CELLS)
    lacks_ah, bled_ah = np.linspace(0.3, 0.8, CELLS), np.zeros(CELLS)
    wrong = np.zeros(CELLS, np.bool_)
    a_visit = round(BETWEEN_DAYS * 86400.0 / STEP_S)
    for k in range((visits - 1) * a_visit + 1):
        cell_v = np.full(CELLS, 3.31)
        if k % a_visit == 0:
            lacks_ah = lacks_ah - lacks_ah.min() + 0.3  # cells in series are charged alike
            cell_v = top_v(lacks_ah) + random.uniform(-noise_v, noise_v, CELLS)
        seen = Observation(
            time_s=np.array(k * STEP_S),
            cell_v=cell_v,
            current_a=np.array(0.0),
            ntc_degc=np.full(4, degc),
            pcb_degc=np.array(30.0),
            age_s=np.array(0.1),
            valid=np.ones(CELLS, np.bool_),
        )
        state, decision = strategy.step(state, seen)
        flows = decision.duty
        if given is not None:
            flows = given * flows
            state = strategy.given(state, np.full(CELLS, given))
        spare_ah = lacks_ah.max() - lacks_ah
        wrong |= (flows > 0.0) & (spare_ah < 0.2)
        out_ah = flows * cell_v / 68.12 * STEP_S / 3600.0
        leaked_ah = leaks_a * arrhenius(np.array(degc), 50e3) * STEP_S / 3600.0
        lacks_ah, bled_ah = lacks_ah + out_ah + leaked_ah, bled_ah + out_ah
    return lacks_ah, bled_ah, state, wrong


def lead_a(state: Any) -> Floats:
    """Return what was learnt."""
    learnt: Floats = state.leaks.lead_a
    return learnt


@pytest.mark.parametrize("degc", [25.0, 45.0])
@pytest.mark.parametrize("given", [None, 0.5])
def test_a_known_leak_is_learnt_and_bled_before_the_next_visit(
    degc: float, given: float | None
) -> None:
    exact: dict[str, Any] = {"board_error_v": 0.0005, "degc": degc, "given": given}
    # as much leaks either way: more would leave the slope between two visits
    leaks_a = BAD_LEAKS_A / arrhenius(np.array(degc), 50e3)
    off_ah, *_ = months(7, leaks_a, **exact)
    on_ah, bled_ah, state, wrong = months(7, leaks_a, **exact, learns_leaks=True)
    true_a = leaks_a[BAD] - leaks_a
    others = np.arange(CELLS) != BAD
    # as seen at 25 degC, whatever the pack is at; the bleeding is counted within 5 %
    assert np.all(lead_a(state) <= true_a + 1e-9)
    assert np.all(lead_a(state)[others] > 0.8 * true_a[others])
    assert np.ptp(on_ah) < 0.5 * np.ptp(off_ah)
    assert bled_ah[BAD] < 0.1  # of what it had at the start
    assert not wrong.any()


@pytest.mark.parametrize("error_v", [0.002, 0.010])
def test_the_noise_of_a_board_is_not_taken_for_a_leak(error_v: float) -> None:
    alike = np.full(CELLS, 1e-3)
    _, _, state, wrong = months(7, alike, noise_v=error_v, board_error_v=error_v, learns_leaks=True)
    assert np.all(lead_a(state) == 0.0)
    assert not wrong.any()


@pytest.mark.parametrize("error_v", [0.002, 0.010])
def test_with_noise_no_more_is_learnt_than_leaks(error_v: float) -> None:
    noisy = {"noise_v": error_v, "board_error_v": error_v, "learns_leaks": True}
    few, many = (months(visits, BAD_LEAKS_A, **noisy) for visits in (3, 9))
    true_a = BAD_LEAKS_A[BAD] - BAD_LEAKS_A
    assert np.all(lead_a(many[2]) <= true_a)
    # the error is the same, over more time
    assert lead_a(many[2]).sum() > lead_a(few[2]).sum()
    assert lead_a(many[2])[6] > 0.4 * true_a[6]
    assert not many[3].any()


def test_what_leaked_beyond_the_slope_counts_as_far_as_the_slope_reaches() -> None:
    leaks_a = 3.0 * BAD_LEAKS_A  # 3.6 Ah between two visits, and 2 Ah can be told
    believes: dict[str, Any] = {"learns_leaks": True, "most_leak_per_h": 1e-3}
    _, _, few, _ = months(3, leaks_a, **believes)
    _, _, many, wrong = months(7, leaks_a, **believes)
    true_a = leaks_a[BAD] - leaks_a
    assert np.all(lead_a(many) <= true_a + 1e-9)
    assert lead_a(many)[6] > 1.2 * lead_a(few)[6] > 0.0
    assert not wrong.any()


def test_what_is_learnt_is_bounded_and_off_learns_nothing() -> None:
    *_, state, _ = months(4, BAD_LEAKS_A, learns_leaks=True, most_leak_per_h=1e-5)
    assert lead_a(state).max() == pytest.approx(1e-3)
    *_, state, _ = months(4, BAD_LEAKS_A)
    assert not lead_a(state).any()


def test_a_leak_is_bled_as_fast_as_the_pack_is_warm_and_not_where_that_is_unknown() -> None:
    strategy = ChargeLedger(learns_leaks=True)
    state = strategy.initial(CELLS)
    leads = np.full(CELLS, 1e-3)
    state = state._replace(
        at_s=np.array(0.0),
        anchored_s=np.array(0.0),
        visited_s=np.array(0.0),
        leaks=state.leaks._replace(lead_a=leads, aged_s=np.array(0.0)),
    )
    seen = Observation(
        time_s=np.array(36000.0),
        cell_v=np.full(CELLS, 3.31),
        current_a=np.array(0.0),
        ntc_degc=np.full(4, 25.0),
        pcb_degc=np.array(30.0),
        age_s=np.array(0.1),
        valid=np.ones(CELLS, np.bool_),
    )
    grown = {
        degc: strategy.step(state, seen._replace(ntc_degc=np.full(4, degc)))[0]
        for degc in (25.0, 35.0, np.nan)
    }
    assert grown[25.0].spare_ah == pytest.approx(0.01)
    # design/physics.md: 1.9 times as fast for ten degrees more
    assert grown[35.0].spare_ah == pytest.approx(0.019, rel=0.03)
    unknown = grown[np.nan]
    assert not unknown.spare_ah.any()
    assert np.isnan(unknown.leaks.aged_s)
    stale, _ = strategy.step(state, seen._replace(time_s=np.array(31 * 86400.0)))
    assert not stale.spare_ah.any()
