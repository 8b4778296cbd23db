"""Each deviation is seen, named once, in time; a healthy noisy board shows none."""

import math
from dataclasses import replace

import numpy as np
import pytest
from watched import CELLS, Watched, names

from hil.core.instants import SECOND
from hil.core.signals import tick_layout
from hil.core.spec import Accuracy
from hil.ports import BoardFault
from hil.verdict.findings import Tolerances

LAYOUT = tick_layout(CELLS, 4)
TOLERANCES = Tolerances()
EMULATED_SHUNT = Tolerances(current_a=Accuracy(0.05, 0.002))


class Bench(Watched):
    """A healthy board that does as it is told."""

    def __init__(self, tolerances: Tolerances = TOLERANCES) -> None:
        """Wire it up, healthy and at rest."""
        super().__init__(tolerances, LAYOUT)


def test_a_wrong_reading_is_named_once_and_only_after_its_window() -> None:
    bench = Bench()
    bench.run(10)
    bench.cell("board.cell_v", 5, 3.32)
    assert bench.run(5) == []  # 4 s so far
    bench.step = "2.charge"
    [deviation] = bench.run(1)
    assert (deviation.name, deviation.subject) == ("reading-off", "cell[5].voltage")
    assert deviation.at == 15 * SECOND
    assert deviation.value == pytest.approx(0.02)
    assert deviation.situation.endswith(", since t = 10 s in 1.rest"), "where it arose"
    assert bench.run(100) == []


def test_when_it_began_is_told_to_the_hundredth_after_a_month() -> None:
    bench = Bench()
    bench.tick = 30 * 86_400 + 1
    bench.cell("board.cell_v", 5, 3.32)
    [deviation] = bench.run(6)
    assert "since t = 2592001 s in" in deviation.situation


def test_a_wrong_reading_that_comes_back_is_named_again() -> None:
    bench = Bench()
    for _ in range(2):
        bench.cell("board.cell_v", 5, 3.28)
        assert names(bench.run(8)) == [("reading-off", "cell[5].voltage")]
        bench.cell("board.cell_v", 5, 3.3)
        assert bench.run(8) == []


def test_a_missing_reading_is_not_a_wrong_one() -> None:
    bench = Bench()
    bench.put("board.cell_v", [math.nan] * CELLS)
    bench.put("board.duty", [math.nan] * CELLS)
    bench.put("board.ntc_degc", [math.nan] * 4)
    assert bench.run(100) == []
    bench.put("board.cell_v", [math.nan] + [3.3] * 14 + [3.4])
    assert names(bench.run(10)) == [("reading-off", "cell[16].voltage")]


def test_an_emulator_that_was_not_read_accuses_nobody() -> None:
    bench = Bench()
    bench.put("emulator.read_v", [math.nan] * CELLS)
    bench.put("emulator.read_a", [math.nan] * CELLS)
    assert bench.run(100) == []


@pytest.mark.parametrize("fault_cell", [4, 5, 6])
def test_an_open_wire_reported_in_time_explains_the_cells_at_that_lead(fault_cell: int) -> None:
    bench = Bench()
    bench.cell("board.cell_v", 5, 2.1)
    bench.run(3)
    bench.faults = frozenset({BoardFault("open-wire", fault_cell)})
    assert bench.run(100) == []


@pytest.mark.parametrize(
    "fault",
    [BoardFault("open-wire", 7), BoardFault("over-voltage", 5), BoardFault("top-lead-open")],
)
def test_another_fault_explains_nothing(fault: BoardFault) -> None:
    bench = Bench()
    bench.faults = frozenset({fault})
    bench.cell("board.cell_v", 5, 2.1)
    assert names(bench.run(10)) == [("reading-off", "cell[5].voltage")]


def test_a_current_that_was_never_shown_is_off_and_one_of_the_last_ticks_is_not() -> None:
    bench = Bench(EMULATED_SHUNT)
    for tick in range(60):
        shown_a = 20.0 * (tick % 2)
        bench.put("board.current_a", [20.0 - shown_a])  # always that of the tick before
        bench.put("pack.current_a", [shown_a])
        assert bench.run(1) == []
    bench.put("pack.current_a", [20.0])
    bench.put("board.current_a", [-20.0])
    assert names(bench.run(20)) == [("current-off", "board")]


def test_a_current_within_the_error_of_the_board_is_right() -> None:
    bench = Bench(EMULATED_SHUNT)
    bench.put("pack.current_a", [-50.0])
    bench.put("board.current_a", [-50.14])
    assert bench.run(60) == []
    bench.put("board.current_a", [-50.16])
    assert names(bench.run(20)) == [("current-off", "board")]


def test_the_lead_above_the_last_cell_explains_the_last_cell() -> None:
    bench = Bench()
    bench.faults = frozenset({BoardFault("top-lead-open")})
    bench.cell("board.cell_v", 16, 2.1)
    assert bench.run(20) == []


def test_a_silent_front_end_explains_all_that_it_measures() -> None:
    bench = Bench()
    bench.faults = frozenset({BoardFault("front-end-silent", 1)})
    bench.put("emulator.read_v", [3.45] * CELLS)
    assert bench.run(50) == []


