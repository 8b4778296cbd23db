"""What the driver makes of damaged, lost and mixed-up frames of the reference board."""

import math

import pytest
from can import Message

from drivers.boards.reference_picture import BoardOptions, Picture
from drivers.wire import e2e
from drivers.wire import reference_board as wire
from hil.core.instants import MILLISECOND

CELLS, PER_FRONT_END = 12, 6
CYCLE_S = 0.1


class Board:
    """Two front ends of six cells: each sends two pages a cycle."""

    def __init__(self) -> None:
        self._counters = e2e.Counters()

    def frame(self, identifier: int, data: bytearray, at_s: float) -> Message:
        return Message(timestamp=at_s, arbitration_id=identifier, is_extended_id=False, data=data)

    def identity(self) -> list[Message]:
        make = wire.Make(0, 5, CELLS, PER_FRONT_END)
        firmware = wire.Firmware(1, 1, 2, 3, 0)
        return [
            self.frame(wire.IDENTITY, wire.encode_make(make), 0.0),
            self.frame(wire.IDENTITY, wire.encode_firmware(firmware), 0.0),
        ]

    def cycle(self, number: int) -> list[Message]:
        """One set of voltages whose every count is the number of the cycle."""
        frames: list[Message] = []
        for front_end in range(2):
            for page in range(2):
                identifier = wire.CELL_VOLTAGES + front_end
                alive = self._counters.take(identifier)
                data = wire.encode_cell_voltages(front_end, alive, page, (number,) * 3)
                at_s = number * CYCLE_S + len(frames) * 3e-4
                frames.append(self.frame(identifier, data, at_s))
        return frames


def picture() -> tuple[Board, Picture]:
    board, picture = Board(), Picture(BoardOptions(CELLS, 0, 100 * MILLISECOND))
    for frame in board.identity():
        picture.take(frame)
    return board, picture


def test_a_whole_cycle_is_one_set_that_arrived_with_its_last_frame() -> None:
    board, seen = picture()
    for frame in board.cycle(1):
        seen.take(frame)
    report = seen.report()
    assert report.cell_v == pytest.approx([1e-4] * CELLS)
    assert report.cells_at == 100_900_000
    assert report.cell_sets == 1


@pytest.mark.parametrize("lost", range(4))
def test_a_cycle_with_a_lost_frame_is_no_set_and_nothing_is_mixed(lost: int) -> None:
    board, seen = picture()
    frames = [board.cycle(number) for number in range(1, 4)]
    del frames[1][lost]
    for frame in [frame for cycle in frames[:2] for frame in cycle]:
        seen.take(frame)
    assert seen.report().cell_sets == 1
    assert seen.report().cell_v == pytest.approx([1e-4] * CELLS)
    for frame in frames[2]:
        seen.take(frame)
    assert seen.report().cell_sets == 2
    assert seen.report().cell_v == pytest.approx([3e-4] * CELLS)
    assert seen.report().rejected_frames == 0


def test_front_ends_of_different_cycles_are_not_mixed() -> None:
    board, seen = picture()
    first, second = board.cycle(1), board.cycle(2)
    for frame in first[:2] + second[2:]:
        seen.take(frame)
    assert seen.report().cell_sets == 0
    assert all(math.isnan(volt) for volt in seen.report().cell_v)


def test_cells_that_the_board_does_not_know_are_nan() -> None:
    board, seen = picture()
    frames = board.cycle(1)
    unknown = (wire.UNKNOWN_VOLTAGE, 33000, wire.UNKNOWN_VOLTAGE)
    frames[3].data = wire.encode_cell_voltages(1, 1, 1, unknown)
    for frame in frames:
        seen.take(frame)
    cell_v = seen.report().cell_v
    assert [math.isnan(volt) for volt in cell_v] == [False] * 9 + [True, False, True]
    assert cell_v[10] == pytest.approx(3.3)


def test_asking_again_who_the_board_is_keeps_what_is_known() -> None:
    board, seen = picture()
    for frame in board.cycle(1):
        seen.take(frame)
    seen.forget_identity()
    assert seen.identity == []
    assert seen.report().cell_sets == 1
    assert seen.report().cell_v == pytest.approx([1e-4] * CELLS)
