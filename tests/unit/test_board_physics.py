"""Board electronics: sampling chain, bleed resistance, board heat, NTC inputs, design checks."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.physics import board
from hil.profile.designs import load_board

ROOT = Path(__file__).parents[2]


def design(name: str = "reference-16s", **changes: Any) -> board.BoardDesign:
    return dataclasses.replace(load_board(name, ROOT / "profiles"), **changes)


REFERENCE = design()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "profiles/boards").glob("*.yaml")), ids=lambda p: p.stem
)
def test_board_files_are_complete_designs(path: Path) -> None:
    assert design(path.stem).model == path.stem


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"cells": 65}, "cells"),
        ({"cells_per_front_end": 19}, "cells_per_front_end"),
        ({"cells": 64, "cells_per_front_end": 12}, "cells_per_front_end"),
        ({"bleed_ohm": 0.0}, "bleed_ohm"),
        ({"settle_ns": 100_000_000}, "settle_ns"),
        ({"ntcs": 48}, "ntcs"),
        ({"over_voltage_v": 3.4999}, "over_voltage_release_v"),
        ({"under_voltage_release_v": 2.5}, "under_voltage_release_v"),
        ({"over_temperature_degc": 59.9}, "over_temperature_release_degc"),
        ({"under_temperature_degc": -15.0}, "under_temperature_release_degc"),
        ({"over_current_a": 99.0}, "over_current_release_a"),
        ({"bleed_resume_degc": 86.0}, "bleed_resume_degc"),
    ],
)
def test_impossible_designs_are_refused(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}: found|^{key}: 64 cells"):
        design(**changes)


def test_the_longest_cycle_is_a_whole_minute() -> None:
    assert design(cycle_ns=60_000_000_000).cycle_ns == 60_000_000_000
    with pytest.raises(ValueError, match="cycle_ns: found 60\\.001 s"):
        design(cycle_ns=60_001_000_000)


def test_bleed_power_is_charge_times_voltage_since_the_last_look() -> None:
    charge_as, before_as = np.array([3.0, 1.0, 0.5]), np.array([1.0, 1.0, 0.0])
    source_v, out_w = np.array([3.2, 3.3, 3.4]), np.zeros(3)
    total_w = board.bleed_power_w(charge_as, before_as, source_v, 2.0, out_w)
    assert out_w.tolist() == pytest.approx([3.2, 0.0, 0.85])
    assert total_w == pytest.approx(4.05)
    assert board.bleed_power_w(charge_as, before_as, source_v, 1.0, out_w) == 0.0


def sample(
    volts: list[float], chain: board.Chain, *, number: int = 0, degc: float = 25, noise: float = 0
) -> list[int]:
    out = np.zeros(len(volts), np.int64)
    errors = (chain.offset_v, chain.gain_ppm, chain.drift_ppm_per_k)
    board.sample_cells(7, 1, number, np.array(volts), *errors, degc, noise, 1e-4, out)
    return [int(value) for value in out]


def ideal(n: int, **changes: Any) -> board.Chain:
    zero = np.zeros(n)
    return board.Chain(np.full(n, 68.0), np.full(n, 1e7), zero, zero, zero)._replace(**changes)


def test_an_ideal_chain_rounds_to_the_nearest_count_and_clamps() -> None:
    volts = [3.30004, 3.30006, -0.1, 5.2]
    assert sample(volts, ideal(4)) == [33000, 33001, 0, 50000]


def test_offset_gain_and_drift_add_up() -> None:
    chain = ideal(
        3,
        offset_v=np.array([2e-3, 0, 0]),
        gain_ppm=np.array([0, 1000.0, 0]),
        drift_ppm_per_k=np.array([0, 0, 50.0]),
    )
    assert sample([3.3] * 3, chain, degc=55) == [33020, 33033, 33050]  # 50 ppm/K · 30 K · 3.3 V


def test_noise_has_its_stated_size_and_repeats() -> None:
    readings = np.array([sample([3.3] * 16, ideal(16), number=k, noise=2e-3) for k in range(2000)])
    assert readings.std() * 1e-4 == pytest.approx(2e-3, rel=0.02)
    assert sample([3.3] * 16, ideal(16), number=9, noise=2e-3) == list(readings[9])


def test_parts_stay_within_tolerance_and_differ_by_seed_and_device() -> None:
    one = board.make_chain(design(), 7, 1)
    assert np.abs(one.offset_v).max() <= 2e-3
    assert np.abs(one.offset_v).max() > 1e-3
    assert np.abs(one.bleed_ohm / 68 - 1).max() <= 0.01
    for other in (board.make_chain(design(), 8, 1), board.make_chain(design(), 7, 2)):
        assert not set(one.offset_v) & set(other.offset_v)


def test_cells_of_one_reference_drift_together() -> None:
    separate = board.make_chain(design("reference-32s"), 7, 1).drift_ppm_per_k
    common = board.make_chain(design("reference-32s", common_reference=True), 7, 1).drift_ppm_per_k
    assert len(set(separate[:16])) == len(set(separate[16:])) == 1
    assert len(set(separate)) == 2
    assert len(set(common)) == 1


def paths(changes: dict[str, Any], chain: board.Chain | None = None, **at: Any) -> np.ndarray:
    """Return [ohm, hottest degC] of cell 1 of a design, at 25 degC and no power if not said."""
    one = design(**{"bleed_tolerance_ratio": 0.0, **changes})
    n = one.cells
    out = np.zeros((2, n))
    rows = {"power_w": 0.0, "drift_ratio": 0.0, "cell_v": 3.4}
    given = [np.full(n, at.pop(name, value)) for name, value in rows.items()]
    path = board.make_path(one, chain or board.make_chain(one, 7, 1))
    board.path_resistances(path, at.pop("zone_degc", 25.0), *given, *out)
    assert not at
    return out[:, 0]


def test_bleed_resistance_follows_board_and_own_heat() -> None:
    assert paths({}, zone_degc=35.0) == pytest.approx([68 * 1.002, 35.0])
    warm_degc = 35 + 85 * 0.17
    assert paths({}, zone_degc=35.0, power_w=0.17) == pytest.approx(
        [68 * (1 + 200e-6 * (warm_degc - 25)), warm_degc]
    )


def zones_after(
    zones: board.ZoneNetwork, seconds: float, watt: float, start: float = 25.0
) -> tuple[float, float]:
    return board.step_zones(zones, start, start, 25.0, watt, seconds)


def test_board_heats_by_resistance_times_power_with_one_time_constant() -> None:
    zones = board.make_zones(design())
    half = board.step_zones(zones, 25.0, 25.0, 25.0, 10.0, 300.0)
    assert board.step_zones(zones, *half, 25.0, 10.0, 300.0) == pytest.approx(
        (25 + 20 * (1 - np.exp(-1)),) * 2, rel=1e-12
    )
    assert zones_after(zones, 1e6, 10.0, 80.0) == pytest.approx((45, 45))


@given(st.floats(-40, 120))
def test_ntc_divider_goes_both_ways(degc: float) -> None:
    volt = board.ntc_divider_v(REFERENCE, degc)
    assert board.ntc_degc(REFERENCE, volt) == pytest.approx(degc, abs=1e-9)


def test_ntc_divider_is_half_the_supply_at_25_degc() -> None:
    assert board.ntc_divider_v(design(), 25) == pytest.approx(1.65)
    # B = 3435 K: R(85 degC) = 10 kohm · exp(3435 (1/358.15 - 1/298.15)) = 1.4514 kohm
    assert board.ntc_divider_v(design(), 85) == pytest.approx(3.3 * 1.4514 / 11.4514, rel=1e-4)


@pytest.mark.parametrize("volt", [0.0, 3.3, -0.1, 5.0])
def test_a_broken_ntc_reads_as_unknown(volt: float) -> None:
    assert np.isnan(board.ntc_degc(design(), volt))


@pytest.mark.parametrize(("degc", "limit_a"), [(-0.1, 0), (0, 10), (4.9, 10), (5, 100), (30, 100)])
def test_charge_limit_in_the_cold(degc: float, limit_a: float) -> None:
    assert board.cold_limit_a(design(), degc) == limit_a


SCRIPT = """
import numpy as np
from hil.physics.board import BleedPath, path_resistances, sample_cells, step_zones, ZoneNetwork
from hil.physics.board import age_resistors, mean_bleed_currents, add_ripple, leaked_currents
from hil.physics.wiring import Ladder, advance, currents_at, pulled_voltages
n = 5
row = np.linspace(1.0, 2.0, n)
net = Ladder(3 + row / 10, 0 * row, np.array([.1, .2, 1e9, .3, .1, .2]), 68 * row, 1e7 * row)
charge, filtered, current, pulled, ohm = (np.zeros(n) for _ in range(5))
advance(net, row * 0.04, 0.01, 0.09, 2e-3, charge, filtered)
currents_at(net, row * 0.04, 0.05, current)
pulled_voltages(net, row * 1e-4, pulled)
path = BleedPath(net.bleed_ohm, row, 5 * row, 200.0, 4e-3, 3435.0, 0.5, 85.0, 40.0, 0.1, 0.05)
hot, mean, leak, shift = (np.zeros(n) for _ in range(4))
path_resistances(path, 41.0, row, row / 100, net.source_v, ohm, hot)
zones = ZoneNetwork(0.3, 0.2, 0.05, 60.0, 200.0, 0.3)
warm = np.array(step_zones(zones, 60.0, 40.0, 25.0, 3.0, 17.0))
drift = row / 1000
age_resistors(row, 1.0, row, 3e5, drift)
mean_bleed_currents(net.source_v, net.lead_ohm, net.bleed_ohm, row / 2, mean)
leaked_currents(net.source_v, net.lead_ohm * 1e-7, 1e3, leak, shift)
add_ripple(12.34, 1e-3, 100.0, 1e-3, row / 1000, 0.7, pulled)
counts = np.zeros(n, np.int64)
sample_cells(7, 3, 11, filtered, row / 100, row, row, 60.0, 1e-3, 1e-4, counts)
results = charge, filtered, current, pulled, ohm, hot, warm, drift, mean, leak, shift, counts
for result in results:
    print(result.tobytes().hex())
"""


def test_the_plain_source_gives_the_same_bits() -> None:
    outputs = [
        subprocess.run(  # noqa: S603 -- our own interpreter and script
            [sys.executable, "-W", "error", "-c", SCRIPT],
            env={**os.environ, "NUMBA_DISABLE_JIT": flag},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for flag in ("0", "1")
    ]
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0].split())) == 12
