"""Exported records for people: floats as decimals, by what each record says its fields are.

The canonical line writes a float as text (``0x1.8p+1``, ``nan``), and a profile may be called
``nan``: so it is the field that says what a text is, never its look.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_type_hints

from hil.core.errors import EnvironmentProblem
from hil.core.records import Record

_KINDS = {cls.kind: cls for cls in get_args(Record)}


def decimal(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical record with its floats as numbers; NaN and infinities become None.

    Raises EnvironmentProblem for a record that this version does not know, or that is damaged.
    """
    kind = body.get("kind")
    if kind not in _KINDS:
        raise EnvironmentProblem(f"a record of kind {kind!r}: it was written by another version")
    readers = _readers(kind)
    try:
        return {
            key: readers[key](value) if key in readers else value for key, value in body.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise EnvironmentProblem(f"a record of kind {kind!r} is damaged: {error}") from error


@cache
def _readers(kind: str) -> dict[str, Callable[[Any], Any]]:
    """Return how to read the fields of a kind that hold floats."""
    shapes: dict[Any, Callable[[Any], Any]] = {
        float: _float,
        tuple[float, ...]: _floats,
        Mapping[str, tuple[float, ...]]: lambda table: {
            name: _floats(values) for name, values in table.items()
        },
    }
    hints = get_type_hints(_KINDS[kind])
    return {f.name: shapes[hints[f.name]] for f in fields(_KINDS[kind]) if hints[f.name] in shapes}


def _floats(values: list[Any]) -> list[float | None]:
    return [_float(value) for value in values]


def _float(value: str | float) -> float | None:
    """Read one; a whole number may have been written as one."""
    number = float.fromhex(value) if isinstance(value, str) else value
    return number if math.isfinite(number) else None
