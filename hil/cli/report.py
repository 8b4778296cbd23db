"""``hil report``: a run's report and JUnit file, written again from its record alone."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hil.cli import streams
from hil.cli.runs import RunsDir
from hil.core.errors import EnvironmentProblem
from hil.results import catalogue, junit
from hil.results import report as page


def report(
    run: str,
    *,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write the HTML report and the JUnit file of a run, and print where they stand.

    Both are views: they are written from the record alone, and the same record gives the same
    bytes. A run that was killed has a report too; it says so where the verdict would stand.

    Example: hil report last

    Parameters
    ----------
    run
        Id of the run, the start of it, a path, or ``last``.
    output
        Where the page goes, a file that must not be there yet; without it, page and JUnit file
        go into the run's folder, in place of those that are there.
    """
    folder = catalogue.find(runs_dir, run)
    if output is None:
        written = [page.write(folder), junit.write(folder)]
    elif output.exists():
        raise EnvironmentProblem(f"{output}: is there already; move it away or name another file")
    else:
        written = [page.write(folder, output)]
    for path in written:
        streams.say(str(path))
