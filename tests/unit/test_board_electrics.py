"""Bleeds that draw no current, and readings taken under bleed: found, and on no healthy board."""

import math
from dataclasses import replace

import numpy as np
import pytest
from watched import CELLS, Watched, names

from hil.balancing.strategy import Floats
from hil.core.signals import tick_layout
from hil.core.spec import Accuracy
from hil.ports import BoardFault
from hil.verdict.findings import Lead, Tolerances

LAYOUT = tick_layout(CELLS, 4)
BLEED_OHM = 68.0
LEAD_OHM = 0.060
LEAD = Lead(
    lead_ohm=(LEAD_OHM,) * (CELLS + 1),
    bleed_ohm=BLEED_OHM,
    steady_v=0.0005,
    floor_v=0.0014,
    samples=20,
)
TOLERANCES = Tolerances(
    reading_v=0.020, bleed_s=0.99 / BLEED_OHM, read_a=Accuracy(0.0002, 0.0005), lead=LEAD
)
NOISE_V = 0.0003


class Bench(Watched):
    """A board that bleeds as it is told, over leads that drop voltage."""

    def __init__(self, tolerances: Tolerances = TOLERANCES, seed: int = 1) -> None:
        """Draw errors of the readings, which stay."""
        super().__init__(tolerances, LAYOUT)
        self._draw = np.random.default_rng(seed)
        self._error_v = self._draw.uniform(-2.5e-3, 2.5e-3, CELLS)
        self.duty = [0.0] * CELLS
        self.cells_v = np.full(CELLS, 3.4)
        self.measures_while_bleeding = False
        self.late = False
        self._before_v = self.cells_v

    def bleed(self, *cells: int, duty: float = 1.0) -> None:
        """Let exactly these cells bleed, commanded and reported."""
        self.duty = [duty if k + 1 in cells else 0.0 for k in range(CELLS)]
        for name in ("command.duty", "board.duty"):
            self.put(name, self.duty)

    def live(self, ticks: int) -> list[tuple[str, str]]:
        """Let ticks pass with all that cells, leads and readings do; return what is new."""
        new = []
        for _ in range(ticks):
            currents_a = np.array(self.duty) * self.cells_v / BLEED_OHM
            read_v = self.cells_v + self._draw.normal(0.0, 5e-5, CELLS)
            measured_v = self._before_v if self.late else self.cells_v
            self._before_v = self.cells_v
            board_v = measured_v + self._error_v + self._draw.normal(0.0, NOISE_V, CELLS)
            if self.measures_while_bleeding:
                # what is on for a part of the cycle is off when the board samples, at its end
                sampled_a = np.where(np.array(self.duty) == 1.0, currents_a, 0.0)
                board_v += self._drop_v(sampled_a)
            self.put("emulator.read_v", read_v.tolist())
            self.put("board.cell_v", board_v.round(4).tolist())
            self.put("emulator.read_a", (0.99 * currents_a).tolist())
            new += names(self.run(1))
        return new

    @staticmethod
    def _drop_v(currents_a: Floats) -> Floats:
        """Return what bleed currents do to the readings: own leads down, neighbours' up."""
        flowing = np.concatenate([[0.0], currents_a, [0.0]])
        drop_v: Floats = LEAD_OHM * (flowing[:-2] - 2 * flowing[1:-1] + flowing[2:])
        return drop_v


# --- bleeds that draw no current -----------------------------------------------------------------


def test_a_bleed_that_draws_no_current_is_named_after_its_window() -> None:
    bench = Bench()
    bench.put("board.duty", [1.0 if k == 4 else 0.0 for k in range(CELLS)])
    bench.put("command.duty", [1.0 if k == 4 else 0.0 for k in range(CELLS)])
    assert bench.run(10) == []
    [deviation] = bench.run(10)
    assert (deviation.name, deviation.subject) == ("bleed-without-current", "cell[5].current")
    assert deviation.limit == pytest.approx(0.75 * 0.99 * 3.3 / BLEED_OHM)
    assert "reported duty 1.000 draws 0.0480 A, 0.0000 A flow" in deviation.situation


@pytest.mark.parametrize("share", [0.76, 1.0, 1.22])
def test_a_bleed_that_draws_most_of_its_current_is_one(share: float) -> None:
    bench = Bench()
    bench.bleed(5)
    bench.cell("emulator.read_a", 5, share * 3.3 / BLEED_OHM)
    assert bench.run(30) == []


def test_a_bleed_that_draws_more_than_its_duty_gives_is_named_after_its_window() -> None:
    """Reported for a third of the time, on for all of it: a timer that does not run out."""
    bench = Bench()
    bench.bleed(5, duty=0.35)
    bench.cell("emulator.read_a", 5, 0.35 * 3.3 / BLEED_OHM)
    assert bench.run(30) == []
    bench.cell("emulator.read_a", 5, 3.3 / BLEED_OHM)
    assert bench.run(10) == []
    [deviation] = bench.run(10)
    assert (deviation.name, deviation.subject) == ("bleed-beyond-duty", "cell[5].current")
    assert deviation.limit == pytest.approx(1.25 * 0.35 * 0.99 * 3.3 / BLEED_OHM)


