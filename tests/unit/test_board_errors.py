"""What the board reads, held against instruments: worked out of two readings of one row."""

import math
from pathlib import Path

import pytest

from hil.bench.expectations import of_row, uncertainty_of
from hil.bench.quantities import Reader
from hil.core.errors import ConfigErrors
from hil.core.signals import tick_layout
from hil.core.spec import Accuracy
from hil.profile import load_profile
from hil.profile.conditions import QUANTITIES
from hil.profile.model import Expect
from hil.verdict.registry import Uncertainties

LAYOUT = tick_layout(3, 1)
READER = Reader(LAYOUT)
BENCH = Uncertainties(read_v=Accuracy(0.0005), chamber_k=Accuracy(0.5))


def row(**signals: float | list[float]) -> list[float]:
    """Return a row with these signals (``board_cell_v``: ``board.cell_v``), NaN elsewhere."""
    values = [math.nan] * LAYOUT.width
    for name, value in signals.items():
        columns = LAYOUT.columns(name.replace("_", ".", 1))
        values[columns] = value if isinstance(value, list) else [value]
    return values


def expect(quantity: str, low: float, high: float) -> Expect:
    unit = QUANTITIES[quantity].unit
    return Expect(quantity=quantity, minimum=low, maximum=high, unit=unit, name=quantity)


def judged(step: Expect, values: list[float]) -> list[bool | None]:
    """Return how the upper and the lower bound were judged."""
    found = of_row(step, values, READER, uncertainty_of(BENCH, 3), at=2, read_at=1)
    return [one.passed for one in found]


def test_an_error_is_what_the_board_reads_less_what_is_there() -> None:
    values = row(
        board_cell_v=[3.302, 3.300, 3.295],
        emulator_read_v=[3.300, 3.300, 3.300],
        board_pcb_degc=44.0,
        chamber_air_degc=45.5,
    )
    assert READER.values("board.cell.error", values) == pytest.approx([0.002, 0.0, -0.005])
    assert READER.values("board.temperature.error", values) == [-1.5]


def test_the_worst_cell_of_either_side_counts() -> None:
    values = row(board_cell_v=[3.302, 3.300, 3.295], emulator_read_v=[3.300] * 3)
    step = expect("board.cell.error", -0.004, 0.004)
    assert judged(step, values) == [True, False]


def test_an_error_is_as_certain_as_the_instrument() -> None:
    """3.9 mV of 4 with 0.5 mV of the read-back, and 1.2 K of 1.5 with 0.5 K of the chamber."""
    values = row(board_cell_v=[3.3039] * 3, emulator_read_v=[3.300] * 3)
    assert judged(expect("board.cell.error", -0.004, 0.004), values) == [None, True]
    values = row(board_pcb_degc=46.2, chamber_air_degc=45.0)
    assert judged(expect("board.temperature.error", -1.5, 1.5), values) == [None, True]


def test_a_reading_that_is_missing_on_either_side_leaves_it_open() -> None:
    step = expect("board.cell.error", -0.004, 0.004)
    for board, bench in ((math.nan, 3.3), (3.3, math.nan)):
        values = row(board_cell_v=[3.3, board, 3.3], emulator_read_v=[3.3, bench, 3.3])
        assert judged(step, values) == [None, None]


def test_the_share_of_cells_that_bleed() -> None:
    two_of_three = row(board_duty=[0.0, 0.4, 1.0])
    assert READER.values("board.bleeding", two_of_three) == [pytest.approx(2 / 3)]
    [unknown] = READER.values("board.bleeding", row(board_duty=[0.0, math.nan, 1.0]))
    assert math.isnan(unknown)


@pytest.mark.parametrize("quantity", [name for name, one in QUANTITIES.items() if one.worked_out])
def test_what_is_worked_out_is_no_limit(quantity: str, tmp_path: Path) -> None:
    """The interlock watches columns of the row: a gap of 3.3 V would trip it at once."""
    file = tmp_path / "limited.yaml"
    text = "profile: limited\nneeds: {cells: 16}\ncontroller: {strategy: none}\n"
    text += "pack: {cell: lfp-100ah}\nsteps: [{rest: 1 s}]\nverdict: [duty <= 1 %]\n"
    file.write_text(f"{text}limits: {{{quantity}: {{max: 1 {QUANTITIES[quantity].unit}}}}}\n")
    with pytest.raises(ConfigErrors, match=quantity):
        load_profile(file)
