"""Is the ledger's write-ahead log whole? SQLite does not say: it believes it up to the first doubt.

A frame whose checksum does not fit ends the log for SQLite, silently, with everything behind it.
That is right for what a killed process was writing, and wrong for a bit that flipped in the middle.
Format: https://sqlite.org/fileformat2.html#walformat
"""

from itertools import islice
from pathlib import Path
from struct import Struct, unpack_from

SUFFIX = "-wal"

_HEADER = Struct(">8I")
_FRAME = Struct(">6I")
_LITTLE = 0x377F0682
"""Magic number of a log whose checksums take words in little endian; plus 1 for big endian."""

_MODES = slice(18, 20)
_WAL_MODE = b"\2\2"
"""Where a database says that it has a log, and how: one that was closed says that it has none."""


def complaint(ledger: Path) -> str:
    """Say what is wrong with the log of a ledger that nobody writes, empty if nothing is.

    Raises OSError.
    """
    with ledger.open("rb") as file:
        has_log = file.read(100)[_MODES] == _WAL_MODE
    log = ledger.with_name(ledger.name + SUFFIX)
    data = log.read_bytes() if log.is_file() else b""
    if not data:
        return "is missing" if has_log else ""
    return _complaint(data)


def _complaint(data: bytes) -> str:
    """Follow the chain of checksums; what stands behind its end must be of an older log."""
    if len(data) < _HEADER.size:
        return f"is cut off at byte {len(data)}"
    magic, _, page, _, *salts, high, low = _HEADER.unpack_from(data)
    order = {_LITTLE: "<", _LITTLE + 1: ">"}.get(magic)
    if order is None or _summed(data, 0, _HEADER.size - 8, (0, 0), order) != (high, low):
        return "its head is damaged"
    offset, chain = _HEADER.size, (high, low)
    while offset + _FRAME.size <= len(data):
        _, _, *frame_salts, high, low = _FRAME.unpack_from(data, offset)
        if any(frame_salts) and not set(frame_salts) & set(salts):
            return ""  # left over from before the log began anew
        chain = _summed(data, offset, 8, chain, order)
        body = offset + _FRAME.size
        if len(data) - body >= page:
            chain = _summed(data, body, page, chain, order)
        if frame_salts != salts or len(data) - body < page or chain != (high, low):
            rest = len(data) - offset
            return f"byte {offset}: the last {rest} bytes are damaged, or were never acknowledged"
        offset = body + page
    return ""


def _summed(
    data: bytes, offset: int, length: int, chain: tuple[int, int], order: str
) -> tuple[int, int]:
    """Return SQLite's two running sums over some bytes."""
    words = unpack_from(f"{order}{length // 4}I", data, offset)
    first, second = chain
    for one, two in zip(islice(words, 0, None, 2), islice(words, 1, None, 2), strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
