"""What pydantic found wrong, told as one line at its place in the file.

pydantic says what (a type of error with its context) and where (the way from the root, keys and
indices, with names of union branches in between). The tree it read still knows lines and columns,
so the way is walked again and the words are put in the terms of the file: found, expected, and the
nearest right name.
"""

import difflib
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from hil.core.errors import ConfigError, ConfigErrors
from hil.profile.conditions import nearest
from hil.profile.forms import shape_of
from hil.profile.source import Mark
from hil.profile.tree import Items, Node, Table, Text

T = TypeVar("T")

TAG = "kind:"
"""Names of the branches of a union begin so; they are no keys of the file."""

_WANTED = {
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "mapping_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "string_type": "a text",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "bool_parsing": "yes or no",
    "bool_type": "yes or no",
    "fraction": "0 % to 100 %, such as 50 %",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def read(adapter: TypeAdapter[Any], node: Node, context: Any = None) -> Any:
    """Validate a tree. Raises ConfigErrors with everything that is wrong, in the order of lines."""
    try:
        return adapter.validate_python(node, context=context)
    except ValidationError as error:
        raise ConfigErrors(in_order(_all_of(error, node))) from error


def in_order(errors: Sequence[ConfigError]) -> list[ConfigError]:
    """Sort errors as the file shows them, each line once."""
    unique = {str(error): error for error in errors}
    return sorted(unique.values(), key=lambda error: (error.file, error.line, error.column))


def _all_of(error: ValidationError, node: Node) -> list[ConfigError]:
    """Return one error for each thing that is wrong.

    A misspelt required key is two errors to pydantic, one unknown and one missing; to the user it
    is one. Errors of other files (a series) arrive whole and keep their own places.
    """
    found: list[ConfigError] = []
    details = error.errors(include_url=False)
    meant = {
        (*one["loc"][:-1], _meant(one, node)) for one in details if one["type"] == "extra_forbidden"
    }
    for one in details:
        if one["type"] == "missing" and one["loc"] in meant:
            continue  # the unknown key beside it says the same with a better place
        found += one.get("ctx", {}).get("errors") or [_told(one, node)]
    return found


def _meant(details: ErrorDetails, root: Node) -> str:
    """Return the known key that an unknown one was probably meant to be; empty if none is near."""
    near = difflib.get_close_matches(str(details["loc"][-1]), _known(details, root), 1, 0.6)
    return near[0] if near else ""


def _known(details: ErrorDetails, root: Node) -> tuple[str, ...]:
    """Return the keys that the form around an unknown one takes."""
    table = _find(root, details["loc"][:-1])[2]
    return table.known if isinstance(table, Table) else ()


def _told(details: ErrorDetails, root: Node) -> ConfigError:
    """Find the place of one error and say it in words.

    Each kind has its own best place: an unknown key where it is written, a missing one where the
    mapping begins, a wrong choice of a branch where the word stands that made it.
    """
    context, kind = details.get("ctx", {}), details["type"]
    name = str(details["loc"][-1]) if details["loc"] else ""
    steps = [*details["loc"], *([context["key"]] if kind == "at_key" else [])]
    if kind == "extra_forbidden":
        key, _, table = _find(root, steps[:-1])
        place = table.keys_at[name] if isinstance(table, Table) else table.mark
        known = nearest(name, _known(details, root))
        return place.error(f"{key}.{name}" if key else name, f"unknown key '{name}'{known}")
    key, mark, node = _find(root, steps)
    if name == "[key]":  # pydantic's word for the key of a mapping, not its value
        table = _find(root, steps[:-2])[2]
        wrong = str(steps[-2])
        mark = table.keys_at[wrong] if isinstance(table, Table) else mark
        node = Text(wrong, mark)
    if kind == "missing":
        return mark.error(key, f"missing key '{name}'")
    if kind == "union_tag_not_found":
        if isinstance(node, Table):
            return mark.error(key, "missing key 'strategy'")
        return mark.error(key, f"found {_shown(node)}, expected a mapping with 'strategy'")
    if kind == "union_tag_invalid":
        tag = context["tag"].removeprefix(TAG)
        choice = [
            one.removeprefix(TAG) for one in re.findall(r"'([^']*)'", context["expected_tags"])
        ]
        key, mark = _branch(key, mark, node, tag)
        return mark.error(key, f"found '{tag}'{nearest(tag, choice)}")
    return mark.error(key, _message(details, context, node))


def _branch(key: str, mark: Mark, node: Node, tag: str) -> tuple[str, Mark]:
    """Return where the word stands that chose a branch: itself a key, or the value of one."""
    if isinstance(node, Table):
        for name, value in node.items():
            if name == tag:
                return key, node.keys_at[name]
            if value == tag:
                return f"{key}.{name}", value.mark
    return key, mark


def _message(details: ErrorDetails, context: dict[str, Any], node: Node) -> str:
    """Say found and expected, by pydantic's name for what is wrong.

    A kind that is not listed here keeps pydantic's own sentence, so that nothing goes unsaid.
    """
    kind, found = details["type"], _shown(node)
    if kind in _WANTED:
        return f"found {found}, expected {_WANTED[kind]}"
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"found {found}, expected {words} {context[name]:g}"
    if kind == "literal_error":
        choice = re.findall(r"'([^']*)'", context["expected"])
        return f"found {found}{nearest(str(node), choice)}"
    if kind == "too_short":
        return "found an empty list, expected at least one item"
    if kind == "value_error":
        return str(context["error"])
    return details["msg"]


def _shown(node: Node) -> str:
    """Return a node as a message shows it."""
    return f"'{node}'" if isinstance(node, str) else str(shape_of(node)["found"])


def _find(root: Node, steps: Sequence[int | str]) -> tuple[str, Mark, Node]:
    """Follow pydantic's location through the tree; return dotted key, mark and last node met.

    A scalar is marked at its value, a container at its key: that is where an editor should stand.
    """
    node, mark, key = root, root.mark, ""
    for step in steps:
        if isinstance(node, Table) and step in node:
            name = str(step)
            mark, node = node.keys_at[name], node[name]
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node):
            name = str(step + 1)
            node = node[step]
            mark = node.mark
        else:
            continue  # the branch of a union, or a key that is missing
        key = f"{key}.{name}" if key else name
    return key, node.mark if isinstance(node, str) else mark, node
