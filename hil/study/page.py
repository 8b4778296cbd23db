"""A page and a plot of an experiment: what was claimed, what was found, and how to find it again.

Everything on the page comes from the results, but for one part: what stands between the two marks
of ``KEPT`` was written by somebody who looked at them, and stays when the page is made anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hil.core import units
from hil.core.errors import EnvironmentProblem
from hil.core.instants import DAY
from hil.physics.stack import Floats
from hil.profile.experiment import Arm
from hil.profile.load_experiment import ALWAYS
from hil.verdict.registry import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hil.study.experiment import Outcome

KEPT = ("<!-- reading -->", "<!-- end of reading -->")
UNREAD = "Nobody has written down yet what this means."

SHOWN = (
    *("usable_capacity", "soc_spread", "bled_charge", "wrong_cell_share"),
    *("gap_end_of_charge", "gap_end_of_rest"),
)
"""Columns that every page has; those of its checks come behind them."""
PLANE_HEIGHT = 4.2
MOST_STRIPS = 12
"""With more variants than this a plot of every draw has no room: medians stand in grids."""
IN_GRIDS = (*("usable_capacity", "soc_spread", "bled_charge"), "false_triggers", "missed_triggers")
DARK = 0.8
"""How bad, of the range of its grid, a field is that a black figure could not be read on."""
PLOTTED = 3
"""Metrics that stand side by side in the plot."""
COLOURS = ("#1b6ca8", "#c2571a", "#3c8d40", "#7a4fa3", "#b02a4c", "#6b6b6b", "#0f8b8d")


def require_plots() -> None:
    """Raise EnvironmentProblem where no plots can be made: before a study, not after it."""
    if find_spec("matplotlib") is None:
        raise EnvironmentProblem("--page: plots need matplotlib: pip install 'hil[atlas]'")


def write_page(outcome: "Outcome", plain: Mapping[str, Any], folder: Path) -> Path:
    """Write ``NAME.md`` and ``NAME.svg`` into ``folder``; return the page.

    Raises EnvironmentProblem where it cannot be written.
    """
    name = outcome.experiment.file.stem
    page, plot = folder / f"{name}.md", folder / f"{name}.svg"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reading = _reading(page)
        _draw(outcome, plot)
        page.write_text("\n".join(_lines(outcome, plain, plot.name, reading)), encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{page}: cannot be written: {error.strerror}") from error
    return page


def _reading(page: Path) -> str:
    """Return what somebody has written into the page before."""
    if not page.exists():
        return UNREAD
    _, found, rest = page.read_text(encoding="utf-8").partition(KEPT[0])
    return rest.partition(KEPT[1])[0].strip() if found else UNREAD


def _lines(outcome: "Outcome", plain: Mapping[str, Any], plot: str, reading: str) -> Iterator[str]:
    head = outcome.experiment.head
    yield f"# {head.experiment}: {head.title}\n"
    yield f"> {head.claim.strip()}\n"
    for name, regime in plain["regimes"].items():
        yield (
            f"**{regime['supported'].capitalize()}** ({name}): the effect shows in "
            f"{regime['share']:.0%} of {plain['draws']} draws.\n"
        )
    if not plain["valid"]:
        yield "**This study cannot be believed:** see the controls and the oracle below.\n"
    yield f"{KEPT[0]}\n{reading}\n{KEPT[1]}\n"
    yield f"![every draw of every arm, and their medians]({plot})\n"
    yield "## Arms\n"
    yield "Median over the draws, and the range from the 5th to the 95th percentile.\n"
    yield from _arms(outcome, plain)
    yield "\n## Checks\n"
    yield "Written down before the first run.\n"
    yield "| | check | expected | found |\n|---|---|---|---|"
    for one in plain["checks"]:
        mark = "yes" if one["passed"] else "**no**"
        yield f"| {mark} | {one['role']}: {one['name']} | {one['expected']} | {one['found']} |"
    yield from _hangs_on(outcome, plain)
    yield "\n## How\n"
    yield from _how(outcome, plain)


def _hangs_on(outcome: "Outcome", plain: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of the assumptions that decide whether an effect shows, if there are any."""
    rows = [(one["name"], flip) for one in plain["checks"] for flip in one["flips"]]
    if not rows:
        return
    yield "\n## What it hangs on\n"
    yield (
        "Where an effect shows in some draws only: the assumption that tells them apart, more "
        "sharply than chance would, and the value at which it does. 100 %: without an exception.\n"
    )
    yield "| effect | shows where | parts the draws by |\n|---|---|---|"
    for name, flip in rows:
        unit = _unit_of(outcome, flip["key"])
        at = f"{flip['side']} {flip['at']:.3g}{f' {unit}' if unit else ''}"
        yield f"| {name} | {flip['key']} {at} | {flip['parts']:.0%} |"