def test_a_fault_reported_too_late_is_too_late() -> None:
    bench = Bench()
    bench.cell("board.cell_v", 5, 2.1)
    assert names(bench.run(6)) == [("reading-off", "cell[5].voltage")]


def test_a_stuck_reading_is_named_before_it_is_out_of_tolerance() -> None:
    bench = Bench()
    for k in range(40):
        real_v = 3.3 + 0.0003 * k  # 12 mV in all: within the tolerance of a reading
        bench.put("emulator.read_v", [real_v] * CELLS)
        bench.put("board.cell_v", [real_v if cell != 2 else 3.3 for cell in range(CELLS)])
        bench.run(1)
    [deviation] = bench.seen
    assert (deviation.name, deviation.subject) == ("reading-frozen", "cell[3].voltage")
    assert "stuck at 3.3000 V" in deviation.situation


def test_a_steady_reading_of_a_steady_cell_is_not_stuck() -> None:
    assert Bench().run(1000) == []


@pytest.mark.parametrize("late", [1, 2])
def test_a_reading_that_is_late_after_a_jump_is_neither_wrong_nor_stuck(late: int) -> None:
    """A load step moves every cell by 60 mV; the board shows it up to two ticks later."""
    bench = Bench()
    bench.run(50)
    for k in range(200):
        low = (k // 10) % 2
        bench.put("emulator.read_v", [3.24 if low else 3.3] * CELLS)
        was_low = max(k - late, 0) // 10 % 2
        bench.put("board.cell_v", [3.24 if was_low else 3.3] * CELLS)
        bench.run(1)
    assert bench.seen == []


def test_a_set_that_does_not_come_every_tick_is_compared_with_its_own_time() -> None:
    """Board cycle of ten ticks, cells that move by 3 mV a tick, and one reading that is wrong."""
    bench = Bench()
    for k in range(600):
        real_v = 3.3 + 0.003 * math.sin(k) + 0.03 * math.sin(k / 10)
        bench.put("emulator.read_v", [real_v] * CELLS)
        new = k % 10 == 0
        if new:
            bench.put("board.cell_v", [real_v + (0.1 if c == 8 else 0.0) for c in range(CELLS)])
        bench.run(1, sets=int(new))
    assert names(bench.seen) == [("reading-off", "cell[9].voltage")]


def test_a_silent_board_is_named_with_its_age_and_nothing_else() -> None:
    bench = Bench()
    bench.run(10)
    bench.put("emulator.read_v", [3.5] * CELLS)  # what the board said last is wrong by now
    bench.put("command.duty", [1.0] * CELLS)
    bench.put("plant.cell_degc", [60.0] * CELLS)
    for age_s in range(2, 100):
        bench.put("board.age_s", [float(age_s)])
        bench.run(1, sets=0)
    [deviation] = bench.seen
    assert (deviation.name, deviation.subject) == ("board-silent", "board")
    assert (deviation.value, deviation.limit, deviation.unit) == (4.0, 3.0, "s")
    assert len(bench.watch._readings._since) <= 2  # a board silent for weeks fills no memory


def test_a_board_that_never_spoke_is_silent() -> None:
    bench = Bench()
    bench.tick = 1000
    bench.put("board.age_s", [math.nan])
    assert bench.run(4) == []
    assert names(bench.run(1)) == [("board-silent", "board")]


def test_a_board_that_says_nothing_of_its_bleeds_has_not_obeyed() -> None:
    """It gets as long for its first report as for following a command."""
    bench = Bench()
    bench.put("board.duty", [math.nan] * CELLS)
    bench.run(10)
    bench.cell("command.duty", 7, 1.0)
    assert bench.run(6) == []
    [deviation] = bench.run(1)
    assert (deviation.name, deviation.subject) == ("bleed-not-obeyed", "cell[7].duty")
    assert deviation.value == -1.0
    bench.faults = frozenset({BoardFault("bleed-paused")})
    assert bench.run(10) == []


def test_a_bleed_that_does_not_follow_the_command_is_named_after_the_latency() -> None:
    bench = Bench()
    bench.run(10)
    bench.put("command.duty", [1.0] * CELLS)
    bench.run(2)
    bench.put("board.duty", [1.0] * 6 + [0.0] + [1.0] * 9)
    bench.put("emulator.read_a", [0.05] * 6 + [0.0] + [0.05] * 9)
    assert bench.run(1) == []
    assert names(bench.run(10)) == [("bleed-not-obeyed", "cell[7].duty")]


def test_a_bleed_that_follows_within_the_latency_is_no_deviation() -> None:
    bench = Bench()
    for k in range(400):
        bench.put("command.duty", [float(k // 20 % 2)] * CELLS)
        bench.put("board.duty", [float((k - 2) // 20 % 2)] * CELLS)
        bench.run(1)
    assert bench.seen == []


def test_a_board_with_a_fault_may_bleed_less_but_not_more() -> None:
    bench = Bench()
    bench.faults = frozenset({BoardFault("over-temperature")})
    bench.put("command.duty", [1.0, 0.0] * 8)
    bench.put("board.duty", [0.0, 0.0] * 8)
    assert bench.run(10) == []
    bench.put("board.duty", [1.0, 1.0] * 8)
    assert {deviation.subject for deviation in bench.run(10)} == {
        f"cell[{cell}].duty" for cell in range(2, 17, 2)
    }


def test_current_without_a_bleed_is_named() -> None:
    bench = Bench()
    bench.cell("emulator.read_a", 3, 0.05)
    assert bench.run(3) == []
    assert names(bench.run(10)) == [("bleed-without-command", "cell[3].current")]


def test_current_left_over_in_the_tick_in_which_a_bleed_stops_is_none() -> None:
    bench = Bench()
    for k in range(200):
        bench.put("command.duty", [float(k // 10 % 2)] * CELLS)
        bench.put("board.duty", [float(k // 10 % 2)] * CELLS)
        bench.put("emulator.read_a", [0.05 * ((k - 1) // 10 % 2)] * CELLS)
        bench.run(1)
    assert bench.seen == []


def test_an_ntc_that_shows_another_temperature_is_named() -> None:
    bench = Bench()
    bench.cell("board.ntc_degc", 2, 29.0)
    bench.cell("plant.cell_degc", 7, 60.0)  # no NTC is wired to this one
    assert bench.run(60) == []
    assert names(bench.run(10)) == [("temperature-off", "ntc[2]")]


def test_a_burst_of_bad_frames_is_named_and_single_ones_are_not() -> None:
    bench = Bench()
    bench.rejected = 7  # from before the run
    bench.run(1)
    for _ in range(5):
        bench.rejected += 1
        assert bench.run(20) == []
    bench.rejected += 2
    bench.run(1)
    bench.rejected += 1
    [deviation] = bench.run(1)
    assert (deviation.name, deviation.value) == ("rejected-frames", 3.0)
    assert bench.run(20) == []


def test_a_healthy_noisy_board_shows_nothing() -> None:
    """An hour of load steps, ±5 mV noise, a tick of delay, bleeds that follow a tick later."""
    bench = Bench(replace(TOLERANCES, reading_v=0.02))
    noise = np.random.default_rng(7)
    shift = noise.normal(0.0, 0.005, CELLS)
    before = [3.3] * CELLS
    duty = [0.0] * CELLS
    for k in range(3600):
        base_v = 3.3 + 0.05 * math.sin(k / 300) + (0.04 if k // 60 % 3 else 0.0)
        real = [float(v) for v in base_v + shift]
        bench.put("emulator.read_v", [v + float(noise.normal(0, 0.0005)) for v in real])
        bench.put("board.cell_v", [round(v + float(noise.uniform(-5e-3, 5e-3)), 4) for v in before])
        bench.put("board.duty", duty)
        bench.put("emulator.read_a", [0.05 * d for d in duty])
        duty = [float(v > base_v + 0.002) if k // 120 % 2 else 0.0 for v in real]
        bench.put("command.duty", duty)
        bench.put("board.ntc_degc", [25.0 + float(noise.normal(0, 0.5)) for _ in range(4)])
        bench.run(1)
        before = real
    assert bench.seen == []


def test_a_status_that_does_not_come_with_the_cells_is_lost() -> None:
    bench = Bench()
    bench.status_late = 3 * SECOND
    assert bench.run(10) == []
    bench.status_late = 3 * SECOND + 1
    [deviation] = bench.run(10)
    assert (deviation.name, deviation.subject) == ("status-lost", "board")


# --- bleeds that oscillate ----------------------------------------------------------------------


def switching(bench: Bench, period: int, seconds: int) -> list[tuple[str, str]]:
    """Let cell 5 bleed for half of each period (in ticks), as commanded; return what is new."""
    found = []
    for _ in range(seconds // period):
        for duty in (1.0, 0.0):
            bench.cell("board.duty", 5, duty)
            bench.cell("command.duty", 5, duty)
            bench.cell("emulator.read_a", 5, 0.05 * duty)
            found += names(bench.run(period // 2))
    return found


def test_a_bleed_that_goes_on_and_off_for_an_hour_is_named_with_its_period() -> None:
    bench = Bench()
    assert switching(bench, 600, 3600) == []
    assert switching(bench, 600, 1200) == [("bleed-oscillates", "cell[5].duty")]
    told = bench.seen[-1]
    assert told.value == pytest.approx(12.0)
    assert (told.limit, told.unit) == (6.0, "1/h")
    assert "every 600 s, 12 edges/h for 1 h" in told.situation
    assert switching(bench, 600, 3600) == []  # once
    bench.run(1200)
    assert [name for name, _ in switching(bench, 600, 7200)] == ["bleed-oscillates"]  # and anew


def test_neither_a_slow_bleed_nor_a_duty_that_moves_oscillates() -> None:
    assert switching(Bench(), 1200, 9600) == []
    bench = Bench()
    for k in range(300):
        for name in ("board.duty", "command.duty"):
            bench.cell(name, 5, 0.5 if k % 2 else 1.0)
        assert bench.run(20) == []
