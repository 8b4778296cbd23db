"""Ripple and dirty leads that differ by pack: each board is the one its design would be."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hil.study.arms as arms_module
from hil.core.errors import ConfigErrors
from hil.core.instants import MILLISECOND
from hil.physics.batch import Batch, Cut
from hil.physics.boards import Boards, RippleOf
from hil.physics.parameters import PackParameters, PackSpread
from hil.profile.designs import load_board
from hil.profile.load import load_cell
from hil.profile.load_experiment import load_experiment
from hil.study.arms import run_arm
from hil.study.draws import draws_of

CELLS = 16
ALIKE = PackSpread(capacity_ratio=0.0, resistance_ratio=0.0, leakage_ratio=0.0)
PACK = PackParameters(CELLS, load_cell("lfp-100ah"), spread=ALIKE)
FILE = """\
experiment: T1
title: a test
claim: something is so
duration: 4 min
draws: 2
seeds: [1]
conditions:
  board: {board}
  schedule: [{{discharge: 10 A, for: 4 min}}]
assumed: {{{assumed}}}
arms:
  none: {{strategy: none}}
  oracle: {{strategy: oracle}}
checks:
  - {{name: is so, role: claim, metric: usable_capacity, arm: none, above: 0 %}}
"""


def test_a_leak_takes_what_its_lead_stands_at_over_its_resistance() -> None:
    """All leads of 16 cells at 1 Mohm: 449 uA of the lowest cell, 53 uA of the highest, by hand."""
    leak_ohm = np.array([1e6, 1e7, 1e8])
    batch = Batch(PACK, (7, 7, 7))
    design = replace(load_board("humid"), input_ohm=1e12, input_tolerance_ratio=0.0)
    boards = Boards(design, batch, lead_leak_ohm=leak_ohm)
    cell_v = batch.seen_v[0, 0]
    for _ in range(30):
        batch.run_leg(120.0, 0.0, 25.0, boards.conductances(batch), cut=Cut())
        boards.after_leg(batch, 120.0)
    drawn_a = batch.bled_as / 3600.0
    assert drawn_a[:, 0] == pytest.approx(cell_v * sum(range(1, CELLS + 1)) / leak_ohm, rel=1e-3)
    assert drawn_a[:, -1] == pytest.approx(cell_v * CELLS / leak_ohm, rel=1e-3)


def test_a_leak_behind_the_filter_shifts_the_readings_beside_its_lead() -> None:
    """Lead 9 stands above eight cells: 26 uA through 100 ohm, from cell 8 to cell 9."""
    humid = load_board("humid")
    assert humid.leakage is not None
    exact: dict[str, Any] = {"offset_v": 0.0, "gain_ppm": 0.0, "drift_ppm_per_k": 0.0}
    dirty = replace(humid, noise_v=0.0, leakage=replace(humid.leakage, lead=9), **exact)
    batch = Batch(PACK, (7, 7))
    boards = Boards(dirty, batch, lead_leak_ohm=np.array([1e6, 1e12]))
    shift_v = np.subtract(*boards.read(batch).cell_v)
    expected_v = np.zeros(CELLS)
    expected_v[7:9] = np.array([-1.0, 1.0]) * 8.0 * batch.seen_v[0, 0] / 1e6 * 100.0
    assert shift_v == pytest.approx(expected_v, abs=2e-4)  # two steps of the ADC


def test_ripple_of_a_pack_is_that_of_a_design_with_its_figures() -> None:
    shares, windows_s = (0.1, 0.5, 0.5), (0.001, 0.001, 0.010)
    grid = replace(load_board("poor-grid"), noise_v=0.0)
    assert grid.ripple is not None

    def read(design: Any, ripple: RippleOf | None) -> Any:
        batch = Batch(PACK, (3, 3, 3))
        batch.run_leg(120.0, 30.0, 25.0)
        return Boards(design, batch, ripple=ripple).read(batch, cycle=1203).cell_v

    found = read(grid, RippleOf(np.array(shares), np.array(windows_s)))
    for p, (share, window_s) in enumerate(zip(shares, windows_s, strict=True)):
        window_ns = round(window_s * 1e3) * MILLISECOND
        own = replace(grid.ripple, share_ratio=share, window_ns=window_ns)
        np.testing.assert_array_equal(found[p], read(replace(grid, ripple=own), None)[p])
    # 30 A, half of it, through 0.5 mohm: 7.5 mV of amplitude, less what the window takes
    quiet = read(replace(grid, ripple=replace(grid.ripple, share_ratio=0.0)), None)
    assert 0.006 < np.abs(found - quiet)[1].max() < 0.0076
    assert np.abs(found - quiet)[0].max() < 0.0016
    # a window of one period of 100 Hz leaves nothing of it, and two thirds of 0.5 mV of pick-up
    assert np.abs(found - quiet)[2].max() < 0.0004


def loaded(folder: Path, board: str, assumed: str, *settings: str) -> Any:
    path = folder / "test.yaml"
    path.write_text(FILE.format(board=board, assumed=assumed), encoding="utf-8")
    return load_experiment(path, settings)


@pytest.mark.parametrize(
    ("board", "assumed", "argument"),
    [
        ("humid", 'lead_leak: "1 Mohm to 100 Mohm, log"', "lead_leak_ohm"),
        ("poor-grid", "ripple_share: 0 % to 50 %", "ripple.share_ratio"),
        ("poor-grid", 'ripple_window: "1 ms to 40 ms, log"', "ripple.window_s"),
    ],
)
def test_what_is_drawn_reaches_its_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: str, assumed: str, argument: str
) -> None:
    made: dict[str, Any] = {}

    def boards(*rest: Any, **named: Any) -> Boards:
        made.update(named)
        return Boards(*rest, **named)

    monkeypatch.setattr(arms_module, "Boards", boards)
    experiment = loaded(tmp_path, board, assumed)
    draws = draws_of(experiment.assumed, 2, [1])
    run_arm(experiment.arms[0], experiment.assumed, draws, experiment.head.duration_ns)
    name, _, part = argument.partition(".")
    found: Sequence[float] = getattr(made[name], part) if part else made[name]
    assert list(found) == [draw.values[0] for draw in draws]
    assert found[0] != found[1]


def test_mains_and_the_leaking_lead_change_the_design(tmp_path: Path) -> None:
    [grid, _] = loaded(tmp_path, "poor-grid", "", "mains=60 Hz").arms
    assert grid.design.ripple.mains_hz == pytest.approx(60.0)
    [humid, _] = loaded(tmp_path, "humid", "", "leaking_lead=9").arms
    assert humid.design.leakage.lead == 9


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("mains=60 Hz", "'standard-50mA' has no ripple, leave 'mains' out for it"),
        ("leaking_lead=9", "'standard-50mA' has no leakage, leave 'leaking_lead' out for it"),
    ],
)
def test_a_clean_board_has_neither(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(ConfigErrors, match=said):
        loaded(tmp_path, "standard-50mA", "", setting)


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        ("lead_leak: 1 Mohm to 9 Mohm", "standard-50mA has none, expected a board with leakage"),
        ("ripple_share: 0 % to 50 %", "standard-50mA has none, expected a board with ripple"),
    ],
)
def test_what_is_drawn_of_a_clean_board_is_refused(tmp_path: Path, drawn: str, said: str) -> None:
    experiment = loaded(tmp_path, "standard-50mA", drawn)
    draws = draws_of(experiment.assumed, 2, [1])
    with pytest.raises(ValueError, match=said):
        run_arm(experiment.arms[0], experiment.assumed, draws, experiment.head.duration_ns)
