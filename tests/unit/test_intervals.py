"""Intervals of shares and medians, against published figures and against what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.study.intervals import interval_of_median, interval_of_share


@pytest.mark.parametrize(
    ("shown", "draws", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3 (Wilson)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_shares_have_the_published_intervals(
    shown: int, draws: int, low: float, high: float
) -> None:
    assert interval_of_share(shown, draws) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval_and_turned_round_in_the_other(
    counts: tuple[int, int],
) -> None:
    shown, draws = counts
    low, high = interval_of_share(shown, draws)
    assert 0.0 <= low <= shown / draws <= high <= 1.0
    assert low < high
    turned = interval_of_share(draws - shown, draws)
    assert turned == pytest.approx((1.0 - high, 1.0 - low))


def test_no_draws_are_refused() -> None:
    for shown, draws in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="expected some draws"):
            interval_of_share(shown, draws)


def test_nineteen_in_twenty_medians_lie_in_their_interval() -> None:
    random = np.random.default_rng(7)
    found = [interval_of_median(random.normal(3.0, 1.0, 51)) for _ in range(200)]
    hit = sum(low <= 3.0 <= high for low, high in found)
    assert 180 <= hit <= 198  # 190 of 200, and four standard deviations of that


def test_draws_without_a_value_do_not_count() -> None:
    known = np.random.default_rng(1).normal(size=30)
    assert interval_of_median(np.append(known, np.nan)) == interval_of_median(known)
    assert np.isnan(interval_of_median(np.full(3, np.nan))).all()
    assert interval_of_median(np.full(5, 2.0)) == (2.0, 2.0)


@pytest.mark.parametrize("draws", [24, 25])
def test_it_is_the_bootstrap_as_it_is_written_down(draws: int) -> None:
    """Medians of resamples, taken one by one; the interval is theirs but for chance."""
    values = np.random.default_rng(5).lognormal(size=draws)
    random = np.random.default_rng(6)
    medians = [np.median(random.choice(values, draws)) for _ in range(8000)]
    plain = np.percentile(medians, (2.5, 97.5))
    assert interval_of_median(values) == pytest.approx(tuple(plain), rel=0.1)
