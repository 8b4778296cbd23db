"""``hil run``: play a profile on a bench and say what came of it."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hil.app import Outcome, Request, run_profile
from hil.bench.stop import StopLadder
from hil.cli.logs import configure
from hil.cli.progress import shown
from hil.cli.summary import show
from hil.core.units import parse_duration


def run(
    profile: str,
    *,
    bench: str | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    seed: int = 1,
    until: str | None = None,
    runs_dir: Path = Path("runs"),
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative=())] = False,
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
    runs_dir
        Where the run's folder is made.
    json_
        Print one JSON object on stdout and nothing else.
    verbose
        Log what happens to stderr.
    """
    stop = StopLadder()
    configure(verbose=verbose)
    request = Request(
        profile=profile,
        bench=bench,
        overrides=set_,
        seed=seed,
        runs=runs_dir,
        until=None if until is None else parse_duration(until),
    )
    with _signals(stop), shown(sys.stderr, quiet=json_) as progress:
        outcome: Outcome = run_profile(request, stop, progress)
    if json_:
        sys.stdout.write(json.dumps(outcome.summary) + "\n")
    else:
        show(outcome, request)
    return outcome.exit_code


@contextmanager
def _signals(stop: StopLadder) -> Iterator[None]:
    """Send SIGINT, SIGTERM and SIGHUP (a closed terminal) up the stop ladder."""

    def asked(number: int, _frame: object) -> None:
        stop.request(signal.Signals(number).name)

    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, asked) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
