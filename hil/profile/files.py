"""Where profiles, benches, boards, cells and series lie, and how their names are found."""

import os
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
    "instruments": "instrument",
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
    What a file names must be its neighbour or data of ours, see ``leads_out``.
    """
    given = Path(name)
    place = data_root(root) / folder
    if given.suffix not in (".yaml", ".yml") and len(given.parts) <= 1:
        names = sorted(path.stem for path in place.glob("*.yaml"))
        if name not in names:
            message = f"no {FOLDERS[folder]} '{name}' in {place}{nearest(name, names)}"
            raise ConfigErrors([(mark or Mark(name)).error(key, message)])
        given = place / f"{name}.yaml"
    problem = "" if mark is None else why_no_file(given) or leads_out(given, mark, root)
    if mark is not None and problem:
        raise ConfigErrors([mark.error(key, f"'{name}' {problem}")])
    return given


def leads_out(path: Path, mark: Mark, root: Path | None) -> str:
    """Say that a path leads out of where the file that names it may look; empty when it does not.

    It may look in its own folder and in the data root, links followed: a profile that somebody
    sent cannot have other files of this host read. An override is the user's own word, and of what
    is no file the reader says so.
    """
    if mark.is_override or why_no_file(path):
        return ""
    own = Path(mark.file).parent
    target = Path(os.path.realpath(path))  # which takes a link that leads to itself as it is
    if any(target.is_relative_to(folder.resolve()) for folder in (own, data_root(root))):
        return ""
    return f"leads out of {own} and {data_root(root)}: expected a file in one of them"


def beside(path: Path, name: str) -> Path | None:
    """Return the YAML file of a name in the folder of ``path``; None for what is no plain name."""
    return path.with_name(f"{name}.yaml") if name and Path(name).name == name else None
