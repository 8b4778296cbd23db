"""The canonical export: one JSON line a record, floats as hex, nothing of the host in it.

The digest of a run is the SHA-256 of exactly these bytes (architecture.md), so this file decides
what "the same run" means. Every decimal form of a float either loses bits or depends on a
shortest-repr algorithm, so they are written as ``float.hex``; a tick's, which are nearly all there
are, as the 16 hex digits of their IEEE 754 form, sign first: 25 times as fast when measured.
"""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_type_hints

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
    values = struct.pack(f">{len(tick.values)}d", *tick.values).hex()
    return (
        f'{{"seq":{seq},"kind":"tick","at":{tick.at},"values":"{values}","wire":"{tick.wire}"}}\n'
    ).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    return value


# --- back again --------------------------------------------------------------------------------

_KINDS = {cls.kind: cls for cls in get_args(Record)}


def parse(raw: bytes) -> dict[str, Any]:
    """Return one exported line as a dictionary; floats stay hex strings, as they stand there.

    Raises ValueError for what is no JSON object.
    """
    try:
        body = json.loads(raw)
    except RecursionError as error:
        raise ValueError("expected a JSON object, found one too deep to be one of ours") from error
    if not isinstance(body, dict):
        raise ValueError("expected a JSON object")  # noqa: TRY004 - the text is wrong, not a type
    return body


def record(raw: bytes) -> tuple[int, Record]:
    """Return sequence number and record of a canonical line.

    Raises ValueError for a line that is damaged, or of a kind that this version does not know.
    """
    body = parse(raw)
    kind = body.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"a record of kind {kind!r}: it was written by another version")
    readers = _readers(kind)
    try:
        fields = {name: read(body[name]) for name, read in readers.items()}
        return _SHAPES[int](body["seq"]), _KINDS[kind](**fields)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ValueError(f"a record of kind {kind!r} is damaged: {error!r}") from error


@cache
def _readers(kind: str) -> dict[str, Callable[[Any], Any]]:
    """Return how to read each field of a kind."""
    hints = get_type_hints(_KINDS[kind])
    return {field.name: _SHAPES[hints[field.name]] for field in fields(_KINDS[kind])}


def _exactly(*kinds: type) -> Callable[[Any], Any]:
    """Return what takes only values of these types; True is no 1 here."""

    def read(value: Any) -> Any:
        if type(value) not in kinds:
            raise TypeError(f"found {value!r:.40}")
        return value

    return read


def _row(digits: str) -> tuple[float, ...]:
    """Read the values of a tick."""
    data = bytes.fromhex(digits)
    if len(data) % 8 or len(digits) != 2 * len(data):
        raise ValueError(f"found {len(digits)} digits, expected 16 a value")
    return struct.unpack(f">{len(data) // 8}d", data)


def _floats(values: list[Any]) -> tuple[float, ...]:
    return tuple(map(_float, values))


def _float(value: Any) -> Any:
    """Read one; a whole number may have been written as one."""
    return float.fromhex(value) if isinstance(value, str) else _NUMBER(value)


_NUMBER = _exactly(int, float)

_SHAPES: dict[Any, Callable[[Any], Any]] = {
    int: _exactly(int),
    str: _exactly(str),
    bool: _exactly(bool),
    bool | None: _exactly(bool, type(None)),
    float: _float,
    tuple[float, ...]: _row,
    tuple[tuple[str, str, int], ...]: lambda rows: tuple(map(tuple, rows)),
    Mapping[str, tuple[float, ...]]: lambda table: {
        name: _floats(values) for name, values in table.items()
    },
}
