"""HiSLIP, sans-I/O: the messages of IVI-6.1 (revision 1.1), taken out of a stream and put into one.

A message is a header of 16 bytes (prologue ``HS``, type, control code, parameter, length of what
follows) and its payload. Numbers are big-endian.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

_HEADER = struct.Struct("!2sBBIQ")
_PROLOGUE = b"HS"

HEADER_SIZE = _HEADER.size

VERSION = 0x0100
"""1.0, the version that every client knows."""

LARGEST = 1 << 16
"""The longest message that our devices take, header included; clients are told, and split."""


class Kind(IntEnum):
    """The message types (table 4) that a device without TLS receives or sends."""

    INITIALIZE = 0
    INITIALIZE_RESPONSE = 1
    FATAL_ERROR = 2
    ERROR = 3
    ASYNC_LOCK = 4
    ASYNC_LOCK_RESPONSE = 5
    DATA = 6
    DATA_END = 7
    DEVICE_CLEAR_COMPLETE = 8
    DEVICE_CLEAR_ACKNOWLEDGE = 9
    ASYNC_REMOTE_LOCAL_CONTROL = 10
    ASYNC_REMOTE_LOCAL_RESPONSE = 11
    TRIGGER = 12
    INTERRUPTED = 13
    ASYNC_INTERRUPTED = 14
    ASYNC_MAX_MSG_SIZE = 15
    ASYNC_MAX_MSG_SIZE_RESPONSE = 16
    ASYNC_INITIALIZE = 17
    ASYNC_INITIALIZE_RESPONSE = 18
    ASYNC_DEVICE_CLEAR = 19
    ASYNC_STATUS_QUERY = 21
    ASYNC_STATUS_RESPONSE = 22
    ASYNC_DEVICE_CLEAR_ACKNOWLEDGE = 23
    ASYNC_LOCK_INFO = 24
    ASYNC_LOCK_INFO_RESPONSE = 25


class Fatal(IntEnum):
    """Why a connection ends (table 14)."""

    POORLY_FORMED = 1
    NOT_BOTH_CHANNELS = 2
    BAD_INITIALIZATION = 3
    TOO_MANY_CLIENTS = 4


class Fault(IntEnum):
    """What is wrong with a message after which the connection goes on (table 16)."""

    UNKNOWN_TYPE = 1
    TOO_LARGE = 4


@dataclass(frozen=True, slots=True)
class Message:
    """One message; of one longer than ``LARGEST`` the payload was dropped."""

    kind: int
    control: int = 0
    parameter: int = 0
    payload: bytes = b""
    is_too_large: bool = False

    def packed(self) -> bytes:
        """Return its bytes."""
        header = (_PROLOGUE, self.kind, self.control, self.parameter, len(self.payload))
        return _HEADER.pack(*header) + self.payload


def kind_of(header: bytes) -> int:
    """Return the type of the message that a header begins."""
    return int(_HEADER.unpack(header)[1])


def length_of(header: bytes) -> int:
    """Return how many bytes follow a header."""
    return int(_HEADER.unpack(header)[-1])


class PoorlyFormedError(ValueError):
    """What came is no header: there is no way to find the next one."""


class Reader:
    """Takes a stream apart, however it is cut."""

    def __init__(self) -> None:
        """Begin before the first header."""
        self._waiting = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are whole now. Raises PoorlyFormedError.

        Never keeps more than one message of the largest size.
        """
        self._waiting += data
        found: list[Message] = []
        while True:
            dropped = min(self._skip, len(self._waiting))
            del self._waiting[:dropped]
            self._skip -= dropped
            if len(self._waiting) < _HEADER.size:
                return found
            prologue, kind, control, parameter, length = _HEADER.unpack_from(self._waiting)
            if prologue != _PROLOGUE:
                raise PoorlyFormedError(f"found {bytes(prologue)!r}, expected {_PROLOGUE!r}")
            if length > LARGEST - _HEADER.size:
                found.append(Message(kind, control, parameter, is_too_large=True))
                del self._waiting[: _HEADER.size]
                self._skip = length
                continue
            end = _HEADER.size + length
            if len(self._waiting) < end:
                return found
            payload = bytes(self._waiting[_HEADER.size : end])
            del self._waiting[:end]
            found.append(Message(kind, control, parameter, payload))


def data_messages(data: bytes, message_id: int, largest: int) -> list[Message]:
    """Return an answer as messages of at most ``largest`` bytes each, of which the last ends it."""
    room = max(1, largest - _HEADER.size)
    starts = range(0, max(1, len(data)), room)
    return [
        Message(
            Kind.DATA_END if start + room >= len(data) else Kind.DATA,
            parameter=message_id,
            payload=data[start : start + room],
        )
        for start in starts
    ]
