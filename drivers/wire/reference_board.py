"""The reference board's messages, precompiled from reference_board.dbc.

Values are the integers on the wire, so that nothing is rounded here; the ``..._PER_COUNT``
constants give their size. ``encode_x`` returns the sealed frame of eight bytes, ``decode_x`` the
message of a frame whose seal was checked before (``drivers.wire.e2e``). A property test holds
every frame byte-identical to what cantools makes of the DBC.
"""

from enum import IntEnum
from struct import Struct
from typing import NamedTuple, TypeAlias

from drivers.wire import e2e

Frame: TypeAlias = bytes | bytearray

VOLT_PER_COUNT = 1e-4
AMPERE_PER_COUNT = 1e-3
LIMIT_AMPERE_PER_COUNT = 0.1
KELVIN_PER_COUNT = 0.1
DUTY_COUNTS = 200
"""Counts of a duty of 1."""

UNKNOWN_VOLTAGE = 0xFFFF
UNKNOWN_TEMPERATURE = -0x8000

CELLS_A_PAGE = 3
TEMPERATURES_A_PAGE = 3
DUTIES_A_PAGE = 6
CELLS_A_FAULT_PAGE = 16
IDENTITY_PAGES = 2
MAX_CELLS = 64
MAX_SERIAL = 2**32 - 1
MAX_FRONT_ENDS = 4

BLEED_COMMAND = 0x0C0
REQUEST = 0x0D0
FAULTS = 0x100
CELL_VOLTAGES = 0x110
"""Of front end 1; those of front end 2 to 4 follow."""
PACK_STATUS = 0x120
TEMPERATURES = 0x130
LIMITS = 0x140
BLEED_STATE = 0x150
IDENTITY = 0x160

TO_BOARD = {identifier: 0xB000 + identifier for identifier in (BLEED_COMMAND, REQUEST)}
"""Data ID of each message from host to board."""
TO_HOST = {
    identifier: 0xB000 + identifier
    for identifier in (
        FAULTS,
        *range(CELL_VOLTAGES, CELL_VOLTAGES + MAX_FRONT_ENDS),
        PACK_STATUS,
        TEMPERATURES,
        LIMITS,
        BLEED_STATE,
        IDENTITY,
    )
}
"""Data ID of each message from board to host."""

_START = {identifier: e2e.start(data) for identifier, data in (TO_BOARD | TO_HOST).items()}


def recounted(identifier: int, frame: bytearray, alive: int) -> bytearray:
    """Return a frame of a message with another alive counter, sealed again."""
    changed = bytearray(frame)
    changed[1] = changed[1] & 0xF0 | alive
    return e2e.seal(_START[identifier], bytes(changed))


class State(IntEnum):
    """What the board is doing."""

    STARTING = 0
    NORMAL = 1
    FAULT = 2


class RequestCode(IntEnum):
    """What the host can ask for."""

    IDENTIFY = 1
    CLEAR_FAULTS = 2
    REPORT_BLEEDS = 3
    BALANCE = 4
    """Balance by yourself again, after somebody has commanded bleeds; older firmware does not."""


class BoardFlag(IntEnum):
    """Bits of the whole board's faults."""

    OVER_TEMPERATURE = 0
    UNDER_TEMPERATURE = 1
    OVER_CURRENT = 2
    COMMAND_LOST = 3
    BAD_COMMAND = 4
    FRONT_END_1_SILENT = 5
    FRONT_END_2_SILENT = 6
    FRONT_END_3_SILENT = 7
    FRONT_END_4_SILENT = 8
    TOP_LEAD_OPEN = 9
    BLEED_PAUSED = 10
    NTC_LOST = 11


