"""Lines with fields in them, ``a0 {set:05.1f}``: written from values, and read back into them.

The same template says a line and understands one, so that one description serves a driver and its
twin. A field is ``{name:kind}``; one without a name is passed over when read, and says nothing.

=========  ========================================================================================
``05.1f``  a number, as Python writes it; read with any count of digits, spaces before it allowed
``d``      a whole number
``8c``     so many characters, whatever they are
``word``   characters up to a space, comma or semicolon
``text``   characters up to what stands behind it, or up to the end
``values`` numbers with a point, each with a space behind it: as many as there are, none too
=========  ========================================================================================

``{{`` and ``}}`` are braces. Reading goes once from left to right and never back: a line takes time
in proportion to its length, whoever wrote the template.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_TEMPLATE = 200
MOST_FIELDS = 20

Value = float | str

_PIECE = re.compile(r"\{\{|\}\}|\{(?P<name>[a-z_]{0,20}):(?P<kind>[a-z0-9.]{1,8})\}|[^{}]")
_NUMBER = re.compile(r" {0,8}[+-]?\d{1,8}(?:\.\d{1,8})?")
_WHOLE = re.compile(r" {0,8}[+-]?\d{1,8}")
_WORD = re.compile(r"[^ ,;]{1,64}")
_VALUES = re.compile(r"(?:[+-]?\d{1,8}\.\d{0,8} )*")
_CHARACTERS = re.compile(r"([1-9]\d?)c")
_FORMAT = re.compile(r"0?\d{0,2}(\.\d)?f")


@dataclass(frozen=True, slots=True)
class _Field:
    """One field; ``kind`` is one of the words of the table, or a number's format."""

    name: str
    kind: str

    def is_number(self) -> bool:
        """Say whether it reads and says a number, and not characters."""
        return self.kind == "d" or _FORMAT.fullmatch(self.kind) is not None

    def width(self) -> int:
        """Return how many characters it takes where they are counted, else 0."""
        counted = _CHARACTERS.fullmatch(self.kind)
        return int(counted[1]) if counted else 0


class Template:
    """A line with fields in it."""

    def __init__(self, text: str) -> None:
        """Take a template. Raises ValueError for one that could not be read without going back."""
        self.text = text
        self._parts = _parts(text)
        fields = [part for part in self._parts if isinstance(part, _Field)]
        self.names = tuple(field.name for field in fields if field.name)
        self.numbers = frozenset(field.name for field in fields if field.is_number())
        if len(fields) > MOST_FIELDS:
            raise ValueError(f"{len(fields)} fields in '{text}', expected at most {MOST_FIELDS}")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"a field twice in '{text}'")
        for part, after in zip(self._parts, self._parts[1:], strict=False):
            if not (isinstance(part, _Field) and isinstance(after, _Field)):
                continue
            if not part.width() and part.kind != "values":
                raise ValueError(
                    f"nothing tells where '{{{part.name}:{part.kind}}}' ends: '{text}'"
                )

    def write(self, values: Mapping[str, Value]) -> str:
        """Return the line with ``values`` in it; what is not given or has no name stays blank.

        Raises ValueError for a value that its kind cannot say.
        """
        return "".join(
            part if isinstance(part, str) else _written(part, values.get(part.name))
            for part in self._parts
        )

    def read(self, line: str) -> dict[str, Value] | None:
        """Return what stands in the fields of a line; None for a line that is another one."""
        values: dict[str, Value] = {}
        at = 0
        for number, part in enumerate(self._parts):
            if isinstance(part, str):
                if not line.startswith(part, at):
                    return None
                at += len(part)
                continue
            after = self._parts[number + 1] if number + 1 < len(self._parts) else ""
            end = _end(part, line, at, after if isinstance(after, str) else "")
            if end is None:
                return None
            if part.name:
                values[part.name] = _value(part, line[at:end])
            at = end
        return None if line[at:].strip(" ") else values


def _parts(text: str) -> "list[str | _Field]":
    """Split a template into literals and fields. Raises ValueError."""
    if not text or len(text) > LONGEST_TEMPLATE or not text.isascii() or not text.isprintable():
        raise ValueError(f"expected 1 to {LONGEST_TEMPLATE} printable ASCII characters")
    parts: list[str | _Field] = []
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise ValueError(f"expected a field such as {{set:05.1f}} at '{text[at : at + 20]}'")
        at = piece.end()
        if piece["kind"] is not None:
            parts.append(_field(piece["name"], piece["kind"]))
            continue
        literal = piece[0][0]
        last = parts[-1] if parts else None
        parts[-1:] = [last + literal] if isinstance(last, str) else [*parts[-1:], literal]
    return parts


def _field(name: str, kind: str) -> _Field:
    """Return a field. Raises ValueError for a kind that there is not."""
    counted = _CHARACTERS.fullmatch(kind)
    if not (kind in ("d", "word", "text", "values") or counted or _FORMAT.fullmatch(kind)):
        raise ValueError(f"no kind of field '{kind}': 05.1f, d, 8c, word, text or values")
    return _Field(name, kind)


def _end(field: _Field, line: str, at: int, after: str) -> int | None:
    """Return where a field ends in a line; None if it does not stand there."""
    if width := field.width():
        return at + width if at + width <= len(line) else None
    if field.kind == "text":
        end = line.find(after, at) if after else len(line)
        return end if end >= 0 else None
    shapes = {"d": _WHOLE, "word": _WORD, "values": _VALUES}
    found = shapes.get(field.kind, _NUMBER).match(line, at)
    return None if found is None else found.end()


def _value(field: _Field, text: str) -> Value:
    """Return what a field says."""
    return float(text) if field.is_number() else text


def _written(field: _Field, value: Value | None) -> str:
    """Return a value as its field says it. Raises ValueError."""
    if width := field.width():
        return str("" if value is None else value).ljust(width, "0")[:width]
    if value is None:
        return "0" if field.kind == "word" else ""
    if field.kind in ("word", "text", "values"):
        return str(value)
    try:
        return f"{round(float(value))}" if field.kind == "d" else f"{float(value):{field.kind}}"
    except OverflowError as error:
        raise ValueError(f"{value} is no number for '{{{field.name}:{field.kind}}}'") from error
