"""Steps as long as a leg of a quarter of an hour come to what short ones do, limits included."""

import numpy as np
import pytest

from hil.physics.batch import LONGEST_S, WHOLE_S, Batch, Cut
from hil.physics.legs import STEPS, TAKEN_BACK
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.stack import Floats
from hil.profile.load import load_cell

SHORT, LONG = Cut(longest_s=15.0, tolerance=1e-8), Cut(longest_s=WHOLE_S)
SEEDS = (1, 2, 3)


def packs(soc_ratio: float, degc: float) -> Batch:
    spread = PackSpread(capacity_ratio=0.01, soc_ratio=0.01)
    cell = load_cell("lfp-100ah")
    pack = PackParameters(
        16, cell, spread, soc_ratio=soc_ratio, gradient_k=6.0, initial_temperature_degc=degc
    )
    return Batch(pack, SEEDS)


def followed(cut: Cut, soc_ratio: float, degc: float, demand_w: Floats) -> Batch:
    """Return packs after a leg of a quarter of an hour for each demand; one cell bleeds."""
    batch, bleed_s = packs(soc_ratio, degc), np.zeros((len(SEEDS), 16))
    bleed_s[:, 4] = 1.0 / 68.0
    for leg, power_w in enumerate(demand_w.tolist()):
        air_degc = degc + 6.0 * np.sin(2.0 * np.pi * leg / 96)
        batch.run_leg(WHOLE_S, power_w, air_degc, bleed_s, kind="power", cut=cut)
    return batch


def house(seed: int, legs: int) -> Floats:
    """Return a day of a house in W: sun at noon, a load that jumps every quarter of an hour."""
    draw = np.random.default_rng(seed)
    hours = np.arange(legs) / 4.0
    sun_w = 3000.0 * np.clip(np.sin(np.pi * (hours - 6.0) / 12.0), 0.0, None)
    found: Floats = draw.choice([200.0, 500.0, 900.0, 2500.0], legs) - sun_w
    return found


@pytest.mark.parametrize(("seed", "degc"), [(1, 25.0), (2, 5.0), (3, 45.0)])
def test_a_house_followed_in_long_steps_is_the_house_followed_in_short_ones(
    seed: int, degc: float
) -> None:
    fine, coarse = (followed(cut, 0.5, degc, house(seed, 96)) for cut in (SHORT, LONG))
    found, expected = coarse.truth(), fine.truth()
    assert found.soc == pytest.approx(expected.soc, abs=2e-4)
    # what balancing is about: cells against each other, a hundredth of a per cent of 0.01 %
    apart = found.soc - found.soc.mean(axis=1, keepdims=True)
    apart_fine = expected.soc - expected.soc.mean(axis=1, keepdims=True)
    assert apart == pytest.approx(apart_fine, abs=1e-5)
    assert found.bled_ah == pytest.approx(expected.bled_ah, rel=1e-3, abs=1e-9)
    assert found.cell_degc == pytest.approx(expected.cell_degc, abs=0.05)


@pytest.mark.parametrize(
    ("soc_ratio", "degc", "demand_w"), [(0.05, 2.0, 2500.0), (0.96, 25.0, -2500.0)]
)
def test_a_long_step_that_runs_into_a_limit_ends_there(
    soc_ratio: float, degc: float, demand_w: float
) -> None:
    """Half of a current that ends inside of a step looks like its mean: no error shows it."""
    fine, coarse = (followed(cut, soc_ratio, degc, np.full(8, demand_w)) for cut in (SHORT, LONG))
    ends = coarse.termination
    voltage = coarse.sums[:, 2:4]
    assert voltage[:, 1].min() > ends.under_voltage_v - 0.01
    assert voltage[:, 0].max() < ends.cell_max_v + 0.01
    assert coarse.truth().soc == pytest.approx(fine.truth().soc, abs=1e-3)
    assert np.abs(fine.truth().soc.mean() - soc_ratio) > 0.01


def test_long_steps_are_fewer() -> None:
    demand_w = 0.3 * house(4, 96)  # so that no limit is reached, and looked at every two minutes
    short, long = (followed(cut, 0.5, 25.0, demand_w).sums for cut in (Cut(), LONG))
    taken = [sums[:, [STEPS, TAKEN_BACK]].sum() for sums in (short, long)]
    assert taken[1] < 0.5 * taken[0]


def test_legs_of_two_minutes_are_what_they_were_to_the_bit() -> None:
    found = []
    for cut in (Cut(), LONG):
        batch = packs(0.5, 25.0)
        for power_w in house(5, 96).tolist():
            batch.run_leg(LONGEST_S, power_w, 25.0, kind="power", cut=cut)
        found.append(batch.truth())
    for one, other in zip(*found, strict=True):
        assert (one == other).all()
