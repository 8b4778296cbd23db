"""The outcome of a study that nobody ran, for the tests of what is made of one."""

import json
from pathlib import Path

import numpy as np

from hil.profile.load_experiment import load_experiment
from hil.study.draws import draws_of
from hil.study.experiment import Outcome, Work
from hil.study.judge import judge
from hil.verdict.registry import METRICS

EXPERIMENT = """\
experiment: T3
title: TITLE
claim: something is so
duration: 1 d
draws: 24
conditions: {schedule: [{discharge: 10 A, for: 2 h}, {charge: 10 A, for: 2 h}]}
assumed: {lead: 0 mohm to 500 mohm}
variants: {VARIANTS}
arms:
  none: {strategy: none}
  oracle: {strategy: oracle}
  fixed: {strategy: fixed-threshold}
contest: {arm: fixed, against: [none]}
checks:
  - {name: is so, role: claim, metric: duty, arm: fixed, against: none, above: 0 %}
"""


def outcome_of(folder: Path, variants: int = 2, title: str = "a page") -> Outcome:
    """Return an outcome of lasting chance, in which nothing beats the oracle."""
    folder.mkdir(exist_ok=True)
    path = folder / "T03-page.yaml"
    many = ", ".join(f"v{k}: {{gradient: {k / 10} K}}" for k in range(variants))
    text = EXPERIMENT.replace("VARIANTS", many).replace("TITLE", json.dumps(title))
    path.write_text(text, encoding="utf-8")
    experiment = load_experiment(path)
    draws = tuple(draws_of(experiment.assumed, 24, (1, 2, 3)))
    random = np.random.default_rng(3)
    results = {
        arm.label: {name: random.normal(0.7, 0.2, len(draws)) for name in METRICS}
        for arm in experiment.arms
    }
    for label, own in results.items():
        if label.endswith("oracle"):
            own["usable_capacity"][:], own["wrong_cell_share"][:] = 2.0, 0.0
    results["fixed"]["bled_charge"][:] = np.nan
    verdict = judge(experiment.checks, experiment.arms, results)
    return Outcome(experiment, (1, 2, 3), draws, results, verdict, Work(216, 24, 3, 2, 40.0, 4.0))
