"""The atlas: a page for every experiment of a folder, and a table of what came of them.

Everything in it is made from results, but for what a person has written between the marks of a page
or around those of the index.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hil.core.errors import ConfigError, ConfigErrors, EnvironmentProblem
from hil.profile.conditions import nearest
from hil.profile.experiment import Experiment
from hil.profile.files import data_root
from hil.profile.load_experiment import load_experiment
from hil.profile.tree import load_table
from hil.study.experiment import Outcome

INDEX = "README.md"
TABLE = ("<!-- verdicts: hil atlas -->", "<!-- end of verdicts -->")


class Entry(NamedTuple):
    """An experiment of the atlas: the name of its page, and what came of it."""

    page: str
    outcome: Outcome


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder that are experiments, by name; some are only included by others.

    Raises ConfigErrors for one that cannot be read.
    """
    paths = sorted(folder.glob("*.yaml"))
    return [path for path in paths if "experiment" in load_table(path, str(path))]


def experiments_of(folder: Path | None, only: Collection[str] = ()) -> list[Experiment]:
    """Return the experiments of a folder by name, or ``only`` those: names of files.

    Raises ConfigErrors for one that is wrong, before any is run, and where there is none.
    """
    folder = folder or data_root(None) / "experiments"
    paths = {path.stem: path for path in files_in(folder)}
    if not paths:
        raise _nothing(folder, "found no experiment in it, expected a folder of YAML files")
    for name in only:
        if name not in paths:
            raise _nothing(folder, f"found no experiment '{name}'{nearest(name, paths)}")
    return [load_experiment(path) for name, path in paths.items() if not only or name in only]


def _nothing(folder: Path, message: str) -> ConfigErrors:
    return ConfigErrors([ConfigError(str(folder), 0, 0, "", message)])


def write_index(entries: Sequence[Entry], folder: Path) -> None:
    """Write the table of verdicts into ``folder``'s README.md. Raises EnvironmentProblem."""
    path = folder / INDEX
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else "\n".join(TABLE) + "\n"
        if not all(mark in before for mark in TABLE):
            raise EnvironmentProblem(f"{path}: expected the lines {TABLE[0]} and {TABLE[1]}")
        head, _, rest = before.partition(TABLE[0])
        _, _, tail = rest.partition(TABLE[1])
        table = "\n".join(_rows(entries))
        path.write_text(f"{head}{TABLE[0]}\n{table}\n{TABLE[1]}{tail}", encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be written: {error.strerror}") from error


def _rows(entries: Sequence[Entry]) -> Iterator[str]:
    yield "| | claim | regime | verdict | shows in |\n|---|---|---|---|---|"
    for page, outcome in entries:
        head = outcome.experiment.head
        name, claim = f"[{head.experiment}]({page}.md)", " ".join(head.claim.split())
        for regime, found in outcome.verdict.regimes.items():
            verdict = f"**{found.supported}**" if outcome.verdict.valid else "not to be believed"
            share = f"{found.share:.0%} of {len(outcome.draws)}"
            yield f"| {name} | {claim} | {regime or 'as written'} | {verdict} | {share} |"
            name = claim = ""  # once for all its regimes
