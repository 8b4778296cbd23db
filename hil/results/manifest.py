"""What a run was made of, so that it can be repeated and trusted.

Written before the first tick and again, sealed, when the run is over: then it lists every file of
the run with its SHA-256, and carries a SHA-256 of itself. It may name the host, the operator and
the time; records may not.
"""

import hashlib
import importlib.metadata
import json
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil.core.errors import EnvironmentProblem
from hil.results.disk import replace_text
from hil.results.shapes import MOST_RECORDS

FILE = "manifest.json"
OWN = "sha256"

PACKAGES = (
    "bms-hil-bench",
    "numba",
    "llvmlite",
    "numpy",
    "pint",
    "pyarrow",
    "pydantic",
    "python-can",
    "PyYAML",
)

_LEVELS = (
    ("x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
    ("x86-64-v3", {"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}),
    ("x86-64-v2", {"cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3"}),
)
"""Levels of the x86-64 psABI, by features as LLVM names them."""


# --- what there is -------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    """Return the versions of everything whose change could change a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def host() -> dict[str, Any]:
    """Return what is known of the host: system, architecture, level of the processor.

    NumPy and compiled code round differently from level to level, so runs repeat to the bit only
    where it is the same.
    """
    from llvmlite.binding import get_host_cpu_features  # noqa: PLC0415 - for runs only, and slow

    there = {name for name, has in get_host_cpu_features().items() if has}
    level = next((name for name, needed in _LEVELS if needed <= there), platform.machine())
    return {"system": platform.system(), "machine": platform.machine(), "cpu_level": level}


def git_state(folder: Path) -> dict[str, Any]:
    """Return the commit of the checkout that ``folder`` lies in, and what differs from it.

    A folder that somebody handed over may bring a configuration of git's with it, and git runs the
    programs which that names, to compare files: then it is not asked what differs.
    """
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
        if _GIT_RUNS.search(_git(folder, "config", "--list", "--name-only", "--show-scope")):
            return {"commit": commit, "about": "its git configuration names programs: not run"}
        # Of submodules their commit is looked at: what is inside has a configuration of its own.
        asked = ("status", "--porcelain", "--ignore-submodules=dirty")
        changed = _git(folder, *asked).splitlines()
    except (OSError, subprocess.SubprocessError):
        return {"commit": "", "about": "no git checkout, or no git"}
    return {"commit": commit, "changed": [line[3:] for line in changed]}


_GIT_RUNS = re.compile(r"(?im)^(local|worktree)\s+filter\.")
"""Keys of a checkout's own configuration by which ``git status`` runs programs (gitattributes(5)).

Those of the user and of the host are the user's own; ``core.fsmonitor`` is switched off for all.
"""


def _git(folder: Path, *arguments: str) -> str:
    quietly = ("--no-optional-locks", "-c", "core.fsmonitor=false")
    asked = ["git", *quietly, "-C", str(folder), *arguments]
    done = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=10)  # noqa: S603 - fixed words
    return done.stdout


# --- the file ------------------------------------------------------------------------------------


def write(folder: Path, body: Mapping[str, Any]) -> None:
    """Write the manifest, whole or not at all. Raises EnvironmentProblem."""
    sealed = {**body, OWN: _own(body)}
    try:
        replace_text(folder / FILE, json.dumps(sealed, indent=2) + "\n")
    except OSError as error:
        reason = error.strerror or error
        raise EnvironmentProblem(f"{folder.name}: cannot write {FILE}: {reason}") from error


def complaints(folder: Path, body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (file, what is wrong) for the manifest itself and every file that it lists."""
    if not is_own(body):
        return [(FILE, "is damaged: its own SHA-256 does not fit, so what it says is not believed")]
    found = []
    for name, sealed in body.get("files", {}).items():
        if Path(name).name != name:
            found.append((FILE, f"names '{name[:80]}', which is no file of the run's folder"))
            continue
        what = _complaint(folder / name, sealed)
        if what:
            found.append((name, what))
    return found


def _complaint(path: Path, sealed: Mapping[str, Any]) -> str:
    """Say what is wrong with a file that was sealed, if anything."""
    try:
        now = measured(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if now == sealed:
        return ""
    return (
        f"has changed since the run was closed ({sealed['bytes']} bytes then, {now['bytes']} now)"
    )


def measured(path: Path) -> dict[str, Any]:
    """Return size and SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def is_own(body: Mapping[str, Any]) -> bool:
    """Say whether a manifest is as it was written."""
    records = body.get("records", 0)
    return bool(body.get(OWN) == _own(body) and 0 <= records <= MOST_RECORDS)


def _own(body: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in body.items() if key != OWN}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
