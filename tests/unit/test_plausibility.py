"""Readings that cannot be: what breaks a rule, for how long it must, and what never does."""

import math
import random
from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest

from drivers.wire.bloomy_abs import SPEC as ABS
from drivers.wire.watlow_f4t import SPEC as F4T
from hil.bench.ages import Ages
from hil.bench.interlock import Interlock
from hil.bench.plausibility import FrozenLook, Look, Plausibility, SumLook
from hil.bench.quantities import Reader
from hil.core.errors import InterlockTrip
from hil.core.instants import MILLISECOND, SECOND
from hil.core.signals import tick_layout
from hil.core.spec import DeviceSpec
from hil.core.wiring import Channel
from hil.profile.limits import Bound
from hil.profile.plausible import PERSISTS, Rule, readings_until_frozen, rules

LAYOUT = tick_layout(8, 0, 2)
STACK = [Channel(unit, number) for unit in ("a", "b") for number in range(1, 5)]
SPECS: Mapping[str, DeviceSpec] = {"a": ABS, "b": ABS, "chamber": F4T}
UNIT_B = Rule("sum", "b", 0.008, "V", (4, 5, 6, 7), PERSISTS)


def row(
    read: Sequence[float], told: Sequence[float] = (3.3,) * 8, air: float = 25.0
) -> list[float]:
    values = [math.nan] * LAYOUT.width
    values[LAYOUT.columns("emulator.read_v")] = read
    values[LAYOUT.columns("emulator.set_v")] = told
    values[LAYOUT.index("chamber.air_degc")] = air
    return values


def broken_at(look: Look, rows: Sequence[Sequence[float]], every: int = SECOND) -> int | None:
    """Return the number of the first row at which a look finds something."""
    return next((k for k, one in enumerate(rows) if look(k * every, one)), None)


def shifted(volts: float) -> list[float]:
    return row([3.3] * 4 + [3.3 + volts] * 4)


def test_a_sum_that_is_off_for_longer_than_it_may_is_found() -> None:
    assert broken_at(SumLook(UNIT_B, LAYOUT), [shifted(0.0021)] * 9) == 4
    assert broken_at(SumLook(UNIT_B, LAYOUT), [shifted(-0.0021)] * 9) == 4
    assert broken_at(SumLook(UNIT_B, LAYOUT), [shifted(0.0019)] * 9) is None


def test_a_sum_that_comes_right_again_starts_anew() -> None:
    rows = [*[shifted(0.0021)] * 4, shifted(0.0), *[shifted(0.0021)] * 4]
    assert broken_at(SumLook(UNIT_B, LAYOUT), rows) is None


def test_a_unit_that_is_not_read_proves_nothing_either_way() -> None:
    nothing = row([3.3] * 4 + [math.nan] * 4)
    rows = [shifted(0.0021), nothing, nothing, nothing, shifted(0.0021)]
    assert broken_at(SumLook(UNIT_B, LAYOUT), rows) == 4
    assert broken_at(SumLook(UNIT_B, LAYOUT), [nothing] * 9) is None


def test_a_cell_with_a_fault_of_the_benchs_own_is_left_out_of_the_sum() -> None:
    without = row([3.3] * 4 + [math.nan, 3.3, 3.3, 3.3], (3.3,) * 4 + (9.9, 3.3, 3.3, 3.3))
    assert broken_at(SumLook(UNIT_B, LAYOUT), [without] * 9) is None


def test_errors_of_opposite_sign_do_not_add_up() -> None:
    mixed = row([3.3] * 4 + [3.304, 3.296, 3.304, 3.296])
    assert broken_at(SumLook(UNIT_B, LAYOUT), [mixed] * 9) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_unit_at_the_ends_of_its_data_sheet_never_trips(seed: int) -> None:
    """Every cell as far off as it may be, all to one side, with noise; for an hour."""
    draws = random.Random(seed)  # noqa: S311 - no secret
    sane = rules(SPECS, STACK, SECOND)
    interlock = Interlock([], Reader(LAYOUT), Plausibility(sane, LAYOUT))
    off_v = ABS.set_accuracy_v.at(3.3) + ABS.read_accuracy_v.at(3.3)
    for second in range(3600):
        read = [round(3.3 + off_v + draws.gauss(0.0, ABS.read_noise_v), 5) for _ in range(8)]
        air = round(25.0 + draws.gauss(0.0, F4T.read_noise_k), 3)
        interlock.check(second * SECOND, row(read, air=air))


def moving(k: int, *, frozen_from: int) -> list[float]:
    """Return a row of which unit a moves all the time and unit b up to a row."""
    stands = min(k, frozen_from)
    return row([3.3 + 1e-5 * k] * 4 + [3.3 + 1e-5 * stands] * 4)


def test_a_reading_that_stands_still_to_the_bit_is_found() -> None:
    rule = Rule("frozen", "b", 10.0, "s", (4, 5, 6, 7), readings=4)
    rows = [moving(k, frozen_from=5) for k in range(30)]
    assert broken_at(FrozenLook(rule, LAYOUT), rows) == 15
    assert broken_at(FrozenLook(rule, LAYOUT), rows, 100 * MILLISECOND) is None
    assert broken_at(FrozenLook(rule, LAYOUT), rows, 10 * SECOND) == 8
    other = Rule("frozen", "a", 10.0, "s", (0, 1, 2, 3), readings=4)
    assert broken_at(FrozenLook(other, LAYOUT), rows) is None


