"""Experiments from files: a claim, its conditions, arms, variants, assumed ranges and checks.

::

    experiment: E2
    title: Cold raises the effective threshold
    claim: ...
    duration: 30 d
    draws: 51
    conditions: {ambient: 2 degC, gradient: 12 K, schedule: [...]}
    assumed: {include: assumed, lead: 20 mohm to 500 mohm}
    variants: {no-gradient: {gradient: 0 K}}
    arms:
      none: {strategy: none}
      oracle: {strategy: oracle}
      fixed-threshold-50mA: {strategy: fixed-threshold, board: standard-50mA}
    checks:
      - {name: ..., role: claim, metric: usable_capacity, arm: fixed-threshold-50mA, against: none,
         below: -0.1 %}

An arm and a variant are conditions on top of ``conditions``; an arm also has its ``strategy`` and
that one's parameters. ``--set gradient=0 K`` is short for ``conditions.gradient``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hil.core import units
from hil.core.errors import ConfigErrors, UnitError
from hil.physics.board import BoardDesign
from hil.physics.cell_types import CellParameters
from hil.profile.bases import on_top
from hil.profile.check_tables import check_tables
from hil.profile.columns import check_contest, columns_of
from hil.profile.commission import commissioned, facts_of
from hil.profile.conditions import nearest
from hil.profile.controllers import STRATEGY
from hil.profile.designs import load_board
from hil.profile.experiment import (
    BASE,
    OF_ITS_GROUPS,
    OF_THE_BOARD,
    ONE_FOR_ALL,
    Arm,
    Assumed,
    Check,
    CheckText,
    Conditions,
    Experiment,
    Head,
)
from hil.profile.files import beside, find, leads_out
from hil.profile.forms import adapter_of, field_names, key_of
from hil.profile.load import load_cell, sources_of
from hil.profile.overrides import apply_overrides
from hil.profile.problems import in_order, read
from hil.profile.source import Mark
from hil.profile.tree import Items, Table, Text, load_table
from hil.profile.weather import Sources
from hil.verdict.registry import METRICS

ALWAYS = ("none", "oracle")
"""Arms that every experiment has: what happens without, and what could happen at best."""

GROUPS = ("conditions", "assumed", "variants", "arms", "checks")
ARMS = "arms"
"""Key of a variant: which arms it has besides ``ALWAYS``; all of them unless it says so."""
INCLUDE = "include"
"""Key of ``assumed``: another file of ranges, beside the experiment."""


def load_experiment(
    path_or_name: str | Path, overrides: Sequence[str] = (), root: Path | None = None
) -> Experiment:
    """Return an experiment by its path or its name in ``root/experiments``. Raises ConfigErrors.

    ``overrides`` are ``key=value``; a key that is none of the file's groups is a condition.
    """
    path = find(str(path_or_name), "experiments", root)
    tree = load_table(path, str(path))
    apply_overrides(tree, [_whole_key(one) for one in overrides])
    groups = {name: _take(tree, name) for name in GROUPS if name != "checks"}
    texts = check_tables(tree, list(groups["variants"]))
    plane, columns, contest = (tree.get(key) for key in ("plane", "grids", "contest"))
    head: Head = read(adapter_of(Head), tree)
    shelf = _Shelf(path, root)
    arms = tuple(_arms(groups, tree, shelf))
    ranges = _included(groups["assumed"], path)
    assumed = tuple(_assumed(ranges, groups["conditions"], shelf.sources))
    if head.plane:
        _check_plane(plane, [one.key for one in assumed])
    names = [arm.name for arm in arms]
    grids = tuple(columns_of(columns or (), names))
    if head.contest:
        check_contest(contest, head.contest, names)
    by_hand = tuple(_set_by_hand(overrides))  # what was set on the command line is known
    assumed = tuple(one for one in assumed if not f"{one.key}.".startswith(by_hand))
    checks = tuple(_check(text, arms) for text in texts)
    if not any(check.role == "claim" for check in checks):
        message = "expected at least one with 'role: claim'"
        raise ConfigErrors([texts[0].mark.error("checks", message)])
    return Experiment(head, path, arms, assumed, checks, tuple(overrides), grids)


def _whole_key(override: str) -> str:
    """Return ``gradient=0 K`` as ``conditions.gradient=0 K``."""
    first = override.strip().partition("=")[0].partition(".")[0].strip()
    own = {*GROUPS, *(key_of(name, field_names(Head)) for name in field_names(Head))}
    return override if first in own else f"conditions.{override.strip()}"


def _set_by_hand(overrides: Sequence[str]) -> Iterator[str]:
    """Yield ``lead.`` for ``lead=...``: the end keeps ``lead`` from being taken for ``leads``."""
    for one in overrides:
        group, _, key = _whole_key(one).partition("=")[0].strip().partition(".")
        if group == "conditions":
            yield f"{key}."


def _take(tree: Table, name: str) -> Table:
    """Take a group out of the file; one that is not there is empty. Raises ConfigErrors."""
    group = tree.pop(name, None)
    if group is None:
        if name in ("arms", "conditions"):
            raise ConfigErrors([tree.mark.error("", f"missing key '{name}'")])
        return Table(tree.mark)
    if not isinstance(group, Table):
        raise ConfigErrors([tree.keys_at[name].error(name, "expected a mapping")])
    return group


# --- arms ----------------------------------------------------------------------------------------


class _Shelf:
    """What the arms of one experiment name, each read once: a map has hundreds of arms."""

    def __init__(self, path: Path, root: Path | None) -> None:
        """Start with nothing read. What is wrong is told at each place that names it."""
        sources = sources_of(path, root)
        self.sources = Sources(cache(sources.series), cache(sources.climate))
        self._root = root
        self._cells: dict[str, CellParameters] = {}
        self._boards: dict[str, BoardDesign] = {}

    def cell(self, name: str, mark: Mark) -> CellParameters:
        """Return a cell type. Raises ConfigErrors."""
        if name not in self._cells:
            self._cells[name] = load_cell(name, self._root, mark, "cell")
        return self._cells[name]

    def board(self, name: str, mark: Mark) -> BoardDesign:
        """Return a board. Raises ConfigErrors."""
        if name not in self._boards:
            self._boards[name] = load_board(name, self._root, mark, "board")
        return self._boards[name]


def _arms(groups: dict[str, Table], tree: Table, shelf: _Shelf) -> Iterator[Arm]:
    """Yield every arm of every variant, the base first. Raises ConfigErrors, all of them."""
    named = groups["arms"]
    _check_always(named, tree)
    variants: list[tuple[str, Table]] = [(BASE, Table(tree.mark)), *groups["variants"].items()]
    errors, found = [], []
    for variant, changes in variants:
        chosen, said = _chosen(variant, changes, named)
        for name in chosen:
            try:
                base, own = groups["conditions"], named[name]
                found.append(_arm(name, variant, base, said, own, shelf))
            except ConfigErrors as error:
                errors += error.errors
    if errors:
        raise ConfigErrors(in_order(errors))
    yield from found


def _check_always(named: Table, tree: Table) -> None:
    """Refuse an experiment without the arms that every one has."""
    for name in ALWAYS:
        own = named.get(name)
        if not isinstance(own, Table) or own.get("strategy") != name:
            where = named.keys_at.get(name, named.mark if named else tree.mark)
            raise ConfigErrors([where.error("arms", f"expected '{name}: {{strategy: {name}}}'")])


def _chosen(variant: str, changes: Any, named: Table) -> tuple[list[str], Table]:
    """Return the arms of a variant and what it changes. Raises ConfigErrors for an unknown arm."""
    if not isinstance(changes, Table):
        raise ConfigErrors([named.mark.error(f"variants.{variant}", "expected a mapping")])
    changed = on_top(changes, Table(changes.mark))
    wanted = changed.pop(ARMS, None)
    if wanted is None:
        return list(named), changed
    if not isinstance(wanted, Items):
        raise ConfigErrors([changes.keys_at[ARMS].error(ARMS, "expected a list of arms")])
    for name in wanted:
        if name not in named:
            raise ConfigErrors([name.mark.error(ARMS, f"no arm '{name}'{nearest(name, named)}")])
    return [name for name in named if name in wanted or name in ALWAYS], changed


def _arm(name: str, variant: str, base: Table, said: Table, own: Any, shelf: _Shelf) -> Arm:
    """Read one arm: its conditions on top of what the variant said, and its strategy."""
    if not isinstance(own, Table):
        raise ConfigErrors([base.mark.error(f"arms.{name}", "expected a mapping")])
    keys = {key_of(one, field_names(Conditions)) for one in field_names(Conditions)}
    strategy, world = Table(own.mark), Table(own.mark)
    for key, value in own.items():
        (world if key in keys else strategy).put(key, value, own.keys_at[key])
    whole = on_top(on_top(base, said), world)
    conditions: Conditions = read(adapter_of(Conditions), whole, shelf.sources)
    places = {key: whole[key].mark if key in whole else own.mark for key in ("cell", "board")}
    cell = shelf.cell(conditions.cell, places["cell"])
    board = shelf.board(conditions.board, places["board"])
    try:
        design = changed(board, conditions)
    except ValueError as error:
        raise ConfigErrors([places["board"].error(f"arms.{name}.board", str(error))]) from error
    built = read(STRATEGY, strategy, shelf.sources)
    strategy_ = commissioned(built, strategy, facts_of(design, cell, conditions.lead_ohm))
    known = frozenset({*_keys(said), *_keys(world)})
    return Arm(name, variant, conditions, cell, design, strategy_, known)


def _keys(table: Table, above: str = "") -> Iterator[str]:
    """Yield the dotted keys of everything that a table states."""
    for key, value in table.items():
        yield above + key
        if isinstance(value, Table):
            yield from _keys(value, f"{above}{key}.")


def changed(design: BoardDesign, conditions: Conditions) -> BoardDesign:
    """Return a board with what the conditions say of it in place of its own.

    Raises ValueError for one that is not for such a pack, or has no such group to change.
    """
    if design.cells != conditions.cells:
        message = f"'{design.model}' is for {design.cells} cells, the pack has {conditions.cells}"
        raise ValueError(message)
    if conditions.muted is not None:
        settle_ns = design.settle_ns if conditions.muted else 0
        design = replace(design, mute=conditions.muted, settle_ns=settle_ns)
    of_file = {own: getattr(conditions, name) for name, own in OF_THE_BOARD.items()}
    design = replace(design, **{own: v for own, v in of_file.items() if v is not None})
    for name, (group, own) in OF_ITS_GROUPS.items():
        value, parts = getattr(conditions, name), getattr(design, group)
        if value is None:
            continue
        if parts is None:
            key = key_of(name, field_names(Conditions))
            raise ValueError(f"'{design.model}' has no {group}, leave '{key}' out for it")
        design = replace(design, **{group: replace(parts, **{own: value})})
    return design


# --- assumed ranges ------------------------------------------------------------------------------


def _included(assumed: Table, path: Path) -> Table:
    """Return the ranges with those of another file below them."""
    name = assumed.pop(INCLUDE, None)
    if name is None:
        return assumed
    near = beside(path, name) if isinstance(name, Text) else None
    if near is None:
        message = f"found '{name}', expected the name of a file beside this one"
        raise ConfigErrors([name.mark.error(f"assumed.{INCLUDE}", message)])
    problem = leads_out(near, name.mark, None)
    if problem:
        raise ConfigErrors([name.mark.error(f"assumed.{INCLUDE}", f"'{name}' {problem}")])
    return on_top(load_table(near, str(near)), assumed)


def _assumed(ranges: Table, conditions: Table, sources: Sources) -> Iterator[Assumed]:
    """Yield every range. Both its ends must be values that the condition could have."""
    for key, text in ranges.items():
        if not isinstance(text, Text):
            raise ConfigErrors([ranges.keys_at[key].error(key, "expected '0.1 mA to 1 mA'")])
        if text == "known":
            continue  # an experiment that knows better than the file it includes
        words, _, scale = text.partition(",")
        low, to, high = words.partition(" to ")
        if not to or scale.strip() not in ("", "log"):
            message = f"found '{text}', expected '0.1 mA to 1 mA' or '0.1 mA to 1 mA, log'"
            raise ConfigErrors([text.mark.error(key, message)])
        path = _path(key, Conditions, text)
        if path[0] in ONE_FOR_ALL:
            message = "is one for all packs of an arm and cannot be drawn, expected it in 'arms'"
            raise ConfigErrors([text.mark.error(key, message)])
        ends = [_end(key, path, end, text, conditions, sources) for end in (low, high)]
        if not ends[0] < ends[1] or (scale and ends[0] <= 0.0):
            raise ConfigErrors([text.mark.error(key, f"found '{text}', expected a rising range")])
        yield Assumed(key, path, ends[0], ends[1], bool(scale), str(text))


def _check_plane(plane: Any, drawn: Sequence[str]) -> None:
    """Refuse a plot of what is not drawn: better now than after the study. Raises ConfigErrors."""
    expected = "expected two of the assumed conditions and a metric"
    if len(plane) != 3 or plane[0] == plane[1]:  # noqa: PLR2004 - as the message says
        raise ConfigErrors([plane.mark.error("plane", expected)])
    for text, known in zip(plane, (drawn, drawn, METRICS), strict=True):
        if text not in known:
            found = f"found '{text}', {expected}{nearest(text, known)}"
            raise ConfigErrors([text.mark.error("plane", found)])


def _path(key: str, cls: type, at: Text) -> tuple[str, ...]:
    """Return the fields that a dotted key leads to. Raises ConfigErrors."""
    first, _, rest = key.partition(".")
    names = field_names(cls)
    named = {key_of(name, names): name for name in names}
    if first not in named:
        raise ConfigErrors([at.mark.error(key, f"no condition '{first}'{nearest(first, named)}")])
    if not rest:
        return (named[first],)
    kind: Any = next(f for f in fields(cls) if f.name == named[first]).default_factory
    if not isinstance(kind, type) or not is_dataclass(kind):
        raise ConfigErrors([at.mark.error(key, f"'{first}' has no parts")])
    return (named[first], *_path(rest, kind, at))


def _end(
    key: str, path: tuple[str, ...], text: str, at: Text, conditions: Table, sources: Sources
) -> float:
    """Return one end of a range, read as the condition itself would be."""
    node: Any = Text(text.strip(), at.mark)
    for name in reversed(key.split(".")):
        table = Table(at.mark)
        table.put(name, node, at.mark)
        node = table
    value: Any = read(adapter_of(Conditions), on_top(conditions, node), sources)
    for name in path:
        value = getattr(value, name)
    if not isinstance(value, float):
        raise ConfigErrors([at.mark.error(key, "is no number that could be drawn")])
    return value


# --- checks --------------------------------------------------------------------------------------


def _check(node: Table, arms: Sequence[Arm]) -> Check:
    """Read a check; bounds in the unit of its metric, arms by the labels of results."""
    text: CheckText = read(adapter_of(CheckText), node)
    if text.metric not in METRICS:
        known = nearest(text.metric, METRICS)
        raise ConfigErrors([node["metric"].mark.error("metric", f"no '{text.metric}'{known}")])
    unit = "1" if text.relative else METRICS[text.metric].unit
    if text.against is not None and unit == "degC":
        unit = "K"  # what two temperatures differ by is none
    below, above = (_bound(node, key, unit) for key in ("below", "above"))
    arm = _label(node, "arm", text.arm, text.variant, arms)
    other = None
    if text.against is not None:
        variant = text.variant if text.against_variant is None else text.against_variant
        other = _label(node, "against", text.against, variant, arms)
    expected = _in_words(text, arm, other)
    return Check(
        text.name,
        text.role,
        text.metric,
        arm,
        other,
        below,
        above,
        text.relative,
        unit,
        expected,
    )


def _bound(node: Table, key: str, unit: str) -> float | None:
    if key not in node:
        return None
    try:
        return units.parse(str(node[key]), unit)
    except UnitError as error:
        raise ConfigErrors([node[key].mark.error(key, str(error))]) from error


def _label(node: Table, key: str, name: str, variant: str, arms: Sequence[Arm]) -> str:
    """Return the label of an arm that exists. Raises ConfigErrors."""
    label = f"{variant}/{name}" if variant else name
    known = [arm.label for arm in arms]
    if label not in known:
        raise ConfigErrors([node[key].mark.error(key, f"no arm '{label}'{nearest(label, known)}")])
    return label


def _in_words(text: CheckText, arm: str, other: str | None) -> str:
    """Return what is expected in one line: ``usable_capacity of a less that of b below -0.1 %``."""
    what = f"{text.metric} of {arm}"
    if other is not None:
        what += f" less that of {other}" + (", as a share of that," if text.relative else "")
    bounds = [
        f"{word} {own}" for word, own in (("above", text.above), ("below", text.below)) if own
    ]
    return f"{what} {' and '.join(bounds)}"
