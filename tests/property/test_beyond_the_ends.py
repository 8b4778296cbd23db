"""Past empty, past full, past every temperature: steep, finite, flagged, for every kind of cell."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.plant import Plant, Truth
from hil.profile.files import CHECKOUT
from hil.profile.load import load_cell

CELLS = 2
TYPES = {path.stem: load_cell(path.stem) for path in (CHECKOUT / "cells").glob("*.yaml")}
NAMES = sorted(TYPES)
ALIKE = PackSpread(capacity_ratio=0.0, resistance_ratio=0.0, leakage_ratio=0.0)
NO_BLEED = np.zeros(CELLS)


def plant_of(name: str, soc: float = 0.5, degc: float = 25.0, gradient_k: float = 0.0) -> Plant:
    """Return two cells of a type."""
    pack = PackParameters(
        CELLS,
        TYPES[name],
        ALIKE,
        soc_ratio=soc,
        initial_temperature_degc=degc,
        gradient_k=gradient_k,
        link_ohm=0.0,
    )
    return Plant(pack, 0)


def driven_past(name: str, soc: float, rate_per_h: float) -> tuple[np.ndarray, np.ndarray]:
    """Drive a pack a fifth of its capacity past an end; return charge and voltage (120,)."""
    plant = plant_of(name, soc)
    current_a = rate_per_h * plant.pack.cell.capacity_ah
    step_s = 3600.0 * 0.25 / abs(rate_per_h) / 120.0
    rows = []
    for _ in range(120):
        plant.step(step_s, current_a, NO_BLEED, 25.0)
        rows.append((plant.soc[0], plant.voltage_at(0.0)[0]))
    found = np.array(rows)
    return found[:, 0], found[:, 1]


def all_finite(truth: Truth) -> bool:
    """Say whether there is a number in every place."""
    return all(bool(np.isfinite(part).all()) for part in truth)


# --- the ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("soc", "rate_per_h"), [(0.95, -0.5), (0.05, 0.5)])
def test_past_an_end_the_voltage_runs_away_without_a_step_back(
    name: str, soc: float, rate_per_h: float
) -> None:
    """Every percent past the end costs more than the last percent of the plateau did."""
    charge, volts = driven_past(name, soc, rate_per_h)
    outward = -math.copysign(1.0, rate_per_h)
    assert np.all(outward * np.diff(volts) > 0.0)
    past = (charge > 1.0) | (charge < 0.0)
    assert past.sum() > 60
    slope_v = outward * np.diff(volts)[past[1:]] / np.abs(np.diff(charge)[past[1:]])
    assert slope_v.min() > 2.0  # 20 mV a percent; the plateau has half a millivolt


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_a_limit_that_is_passed_without_current_lets_none_through(name: str, end: float) -> None:
    """The solves go on past the ends: a full pack takes nothing, an empty one gives nothing."""
    plant = plant_of(name, end)
    away_a = plant.pack.cell.capacity_ah * (0.5 if end == 0.0 else -0.5)
    for _ in range(60):
        plant.step(10.0, away_a, NO_BLEED, 25.0)
    assert plant.current_within(away_a, 2.5, 3.6) == 0.0
    assert plant.current_within(-away_a, 2.5, 3.6) == pytest.approx(-away_a)
    assert "soc" in plant.extrapolated()


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_outside_the_data_is_named(name: str) -> None:
    cell = TYPES[name]
    assert plant_of(name).extrapolated() == ()
    assert plant_of(name, degc=cell.fitted_to_degc + 1.0).extrapolated() == ("temperature",)
    assert plant_of(name, degc=cell.fitted_from_degc - 1.0).extrapolated() == ("temperature",)
    fast = plant_of(name)
    fast.set_current(1.01 * cell.fitted_to_rate_per_h * cell.capacity_ah)
    assert fast.extrapolated() == ("rate",)


@pytest.mark.parametrize("name", NAMES)
def test_charge_is_not_lost_past_the_ends(name: str) -> None:
    """Out and back: nothing clamps, so what went past the end comes back."""
    plant = plant_of(name, 0.95)
    current_a = 0.5 * plant.pack.cell.capacity_ah
    before = plant.soc.copy()
    for sign in (-1.0, 1.0):
        for _ in range(60):
            plant.step(20.0, sign * current_a, NO_BLEED, 25.0)
    leaked = plant.truth().leaked_ah / plant.capacity_ah
    assert plant.soc == pytest.approx(before - leaked, abs=1e-12)


# --- no NaN -------------------------------------------------------------------------------------

anything = st.floats(allow_nan=False, allow_infinity=False)
rates = st.floats(-30.0, 30.0)
degcs = st.floats(-200.0, 400.0)
hard = st.tuples(st.floats(1e-6, 1e5), rates, st.floats(0.0, 5.0), degcs)


@settings(max_examples=40)
@given(
    st.sampled_from(NAMES),
    st.floats(0.0, 1.0),
    st.floats(-60.0, 100.0),
    st.floats(0.0, 40.0),
    st.lists(hard, min_size=1, max_size=6),
)
def test_hard_treatment_leaves_a_number_everywhere(
    name: str,
    soc: float,
    degc: float,
    gradient_k: float,
    drive: list[tuple[float, float, float, float]],
) -> None:
    plant = plant_of(name, soc, degc, gradient_k)
    for dt_s, rate_per_h, bleed_a, ambient_degc in drive:
        plant.step(
            min(dt_s, 20_000.0),
            rate_per_h * plant.pack.cell.capacity_ah,
            np.full(CELLS, bleed_a),
            ambient_degc,
        )
        assert all_finite(plant.truth())
        for wanted_a in (-1e4, 1e4, -math.inf, math.inf):
            assert not math.isnan(plant.current_within(wanted_a, 2.5, 3.65))
        assert not math.isnan(plant.current_for_cell_voltage(3.45, 3.5, math.inf))


@settings(max_examples=60)
@given(st.sampled_from(NAMES), anything, anything, anything)
def test_any_number_is_taken_or_refused_and_a_refusal_changes_nothing(
    name: str, current_a: float, bleed_a: float, ambient_degc: float
) -> None:
    plant = plant_of(name)
    before = plant.truth()
    # numbers of every size, as a sensor's register or a slip of units would give
    try:
        plant.step(1.0, current_a, np.full(CELLS, bleed_a), ambient_degc)
    except ValueError:
        after = plant.truth()._asdict()
        assert all(np.array_equal(was, after[name]) for name, was in before._asdict().items())
    else:
        assert all_finite(plant.truth())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("current_a", [-9e5, 9e5])
@pytest.mark.parametrize("degc", [-9e4, 9e4])
def test_the_largest_that_is_taken_leaves_numbers(name: str, current_a: float, degc: float) -> None:
    plant = plant_of(name)
    for _ in range(30):
        plant.step(60.0, current_a, NO_BLEED, degc)
        assert all_finite(plant.truth())
        assert math.isfinite(plant.current_for_cell_voltage(3.45, 3.5, math.inf))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(name: str, what: float) -> None:
    plant = plant_of(name)
    for step in (
        (what, 0.0, NO_BLEED, 25.0),
        (1.0, what, NO_BLEED, 25.0),
        (1.0, 0.0, np.array([what, 0.0]), 25.0),
        (1.0, 0.0, NO_BLEED, what),
    ):
        with pytest.raises(ValueError, match="finite"):
            plant.step(*step)
    assert all_finite(plant.truth())
