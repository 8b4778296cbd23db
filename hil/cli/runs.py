"""``hil runs``: the runs that stand in the runs folder."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from hil.results import catalogue, journal

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
    Console(highlight=False, soft_wrap=True).print(table)


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
    sys.stdout.write((folder / name).read_text(encoding="utf-8"))


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
    for line in journal.lines(folder):
        sys.stdout.buffer.write(line if canonical else _readable(line))


def _readable(line: bytes) -> bytes:
    """Turn the hex floats of a canonical line into decimal ones."""
    return (json.dumps(_decimal(json.loads(line))) + "\n").encode()


def _decimal(value: object) -> object:
    if isinstance(value, dict):
        return {key: _decimal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decimal(item) for item in value]
    if isinstance(value, str) and value.removeprefix("-").startswith("0x"):
        return float.fromhex(value)
    if value in ("nan", "inf", "-inf"):
        return None
    return value
