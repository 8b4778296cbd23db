"""``hil runs replay``: judge a run again from its record alone, and say what differs."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from hil.bench.replay import Difference, Replayed, against
from hil.bench.replay import replay as replayed_from
from hil.bench.replay_physics import PhysicsReplay, replay_physics
from hil.cli import BAD_INPUT, streams
from hil.cli.arguments import AsJson
from hil.cli.runs import RunsDir
from hil.cli.summary import WIDTH_OF_A_FILE, number
from hil.results import catalogue
from hil.results.reader import read
from hil.verdict.registry import finite

NO_SUMMARY = f"there is no {catalogue.SUMMARY} to compare with: the run did not come to its end"


def replay(
    run: str,
    *,
    physics: Annotated[bool, Parameter(negative=())] = False,
    runs_dir: RunsDir = Path("runs"),
    json_: AsJson = False,
) -> int:
    """Judge a run again from its record alone: verdict, metrics and digest.

    No bench, device or profile file is needed. Exit code 0 if all comes out as recorded, whatever
    the verdict is; 65 if not, with a line for each difference.

    Example: hil runs replay last --physics

    Parameters
    ----------
    run
        Id of the run, the start of it, a path, or ``last``.
    physics
        Send the recorded inputs through the simulated pack too, and compare its cell voltages.
    """
    folder = catalogue.find(runs_dir, run)
    replayed = replayed_from(read(folder))
    plant = replay_physics(read(folder)) if physics else None
    differences = [*replayed.differences, *_told_otherwise(folder, replayed)]
    differences += plant.differences if plant is not None else ()
    if json_:
        sys.stdout.write(json.dumps(_body(folder, replayed, plant, differences)) + "\n")
    else:
        _show(replayed, plant, differences)
    return BAD_INPUT if differences else 0


def _told_otherwise(folder: Path, replayed: Replayed) -> list[Difference]:
    """Compare with what the run said of itself when it ended. Raises EnvironmentProblem."""
    if not (folder / catalogue.SUMMARY).is_file():
        return [Difference("summary", NO_SUMMARY)]
    return against(replayed, catalogue.read_json(folder, catalogue.SUMMARY))


def _body(
    folder: Path,
    replayed: Replayed,
    plant: PhysicsReplay | None,
    differences: Sequence[Difference],
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "run": folder.name,
        "equal": not differences,
        "verdict": replayed.verdict.name,
        "reasons": list(replayed.reasons),
        "metrics": {name: one.plain() for name, one in replayed.metrics.items()},
        "digest": replayed.digest,
        "records": replayed.records,
        "differences": list(map(str, differences)),
    }
    return body if plant is None else body | {"physics": plant.plain()}


def _show(
    replayed: Replayed, plant: PhysicsReplay | None, differences: Sequence[Difference]
) -> None:
    """Print part by part whether it is equal, then a line for each difference."""
    console = streams.console()
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    wrong = {one.of for one in differences}

    def found(part: str) -> str:
        if part in wrong:
            return "differs"
        compared = part in ("verdict", "physics") or "summary" not in wrong
        return "equal" if compared else "nothing to compare with"

    table = Table("", "recomputed", "± (k=2)", "", box=None, pad_edge=False)
    table.add_row("verdict", replayed.verdict.name, "", found("verdict"))
    for name, one in replayed.metrics.items():
        value, spread = (number(finite(x), one.unit) for x in (one.value, one.uncertainty))
        table.add_row(name, value, spread, found(name))
    table.add_row("digest", replayed.digest, "", found("digest"))
    if plant is not None:
        told = f"{plant.ticks} ticks, cell voltages differ by {plant.voltage}"
        table.add_row("physics", told, "", found("physics"))
    console.print(table)
    for line in differences:
        console.print(f"differs  {line}")
