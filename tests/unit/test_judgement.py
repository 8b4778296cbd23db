"""The guard band's truth table, and what each kind of record does to the verdict."""

import itertools
import math
from dataclasses import replace

import pytest

from hil.core.instants import SECOND
from hil.core.records import (
    BadMeasurement,
    BenchFailed,
    BoardFaultChanged,
    Deviation,
    ExpectationJudged,
    LinkFaulted,
    Overrun,
    Record,
    SafeStateReached,
    StopRequested,
    Tick,
    Tripped,
)
from hil.verdict.judgement import (
    Tolerated,
    Verdict,
    judge,
    overall,
    warn_if_too_uncertain,
)


@pytest.mark.parametrize(
    ("value", "uncertainty", "comparison", "limit", "passed"),
    [
        (0.8, 0.1, "<=", 1.0, True),
        (0.75, 0.25, "<=", 1.0, True),  # clears by exactly U
        (0.875, 0.25, "<=", 1.0, None),
        (1.0, 0.25, "<=", 1.0, None),
        (1.25, 0.25, "<=", 1.0, None),  # misses by exactly U: not by more
        (1.375, 0.25, "<=", 1.0, False),
        (0.75, 0.25, "<", 1.0, None),
        (0.5, 0.25, "<", 1.0, True),
        (1.25, 0.25, "<", 1.0, False),
        (1.25, 0.25, ">=", 1.0, True),
        (1.125, 0.25, ">=", 1.0, None),
        (0.75, 0.25, ">=", 1.0, None),
        (0.625, 0.25, ">=", 1.0, False),
        (1.25, 0.25, ">", 1.0, None),
        (1.5, 0.25, ">", 1.0, True),
        (0.75, 0.25, ">", 1.0, False),
        (1.0, 0.0, "<=", 1.0, True),  # an exact value always decides
        (1.0, 0.0, "<", 1.0, False),
        (1.0, 0.0, ">=", 1.0, True),
        (1.0, 0.0, ">", 1.0, False),
        (math.nan, 0.0, "<=", 1.0, None),
        (0.0, math.nan, "<=", 1.0, None),
        (0.0, math.inf, "<=", 1.0, None),
    ],
)
def test_guard_band(
    value: float,
    uncertainty: float,
    comparison: str,
    limit: float,
    passed: bool | None,  # noqa: FBT001 - a column of the table
) -> None:
    assert judge(value, uncertainty, comparison, limit) is passed


@pytest.mark.parametrize(("comparison", "uncertainty"), [("==", 0.1), ("", 0.1), ("<=", -0.1)])
def test_a_comparison_that_makes_no_sense_is_refused(comparison: str, uncertainty: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        judge(1.0, uncertainty, comparison, 1.0)


def test_an_uncertainty_above_a_quarter_of_the_tolerance_is_told() -> None:
    assert warn_if_too_uncertain("gap", 0.005, 0.020, "V") is None
    line = warn_if_too_uncertain("gap", 0.006, 0.020, "V")
    assert line is not None
    assert "gap: uncertainty 0.006 V" in line


# --- the verdict of a run --------------------------------------------------------------------


def expectation(*, passed: bool | None, read_at: int = 5) -> ExpectationJudged:
    return ExpectationJudged(9, "gap", 0.1, 0.01, "V", "<=", 0.06, passed, read_at, "end")


def tripped(*, blames_board: bool) -> Tripped:
    return Tripped(9, "cell.voltage", "cell[1]", 3.7, 3.65, "V", blames_board)


TICKS: list[Record] = [Tick(at, (), "") for at in range(200)]
DEVIATION = Deviation(9, "reading-off", "cell[5].voltage", 0.1, 0.01, "V", "stuck")
STOP = StopRequested(9, "SIGTERM", "stop")
UNSAFE = SafeStateReached(9, "emulator-1", "outputs off", "outputs on", ok=False)
SAFE = SafeStateReached(9, "emulator-1", "outputs off", "outputs off", ok=True)


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (expectation(passed=True), Verdict.PASS),
        (expectation(passed=False), Verdict.FAIL),
        (expectation(passed=None), Verdict.INCONCLUSIVE),
        (DEVIATION, Verdict.FAIL),
        (tripped(blames_board=False), Verdict.ABORTED),
        (tripped(blames_board=True), Verdict.FAIL),
        (STOP, Verdict.ABORTED),
        (BenchFailed(9, "LinkTimeout", "chamber: no answer"), Verdict.INCONCLUSIVE),
        (UNSAFE, Verdict.ABORTED),
        (SAFE, Verdict.PASS),
        (Overrun(9, 10, 1), Verdict.PASS),
        (Overrun(9, 10, 50), Verdict.INCONCLUSIVE),
        (BadMeasurement(9, "emulator-1", "LinkTimeout", "late"), Verdict.PASS),
        # a board that reports a fault does its duty
        (BoardFaultChanged(9, "open-wire", 5, active=True), Verdict.PASS),
    ],
)
def test_what_one_record_does(record: Record, verdict: Verdict) -> None:
    assert overall([*TICKS, record]).verdict is verdict


