"""The distribution of ticks' lateness against NumPy's, and its bounds on memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.bench.lateness import Durations
from hil.core.instants import MILLISECOND, SECOND


def counted(durations: list[int]) -> Durations:
    of = Durations()
    for duration in durations:
        of.add(duration)
    return of


@given(
    st.lists(st.integers(1_000, 100 * SECOND), min_size=1, max_size=300),
    st.sampled_from([0.5, 0.9, 0.99, 0.999, 1.0]),
)
def test_quantiles_are_those_of_numpy_and_at_most_two_percent_above(
    durations: list[int], share: float
) -> None:
    found = counted(durations).quantile(share)
    exact = int(np.quantile(durations, share, method="inverted_cdf"))
    assert exact - 1 <= found <= exact * 1.0201 + 1


def test_the_longest_is_exact_and_in_milliseconds() -> None:
    plain = counted([100_000] * 999 + [7 * MILLISECOND + 1]).plain()
    assert plain["max"] == 7.000001
    assert plain["p50"] == plain["p99"] == pytest.approx(0.1, rel=0.02)
    assert plain["p99.9"] < plain["max"]


def test_years_of_ticks_take_no_more_room_than_a_minute() -> None:
    rng = np.random.default_rng(1)
    many = counted(np.exp(rng.uniform(np.log(1), np.log(1e12), 50_000)).astype(int).tolist())
    assert len(many._counts) <= np.log(1e12 / 1e3) / np.log(1.02) + 2


def test_of_no_tick_nothing_is_late() -> None:
    assert Durations().plain() == {"p50": 0, "p99": 0, "p99.9": 0, "max": 0}
