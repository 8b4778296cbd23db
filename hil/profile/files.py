"""Where profiles, benches, boards, cells and series lie, and how their names are found."""

from pathlib import Path

from hil.core.errors import ConfigErrors
from hil.profile.conditions import nearest
from hil.profile.source import Mark, why_no_file

CHECKOUT = Path(__file__).parent.parent.parent / "profiles"


def data_root(root: Path | None) -> Path:
    """Return the folder with runs, benches, boards, cells and inputs.

    The one given, else ``profiles`` of the current folder, else that of the checkout.
    """
    if root is not None:
        return root
    here = Path("profiles")
    return here if here.is_dir() else CHECKOUT


FOLDERS = {
    "runs": "profile",
    "benches": "bench",
    "boards": "board",
    "cells": "cell",
    "climates": "climate",
    "experiments": "experiment",
}
"""The folders of the data root, and what one file of each is."""


def find(
    name: str, folder: str, root: Path | None, mark: Mark | None = None, key: str = ""
) -> Path:
    """Return the file of a path or name; names lie in ``root/folder``. Raises ConfigErrors.

    ``mark`` and ``key`` are where the name was written; without them the name itself is the place.
    """
    given = Path(name)
    if given.suffix in (".yaml", ".yml") or len(given.parts) > 1:
        problem = why_no_file(given) if mark is not None else ""
        if mark is not None and problem:
            raise ConfigErrors([mark.error(key, f"'{name}' {problem}")])
        return given
    place = data_root(root) / folder
    names = sorted(path.stem for path in place.glob("*.yaml"))
    if name in names:
        return place / f"{name}.yaml"
    message = f"no {FOLDERS[folder]} '{name}' in {place}{nearest(name, names)}"
    raise ConfigErrors([(mark or Mark(name)).error(key, message)])
