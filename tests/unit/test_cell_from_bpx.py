"""Cell files: made from a BPX file by the script that ships with them, or based on one another."""

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hil.core.errors import ConfigErrors
from hil.physics.cell_types import CircuitCell, DiffusionCell
from hil.physics.lone_cell import LoneCell
from hil.profile import load_cell

CELLS = Path(__file__).resolve().parents[2] / "profiles" / "cells"
SCRIPT = CELLS / "make_from_bpx.py"


# A cell that nobody makes, with every construct of the standard: numbers, expressions, a table,
# a key that may be left out.
def negative_ocp(x: float) -> float:
    return 0.05 + 0.9 * math.exp(-30.0 * x) + 0.04 * math.tanh(-8.0 * (x - 0.5))


def positive_ocp(x: float) -> float:
    knots = ((0.0, 4.2), (0.05, 3.45), (0.5, 3.4), (0.95, 3.3), (1.0, 2.0))
    for (x0, y0), (x1, y1) in pairwise(knots):
        if x <= x1:
            return y0 + (x - x0) * (y1 - y0) / (x1 - x0)
    return knots[-1][1]


NEGATIVE = {
    "Thickness [m]": 5e-5,
    "Particle radius [m]": 4e-6,
    "Surface area per unit volume [m-1]": 5e5,
    "Porosity": 0.25,
    "Transport efficiency": 0.125,
    "Conductivity [S.m-1]": 7.5,
    "Maximum concentration [mol.m-3]": 30000,
    "Maximum stoichiometry": 0.8,
    "Minimum stoichiometry": 0.01,
    "Diffusivity [m2.s-1]": 1e-14,
    "Diffusivity activation energy [J.mol-1]": 30000,
    "Reaction rate constant [mol.m-2.s-1]": 7e-6,
    "OCP [V]": "0.05 + 0.9 * exp(-30.0 * x) + 0.04 * tanh(-8.0 * (x - 0.5)) ** +1.0",
    "Entropic change coefficient [V.K-1]": "(-0.1 * x + 0.02 / sqrt(1 + x)) / 1000",
}
POSITIVE = {
    **NEGATIVE,
    "Thickness [m]": 6e-5,
    "Particle radius [m]": 5e-7,
    "Surface area per unit volume [m-1]": 4e6,
    "Maximum concentration [mol.m-3]": 21000,
    "Minimum stoichiometry": 0.03,
    "Reaction rate constant activation energy [J.mol-1]": 45000,
    "OCP [V]": {"x": [0, 0.05, 0.5, 0.95, 1], "y": [4.2, 3.45, 3.4, 3.3, 2.0]},
    "Entropic change coefficient [V.K-1]": -1e-4,
}
PARTS: dict[str, dict[str, Any]] = {
    "Cell": {
        "Lower voltage cut-off [V]": 2.5,
        "Upper voltage cut-off [V]": 3.65,
        "Specific heat capacity [J.K-1.kg-1]": 999,
        "Density [kg.m-3]": 2000,
        "Electrode area [m2]": 0.05,
        "Number of electrode pairs connected in parallel to make a cell": 2,
        "Volume [m3]": 1.5e-5,
    },
    "Electrolyte": {
        "Initial concentration [mol.m-3]": 1000,
        "Cation transference number": 0.26,
        "Conductivity [S.m-1]": "0.13 * (x / 1000) ** 3 - 2.51 * (x / 1000) ** 1.5 + 3.33 * x/1000",
        "Diffusivity [m2.s-1]": 2e-10,
        "Conductivity activation energy [J.mol-1]": 17100,
    },
    "Separator": {"Thickness [m]": 2e-5, "Porosity": 0.47, "Transport efficiency": 0.32},
    "Negative electrode": NEGATIVE,
    "Positive electrode": POSITIVE,
}
HEADER = {"Title": "A cell that nobody makes.", "Description": "All of it is invented. " * 9}


