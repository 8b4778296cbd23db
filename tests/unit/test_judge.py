"""The rule by which a claim is judged, on results made by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hil.profile.experiment import Arm, Check
from hil.study.judge import effect, judge, spread_of

DRAWS = 50
CLAIM = Check(
    name="less",
    role="claim",
    metric="usable_capacity",
    arm="weak",
    against="strong",
    below=-0.001,
    above=None,
    relative=False,
    unit="1",
    expected="weak less than strong",
)


def arm(name: str, variant: str = "") -> Arm:
    nothing: Any = None
    return Arm(name, variant, nothing, nothing, nothing, nothing)


ARMS = [arm(name) for name in ("none", "oracle", "weak", "strong")]


def results(worse_in: int, **others: float) -> dict[str, dict[str, np.ndarray]]:
    """Return results in which ``weak`` loses one point in the first ``worse_in`` draws."""
    weak = np.where(np.arange(DRAWS) < worse_in, 0.98, 0.99)
    usable = {"none": 0.97, "oracle": 1.0, "strong": 0.99} | others
    found = {name: {"usable_capacity": np.full(DRAWS, value)} for name, value in usable.items()}
    found["weak"] = {"usable_capacity": weak}
    for values in found.values():
        values["wrong_cell_share"] = np.zeros(DRAWS)
    return found


@pytest.mark.parametrize(
    ("worse_in", "verdict"),
    [
        (50, "supported"),
        (45, "supported"),
        (44, "partly"),
        (5, "partly"),
        (4, "not supported"),
        (0, "not supported"),
    ],
)
def test_a_claim_is_judged_by_the_share_of_draws_in_which_it_shows(
    worse_in: int, verdict: str
) -> None:
    found = judge([CLAIM], ARMS, results(worse_in))
    assert found.own == (verdict, worse_in / DRAWS)
    assert found.valid


def test_all_effects_of_a_claim_have_to_show_in_the_same_draw() -> None:
    seen = results(30)
    seen["weak"]["soc_spread"] = np.where(np.arange(DRAWS) < 25, 0.0, 0.02)
    other = replace(CLAIM, metric="soc_spread", against=None, below=None, above=0.01)
    assert judge([CLAIM, other], ARMS, seen).own == ("partly", 5 / DRAWS)


def test_a_draw_without_a_value_shows_no_effect() -> None:
    seen = results(50)
    seen["weak"]["usable_capacity"][:10] = np.nan
    assert judge([CLAIM], ARMS, seen).own.share == 40 / DRAWS


@pytest.mark.parametrize(("shows_in", "believed"), [(4, True), (5, False), (50, False)])
def test_an_effect_that_shows_without_its_cause_ends_belief(
    shows_in: int, *, believed: bool
) -> None:
    control = replace(CLAIM, role="control")
    found = judge([CLAIM, control], ARMS, results(shows_in))
    assert found.valid is believed


@pytest.mark.parametrize(("unknown", "believed"), [(5, True), (6, False), (50, False)])
def test_a_control_that_is_not_known_shows_nothing_either_way(
    unknown: int, *, believed: bool
) -> None:
    seen = results(0)
    seen["weak"]["gap_end_of_charge"] = np.where(np.arange(DRAWS) < unknown, np.nan, 0.0)
    gap = replace(CLAIM, role="control", metric="gap_end_of_charge", against=None)
    control = replace(gap, below=None, above=0.01, unit="V")
    found = judge([CLAIM, control], ARMS, seen)
    assert found.valid is believed
    assert f"in 0 of 50 draws, {unknown} without a value" in found.checks[1].found


def test_an_arm_whose_capacity_is_not_known_may_beat_the_oracle() -> None:
    seen = results(0)
    seen["strong"]["usable_capacity"] = np.full(DRAWS, np.nan)
    assert not judge([CLAIM], ARMS, seen).valid


@pytest.mark.parametrize(("ahead", "believed"), [(0.0004, True), (0.0006, False)])
def test_nothing_may_beat_the_oracle(ahead: float, *, believed: bool) -> None:
    found = judge([CLAIM], ARMS, results(0, oracle=0.99, strong=0.99 + ahead))
    assert found.valid is believed
    assert any("strong: +0.0" in one.found for one in found.checks)


def test_an_oracle_that_takes_from_the_wrong_cell_is_none() -> None:
    seen = results(0)
    seen["oracle"]["wrong_cell_share"][7] = 1e-6
    assert not judge([CLAIM], ARMS, seen).valid


def test_an_oracle_that_never_bled_took_from_no_wrong_cell() -> None:
    seen = results(0)
    seen["oracle"]["wrong_cell_share"][:] = np.nan
    assert judge([CLAIM], ARMS, seen).valid


def test_each_variant_that_claims_something_has_a_verdict_of_its_own() -> None:
    seen = results(50) | {f"warm/{name}": value for name, value in results(10).items()}
    warm = [arm(one.name, "warm") for one in ARMS]
    there = replace(CLAIM, arm="warm/weak", against="warm/strong")
    found = judge([CLAIM, there], ARMS + warm, seen)
    assert {name: one.supported for name, one in found.regimes.items()} == {
        "": "supported",
        "warm": "partly",
    }
    assert found.own.supported == "supported"


def test_a_relative_effect_is_a_share_of_what_it_is_compared_with() -> None:
    seen = results(0)
    seen["weak"]["bled_charge"] = np.array([2.0, 0.0, 3.0])
    seen["strong"]["bled_charge"] = np.array([4.0, 0.0, 2.0])
    check = replace(CLAIM, metric="bled_charge", relative=True)
    assert effect(check, seen)[[0, 2]].tolist() == [-0.5, 0.5]
    assert np.isnan(effect(check, seen)[1])  # of nothing there is no share


def test_a_share_of_something_negative_keeps_the_sign_of_the_difference() -> None:
    seen = results(0)
    seen["weak"]["min_cell_voltage"] = np.array([-1.0])
    seen["strong"]["min_cell_voltage"] = np.array([-2.0])
    check = replace(CLAIM, metric="min_cell_voltage", relative=True)
    assert effect(check, seen).tolist() == [0.5]


def test_a_value_at_its_bound_shows_nothing() -> None:
    seen = results(0)
    seen["weak"]["soc_spread"] = np.full(DRAWS, 0.25)
    bare = replace(CLAIM, metric="soc_spread", against=None)
    below, above = replace(bare, below=0.25), replace(bare, below=None, above=0.25)
    found = judge([below, above], ARMS, seen)
    assert [one.shown.any() for one in found.checks[:2]] == [False, False]


def test_a_range_is_from_the_5th_to_the_95th_percentile_of_what_is_known() -> None:
    values = np.append(np.arange(101.0), np.nan)
    assert spread_of(values) == (5.0, 50.0, 95.0)
    assert spread_of(np.array([np.nan])) == (None, None, None)
