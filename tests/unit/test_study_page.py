"""The page of an experiment, from results made by hand: every figure on it is one of theirs."""

from pathlib import Path

import numpy as np
import pytest

from hil.core.errors import EnvironmentProblem
from hil.profile.load_experiment import load_experiment
from hil.study.draws import draws_of
from hil.study.experiment import Outcome, Work
from hil.study.judge import judge
from hil.study.page import write_page
from hil.verdict.registry import METRICS

EXPERIMENT = """\
experiment: T2
title: a page
claim: something is so
duration: 1 d
draws: 6
plane: [lead, filter_tau, oscillation]
conditions: {schedule: [{discharge: 10 A, for: 2 h}, {charge: 10 A, for: 2 h}]}
assumed: {lead: 0 mohm to 500 mohm, filter_tau: "10 us to 30 ms, log"}
variants: {VARIANTS}
arms:
  none: {strategy: none}
  oracle: {strategy: oracle}
  fixed: {strategy: fixed-threshold}
checks:
  - {name: is so, role: claim, metric: usable_capacity, arm: fixed, against: none, above: 0.1 %}
"""


def outcome_of(folder: Path, variants: int) -> Outcome:
    """Return an outcome in which every value of the k-th arm is k + 0.125."""
    path = folder / "T02-page.yaml"
    many = ", ".join(f"v{k}: {{gradient: {k} K}}" for k in range(variants))
    path.write_text(EXPERIMENT.replace("VARIANTS", many), encoding="utf-8")
    experiment = load_experiment(path)
    draws = tuple(draws_of(experiment.assumed, 6, (1, 2, 3)))
    results = {
        arm.label: {name: np.full(len(draws), k + 0.125) for name in METRICS}
        for k, arm in enumerate(experiment.arms)
    }
    results["fixed"]["bled_charge"][:] = np.nan
    verdict = judge(experiment.checks, experiment.arms, results)
    return Outcome(experiment, (1, 2, 3), draws, results, verdict, Work(0, 0, 0, 1, 0.0, 0.0))


def page_of(folder: Path, variants: int) -> tuple[str, str]:
    outcome = outcome_of(folder, variants)
    page = write_page(outcome, outcome.plain(1.0), folder / "atlas")
    return page.read_text(encoding="utf-8"), page.with_suffix(".svg").read_text(encoding="utf-8")


def test_few_variants_have_every_draw_and_a_plane(tmp_path: Path) -> None:
    text, plot = page_of(tmp_path, 2)
    assert "| v1/fixed | 812.5 % (812.5 to 812.5) |" in text
    assert "| fixed | 212.5 % (212.5 to 212.5) | 212.5 % (212.5 to 212.5) | n/a |" in text
    for word in (">as written<", ">v0<", ">v1<", ">lead (ohm)<", ">filter_tau (s)<"):
        assert word in plot


def test_a_metric_has_one_scale_in_all_variants(tmp_path: Path) -> None:
    _, plot = page_of(tmp_path, 2)  # 12.5 % in the first arm to 812.5 % in the last of "v1"
    assert plot.count(">usable_capacity (%)</text>") == 3
    assert plot.count(">800</text>") == 2 * 3  # and so has the SOC spread


def test_many_variants_have_grids_of_medians(tmp_path: Path) -> None:
    _, plot = page_of(tmp_path, 12)
    assert ">soc_spread (%), median<" in plot
    assert plot.count(">2.91e+03<") >= 1  # v8/fixed, the last arm: 29.125, in per cent
    assert ">-<" in plot  # no draw has a value


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "atlas").write_text("in the way")
    outcome = outcome_of(tmp_path, 1)
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        write_page(outcome, outcome.plain(1.0), tmp_path / "atlas")
