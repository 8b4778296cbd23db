"""A loaded profile or bench as canonical JSON: what a run's record keeps, and its digest covers.

Built from the values, not from the files: comments, the order of keys and ``60 mV`` against
``0.06 V`` change nothing, while a changed default of the program does. Sorted keys and Python's
shortest floats make equal values equal texts on every host.
"""

import json
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any

from hil.core.recorded import UNLESS_DEFAULT

_LEFT_OUT = frozenset(
    {"file", "marks", "lab", "line", "firmware", "times_ns", "values", "cell_limits"}
)
"""Places of the host's files, the lab's door, what a host's compiler makes of firmware (the
manifest has its SHA-256), series, which their SHA-256 stands for, and limits of a cell's data
sheet: what came of them is in the manifest's table of limits, and a trip names them."""


def as_json(value: object) -> str:
    """Return a dataclass as one line of JSON with sorted keys, numbers in their fields' units."""
    return json.dumps(plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """Return dataclasses as mappings and tuples as lists, all the way down."""
    if is_dataclass(value):
        kept = {f.name: getattr(value, f.name) for f in fields(value) if _is_kept(f, value)}
        kind = getattr(value, "kind", None)
        return plain(kept | {"kind": kind} if kind else kept)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def _is_kept(f: "Field[Any]", value: object) -> bool:
    """Say whether a field of ``value`` belongs into the record."""
    at_default = f.metadata == UNLESS_DEFAULT and getattr(value, f.name) == f.default
    return f.name not in _LEFT_OUT and not at_default