def pages(values: int, a_page: int) -> int:
    """Return how many pages carry so many values."""
    return -(-values // a_page)


# --- cell voltages ----------------------------------------------------------------------------

_THREE_U16 = Struct("<xBHHH")


class CellVoltages(NamedTuple):
    """Three cells of a front end, in counts of 0.1 mV."""

    alive: int
    page: int
    cells: tuple[int, int, int]


def encode_cell_voltages(
    front_end: int, alive: int, page: int, cells: tuple[int, int, int]
) -> bytearray:
    """``front_end`` counts from 0."""
    return e2e.seal_words(_START[CELL_VOLTAGES + front_end], alive | page << 4, *cells)


def decode_cell_voltages(frame: Frame) -> CellVoltages:
    """Three cells; which front end they belong to, the identifier says."""
    head, first, second, third = _THREE_U16.unpack(frame)
    return CellVoltages(head & 0x0F, head >> 4, (first, second, third))


# --- temperatures -----------------------------------------------------------------------------

_THREE_S16 = Struct("<xBhhh")


class Temperatures(NamedTuple):
    """Three temperatures in counts of 0.1 K; the first of page 0 is the board's own."""

    alive: int
    page: int
    degc: tuple[int, int, int]


def encode_temperatures(alive: int, page: int, degc: tuple[int, int, int]) -> bytearray:
    """``degc`` in counts of 0.1 degC."""
    first, second, third = (count & 0xFFFF for count in degc)
    return e2e.seal_words(_START[TEMPERATURES], alive | page << 4, first, second, third)


def decode_temperatures(frame: Frame) -> Temperatures:
    """Three temperatures."""
    head, first, second, third = _THREE_S16.unpack(frame)
    return Temperatures(head & 0x0F, head >> 4, (first, second, third))


# --- bleeds: the same page of six duties, commanded and reported ---------------------------------

_SIX_U8 = Struct("<xB6B")


class Duties(NamedTuple):
    """Six duties, in counts of 1/200."""

    alive: int
    page: int
    duty: tuple[int, ...]


def encode_bleed_command(alive: int, page: int, duty: tuple[int, ...]) -> bytearray:
    """``duty`` is six values."""
    return e2e.seal(_START[BLEED_COMMAND], _SIX_U8.pack(alive | page << 4, *duty))


def encode_bleed_state(alive: int, page: int, duty: tuple[int, ...]) -> bytearray:
    """``duty`` is six values."""
    return e2e.seal(_START[BLEED_STATE], _SIX_U8.pack(alive | page << 4, *duty))


def decode_duties(frame: Frame) -> Duties:
    """Six duties of a bleed command or a bleed state."""
    head, *duty = _SIX_U8.unpack(frame)
    return Duties(head & 0x0F, head >> 4, tuple(duty))


# --- pack status and limits ---------------------------------------------------------------------

_STATUS = Struct("<xBIH")


class PackStatus(NamedTuple):
    """State of the board; current in mA, positive in discharge."""

    alive: int
    current_ma: int
    state: int
    charge_allowed: bool
    discharge_allowed: bool
    cycle: int


def encode_pack_status(message: PackStatus) -> bytearray:
    """``current_ma`` keeps 24 bits, ``cycle`` 16."""
    alive, current_ma, state, charge_allowed, discharge_allowed, cycle = message
    high = current_ma >> 16 & 0xFF | state << 8 | charge_allowed << 12 | discharge_allowed << 13
    return e2e.seal_words(_START[PACK_STATUS], alive, current_ma & 0xFFFF, high, cycle & 0xFFFF)


def decode_pack_status(frame: Frame) -> PackStatus:
    """State of the board."""
    head, bits, cycle = _STATUS.unpack(frame)
    current_ma = (bits & 0xFFFFFF) - ((bits & 0x800000) << 1)
    state, allowed = bits >> 24 & 0x0F, bits >> 28
    return PackStatus(head & 0x0F, current_ma, state, bool(allowed & 1), bool(allowed & 2), cycle)


_LIMITS = Struct("<xBHHxx")


class Limits(NamedTuple):
    """Magnitudes of the allowed currents, in counts of 0.1 A."""

    alive: int
    charge: int
    discharge: int


def encode_limits(message: Limits) -> bytearray:
    """Both limits keep 16 bits."""
    return e2e.seal_words(_START[LIMITS], message.alive, message.charge, message.discharge, 0)


def decode_limits(frame: Frame) -> Limits:
    """Both limits."""
    head, charge, discharge = _LIMITS.unpack(frame)
    return Limits(head & 0x0F, charge, discharge)


# --- faults ---------------------------------------------------------------------------------------

_FLAGS = Struct("<xBHxxH")


class FaultFlags(NamedTuple):
    """Page 0: ``flags`` has one bit a ``BoardFlag``."""

    alive: int
    flags: int
    rejected_commands: int


class CellFaults(NamedTuple):
    """Page p from 1: one bit a cell 16 p - 15 to 16 p, lowest first."""

    alive: int
    page: int
    over_voltage: int
    under_voltage: int
    open_wire: int


def encode_fault_flags(message: FaultFlags) -> bytearray:
    """The whole board's faults."""
    alive, flags, rejected = message
    return e2e.seal_words(_START[FAULTS], alive, flags, 0, rejected)


def encode_cell_faults(message: CellFaults) -> bytearray:
    """The faults of 16 cells."""
    alive, page, *masks = message
    return e2e.seal_words(_START[FAULTS], alive | page << 4, *masks)


def decode_faults(frame: Frame) -> FaultFlags | CellFaults:
    """Page 0 or one of the others."""
    head = frame[1]
    if head >> 4:
        return CellFaults(head & 0x0F, head >> 4, *_THREE_U16.unpack(frame)[1:])
    return FaultFlags(*_FLAGS.unpack(frame))


# --- identity and requests ----------------------------------------------------------------------

_MAKE = Struct("<xBIBB")
_FIRMWARE = Struct("<xBBBBBxx")


class Make(NamedTuple):
    """Identity, page 0."""

    alive: int
    serial: int
    cells: int
    cells_per_front_end: int


class Firmware(NamedTuple):
    """Identity, page 1."""

    alive: int
    major: int
    minor: int
    patch: int
    ntcs: int


def encode_make(message: Make) -> bytearray:
    """Identity, page 0."""
    return e2e.seal(_START[IDENTITY], _MAKE.pack(*message))


def encode_firmware(message: Firmware) -> bytearray:
    """Identity, page 1."""
    alive, *rest = message
    return e2e.seal(_START[IDENTITY], _FIRMWARE.pack(alive | 1 << 4, *rest))


def decode_identity(frame: Frame) -> Make | Firmware:
    """Either page."""
    if frame[1] >> 4:
        head, *rest = _FIRMWARE.unpack(frame)
        return Firmware(head & 0x0F, *rest)
    return Make(*_MAKE.unpack(frame))


_REQUEST = Struct("<xBB5x")


class Request(NamedTuple):
    """``code`` is a ``RequestCode``, or a number that the board does not know."""

    alive: int
    code: int


def encode_request(message: Request) -> bytearray:
    """Ask the board once."""
    return e2e.seal(_START[REQUEST], _REQUEST.pack(*message))


def decode_request(frame: Frame) -> Request:
    """What the host asks for."""
    head, code = _REQUEST.unpack(frame)
    return Request(head & 0x0F, code)
