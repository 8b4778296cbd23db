"""VXI-11, sans-I/O: the calls of its core and abort channels and what they return.

By "VXI-11 TCP/IP Instrument Protocol", revision 1.0 (section B and its RPCL), over ``onc_rpc``.
Time-outs are in ms, as on the wire.
"""

from enum import IntEnum, IntFlag
from typing import NamedTuple

from drivers.wire.onc_rpc import Service, Unpacker, packed, packed_opaque

CORE = Service(0x0607AF, 1)
ABORT = Service(0x0607B0, 1)

DEVICE = "inst0"
"""An instrument by itself; a gateway would have more names."""

LARGEST = 1 << 14
"""The longest piece of a message, in bytes, that our devices take or give; clients split."""

LONGEST_CALL = LARGEST + 1024
"""What no call of a well-behaved client exceeds, headers and credentials included."""

_LONGEST_NAME = 256
_LONGEST_HANDLE = 40  # of a service request


class Procedure(IntEnum):
    """The calls of the core channel (B.6); those that are missing have no number in it."""

    NULL = 0
    CREATE_LINK = 10
    WRITE = 11
    READ = 12
    READ_STATUS = 13
    TRIGGER = 14
    CLEAR = 15
    REMOTE = 16
    LOCAL = 17
    LOCK = 18
    UNLOCK = 19
    ENABLE_SERVICE_REQUEST = 20
    DO_COMMAND = 22
    DESTROY_LINK = 23
    CREATE_INTERRUPT_CHANNEL = 25
    DESTROY_INTERRUPT_CHANNEL = 26


DEVICE_ABORT = 1
"""The only call of the abort channel, beside the one that does nothing."""


class Error(IntEnum):
    """What a call returns first (table B.2)."""

    NONE = 0
    NOT_ACCESSIBLE = 3
    INVALID_LINK = 4
    PARAMETER = 5
    NO_CHANNEL = 6
    NOT_SUPPORTED = 8
    OUT_OF_RESOURCES = 9
    LOCKED_BY_OTHER = 11
    NO_LOCK_HELD = 12
    TIME_OUT = 15
    ABORTED = 23


class Flags(IntFlag):
    """What a call says of itself (B.5.3)."""

    WAIT_FOR_LOCK = 1
    END = 8
    TERMINATOR_SET = 128


class Reason(IntFlag):
    """Why a read ended (B.6.4)."""

    COUNT = 1
    TERMINATOR = 2
    END = 4


class CreateLink(NamedTuple):
    """The first call of a client; ``device`` is a name such as inst0."""

    lock: bool
    lock_ms: int
    device: str


class Ask(NamedTuple):
    """What every call on a link has; ``io_ms`` is 0 where a call has none."""

    link: int
    flags: int
    lock_ms: int
    io_ms: int


class Write(NamedTuple):
    """A piece of a message to the instrument; END is among the flags of the last."""

    ask: Ask
    data: bytes


class Read(NamedTuple):
    """A request for at most ``size`` bytes, or up to ``terminator`` where that is set."""

    ask: Ask
    size: int
    terminator: bytes | None


def parse_create_link(arguments: Unpacker) -> CreateLink:
    """Return the arguments of create_link. Raises GarbledError."""
    arguments.signed()  # a number that the client gives itself, for its own records
    lock, lock_ms = arguments.flag(), arguments.unsigned()
    return CreateLink(lock, lock_ms, arguments.opaque(_LONGEST_NAME).decode("ascii", "replace"))


def parse_write(arguments: Unpacker) -> Write:
    """Return the arguments of device_write. Raises GarbledError."""
    link, io_ms, lock_ms = arguments.signed(), arguments.unsigned(), arguments.unsigned()
    flags = arguments.signed()
    return Write(Ask(link, flags, lock_ms, io_ms), arguments.opaque(LONGEST_CALL))


def parse_read(arguments: Unpacker) -> Read:
    """Return the arguments of device_read. Raises GarbledError."""
    link, size = arguments.signed(), arguments.unsigned()
    io_ms, lock_ms = arguments.unsigned(), arguments.unsigned()
    flags, character = arguments.signed(), arguments.unsigned()
    terminator = bytes([character & 0xFF]) if flags & Flags.TERMINATOR_SET else None
    return Read(Ask(link, flags, lock_ms, io_ms), size, terminator)


def parse_generic(arguments: Unpacker) -> Ask:
    """Return the arguments of the calls that have no others. Raises GarbledError."""
    link, flags = arguments.signed(), arguments.signed()
    lock_ms, io_ms = arguments.unsigned(), arguments.unsigned()
    return Ask(link, flags, lock_ms, io_ms)


def parse_lock(arguments: Unpacker) -> Ask:
    """Return the arguments of device_lock. Raises GarbledError."""
    link, flags, lock_ms = arguments.signed(), arguments.signed(), arguments.unsigned()
    return Ask(link, flags, lock_ms, 0)


def parse_link(arguments: Unpacker) -> int:
    """Return the link that a call names alone. Raises GarbledError."""
    return arguments.signed()


def parse_service_request(arguments: Unpacker) -> int:
    """Return the link of device_enable_srq. Raises GarbledError."""
    link, _ = arguments.signed(), arguments.flag()
    arguments.opaque(_LONGEST_HANDLE)
    return link


def packed_link(error: Error, link: int, abort_port: int) -> bytes:
    """Return what create_link returns."""
    return packed(error, link, abort_port, LARGEST)


def packed_read(error: Error, reason: int = 0, data: bytes = b"") -> bytes:
    """Return what device_read returns."""
    return packed(error, reason) + packed_opaque(data)
