"""A page and a plot of an experiment: what was claimed, what was found, and how to find it again.

Everything on the page comes from the results, but for one part: what stands between the two marks
of ``KEPT`` was written by somebody who looked at them, and stays when the page is made anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil.core.errors import EnvironmentProblem
from hil.core.instants import DAY
from hil.study.ceiling import ceiling_in_words
from hil.study.contest import contest_lines
from hil.study.cost import boards_lines, load_prices
from hil.study.grids import columns_of, grid
from hil.study.plots import SHOWN, drawing, saved, strips, unit_of

if TYPE_CHECKING:
    from hil.study.experiment import Outcome

KEPT = ("<!-- reading -->", "<!-- end of reading -->")
UNREAD = "Nobody has written down yet what this means."
GAP = "gap_end_of_charge"


def require_plots() -> None:
    """Raise EnvironmentProblem where no plots can be made: before a study, not after it."""
    if find_spec("matplotlib") is None:
        raise EnvironmentProblem("--page: plots need matplotlib: pip install 'hil[atlas]'")


def write_page(outcome: "Outcome", plain: Mapping[str, Any], folder: Path) -> Path:
    """Write ``NAME.md`` and its plots, ``NAME.svg`` and more, into ``folder``; return the page.

    Raises EnvironmentProblem where it cannot be written.
    """
    page = folder / f"{outcome.experiment.file.stem}.md"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reading = _reading(page)  # before it is overwritten
        plots = [plot.name for plot in _draw(outcome, page.with_suffix(".svg"))]
        page.write_text("\n".join(_lines(outcome, plain, plots, reading)), encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{page}: cannot be written: {error.strerror}") from error
    return page


def _draw(outcome: "Outcome", target: Path) -> Iterator[Path]:
    """Write the plots: one of every draw, or a grid a file, the first of them ``target``."""
    columns = columns_of(outcome.experiment)
    with drawing():
        if not columns:
            variants = list(dict.fromkeys(arm.variant for arm in outcome.experiment.arms))
            yield saved(strips(outcome, variants), target)
        for at, column in enumerate(columns):
            # named by what it shows: a column more does not rename the others
            name = f"{target.stem}-{column.text.replace(' ', '-')}.svg" if at else target.name
            yield saved(grid(outcome, column), target.with_name(name))


def _reading(page: Path) -> str:
    """Return what somebody has written into the page before."""
    if not page.exists():
        return UNREAD
    _, found, rest = page.read_text(encoding="utf-8").partition(KEPT[0])
    return rest.partition(KEPT[1])[0].strip() if found else UNREAD


def _lines(
    outcome: "Outcome", plain: Mapping[str, Any], plots: Sequence[str], reading: str
) -> Iterator[str]:
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
    columns = columns_of(outcome.experiment)
    for plot, column in zip(plots, columns or [None], strict=True):
        what = f"medians of {column.text}" if column else "every draw of every arm, and its median"
        yield f"[![{what}]({plot})]({plot})\n"
        if column and column.metric == GAP:
            yield from (f"{line}\n" for line in _ceilings(outcome))
    yield from contest_lines(outcome)
    if columns:
        # two arms on one board are one row, however many there are
        designs = {arm.design.model: arm.design for arm in outcome.experiment.arms}
        yield from boards_lines(list(designs.values()), load_prices())
    yield "## Arms\n"
    yield "Median over the draws, and the range from the 5th to the 95th percentile.\n"
    yield from _arms(outcome, plain)
    yield "\n## Checks\n"
    yield "Written down before the first run; what was added later is marked in the file.\n"
    yield "| | check | expected | found |\n|---|---|---|---|"
    for one in plain["checks"]:
        mark = "yes" if one["passed"] else "**no**"
        yield f"| {mark} | {one['role']}: {one['name']} | {one['expected']} | {one['found']} |"
    yield from _hangs_on(outcome, plain)
    yield "\n## How\n"
    yield from _how(outcome, plain)


def _ceilings(outcome: "Outcome") -> list[str]:
    """Return what a gap can be at most, for every cell and every end of charge in the study."""
    ends = [(arm.cell, arm.conditions.termination) for arm in outcome.experiment.arms]
    return [ceiling_in_words(*one) for one in dict.fromkeys(ends)]


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
        where, parts = flip_in_words(outcome, flip)
        yield f"| {name} | {where} | {parts} |"


def flip_in_words(outcome: "Outcome", flip: Mapping[str, Any]) -> tuple[str, str]:
    """Return ``lead above 0.213 ohm`` and by how much that parts the draws."""
    unit = unit_of(outcome, flip["key"])
    at = f"{flip['side']} {flip['at']:.3g}{f' {unit}' if unit else ''}"
    return f"{flip['key']} {at}", f"{flip['parts']:.0%}"


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