def test_one_cell_that_moves_says_that_the_unit_still_measures() -> None:
    rule = Rule("frozen", "b", 10.0, "s", (4, 5, 6, 7), readings=4)
    rows = [row([3.3] * 7 + [3.3 + 1e-5 * (k % 2)]) for k in range(60)]
    assert broken_at(FrozenLook(rule, LAYOUT), rows) is None


def test_what_is_not_read_neither_freezes_nor_thaws() -> None:
    rule = Rule("frozen", "chamber", 10.0, "s", readings=4)
    still, nothing = row([3.3] * 8), row([3.3] * 8, air=math.nan)
    assert broken_at(FrozenLook(rule, LAYOUT), [nothing] * 60) is None
    assert broken_at(FrozenLook(rule, LAYOUT), [still, *[nothing] * 20, still, still, still]) == 23


def test_chance_does_not_freeze_a_reading() -> None:
    """The count of equal readings is on the safe side of what noise really repeats."""
    draws = random.Random(1)  # noqa: S311 - no secret
    sigma, step, looked = 1.0, 0.5, 200_000
    rounded = [round(draws.gauss(0.0, sigma) / step) for _ in range(looked)]
    same = sum(a == b for a, b in pairwise(rounded)) / looked
    readings = readings_until_frozen(sigma, step, 1)
    assert readings is not None
    assert same ** (readings - 1) <= 1e-12
    assert readings < 40


@pytest.mark.parametrize(("noise", "resolution"), [(0.0, 1e-3), (1e-3, 0.0), (1e-5, 1e-3)])
def test_an_instrument_without_visible_noise_has_no_such_rule(
    noise: float, resolution: float
) -> None:
    assert readings_until_frozen(noise, resolution, 1) is None


def test_more_channels_need_fewer_readings() -> None:
    one, eight = (readings_until_frozen(30e-6, 10e-6, channels) for channels in (1, 8))
    assert one is not None
    assert eight is not None
    assert one > eight >= 3


def test_ages_are_the_worst_since_they_were_last_asked_for() -> None:
    ages = Ages()
    assert ages.worst(5) == {}
    assert ages.read("a", 10) == 0
    assert ages.read("a", 40) == 30
    assert ages.read("a", 45) == 5
    assert ages.worst(50) == {"a": 30}
    assert ages.worst(60) == {"a": 15}
    ages.read("b", 61)
    assert ages.worst(70) == {"a": 25, "b": 9}


def test_an_instrument_that_nobody_read_trips_though_it_answers_again() -> None:
    rules_of_age = [Rule("age", name, 5.0, "s") for name in ("a", "b")]
    interlock = Interlock([], Reader(LAYOUT), Plausibility(rules_of_age, LAYOUT))
    for ages in ({}, {"a": 5 * SECOND}, {"c": 99 * SECOND}):
        assert interlock.has_looked(ages)
        interlock.check(0, shifted(0.0), ages=ages)
    late = {"a": 0, "b": 5 * SECOND + 1}
    assert not interlock.has_looked(late)
    with pytest.raises(InterlockTrip, match="b time without a reading <= 5 s"):
        interlock.check(7, shifted(0.0), ages=late)


def test_a_bench_that_did_not_look_blames_the_board_for_nothing() -> None:
    age = Bound("board.age", "max", 0.3, "s", "bench")
    rule = Rule("age", "a", 5.0, "s")
    interlock = Interlock([age], Reader(LAYOUT), Plausibility([rule], LAYOUT))
    silent = shifted(0.0)
    silent[LAYOUT.index("board.age_s")] = 6.0
    with pytest.raises(InterlockTrip):
        interlock.check(7, silent, ages={"a": 6 * SECOND})
    assert interlock.tripped is not None
    assert not interlock.tripped.blames_board


def test_a_trip_says_rule_value_limit_and_origin_and_stays() -> None:
    interlock = Interlock([], Reader(LAYOUT), Plausibility([UNIT_B], LAYOUT))
    for second in range(4):
        interlock.check(second * SECOND, shifted(0.003))
    for _ in range(2):
        with pytest.raises(InterlockTrip, match="b cells' sum, read less set"):
            interlock.check(4 * SECOND, shifted(0.003))
    with pytest.raises(InterlockTrip, match="b cells' sum"):
        interlock.check(5 * SECOND, shifted(0.0))
    cause = interlock.tripped
    assert cause is not None
    assert cause.at == 4 * SECOND
    assert cause.limit == "b cells' sum, read less set, for 3 s <= 0.008 V (device b)"
    assert cause.value == pytest.approx(0.012)
    assert cause.bound == 0.008
    assert not cause.blames_board


def test_the_rules_are_those_of_the_instruments_that_are_there() -> None:
    found = [(rule.kind, rule.device) for rule in rules(SPECS, STACK, SECOND)]
    units = [(kind, unit) for unit in ("a", "b") for kind in ("sum", "frozen", "age")]
    assert found == [*units, ("frozen", "chamber"), ("age", "chamber")]
    assert rules({"a": ABS}, STACK[4:], SECOND) == []
