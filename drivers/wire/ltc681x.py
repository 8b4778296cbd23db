"""The LTC6813-1 front end on the wire: commands, their check, register groups. No I/O.

A command is 11 bits in two bytes and their PEC; data follow in groups of six bytes and their PEC.
Codes, bits and times are those of the LTC6813-1 data sheet (commands, memory map, conversion times
of the ADCV and ADAX commands); the times of a single channel and of ADSTAT are those that the
family shares. What no board here uses is left out: PWM and S control, the software timer, the
serial interface on the GPIO pins, self-tests, the comparators' flags.
"""

from collections.abc import Mapping
from enum import IntEnum
from functools import cache
from struct import Struct
from typing import Literal, NamedTuple

from hil.core.instants import MICROSECOND, Duration

CELLS = 18
PINS = 9
"""GPIO pins, each of which can be converted."""
VOLT_PER_COUNT = 1e-4
CLEARED = 0xFFFF
"""What a result reads before its first conversion, and after a clear command."""

COMMAND_BYTES = 4
CHECK_BYTES = 2
GROUP_BYTES = 6
_CODES = 1 << 11


class Code(IntEnum):
    """Commands without options."""

    WRCFGA = 0x001
    WRCFGB = 0x024
    RDCFGA = 0x002
    RDCFGB = 0x026
    RDCVA = 0x004
    RDCVB = 0x006
    RDCVC = 0x008
    RDCVD = 0x00A
    RDCVE = 0x009
    RDCVF = 0x00B
    RDAUXA = 0x00C
    RDAUXB = 0x00E
    RDAUXC = 0x00D
    RDAUXD = 0x00F
    RDSTATA = 0x010
    RDSTATB = 0x012
    MUTE = 0x028
    UNMUTE = 0x029
    CLRCELL = 0x711
    CLRAUX = 0x712
    CLRSTAT = 0x713


# --- the check ------------------------------------------------------------------------------------

_POLYNOMIAL = 0x4599
_SEED = 0x0010
_TOP = 0x4000


def _pec_of_byte(byte: int) -> int:
    """Return one entry of the table: the byte, divided bit by bit."""
    rest = byte << 7
    for _ in range(8):
        rest = (rest << 1) ^ (_POLYNOMIAL if rest & _TOP else 0)
    return rest & 0x7FFF


_TABLE = tuple(_pec_of_byte(byte) for byte in range(256))


def pec15(data: bytes) -> int:
    """Return the packet error code of any number of bytes: 15 bits and a zero below them."""
    rest = _SEED
    for byte in data:
        rest = (rest << 8) & 0x7FFF ^ _TABLE[rest >> 7 ^ byte]
    return rest << 1


def sealed(data: bytes) -> bytes:
    """Return ``data`` with its check behind it."""
    return data + pec15(data).to_bytes(CHECK_BYTES, "big")


def opened(block: bytes) -> bytes | None:
    """Return the six bytes of a register group, None where length or check are wrong."""
    data, check = block[:GROUP_BYTES], block[GROUP_BYTES:]
    return data if len(data) == GROUP_BYTES and sealed(data) == data + check else None


# --- commands -------------------------------------------------------------------------------------


@cache
def _checked() -> Mapping[bytes, int]:
    """Return the code of each command by its four bytes: a look-up is faster than a check."""
    return {sealed(code.to_bytes(2, "big")): code for code in range(_CODES)}


def command(code: int) -> bytes:
    """Return the four bytes of a command."""
    return sealed(code.to_bytes(2, "big"))


def command_code(raw: bytes) -> int | None:
    """Return the code of four bytes, None where their check is wrong."""
    return _checked().get(raw)


Bank = Literal["cells", "pins", "status"]
WORDS: Mapping[Bank, int] = {"cells": CELLS, "pins": 12, "status": 6}
"""The results, 16 bits each, of which a group reads three."""
REFERENCE_WORD = 5
"""Where the second reference stands among the results of the pins."""


def pin_word(pin: int) -> int:
    """Return where GPIO ``pin`` (from 1) stands among the results: around the reference."""
    return pin - 1 if pin <= REFERENCE_WORD else pin


class Conversion(NamedTuple):
    """What a command starts: ``words`` are the results it writes, ``lasts`` until they stand there.

    ``bleeds`` says whether discharge goes on meanwhile, ``pull`` whether the pins of the cell being
    converted get 100 uA (1) or give them (-1).
    """

    bank: Bank
    words: tuple[int, ...]
    lasts: Duration
    bleeds: bool = True
    pull: int = 0


# Total times in us of the modes MD = 0 to 3 with ADCOPT = 0: 422 Hz, 27 kHz, 7 kHz, 26 Hz.
# [assumed] 422 Hz of one channel and of the status: in proportion to all cells.
_ALL_CELLS_US = (12_816, 1_113, 2_335, 201_325)
_ALL_PINS_US = (21_329, 1_825, 3_862, 335_498)
_ALL_STATUS_US = (8_542, 748, 1_563, 134_218)
_ONE_US = (2_152, 201, 405, 33_568)

