"""Plots of an experiment: a dot a draw, arm by arm, and where in a plane of assumptions it shows.

Dots are drawn as pixels and all else as vectors: thousands of them would make files of megabytes,
and nobody measures one.
"""

import base64
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hil.core import units
from hil.physics.stack import Floats
from hil.profile.experiment import Arm
from hil.profile.load_experiment import ALWAYS
from hil.verdict.registry import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hil.study.experiment import Outcome

SHOWN = (
    *("usable_capacity", "soc_spread", "bled_charge", "wrong_cell_share"),
    *("gap_end_of_charge", "gap_end_of_rest"),
)
"""Metrics that every page has; those of its checks come behind them."""
PLANE_HEIGHT = 4.2
PLOTTED = 3
"""Metrics that stand side by side in the plot."""
COLOURS = ("#1b6ca8", "#c2571a", "#3c8d40", "#7a4fa3", "#b02a4c", "#6b6b6b", "#0f8b8d")
DOTS_PER_INCH = 96
"""Of the dots: those of a screen that shows the page at its size."""
COLOURS_OF_DOTS = 48
"""In a picture's palette: enough for a scale of values and the edges of dots."""
PIXELS: dict[str, Any] = {"rasterized": True, "zorder": 1.0}
"""How dots are drawn: below all lines, so that those of a plot make one image together."""


