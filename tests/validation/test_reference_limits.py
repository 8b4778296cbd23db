"""The cell model on reference curves: on the default mesh, on the fine one, each against its like.

The reference is a model, the electrochemical one of PyBaMM (docs/physics.md, Validation), and its
curves are committed: nothing here needs PyBaMM. The half that was looked at is held to the same
limits at night; the other one always.
"""

from itertools import product

import pytest
from held_against import CELLS, REFERENCE, Held, held, index

LIMITS_MV = {"day": 2.0, "pulses": 2.0, "rest": 2.0}
"""RMS over 5 to 97 % state of charge, at every temperature from -10 to 50 degC."""

WARM_MV = 4.0
"""Full cycles and top charges from 25 degC."""

LIMIT_PCT = 0.5
"""Charge, above 97 %."""

LIMIT_K = 0.5

HALVES = (
    *(pytest.param(mesh, "unseen", id=f"{mesh}-unseen") for mesh in CELLS),
    *(pytest.param(mesh, "fit", id=f"{mesh}-fit", marks=pytest.mark.nightly) for mesh in CELLS),
)


def limit_mv(one: Held) -> float | None:
    """Return the limit that is promised for a case; None where none is (and the table says it)."""
    if one.kind in LIMITS_MV:
        return LIMITS_MV[one.kind]
    if one.degc >= 25.0:
        return WARM_MV
    return {("top", 5.0): 8.0, ("cycle", 0.0): 20.0}.get((one.kind, one.degc))


@pytest.mark.nightly
@pytest.mark.parametrize("mesh", CELLS)
def test_every_promised_limit_has_cases_that_could_break_it(mesh: str) -> None:
    cases = held(mesh, "unseen")
    promised = {(one.kind, limit_mv(one)) for one in cases}
    assert promised >= {
        ("day", 2.0),
        ("pulses", 2.0),
        ("rest", 2.0),
        ("cycle", 4.0),
        ("top", 4.0),
        ("top", 8.0),
        ("cycle", 20.0),
    }
    warm_cycles = {one.rate_per_h for one in cases if one.kind == "cycle" and one.degc >= 25.0}
    assert max(warm_cycles) >= 1.0
    assert min(one.degc for one in cases) <= -10.0
    assert max(one.degc for one in cases) >= 50.0
    assert sum(one.errors.dsoc_pct is not None for one in cases) >= 5


@pytest.mark.parametrize("mesh", CELLS)
def test_no_case_stands_in_both_halves(mesh: str) -> None:
    halves = [
        {path.stem for path in (REFERENCE / mesh / half).glob("*.csv")}
        for half in ("fit", "unseen")
    ]
    assert not halves[0] & halves[1]
    assert sorted(halves[0] | halves[1]) == sorted(case["name"] for case in index()["cases"])


def test_both_sets_hold_what_the_index_says_in_other_voltages() -> None:
    """Neither set is a copy of the other."""
    for case, half in product(index()["cases"], ("fit", "unseen")):
        if case["half"] == half:
            texts = {
                (REFERENCE / mesh / half / f"{case['name']}.csv").read_text() for mesh in CELLS
            }
            assert len(texts) == len(CELLS), case["name"]


@pytest.mark.parametrize(("mesh", "half"), HALVES)
@pytest.mark.parametrize("kind", ["day", "pulses", "rest", "cycle", "top"])
def test_voltage_between_5_and_97_percent(kind: str, mesh: str, half: str) -> None:
    cases = [one for one in held(mesh, half) if one.kind == kind]
    assert cases
    over = {}
    for one in cases:
        limit = limit_mv(one)
        assert one.errors.rms_mv is not None
        if limit is not None and one.errors.rms_mv > limit:
            over[one.name] = one.errors.rms_mv
    assert not over


@pytest.mark.parametrize(("mesh", "half"), HALVES)
def test_charge_above_97_percent(mesh: str, half: str) -> None:
    figures = {one.name: one.errors.dsoc_pct for one in held(mesh, half)}
    assert not {name: pct for name, pct in figures.items() if pct is not None and pct > LIMIT_PCT}


@pytest.mark.parametrize(("mesh", "half"), HALVES)
def test_temperature(mesh: str, half: str) -> None:
    figures = {one.name: one.errors.rms_k for one in held(mesh, half)}
    assert not {name: rms_k for name, rms_k in figures.items() if rms_k is None or rms_k > LIMIT_K}
