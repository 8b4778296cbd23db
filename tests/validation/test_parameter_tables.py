"""The tables of docs/physics.md say what the files say; what they leave out is alike."""

from pathlib import Path

import pytest
from write_parameters import TABLES, cells, filled

from hil.physics.cell_types import CircuitCell, DiffusionCell

PAGE = Path(__file__).resolve().parents[2] / "docs" / "physics.md"


def test_the_page_holds_what_the_files_hold() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text) == text, "tests/validation/write_parameters.py docs/physics.md"


def test_a_changed_figure_would_show() -> None:
    text = PAGE.read_text(encoding="utf-8")
    stale = text.replace("19.6 mΩ Ah", "19.5 mΩ Ah")
    assert stale != text
    assert filled(stale) == text


def test_every_cell_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert not [name for name in cells() if f"`{name}`" not in text]


@pytest.mark.parametrize("name", TABLES)
def test_a_page_without_a_place_is_refused(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8").replace(f"<!-- parameters: {name} -->", "")
    with pytest.raises(ValueError, match=name):
        filled(text)


def test_one_table_stands_for_all_circuits_and_one_for_both_sizes_of_electrodes() -> None:
    circuits = [cell for cell in cells().values() if isinstance(cell, CircuitCell)]
    kinetic = ("rs_", "i0", "kinetics_", "r1_", "r2_", "rc_", "tau")
    for name in CircuitCell.__slots__:
        if name.startswith(kinetic):
            assert len({getattr(cell, name) for cell in circuits}) == 1, name
    electrodes = [cell for cell in cells().values() if isinstance(cell, DiffusionCell)]
    parts = {(cell.negative, cell.positive, cell.electrolyte) for cell in electrodes}
    assert len(parts) == 1
