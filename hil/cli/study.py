"""``hil study``: put a claim to the test on many packs at once, without a bench."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, Token
from cyclopts.validators import Number
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from hil.bench.wall_time import monotonic_ns
from hil.cli import streams
from hil.cli.arguments import AsJson, seed
from hil.core.errors import ConfigError, ConfigErrors
from hil.core.instants import SECOND

# Listing runs does not wait for the compiler: physics is imported when a study is run.
if TYPE_CHECKING:
    from hil.study.experiment import Outcome

BELIEVED, NOT_BELIEVED = 0, 2

ALWAYS_SHOWN = ("usable_capacity", "soc_spread", "bled_charge")


def _seeds(_type: object, tokens: Sequence[Token]) -> tuple[int, ...]:
    """Read ``9001,9002``."""
    each = [Token(value=one.strip()) for one in tokens[0].value.split(",")]
    found = tuple(seed(int, [one]) for one in each)
    if len(set(found)) != len(found):
        raise ValueError(f"found '{tokens[0].value}', expected each seed once")
    return found


def study(
    experiment: str,
    /,
    *,
    seeds: Annotated[
        tuple[int, ...] | None, Parameter(converter=_seeds, n_tokens=1, negative=())
    ] = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    workers: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    page: Path | None = None,
    json_: AsJson = False,
) -> int:
    """Put a claim to the test: all arms of an experiment, on packs drawn from seeds.

    Exit code 0 says that the study can be believed, whatever became of the claim: a claim that is
    contradicted is a finding. 2 says that it cannot: an effect shows without its cause, or
    something beats the oracle.

    Example: hil study profiles/experiments/E05-more-current.yaml --seeds 9001,9002

    Parameters
    ----------
    experiment
        Name of an experiment (profiles/experiments) or path of a YAML file.
    seeds
        Seeds of the draws, in place of the file's: 9001,9002.
    set_
        Change one condition, or another key of the file: gradient=0 K, draws=100. Repeatable.
    workers
        How many processes share the arms; as many as there are cores unless said.
    page
        Folder for a page with plots.
    """
    from hil.profile.load_experiment import load_experiment  # noqa: PLC0415 - brings the compiler
    from hil.study.experiment import run_experiment  # noqa: PLC0415 - the same

    loaded = load_experiment(experiment, set_)
    if page is not None:
        from hil.study.page import require_plots  # noqa: PLC0415 - the same

        require_plots()
    started_ns = monotonic_ns()
    count = workers or os.cpu_count() or 1
    try:
        with _bar(loaded.head.experiment) as step:
            outcome = run_experiment(loaded, seeds, min(count, len(loaded.arms)), step)
    except ValueError as error:  # times or packs that do not fit each other
        raise ConfigErrors([ConfigError(str(loaded.file), 0, 0, "", str(error))]) from error
    plain = outcome.plain((monotonic_ns() - started_ns) / SECOND)
    if json_:
        sys.stdout.write(json.dumps(plain) + "\n")
    else:
        _tell(outcome, plain)
    if page is not None:  # told first: what took minutes is not lost where a page cannot be written
        from hil.study.page import write_page  # noqa: PLC0415 - the same

        write_page(outcome, plain, page)
    return BELIEVED if outcome.verdict.valid else NOT_BELIEVED


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how many arms are done: a bar on a terminal, lines elsewhere, on stderr.

    What the arms take is much alike, so the time left is fair from the first one on.
    """
    started_ns = monotonic_ns()

    def lines(done: int, of: int) -> None:
        left_s = (monotonic_ns() - started_ns) / done * (of - done) / SECOND
        sys.stderr.write(f"{name}  {done} of {of} arms, about {left_s:.0f} s left\n")
        sys.stderr.flush()

    if not sys.stderr.isatty():
        yield lines
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    target = Console(file=sys.stderr, markup=False)
    with Progress(*columns, TimeRemainingColumn(), console=target, transient=True) as bar:
        target.show_cursor()  # a signal ends the process at once: nobody would show it again
        task = bar.add_task(f"{name} arms", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _tell(outcome: "Outcome", plain: dict[str, Any]) -> None:
    """Print the verdict first, then the arms, then what was checked."""
    console = streams.console()
    if not console.is_terminal:
        console.width = streams.WIDTH_OF_A_FILE
    verdict = outcome.verdict
    console.print(f"{plain['supported'].upper()}  {plain['experiment']}: {plain['title']}")
    console.print(f"claim   {plain['claim'].strip()}")
    if not verdict.valid:
        console.print("THIS STUDY CANNOT BE BELIEVED: see its controls and the oracle below")
    for name, regime in plain["regimes"].items():
        console.print(
            f"shown   in {regime['share']:.0%} of the draws ({name}): {regime['supported']}"
        )
    seeds = ", ".join(map(str, plain["seeds"]))
    if plain["set"]:
        console.print(f"set     {', '.join(plain['set'])}")
    console.print(f"draws   {plain['draws']}, seeds {seeds}; median (5 % to 95 % of the draws):")
    console.print(_arms(outcome, plain["arms"]))
    for one in plain["checks"]:
        console.print(f"{'ok  ' if one['passed'] else 'NO  '} {one['role']}: {one['name']}")
        console.print(f"       expected {one['expected']}")
        console.print(f"       found    {one['found']}")
    console.print(f"{plain['draws'] * len(plain['arms'])} packs in {plain['wall_s']:.0f} s")


def _arms(outcome: "Outcome", arms: dict[str, Any]) -> Table:
    checked = [check.metric for check in outcome.experiment.checks]
    from hil.study.page import in_words  # noqa: PLC0415 - see above

    metrics = list(dict.fromkeys([*ALWAYS_SHOWN, *checked]))
    table = Table("arm", *metrics, box=None, pad_edge=False)
    for label, values in arms.items():
        table.add_row(label, *(in_words(values[name]) for name in metrics))
    return table
