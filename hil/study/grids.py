"""Grids of medians, arms by variants: what a page shows where every draw has no room.

A grid shows a column of the experiment (``hil.profile.columns``): a metric, or how it lies to that
of another arm *for the same pack*; differences and ratios are taken draw by draw, then the median.
"""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from hil.physics.stack import Floats
from hil.profile.columns import LESS, Column
from hil.study.plots import scaled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hil.profile.experiment import Experiment
    from hil.study.experiment import Outcome

MOST_STRIPS = 12
"""With more variants than this a plot of every draw has no room: medians stand in grids."""
UNLESS_SAID = (
    *("usable_capacity", "soc_spread", "bled_charge"),
    *("false_triggers", "missed_triggers"),
)
"""What is shown of so many variants by an experiment that does not say."""
MORE_IS_BETTER = frozenset(
    {"usable_capacity", "capacity_kept", "usable_of_new", "useful_share", "throughput"}
)
DARK = 0.8
"""How bad, of the range of its grid, a field is that a black figure could not be read on."""
WIDEST_IN = 14.5
"""Width of a grid in inches: 7 pt stay 7 pt on a page of 1400 pixels."""
FIELD_IN, LABELS_IN = 0.6, 2.2


def columns_of(experiment: "Experiment") -> tuple[Column, ...]:
    """Return what an experiment's page shows in grids; nothing where every draw has room."""
    if experiment.grids:
        return experiment.grids
    variants = {arm.variant for arm in experiment.arms}
    return tuple(map(Column, UNLESS_SAID)) if len(variants) > MOST_STRIPS else ()


def of_draws(outcome: "Outcome", label: str, column: Column) -> Floats:
    """Return a column of one arm, (draws,); empty without that arm, NaN where a draw has none.

    How many times nothing at all another arm's is, is not known either.
    """
    value = outcome.results.get(label, {}).get(column.metric, np.empty(0))
    if not column.how or not value.size:
        return value
    variant, slash, _ = label.rpartition("/")
    other = outcome.results[f"{variant}{slash}{column.against}"][column.metric]
    if column.how == LESS:
        return value - other
    return np.divide(value, other, out=np.full_like(value, np.nan), where=other > 0.0)


def median_of(value: Floats) -> float:
    """Return the median of the draws that have a value; NaN without any."""
    known = value[np.isfinite(value)]
    return float(np.median(known)) if known.size else float("nan")


def shown(value: Floats, column: Column) -> tuple[Floats, str]:
    """Return values as they are shown, and their unit: differences of ratios are points."""
    if column.how and column.how != LESS:
        return value, "times"
    values, unit = scaled(value, column.metric)
    return values, {"%": "points", "degC": "K"}.get(unit, unit) if column.how else unit


def grid(outcome: "Outcome", column: Column) -> Any:
    """Return a figure of one column, arms by variants; the worse, the darker.

    Where variants are all pairs of two things (``gulf-50mA``) the first of them stands above.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - see plots.drawing

    experiment = outcome.experiment
    arms = list(dict.fromkeys(arm.name for arm in experiment.arms))
    variants = list(dict.fromkeys(arm.variant for arm in experiment.arms))
    labels = [[f"{variant}/{arm}" if variant else arm for variant in variants] for arm in arms]
    medians = [[median_of(of_draws(outcome, label, column)) for label in row] for row in labels]
    values, unit = shown(np.array(medians), column)
    width = min(WIDEST_IN, LABELS_IN + FIELD_IN * len(variants))
    figure: Any = Figure(figsize=(width, 1.5 + 0.22 * len(arms)), layout="constrained")
    axes = figure.subplots()
    _fields(axes, values, column)
    axes.set_yticks(range(len(arms)), arms, fontsize=8)
    _name_variants(axes, variants)
    title = f"{column.text} ({unit}), median; the worse, the darker"
    axes.set_title(title, fontsize=9, loc="left", pad=20)
    return figure


def _fields(axes: "Axes", values: Floats, column: Column) -> None:
    """Colour every field by how bad it is among the others, and write its value into it."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (5.0, 95.0)) if known.size else (0.0, 1.0)
    less_far = high - values if column.metric in MORE_IS_BETTER else values - low
    worse = less_far / max(high - low, 1e-9)
    axes.imshow(worse, cmap="YlOrRd", vmin=0.0, vmax=1.2, aspect="auto")
    for row, at in np.ndindex(values.shape):
        ink = "white" if worse[row, at] > DARK else "black"
        axes.text(
            at, row, short(float(values[row, at])), ha="center", va="center", fontsize=7, color=ink
        )


def short(value: float) -> str:
    """Return a value in at most six characters: ``99.87``, ``0.134``, ``23.1k``, ``-``.

    >>> [short(one) for one in (99.8712, 0.13412, 23114.0, -0.00012, float("nan"))]
    ['99.87', '0.134', '23.1k', '-1e-04', '-']
    """
    if not np.isfinite(value):
        return "-"
    if abs(value) >= 10_000.0:  # noqa: PLR2004 - more digits than a field is wide
        return f"{value / 1000.0:.3g}k"
    if 0.0 < abs(value) < 0.001:  # noqa: PLR2004 - as above
        return f"{value:.0e}"
    return f"{value:.4g}" if abs(value) >= 10.0 else f"{value:.3g}"  # noqa: PLR2004 - as above


def _name_variants(axes: "Axes", variants: Sequence[str]) -> None:
    """Write the names of variants below, those of their groups, if there are any, above."""
    own = [one for one in variants if one]
    groups, first = groups_of(own), len(variants) - len(own)
    names = [one.rpartition("-")[2] if groups else one for one in own]
    axes.set_xticks(range(len(variants)), ["as written"] * first + names, fontsize=7)
    axes.tick_params(axis="x", rotation=40)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
    each = len(own) // max(1, len(groups))
    for at, group in enumerate(groups):
        begins = first + each * at
        axes.text(begins + 0.5 * (each - 1), -0.65, group, ha="center", va="bottom", fontsize=8)
        axes.axvline(begins - 0.5, color="white", linewidth=3)


def groups_of(variants: Sequence[str]) -> list[str]:
    """Return the first halves of variants that are all pairs of two things, in their order.

    >>> groups_of(["gulf-50mA", "gulf-10mV", "humid-50mA", "humid-10mV"])
    ['gulf', 'humid']
    >>> groups_of(["gulf-50mA", "humid-10mV"])
    []
    """
    halves = [one.rpartition("-") for one in variants]
    first = list(dict.fromkeys(half[0] for half in halves))
    last = list(dict.fromkeys(half[2] for half in halves))
    whole = [f"{group}-{own}" for group, own in product(first, last)]
    return first if all(first) and len(first) > 1 and whole == list(variants) else []
