"""The front end's codec against the data sheet: published checks, bits and times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spi_host import checked, config, gates

from drivers.wire import ltc681x as wire
from drivers.wire.ltc681x import Code
from hil.core.instants import MICROSECOND

group = st.binary(min_size=6, max_size=6)


@pytest.mark.parametrize(
    ("code", "raw"),
    [(0x001, "00013d6e"), (0x002, "00022b0a"), (0x004, "000407c2"), (0x723, "0723b9e4")],
)
def test_commands_have_the_published_checks(code: int, raw: str) -> None:
    assert wire.command(code).hex() == raw
    assert wire.command_code(bytes.fromhex(raw)) == code


@given(st.binary(max_size=40))
def test_the_check_is_that_of_the_gates_of_the_data_sheet(data: bytes) -> None:
    assert wire.pec15(data) == gates(data)
    assert wire.sealed(data) == checked(data)


@given(group, st.integers(0, 63))
def test_every_single_bit_error_of_a_group_is_found(data: bytes, bit: int) -> None:
    block = bytearray(wire.sealed(data))
    assert wire.opened(bytes(block)) == data
    block[bit // 8] ^= 1 << bit % 8
    assert wire.opened(bytes(block)) is None


@given(st.binary(max_size=20).filter(lambda data: len(data) != 6))
def test_a_group_of_another_length_is_refused(data: bytes) -> None:
    assert wire.opened(wire.sealed(data)) is None


@given(st.sets(st.integers(1, 18)))
def test_discharge_bits_stand_where_the_data_sheet_has_them(cells: set[int]) -> None:
    mask = sum(1 << (cell - 1) for cell in cells)
    assert wire.config_with(mask) == config(cells)
    assert wire.discharge_of(*config(cells)) == mask


def test_other_bits_of_the_configuration_are_no_discharge() -> None:
    assert wire.discharge_of(bytes([0xFF] * 4 + [0, 0xF0]), bytes([0x0F, 0xFC] + [0xFF] * 4)) == 0


@pytest.mark.parametrize(
    ("code", "bank", "words", "lasts_us", "bleeds", "pull"),
    [
        (0x360, "cells", 18, 2335, False, 0),
        (0x370, "cells", 18, 2335, True, 0),
        (0x2E0, "cells", 18, 1113, False, 0),
        (0x361, "cells", 3, 405, False, 0),
        (0x368, "cells", 18, 2335, False, 1),
        (0x328, "cells", 18, 2335, False, -1),
        (0x338, "cells", 18, 2335, True, -1),
        (0x560, "pins", 10, 3862, True, 0),
        (0x564, "pins", 2, 405, True, 0),
        (0x568, "status", 4, 1563, True, 0),
    ],
)
def test_conversions_are_those_of_the_data_sheet(
    code: int, bank: str, words: int, lasts_us: int, *, bleeds: bool, pull: int
) -> None:
    found = wire.CONVERSIONS[code]
    assert (found.bank, len(found.words), found.lasts) == (bank, words, lasts_us * MICROSECOND)
    assert (found.bleeds, found.pull) == (bleeds, pull)


def test_no_code_means_two_things() -> None:
    codes = [*map(int, Code), *wire.CONVERSIONS]
    assert len(codes) == len(set(codes)) == len(Code) + 4 * (7 * 2 * 3 + 7 + 5)


def test_pins_stand_around_the_second_reference() -> None:
    assert [wire.pin_word(pin) for pin in range(1, 10)] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert wire.REFERENCE_WORD == 5