def drawing() -> "AbstractContextManager[None]":
    """Return the settings that drawings are made and written with: equal results, equal files."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra: only who wants pages needs it

    # every text names its fonts: of a long list most of a file would be names
    fixed: Any = {"svg.hashsalt": "hil", "svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"]}
    return mpl.rc_context(fixed)


def saved(figure: Any, target: Path) -> Path:
    """Write a figure as SVG, without the time it was made at; return the file."""
    drawn = StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None}, dpi=DOTS_PER_INCH)
    # every kilobyte here is one of the repository for good: the atlas is made anew again and again
    text = _PICTURE.sub(lambda found: found[1] + _in_few_colours(found[2]), drawn.getvalue())
    target.write_text(re.sub(r">\s+<", ">\n<", text), encoding="utf-8")
    return target


_PICTURE = re.compile(r'(<image xlink:href="data:image/png;base64,)\s*([^"]+)')


def _in_few_colours(png: str) -> str:
    """Return a picture, in base64, with a palette: dots have a colour and how much of it."""
    from PIL import Image  # noqa: PLC0415 - comes with matplotlib, which uses it itself

    target = BytesIO()
    with Image.open(BytesIO(base64.b64decode(png))) as picture:
        few = picture.quantize(COLOURS_OF_DOTS, method=Image.Quantize.FASTOCTREE)
        few.save(target, "PNG", optimize=True)
    return base64.b64encode(target.getvalue()).decode()


def strips(outcome: "Outcome", variants: Sequence[str]) -> Any:
    """Return a figure of every draw: a row of plots a variant, a plot a metric; and the plane."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - see drawing

    # As high as its rows need: a fixed height would squeeze ten arms, or leave two lost in white.
    arms, plane = outcome.experiment.arms, _plane_of(outcome)
    rows = [[arm for arm in arms if arm.variant == variant] for variant in variants]
    heights = [0.75 + 0.24 * len(row) for row in rows] + ([PLANE_HEIGHT] if plane else [])
    figure: Any = Figure(figsize=(11, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    metrics = plotted(outcome)
    for part, row, variant in zip(parts, rows, variants, strict=False):
        part.suptitle(variant or "as written", fontsize=9, x=0.01, ha="left", weight="bold")
        for axes, metric in zip(part.subplots(1, len(metrics), sharey=True), metrics, strict=True):
            _strips(axes, row, outcome, metric, COLOURS[variants.index(variant) % len(COLOURS)])
    if plane:
        _planes(parts[-1], outcome, plane)
    return figure


def plotted(outcome: "Outcome") -> list[str]:
    """Return the metrics of the claim first, those of other checks, then what every page has."""
    checks = sorted(outcome.experiment.checks, key=lambda one: one.role != "claim")
    return list(dict.fromkeys([*(one.metric for one in checks), *SHOWN]))[:PLOTTED]


def _strips(
    axes: "Axes", arms: Sequence[Arm], outcome: "Outcome", metric: str, colour: str
) -> None:
    """Draw a dot a draw and a stroke at the median, a row an arm."""
    dots, medians = [], []
    for row, arm in enumerate(reversed(arms)):
        value, unit = scaled(outcome.results[arm.label][metric], metric)
        dots.append((value, row + 0.5 * (np.linspace(0.0, 1.0, len(value)) - 0.5)))
        known = value[np.isfinite(value)]
        medians.append((np.median(known) if known.size else np.nan, row))
    x, y = np.concatenate(dots, axis=1)
    axes.plot(x, y, ".", color=colour, markersize=3.6, markeredgewidth=0, alpha=0.5, **PIXELS)
    # one line with gaps, not one a median: each would be a third of a kilobyte
    strokes = [
        point for x, row in medians for point in ((x, row - 0.35), (x, row + 0.35), (x, np.nan))
    ]
    axes.plot(*zip(*strokes, strict=True), color="black", linewidth=1.4)
    axes.set_xlim(limits_of(outcome, metric))
    axes.locator_params(axis="x", nbins=6)  # more, and 0.0125 stands on 0.0150
    axes.set_yticks(range(len(arms)), [arm.name for arm in reversed(arms)], fontsize=8)
    axes.set_xlabel(f"{metric} ({unit})", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.3)


def limits_of(outcome: "Outcome", metric: str) -> tuple[float, float]:
    """Return the axis of a metric, the same in all variants: what differs has to look different."""
    values, _ = scaled(np.concatenate([r[metric] for r in outcome.results.values()]), metric)
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    margin = 0.03 * (high - low) or 0.5
    return low - margin, high + margin


def scaled(value: Floats, metric: str) -> tuple[Floats, str]:
    """Return values of a metric as they are shown, ratios in per cent, and their unit."""
    unit = METRICS[metric].unit
    return (100.0 * value, "%") if unit == "1" else (value, unit)


def _plane_of(outcome: "Outcome") -> tuple[str, ...]:
    """Return what spans the plane; nothing where one of its sides was set by hand."""
    plane = outcome.experiment.head.plane
    drawn = {one.key for one in outcome.experiment.assumed}
    return plane if drawn.issuperset(plane[:2]) else ()


def _planes(figure: Any, outcome: "Outcome", plane: Sequence[str]) -> None:
    """Draw a dot a draw where it lies in the plane, as dark as the metric is large; by arm."""
    x_key, y_key, metric = plane
    assumed = {one.key: k for k, one in enumerate(outcome.experiment.assumed)}
    drawn = np.array([draw.values for draw in outcome.draws])
    base = [arm for arm in outcome.experiment.arms if not arm.variant and arm.name not in ALWAYS]
    arms = [arm for arm in base if not arm.known & {x_key, y_key}]
    if not arms:
        return
    most = max(np.nanmax(outcome.results[arm.label][metric], initial=0.0) for arm in arms)
    top = scaled(np.array([most or 1.0]), metric)[0][0]  # one scale for all
    every = figure.subplots(1, len(arms), sharey=True, squeeze=False)[0]
    for axes, arm in zip(every, arms, strict=True):
        value, unit = scaled(outcome.results[arm.label][metric], metric)
        x, y = (drawn[:, assumed[key]] for key in (x_key, y_key))
        # where nothing shows is a finding too: a ring, not the darkest end of the scale
        none = value <= 0.0
        axes.scatter(x[none], y[none], s=14, facecolors="none", edgecolors="#9a9a9a", **PIXELS)
        range_of = {"cmap": "plasma", "vmin": 0.0, "vmax": top}
        dots = axes.scatter(x[~none], y[~none], s=18, c=value[~none], **range_of, **PIXELS)
        axes.set_title(arm.name, fontsize=8)
        axes.set_xlabel(_with_unit(outcome, x_key), fontsize=8)
        axes.tick_params(labelsize=7)
        for key, side in ((x_key, "x"), (y_key, "y")):
            if outcome.experiment.assumed[assumed[key]].log:
                _by_factors(axes, side)
        figure.colorbar(dots, ax=axes, label=f"{metric} ({unit})", location="bottom")
    figure.supylabel(_with_unit(outcome, y_key), fontsize=8)


def _by_factors(axes: "Axes", side: str) -> None:
    """Scale the x or y side by factors, with figures at 1, 2 and 5: all of them would overlap."""
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415 - see drawing

    getattr(axes, f"set_{side}scale")("log")
    axis = getattr(axes, f"{side}axis")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _with_unit(outcome: "Outcome", key: str) -> str:
    """Return ``lead (ohm)``: an assumed condition and the unit of its field."""
    unit = unit_of(outcome, key)
    return f"{key} ({unit})" if unit else key


def unit_of(outcome: "Outcome", key: str) -> str:
    """Return the unit that an assumed condition is drawn in; none for a plain number."""
    [field] = [one.path[-1] for one in outcome.experiment.assumed if one.key == key]
    suffix = units.suffix_of(field)
    return units.SUFFIXES[suffix] if suffix else ""
