"""What a gap at the end of charge can be at most, held against packs that could not be worse."""

from dataclasses import replace

import numpy as np
import pytest

from hil.physics.cell_types import CircuitCell
from hil.physics.termination import KNEE_V, Termination
from hil.profile.load import load_cell
from hil.study.ceiling import ceiling_in_words, ceiling_v

CELL = load_cell("lfp-100ah")


def test_it_is_the_limit_less_what_the_plateau_shows_under_that_current() -> None:
    end = Termination()
    ceiling, plateau_v = ceiling_v(CELL, end)
    assert ceiling == pytest.approx(end.cell_max_v - plateau_v)
    assert isinstance(CELL, CircuitCell)
    # at C/20, on the upper branch: above the open circuit at half charge, below the upper knee
    open_v = float(np.interp(0.5, CELL.soc_ratio, CELL.ocv_v))
    half_loop_v = float(np.interp(0.5, CELL.soc_ratio, CELL.hysteresis_v))
    assert open_v + half_loop_v < plateau_v < KNEE_V
    assert f"{1e3 * ceiling:.0f} mV" in ceiling_in_words(CELL, end)


def test_a_later_end_lifts_it_by_as_much() -> None:
    early, late = Termination(), Termination(cell_max_v=3.60)
    assert ceiling_v(CELL, late)[0] - ceiling_v(CELL, early)[0] == pytest.approx(0.10)


def test_more_current_at_the_end_leaves_less_of_it() -> None:
    end = Termination()
    ceilings = [ceiling_v(CELL, replace(end, taper_per_h=rate))[0] for rate in (0.0, 0.05, 0.5)]
    assert ceilings[0] > ceilings[1] > ceilings[2] > 0.0


def test_a_cell_that_lags_by_less_shows_less_of_it() -> None:
    """The largest of 8 800 packs of the atlas, one that had drifted 13 % apart, showed 131 mV."""
    far, near = (ceiling_v(CELL, Termination(), soc)[0] for soc in (0.5, 0.9))
    assert near < far
    assert 0.131 < near < 0.140
