"""The canonical export: one JSON line a record, floats as hex, nothing of the host in it.

The digest of a run is the SHA-256 of exactly these bytes (architecture.md), so this file decides
what "the same run" means. Floats are written as ``float.hex`` because every decimal form either
loses bits or depends on a shortest-repr algorithm.
"""

import json
from typing import Any

from hil.core.records import Record, Tick


def line(seq: int, record: Record) -> bytes:
    """Return the canonical line of one record, newline included."""
    if isinstance(record, Tick):
        return _tick_line(seq, record)
    body: dict[str, Any] = {"seq": seq, "kind": record.kind}
    body.update((name, _plain(getattr(record, name))) for name in record.__slots__)
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def _tick_line(seq: int, tick: Tick) -> bytes:
    """Write a tick without going through ``json``: it is one line in a thousand bytes a second."""
    values = '","'.join(map(float.hex, tick.values))
    return (
        f'{{"seq":{seq},"kind":"tick","at":{tick.at},"values":["{values}"],"wire":"{tick.wire}"}}\n'
    ).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    return value


def parse(raw: bytes) -> dict[str, Any]:
    """Return one exported line as a dictionary; floats stay hex strings, as they stand there."""
    body: dict[str, Any] = json.loads(raw)
    return body
