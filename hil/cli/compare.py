"""``hil runs compare``: what differs between two runs."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hil.cli import BAD_INPUT, streams
from hil.cli.arguments import AsJson
from hil.cli.runs import RunsDir
from hil.cli.summary import COLOURS, WIDTH_OF_A_FILE
from hil.results import catalogue
from hil.results.compare import Change, Comparison, Delta
from hil.results.compare import compare as compared
from hil.results.figures import figure, plain

DIFFERENT = 1
"""Exit code of two runs that came out otherwise, as ``diff`` has it."""

LONGEST = 44
"""Characters of a value that are shown; ``--json`` has all of it."""

MOST = 40
"""Lines of a list that are shown."""


def compare(
    first: str, second: str, *, runs_dir: RunsDir = Path("runs"), json_: AsJson = False
) -> int:
    """Say what differs between two runs: verdict, figures, inputs, events, records.

    A figure has changed if the two are further apart than their combined uncertainty (k = 2).
    Exit code 0 if both have the same verdict on the same grounds and no figure has changed, 1 if
    not, 65 if one of the records is damaged or unfinished. Inputs and records may differ in any
    case.

    Example: hil runs compare 20261122T09 last

    Parameters
    ----------
    first
        Id of a run, the start of it, a path, or ``last``.
    second
        The run to compare it with.
    """
    folders = [catalogue.find(runs_dir, run) for run in (first, second)]
    found = compared(*folders)
    if json_:
        sys.stdout.write(json.dumps(found.plain()) + "\n")
    else:
        _show(found)
    if not found.comparable:
        return BAD_INPUT
    return 0 if found.equal else DIFFERENT


def _show(found: Comparison) -> None:
    console = streams.console()
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    for run, verdict, digest in zip(found.runs, found.verdicts, found.digests, strict=True):
        style = f"bold {COLOURS.get(verdict, 'red')}"
        console.print(Text(f"{verdict:<13}", style=style), f"{run}  {digest[:16]}", sep="")
    _changes(console, "came out otherwise", found.outcome)
    _changes(console, "weighed as", found.grounds)
    _deltas(console, "expectation", found.expectations)
    _deltas(console, "metric", found.metrics)
    _changes(console, "was put in otherwise", found.inputs)
    _changes(console, "records of a kind", found.events)
    _changes(console, "records part at", found.first_difference)
    console.print(_conclusion(found))


def _conclusion(found: Comparison) -> str:
    """Say it in one line."""
    if not found.comparable:
        wrong = dict(one for one in zip(found.runs, found.problems, strict=True) if one[1])
        told = " and ".join(f"{run} is {problem}" for run, problem in wrong.items())
        return f"cannot be compared: {told}; try: hil runs verify {next(iter(wrong))}"
    if found.identical:
        return "identical: both records have the same digest"
    if found.equal:
        alike = "same verdict on the same grounds, every figure within its uncertainty"
        return f"equal: {alike}; the records differ"
    changed = [one.name for one in (*found.expectations, *found.metrics) if one.beyond]
    what = f"; beyond uncertainty: {', '.join(dict.fromkeys(changed))}" if changed else ""
    grounds = " on other grounds" if found.grounds else ""
    same = "same verdict" if found.verdicts[0] == found.verdicts[1] else "other verdict"
    return f"different: {same}{grounds}{what}"


def _changes(console: Console, title: str, changes: Sequence[Change]) -> None:
    if not changes:
        return
    table = Table(title, "first", "second", box=None, pad_edge=False)
    for one in changes[:MOST]:
        table.add_row(_cut(one.what), _cut(one.first), _cut(one.second))
    console.print(table)
    if len(changes) > MOST:
        console.print(f"and {len(changes) - MOST} more; --json shows them all")


def _cut(text: str | None) -> str:
    """Shorten a text in its middle: the ends tell more of a path or a digest."""
    if text is None:
        return "-"
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 2]} .. {text[-half + 2 :]}"


def _deltas(console: Console, title: str, deltas: Sequence[Delta]) -> None:
    """Print the figures that at least one of the runs has."""
    known = [one for one in deltas if one.beyond or math.isfinite(one.delta)]
    if not known:
        return
    table = Table(title, "first", "second", "change", "± (k=2)", "", box=None, pad_edge=False)
    for one in known:
        change = figure(one.delta, one.uncertainty, one.unit)
        table.add_row(
            one.name,
            _value(one.first, one.unit),
            _value(one.second, one.unit),
            f"{'+' * (one.delta > 0)}{change.value}" if math.isfinite(one.delta) else "",
            change.uncertainty,
            Text("beyond", style="bold red") if one.beyond else "within",
        )
    console.print(table)


def _value(value: float | None, unit: str) -> str:
    return "-" if value is None else plain(value, unit)
