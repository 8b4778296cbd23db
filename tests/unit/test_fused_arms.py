"""Arms that differ in packs, leads and climate run in one batch, and no result shows it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hil.core.instants import MINUTE
from hil.profile.experiment import Arm, Experiment
from hil.profile.load_experiment import load_experiment
from hil.profile.weather import Weather
from hil.study.arms import fuses, run_arm, run_arms, schedule_of
from hil.study.draws import drawn, draws_of

THREE_DAYS = 3 * 24 * 60 * MINUTE
CLIMATES = ("gulf-desert", "nordic-coast", "humid")
FILE = """\
experiment: F1
title: packs that have something to balance, near the top already
claim: arms fuse
duration: 3 d
draws: 3
seeds: [1]
conditions:
  soc: 80 %
  gradient: 6 K
  spread: {soc: 3 %}
  household: {series: {file: household_week.csv, column: net_w}}
assumed: {leakage: 0.1 mA to 1 mA, lead: 20 mohm to 100 mohm, cell_air: 0.4 W/K to 1.5 W/K}
variants:
  gulf-desert: {ambient: {climate: gulf-desert, from: 1 June, enclosure: sun}}
  nordic-coast: {ambient: {climate: nordic-coast, from: 1 December, enclosure: shade}}
  humid: {ambient: {climate: humid, from: 1 June, enclosure: shade}}
arms:
  none: {strategy: none, every: 15 min}
  oracle: {strategy: oracle, every: 15 min}
  state-aware: {strategy: state-aware, every: 15 min}
  state-aware-10mV: {strategy: state-aware, every: 15 min, board: sampling-10mV}
  charge-ledger: {strategy: charge-ledger, every: 15 min}
  bias-aware: {strategy: bias-aware, every: 15 min}
  hybrid: {strategy: hybrid, every: 15 min, board: active-2A}
checks:
  - {name: is so, role: claim, metric: usable_capacity, arm: none, above: 0 %}
"""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    path = tmp_path_factory.mktemp("fused") / "F1.yaml"
    path.write_text(FILE, encoding="utf-8")
    return load_experiment(path)


def arms_of(experiment: Experiment, name: str) -> list[Arm]:
    """Return the arm of that name in each climate."""
    found = {arm.label: arm for arm in experiment.arms}
    return [found[f"{climate}/{name}"] for climate in CLIMATES]


def with_conditions(arm: Arm, **own: Any) -> Arm:
    return replace(arm, conditions=replace(arm.conditions, **own), known=arm.known | set(own))


# hybrid: a pack that moves no charge stands beside packs that do; ledger, bias-aware: long memories
@pytest.mark.parametrize("strategy", ["state-aware", "charge-ledger", "hybrid", "bias-aware"])
def test_fused_arms_are_the_arms_alone_to_the_bit(experiment: Experiment, strategy: str) -> None:
    arms = arms_of(experiment, strategy)
    # one more with a lead, a filter, an age and a leak of its own: rows of one batch like all else
    own = {"lead_ohm": 0.3, "filter_tau_s": 0.004, "leakage_a": 0.002, "age_years": 3.0}
    arms.append(with_conditions(arms[0], board_heat_ratio=1.4, **own))
    draws = draws_of(experiment.assumed, 3, (1,))
    fused = run_arms(arms, experiment.assumed, draws, THREE_DAYS)
    assert len(fused) == len(arms)
    for arm, found in zip(arms, fused, strict=True):
        alone = run_arm(arm, experiment.assumed, draws, THREE_DAYS)
        assert found.keys() == alone.keys()
        for name, values in alone.items():
            assert np.array_equal(found[name], values, equal_nan=True), (arm.label, name)
    means_degc = [found["peak_pcb_temperature"].mean() for found in fused]
    assert len(set(means_degc)) == len(arms), "every arm has its own weather, or its own board"


def test_what_a_batch_shares_does_not_fuse(experiment: Experiment) -> None:
    arm = arms_of(experiment, "state-aware")[0]
    world = arm.conditions
    assert world.household is not None
    others = [
        arms_of(experiment, "charge-ledger")[0],
        arms_of(experiment, "state-aware-10mV")[0],
        with_conditions(arm, ages=True),
        with_conditions(arm, termination=replace(world.termination, hold_v=3.42)),
        with_conditions(arm, household=replace(world.household, scale=0.5)),
        with_conditions(arm, ambient_degc=25.0),  # no weather: other rows
        replace(arm, cell=replace(arm.cell, capacity_ah=90.0)),
    ]
    assert not any(fuses(arm, other) or fuses(other, arm) for other in others)
    for other in others:
        with pytest.raises(ValueError, match="differ in what a batch shares"):
            run_arms([arm, other], (), draws_of((), 1, (1,)), THREE_DAYS)


def test_what_is_the_packs_own_fuses(experiment: Experiment) -> None:
    arm = arms_of(experiment, "state-aware")[0]
    own = [
        with_conditions(arm, gradient_k=0.0, lead_ohm=0.3, soc_ratio=0.2, age_years=2.0),
        replace(arm, cell=replace(arm.cell, leakage_a=0.005, leakage_ea_j_per_mol=35e3)),
        arms_of(experiment, "state-aware")[1],
    ]
    assert all(fuses(arm, other) for other in own)


def test_packs_of_one_climate_share_its_rows_and_each_has_its_own_weather(
    experiment: Experiment,
) -> None:
    arms = arms_of(experiment, "none")
    worlds = [drawn(arm, (), draws_of((), 1, (1,))[0]) for arm in (*arms, arms[0])]
    schedule = schedule_of(worlds, THREE_DAYS)
    assert np.shape(schedule.ambient_degc) == (3 * 1440, len(CLIMATES))
    for start_s, leg_s in ((0.0, 60.0), (86400.0 + 900.0, 900.0)):
        _, found_degc = schedule.by_leg(leg_s).at(start_s, leg_s)
        for world, degc in zip(worlds, found_degc, strict=True):
            weather = world.ambient_degc
            assert isinstance(weather, Weather)
            minutes = np.arange(start_s, start_s + leg_s, 60.0) / 60.0
            expected = np.mean([weather.at(round(m) * MINUTE) for m in minutes])
            assert degc == pytest.approx(expected, abs=1e-9)
