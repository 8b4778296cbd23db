"""Scalar physics, compiled where it runs fast and plain where it is checked.

With NUMBA_DISABLE_JIT=1 the plain functions come back: the same source is its own oracle.

Numba keeps what it compiled on disk and looks, for each function, at the file that holds it, not
at the files of the functions that one calls: after an edit the callers would run stale code. So
the cache has one folder for each state of this package's sources, and only the newest ones stay.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])

_KEPT = 16
"""How many states of the sources keep what was compiled of them: branches are switched between."""


def _sources_digest(package: Path) -> str:
    """Return what tells this state of the sources from every other."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _home(package: Path) -> Path:
    """Return where compiled code may lie: beside the sources, or the user's cache."""
    beside = package / "__pycache__"
    with suppress(OSError):
        beside.mkdir(exist_ok=True)
    if os.access(beside, os.W_OK):
        return beside
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "bms-hil-bench"


def _cache_folder() -> Path:
    """Return the folder of this state of the sources, and forget the oldest others."""
    package = Path(__file__).parent
    home = _home(package)
    # another process may be deleting the same folders: what is gone already is as wanted
    with suppress(OSError):
        states = sorted(home.glob("compiled-*"), key=lambda path: path.stat().st_mtime)
        for old in states[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    return home / f"compiled-{_sources_digest(package)}"


if "NUMBA_CACHE_DIR" not in os.environ:
    # As the environment variable of the same name would set it; numba reads that when it is
    # imported, which may have been before. Its stubs do not name what it reads there.
    vars(numba.config)["CACHE_DIR"] = str(_cache_folder())


def compiled(function: _F) -> _F:
    """Compile scalar physics with numba and cache it on disk; keep its type for the checker.

    Always inlined: to hand a stack over to a function is to copy some hundred words, array by
    array, and that took a quarter of a step. It takes nothing from the results.
    """
    return cast("_F", njit(cache=True, error_model="numpy", forceinline=True)(function))


def compiled_in_place(function: _F) -> _F:
    """Do the same for a function that makes no array, as nothing it calls does.

    Numba counts who holds an array, at every view of a row and every row of a named tuple, by two
    locked instructions: that was more than half of a step. Here nothing is counted. Arrays belong
    to whoever calls, for longer than the call; one that is made here is refused when compiled. A
    view may be returned to another such function only: any other would let go of what nobody held.
    """
    # numba's stubs do not name what its own targets without a heap are compiled with
    options: dict[str, Any] = {"error_model": "numpy", "forceinline": True, "_nrt": False}
    return cast("_F", njit(cache=True, **options)(function))


def compiled_without_lock(function: _F) -> _F:
    """Do the same for a loop over many packs: it lets go of the lock, so that threads may share."""
    return cast("_F", njit(cache=True, error_model="numpy", nogil=True)(function))
