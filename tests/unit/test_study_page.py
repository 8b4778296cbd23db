"""The page of an experiment, from results made by hand: every figure on it is one of theirs."""

import re
from pathlib import Path

import numpy as np
import pytest

from hil.core.errors import ConfigErrors, EnvironmentProblem
from hil.physics.stack import Floats
from hil.profile.load_experiment import load_experiment
from hil.study.contest import best_of
from hil.study.draws import draws_of
from hil.study.experiment import Outcome, Work
from hil.study.grids import groups_of, short
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


def outcome_of(folder: Path, variants: int, more: str = "") -> Outcome:
    """Return an outcome in which every value of the k-th arm is k + 0.125."""
    path = folder / "T02-page.yaml"
    many = ", ".join(f"v{k}: {{gradient: {k} K}}" for k in range(variants))
    path.write_text(EXPERIMENT.replace("VARIANTS", many) + more, encoding="utf-8")
    experiment = load_experiment(path)
    draws = tuple(draws_of(experiment.assumed, 6, (1, 2, 3)))
    results = {
        arm.label: {name: np.full(len(draws), k + 0.125) for name in METRICS}
        for k, arm in enumerate(experiment.arms)
    }
    results["fixed"]["bled_charge"][:] = np.nan
    verdict = judge(experiment.checks, experiment.arms, results)
    return Outcome(experiment, (1, 2, 3), draws, results, verdict, Work(0, 0, 0, 1, 0.0, 0.0))


def page_of(folder: Path, variants: int, more: str = "") -> tuple[str, dict[str, str]]:
    """Return a page and, by their names, its plots."""
    outcome = outcome_of(folder, variants, more)
    page = write_page(outcome, outcome.plain(1.0), folder / "atlas")
    plots = {one.stem: one.read_text("utf-8") for one in page.parent.glob("*.svg")}
    return page.read_text(encoding="utf-8"), plots


def test_few_variants_have_every_draw_and_a_plane(tmp_path: Path) -> None:
    text, plots = page_of(tmp_path, 2)
    assert "| v1/fixed | 812.5 % (812.5 to 812.5) |" in text
    assert "| fixed | 212.5 % (212.5 to 212.5) | 212.5 % (212.5 to 212.5) | n/a |" in text
    for word in (">as written<", ">v0<", ">v1<", ">lead (ohm)<", ">filter_tau (s)<"):
        assert word in plots["T02-page"]


def test_a_median_is_a_stroke_of_its_own(tmp_path: Path) -> None:
    """They are one line with a gap behind each: three arms, three strokes, no line between them."""
    _, plots = page_of(tmp_path, 1)
    strokes = re.findall(
        r'<path d="([^"]+)"[^>]*stroke: #000000; stroke-width: 1.4', plots["T02-page"]
    )
    # two variants by three metrics; in one plot the arm without a value has none
    counts = [path.count("M") for path in strokes]
    assert sorted(counts) == [2, 3, 3, 3, 3, 3]


def test_a_metric_has_one_scale_in_all_variants(tmp_path: Path) -> None:
    _, plots = page_of(tmp_path, 2)  # 12.5 % in the first arm to 812.5 % in the last of "v1"
    assert plots["T02-page"].count(">usable_capacity (%)</text>") == 3
    assert plots["T02-page"].count(">800</text>") == 2 * 3  # and so has the SOC spread


def test_many_variants_have_a_grid_of_medians_a_metric(tmp_path: Path) -> None:
    text, plots = page_of(tmp_path, 12)
    assert ">usable_capacity (%), median; " in plots["T02-page"]
    assert ">soc_spread (%), median; " in plots["T02-page-soc_spread"]
    assert ">bled_charge (Ah), median; " in plots["T02-page-bled_charge"]
    assert ">2912<" in plots["T02-page-soc_spread"]  # v8/fixed: 29.125, in per cent
    assert ">-<" in plots["T02-page-bled_charge"]  # no draw has a value
    for name in plots:
        assert f"({name}.svg)" in text


ASKED = """
grids: [usable_capacity less oracle, bled_charge times none, gap_end_of_charge]
contest: {arm: fixed, against: [none]}
"""


def test_a_grid_is_of_pairs_of_packs(tmp_path: Path) -> None:
    text, plots = page_of(tmp_path, 2, ASKED)
    less, times = plots["T02-page"], plots["T02-page-bled_charge-times-none"]
    assert ">usable_capacity less oracle (points), median; " in less
    assert less.count(">-100<") == 3  # none is one arm before the oracle
    assert less.count(">100<") == 3
    assert ">bled_charge times none (times), median; " in times
    assert f">{4.125 / 3.125:.3g}<" in times  # v0: the oracle to none
    assert ">-<" in times
    assert "Ceiling of the gap at the end of charge: 173 mV" in text
    assert "| standard-50mA | 58.8 | 1 resistor 1206, " in text


def test_a_contest_names_the_best_and_by_how_much_it_is_beaten(tmp_path: Path) -> None:
    text, _ = page_of(tmp_path, 2, ASKED)
    [row] = [line for line in text.splitlines() if line.startswith("| v0 | none |")]
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[3:7] == ["312.5", "512.5", "412.5", "+200 (+200 to +200)"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("grids: [usable]", "no metric 'usable'"),
        ("grids: [duty more oracle]", "expected 'METRIC less ARM' or 'METRIC times ARM'"),
        ("grids: [duty less orcale]", "no arm 'orcale'; did you mean 'oracle'?"),
        ("contest: {arm: fixed, against: [best]}", "no arm 'best'"),
        ("contest: {arm: fixed, against: [fixed]}", "expected other arms than 'arm'"),
    ],
)
def test_what_no_grid_can_show_is_told_before_the_study(
    asked: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigErrors) as refused:
        outcome_of(tmp_path, 1, asked)
    assert told in str(refused.value)


def test_equal_results_give_equal_files(tmp_path: Path) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    for folder in (once, again):
        folder.mkdir()
    assert page_of(once, 2) == page_of(again, 2)


def test_the_best_has_the_most_and_of_equals_the_least_spread() -> None:
    def arm(usable: float, spread: float) -> dict[str, Floats]:
        return {"usable_capacity": np.full(3, usable), "soc_spread": np.full(3, spread)}

    results = {"a": arm(0.99, 0.001), "b": arm(0.9996, 0.02), "c": arm(0.9993, 0.01)}
    assert best_of(results, ["a", "b", "c"]) == "c"
    assert best_of(results, ["a", "b"]) == "b"
    assert best_of(results, ["nowhere"]) is None


def test_names_that_are_pairs_are_known_by_all_of_them_being_there() -> None:
    pairs = ["gulf-desert-50mA", "gulf-desert-10mV", "humid-50mA", "humid-10mV"]
    assert groups_of(pairs) == ["gulf-desert", "humid"]
    assert groups_of(pairs[:3]) == []
    assert groups_of(["unmuted", "no-lead"]) == []


def test_a_field_holds_six_characters() -> None:
    values = (99.8712, 0.13412, 23114.0, -0.00012, 0.0, float("nan"))
    assert [short(one) for one in values] == ["99.87", "0.134", "23.1k", "-1e-04", "0", "-"]


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "atlas").write_text("in the way")
    outcome = outcome_of(tmp_path, 1)
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        write_page(outcome, outcome.plain(1.0), tmp_path / "atlas")
