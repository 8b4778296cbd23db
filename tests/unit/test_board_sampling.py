"""References, ripple and NTCs of a board, against data sheets and closed forms."""

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.physics import board
from hil.profile.designs import load_board

ROOT = Path(__file__).parents[2]


def design(name: str = "standard-50mA", **changes: Any) -> board.BoardDesign:
    return dataclasses.replace(load_board(name, ROOT / "profiles"), **changes)


def reading_v(chain: board.Chain, degc: float, gain_ppm: np.ndarray | None = None) -> np.ndarray:
    n = chain.gain_ppm.size
    out = np.zeros(n, np.int64)
    gain = chain.gain_ppm if gain_ppm is None else gain_ppm
    errors = np.zeros(n), gain, chain.drift_ppm_per_k
    board.sample_cells(7, 1, 0, np.full(n, 3.3), *errors, degc, 0.0, 1e-5, out)
    return out * 1e-5


def test_two_references_of_50_ppm_30_kelvin_warmer_stand_5_mv_apart() -> None:
    """physics.md, E10; on one common reference nothing stands apart."""
    chain = board.make_chain(design("separate-reference", gain_ppm=0.0), 7, 1)
    drift = np.repeat([50.0, -50.0], 16)
    apart = reading_v(chain._replace(drift_ppm_per_k=drift), 55.0)
    assert apart[0] - 3.3 == pytest.approx(5e-3, abs=1e-4)
    assert apart[-1] - 3.3 == pytest.approx(-5e-3, abs=1e-4)
    seam = np.diff(reading_v(chain, 55.0))
    assert np.flatnonzero(seam).tolist() == [15]
    common = board.make_chain(design("common-reference", gain_ppm=0.0), 7, 1)
    assert np.ptp(reading_v(common, 55.0)) == 0.0
    assert reading_v(common, 55.0)[0] != 3.3


def test_a_trigger_on_its_own_reference_stands_5_mv_from_the_reading() -> None:
    out_v = np.zeros(2)
    # 50 ppm/K apart, and alike: what both drift by has been read already
    apart = np.array([20.0, 30.0]), np.array([70.0, 30.0])
    board.trigger_voltages(np.full(2, 3.3), *apart, 55.0, out_v)
    assert out_v - 3.3 == pytest.approx([4.95e-3, 0.0])
    chain = board.make_chain(design("separate-trigger"), 7, 1)
    assert chain.trigger_ppm_per_k is not None
    assert len(set(chain.trigger_ppm_per_k)) == 1
    assert 0 < abs(chain.trigger_ppm_per_k[0]) <= 50
    assert board.make_chain(design(), 7, 1).trigger_ppm_per_k is None


def test_a_reference_ages_with_the_root_of_its_time() -> None:
    chain = board.make_chain(design(), 7, 1)
    assert chain.long_term_ppm is not None
    for hours, factor in ((1000, 1), (4000, 2)):
        gain = board.reference_ppm(chain, board.ReferenceState(hours * 3600.0))
        assert gain - chain.gain_ppm == pytest.approx(factor * chain.long_term_ppm)
    assert 0 < np.abs(chain.long_term_ppm).max() <= 60


def test_a_reference_remembers_from_which_side_it_came() -> None:
    one = design()
    chain = board.make_chain(one, 7, 1)
    assert chain.hysteresis_ppm is not None

    def bent_by(*way_degc: float) -> np.ndarray:
        state = board.ReferenceState()
        for degc in way_degc:
            state = board.move_reference(one, state, degc, 0.0)
        return board.reference_ppm(chain, state)

    hot, cold = bent_by(25, 85, 25), bent_by(25, -20, 25)
    assert np.abs(hot - cold) == pytest.approx(np.abs(chain.hysteresis_ppm))
    assert np.abs(hot - cold).max() <= 100
    # a small swing leaves nothing behind
    assert bent_by(25, 30, 25) == pytest.approx(chain.gain_ppm)
    # in many small steps or a large one, it is the same way
    assert bent_by(25, *range(26, 86), *range(84, 24, -1)) == pytest.approx(hot)


def test_a_window_of_whole_periods_sees_no_ripple() -> None:
    assert board.ripple_gain(100.0, 0.01, 0.0) == pytest.approx(0.0, abs=1e-12)
    assert board.ripple_gain(100.0, 0.005, 0.0) == pytest.approx(2 / math.pi)
    assert board.ripple_gain(100.0, 0.0, 0.0) == 1.0
    # corner of the filter: 1 / sqrt(2)
    assert board.ripple_gain(100.0, 0.0, 1 / (200 * math.pi)) == pytest.approx(1 / math.sqrt(2))