def converted(
    folder: Path, parts: Mapping[str, Any], *options: str
) -> subprocess.CompletedProcess[str]:
    """Run the script over a BPX file with these parts."""
    bpx = folder / "cell.json"
    bpx.write_text(json.dumps({"Header": HEADER, "Parameterisation": parts}), encoding="utf-8")
    command = [sys.executable, str(SCRIPT), str(bpx), "--about", "nobody's cell", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours


def changed(section: str, key: str, value: object) -> dict[str, dict[str, Any]]:
    """Return the parts with another value under one key."""
    return {**PARTS, section: {**PARTS[section], key: value}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, DiffusionCell]:
    """Return the file that the script makes of it, as text and as the bench reads it."""
    folder = tmp_path_factory.mktemp("bpx")
    options = ("--source", "From nowhere.", "--cooling", "0.05", "--leakage", "1 mA")
    result = converted(folder, PARTS, *options, "--fitted", "0", "45", "--rate", "2")
    assert result.returncode == 0, result.stderr
    file = folder / "cell.yaml"
    file.write_text(result.stdout, encoding="utf-8")
    cell = load_cell(str(file))
    assert isinstance(cell, DiffusionCell)
    return result.stdout, cell


def between(x: float, xs: tuple[float, ...], ys: tuple[float, ...]) -> float:
    """Interpolate between knots, in the plainest way."""
    k = next(k for k in range(len(xs) - 1) if x <= xs[k + 1])
    return ys[k] + (x - xs[k]) / (xs[k + 1] - xs[k]) * (ys[k + 1] - ys[k])


def test_a_table_follows_its_function(made: tuple[str, DiffusionCell]) -> None:
    _, cell = made
    for electrode, ocp in ((cell.negative, negative_ocp), (cell.positive, positive_ocp)):
        for k in range(3, 997):
            x = k / 1000.0 + 3.7e-4
            found = between(x, electrode.stoichiometry_ratio, electrode.ocp_v)
            assert found == pytest.approx(ocp(x), abs=2.1e-5), x


def test_entropic_tables_follow_theirs(made: tuple[str, DiffusionCell]) -> None:
    _, cell = made
    for k in range(1, 1000):
        x = k / 1000.0
        knots, values = cell.negative.entropic_stoichiometry_ratio, cell.negative.entropic_v_per_k
        expected = (-0.1 * x + 0.02 / math.sqrt(1.0 + x)) / 1000.0
        assert between(x, knots, values) == pytest.approx(expected, abs=1.1e-7)
    assert set(cell.positive.entropic_v_per_k) == {-1e-4}


def test_empty_and_full_are_where_the_equilibrium_is_at_the_limits(
    made: tuple[str, DiffusionCell],
) -> None:
    _, cell = made
    negative, positive = cell.negative, cell.positive
    full_v = positive_ocp(positive.at_full_ratio) - negative_ocp(negative.at_full_ratio)
    empty_v = positive_ocp(positive.at_empty_ratio) - negative_ocp(negative.at_empty_ratio)
    assert (empty_v, full_v) == pytest.approx((2.5, 3.65), abs=1e-6)
    # what leaves one electrode arrives in the other, and no lithium is made
    assert negative.charge_ah(cell.area_m2) == pytest.approx(cell.capacity_ah, rel=1e-5)
    assert positive.charge_ah(cell.area_m2) == pytest.approx(cell.capacity_ah, rel=1e-5)
    there = 0.8 * _sites_ah(NEGATIVE) + 0.03 * _sites_ah(POSITIVE)
    found = negative.at_full_ratio * _sites_ah(NEGATIVE)
    found += positive.at_full_ratio * _sites_ah(POSITIVE)
    assert found == pytest.approx(there, rel=1e-6)


def _sites_ah(one: Mapping[str, Any]) -> float:
    share = one["Surface area per unit volume [m-1]"] * one["Particle radius [m]"] / 3.0
    sites_mol = share * one["Maximum concentration [mol.m-3]"] * one["Thickness [m]"] * 0.1
    return float(sites_mol * 96485.33212 / 3600.0)


def test_figures_keep_their_size(made: tuple[str, DiffusionCell]) -> None:
    _, cell = made
    negative, positive, electrolyte = cell.negative, cell.positive, cell.electrolyte
    assert (negative.thickness_m, negative.particle_radius_m) == pytest.approx((5e-5, 4e-6))
    assert (negative.diffusivity_m2_per_s, negative.rate_mol_per_m2_s) == (1e-14, 7e-6)
    porous = (negative.porosity_ratio, negative.transport_ratio, negative.conductivity_s_per_m)
    assert porous == (0.25, 0.125, 7.5)
    assert (negative.surface_per_m, positive.concentration_mol_per_m3) == (5e5, 21000.0)
    assert (negative.diffusivity_ea_j_per_mol, electrolyte.transference_ratio) == (30000.0, 0.26)
    assert (electrolyte.separator_porosity_ratio, electrolyte.separator_transport_ratio) == (
        0.47,
        0.32,
    )
    assert electrolyte.conductivity_ea_j_per_mol == 17100.0
    assert (negative.rate_ea_j_per_mol, positive.rate_ea_j_per_mol) == (0.0, 45000.0)
    assert cell.area_m2 == pytest.approx(0.1)  # both pairs
    assert cell.mass_kg == pytest.approx(0.03)
    assert (cell.cooling_w_per_k, cell.leakage_a) == pytest.approx((0.05, 1e-3))
    assert (cell.fitted_from_degc, cell.fitted_to_degc, cell.fitted_to_rate_per_h) == (0, 45, 2)
    at_c0 = electrolyte.knots_mol_per_m3.index(1000.0)
    assert electrolyte.conductivity_s_per_m[at_c0] == pytest.approx(0.13 - 2.51 + 3.33)
    assert set(electrolyte.diffusivity_m2_per_s) == {2e-10}
    assert electrolyte.diffusivity_ea_j_per_mol == 0.0
    assert electrolyte.separator_thickness_m == pytest.approx(2e-5)
    assert cell.heat_of_mixing


def test_the_head_says_whose_figures_they_are(made: tuple[str, DiffusionCell]) -> None:
    text, _ = made
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert head[0] == "# A cell that nobody makes."
    assert "# From nowhere." in head
    assert all(len(line) <= 100 and line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (changed("Negative electrode", "Diffusivity [m2.s-1]", "1e-14 * x"), "expected a number"),
        (
            changed("Negative electrode", "OCP [V]", "__import__('os').getcwd()"),
            "not arithmetic of x",
        ),
        (changed("Negative electrode", "OCP [V]", "0.1 * y"), "not arithmetic of x: y"),
        (changed("Positive electrode", "OCP [V]", "3 *"), "invalid syntax"),
        ({name: PARTS[name] for name in PARTS if name != "Separator"}, "no 'Separator'"),
    ],
)
def test_what_it_cannot_read_is_told_in_one_line(
    parts: Mapping[str, Any], told: str, tmp_path: Path
) -> None:
    result = converted(tmp_path, parts)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    [line] = [line for line in result.stderr.splitlines() if "error:" in line]
    assert told in line


