"""The metrics of a study's packs: those of a bench run of the same series, and what they must be.

The batch and its boards are played back from drawn series, so that each figure has a second, slow
way to it: a bench run whose ticks are the legs, or plain loops over cells.
"""

import math
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hil.balancing.strategy import Decision
from hil.core.instants import HOUR, MINUTE
from hil.core.records import RunStarted, StepStarted
from hil.core.signals import tick_layout
from hil.physics.legs import CHARGED_AS, DISCHARGED_AS, HIGHEST_V, LOWEST_V, SUMS
from hil.study.tally import Tally
from hil.verdict.metrics import METRICS, Metrics
from hil.verdict.registry import OF_RUNS

PACKS, CELLS, LEGS, LEG_S = 2, 5, 1500, 120.0
TRIGGER_OFF_V = 0.004 * np.arange(CELLS)
"""What comparators take each cell for, above what the ADC reads."""
LAYOUT = tick_layout(CELLS, 2)
Floats = NDArray[np.float64]


class Series:
    """Packs over time: arrays (legs + 1, packs, cells) at the ends of legs, the first at the start.

    ``duty`` and ``bled_ah`` (legs, packs, cells) are of the legs, ``current_a`` (legs + 1, packs).
    """

    def __init__(self, seed: int) -> None:
        """Draw walks, currents that hold for a while, and bleeds that come, go, and flutter."""
        draw = np.random.default_rng(seed)
        shape = (LEGS + 1, PACKS, CELLS)
        self.capacity_ah = draw.normal(100.0, 0.2, (PACKS, CELLS))
        apart = draw.normal(0.0, 0.01, (PACKS, CELLS))
        apart[:, 0] += 0.03
        closer = np.linspace(1.0, 0.1, LEGS + 1)[:, np.newaxis, np.newaxis]
        self.soc = 0.5 + apart * closer + draw.normal(0.0, 2e-5, shape).cumsum(axis=0)
        self.cell_v = (
            3.25 + 3.0 * (self.soc - 0.5) + draw.choice([-0.2, 0.0, 0.2], (LEGS + 1, PACKS, 1))
        )
        self.measured_v = self.cell_v + draw.normal(0.0, 0.002, shape)
        self.degc = 25.0 + draw.normal(0.0, 2.0, shape)
        self.pcb_degc = 30.0 + draw.normal(0.0, 5.0, (LEGS + 1, PACKS))
        held = draw.choice([-20.0, -3.0, 0.0, 0.0, 30.0], (LEGS // 40 + 1, PACKS))
        self.current_a = np.repeat(held, 40, axis=0)[: LEGS + 1]
        calm = np.repeat(draw.random((LEGS // 50, PACKS, CELLS)) < 0.3, 50, axis=0)
        pace = draw.choice([1, 2, 4, 5, 6, 11], (LEGS // 50, PACKS, CELLS))
        flutter = np.arange(LEGS)[:, None, None] // np.repeat(pace, 50, axis=0) % 2 == 0
        fluttering = np.repeat(draw.random((LEGS // 50, PACKS, CELLS)) < 0.5, 50, axis=0)
        on = calm & (flutter | ~fluttering)
        on[:800, :, 0] = False  # the fullest is left alone for more than a day
        self.duty = on * draw.choice([0.25, 1.0], (LEGS, PACKS, CELLS))  # changes are no edges
        self.bled_ah = 0.1 * self.duty * LEG_S / 3600.0

    def tally(self, charge_ended: Any = None) -> dict[str, Floats]:
        """Let a tally see all legs."""
        batch, boards = SimpleNamespace(), SimpleNamespace()
        sums = np.zeros((PACKS, SUMS))
        sums[:, HIGHEST_V], sums[:, LOWEST_V] = -math.inf, math.inf
        batch.sums, batch.bled_as = sums, np.zeros((PACKS, CELLS))
        batch.moved_as = np.zeros((PACKS, CELLS))
        carried_as = np.array([5.0, -4.0, *([0.0] * (CELLS - 2))])  # one gives, one gets less

        def stand(k: int) -> None:
            batch.soc, batch.capacity_ah = self.soc[k], self.capacity_ah
            batch.seen_v, batch.cell_degc = self.cell_v[k].copy(), self.degc[k].copy()
            batch.current_a = self.current_a[k].copy()
            batch.charge_ended = (
                np.zeros(PACKS, np.bool_) if charge_ended is None else charge_ended(k)
            )
            boards.hot_degc = self.degc[k] + 40.0
            boards.front_degc = self.pcb_degc[k] + 1.0
            measured_v, pcb_degc = self.measured_v[k], self.pcb_degc[k]
            readings = SimpleNamespace(
                cell_v=measured_v, trigger_v=measured_v + TRIGGER_OFF_V, pcb_degc=pcb_degc
            )
            boards.readings = lambda: readings

        stand(0)
        # all that a tally reads of them
        tally = Tally(batch, boards)  # type: ignore[arg-type]
        for k in range(LEGS):
            boards.duty = self.duty[k]
            batch.bled_as = batch.bled_as + 3600.0 * self.bled_ah[k]
            batch.moved_as, boards.transfer = batch.moved_as + carried_as, True
            flow_a = self.current_a[k + 1]
            sums[:, DISCHARGED_AS] += np.maximum(flow_a, 0.0) * LEG_S
            sums[:, CHARGED_AS] += np.maximum(-flow_a, 0.0) * LEG_S
            stand(k + 1)
            sums[:, HIGHEST_V] = np.maximum(sums[:, HIGHEST_V], batch.seen_v.max(axis=1))
            sums[:, LOWEST_V] = np.minimum(sums[:, LOWEST_V], batch.seen_v.min(axis=1))
            tally.leg(batch, boards, Decision(self.duty[k]), LEG_S)  # type: ignore[arg-type]
        return tally.values()

    def on_bench(self, pack: int, soc: Floats) -> dict[str, float]:
        """Return the metrics of a bench run with one tick a leg; ``soc`` (legs, cells) is told."""
        signals = tuple((s.name, s.unit, s.width) for s in LAYOUT.signals)
        constants = {"plant.capacity_ah": tuple(self.capacity_ah[pack].tolist())}
        metrics = Metrics()
        metrics.feed(RunStarted(0, "p", "b", 1, 2 * MINUTE, "", signals, constants))
        metrics.feed(StepStarted(0, 0, "1.follow", ""))
        rows = np.zeros((LEGS, LAYOUT.width))
        for name, values in {
            "plant.soc": soc,
            "plant.cell_v": self.cell_v[1:, pack],
            "plant.cell_degc": self.degc[1:, pack],
            "emulator.read_v": 0.5 * (self.cell_v[1:, pack] + self.cell_v[:-1, pack]),
            "emulator.read_a": self.bled_ah[:, pack] * 3600.0 / LEG_S,
            "board.cell_v": self.measured_v[1:, pack],
            "board.duty": self.duty[:, pack],
            "board.pcb_degc": self.pcb_degc[1:, pack, np.newaxis],
            "pack.current_a": self.current_a[1:, pack, np.newaxis],
        }.items():
            rows[:, LAYOUT.columns(name)] = values
        metrics.feed_rows(2 * MINUTE * np.arange(1, LEGS + 1), rows)
        return {name: one.value for name, one in metrics.result().items()}


BY_START = {"useful_share", "wrong_cell_share", "false_triggers", "missed_triggers"}
"""A study judges a bleed by the need at its leg's start: the bench is told that one for these."""
NOT_IN_BOTH = {"shadow_disagreement"} | METRICS.keys() - OF_RUNS.keys()


@pytest.mark.parametrize("seed", range(4))
def test_a_study_and_a_bench_run_of_one_series_come_to_the_same(seed: int) -> None:
    series = Series(seed)
    found = series.tally()
    for pack in range(PACKS):
        at_end = series.on_bench(pack, series.soc[1:, pack])
        at_start = series.on_bench(pack, series.soc[:-1, pack])
        for name in METRICS.keys() - NOT_IN_BOTH:
            bench = at_start[name] if name in BY_START else at_end[name]
            study = float(found[name][pack])
            both_never = math.isnan(bench) and math.isnan(study)
            assert both_never or math.isclose(bench, study, rel_tol=1e-9, abs_tol=1e-12), name


def test_the_series_have_what_the_metrics_are_about() -> None:
    """Nothing above compares a zero with a zero only, or two that were never read."""
    found = Series(3).tally()
    assert {
        name for name, value in found.items() if not (np.nan_to_num(value) != 0.0).any()
    } == set()
    assert found.keys() == METRICS.keys() - {"shadow_disagreement"}


def test_what_a_balancer_takes_and_gives_to_none_is_lost() -> None:
    series = Series(4)
    series.cell_v[:] = 3.3
    lost_wh = series.tally()["transfer_loss"]
    assert lost_wh == pytest.approx(LEGS * (5.0 - 4.0) * 3.3 / 3600.0)


def oscillating(duty: Floats) -> float:
    """Return for how many legs one cell's bleed (legs,) oscillates: stretches, the slow way."""
    on = [False, *(duty > 0.0).tolist()]
    edges = [k for k in range(len(duty)) if on[k + 1] != on[k]]

    def goes_on(k: int) -> bool:
        seen = [edge for edge in edges if edge <= k]
        return len(seen) > 1 and (k + 1 - seen[-2]) * LEG_S < 20 * 60

    runs = [len(list(run)) for going, run in groupby(map(goes_on, range(len(duty)))) if going]
    return sum(run for run in runs if run * LEG_S >= 3600)


def test_oscillation_is_more_than_six_edges_an_hour_for_an_hour() -> None:
    series = Series(11)
    slow = [
        sum(oscillating(series.duty[:, pack, cell]) for cell in range(CELLS))
        for pack in range(PACKS)
    ]
    assert series.tally()["oscillation"] * LEGS * CELLS == pytest.approx(slow)
    assert min(slow) > 0


@pytest.mark.parametrize(
    ("period_legs", "share"),
    [(2, 1.0), (9, 1.0), (10, 0.0), (15, 0.0)],  # 4, 18, 20 and 30 minutes
)
def test_a_bleed_of_a_steady_period_oscillates_up_to_twenty_minutes(
    period_legs: int, share: float
) -> None:
    series = Series(1)
    k = np.arange(LEGS)[:, None, None]
    series.duty = np.broadcast_to(k % period_legs < 1, series.duty.shape).astype(float)
    assert series.tally()["oscillation"] == pytest.approx(share, abs=0.01)


def test_a_burst_at_a_knee_and_a_board_that_regulates_are_no_oscillation() -> None:
    series = Series(1)
    k = np.arange(LEGS)[:, None, None]
    burst = (k % 200 < 15) & (k % 2 == 0)  # half an hour, every seven hours
    series.duty = np.broadcast_to(burst, series.duty.shape).astype(float)
    assert (series.tally()["oscillation"] == 0.0).all()
    series.duty = np.broadcast_to(np.where(k % 2, 0.3, 1.0), series.duty.shape)
    found = series.tally()
    assert (found["oscillation"] == 0.0).all()
    assert found["switch_cycles"] * LEGS * LEG_S / 86400.0 == pytest.approx(CELLS)


def test_a_charge_that_its_taper_ended_is_read_where_it_last_flowed() -> None:
    series = Series(5)
    series.current_a[:] = 0.0
    series.current_a[40:60] = -8.0  # above C/20 at every end of a leg
    series.cell_v[:] = np.linspace(3.30, 3.33, CELLS)
    series.cell_v[40:60] = np.linspace(3.41, 3.50, CELLS)
    series.cell_v[59] = np.linspace(3.41, 3.48, CELLS)
    assert np.isnan(series.tally()["gap_end_of_charge"]).all()
    ended = series.tally(lambda k: np.array([k >= 60, False]))
    assert ended["gap_end_of_charge"] == pytest.approx([0.07, math.nan], nan_ok=True)
    assert ended["largest_gap_in_charge"] == pytest.approx(0.09)


def test_balancing_takes_until_the_spread_stays_below_one_percent() -> None:
    series = Series(2)
    series.capacity_ah[:] = 100.0
    apart = np.full((LEGS + 1, PACKS), 0.05)
    apart[600:] = 0.009
    apart[700:710, 1] = 0.011  # the second comes apart once more
    series.soc = 0.5 + apart[:, :, None] * np.linspace(0.0, 1.0, CELLS)
    found = series.tally()
    assert found["balance_time"] == pytest.approx([600 * LEG_S / 3600, 710 * LEG_S / 3600])
    series.soc[-1, 0] = 0.5 + 0.02 * np.linspace(0.0, 1.0, CELLS)
    assert np.isnan(series.tally()["balance_time"]).tolist() == [True, False]
    series.soc = 0.5 + 0.005 * np.broadcast_to(np.linspace(0.0, 1.0, CELLS), series.soc.shape)
    assert np.isnan(series.tally()["balance_time"]).all()


def test_a_bleed_that_ends_a_need_was_right_to_its_end() -> None:
    """Ordered at 0.21 % to give and ended at 0.19 %: never wrong, and nothing false."""
    series = Series(2)
    series.capacity_ah[:] = 100.0
    series.soc = np.full_like(series.soc, 0.5)
    series.soc[:, :, 2] += 0.0019
    series.soc[0, :, 2] = 0.5021
    series.duty[:] = 0.0
    series.duty[0, :, 2] = 1.0
    found = series.tally()
    assert (found["wrong_cell_share"] == 0.0).all()
    assert (found["false_triggers"] == 0.0).all()
    series.duty[1, :, 2] = 1.0
    assert series.tally()["wrong_cell_share"] == pytest.approx(0.5)


def test_how_unlike_cells_are_misread_is_that_of_the_trigger_and_the_largest_of_all_legs() -> None:
    series = Series(5)
    found = series.tally()
    wrong_v = series.measured_v[1:] + TRIGGER_OFF_V - series.cell_v[1:]
    expected_v = np.max([wrong_v.max(axis=2) - wrong_v.min(axis=2)], axis=1)[0]
    assert found["misreading_spread"] == pytest.approx(expected_v)
    assert found["misreading_spread"] == pytest.approx(wrong_v[:, :, 4].max(), rel=0.5)
    assert found["peak_front_end_temperature"] == pytest.approx(series.pcb_degc.max(axis=0) + 1.0)


def test_a_tally_of_nothing_says_so() -> None:
    assert HOUR == 30 * 2 * MINUTE
    with pytest.raises(ValueError, match="before its first leg"):
        Tally.values(SimpleNamespace(_elapsed_s=0.0))  # type: ignore[arg-type]