def test_the_window_is_the_mean_of_the_sine_it_covers() -> None:
    hz, window_s = 100.0, 0.0037
    at_s = np.linspace(-window_s / 2, window_s / 2, 100_001)
    mean = np.cos(2 * math.pi * hz * at_s).mean()
    assert board.ripple_gain(hz, window_s, 0.0) == pytest.approx(mean, rel=1e-4)


def rippled(at_s: float, stagger_s: float, hz: float = 100.0, cells: int = 4) -> np.ndarray:
    out_v = np.full(cells, 3.3)
    board.add_ripple(at_s, stagger_s, hz, 1e-3, np.zeros(cells), 1.0, out_v)
    return (out_v - 3.3) * 1e3


def test_ripple_comes_back_as_a_slow_wave() -> None:
    """100.1 Hz seen every 100 ms is 0.1 Hz: a wave of 10 s, as a spectrum finds it."""
    seen = np.array([rippled(k * 0.1, 0.0, 100.1)[0] for k in range(1000)])
    spectrum = np.abs(np.fft.rfft(seen))
    assert np.argmax(spectrum) * (10 / 1000) == pytest.approx(0.1)
    assert np.abs(seen).max() == pytest.approx(1.0, rel=1e-3)
    # and exactly 100 Hz stands still, at whatever phase the board's cycle has
    assert np.ptp([rippled(0.0025 + k * 0.1, 0.0)[0] for k in range(100)]) < 1e-6
    assert rippled(0.0025 + 3.1e7, 0.0)[0] == pytest.approx(1.0, abs=1e-3)  # after a year too


def test_cells_converted_one_after_the_other_see_different_ripple() -> None:
    assert np.ptp(rippled(0.0, 0.0)) == 0.0
    assert rippled(0.0, 0.0025) == pytest.approx([0, 1, 0, -1], abs=1e-9)


def test_pick_up_has_the_frequency_of_the_mains_and_differs_by_lead() -> None:
    out_v = np.zeros(2)
    board.add_ripple(0.005, 0.0, 100.0, 0.0, np.array([1e-3, -2e-3]), 0.5, out_v)
    assert out_v == pytest.approx([0.5e-3, -1e-3])


def test_an_ntc_warms_itself_by_an_eighth_of_a_kelvin() -> None:
    """physics.md: 3.3 V over 10k + 10k at 2 mW/K is 0.14 K."""
    ntc = board.Ntc(10e3, 3435.0)
    bead = 25.0
    for _ in range(100):
        bead = board.ntc_step_degc(design(), ntc, bead, 25.0, 10.0)
    assert bead - 25 == pytest.approx(0.136, abs=0.001)


def test_an_ntc_lags_by_its_time_constant() -> None:
    part = board.NtcPart(dissipation_w_per_k=1e9, tau_s=8.0)
    one = design(ntc_part=part)
    ntc = board.Ntc(10e3, 3435.0)
    assert board.ntc_step_degc(one, ntc, 25.0, 85.0, 8.0) == pytest.approx(85 - 60 / math.e)
    instant = design(ntc_part=dataclasses.replace(part, tau_s=0.0))
    assert board.ntc_step_degc(instant, ntc, 25.0, 85.0, 0.1) == pytest.approx(85)
    assert board.ntc_step_degc(design("reference-16s"), ntc, 25.0, 85.0, 0.1) == 85.0


def test_one_percent_of_beta_is_four_tenths_of_a_kelvin_at_60_degc() -> None:
    one = design("reference-16s")
    off = board.ntc_divider_v(one, 60.0, board.Ntc(10e3, 3435 * 1.01))
    assert board.ntc_degc(one, off) - 60 == pytest.approx(0.4, abs=0.03)


def test_ntcs_stay_within_their_tolerances() -> None:
    exact = board.make_ntcs(design("reference-16s"), 7, 1)
    assert set(exact) == {board.Ntc(10e3, 3435.0)}
    assert len(exact) == design("reference-16s").ntcs + 1
    drawn = board.make_ntcs(design(), 7, 1)
    assert len(set(drawn)) == len(drawn)
    for ntc, (name, value) in itertools.product(drawn, (("r25_ohm", 10e3), ("beta_k", 3435))):
        assert 0 < abs(getattr(ntc, name) / value - 1) <= 0.01
