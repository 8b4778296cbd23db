"""The folder that holds runs: making a run's folder, finding runs, their summaries."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hil.core.errors import EnvironmentProblem
from hil.results import manifest, shapes
from hil.results.disk import read_small, replace_text
from hil.results.ledger import FILE as LEDGER

SUMMARY = "summary.json"
GUARDIAN = "guardian.json"
"""What the guardian of a run did that was killed or hung (``hil.guardian``)."""
MANIFEST = manifest.FILE
MOST_BYTES = 64 << 20
"""Of a JSON file; a manifest with all of a long profile in it has a hundredth."""
_SHAPES = {SUMMARY: shapes.SUMMARY, GUARDIAN: shapes.GUARDIAN, MANIFEST: shapes.MANIFEST}
SCRATCH = "repair.partial"
"""Where a repair writes; it is gone when the repair is over."""


def new_folder(root: Path, stem: str) -> Path:
    """Make and return a fresh folder for a run; a second run of the same second gets ``-2``.

    Raises EnvironmentProblem if the folder cannot be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        for name in [stem, *(f"{stem}-{n}" for n in range(2, 1000))]:
            try:
                (root / name).mkdir()
            except FileExistsError:
                continue
            return root / name
    except OSError as error:
        reason = error.strerror or error
        raise EnvironmentProblem(f"{root}: cannot make a folder for the run: {reason}") from error
    raise EnvironmentProblem(f"{root}: a thousand runs named {stem} stand here; move some away")


def write_json(folder: Path, name: str, body: dict[str, Any]) -> None:
    """Write one JSON file of a run. Raises EnvironmentProblem if it cannot be written."""
    try:
        replace_text(folder / name, json.dumps(body, indent=2) + "\n")
    except OSError as error:
        raise EnvironmentProblem(
            f"{folder.name}: cannot write {name}: {error.strerror or error}"
        ) from error


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read one JSON file of a run.

    Raises EnvironmentProblem if it cannot be read, or is not as the bench writes it.
    """
    try:
        body = json.loads(read_small(folder / name, MOST_BYTES).decode())
    except OSError as error:
        reason = error.strerror or error
        raise EnvironmentProblem(f"{folder.name}: cannot read {name}: {reason}") from error
    except ValueError as error:
        raise EnvironmentProblem(f"{folder.name}: cannot read {name}: {error}") from error
    except RecursionError as error:
        message = "it is nested too deep to be one of ours"
        raise EnvironmentProblem(f"{folder.name}: cannot read {name}: {message}") from error
    if not isinstance(body, dict):
        raise EnvironmentProblem(f"{folder.name}: cannot read {name}: it holds no JSON object")
    wrong = shapes.misfit(body, _SHAPES.get(name, {}))
    if wrong:
        message = f"'{wrong[:80]}' is not as the bench writes it"
        raise EnvironmentProblem(f"{folder.name}: cannot read {name}: {message}")
    return body


def summaries(root: Path) -> list[dict[str, Any]]:
    """Return the summary of every run under ``root``, oldest first.

    A folder with a manifest and no summary is a run that did not end: it is listed as such, with
    what its guardian did, and a summary that is damaged does not hide the other runs. Raises
    EnvironmentProblem.
    """
    found = []
    for name in _runs(root):
        folder = root / name
        body: dict[str, Any] = {"run": name, "verdict": "UNFINISHED"}
        if (folder / SUMMARY).is_file():
            try:
                body |= read_json(folder, SUMMARY)
            except EnvironmentProblem as problem:
                body |= {"verdict": "UNREADABLE", "problem": str(problem)}
        if (folder / GUARDIAN).is_file():
            with suppress(EnvironmentProblem):  # half of one: the guardian was killed as well
                body["guardian"] = read_json(folder, GUARDIAN)
        found.append(body)
    return found


def _runs(root: Path) -> list[str]:
    """Return the names of the run folders, sorted; none where there is no ``root``."""
    try:
        if not root.exists():
            return []
        if not root.is_dir():
            raise EnvironmentProblem(f"{root}: is no folder of runs")
        # Not by ``glob``: it finds nothing in a folder that it may not read.
        return sorted(path.name for path in root.iterdir() if _is_run(path))
    except OSError as error:
        raise EnvironmentProblem(f"{root}: cannot be read: {error.strerror}") from error


def _is_run(folder: Path) -> bool:
    """Say whether a folder is a run's; while it is repaired, its manifest is on the way.

    One that has lost its manifest still has its record, and must be found to be repaired.
    """
    files = (MANIFEST, LEDGER)
    return any((folder / name).is_file() for name in files) or (folder / SCRATCH).is_dir()


def find(root: Path, run: str) -> Path:
    """Return the folder of ``run``: its id, an unambiguous start of it, ``last``, or a path.

    Raises EnvironmentProblem with what stands there when it is not found.
    """
    with suppress(OSError):  # longer than a path may be: then it is none
        if _is_run(Path(run)):
            return Path(run)
    names = _runs(root)
    if run == "last" and names:
        return max((root / name for name in names), key=_begun)
    hits = [name for name in names if name == run] or [n for n in names if n.startswith(run)]
    if len(hits) == 1:
        return root / hits[0]
    if hits:
        raise EnvironmentProblem(f"{run}: {len(hits)} runs start so: {', '.join(hits[:4])} ...")
    raise EnvironmentProblem(f"{run[:80]}: no such run under {root} ({len(names)} runs there)")


def _begun(folder: Path) -> tuple[str, float]:
    """Order runs by when they began: names tell the second, of one second the newer folder wins.

    Not by the folder's age alone: a repair would make an old run the last one.
    """
    return folder.name.partition("-")[0], folder.stat().st_mtime
