"""``hil study``: put a claim to the test on many packs at once, without a bench."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Group, Parameter, Token
from cyclopts.validators import Number, mutually_exclusive
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from hil.bench.wall_time import monotonic_ns
from hil.cli import signals, streams
from hil.cli.arguments import AsJson, seed
from hil.core.errors import ConfigError, ConfigErrors
from hil.core.instants import SECOND

# Listing runs does not wait for the compiler: physics is imported when a study is run.
if TYPE_CHECKING:
    from hil.profile.experiment import Experiment
    from hil.study.experiment import Outcome, Step, Work
    from hil.study.fan_out import Fan

BELIEVED, NOT_BELIEVED = 0, 2

_MINUTES_FROM_S = 90

_WHO = Group("Who computes", validator=mutually_exclusive)

Workers: TypeAlias = Annotated[int | None, Parameter(validator=Number(gte=1), group=_WHO)]
ClusterAddress: TypeAlias = Annotated[str | None, Parameter(group=_WHO)]

ALWAYS_SHOWN = ("usable_capacity", "soc_spread", "bled_charge")


def _seeds(_type: object, tokens: Sequence[Token]) -> tuple[int, ...]:
    """Read ``9001,9002``."""
    each = [Token(value=one.strip()) for one in tokens[0].value.split(",")]
    found = tuple(seed(int, [one]) for one in each)
    if len(set(found)) != len(found):
        raise ValueError(f"found '{tokens[0].value}', expected each seed once")
    return found


Seeds: TypeAlias = Annotated[
    tuple[int, ...] | None, Parameter(converter=_seeds, n_tokens=1, negative=())
]


def study(
    experiment: str,
    /,
    *,
    seeds: Seeds = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    workers: Workers = None,
    cluster: ClusterAddress = None,
    results: Path = Path("studies"),
    again: Annotated[bool, Parameter(negative=())] = False,
    page: Path | None = None,
    html: Path | None = None,
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
        How many processes of this machine compute; as many as there are cores unless said.
    cluster
        Address of a Dask scheduler whose workers compute instead: tcp://lab-7:8786.
    results
        Folder that keeps what was computed: what is there is not computed again.
    again
        Compute everything anew, and keep nothing.
    page
        Folder for a page with plots.
    html
        File for a page of its own, with every draw and sortable tables: it needs nothing else.
    """
    from hil.profile.load_experiment import load_experiment  # noqa: PLC0415 - brings the compiler
    from hil.study.page import require_plots  # noqa: PLC0415 - the same

    loaded = load_experiment(experiment, set_)
    if page is not None:
        require_plots()
    started_ns = monotonic_ns()
    kept = "nothing is kept" if again else "what was done is kept, the same command goes on there"
    signals.ends(f"in a study: {kept}")
    with fan_of(workers, cluster) as fan:
        outcome = one_study(loaded, seeds, fan, None if again else results)
    plain = outcome.plain((monotonic_ns() - started_ns) / SECOND)
    _tell(outcome, plain, json_=json_)
    # told first: what was found is seen even where no page can be written
    _write(outcome, plain, page, html)
    return BELIEVED if outcome.verdict.valid else NOT_BELIEVED


def one_study(
    loaded: "Experiment", seeds: Sequence[int] | None, fan: "Fan", results: Path | None
) -> "Outcome":
    """Study one experiment and show how far it is. Raises ConfigErrors, EnvironmentProblem."""
    from hil.study.experiment import run_experiment  # noqa: PLC0415 - see above
    from hil.study.store import Store  # noqa: PLC0415 - the same

    try:
        with _bar(loaded.head.experiment) as step:
            return run_experiment(loaded, seeds, fan, Store(results), step)
    except ValueError as error:  # times or packs that do not fit each other
        raise ConfigErrors([ConfigError(str(loaded.file), 0, 0, "", str(error))]) from error


def _write(outcome: "Outcome", plain: dict[str, Any], page: Path | None, html: Path | None) -> None:
    """Write the pages that were asked for. Raises EnvironmentProblem."""
    from hil.study.page import write_page  # noqa: PLC0415 - see above
    from hil.study.result_page import write_html  # noqa: PLC0415 - the same

    if page is not None:
        write_page(outcome, plain, page)
    if html is not None:
        write_html(outcome, plain, html)


def fan_of(workers: int | None, cluster: str | None) -> "AbstractContextManager[Fan]":
    """Return who computes: a cluster, or as many processes as asked for."""
    from hil.study.fan_out import at_address, on_this_machine  # noqa: PLC0415 - see above

    if cluster is not None:
        return at_address(cluster)
    return on_this_machine(workers or os.cpu_count() or 1)


@contextmanager
def _bar(name: str) -> Iterator[Callable[["Step"], None]]:
    """Yield what is told how far a study is: a bar on a terminal, lines elsewhere, on stderr."""
    started_ns = monotonic_ns()

    def lines(step: "Step") -> None:
        if step.of_packs:
            sys.stderr.write(f"{name}  {_so_far(step, started_ns)}\n")
            sys.stderr.flush()

    if not sys.stderr.isatty():
        yield lines
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[so_far]}"))
    target = Console(file=sys.stderr, markup=False)
    with Progress(*columns, console=target, transient=True) as bar:
        target.show_cursor()  # a signal ends the process at once: nobody would show it again
        task = bar.add_task(name, total=None, so_far="")
        yield lambda step: bar.update(
            task, completed=step.cost_s, total=step.of_cost_s, so_far=_so_far(step, started_ns)
        )


def _so_far(step: "Step", started_ns: int) -> str:
    """Return ``96 of 384 packs, about 40 s left``: by the share of the work that is done."""
    done = f"{step.packs} of {step.of_packs} packs"
    if not 0.0 < step.cost_s < step.of_cost_s:
        return done
    past_s = (monotonic_ns() - started_ns) / SECOND
    left_s = past_s * (step.of_cost_s - step.cost_s) / step.cost_s
    left = f"{left_s:.0f} s" if left_s < _MINUTES_FROM_S else f"{left_s / 60:.0f} min"
    return f"{done}, about {left} left"


def _tell(outcome: "Outcome", plain: dict[str, Any], *, json_: bool) -> None:
    """Print the verdict first, then the arms, then what was checked; or all of it as JSON."""
    if json_:
        sys.stdout.write(json.dumps(plain) + "\n")
        return
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
    console.print(took(outcome.work, plain["wall_s"]))


def took(work: "Work", wall_s: float) -> str:
    """Return how many packs were computed in which time, and how many were known before."""
    packs = f"{work.packs} packs in {wall_s:.0f} s"
    if work.known:
        packs += f", {work.known} of them known from before ({work.known_s:.0f} s of work)"
    if not work.tasks:
        return packs
    who = f"{work.workers} worker" + ("s" if work.workers > 1 else "")
    return f"{packs}; {who}, {work.worker_s:.0f} s of work in {work.tasks} tasks"


def _arms(outcome: "Outcome", arms: dict[str, Any]) -> Table:
    checked = [check.metric for check in outcome.experiment.checks]
    from hil.study.page import in_words  # noqa: PLC0415 - see above

    metrics = list(dict.fromkeys([*ALWAYS_SHOWN, *checked]))
    table = Table("arm", *metrics, box=None, pad_edge=False)
    for label, values in arms.items():
        table.add_row(label, *(in_words(values[name]) for name in metrics))
    return table
