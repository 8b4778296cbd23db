"""Packs that go on ageing during a study: ageing and imbalance are told apart by two metrics."""

import math
from pathlib import Path

import numpy as np
import pytest

from hil.physics.stack import Floats
from hil.profile.load_experiment import load_experiment
from hil.study.arms import run_arm
from hil.study.draws import draws_of

FILE = """\
experiment: T1
title: a test
claim: something is so
duration: 20 d
draws: 3
seeds: [1]
conditions:
  soc: 60 %
  ambient: 45 degC
  leakage: 0 mA
  spread: {ageing: 0 %, resistance: 0 %}
  schedule: [{for: 24 h}]
arms:
  none: {strategy: none, every: 15 min}
  oracle: {strategy: oracle}
checks:
  - {name: is so, role: claim, metric: capacity_kept, arm: none, below: 100 %}
"""


def ran(folder: Path, *settings: str) -> dict[str, Floats]:
    path = folder / "test.yaml"
    path.write_text(FILE, encoding="utf-8")
    experiment = load_experiment(path, settings)
    draws = draws_of(experiment.assumed, experiment.head.draws, experiment.head.seeds)
    return run_arm(experiment.arms[0], experiment.assumed, draws, experiment.head.duration_ns)


def at_rest(days: float, soc: float, degc: float) -> float:
    """Return what Naumann 2018 says a new cell loses at rest, as design/physics.md writes it."""
    heat = math.exp(-17126.0 / 8.314462618 * (1.0 / (degc + 273.15) - 1.0 / 298.15))
    of_soc = 2.8575 * (soc - 0.5) ** 3 + 0.60225
    return 1.2571e-5 * heat * of_soc * math.sqrt(days * 86400.0)


def test_a_pack_at_rest_keeps_what_the_published_law_leaves_of_it(tmp_path: Path) -> None:
    lost = 1.0 - ran(tmp_path, "ages=yes")["capacity_kept"]
    # a board's inputs take 0.3 uA: in 20 days 2e-6 of charge, far below what is held here
    assert lost == pytest.approx(at_rest(20.0, 0.6, 45.0), rel=1e-3)


def test_a_pack_that_was_old_loses_less_in_its_next_days(tmp_path: Path) -> None:
    """The root of time: what is counted begins with the study, not with the pack."""
    settings = ("ages=yes", "age=2 years", "life.cycles=0 1/day", "life.temperature=45 degC")
    kept = ran(tmp_path, *settings)["capacity_kept"]
    then, now = (at_rest(days, 0.6, 45.0) for days in (2 * 365.25, 2 * 365.25 + 20.0))
    assert 1.0 - kept == pytest.approx((now - then) / (1.0 - then), rel=1e-3)


def test_ageing_and_imbalance_multiply_to_what_the_owner_has_left(tmp_path: Path) -> None:
    found = ran(tmp_path, "ages=yes", "spread.soc=4 %", "leakage=5 mA")
    whole = found["capacity_kept"] * found["usable_capacity"]
    np.testing.assert_allclose(found["usable_of_new"], whole, rtol=1e-12)
    assert (found["usable_capacity"] < 0.97).all()
    assert (found["usable_of_new"] < found["usable_capacity"] - 0.005).all()


def test_packs_that_do_not_age_keep_all_of_it_to_the_bit(tmp_path: Path) -> None:
    found = ran(tmp_path, "spread.soc=4 %")
    assert (found["capacity_kept"] == 1.0).all()
    assert (found["usable_of_new"] == found["usable_capacity"]).all()