def test_a_deviation_is_told_with_its_unit_and_a_share_without_one() -> None:
    share = Deviation(9, "shadow-bleed-missing", "cell[5].duty", 0.0, 1.0, "1", "60 mV above")
    useful = replace(expectation(passed=False), name="useful_share >= 90 %", unit="1")
    assert overall([*TICKS, DEVIATION, share, useful]).reasons == (
        "reading-off: cell[5].voltage 0.1 V, limit 0.01: stuck",
        "shadow-bleed-missing: cell[5].duty 0, limit 1: 60 mV above",
        "useful_share >= 90 %: 0.1 ± 0.01, expected <= 0.06",
    )


def test_a_run_without_a_tick_shows_nothing() -> None:
    assert overall([expectation(passed=True)]).verdict is Verdict.INCONCLUSIVE


def test_bad_measurements_above_their_share_make_it_inconclusive() -> None:
    bad: list[Record] = [BadMeasurement(at, "e", "LinkTimeout", "late") for at in range(3)]
    assert overall([*TICKS, *bad]).verdict is Verdict.INCONCLUSIVE
    assert overall([*TICKS, *bad], Tolerated(bad_share=0.02)).verdict is Verdict.PASS


@pytest.mark.parametrize("passed", [True, False])
def test_a_value_read_off_a_bad_measurement_shows_nothing(passed: bool) -> None:  # noqa: FBT001 - the parameter of the case
    bad = BadMeasurement(5, "emulator-1", "LinkTimeout", "late")
    records: list[Record] = [*TICKS, bad, expectation(passed=passed, read_at=5)]
    assert overall(records).verdict is Verdict.INCONCLUSIVE
    records = [*TICKS, bad, expectation(passed=passed, read_at=6)]
    assert overall(records).verdict is (Verdict.PASS if passed else Verdict.FAIL)


@pytest.mark.parametrize("end", [STOP, tripped(blames_board=False)])
@pytest.mark.parametrize(
    "late", [DEVIATION, expectation(passed=False), tripped(blames_board=True), Overrun(9, 1, 999)]
)
def test_what_follows_the_end_does_not_blame_the_board(end: Record, late: Record) -> None:
    assert overall([*TICKS, end, late]).verdict is Verdict.ABORTED


def test_a_proven_deviation_stays_proven_when_the_run_is_stopped() -> None:
    judgement = overall([*TICKS, DEVIATION, STOP])
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reason.startswith("reading-off: cell[5].voltage")
    assert len(judgement.reasons) == 2


def test_the_worst_wins_in_every_order() -> None:
    earned: dict[Verdict, Record] = {
        Verdict.PASS: expectation(passed=True),
        Verdict.INCONCLUSIVE: expectation(passed=None),
        Verdict.ABORTED: UNSAFE,
        Verdict.FAIL: DEVIATION,
    }
    from_best = list(earned)  # written out here: the order is what is tested
    for chosen in itertools.permutations(from_best, 3):
        worst = max(chosen, key=from_best.index)
        assert overall([*TICKS, *(earned[verdict] for verdict in chosen)]).verdict is worst


def link_fault(at: int) -> LinkFaulted:
    return LinkFaulted(at, "board", "to host", "lost", 12)


def deviation(at: int) -> Deviation:
    return Deviation(at, "reading-off", "cell[3].voltage", 0.5, 0.015, "V", "off")


SPAN = Tolerated().link_fault_span


@pytest.mark.parametrize("late", [0, 5, SPAN])
def test_what_follows_the_benchs_own_link_fault_is_not_proven_against_the_board(late: int) -> None:
    judgement = overall([*TICKS, link_fault(100), deviation(100 + late)])
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "the bench's own link fault (message 12 to host of board lost" in judgement.reason
    trip = Tripped(100 + late, "board.age <= 3 s", "board.age", 4.0, 3.0, "s", blames_board=True)
    judgement = overall([*TICKS, link_fault(100), trip])
    assert judgement.verdict is Verdict.ABORTED
    assert "the bench's own link fault" in judgement.reason


