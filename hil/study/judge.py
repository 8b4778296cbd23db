"""What an experiment's draws say of its claim. Rules: design/physics.md, section 4.

A claim is *supported* if its effect shows in at least 90 % of the draws, *not supported* below
10 %, *partly* in between; all effects that make up the claim have to show in the same draw. Beside
that two things decide whether the study may be believed at all: the effect must not show where its
cause was taken away (controls), and nothing may beat the oracle.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hil.physics.stack import Floats
from hil.profile.experiment import Arm, Check
from hil.verdict.registry import METRICS, finite

Supported: TypeAlias = Literal["supported", "partly", "not supported"]
Results: TypeAlias = Mapping[str, Mapping[str, Floats]]
"""By label of the arm, by metric: one value a draw."""
Bools = NDArray[np.bool_]

IN_MOST, IN_FEW = 0.9, 0.1
ORACLE_MAY_LOSE = 0.0005
"""Of usable capacity: what any strategy may be better than the oracle by (0.05 points)."""
LOW, HIGH = 5.0, 95.0
"""Percentiles of the draws that are given as an arm's range."""


class Judged(NamedTuple):
    """A check and what was found: in how many draws the effect showed, and how large it was."""

    name: str
    role: str
    expected: str
    found: str
    passed: bool
    shown: Bools


class Regime(NamedTuple):
    """What became of the claim in one variant, and in which share of the draws it showed."""

    supported: Supported
    share: float


class Verdict(NamedTuple):
    """``regimes`` by variant, the first of which is the experiment's own verdict.

    ``valid``: whether controls and oracle let the study be believed.
    """

    regimes: Mapping[str, Regime]
    valid: bool
    checks: tuple[Judged, ...]

    @property
    def own(self) -> Regime:
        """Return the verdict of the experiment."""
        return next(iter(self.regimes.values()))


def judge(checks: Sequence[Check], arms: Sequence[Arm], results: Results) -> Verdict:
    """Return the verdict on a claim. Draws in which a value is unknown show no effect.

    They do not show its absence either: a control has to be known in as many draws as a claim.
    """
    judged = [_judged(check, results) for check in checks]
    of_variant: dict[str, list[Bools]] = {}
    for check, one in zip(checks, judged, strict=True):
        if check.role == "claim":
            variant = next(arm.variant for arm in arms if arm.label == check.arm)
            of_variant.setdefault(variant, []).append(one.shown)
    regimes = {variant: _regime(shown) for variant, shown in of_variant.items()}
    judged += _oracle(arms, results)
    valid = all(one.passed for one in judged if one.role in ("control", "oracle"))
    return Verdict(regimes, valid, tuple(judged))


def _regime(shown: Sequence[Bools]) -> Regime:
    share = float(np.logical_and.reduce(shown).mean())
    if share >= IN_MOST:
        return Regime("supported", share)
    return Regime("partly" if share >= IN_FEW else "not supported", share)


def effect(check: Check, results: Results) -> Floats:
    """Return the value that a check bounds, (draws,)."""
    value = results[check.arm][check.metric]
    if check.against is None:
        return value
    other = results[check.against][check.metric]
    less = value - other
    if not check.relative:
        return less
    share: Floats = np.divide(less, np.abs(other), np.full_like(less, np.nan), where=other != 0.0)
    return share


def _judged(check: Check, results: Results) -> Judged:
    value = effect(check, results)
    known = np.isfinite(value)
    shown = known.copy()
    if check.below is not None:
        shown &= value < check.below
    if check.above is not None:
        shown &= value > check.above
    share = float(shown.mean())
    absent = share < IN_FEW and float(known.mean()) >= IN_MOST
    passed = absent if check.role == "control" else share >= IN_MOST
    how_often = f"in {np.count_nonzero(shown)} of {len(shown)} draws"
    if not known.all():
        how_often += f", {np.count_nonzero(~known)} without a value"
    expected = f"{check.expected}, in {_wanted(check)} of the draws"
    found = f"{how_often}; {_range_in_words(value, check.unit)}"
    return Judged(check.name, check.role, expected, found, passed, shown)


def _wanted(check: Check) -> str:
    return f"less than {IN_FEW:.0%}" if check.role == "control" else f"at least {IN_MOST:.0%}"


def _range_in_words(value: Floats, unit: str) -> str:
    """Return ``median 0.31 % (0.12 to 0.40)``."""
    low, median, high = spread_of(value)
    if median is None or low is None or high is None:
        return "no draw has a value"
    if unit == "1":
        return f"median {100 * median:.4g} % ({100 * low:.4g} to {100 * high:.4g})"
    return f"median {median:.4g} {unit} ({low:.4g} to {high:.4g})"


def spread_of(value: Floats) -> tuple[float | None, float | None, float | None]:
    """Return low, median and high of the draws that have a value; None without any."""
    known = value[np.isfinite(value)]
    if not known.size:
        return None, None, None
    low, median, high = np.percentile(known, (LOW, 50.0, HIGH))
    return finite(float(low)), finite(float(median)), finite(float(high))


def _oracle(arms: Sequence[Arm], results: Results) -> list[Judged]:
    """Hold the oracle of each variant against all other arms there, by their medians.

    In a single draw the oracle, which may not take from a cell that has less than 0.2 % to give,
    can leave up to that much; over the draws of an arm it has to be the best.
    """
    found = []
    for variant in dict.fromkeys(arm.variant for arm in arms):
        labels = {arm.name: arm.label for arm in arms if arm.variant == variant}
        own = results[labels.pop("oracle")]
        medians = {name: np.median(results[it]["usable_capacity"]) for name, it in labels.items()}
        best = max(medians, key=lambda name: float(np.nan_to_num(medians[name], nan=np.inf)))
        ahead = float(medians[best] - np.median(own["usable_capacity"]))
        where = f" ({variant})" if variant else ""
        found.append(
            Judged(
                f"nothing beats the oracle{where}",
                "oracle",
                f"median usable_capacity of every arm at most {ORACLE_MAY_LOSE:.2%} above oracle's",
                f"{best}: {100 * ahead:+.3f} %",
                ahead <= ORACLE_MAY_LOSE,
                own["usable_capacity"] + ORACLE_MAY_LOSE >= _best_of(results, labels),
            )
        )
        wrong = own["wrong_cell_share"]
        found.append(
            Judged(
                f"the oracle takes from no wrong cell{where}",
                "oracle",
                "wrong_cell_share of oracle 0",
                f"at most {100 * float(np.nanmax(wrong, initial=0.0)):.4g} %",
                not bool((wrong > 0.0).any()),
                ~(wrong > 0.0),
            )
        )
    return found


def _best_of(results: Results, labels: Mapping[str, str]) -> Floats:
    rows = [results[label]["usable_capacity"] for label in labels.values()]
    best: Floats = np.max(rows, axis=0)
    return best


def table_of(arms: Sequence[Arm], results: Results) -> dict[str, dict[str, Any]]:
    """Return, by arm and metric, median, low and high over the draws, and the unit."""
    return {
        arm.label: {
            metric: {**_named(results[arm.label][metric]), "unit": METRICS[metric].unit}
            for metric in results[arm.label]
        }
        for arm in arms
    }


def _named(value: Floats) -> dict[str, float | None]:
    low, median, high = spread_of(value)
    return {"median": median, "low": low, "high": high}
