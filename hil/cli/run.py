"""``hil run``: play a profile on a bench and say what came of it."""

import getpass
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token

from hil.app import Outcome, Request, run_profile
from hil.bench.stop import StopLadder
from hil.cli import arguments, signals
from hil.cli.logs import Form, unstalled
from hil.cli.progress import shown
from hil.cli.streams import ReaderGone
from hil.cli.summary import show
from hil.cli.telemetry import BROKER
from hil.core.errors import EnvironmentProblem, UnitError
from hil.core.instants import Duration
from hil.core.units import parse_duration
from hil.live.target import Target
from hil.results import junit, report


def _folder(_type: object, tokens: Sequence[Token]) -> Path:
    """Read a folder's name. An empty one, of a shell variable that is not set, is none."""
    if not tokens[0].value:
        raise ValueError("found '', expected a folder; '.' is the one you are in")
    return Path(tokens[0].value)


Certificates = Annotated[
    Path,
    Parameter(
        converter=_folder, help="Where `hil commission` writes: the bench's newest is cited."
    ),
]
LogFormat = Annotated[
    Form | None,
    Parameter(help="How the log is written: for people on a terminal, else as JSON lines."),
]


def run(
    profile: str,
    *,
    bench: str | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    engine: arguments.Engine = None,
    seed: Annotated[int, Parameter(converter=arguments.seed)] = 1,
    until: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    fail_fast: Annotated[bool, Parameter(negative=())] = False,
    runs_dir: Annotated[Path, Parameter(converter=_folder)] = Path("runs"),
    certificates: Certificates = Path("certificates"),
    operator: str | None = None,
    mqtt: Annotated[Target | None, BROKER] = None,
    json_: arguments.AsJson = False,
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative=())] = False,
    log_format: LogFormat = None,
) -> int:
    """Play a profile on a bench and judge the board.

    Exit code: 0 pass, 1 fail, 2 inconclusive, 3 aborted, 64 and above usage, input, host.
    Ctrl-C once: stop at the end of the tick; twice: abort to the safe state; three times: panic.

    Example: hil run hot-summer-day --seed 7 --set pack.cells.5.capacity=99.9%

    Parameters
    ----------
    profile
        Name of a profile (profiles/runs) or path of a YAML file.
    bench
        Name of a bench (profiles/benches) or path; the profile names its default.
    set_
        Change one key: KEY=VALUE, repeatable. Keys of the bench begin with bench.
    seed
        Seed of everything that is drawn: cells, device errors, noise.
    until
        Stop after this much time of the bench's clock (2 h); the verdict is then inconclusive.
    fail_fast
        End with the first finding against the board; what is judged at the end is open.
    runs_dir
        Where the run's folder is made.
    operator
        Who runs it, for the manifest; without it, the name under which you are logged in.
    verbose
        Log what happens to stderr.
    """
    request = Request(
        profile,
        bench,
        set_,
        seed,
        engine=engine,
        runs=runs_dir,
        certificates=certificates,
        until=None if until is None else _duration(until),
        fail_fast=fail_fast,
        operator=_logged_in() if operator is None else operator,
        mqtt=mqtt,
    )
    return _run(request, as_json=json_, verbose=verbose, form=log_format)


def _run(request: Request, *, as_json: bool, verbose: bool, form: Form | None) -> int:
    """Play, tell, and return the exit code."""
    stop = StopLadder()
    with signals.sent_to(stop.request):
        outcome = _played(request, stop, quiet=as_json, verbose=verbose, form=form)
        # ``hil run ... | head -1``: the verdict stands, its code is all that is left to tell.
        with signals.ending_with(outcome.exit_code), suppress(ReaderGone):
            _tell(outcome, request, as_json=as_json)
    return outcome.exit_code


def _played(
    request: Request, stop: StopLadder, *, quiet: bool, verbose: bool, form: Form | None
) -> Outcome:
    """Run, with progress and log on a stderr that holds nothing up."""
    with unstalled(verbose=verbose, form=form) as stderr, shown(sys.stderr, quiet=quiet) as told:
        outcome = _reported(run_profile(request, stop, told))
    log = {**outcome.summary["log"], "stderr_dropped": stderr.dropped}
    return replace(outcome, summary={**outcome.summary, "log": log})


def _reported(outcome: Outcome) -> Outcome:
    """Write the views that people and CI services read; ``hil report`` writes them again.

    The record is whole without them: a disk that takes no more changes no verdict here.
    """
    folder, views = Path(outcome.summary["folder"]), {}
    try:
        views = {"report": str(report.write(folder)), "junit": str(junit.write(folder))}
    except EnvironmentProblem as problem:
        views["report_problem"] = str(problem)
    return replace(outcome, summary={**outcome.summary, **views})


def _logged_in() -> str:
    """Return the user's name; a container may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _tell(outcome: Outcome, request: Request, *, as_json: bool) -> None:
    """Print what came of the run. Raises ReaderGone, OutputProblem."""
    if as_json:
        sys.stdout.write(json.dumps(outcome.summary) + "\n")
    else:
        show(outcome, request)
    sys.stdout.flush()


def _duration(text: str) -> Duration:
    """Read ``--until``. Raises UnitError that names it."""
    try:
        return parse_duration(text)
    except UnitError as error:
        raise UnitError(f"--until: {error}") from error
