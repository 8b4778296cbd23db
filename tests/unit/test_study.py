"""Studies of many packs: schedules as data, and what must hold of any run of them."""

import numpy as np
import pytest

from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.none import NoBalancing
from hil.balancing.strategy import AnyStrategy, Decision
from hil.physics.batch import EVERY_SECOND, Batch, Cut
from hil.physics.boards import Boards, Readings
from hil.physics.legs import CHARGED_AS, DISCHARGED_AS
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.stack import Floats
from hil.profile.designs import load_board
from hil.profile.load import load_cell
from hil.study.packs import Studied, observe, run, truth_of
from hil.study.schedule import Phase, Schedule

HOUR_S = 3600.0
SPREAD = PackSpread(capacity_ratio=0.01, soc_ratio=0.02)
DAILY = Schedule.of_phases(
    [Phase(4 * HOUR_S, -25.0), Phase(2 * HOUR_S, 0.0), Phase(2 * HOUR_S, 30.0)], HOUR_S
)


def packs_of(packs: int, board: str = "standard-100mA", degc: float = 25.0) -> tuple[Batch, Boards]:
    pack = PackParameters(
        16, load_cell("lfp-100ah"), SPREAD, soc_ratio=0.8, initial_temperature_degc=degc
    )
    batch = Batch(pack, range(packs))
    return batch, Boards(load_board(board), batch)


def studied(
    strategy: AnyStrategy, hours: float, packs: int = 4, threads: int = 1, cut: Cut = EVERY_SECOND
) -> tuple[Batch, Studied[Floats]]:
    batch, boards = packs_of(packs)

    def spread(batch: Batch, _boards: Boards, _decision: Decision) -> Floats:
        soc = batch.truth().soc
        apart: Floats = np.ptp(soc, axis=1)
        return apart

    span_s = hours * HOUR_S
    options = {"look": spread, "look_every_s": HOUR_S, "cut": cut, "threads": threads}
    return batch, run(batch, boards, strategy, DAILY, span_s, **options)  # type: ignore[arg-type]


# --- schedules -----------------------------------------------------------------------------------


def test_a_leg_inside_of_a_row_is_asked_for_that_row_whichever_lap_it_is() -> None:
    schedule = Schedule(60.0, np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0]))
    for lap in range(3):
        demand, ambient_degc = schedule.at(lap * 360.0 + 60.0 + 45.0, 15.0)
        assert (float(demand), float(ambient_degc)) == (2.0, 20.0)


def test_a_leg_over_whole_rows_is_asked_for_their_mean_of_every_pack() -> None:
    demand = np.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
    wanted, ambient_degc = Schedule(60.0, demand).at(60.0, 120.0)
    assert wanted.tolist() == [4.0, 40.0]
    assert float(ambient_degc) == 25.0


