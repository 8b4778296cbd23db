"""Limits combined: the tightest holds whatever the order; rates are those of brute force."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.bench.interlock import Interlock
from hil.bench.quantities import Reader
from hil.bench.rates import Rates
from hil.core.errors import InterlockTrip
from hil.core.instants import SECOND, Duration, Instant
from hil.core.records import LimitWarned
from hil.core.signals import tick_layout
from hil.profile.limits import Bound, tightest

CELLS = 3
LAYOUT = tick_layout(CELLS, 1)
READER = Reader(LAYOUT)
QUANTITIES = ("cell.voltage", "chamber.temperature", "current")

numbers = st.floats(-100.0, 100.0, allow_nan=False, width=32)
bounds = st.builds(
    Bound,
    quantity=st.sampled_from(QUANTITIES),
    side=st.sampled_from(["min", "max"]),
    value=numbers,
    unit=st.just("V"),
    origin=st.sampled_from(["bench", "profile", "pack p", "device d"]),
    severity=st.sampled_from(["trip", "warn"]),
)


def row_of(values: Sequence[float]) -> list[float]:
    """Return a row: voltages of the cells, then the chamber's air, then the current."""
    row = [math.nan] * LAYOUT.width
    row[LAYOUT.columns("emulator.read_v")] = values[:CELLS]
    row[LAYOUT.index("chamber.air_degc")] = values[CELLS]
    row[LAYOUT.index("pack.current_a")] = values[CELLS + 1]
    return row


rows = st.lists(numbers, min_size=CELLS + 2, max_size=CELLS + 2).map(row_of)


def values_of(bound: Bound, row: Sequence[float]) -> Sequence[float]:
    return READER.values(bound.quantity, row)


def allowed(bound: Bound, row: Sequence[float]) -> bool:
    return all(bound.allows(value) for value in values_of(bound, row))


@given(st.lists(bounds), st.randoms(use_true_random=False))
def test_the_tightest_are_the_same_in_every_order(
    given_bounds: list[Bound], random: object
) -> None:
    shuffled = list(given_bounds)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    assert tightest(shuffled) == tightest(given_bounds)
    assert tightest(tightest(given_bounds)) == tightest(given_bounds)


@given(st.lists(bounds), rows)
def test_what_the_tightest_allow_all_allow_and_the_other_way_round(
    given_bounds: list[Bound], row: list[float]
) -> None:
    trips = [one for one in given_bounds if one.severity == "trip"]
    kept = [one for one in tightest(given_bounds) if one.severity == "trip"]
    assert all(allowed(one, row) for one in kept) == all(allowed(one, row) for one in trips)


@given(st.lists(bounds), st.lists(rows, max_size=5))
def test_rows_within_all_bounds_never_trip_and_one_outside_does_once_for_all(
    given_bounds: list[Bound], given_rows: list[list[float]]
) -> None:
    kept, warned = tightest(given_bounds), list[LimitWarned]()
    interlock = Interlock(kept, READER, warn=warned.append)
    trips = [one for one in kept if one.severity == "trip"]
    outside = [not all(allowed(one, row) for one in trips) for row in given_rows]
    first = None
    for number, row in enumerate(given_rows):
        if any(outside[: number + 1]):
            with pytest.raises(InterlockTrip):
                interlock.check(number, row)
            first = first or interlock.tripped
            assert interlock.tripped is first
            assert first is not None
            assert first.at == outside.index(True)
        else:
            interlock.check(number, row)
            assert interlock.tripped is None
    assert len({one.limit for one in warned}) == len(warned)
    seen = given_rows[: outside.index(True)] if True in outside else given_rows
    for bound in kept:
        if bound.severity == "warn" and not all(allowed(bound, row) for row in seen):
            assert bound.name in {one.limit for one in warned}


@given(st.lists(bounds, min_size=1), rows)
def test_a_warning_trips_nothing(given_bounds: list[Bound], row: list[float]) -> None:
    warnings = [replace(one, severity="warn") for one in given_bounds]
    Interlock(tightest(warnings), READER).check(0, row)


def oracle(
    rows_so_far: Sequence[tuple[Instant, Sequence[float]]], over_ns: Duration
) -> list[float]:
    """Return the newest row's rates a second by looking at all rows again."""
    at, values = rows_so_far[-1]
    old = [one for one in rows_so_far if at - one[0] >= over_ns]
    if not old:
        return [math.nan] * len(values)
    then, before = old[-1]
    return [abs(a - b) * 1e9 / (at - then) for a, b in zip(values, before, strict=True)]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 5 * SECOND),
            st.lists(numbers | st.just(math.nan), min_size=2, max_size=2),
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 12 * SECOND),
)
def test_a_rate_is_that_of_brute_force(
    steps: list[tuple[Duration, list[float]]], over_ns: Duration
) -> None:
    rates, at, seen = Rates(over_ns, "V/s"), 0, list[tuple[Instant, Sequence[float]]]()
    for later, values in steps:
        at += later
        seen.append((at, values))
        expected = oracle(seen, over_ns)
        assert rates.of(at, values) == pytest.approx(expected, rel=1e-12, nan_ok=True)


@given(st.floats(0.01, 10.0), st.integers(1, 10), st.integers(1, 20))
def test_a_steady_ramp_trips_above_its_rate_only(
    k_per_min: float, window_s: int, ticks_past: int
) -> None:
    name = "chamber.temperature"
    for factor, trips in ((0.999, True), (1.001, False)):
        bound = Bound(name, "rate", factor * k_per_min, "K/min", "p", over_ns=window_s * SECOND)
        interlock = Interlock([bound], READER)
        for second in range(window_s + ticks_past):
            row = row_of([3.3] * CELLS + [20.0 + k_per_min * second / 60.0, 0.0])
            if trips and second >= window_s:
                with pytest.raises(InterlockTrip):
                    interlock.check(second * SECOND, row)
            else:
                interlock.check(second * SECOND, row)
