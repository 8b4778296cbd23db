"""What is done to a tree before it is read: other files' steps, ``--set key=value``, parameters.

Nothing here knows what a key means. An override that makes no sense becomes a node that its form
refuses, and since the node's mark is the override itself, the message names what the user typed.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from hil.core.errors import ConfigError, ConfigErrors
from hil.profile.conditions import QUANTITIES, nearest
from hil.profile.source import Mark
from hil.profile.tree import MAX_DEPTH, MAX_NODES, Items, Node, Table, Text, parse

_PARAMETER = re.compile(r"\$\{([^}]*)\}")

MAX_MARK = 100
"""Characters of an override that its errors begin with."""

MAX_KEY_PARTS = 4 * MAX_DEPTH
"""Parts of a key; a name of one level may have dots itself."""

BENCH_KEYS = frozenset({"board", "clock", "devices", "lab", "stack", "wiring"})
"""Keys of a bench file that no profile has: an override may name them without ``bench.``."""


def for_profile(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that are meant for the profile."""
    return [one for one in overrides if not _is_for_bench(one)]


def for_bench(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that are meant for the bench."""
    return [one for one in overrides if _is_for_bench(one)]


def _is_for_bench(override: str) -> bool:
    """Say whose key it is. ``bench=NAME`` is the profile's: it names the bench to run on."""
    key = override.strip().partition("=")[0]
    return key.startswith("bench.") or key.partition(".")[0].strip() in BENCH_KEYS


def apply_overrides(tree: Table, overrides: Sequence[str], root: str = "") -> None:
    """Set ``pack.cells.5.capacity=99.9 %`` and the like in place. Raises ConfigErrors, all of them.

    ``root`` is what keys of this tree may begin with (``bench.``); errors show what was typed.

    List items count from 1 (``steps.2.steps.1.charge.current``); missing keys are made, and
    whether they may exist is for the reader of the tree to say.
    """
    errors: list[ConfigError] = []
    for override in overrides:
        key, sign, value = override.partition("=")
        mark = Mark(f"--set {_short(' '.join(override.split()))}", is_override=True)
        if not sign or not key.strip():
            errors.append(mark.error("", "expected key=value"))
            continue
        if key.count(".") > MAX_KEY_PARTS:
            errors.append(mark.error("", f"nested deeper than {MAX_DEPTH} levels"))
            continue
        try:
            _set(tree, _segments(tree, key.strip().removeprefix(root)), parse(value, mark), mark)
        except ConfigErrors as error:
            errors += error.errors
    if errors:
        raise ConfigErrors(errors)


def _short(text: str) -> str:
    """Return a text that an error can begin with."""
    return text if len(text) <= MAX_MARK else f"{text[:MAX_MARK]}..."


def _segments(tree: Table, key: str) -> list[str]:
    """Split a dotted key; names that have dots themselves (``cell.voltage``) stay whole.

    Longest first: a key that the file has wins over its parts, and a quantity is known even where
    the file has none yet (``limits.cell.voltage.max`` on a profile without limits).
    """
    parts = key.split(".")
    found: list[str] = []
    node: Any = tree
    while parts:
        for size in range(len(parts), 0, -1):
            name = ".".join(parts[:size])
            if size == 1 or name in QUANTITIES or (isinstance(node, Table) and name in node):
                break
        found.append(name)
        parts = parts[size:]
        node = node.get(name) if isinstance(node, Table) else _item(node, name)
    return found


def _item(node: Any, name: str) -> Any:
    """Return an item of a list by its number from 1; None when there is none."""
    if not isinstance(node, Items) or not name.isdecimal() or len(name) > len(str(MAX_NODES)):
        return None
    return node[int(name) - 1] if 1 <= int(name) <= len(node) else None


def _set(tree: Table, segments: Sequence[str], value: Node, mark: Mark) -> None:
    """Walk to the place, making mappings on the way, and put the value there.

    Lists do not grow: an index beyond the end is more likely a slip than a wish.
    """
    if len(segments) > MAX_DEPTH:
        raise ConfigErrors([mark.error("", f"nested deeper than {MAX_DEPTH} levels")])
    node: Any = tree
    for done, name in enumerate(segments[:-1], 1):
        child = node.get(name) if isinstance(node, Table) else _item(node, name)
        if child is None and isinstance(node, Table):
            child = Table(mark)
            node.put(name, child, mark)
        if not isinstance(child, Table | Items):
            where = ".".join(segments[:done])
            raise ConfigErrors([mark.error("", f"'{where}' is no mapping and no list item")])
        node = child
    if isinstance(node, Table):
        node.put(segments[-1], value, mark)
    elif _item(node, segments[-1]) is not None:
        node[int(segments[-1]) - 1] = value
    else:
        raise ConfigErrors([mark.error("", f"expected an item from 1 to {len(node)}")])


def fill_parameters(tree: Table) -> Table:
    """Return the tree with ``${name}`` replaced from its ``parameters``. Raises ConfigErrors."""
    parameters = tree.get("parameters")
    known = parameters if isinstance(parameters, Table) else Table(tree.mark)
    errors: list[ConfigError] = []
    filled = _filled(tree, "", known, errors)
    if errors:
        raise ConfigErrors(errors)
    assert isinstance(filled, Table)  # noqa: S101 - a table is filled into a table
    return filled


def _filled(node: Node, key: str, known: Table, errors: list[ConfigError]) -> Node:
    """Return a copy of a node with its texts filled in; marks stay those of the file.

    A copy, because an alias shares nodes and an override may have changed one place of them.
    """
    if isinstance(node, Text):
        return _filled_text(node, key, known, errors)
    if isinstance(node, Items):
        items = Items(node.mark)
        numbered = enumerate(node, 1)
        items.extend(_filled(one, f"{key}.{number}", known, errors) for number, one in numbered)
        return items
    table = Table(node.mark)
    for name, one in node.items():
        path = f"{key}.{name}" if key else name
        # a parameter is what it says: it does not refer to others
        filled = one if one is known else _filled(one, path, known, errors)
        table.put(name, filled, node.keys_at[name])
    return table


def _filled_text(text: Text, key: str, known: Table, errors: list[ConfigError]) -> Text:
    """Replace each ``${name}`` of one text; an unknown name is noted and the rest goes on."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1).strip()
        if isinstance(known.get(name), str):
            return str(known[name])
        hint = nearest(name, known) if known else "; the profile has no parameters"
        errors.append(text.mark.error(key, f"no parameter '{name}'{hint}"))
        return ""

    return Text(_PARAMETER.sub(value, text), text.mark) if "${" in text else text


def include_steps(tree: Table, load: Callable[[Text], Table], depth: int = 0) -> None:
    """Put the steps of the profile that ``- include: NAME`` names in its place.

    They see the parameters of the profile that includes them. Raises ConfigErrors.
    """
    steps = tree.get("steps")
    if not isinstance(steps, Items):
        return
    whole = Items(steps.mark)
    for step in steps:
        if not isinstance(step, Table):
            whole.append(step)
        elif list(step) != ["include"] or not isinstance(step["include"], Text):
            include_steps(step, load, depth)
            whole.append(step)
        elif depth >= 4:  # noqa: PLR2004 - a profile that includes itself ends here
            raise ConfigErrors([step.mark.error("include", "includes go deeper than 4 files")])
        else:
            other = load(step["include"])
            include_steps(other, load, depth + 1)
            whole.extend(other.get("steps", ()))
    tree.put("steps", whole, tree.keys_at["steps"])
