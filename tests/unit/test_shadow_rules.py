"""A board that decides by itself is accused of what no such board does, with what the bench saw."""

import math

import pytest
from watched import CELLS, NO_FAULT, Watched, names

from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.none import NoBalancing
from hil.balancing.strategy import Bounded, Tolerance
from hil.bench.observation import Observer
from hil.core.instants import SECOND
from hil.core.signals import tick_layout
from hil.ports import BoardFault
from hil.verdict.findings import Tolerances
from hil.verdict.shadow import Shadow, ShadowLimits

LAYOUT = tick_layout(CELLS, 4, shadow=True)
WINDOW_S = 20
LIMITS = ShadowLimits(Tolerance(0.003, 0.1), WINDOW_S * SECOND, SECOND, 3 * SECOND, 0.02)
LONG = WINDOW_S + 10
"""Ticks after which all that is certain is told."""


class Bench(Watched):
    """A board in shadow mode whose cells are all alike; nothing is commanded."""

    def __init__(self, strategy: Bounded | None = None) -> None:
        """Wait until it is certain that no cell may bleed."""
        shadow = Shadow(strategy or FixedThreshold(), Observer(LAYOUT), LAYOUT, LIMITS)
        super().__init__(Tolerances(frozen_sets=1_000_000), LAYOUT, shadow)
        self.put("command.duty", [math.nan] * CELLS)
        assert self.run(LONG) == []

    def lift(self, cell: int, excess_v: float) -> None:
        """Bring one cell above all the others, for emulator and board."""
        for name in ("emulator.read_v", "board.cell_v"):
            self.cell(name, cell, 3.3 + excess_v)

    def bleed(self, cell: int, duty: float = 1.0) -> None:
        """Let the board report a bleed, and its current flow."""
        self.cell("board.duty", cell, duty)
        self.cell("emulator.read_a", cell, 0.05 * duty)


def test_a_board_that_bleeds_the_cell_that_it_must_is_left_alone() -> None:
    bench = Bench()
    bench.lift(5, 0.060)
    assert bench.run(WINDOW_S // 2) == []
    bench.bleed(5)
    assert bench.run(LONG) == []
    bench.lift(5, 0.020)
    assert bench.run(WINDOW_S // 2) == []
    bench.bleed(5, 0.0)
    assert bench.run(LONG) == []


def test_a_bleed_that_is_missing_is_told_once_with_what_was_seen() -> None:
    bench = Bench()
    bench.lift(5, 0.060)
    bench.put("board.current_a", [-12.5])
    [deviation] = bench.run(2 * LONG)
    assert (deviation.name, deviation.subject) == ("shadow-bleed-missing", "cell[5].duty")
    assert (deviation.value, deviation.limit, deviation.unit) == (0.0, 1.0, "1")
    assert deviation.at // SECOND == LONG + WINDOW_S + 3
    for part in (
        "3.3600 V, 60.0 mV above the lowest, cell 1 at 3.3000 V",
        "starts above 50 mV, stops below 30 mV",
        "-12.50 A",
        "NTCs 25.0 to 25.0 degC",
        "board 0.0 degC",
        f"since t = {LONG + WINDOW_S} s in 1.rest",
    ):
        assert part in deviation.situation


def test_a_board_that_says_nothing_of_its_bleeds_does_not_bleed() -> None:
    bench = Bench()
    bench.put("board.duty", [math.nan] * CELLS)
    assert bench.run(2 * LONG) == []
    bench.lift(5, 0.060)
    [deviation] = bench.run(2 * LONG)
    assert (deviation.name, deviation.subject) == ("shadow-bleed-missing", "cell[5].duty")
    assert deviation.value == 0.0
    assert deviation.situation.startswith("the board reports nothing of this bleed; 3.3600 V")


def test_a_bleed_that_nothing_asked_for_is_unexpected() -> None:
    bench = Bench()
    bench.bleed(9)
    [deviation] = bench.run(LONG)
    assert (deviation.name, deviation.subject) == ("shadow-bleed-unexpected", "cell[9].duty")
    assert (deviation.value, deviation.limit) == (1.0, 0.0)


def test_half_a_bleed_is_not_the_one_decided() -> None:
    bench = Bench()
    bench.lift(5, 0.060)
    bench.bleed(5, 0.5)
    assert names(bench.run(LONG)) == [("shadow-bleed-missing", "cell[5].duty")]


@pytest.mark.parametrize(
    "fault",
    [
        BoardFault("bleed-paused"),
        BoardFault("front-end-silent", 1),
        BoardFault("open-wire", 12),
        BoardFault("top-lead-open"),
        BoardFault("command-lost"),
        BoardFault("under-voltage", 5),
    ],
)
def test_a_board_with_a_reason_owes_nothing_until_a_window_after(fault: BoardFault) -> None:
    bench = Bench()
    bench.lift(5, 0.060)
    bench.faults = frozenset({fault})
    assert bench.run(2 * LONG) == []
    bench.faults = NO_FAULT
    assert bench.run(WINDOW_S) == []
    assert names(bench.run(5)) == [("shadow-bleed-missing", "cell[5].duty")]


def test_the_reason_of_another_cell_is_none() -> None:
    bench = Bench()
    bench.lift(5, 0.060)
    bench.faults = frozenset({BoardFault("under-voltage", 6), BoardFault("over-voltage", 5)})
    assert names(bench.run(LONG)) == [("shadow-bleed-missing", "cell[5].duty")]


def test_a_board_that_bleeds_though_it_says_that_it_must_not_is_told_of_it() -> None:
    bench = Bench()
    bench.lift(5, 0.060)
    bench.bleed(5)
    assert bench.run(LONG) == []
    bench.faults = frozenset({BoardFault("bleed-paused")})
    assert bench.run(3) == []
    [deviation] = bench.run(LONG)
    assert (deviation.name, deviation.subject) == ("shadow-bleed-unexpected", "cell[5].duty")
    assert "reports a fault that stops this bleed" in deviation.situation


def test_what_a_board_decides_in_silence_accuses_nobody() -> None:
    bench = Bench()
    bench.lift(5, 0.060)
    bench.put("board.age_s", [4.0])
    assert names(bench.run(2 * LONG)) == [("board-silent", "board")]
    bench.put("board.age_s", [0.1])
    assert bench.run(WINDOW_S) == []  # what it decided while nobody heard is its own affair


def test_readings_of_cells_that_the_board_does_not_know_bind_it_to_nothing() -> None:
    bench = Bench()
    bench.lift(5, 0.060)
    bench.cell("board.cell_v", 5, math.nan)
    assert bench.run(2 * LONG) == []


def test_a_board_without_balancing_may_bleed_nothing() -> None:
    bench = Bench(NoBalancing())
    bench.lift(5, 0.080)
    assert bench.run(LONG) == []
    bench.bleed(5)
    [deviation] = bench.run(LONG)
    assert deviation.name == "shadow-bleed-unexpected"
    assert "never bleeds" in deviation.situation


def test_what_commands_are_judged_by_is_left_out() -> None:
    """No command is given: none can be disobeyed."""
    bench = Bench()
    bench.lift(5, 0.060)
    bench.bleed(5)
    bench.run(LONG)
    assert "bleed-not-obeyed" not in dict(names(bench.seen))


def test_current_that_the_board_does_not_report_is_named_here_too() -> None:
    bench = Bench()
    bench.cell("emulator.read_a", 3, 0.05)
    assert names(bench.run(LONG)) == [("bleed-without-command", "cell[3].current")]
