"""Records for people: the canonical export's fields, with floats as decimals."""

import math
from typing import Any

from hil.core.records import Record


def plain(seq: int, record: Record) -> dict[str, Any]:
    """Return a record as JSON has it; NaN and infinities, which JSON has not, become None."""
    body: dict[str, Any] = {"seq": seq, "kind": record.kind}
    body.update((name, _plain(getattr(record, name))) for name in record.__slots__)
    return body


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
