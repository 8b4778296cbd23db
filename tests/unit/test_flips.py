"""What a conclusion hangs on: found where it was put in, and nowhere else."""

import numpy as np
import pytest

from hil.profile.experiment import Arm, Assumed, Check
from hil.study.draws import Draw, draws_of
from hil.study.flips import flips_of
from hil.study.judge import Judged

ASSUMED = (
    Assumed("lead", ("lead_ohm",), 0.02, 0.5),
    Assumed("leakage", ("leakage_a",), 1e-4, 1e-3, log=True),
    Assumed("link", ("link_ohm",), 1e-4, 3e-4),
)
CHECK = Check(
    *("it shows", "claim", "soc_spread", "own", None, None, 0.01),
    relative=False,
    unit="1",
    expected="more",
)


def arm(*known: str) -> Arm:
    return Arm("own", "", ..., ..., ..., ..., frozenset(known))  # type: ignore[arg-type]


def judged(draws: list[Draw], *, where: float, parameter: int = 0) -> Judged:
    shown = np.array([draw.values[parameter] > where for draw in draws])
    return Judged("it shows", "claim", "", "", passed=True, shown=shown)


@pytest.mark.parametrize("seed", range(5))
def test_the_value_at_which_an_effect_sets_in_is_found(seed: int) -> None:
    draws = draws_of(ASSUMED, 51, (seed,))
    first, *others = flips_of(CHECK, judged(draws, where=0.2), [arm()], draws, ASSUMED)
    assert (first.key, first.side, first.parts) == ("lead", "above", 1.0)
    assert first.at == pytest.approx(0.2, abs=0.5 / 51)
    assert not others


def test_an_effect_below_a_value_is_told_apart_from_one_above_it() -> None:
    draws = draws_of(ASSUMED, 51, (1,))
    other = judged(draws, where=0.2)
    found = flips_of(CHECK, other._replace(shown=~other.shown), [arm()], draws, ASSUMED)
    assert (found[0].side, found[0].parts) == ("below", 1.0)


def test_what_an_arm_knows_decides_nothing() -> None:
    draws = draws_of(ASSUMED, 51, (1,))
    assert flips_of(CHECK, judged(draws, where=0.2), [arm("lead")], draws, ASSUMED) == []


def test_an_effect_that_is_clear_hangs_on_nothing() -> None:
    draws = draws_of(ASSUMED, 51, (1,))
    for where in (0.0, 0.49):
        assert flips_of(CHECK, judged(draws, where=where), [arm()], draws, ASSUMED) == []


def test_chance_is_seldom_taken_for_a_cause() -> None:
    """Ten parameters that decide nothing: in few experiments does one of them seem to."""
    ten = [Assumed(str(at), (str(at),), 0.0, 1.0) for at in range(10)]
    random = np.random.Generator(np.random.PCG64(1))
    found = 0
    for seed in range(100):
        draws = draws_of(ten, 51, (seed,))
        shown = random.permutation(51) < 25
        other = judged(draws, where=0.0)._replace(shown=shown)
        found += bool(flips_of(CHECK, other, [arm()], draws, ten))
    assert found <= 10
