"""Limits: the tightest wins, every side is watched, the cause is kept."""

import math

import pytest

from hil.bench.interlock import Interlock
from hil.bench.quantities import Reader
from hil.core.errors import InterlockTrip
from hil.core.instants import SECOND
from hil.core.signals import tick_layout
from hil.profile.limits import Bound, tightest

LAYOUT = tick_layout(4, 2)


def bound(quantity: str, value: float, origin: str = "bench", *, upper: bool = True) -> Bound:
    return Bound(quantity, "max" if upper else "min", value, "V", origin)


def row(**signals: list[float]) -> list[float]:
    values = [math.nan] * LAYOUT.width
    for name, given in signals.items():
        values[LAYOUT.columns(name.replace("__", "."))] = given
    return values


def test_the_tightest_bound_of_each_side_wins_and_keeps_its_origin() -> None:
    bounds = tightest(
        [
            bound("cell.voltage", 3.80, "bench"),
            bound("cell.voltage", 3.65, "profile"),
            bound("cell.voltage", 2.0, "bench", upper=False),
            bound("cell.voltage", 2.5, "profile", upper=False),
        ]
    )
    assert [(b.value, b.origin, b.side) for b in bounds] == [
        (2.5, "profile", "min"),
        (3.65, "profile", "max"),
    ]


@pytest.mark.parametrize(
    ("value", "upper", "volts", "subject"),
    [
        (3.65, True, [3.3, 3.4, 3.66, 3.2], "cell.voltage[3]"),
        (2.50, False, [3.3, 2.49, 3.4, 3.2], "cell.voltage[2]"),
        (3.65, True, [math.nan, 3.3, math.nan, 3.7], "cell.voltage[4]"),
    ],
)
def test_a_crossed_bound_trips_and_names_the_cell(
    value: float,
    upper: bool,  # noqa: FBT001 - a table's column
    volts: list[float],
    subject: str,
) -> None:
    interlock = Interlock([bound("cell.voltage", value, upper=upper)], Reader(LAYOUT))
    with pytest.raises(InterlockTrip) as caught:
        interlock.check(5, row(emulator__read_v=volts))
    assert caught.value.subject == subject
    assert interlock.tripped is not None
    assert interlock.tripped.at == 5
    assert not interlock.tripped.blames_board


def test_a_value_on_the_bound_and_a_missing_one_do_not_trip() -> None:
    interlock = Interlock([bound("cell.voltage", 3.65)], Reader(LAYOUT))
    interlock.check(0, row(emulator__read_v=[3.65, 3.3, 3.3, math.nan]))
    interlock.check(1, row())
    assert interlock.tripped is None


def test_a_bound_on_current_holds_in_both_directions() -> None:
    interlock = Interlock([bound("current", 50.0)], Reader(LAYOUT))
    interlock.check(0, row(pack__current_a=[49.0]))
    with pytest.raises(InterlockTrip):
        interlock.check(1, row(pack__current_a=[-51.0]))


def test_the_age_of_the_boards_voltages_blames_the_board_and_the_first_cause_is_kept() -> None:
    interlock = Interlock([bound("board.age", 3.0), bound("cell.voltage", 3.65)], Reader(LAYOUT))
    with pytest.raises(InterlockTrip):
        interlock.check(7, row(board__age_s=[3.5]))
    with pytest.raises(InterlockTrip):
        interlock.check(8, row(emulator__read_v=[4.0] * 4))
    assert interlock.tripped is not None
    assert interlock.tripped.subject == "board.age"
    assert interlock.tripped.blames_board


def test_a_limit_with_nothing_left_to_watch_trips_after_a_while() -> None:
    interlock = Interlock([bound("board.temperature", 85.0)], Reader(LAYOUT))
    for second in range(4):
        interlock.check(second * SECOND, row())
    interlock.check(4 * SECOND, row(board__pcb_degc=[40.0]))
    for second in range(5, 9):
        interlock.check(second * SECOND, row())
    blind = r"time without a limited quantity <= 3 s \(bench\): board.temperature"
    with pytest.raises(InterlockTrip, match=blind):
        interlock.check(9 * SECOND, row())
    assert interlock.tripped is not None
    assert not interlock.tripped.blames_board
