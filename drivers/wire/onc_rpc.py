"""ONC RPC version 2, sans-I/O: what VXI-11 is built on, and the portmapper that tells its ports.

RFC 5531 (calls, replies, record marking), RFC 4506 (XDR: units of four bytes, big-endian), RFC 1833
(portmapper version 2). The server's half only: no credentials, since no instrument asks for any.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

_UNIT = struct.Struct("!I")
_LAST = 0x8000_0000
_RPC_VERSION = 2
_CALL, _REPLY = 0, 1
_ACCEPTED, _DENIED = 0, 1
_NO_CREDENTIALS = bytes(8)  # flavour AUTH_NONE, and a body of no bytes
_MOST_CREDENTIALS = 400
"""The longest body of credentials (RFC 5531, 8.2)."""


class Accepted(IntEnum):
    """What became of a call that was understood as one (RFC 5531, 9)."""

    SUCCESS = 0
    NO_PROGRAM = 1
    OTHER_VERSION = 2
    NO_PROCEDURE = 3
    GARBLED = 4


class GarbledError(ValueError):
    """What came is no call, or its arguments are not those of its procedure."""


class OtherRpcError(GarbledError):
    """A call of another version of RPC; its client can be told so by ``xid``."""

    def __init__(self, xid: int) -> None:
        """``xid`` is the call's number."""
        super().__init__("another version of RPC")
        self.xid = xid


# --- XDR -----------------------------------------------------------------------------------------


def packed(*numbers: int) -> bytes:
    """Return integers as XDR has them; a negative one as its two's complement."""
    return b"".join(_UNIT.pack(number & 0xFFFF_FFFF) for number in numbers)


def packed_opaque(data: bytes) -> bytes:
    """Return bytes with their length in front, filled up to a whole unit."""
    return packed(len(data)) + data + bytes(-len(data) % _UNIT.size)


class Unpacker:
    """Takes XDR apart; what follows the last part is nobody's business (clients fill up)."""

    def __init__(self, data: bytes) -> None:
        """Begin at the first byte."""
        self._data, self._at = data, 0

    def unsigned(self) -> int:
        """Return an unsigned integer. Raises GarbledError."""
        return int(_UNIT.unpack(self._next(_UNIT.size))[0])

    def signed(self) -> int:
        """Return an integer. Raises GarbledError."""
        number = self.unsigned()
        return number - (1 << 32) if number & _LAST else number

    def flag(self) -> bool:
        """Return a Boolean; whatever is not 0 is true. Raises GarbledError."""
        return self.unsigned() != 0

    def opaque(self, most: int) -> bytes:
        """Return bytes, at most so many. Raises GarbledError."""
        count = self.unsigned()
        if count > most:
            raise GarbledError(f"found {count} bytes, expected at most {most}")
        data = self._next(count)
        self._next(-count % _UNIT.size)
        return data

    def rest(self) -> bytes:
        """Return what was not taken yet."""
        return self._data[self._at :]

    def _next(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise GarbledError(f"ends {count - len(part)} bytes early")
        self._at += count
        return part


# --- records -------------------------------------------------------------------------------------


def record(data: bytes) -> bytes:
    """Return a message as one fragment of a stream, which is its last."""
    return packed(_LAST | len(data)) + data


class RecordReader:
    """Takes a stream apart into records (RFC 5531, 11), however it is cut."""

    def __init__(self, longest: int) -> None:
        """``longest`` is how many bytes a record has at most."""
        self._longest = longest
        self._waiting = bytearray()
        self._record = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the records that are whole now.

        Raises GarbledError for one that is too long: what is no RPC begins with such a length.
        """
        self._waiting += data
        found: list[bytes] = []
        while len(self._waiting) >= _UNIT.size:
            head = int(_UNIT.unpack_from(self._waiting)[0])
            length = head & ~_LAST
            if len(self._record) + length > self._longest:
                raise GarbledError(f"a record of more than {self._longest} bytes")
            end = _UNIT.size + length
            if len(self._waiting) < end:
                break
            self._record += self._waiting[_UNIT.size : end]
            del self._waiting[:end]
            if head & _LAST:
                found.append(bytes(self._record))
                self._record.clear()
        return found


# --- calls and replies ---------------------------------------------------------------------------


class Call(NamedTuple):
    """A call; ``arguments`` are still packed."""

    xid: int
    program: int
    version: int
    procedure: int
    arguments: Unpacker


def parse_call(message: bytes) -> Call:
    """Return the call in a message. Raises GarbledError, as OtherRpcError where it has a number."""
    unpacker = Unpacker(message)
    xid, kind, version = (unpacker.unsigned() for _ in range(3))
    if kind != _CALL:
        raise GarbledError(f"message type: found {kind}, expected {_CALL}")
    if version != _RPC_VERSION:
        raise OtherRpcError(xid)
    program, program_version, procedure = (unpacker.unsigned() for _ in range(3))
    for _ in ("credentials", "verifier"):
        unpacker.unsigned()
        unpacker.opaque(_MOST_CREDENTIALS)
    return Call(xid, program, program_version, procedure, unpacker)


def accepted(xid: int, status: Accepted, results: bytes = b"") -> bytes:
    """Return the reply to a call; ``results`` are packed."""
    return packed(xid, _REPLY, _ACCEPTED) + _NO_CREDENTIALS + packed(status) + results


def other_version(xid: int, version: int) -> bytes:
    """Return the reply that there is only one version of a program."""
    return accepted(xid, Accepted.OTHER_VERSION, packed(version, version))


def other_rpc(xid: int) -> bytes:
    """Return the reply to a call of another RPC."""
    return packed(xid, _REPLY, _DENIED, 0, _RPC_VERSION, _RPC_VERSION)


# --- the portmapper ------------------------------------------------------------------------------

PORTMAPPER = 100_000
PORTMAPPER_VERSION = 2
PORTMAPPER_PORT = 111
TCP = 6
_NULL, _GET_PORT, _DUMP = 0, 3, 4


@dataclass(frozen=True)
class Service:
    """A program that listens, as a portmapper is asked for it; ``protocol`` is the Internet's."""

    program: int
    version: int
    protocol: int = TCP


def answer_where(call: Call, ports: Mapping[Service, int]) -> bytes:
    """Return a portmapper's reply: a port, 0 for a program that is not here, or all there are.

    Others cannot register here. Raises GarbledError for arguments that are none.
    """
    if call.program != PORTMAPPER:
        return accepted(call.xid, Accepted.NO_PROGRAM)
    if call.version != PORTMAPPER_VERSION:
        return other_version(call.xid, PORTMAPPER_VERSION)
    if call.procedure == _NULL:
        return accepted(call.xid, Accepted.SUCCESS)
    if call.procedure == _GET_PORT:
        asked = Service(*(call.arguments.unsigned() for _ in range(3)))
        return accepted(call.xid, Accepted.SUCCESS, packed(ports.get(asked, 0)))
    if call.procedure == _DUMP:
        return accepted(call.xid, Accepted.SUCCESS, _listed(ports.items()))
    return accepted(call.xid, Accepted.NO_PROCEDURE)


def _listed(ports: Iterable[tuple[Service, int]]) -> bytes:
    """Return a list as XDR has it: 1 before each element, 0 at the end."""
    each = (packed(1, one.program, one.version, one.protocol, port) for one, port in ports)
    return b"".join(each) + packed(0)