# --- one cell based on another -------------------------------------------------------------------


def test_the_large_cell_has_the_electrodes_of_the_small_one() -> None:
    small, large = load_cell("bpx-2ah"), load_cell("lfp-100ah-electrodes")
    assert isinstance(small, DiffusionCell)
    assert isinstance(large, DiffusionCell)
    assert (large.negative, large.positive) == (small.negative, small.positive)
    assert large.electrolyte == small.electrolyte
    scale = large.capacity_ah / small.capacity_ah
    assert large.area_m2 / small.area_m2 == pytest.approx(scale, rel=1e-6)
    assert large.heat_of_mixing
    assert not small.heat_of_mixing


def test_more_area_is_more_of_the_same() -> None:
    """At one rate and temperature both sizes show one voltage, but for the loop and the leak."""
    small, large = load_cell("bpx-2ah-smooth"), load_cell("lfp-100ah-electrodes")
    assert isinstance(small, DiffusionCell)
    assert isinstance(large, DiffusionCell)
    flat = tuple(0.0 for _ in large.hysteresis_v)
    large = replace(large, hysteresis_v=flat, leakage_a=0.0, depth=small.depth)
    models = [LoneCell(cell, 0.4, 10.0) for cell in (small, large)]
    for minute in range(60):
        shown = []
        for model, cell in zip(models, (small, large), strict=True):
            current_a = cell.capacity_ah * (0.5 if minute < 30 else -0.3)
            model.step(60.0, current_a, 10.0)
            model.force_degc(10.0)
            shown.append(model.voltage_v(current_a))
        assert shown[0] == pytest.approx(shown[1], abs=2e-6)