def test_an_expectation_read_after_a_link_fault_is_not_proven_against_the_board() -> None:
    judged = expectation(passed=False, read_at=100 + SPAN)
    judgement = overall([*TICKS, link_fault(100), judged])
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "the bench's own link fault" in judgement.reason


@pytest.mark.parametrize("fault", ["corrupted", "partial"])
def test_what_a_link_fault_may_have_altered_has_not_passed(fault: str) -> None:
    met = expectation(passed=True, read_at=100)
    altered = LinkFaulted(100, "chamber", "to host", fault, 12)
    judgement = overall([*TICKS, altered, met])
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert f"message 12 to host of chamber {fault}" in judgement.reason
    for harmless in (
        LinkFaulted(99, "chamber", "to host", fault, 12),
        LinkFaulted(100, "chamber", "to device", fault, 12),
        LinkFaulted(100, "chamber", "to host", "lost", 12),
    ):
        assert overall([*TICKS, harmless, met]).verdict is Verdict.PASS


def test_a_link_fault_found_in_the_same_tick_excuses_although_its_time_is_later() -> None:
    """A deviation bears the time of its tick, a fault that of the message within it."""
    assert overall([*TICKS, link_fault(100), deviation(90)]).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "records",
    [
        [link_fault(100), deviation(100 + SPAN + 1)],
        [deviation(100), link_fault(101)],
        [expectation(passed=False), link_fault(100)],
        [link_fault(100), expectation(passed=False, read_at=101 + SPAN)],
        [link_fault(100), deviation(100), deviation(100 + SPAN + 1)],
        [deviation(0), link_fault(100), deviation(101)],
    ],
)
def test_a_link_fault_excuses_nothing_else(records: list[Record]) -> None:
    assert overall([*TICKS, *records]).verdict is Verdict.FAIL


def test_a_link_fault_alone_takes_nothing_from_a_pass() -> None:
    assert overall([*TICKS, link_fault(100), SAFE]).verdict is Verdict.PASS


def test_the_last_attempt_at_the_safe_state_counts() -> None:
    assert overall([*TICKS, UNSAFE, SAFE]).verdict is Verdict.PASS
    assert overall([*TICKS, SAFE, UNSAFE]).verdict is Verdict.ABORTED
    other = SafeStateReached(9, "chamber", "off", "off", ok=True)
    assert overall([*TICKS, UNSAFE, other]).verdict is Verdict.ABORTED


def test_exit_codes() -> None:
    assert [verdict.exit_code for verdict in Verdict] == [0, 1, 2, 3]


@pytest.mark.parametrize("error", ["LinkLost", "LinkTimeout"])
def test_nothing_follows_from_a_device_that_cannot_be_reached(error: str) -> None:
    """Only an answer can say that an output is still on."""
    lost = BadMeasurement(UNSAFE.at, UNSAFE.device, error, "nothing came")
    assert overall([*TICKS, lost, UNSAFE]).verdict is Verdict.INCONCLUSIVE
    for other in (
        replace(lost, device="another one"),
        replace(lost, error="InstrumentFault"),
        replace(lost, at=UNSAFE.at - 1),  # it has answered since
    ):
        assert overall([*TICKS, other, UNSAFE]).verdict is Verdict.ABORTED


@pytest.mark.parametrize("error", ["LinkLost", "LinkTimeout"])
def test_a_board_is_not_blamed_for_silence_while_the_bench_was_deaf(error: str) -> None:
    at, silent_s = 10 * SECOND, 2.0
    silence = Deviation(at, "board-silent", "board", silent_s, 1.5, "s", "at rest")
    trip = Tripped(at, "board.age <= 1.5 s", "board.age", silent_s, 1.5, "s", blames_board=True)
    deaf = BadMeasurement(at - SECOND, "emulator-1", error, "nothing came")
    for blame in (silence, trip):
        assert overall([*TICKS, blame]).verdict is Verdict.FAIL
        assert overall([*TICKS, deaf, blame]).verdict is not Verdict.FAIL
        earlier = replace(deaf, at=at - 3 * SECOND)
        assert overall([*TICKS, earlier, blame]).verdict is Verdict.FAIL
        late = Overrun(at, SECOND, 0)
        assert overall([*TICKS, late, blame]).verdict is not Verdict.FAIL
        assert overall([*TICKS, replace(late, at=earlier.at), blame]).verdict is Verdict.FAIL
        wrong = replace(deaf, error="InstrumentFault")  # it was heard
        assert overall([*TICKS, wrong, blame]).verdict is Verdict.FAIL
