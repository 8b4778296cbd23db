"""Decimation: of every bucket the extremes survive, gaps stay gaps, time rises."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hil.core.instants import SECOND
from hil.results.report.decimation import Decimation, Floats, Nanoseconds, Picture
from hil.results.report.scene import BUDGET_BYTES, ticks_a_bucket

LINES = 3

VALUES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 60), st.just(LINES)),
    elements=st.one_of(st.floats(-1e6, 1e6, width=32), st.just(float("nan"))),
)
SKIPS = st.lists(st.integers(0, 4), min_size=60, max_size=60)
"""How many ticks are missing before each one."""


def instants(count: int, skips: list[int]) -> Nanoseconds:
    at_ns: Nanoseconds = (np.arange(count) + np.cumsum(skips[:count])) * SECOND
    return at_ns


def drawn(at_ns: Nanoseconds, rows: Floats, every: int, cuts: list[int]) -> Picture:
    """Decimate rows that come in pieces."""
    fold = Decimation(SECOND, every, LINES, [LINES - 1])
    edges = [0, *sorted(cut for cut in set(cuts) if cut < len(rows)), len(rows)]
    for start, stop in pairwise(edges):
        if stop > start:
            fold.add(at_ns[start:stop], rows[start:stop])
    return fold.picture()


@given(VALUES, SKIPS, st.integers(1, 9), st.lists(st.integers(1, 59), max_size=4))
def test_the_extremes_of_every_bucket_survive(
    rows: Floats, skips: list[int], every: int, cuts: list[int]
) -> None:
    at_ns = instants(len(rows), skips)
    picture = drawn(at_ns, rows, every, cuts)
    edges = picture.bucket_ns
    assert np.all(np.diff(edges) > 0)
    assert edges[0] == at_ns[0]
    for begin, end in pairwise(edges):
        source = rows[(at_ns >= begin) & (at_ns < end)]
        shown = picture.values[:, (picture.at_ns >= begin) & (picture.at_ns < end)]
        for line in range(LINES):
            known, kept = source[:, line], shown[line]
            known, kept = known[~np.isnan(known)], kept[~np.isnan(kept)]
            assert len(known) > 0 or len(kept) == 0
            if len(known):
                assert kept.min() == np.float32(known.min())
                assert kept.max() == np.float32(known.max())


@given(VALUES, SKIPS, st.integers(1, 9))
def test_what_is_not_known_breaks_the_line(rows: Floats, skips: list[int], every: int) -> None:
    """Between a bucket with a hole and the next one, the line is broken; so is it over lost time.

    The other way round, a line without a hole is not broken anywhere.
    """
    at_ns = instants(len(rows), skips)
    picture = drawn(at_ns, rows, every, [])
    assert np.all(np.diff(picture.at_ns) > 0)
    holes = np.flatnonzero(np.diff(at_ns) > SECOND)
    for line in range(LINES):
        unknown = np.isnan(rows[:, line])
        broken = np.isnan(picture.values[line])
        assert broken.any() == bool(unknown.any() or len(holes))
        for hole in [*at_ns[unknown], *(at_ns[holes] + SECOND)]:
            bucket = np.searchsorted(picture.bucket_ns, hole, side="right") - 1
            begin, end = picture.bucket_ns[bucket], picture.bucket_ns[bucket + 1]
            assert broken[(picture.at_ns >= begin) & (picture.at_ns < end)].any()


@given(VALUES, SKIPS, st.integers(1, 9), st.lists(st.integers(1, 59), max_size=4))
def test_how_the_ticks_come_changes_nothing(
    rows: Floats, skips: list[int], every: int, cuts: list[int]
) -> None:
    at_ns = instants(len(rows), skips)
    one, other = drawn(at_ns, rows, every, []), drawn(at_ns, rows, every, cuts)
    assert np.array_equal(one.at_ns, other.at_ns)
    assert np.array_equal(one.values, other.values, equal_nan=True)
    assert np.array_equal(one.mean, other.mean, equal_nan=True)


@given(VALUES)
def test_a_bucket_of_one_tick_is_that_tick(rows: Floats) -> None:
    at_ns = instants(len(rows), [0] * 60)
    picture = drawn(at_ns, rows, 1, [])
    assert np.array_equal(picture.at_ns, at_ns)
    assert np.array_equal(picture.values, rows.T.astype(np.float32), equal_nan=True)


@given(VALUES, st.integers(1, 9))
def test_shares_have_their_mean_and_peak(rows: Floats, every: int) -> None:
    at_ns = instants(len(rows), [0] * 60)
    picture = drawn(at_ns, rows, every, [])
    for bucket, begin in enumerate(range(0, len(rows), every)):
        part = rows[begin : begin + every, -1]
        part = part[~np.isnan(part)]
        if len(part):
            mean = np.float32(part.sum() / len(part))
            assert np.isclose(picture.mean[0, bucket], mean, rtol=1e-5, atol=1e-6)
            assert picture.peak[0, bucket] == np.float32(part.max())
        else:
            assert np.isnan(picture.mean[0, bucket])
            assert np.isnan(picture.peak[0, bucket])


@given(st.integers(0, 10**8), st.integers(1, 400))
def test_points_fit_their_budget(ticks: int, lines: int) -> None:
    every = ticks_a_bucket(ticks, lines, BUDGET_BYTES)
    points = ticks if every == 1 else 2 * -(-ticks // every)
    assert points * (4 * lines + 8) * 4 / 3 <= BUDGET_BYTES * 1.01