def test_phases_become_rows() -> None:
    assert DAILY.demand.tolist() == [-25.0] * 4 + [0.0] * 2 + [30.0] * 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Schedule(0.0, np.ones(2)), "step_s 0.0"),
        (lambda: Schedule(1.0, np.array([np.nan])), "demand: expected finite"),
        (lambda: Schedule(1.0, np.array([])), "demand: expected finite"),
        (lambda: Schedule(1.0, np.ones(2), kind="heat"), "kind 'heat'"),  # type: ignore[arg-type]
        (lambda: Schedule.of_phases([Phase(90.0, 1.0)], 60.0), "a phase of 90 s"),
        (lambda: DAILY.at(1800.0, 3600.0), "a leg of 3600 s from 1800 s"),
        (lambda: DAILY.at(0.0, 5400.0), "rows of 3600 s"),
        (lambda: studied(NoBalancing(), 1.01), "a study of 3636 s"),
        (lambda: studied(NoBalancing(), 1.0, threads=0), "threads 0"),
        (lambda: studied(NoBalancing(), 1.0, packs=2, threads=3), "1 to 2, the number of packs"),
        (lambda: packs_of(1, "reference-32s"), "a board of 32 cells on packs of 16"),
    ],
)
def test_what_makes_no_study_is_refused_in_one_line(wrong: object, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        wrong()  # type: ignore[operator]
    assert "\n" not in str(refused.value)


# --- runs ----------------------------------------------------------------------------------------


def test_threads_change_nothing() -> None:
    strategy = FixedThreshold(start_v=0.02, stop_v=0.01)
    alone, shared = (studied(strategy, 8.0, 5, threads) for threads in (1, 2))
    for one, other in zip(alone[1].truth, shared[1].truth, strict=True):
        assert (one == other).all()
    assert np.array_equal(alone[1].seen, shared[1].seen)
    assert alone[1].at_s == shared[1].at_s == tuple(HOUR_S * hour for hour in range(9))


@pytest.mark.parametrize("cut", [EVERY_SECOND, Cut()])
def test_every_ampere_hour_of_a_study_is_accounted_for(cut: Cut) -> None:
    """What left cells is what left at the terminals, through boards, and by self-discharge."""
    batch, boards = packs_of(3, "humid")
    before = batch.truth()
    strategy = FixedThreshold(start_v=0.01, stop_v=0.005)
    result = run(
        batch, boards, strategy, DAILY, 8 * HOUR_S, look=truth_of, look_every_s=HOUR_S, cut=cut
    )
    truth = result.truth
    lost_ah = (before.soc - truth.soc) * truth.capacity_ah
    through_ah = (batch.sums[:, DISCHARGED_AS] - batch.sums[:, CHARGED_AS]) / 3600.0
    leaked_ah = batch.leaked_as / 3600.0
    drawn_ah = truth.bled_ah + leaked_ah + through_ah[:, np.newaxis]
    assert lost_ah == pytest.approx(drawn_ah, abs=1e-9)
    assert truth.bled_ah.max() > 0.1
    assert truth.bled_ah.min() > 5e-6  # inputs and leaks draw from every cell


def test_balancing_brings_cells_together_and_none_leaves_them() -> None:
    _, left = studied(NoBalancing(), 48.0, cut=Cut())
    _, balanced = studied(FixedThreshold(start_v=0.02, stop_v=0.01), 48.0, cut=Cut())
    assert (balanced.seen[-1] < 0.9 * left.seen[-1]).all()
    assert left.truth.bled_ah.max() < 0.01 * balanced.truth.bled_ah.max()


def test_heat_derates_and_pauses_bleeds() -> None:
    shares = {}
    for degc in (25.0, 70.0, 90.0):
        batch, boards = packs_of(2, "ntc-sensed", degc)
        boards.after_leg(batch, 60.0)
        boards.order(np.ones((2, 16)))
        shares[degc] = boards.conductances(batch).mean() * 16.5
    assert shares[25.0] > 0.8
    assert 0.0 < shares[70.0] < 0.9 * shares[25.0]
    assert shares[90.0] < 1e-3


def test_an_empty_cell_is_not_bled_until_it_has_recovered() -> None:
    batch, boards = packs_of(1)
    asked = np.ones((1, 16))
    for volt, bleeds in ((3.3, True), (2.4, False), (2.7, False), (2.95, True)):
        batch.seen_v[:, 5] = volt
        boards.read(batch)
        boards.order(asked)
        conductance = boards.conductances(batch)[0]
        assert bool(conductance[5] > 1e-3) is bleeds
        assert (np.delete(conductance, 5) > 1e-3).all()


def test_a_board_with_comparators_of_its_own_decides_by_what_those_see() -> None:
    batch, boards = packs_of(2, "separate-trigger", 55.0)
    readings = boards.read(batch)
    seen = observe(batch, readings, FixedThreshold())
    assert (seen.cell_v == readings.trigger_v).all()
    apart_v = np.abs(readings.trigger_v - readings.cell_v)
    assert 1e-4 < apart_v.max() < 30e-3


def test_two_boards_of_one_batch_are_two_boards() -> None:
    batch, boards = packs_of(2)
    first, second = (Readings(*(row[p] for row in boards.read(batch))) for p in range(2))
    assert (first.cell_v != second.cell_v).any()
    again = boards.read(batch, boards.cycle_at(batch.time_s) + 1)
    assert (again.cell_v[0] != first.cell_v).any()