def _arms(outcome: "Outcome", plain: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of arms and metrics."""
    metrics = list(dict.fromkeys([*SHOWN, *(c.metric for c in outcome.experiment.checks)]))
    yield f"| arm | {' | '.join(metrics)} |\n|---|{'---|' * len(metrics)}"
    for label, values in plain["arms"].items():
        yield f"| {label} | {' | '.join(in_words(values[name]) for name in metrics)} |"


def in_words(value: Mapping[str, Any]) -> str:
    """Return ``99.31 % (98.6 to 99.8)``; a ratio in per cent."""
    if value["median"] is None:
        return "n/a"
    ratio = value["unit"] == "1"
    unit, scale = ("%", 100.0) if ratio else (value["unit"], 1.0)
    median, low, high = (scale * value[name] for name in ("median", "low", "high"))
    return f"{median:.4g} {unit} ({low:.4g} to {high:.4g})"


def _how(outcome: "Outcome", plain: Mapping[str, Any]) -> Iterator[str]:
    experiment = outcome.experiment
    days = experiment.head.duration_ns / DAY
    drawn = "; ".join(f"{one.key} {one.text}" for one in experiment.assumed)
    seeds = ",".join(map(str, outcome.seeds))
    changed = "".join(f' --set "{one}"' for one in experiment.overrides)
    yield (
        f"{plain['draws']} draws of {days:g} days an arm, seeds {seeds}; the same packs in every "
        f"arm. Drawn anew for each pack: {drawn or 'nothing but its cells'}.\n"
    )
    yield f"File: `profiles/experiments/{experiment.file.name}`. To run it again:\n"
    yield f"    hil study {experiment.file.stem}{changed} --seeds {seeds} --page docs/atlas\n"


# --- plots ---------------------------------------------------------------------------------------


def _draw(outcome: "Outcome", target: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - an extra: only who wants pages needs it
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    mpl.rcParams["svg.hashsalt"] = "hil"  # equal results give equal files
    mpl.rcParams["svg.fonttype"] = "none"
    arms, plane = outcome.experiment.arms, _plane_of(outcome)
    variants = list(dict.fromkeys(arm.variant for arm in arms))
    if len(variants) > MOST_STRIPS:
        _grids(outcome, variants).savefig(target, format="svg", metadata={"Date": None})
        return
    rows = [[arm for arm in arms if arm.variant == variant] for variant in variants]
    heights = [0.75 + 0.24 * len(row) for row in rows] + ([PLANE_HEIGHT] if plane else [])
    figure: Any = Figure(figsize=(11, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    metrics = _plotted(outcome)
    for part, row, variant in zip(parts, rows, variants, strict=False):
        part.suptitle(variant or "as written", fontsize=9, x=0.01, ha="left", weight="bold")
        for axes, metric in zip(part.subplots(1, len(metrics), sharey=True), metrics, strict=True):
            _strips(axes, row, outcome, metric, COLOURS[variants.index(variant) % len(COLOURS)])
    if plane:
        _planes(parts[-1], outcome, plane)
    figure.savefig(target, format="svg", metadata={"Date": None})


def _grids(outcome: "Outcome", variants: Sequence[str]) -> Any:
    """Return a figure of medians, arms by variants, one grid a metric; the worse, the darker."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - see _draw

    arms = list(dict.fromkeys(arm.name for arm in outcome.experiment.arms))
    size = (2.5 + 0.62 * len(variants), len(IN_GRIDS) * (1.6 + 0.22 * len(arms)))
    figure: Any = Figure(figsize=size, layout="constrained")
    for axes, metric in zip(figure.subplots(len(IN_GRIDS), 1), IN_GRIDS, strict=True):
        found = [
            [
                _median(outcome, f"{variant}/{arm}" if variant else arm, metric)
                for variant in variants
            ]
            for arm in arms
        ]
        values, unit = _scaled(np.array(found), metric)
        known = values[np.isfinite(values)]
        low, high = np.percentile(known, (5.0, 95.0))
        worse = (high - values if metric == "usable_capacity" else values - low) / max(
            high - low, 1e-9
        )
        axes.imshow(worse, cmap="YlOrRd", vmin=0.0, vmax=1.2, aspect="auto")
        for row, column in np.ndindex(values.shape):
            text = f"{values[row, column]:.3g}" if np.isfinite(values[row, column]) else "-"
            ink = "white" if worse[row, column] > DARK else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=ink)
        axes.set_yticks(range(len(arms)), arms, fontsize=7)
        axes.set_xticks(
            range(len(variants)), [one or "as written" for one in variants], rotation=40, ha="right"
        )
        axes.tick_params(axis="x", labelsize=7)
        axes.set_title(f"{metric} ({unit}), median", fontsize=9, loc="left")
    return figure


