"""``hil runs``: the runs that stand in the runs folder."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.table import Table

from hil.bench.wall_time import utc_now_text
from hil.cli import BAD_INPUT, streams
from hil.cli.arguments import AsJson
from hil.core.errors import EnvironmentProblem
from hil.results import catalogue, exports, junit, report
from hil.results.repair import repair as repaired
from hil.results.verify import Report
from hil.results.verify import verify as verified

runs = App(
    name="runs",
    help="List, show, verify, repair, replay, compare and export runs.",
    help_format="plaintext",
)

RunsDir = Annotated[Path, Parameter(name="--runs-dir", help="Where the run folders stand.")]


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
        table.add_row(body["run"], _verdict(body), simulated, body.get("digest", "")[:12])
    streams.console().print(table)


def _verdict(body: Mapping[str, Any]) -> str:
    """Return a run's verdict, and how its guardian left the bench where the run could not."""
    if "guardian" not in body:
        return str(body["verdict"])
    left = "made safe" if body["guardian"].get("safe") else "NOT SAFE"
    return f"{body['verdict']} ({left})"


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
def verify(run: str, *, runs_dir: RunsDir = Path("runs"), json_: AsJson = False) -> int:
    """Check every byte of a run's record. Exit code 0 if it is whole, 65 if not.

    Example: hil runs verify last

    Parameters
    ----------
    run
        Id of the run, the start of it, a path, or ``last``.
    """
    return _told(verified(catalogue.find(runs_dir, run)), as_json=json_)


@runs.command
def repair(run: str, *, runs_dir: RunsDir = Path("runs"), json_: AsJson = False) -> int:
    """Make what is left of a damaged or unfinished record readable; what is lost is marked.

    The files as they were are kept in ``before-repair``; report and JUnit file are written anew.
    Exit code 0 if the record is whole now.

    Example: hil runs repair last

    Parameters
    ----------
    run
        Id of the run, the start of it, a path, or ``last``.
    """
    folder = catalogue.find(runs_dir, run)
    for line in repaired(folder, utc_now_text):
        streams.say(line, stream=sys.stderr)
    # a repair sets them aside with the record that they showed
    for view in (report, junit):
        if not (folder / view.FILE).is_file():
            view.write(folder)
    return _told(verified(folder), as_json=json_)


def _told(report: Report, *, as_json: bool) -> int:
    """Print what was found and return the exit code that says it."""
    if as_json:
        sys.stdout.write(json.dumps(report.as_json()) + "\n")
    else:
        for line in report.lines():
            streams.say(line)
    return 0 if report.whole else BAD_INPUT


@runs.command
def export(
    run: str,
    *,
    format_: Annotated[Literal["jsonl", "csv", "parquet"], Parameter(name="--format")] = "jsonl",
    canonical: Annotated[bool, Parameter(negative=())] = False,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write the records of a run. Example: hil runs export last --canonical | sha256sum.

    Parameters
    ----------
    run
        Id of the run, the start of it, a path, or ``last``.
    format_
        jsonl: every record, one a line. csv, parquet: the ticks, a column a signal.
    canonical
        Of jsonl, the bytes whose SHA-256 is the run's digest: floats as hex, no spaces.
    output
        File to write, which must not be there yet; without it, stdout.
    """
    if canonical and format_ != "jsonl":
        raise EnvironmentProblem(f"--canonical is a form of jsonl, not of {format_}")
    folder = catalogue.find(runs_dir, run)
    try:
        with _opened(output, binary=format_ == "parquet") as out:
            _write(folder, format_, out, canonical=canonical)
    except OSError as error:
        raise EnvironmentProblem(f"{output}: cannot be written: {error.strerror}") from error


@contextmanager
def _opened(output: Path | None, *, binary: bool) -> Iterator[Any]:
    """Open the file, or stand stdout in for it; half an export would look like a whole one."""
    if output is None:
        yield streams.binary() if binary else sys.stdout
        return
    with output.open("xb") if binary else output.open("x", encoding="utf-8", newline="") as file:
        try:
            yield file
        except BaseException:
            output.unlink()
            raise


def _write(folder: Path, format_: str, out: IO[Any], *, canonical: bool) -> None:
    if format_ == "csv":
        exports.write_csv(folder, out)
    elif format_ == "parquet":
        exports.write_parquet(folder, out)
    elif canonical:
        out.writelines(exports.canonical_lines(folder))
    else:
        out.writelines(json.dumps(record) + "\n" for record in exports.json_records(folder))


runs.command("hil.cli.replay:replay", help="Judge a run again from its record alone.")
runs.command("hil.cli.compare:compare", help="Say what differs between two runs.")
