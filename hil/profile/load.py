"""Profiles from files, stage by stage.

The order matters. Includes come first, so that an override can reach a step that another file
brought in; overrides come before parameters, so that ``--set parameters.climate=50 degC`` changes
every place that uses it; and both work on the tree, before anything is read, so that what the user
set on the command line passes the same checks as what the file says.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, create_model

from hil.core.errors import ConfigErrors
from hil.physics.cell_types import CellParameters, CircuitCell, DiffusionCell
from hil.physics.climate import Climate
from hil.profile.bases import CELL, whole_tree
from hil.profile.check import profile_errors
from hil.profile.conditions import nearest
from hil.profile.entries import LIMITS, ProfileForm, numbered
from hil.profile.files import data_root, find, leads_out
from hil.profile.forms import Form, adapter_of
from hil.profile.model import Limit, Profile
from hil.profile.overrides import apply_overrides, fill_parameters, for_profile, include_steps
from hil.profile.problems import in_order, read
from hil.profile.source import Mark
from hil.profile.tree import Table, Text, load_table, walk
from hil.profile.weather import Sources, load_climate


def load_profile(
    path_or_name: str | Path, overrides: Sequence[str] = (), root: Path | None = None
) -> Profile:
    """Return a profile by its path or its name in ``root/runs``. Raises ConfigErrors.

    ``overrides`` are ``key=value`` as of ``--set``; those for the bench are left to ``load_bench``.
    """
    path = find(str(path_or_name), "runs", root)
    tree = load_table(path, str(path))
    include_steps(tree, lambda name: _included(name, root))
    apply_overrides(tree, for_profile(overrides))
    tree = fill_parameters(tree)
    # The profile and the cell file it names are read whatever is wrong with the other: a user
    # wants all mistakes at once, not the next one after each repair.
    errors = []
    form, cell = None, None
    try:
        form = read(TypeAdapter(ProfileForm), tree, sources_of(path, root))
    except ConfigErrors as error:
        errors += error.errors
    try:
        cell = _cell(tree, root)
    except ConfigErrors as error:
        errors += error.errors
    if errors:
        raise ConfigErrors(in_order(errors))
    profile = _profile(form, cell, path, tree)
    errors = list(profile_errors(profile))
    if errors:
        raise ConfigErrors(in_order(errors))
    return profile


def sources_of(path: Path, root: Path | None) -> Sources:
    """Return where the names of data in the file at ``path`` lead."""
    return Sources(
        series=lambda name: _input(name, path, root),
        climate=lambda name: _climate(name, root),
    )


def load_cell(
    name: str, root: Path | None = None, mark: Mark | None = None, key: str = ""
) -> CellParameters:
    """Return a cell type of ``root/cells``. Raises ConfigErrors.

    ``mark`` and ``key`` are where the name was written (see ``files.find``).
    """
    tree = whole_tree(name, CELL, root, mark, key)
    _read_cell_limits(tree)
    return _read_cell(tree)


def _read_cell(tree: Table) -> CellParameters:
    """Read a cell file: one that tells of electrodes is a diffusion cell, every other a circuit."""
    has_electrodes = any(key in tree for key in ("negative", "positive", "electrolyte"))
    cell: CellParameters = read(adapter_of(DiffusionCell if has_electrodes else CircuitCell), tree)
    return cell


CellLimits: Any = create_model("CellLimits", __base__=Form, limits=(LIMITS, ()))


def _read_cell_limits(tree: Table) -> tuple[Limit, ...]:
    """Take ``limits`` out of a cell file: what a cell may be put through, no part of its model."""
    own = Table(tree.mark)
    if "limits" in tree:
        own.put("limits", tree.pop("limits"), tree.keys_at.pop("limits"))
    found: tuple[Limit, ...] = read(TypeAdapter(CellLimits), own).limits
    return found


def _profile(
    form: Any, cell: tuple[CellParameters, tuple[Limit, ...]] | None, path: Path, tree: Table
) -> Profile:
    """Put the pieces together; everything in them has been checked."""
    parameters, cell_limits = cell or (None, ())
    return Profile(
        name=form.profile,
        about=form.about,
        file=path,
        bench=form.bench,
        needs=form.needs,
        controller=form.controller,
        pack=form.pack,
        cell_parameters=parameters,
        limits=form.limits,
        steps=numbered(tuple(form.steps)),
        verdict=tuple(form.verdict),
        tick_ns=form.tick,
        parameters=form.parameters,
        requirements=tuple(form.requirements),
        cell_limits=cell_limits,
        marks=dict(walk(tree)),
    )


def _cell(tree: Table, root: Path | None) -> tuple[CellParameters, tuple[Limit, ...]] | None:
    """Load the cell that the profile names; a profile that names none is refused by its form."""
    pack = tree.get("pack")
    name = pack.get("cell") if isinstance(pack, Table) else None
    if not isinstance(name, Text):
        return None
    cell = whole_tree(name, CELL, root, name.mark, "pack.cell")
    limits = _read_cell_limits(cell)
    return _read_cell(cell), limits


def _included(name: Text, root: Path | None) -> Table:
    """Load the file behind one ``include``, by its name or path."""
    path = find(name, "runs", root, name.mark, "include")
    return load_table(path, str(path))


def _climate(name: str, root: Path | None) -> Climate:
    """Load a climate by its name. Raises ValueError for an unknown one."""
    names = [path.stem for path in (data_root(root) / "climates").glob("*.yaml")]
    if name not in names:
        raise ValueError(f"no climate '{name}'{nearest(name, names)}")
    return load_climate(name, root)


def _input(name: str, profile: Path, root: Path | None) -> tuple[Path, str]:
    """Look for a series beside the profile, then in ``root/inputs``. Raises ValueError.

    Beside the profile first: a profile that is handed over with its data means that data.
    """
    inputs = data_root(root) / "inputs"
    mark = name.mark if isinstance(name, Text) else Mark(str(profile))
    for folder in (profile.parent, inputs):
        path = folder / name
        # lexists: of a link that leads nowhere, say that, and not that there is none
        if os.path.lexists(path) and not path.is_dir():
            problem = leads_out(path, mark, root)
            if problem:
                raise ValueError(f"file: '{name}' {problem}")
            return path, str(path)
    names = [path.name for path in inputs.glob("*.csv")]
    raise ValueError(f"no file '{name}' beside the profile or in inputs{nearest(name, names)}")
