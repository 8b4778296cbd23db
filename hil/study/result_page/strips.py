"""Plots of every draw as a page has them: a strip an arm, all of a metric's on one scale.

A strip is a picture of 1000 by 20 units that is stretched to the width it gets. All dots of a strip
are one path of points without length, which a round pen makes dots of: 12 bytes each, and no
smaller or oval on a narrow screen. What a strip shows also stands beside it in figures.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hil.physics.stack import Floats
from hil.study.intervals import interval_of_median
from hil.study.judge import spread_of
from hil.study.plots import limits_of, scaled
from hil.verdict.registry import METRICS

if TYPE_CHECKING:
    from hil.study.experiment import Outcome

WIDTH, HEIGHT = 1000, 20
MOST_DOTS = 60_000
"""Of a page, 12 bytes each. Beyond that each strip shows as many of its draws as it has room for,
evenly chosen by rank."""
MOST_STRIPS = 1500
"""Of a page, a third of a kilobyte each without its dots: of a study with hundreds of arms only the
first metrics are drawn, and the others stand in the tables."""
FEWEST_PLOTS = 3
TICKS = 5


class Strip(NamedTuple):
    """An arm in a plot: paths in units of the picture, and the same in words.

    ``span`` is from the 5th to the 95th percentile of the draws, ``sure`` the 95 % interval of
    their median. All of them are empty where no draw has a value.
    """

    arm: str
    dots: str
    span: str
    sure: str
    median: str
    words: str
    interval: str


class Plot(NamedTuple):
    """A metric of all arms; ``groups`` are strips by variant, ``ticks`` are (per cent, text)."""

    metric: str
    unit: str
    about: str
    ticks: list[tuple[str, str]]
    groups: list[tuple[str, list[Strip]]]


def plots_of(outcome: "Outcome", metrics: Sequence[str]) -> list[Plot]:
    """Return a plot a metric, of as many of them as a page has room for."""
    arms = len(outcome.results)
    drawn = metrics[: max(FEWEST_PLOTS, MOST_STRIPS // arms)]
    each = max(1, MOST_DOTS // (len(drawn) * arms))
    return [_plot(outcome, metric, each) for metric in drawn]


def _plot(outcome: "Outcome", metric: str, most: int) -> Plot:
    low, high = limits_of(outcome, metric)
    groups = [
        (
            variant or "as written",
            [_strip(outcome, arm.label, arm.name, metric, low, high, most) for arm in arms],
        )
        for variant, arms in groupby(outcome.experiment.arms, key=lambda arm: arm.variant)
    ]
    _, unit = scaled(np.empty(0), metric)
    ticks = [
        (f"{100 * (at - low) / (high - low):.2f}%", f"{at:g}") for at in round_values(low, high)
    ]
    return Plot(metric, unit, METRICS[metric].about, ticks, groups)


def _strip(
    outcome: "Outcome", label: str, name: str, metric: str, low: float, high: float, most: int
) -> Strip:
    value, unit = scaled(outcome.results[label][metric], metric)
    # one scale for all arms of a metric, as on the page in Markdown: what differs looks different
    places = (value - low) * (WIDTH / (high - low))
    least, median, largest = spread_of(places)
    if least is None or median is None or largest is None:
        return Strip(name, "", "", "", "", "no draw has a value", "")
    sure_low, sure_high = interval_of_median(value)
    sure = [round((one - low) * (WIDTH / (high - low))) for one in (sure_low, sure_high)]
    middle = HEIGHT // 2
    return Strip(
        name,
        dots_of(places, most),
        f"M{least:.0f} {middle}H{largest:.0f}",
        f"M{sure[0]} {middle}H{sure[1]}",
        f"M{median:.0f} 2V{HEIGHT - 2}",
        in_words(value, unit),
        f"{sure_low:.4g} to {sure_high:.4g}",
    )


def in_words(value: Floats, unit: str) -> str:
    """Return ``99.31 % (98.6 to 99.8)``: the figures that the table of arms has."""
    low, median, high = spread_of(value)
    return f"{median:.4g} {unit} ({low:.4g} to {high:.4g})"


def dots_of(places: Floats, most: int) -> str:
    """Return the path of dots at places along a strip; a draw has its height in every strip."""
    heights = np.linspace(3.0, HEIGHT - 3.0, len(places))
    chosen = np.flatnonzero(np.isfinite(places))
    if chosen.size > most:  # by rank, both ends included: what is left has the same shape
        ranked = chosen[np.argsort(places[chosen])]
        chosen = np.sort(ranked[np.linspace(0, chosen.size - 1, most).round().astype(int)])
    return "".join(f"M{places[at]:.0f} {heights[at]:.0f}h0" for at in chosen)


def round_values(low: float, high: float) -> Iterator[float]:
    """Yield some round values within a range: multiples of 1, 2 or 5 times a power of ten.

    >>> list(round_values(0.0, 1.03))
    [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
    """
    # the largest power of ten that gives at least as many as wanted, then the coarsest of 1, 2, 5
    step: Any = 10.0 ** math.floor(math.log10((high - low) / TICKS))
    step = next(k * step for k in (1, 2, 5, 10) if k * step * TICKS >= 0.9 * (high - low))
    for at in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield at * step