_CELL_SETS = (tuple(range(CELLS)), *((k, k + 6, k + 12) for k in range(6)))
_PIN_SETS = (tuple(range(10)), *((k, k + 6) for k in range(4)), (4,), (REFERENCE_WORD,))
_STATUS_SETS = ((0, 1, 2, 3), (0,), (1,), (2,), (3,))


def adcv(mode: int = 2, channel: int = 0, *, bleeds: bool = False) -> int:
    """Return the code that converts cells; channel 0 is all, k is cells k, k + 6 and k + 12."""
    return 0x260 | mode << 7 | bleeds << 4 | channel


def adow(mode: int = 2, channel: int = 0, *, pull_up: bool, bleeds: bool = False) -> int:
    """Return the code that converts cells while their pins are driven."""
    return 0x228 | mode << 7 | pull_up << 6 | bleeds << 4 | channel


def adax(mode: int = 2, channel: int = 0) -> int:
    """Return the code that converts the GPIO pins and the second reference; channel 0 is all."""
    return 0x460 | mode << 7 | channel


def adstat(mode: int = 2, channel: int = 0) -> int:
    """Return the code that converts sum of cells, die temperature and both supplies."""
    return 0x468 | mode << 7 | channel


def _conversions() -> Mapping[int, Conversion]:
    """Return what every conversion command starts, by its code."""
    found: dict[int, Conversion] = {}
    for mode in range(4):
        for channel, words in enumerate(_CELL_SETS):
            lasts = MICROSECOND * (_ONE_US if channel else _ALL_CELLS_US)[mode]
            for bleeds in (False, True):
                cells = Conversion("cells", words, lasts, bleeds)
                found[adcv(mode, channel, bleeds=bleeds)] = cells
                for up in (False, True):
                    code = adow(mode, channel, pull_up=up, bleeds=bleeds)
                    found[code] = cells._replace(pull=1 if up else -1)
        for channel, words in enumerate(_PIN_SETS):
            lasts = MICROSECOND * (_ONE_US if channel else _ALL_PINS_US)[mode]
            found[adax(mode, channel)] = Conversion("pins", words, lasts)
        for channel, words in enumerate(_STATUS_SETS):
            lasts = MICROSECOND * (_ONE_US if channel else _ALL_STATUS_US)[mode]
            found[adstat(mode, channel)] = Conversion("status", words, lasts)
    return found


CONVERSIONS = _conversions()


# --- register groups ------------------------------------------------------------------------------

_THREE_WORDS = Struct("<3H")


class Group(NamedTuple):
    """Three results that one command reads, from word ``first`` on."""

    bank: Bank
    first: int


_READS: Mapping[Bank, tuple[Code, ...]] = {
    "cells": (Code.RDCVA, Code.RDCVB, Code.RDCVC, Code.RDCVD, Code.RDCVE, Code.RDCVF),
    "pins": (Code.RDAUXA, Code.RDAUXB, Code.RDAUXC, Code.RDAUXD),
    "status": (Code.RDSTATA, Code.RDSTATB),
}
GROUPS: Mapping[int, Group] = {
    code: Group(bank, 3 * k) for bank, codes in _READS.items() for k, code in enumerate(codes)
}


def packed(first: int, second: int, third: int) -> bytes:
    """Return a register group of three results, low bytes first."""
    return _THREE_WORDS.pack(first, second, third)


CONFIG_A_RESET = bytes([0xF8, 0, 0, 0, 0, 0])
"""GPIO 1 to 5 released, reference off, no discharge."""
CONFIG_B_RESET = bytes([0x0F, 0, 0, 0, 0, 0])
"""GPIO 6 to 9 released, no discharge."""
MUTED_BIT = 0x80
"""Bit of byte 1 of configuration B: discharge is muted. Read only."""


def discharge_of(config_a: bytes, config_b: bytes) -> int:
    """Return the discharge bits of both configuration groups; bit 0 is cell 1."""
    low = config_a[4] | (config_a[5] & 0x0F) << 8
    return low | (config_b[0] >> 4) << 12 | (config_b[1] & 0x03) << 16


def config_with(discharge: int) -> tuple[bytes, bytes]:
    """Return both configuration groups, all else as after reset, with these discharge bits."""
    config_a, config_b = bytearray(CONFIG_A_RESET), bytearray(CONFIG_B_RESET)
    config_a[4] = discharge & 0xFF
    config_a[5] |= discharge >> 8 & 0x0F
    config_b[0] |= (discharge >> 12 & 0x0F) << 4
    config_b[1] |= discharge >> 16 & 0x03
    return bytes(config_a), bytes(config_b)