def _median(outcome: "Outcome", label: str, metric: str) -> float:
    """Return the median of the draws that have a value; NaN without any, or without that arm."""
    value = outcome.results.get(label, {}).get(metric, np.empty(0))
    known = value[np.isfinite(value)]
    return float(np.median(known)) if known.size else float("nan")


def _plotted(outcome: "Outcome") -> list[str]:
    """Return the metrics of the claim first, those of other checks, then what every page has."""
    checks = sorted(outcome.experiment.checks, key=lambda one: one.role != "claim")
    return list(dict.fromkeys([*(one.metric for one in checks), *SHOWN]))[:PLOTTED]


def _strips(
    axes: "Axes", arms: Sequence[Arm], outcome: "Outcome", metric: str, colour: str
) -> None:
    """Draw a dot a draw and a stroke at the median, a row an arm."""
    for row, arm in enumerate(reversed(arms)):
        value, unit = _scaled(outcome.results[arm.label][metric], metric)
        beside = row + 0.5 * (np.linspace(0.0, 1.0, len(value)) - 0.5)
        axes.plot(value, beside, ".", color=colour, markersize=3, alpha=0.45)
        known = value[np.isfinite(value)]
        if known.size:
            middle = float(np.median(known))
            axes.plot([middle, middle], [row - 0.35, row + 0.35], color="black", linewidth=1.4)
    axes.set_xlim(_limits(outcome, metric))
    axes.locator_params(axis="x", nbins=6)  # more, and 0.0125 stands on 0.0150
    axes.set_yticks(range(len(arms)), [arm.name for arm in reversed(arms)], fontsize=8)
    axes.set_xlabel(f"{metric} ({unit})", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    axes.grid(axis="x", alpha=0.3)


def _limits(outcome: "Outcome", metric: str) -> tuple[float, float]:
    """Return the axis of a metric, the same in all variants: what differs has to look different."""
    values, _ = _scaled(np.concatenate([r[metric] for r in outcome.results.values()]), metric)
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    margin = 0.03 * (high - low) or 0.5
    return low - margin, high + margin


def _scaled(value: Floats, metric: str) -> tuple[Floats, str]:
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
    top = _scaled(np.array([most or 1.0]), metric)[0][0]  # one scale for all
    every = figure.subplots(1, len(arms), sharey=True, squeeze=False)[0]
    for axes, arm in zip(every, arms, strict=True):
        value, unit = _scaled(outcome.results[arm.label][metric], metric)
        x, y = (drawn[:, assumed[key]] for key in (x_key, y_key))
        none = value <= 0.0
        axes.scatter(x[none], y[none], s=14, facecolors="none", edgecolors="#9a9a9a", linewidth=0.8)
        dots = axes.scatter(
            x[~none], y[~none], s=18, c=value[~none], cmap="plasma", vmin=0.0, vmax=top
        )
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
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415 - see _draw

    getattr(axes, f"set_{side}scale")("log")
    axis = getattr(axes, f"{side}axis")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _with_unit(outcome: "Outcome", key: str) -> str:
    """Return ``lead (ohm)``: an assumed condition and the unit of its field."""
    unit = _unit_of(outcome, key)
    return f"{key} ({unit})" if unit else key


def _unit_of(outcome: "Outcome", key: str) -> str:
    [field] = [one.path[-1] for one in outcome.experiment.assumed if one.key == key]
    suffix = units.suffix_of(field)
    return units.SUFFIXES[suffix] if suffix else ""
