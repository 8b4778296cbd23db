"""``hil runs``: the runs that stand in the runs folder."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.table import Table

from hil.cli import streams
from hil.results import catalogue, journal
from hil.results.readable import decimal

runs = App(name="runs", help="List, show and export runs.", help_format="plaintext")

RunsDir = Annotated[Path, Parameter(name="--runs-dir", help="Where the run folders stand.")]
AsJson = Annotated[
    bool, Parameter(name="--json", negative=(), help="Print JSON on stdout, nothing else.")
]


@runs.command(name="list")
def list_(*, runs_dir: RunsDir = Path("runs"), json_: AsJson = False) -> None:
    """List all runs, oldest first. Example: hil runs list."""
    found = catalogue.summaries(runs_dir)
    if json_:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    table = Table("run", "verdict", "simulated", "digest", box=None, pad_edge=False)
    for body in found:
        simulated = f"{body['simulated_s']:.0f} s" if "simulated_s" in body else ""
        table.add_row(body["run"], body["verdict"], simulated, body.get("digest", "")[:12])
    streams.console().print(table)


@runs.command
def show(run: str, *, runs_dir: RunsDir = Path("runs")) -> None:
    """Show the summary of one run as JSON. Example: hil runs show last.

    Parameters
    ----------
    run
        Id of the run, the start of it, a path, or ``last``.
    """
    folder = catalogue.find(runs_dir, run)
    name = catalogue.SUMMARY if (folder / catalogue.SUMMARY).is_file() else catalogue.MANIFEST
    sys.stdout.write(json.dumps(catalogue.read_json(folder, name), indent=2) + "\n")


@runs.command
def export(
    run: str,
    *,
    format_: Annotated[Literal["jsonl"], Parameter(name="--format")] = "jsonl",  # noqa: ARG001 - one
    # format so far; the next ones (CSV, Parquet) are chosen here
    canonical: Annotated[bool, Parameter(negative=())] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write all records of a run to stdout. Example: hil runs export last --canonical | sha256sum.

    Parameters
    ----------
    run
        Id of the run, the start of it, a path, or ``last``.
    format_
        jsonl: one record a line.
    canonical
        Floats as hex and no spaces: the bytes whose SHA-256 is the run's digest.
    """
    folder = catalogue.find(runs_dir, run)
    if canonical:
        for line in journal.lines(folder):
            sys.stdout.write(line.decode("ascii", "replace"))
    else:
        for record in journal.records(folder):
            sys.stdout.write(json.dumps(decimal(record)) + "\n")
