"""Draws: every slice of every range once a seed, the same packs for the same seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from hil.profile.experiment import Assumed
from hil.study.draws import draws_of

EVEN = Assumed("gradient", ("gradient_k",), 2.0, 12.0)
LOG = Assumed("leakage", ("leakage_a",), 1e-4, 1e-3, log=True)


@given(some.integers(1, 60), some.integers(0, 2**32 - 1))
def test_every_slice_of_a_range_is_drawn_from_once_a_seed(draws: int, seed: int) -> None:
    values = np.array([one.values for one in draws_of([EVEN, LOG], draws, [seed])])
    even = (values[:, 0] - 2.0) / 10.0
    log = np.log10(values[:, 1] / 1e-4)
    for shares in (even, log):
        assert sorted(np.floor(np.clip(shares, 0.0, 1.0 - 1e-12) * draws)) == list(range(draws))


def test_draws_are_shared_out_among_the_seeds_and_each_seed_has_packs_of_its_own() -> None:
    found = draws_of([EVEN], 50, [3, 1, 2])
    assert [one.seed for one in found] == [3] * 17 + [1] * 17 + [2] * 17
    assert len({one.pack_seed for one in found}) == 51


def test_a_seed_draws_the_same_whoever_stands_beside_it() -> None:
    alone, beside = draws_of([EVEN, LOG], 20, [7]), draws_of([EVEN, LOG], 40, [9, 7])
    assert alone == beside[20:]


def test_parameters_are_drawn_independently_of_each_other() -> None:
    values = np.array([one.values for one in draws_of([EVEN, LOG], 400, [1])])
    assert abs(np.corrcoef(values[:, 0], np.log(values[:, 1]))[0, 1]) < 0.15


def test_a_seed_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"seeds \[1, 1\]: expected each once"):
        draws_of([EVEN], 10, [1, 1])


def test_an_experiment_that_assumes_nothing_has_packs_all_the_same() -> None:
    assert [one.values for one in draws_of([], 3, [1])] == [(), (), ()]


def test_more_draws_than_a_seed_has_packs_are_refused() -> None:
    """The one too many would be the first pack of the next seed."""
    with pytest.raises(ValueError, match="65537 draws a seed: expected at most 65536"):
        draws_of([], 2**17 + 1, [1, 2])
