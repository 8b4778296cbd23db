"""Where profiles, benches, boards, cells and series lie, and how their names are found."""

from pathlib import Path

from hil.core.errors import ConfigErrors
from hil.profile.conditions import nearest
from hil.profile.tree import Mark

CHECKOUT = Path(__file__).parent.parent.parent / "profiles"


def data_root(root: Path | None) -> Path:
    """Return the folder with runs, benches, boards, cells and inputs.

    The one given, else ``profiles`` of the current folder, else that of the checkout.
    """
    if root is not None:
        return root
    here = Path("profiles")
    return here if here.is_dir() else CHECKOUT


def shown(path: Path) -> str:
    """Return a path as messages show it: relative to the current folder where it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


FOLDERS = {"runs": "profile", "benches": "bench", "boards": "board", "cells": "cell"}
"""The folders of the data root, and what one file of each is."""


def find(
    name: str, folder: str, root: Path | None, mark: Mark | None = None, key: str = ""
) -> Path:
    """Return the file of a path or name; names lie in ``root/folder``. Raises ConfigErrors.

    ``mark`` and ``key`` are where the name was written; without them the name itself is the place.
    """
    given = Path(name)
    if given.suffix in (".yaml", ".yml") or len(given.parts) > 1:
        if mark is not None and not given.is_file():
            reason = "is a folder" if given.is_dir() else "no such file"
            raise ConfigErrors([mark.error(key, f"'{name}': {reason}")])
        return given
    place = data_root(root) / folder
    names = sorted(path.stem for path in place.glob("*.yaml"))
    if name in names:
        return place / f"{name}.yaml"
    message = f"no {FOLDERS[folder]} '{name}' in {shown(place)}{nearest(name, names)}"
    raise ConfigErrors([(mark or Mark(name)).error(key, message)])
