"""The device's ear: lines out of bytes, with blocks that may hold anything.

A line ends with LF (CR LF as well). Inside ``#<digits><length><bytes>`` a LF is data; ``#0``
reaches to the end of the message, which on a byte stream is its LF (IEEE 488.2-1992, 7.7.6). A
block's bytes travel on as letters of a private range (Unicode's private use area), where no comma
or quote of theirs means anything.
"""

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

    def feed(self, data: bytes) -> list[str | None]:
        """Return each line that ends in ``data``, without its end; None for one too long."""
        data = self._rest + data
        if b"#" in data:
            lines, data = _with_blocks(data, skipping=self._skipping)
        else:
            *whole, data = data.split(b"\n")
            lines = [(len(line), line.decode("latin-1")) for line in whole]
        found = [text if length <= self._longest else None for length, text in lines]
        if lines and self._skipping:
            del found[0]
            self._skipping = False
        if len(data) > self._longest:
            if not self._skipping:
                found.append(None)
            data, self._skipping = b"", True
        self._rest = data
        return found


def _with_blocks(data: bytes, *, skipping: bool) -> tuple[list[tuple[int, str]], bytes]:
    """Cut data that may hold blocks into lines, with their lengths, and what is left.

    What is skipped ends at the next LF: whether it would stand in a block is not known any more.
    """
    lines = []
    while (line := _Line(data.find(b"\n"), ()) if skipping else _scanned(data)).end >= 0:
        lines.append((line.end, _letters(data[: line.end], line.blocks)))
        data, skipping = data[line.end + 1 :], False
    return lines, data


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
