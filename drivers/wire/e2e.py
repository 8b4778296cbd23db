"""Protection of CAN frames in the manner of AUTOSAR E2E profile 1: CRC-8 and an alive counter.

Byte 0 of a frame is a CRC over a Data ID, which is never sent, and bytes 1 to 7; the low nibble of
byte 1 counts 0 to 14, the high nibble is the page of a multiplexed message. The CRC catches
damage and frames of another message, the counter catches repeated, lost and swapped frames.
Polynomial: SAE J1850, 1Dh; start and final value 0, as profile 1 has it.
"""

from collections.abc import Mapping, Sequence
from struct import Struct

__all__ = [
    "ALIVE_COUNTS",
    "Counters",
    "PageSet",
    "Receiver",
    "crc8",
    "next_alive",
    "seal",
    "seal_words",
    "start",
]

ALIVE_COUNTS = 15
"""Profile 1 counts 0 to 14; 15 stands for "invalid"."""

MAX_STEP = 7
"""Half the ring: a counter that moved on by more has moved backwards."""

FRAME_BYTES = 8
_POLYNOMIAL = 0x1D


def _crc_of_byte(byte: int) -> int:
    """Return one entry of the table: the byte, divided bit by bit."""
    for _ in range(8):
        byte = (byte << 1) ^ (_POLYNOMIAL if byte & 0x80 else 0)
        byte &= 0xFF
    return byte


# a tuple, because CPython looks things up in it faster than in bytes
_TABLE = tuple(_crc_of_byte(byte) for byte in range(256))
# Two bytes in one look-up, the low one first: a sender has its values as words, and sealing them
# so takes a third of the time of packing first and reading the bytes again.
_WORD_TABLE = bytes(_TABLE[_TABLE[word & 0xFF] ^ word >> 8] for word in range(1 << 16))
_FRAME = Struct("<BBHHH")


def crc8(data: Sequence[int], value: int = 0) -> int:
    """Return the CRC of any number of bytes, going on from ``value``."""
    for byte in data:
        value = _TABLE[value ^ byte]
    return value


def start(data_id: int) -> int:
    """Return the CRC of a Data ID (low byte, then high byte): where each frame's CRC starts."""
    return crc8((data_id & 0xFF, data_id >> 8))


def frame_crc(start_value: int, frame: Sequence[int]) -> int:
    """Return the CRC of bytes 1 to 7 of an 8-byte frame."""
    # the loop of crc8 unrolled: with the virtual bench at full speed this is its innermost one
    _, a, b, c, d, e, f, g = frame
    t = _TABLE
    return t[t[t[t[t[t[t[start_value ^ a] ^ b] ^ c] ^ d] ^ e] ^ f] ^ g]


def seal(start_value: int, frame: bytes) -> bytearray:
    """Return ``frame`` (8 bytes, byte 0 of no matter) with its CRC in byte 0."""
    sealed = bytearray(frame)
    sealed[0] = frame_crc(start_value, frame)
    return sealed


def seal_words(start_value: int, head: int, first: int, second: int, third: int) -> bytearray:
    """Return the sealed frame of byte 1 and three unsigned 16-bit words, low byte first.

    Raises IndexError or struct.error for what does not fit.
    """
    t = _WORD_TABLE
    crc = t[t[t[_TABLE[start_value ^ head] ^ first] ^ second] ^ third]
    return bytearray(_FRAME.pack(crc, head, first, second, third))


def next_alive(alive: int) -> int:
    """Return the counter after ``alive``."""
    return (alive + 1) % ALIVE_COUNTS


class Counters:
    """The alive counters of everything that one node sends, one a message identifier."""

    def __init__(self) -> None:
        """Start every message at 0."""
        self._next: dict[int, int] = {}

    def take(self, identifier: int) -> int:
        """Return the counter of the message's next frame."""
        alive = self._next.get(identifier, 0)
        self._next[identifier] = (alive + 1) % ALIVE_COUNTS
        return alive


class Receiver:
    """The checks of one node: CRC and counter of every message it listens to."""

    def __init__(self, data_ids: Mapping[int, int]) -> None:
        """``data_ids`` gives the Data ID of each identifier; other identifiers are not ours."""
        self._start = {identifier: start(data_id) for identifier, data_id in data_ids.items()}
        self._alive: dict[int, int] = {}
        self.rejected = 0

    def listens_to(self, identifier: int) -> bool:
        """Say whether a message is one of ours."""
        return identifier in self._start

    def accept(self, identifier: int, frame: Sequence[int]) -> bool:
        """Check one frame and count it when it fails. Raises KeyError if it is not ours.

        After a counter that does not fit, counting goes on from it: one frame is dropped, and the
        receiver is in step again.
        """
        start_value = self._start[identifier]
        if len(frame) == FRAME_BYTES and frame_crc(start_value, frame) == frame[0]:
            alive = frame[1] & 0x0F
            if alive < ALIVE_COUNTS:
                before = self._alive.get(identifier)
                self._alive[identifier] = alive
                if before is None or 0 < (alive - before) % ALIVE_COUNTS <= MAX_STEP:
                    return True
        self.rejected += 1
        return False


class PageSet:
    """Gathers the pages of one multiplexed message; only an unbroken sequence makes a set."""

    def __init__(self, pages: int) -> None:
        """Expect pages 0 to ``pages`` - 1, with consecutive alive counters."""
        self._pages = pages
        self._frames: list[bytearray] = []
        self._alive = 0

    def add(self, frame: bytearray) -> list[bytearray] | None:
        """Take an accepted frame; return all frames of the set when this one completes it."""
        alive, page = frame[1] & 0x0F, frame[1] >> 4
        if page == 0:
            self._frames = []
        elif page != len(self._frames) or alive != next_alive(self._alive):
            self._frames = []
            return None
        self._frames.append(frame)
        self._alive = alive
        return self._frames if len(self._frames) == self._pages else None
