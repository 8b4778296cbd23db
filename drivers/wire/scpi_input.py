"""The device's ear: lines out of bytes, with blocks that may hold anything.

A line ends with LF (CR LF as well). Inside ``#<digits><length><bytes>`` a LF is data; ``#0``
reaches to the end of the message, which on a byte stream is its LF (IEEE 488.2-1992, 7.7.6). A
block's bytes travel on as letters of a private range (Unicode's private use area), where no comma
or quote of theirs means anything.
"""

from collections.abc import Iterator
from typing import NamedTuple

from drivers.wire.scpi_data import BLOCK_LETTERS

_LF, _HASH = b"\n#"


class InputBuffer:
    """Cuts what arrives into lines; a line longer than ``longest`` bytes is dropped whole."""

    def __init__(self, longest: int) -> None:
        """Start empty."""
        self._longest = longest
        self._rest = b""
        self._skipping = False

    def clear(self) -> None:
        """Forget the half of a line that is there."""
        self._rest, self._skipping = b"", False

    def feed(self, data: bytes) -> Iterator[str | None]:
        """Yield each line that ends in ``data``, without its end; None once for one too long."""
        rest = self._rest + data
        self._rest = b""
        while (line := self._first_line(rest)).end >= 0:
            too_long = line.end > self._longest
            if not self._skipping:
                yield None if too_long else _letters(rest[: line.end], line.blocks)
            self._skipping = False
            rest = rest[line.end + 1 :]
        if len(rest) > self._longest:
            if not self._skipping:
                yield None
            rest, self._skipping = b"", True
        self._rest = rest

    def _first_line(self, data: bytes) -> "_Line":
        """Return where the first line ends; what is skipped has no blocks, only an end."""
        end = data.find(b"\n")
        if self._skipping or b"#" not in data[: end if end >= 0 else len(data)]:
            return _Line(end, ())
        return _scanned(data)


class _Line(NamedTuple):
    """Where a line ends, -1 if it has not yet, and its blocks: start, first byte, end."""

    end: int
    blocks: tuple[tuple[int, int, int], ...]


def _scanned(data: bytes) -> _Line:
    """Find the end of the first line, quoted texts and blocks considered."""
    blocks: list[tuple[int, int, int]] = []
    at, quote = 0, 0
    while at < len(data):
        letter = data[at]
        if letter == _LF:
            return _Line(at, tuple(blocks))
        if quote:
            quote = 0 if letter == quote else quote
        elif letter in b"\"'":
            quote = letter
        elif letter == _HASH and at and data[at - 1] in b" \t,":
            block = _block(data, at)
            if block is None:
                return _Line(-1, ())
            if block[2] > at:
                blocks.append(block)
                at = block[2]
                continue
        at += 1
    return _Line(-1, ())


def _block(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Return the block that begins at ``at``; None until it is there, an empty one for no block."""
    count = data[at + 1 : at + 2]
    if not count:
        return None
    if count == b"0":
        end = data.find(b"\n", at)
        return None if end < 0 else (at, at + 2, end)
    begin = at + 2 + (int(count) if count.isdigit() else 0)
    length = data[at + 2 : begin]
    if not (count.isdigit() and (length or b"0").isdigit()):
        return at, at, at  # the parser says what is wrong with it
    if len(data) < begin or len(data) < begin + int(length):
        return None
    return at, begin, begin + int(length)


def _letters(line: bytes, blocks: tuple[tuple[int, int, int], ...]) -> str:
    """Return a line as text, the bytes of its blocks as letters of their own."""
    parts, at = [], 0
    for start, begin, end in blocks:
        private = "".join(chr(BLOCK_LETTERS + one) for one in line[begin:end])
        parts += [line[at:start].decode("latin-1"), "#", private]
        at = end
    return "".join([*parts, line[at:].decode("latin-1")])
