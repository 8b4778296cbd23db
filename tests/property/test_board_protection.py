"""Thresholds with delay and hysteresis against the plain definition over the whole history."""

import math

from hypothesis import given
from hypothesis import strategies as st

from drivers.virtual.reference_protection import Threshold

DELAY = 3
values = st.integers(0, 10) | st.just(math.nan)
rows = st.lists(st.lists(values, min_size=2, max_size=2), max_size=40)


def plain(history: list[float], trip: float, release: float, *, above: bool) -> bool:
    """Say whether the protection is active, by looking at every run of equal judgement.

    Nothing known is no sign that a fault is over: its run goes on, and ends with a known value.
    """
    active, run = False, 0
    for value in history:
        if math.isnan(value) and not active:
            run += run > 0
            continue
        if above:
            wanted = value <= release if active else value >= trip
        else:
            wanted = value >= release if active else value <= trip
        run = run + 1 if wanted else 0
        if run > DELAY:
            active, run = not active, 0
    return active


@given(rows, st.booleans())
def test_a_threshold_is_its_definition(table: list[list[float]], above: bool) -> None:  # noqa: FBT001
    trip, release = (7.0, 4.0) if above else (3.0, 6.0)
    threshold = Threshold(trip, release, DELAY)
    before: set[int] = set()
    for now, row in enumerate(table):
        changed = threshold.update(row, now)
        expected = {
            index
            for index in range(2)
            if plain([past[index] for past in table[: now + 1]], trip, release, above=above)
        }
        assert threshold.active == expected
        assert changed == (expected != before)
        before = set(expected)


def test_no_values_trip_nothing() -> None:
    assert not Threshold(7.0, 4.0, DELAY).update([], 0)
