"""What is wrong with a wiring, from readings alone."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.profile.designs import load_board
from hil.verdict.wiring import (
    Beside,
    Harness,
    Seen,
    Suspect,
    explained,
    is_sound,
    lead_ohm_from_currents,
    lead_ohm_from_readings,
    misplaced,
    raw,
    suspects,
)

CELLS = 6
PROFILES = Path(__file__).parents[2] / "profiles"
DESIGN = dataclasses.replace(load_board("reference-16s", PROFILES), cells=CELLS)
HARNESS = Harness(DESIGN, np.full(CELLS + 1, 0.06), 0.02)
ALL = list(suspects(CELLS))


def sound(set_v: float) -> Seen:
    return Seen(np.full(CELLS, set_v), np.full(CELLS, set_v), np.zeros(CELLS))


@pytest.mark.parametrize("suspect", ALL, ids=lambda one: one.text)
def test_every_fault_explains_what_it_does(suspect: Suspect) -> None:
    """And is not taken for sound, at the level at which it is to be seen."""
    assert any(
        suspect in explained(ALL, HARNESS, HARNESS.shows(suspect, set_v), set_v)
        for set_v in (0.5, 1.0)
    )


@pytest.mark.parametrize("set_v", [0.5, 1.0, 2.5])
def test_no_fault_explains_what_is_sound(set_v: float) -> None:
    """But for a lead inside the stack that is open: equal cells share it alike."""
    assert is_sound(sound(set_v), set_v)
    left = {one.text for one in explained(ALL, HARNESS, sound(set_v), set_v)}
    assert left == {f"lead {lead} is open" for lead in range(2, CELLS + 1)}


@given(st.permutations(range(8)))
def test_a_permutation_is_told_cell_by_cell(order: list[int]) -> None:
    """Cell k answered by input order[k] alone: each that is not at home is told, once."""
    share = np.zeros((8, 8))
    share[order, range(8)] = 1.0
    findings = misplaced(share, "cell", "lead {} is open")
    moved = [k for k in range(8) if order[k] != k]
    swapped = [k for k in moved if order[order[k]] == k]
    assert len(findings) == len(moved) - len(swapped) // 2
    assert all(str(k + 1) in " ".join(findings) for k in moved)


def test_two_inputs_that_share_two_cells_hang_on_one_open_lead() -> None:
    share = np.eye(5)
    share[1:3, 1:3] = [[0.45, 0.55], [0.55, 0.45]]
    assert misplaced(share, "cell", "lead {} is open") == ["lead 3 is open"]


def test_what_fits_nothing_is_told_as_it_is() -> None:
    share = np.eye(3)
    share[:, 1] = [0.5, 0.0, 0.9]
    assert misplaced(share, "cell") == ["cell 2 is answered by input 1 by 50 %, input 3 by 90 %"]
    share[:, 1] = 0.0
    assert misplaced(share, "cell") == ["no input answers to cell 2"]
    seen = Seen(np.array([1.0, 0.4, 1.0]), np.ones(3), np.array([0.0, 0.0, 0.005]))
    [told] = raw(seen, 1.0)
    assert told.endswith("input 2 reads 0.40 V, cell 3 gives 5.0 mA at 1.00 V")


@given(st.lists(st.floats(0.0, 0.5), min_size=CELLS + 1, max_size=CELLS + 1))
def test_leads_come_back_from_the_readings_that_they_make(leads: list[float]) -> None:
    """Least squares over two looks give each lead that a current flows through."""
    ohm, looks = np.array(leads), []
    for on in (np.arange(CELLS) % 2 == 0, np.ones(CELLS, np.bool_)):
        amps = np.where(on, 0.05, 0.0)
        around = np.concatenate([[0.0], amps, [0.0]])
        moved = ohm[:-1] * (around[:-2] - amps) + ohm[1:] * (around[2:] - amps)
        looks.append(Beside(on, amps, moved))
    found = lead_ohm_from_readings(looks)
    assert [found[lead] for lead in range(CELLS + 1)] == pytest.approx(leads, abs=1e-6)


@given(st.floats(0.01, 0.5), st.floats(10.0, 100.0), st.floats(0.5, 1.0))
def test_a_lead_comes_back_from_two_currents(
    lead_ohm: float, bleed_ohm: float, window_ratio: float
) -> None:
    """Two cells with one lead between them, solved by hand: 2 x 2."""
    path_ohm = bleed_ohm + 2 * lead_ohm
    alone_a = np.array([3.3 / path_ohm, 0.0])
    loops = np.array([[path_ohm, -lead_ohm], [-lead_ohm, path_ohm]])
    both = np.linalg.inv(loops) @ np.array([3.3, 3.3])
    first = np.array([True, False])
    still = np.zeros(2)
    found = lead_ohm_from_currents(
        Beside(first, alone_a * window_ratio, still),
        Beside(np.ones(2, np.bool_), both * window_ratio, still),
        np.full(2, 3.3),
        window_ratio,
    )
    assert found == {1: pytest.approx(lead_ohm, rel=1e-6)}
