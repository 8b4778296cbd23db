"""CRC, alive counter and page sets: published check values, and every single-bit error found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire import e2e

CHECK = b"123456789"
IDENTIFIER, DATA_ID = 0x123, 0xB123


def sealed(alive: int, page: int = 0, body: bytes = bytes(6)) -> bytearray:
    return e2e.seal(e2e.start(DATA_ID), bytes([0, alive | page << 4]) + body)


def receiver() -> e2e.Receiver:
    return e2e.Receiver({IDENTIFIER: DATA_ID})


def test_crc_has_the_catalogue_check_values() -> None:
    # Catalogue of parametrised CRC algorithms: CRC-8/GSM-A and CRC-8/SAE-J1850.
    assert e2e.crc8(CHECK) == 0x37
    assert e2e.crc8(CHECK, 0xFF) ^ 0xFF == 0x4B


@given(st.binary(min_size=8, max_size=8))
def test_unrolled_crc_is_the_plain_one(frame: bytes) -> None:
    plain = e2e.crc8(bytes([DATA_ID & 0xFF, DATA_ID >> 8]) + frame[1:])
    assert e2e.frame_crc(e2e.start(DATA_ID), frame) == plain


@given(st.binary(min_size=6, max_size=6), st.integers(0, 63))
def test_every_single_bit_error_is_rejected(body: bytes, bit: int) -> None:
    frame = sealed(3, 2, body)
    frame[bit // 8] ^= 1 << bit % 8
    checks = receiver()
    assert not checks.accept(IDENTIFIER, frame)
    assert checks.rejected == 1


def test_a_frame_of_another_message_is_rejected() -> None:
    other = e2e.Receiver({IDENTIFIER: DATA_ID + 1})
    assert not other.accept(IDENTIFIER, sealed(0))


@pytest.mark.parametrize("length", [0, 7, 9])
def test_a_frame_of_another_length_is_rejected(length: int) -> None:
    assert not receiver().accept(IDENTIFIER, bytes(length))


@pytest.mark.parametrize(
    ("counters", "accepted"),
    [
        ([0, 1, 2], [True, True, True]),
        ([13, 14, 0], [True, True, True]),
        ([5, 5, 6], [True, False, True]),
        ([5, 4, 6], [True, False, True]),
        ([5, 12], [True, True]),
        ([5, 13, 14], [True, False, True]),
        ([15, 0], [False, True]),
    ],
)
def test_alive_counter(counters: list[int], accepted: list[bool]) -> None:
    checks = receiver()
    assert [checks.accept(IDENTIFIER, sealed(alive)) for alive in counters] == accepted
    assert checks.rejected == accepted.count(False)


def test_counters_are_one_a_message_and_wrap_at_fifteen() -> None:
    counters = e2e.Counters()
    assert [counters.take(1) for _ in range(16)] == [*range(15), 0]
    assert counters.take(2) == 0


@pytest.mark.parametrize(
    ("sequence", "complete"),
    [
        ([(0, 0), (1, 1), (2, 2)], [False, False, True]),
        ([(14, 0), (0, 1), (1, 2)], [False, False, True]),
        ([(0, 0), (2, 2), (3, 0), (4, 1), (5, 2)], [False, False, False, False, True]),
        ([(0, 0), (2, 1), (3, 2)], [False, False, False]),
        ([(1, 1), (2, 2)], [False, False]),
        ([(0, 0), (1, 1), (5, 2)], [False, False, False]),
    ],
)
def test_only_an_unbroken_sequence_of_pages_is_a_set(
    sequence: list[tuple[int, int]], complete: list[bool]
) -> None:
    pages = e2e.PageSet(3)
    assert [pages.add(sealed(*step)) is not None for step in sequence] == complete