def test_a_bleed_too_short_to_be_read_accuses_nobody() -> None:
    bench = Bench(replace(TOLERANCES, read_a=Accuracy(0.001)))
    bench.bleed(5, duty=0.02)  # 1 mA: three quarters of it are less than the read-back's error
    assert bench.run(30) == []


def test_a_cell_that_nobody_read_or_whose_lead_is_known_to_be_open_accuses_nobody() -> None:
    bench = Bench()
    bench.bleed(5)
    bench.cell("emulator.read_v", 5, math.nan)
    assert bench.run(30) == []
    bench.cell("emulator.read_v", 5, 3.3)
    bench.cell("emulator.read_a", 5, math.nan)
    assert bench.run(30) == []
    bench.cell("emulator.read_a", 5, 0.0)
    bench.faults = frozenset({BoardFault("open-wire", 6)})
    assert bench.run(30) == []


# --- readings taken under bleed ------------------------------------------------------------------


@pytest.mark.parametrize("cells", [(5,), (1,), (16,), (5, 6), (3, 9, 14)])
def test_a_board_that_does_not_mute_is_named_at_the_first_bleed(cells: tuple[int, ...]) -> None:
    bench = Bench()
    bench.measures_while_bleeding = True
    assert bench.live(40) == []
    bench.bleed(*cells)
    found = bench.live(30)
    named = {("measured-while-bleeding", f"cell[{cell}].voltage") for cell in cells}
    assert set(found) >= named
    assert {name for name, _ in found} == {"measured-while-bleeding"}


def test_a_board_that_stops_muting_under_bleed_is_named_when_the_bleed_ends() -> None:
    bench = Bench()
    bench.live(40)
    bench.bleed(5)
    assert bench.live(60) == []
    bench.measures_while_bleeding = True
    assert bench.live(100) == []
    bench.bleed()
    assert ("measured-while-bleeding", "cell[5].voltage") in bench.live(30)


def test_a_neighbour_that_bleeds_for_a_part_of_the_cycle_lifts_no_reading() -> None:
    bench = Bench()
    bench.measures_while_bleeding = True
    bench.live(40)
    bench.bleed(5)
    for name in ("command.duty", "board.duty"):
        bench.cell(name, 6, 0.3)
    bench.duty[5] = 0.3
    bench.live(30)
    [own] = [one for one in bench.seen if one.subject == "cell[5].voltage"]
    assert "-5.82 mV" in own.situation


def test_the_situation_gives_shift_and_drop() -> None:
    bench = Bench()
    bench.measures_while_bleeding = True
    bench.live(40)
    bench.bleed(5)
    bench.live(30)
    [deviation] = [one for one in bench.seen if one.subject == "cell[5].voltage"]
    assert deviation.value == pytest.approx(-2 * LEAD_OHM * 3.4 / BLEED_OHM, abs=4e-4)
    assert "their drop along the leads is -5.82 mV" in deviation.situation


@pytest.mark.parametrize("seed", range(40))
def test_a_board_that_mutes_is_never_accused(seed: int) -> None:
    """Ten minutes and more of changing bleeds on cells that charge, jump and drift."""
    bench = Bench(seed=seed)
    draw = np.random.default_rng(seed)
    for _ in range(12):
        bleeding = np.flatnonzero(draw.random(CELLS) < draw.choice([0.0, 0.2, 0.6])) + 1
        bench.bleed(*bleeding.tolist(), duty=float(draw.choice([0.3, 1.0, 1.0])))
        rate_v = float(draw.choice([0.0, 1e-4, 5e-4, 3e-3]))
        bench.cells_v = bench.cells_v + draw.normal(0.0, 0.02, CELLS)
        for _ in range(int(draw.integers(5, 60))):
            bench.cells_v = np.clip(bench.cells_v + rate_v, 3.0, 3.6)
            bench.live(1)
    assert bench.seen == []


@pytest.mark.parametrize("rate_v", [-0.004, 0.002, 0.004])
def test_a_reading_that_is_late_on_a_moving_cell_is_not_taken_for_a_drop(rate_v: float) -> None:
    """A bleed goes on just when the voltage begins to move, by as much in a tick as the drop."""
    bench = Bench()
    bench.late = True
    bench.live(40)
    bench.bleed(5)
    for _ in range(40):
        bench.cells_v = bench.cells_v + rate_v
        bench.live(1)
    assert bench.seen == []


def test_leads_too_short_to_tell_silence_the_rule() -> None:
    bench = Bench(replace(TOLERANCES, lead=replace(LEAD, floor_v=0.003)))
    bench.measures_while_bleeding = True
    bench.live(40)
    bench.bleed(5)
    assert bench.live(60) == []


def test_readings_that_are_old_or_not_at_rest_are_not_compared() -> None:
    """Of an error known from ten minutes ago nobody knows what it would be now."""
    bench = Bench()
    bench.live(40)
    bench.bleed(5)
    bench.measures_while_bleeding = True
    for k in range(700):  # never steady
        bench.cells_v = np.full(CELLS, 3.4 + 0.002 * (k % 2))
        bench.live(1)
    bench.cells_v = np.full(CELLS, 3.4)
    assert bench.live(60) == []