def test_the_large_cell_has_the_rest_of_the_circuit_of_its_size() -> None:
    large, circuit = load_cell("lfp-100ah-electrodes"), load_cell("lfp-100ah")
    same = ("mass_kg", "heat_capacity_j_per_kg_k", "leakage_a", "leakage_ea_j_per_mol", "ageing")
    assert {name: getattr(large, name) for name in same} == {
        name: getattr(circuit, name) for name in same
    }
    assert isinstance(large, DiffusionCell)
    assert isinstance(circuit, CircuitCell)
    loop = dict(zip(large.hysteresis_soc_ratio, large.hysteresis_v, strict=True))
    measured = zip(circuit.soc_ratio, circuit.hysteresis_v, strict=True)
    assert loop == dict(measured)


def test_a_key_of_one_electrode_can_be_set_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("based_on: bpx-2ah\nabout: thinner salt\nelectrolyte: {transference: 0.4}\n")
    cell, base = load_cell(str(file)), load_cell("bpx-2ah")
    assert isinstance(cell, DiffusionCell)
    assert isinstance(base, DiffusionCell)
    assert cell.electrolyte.transference_ratio == 0.4
    assert cell.positive == base.positive


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("based_on: bpx-2ah\n", "1:1: missing key 'about': a cell that differs from its base"),
        ("based_on: bpx-2\nabout: x\n", "1:11: based_on: no cell 'bpx-2' in"),
        ("based_on: bpx-2ah\nabout: x\ncapacity: 3 Ah\n", "its sites hold 2.0801 Ah"),
        ("based_on: mine\nabout: x\n", "a cell cannot be its own base: mine -> mine"),
        (
            "based_on: lfp-100ah\nabout: x\nfitted_from_soc: 90 %\nfitted_to_soc: 10 %\n",
            "4:16: fitted_to_soc: 0.1 is not above 0.9, where it begins",
        ),
        (
            "based_on: bpx-2ah\nabout: x\nfitted_from: 60 degC\n",
            "fitted_to: 55 is not above 60, where it begins",
        ),
        (
            "based_on: bpx-2ah\nabout: x\nfitted_to_rate: -1 1/h\n",
            "3:17: fitted_to_rate: -1.0 is not",
        ),
        (
            "based_on: bpx-2ah\nabout: x\nnegative: {porosity: 1.5}\n",
            "porosity: 1.5 is more than 1",
        ),
        ("based_on: bpx-2ah\nabout: x\npositive: {transport: 3}\n", "transport: 3 is more than 1"),
        (
            "based_on: bpx-2ah\nabout: x\nelectrolyte: {separator_porosity: 1.7}\n",
            "electrolyte.separator_porosity: 1.7 is more than 1",
        ),
    ],
)
def test_a_cell_that_cannot_be_is_refused_where_it_is_wrong(
    text: str, error: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigErrors) as told:
        load_cell(str(file))
    assert error in str(told.value)
