"""The cell model on the half of the reference set that nobody fitted to.

The reference is a model, the electrochemical one of PyBaMM (docs/physics.md, Validation), and its
curves are committed: nothing here needs PyBaMM.
"""

from collections.abc import Iterable

import pytest
from held_against import REFERENCE, Held, held, index

LIMITS_MV = {"day": 2.0, "pulses": 2.0, "rest": 2.0}
"""RMS over 5 to 97 % state of charge, at every temperature from -10 to 50 degC."""

WARM_MV = 4.0
"""Full cycles and top charges from 25 degC."""


def limit_mv(one: Held) -> float | None:
    """Return the limit that is promised for a case; None where none is (and the table says it)."""
    if one.kind in LIMITS_MV:
        return LIMITS_MV[one.kind]
    if one.degc >= 25.0:
        return WARM_MV
    return {("top", 5.0): 8.0, ("cycle", 0.0): 20.0}.get((one.kind, one.degc))


def test_every_promised_limit_has_cases_that_could_break_it() -> None:
    cases = held("unseen")
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
    assert any(is_fast_cycle(one) for one in cases)
    assert min(one.degc for one in cases) <= -10.0
    assert max(one.degc for one in cases) >= 50.0
    assert sum(one.errors.dsoc_pct is not None for one in cases) >= 5


def test_no_case_stands_in_both_halves() -> None:
    halves = [
        {path.name for path in (REFERENCE / half).glob("*.csv")} for half in ("fit", "unseen")
    ]
    assert not halves[0] & halves[1]
    assert sorted(halves[0] | halves[1]) == sorted(f"{c['name']}.csv" for c in index()["cases"])


BEYOND_A_SINGLE_PARTICLE_PER_H = 0.75
"""Full cycles above this rate: PyBaMM's own SPMe, unreduced and on the same mesh, is 5.5 mV from
the DFN where a warm cell is emptied at 1C (docs/physics.md), so a reduced one cannot be at 4."""


def over(cases: Iterable[Held]) -> dict[str, float | None]:
    """Return the cases that are further off than promised."""
    found: dict[str, float | None] = {}
    for one in cases:
        limit = limit_mv(one)
        assert one.errors.rms_mv is not None
        if limit is not None and one.errors.rms_mv > limit:
            found[one.name] = one.errors.rms_mv
    return found


def is_fast_cycle(one: Held) -> bool:
    return one.kind == "cycle" and one.rate_per_h > BEYOND_A_SINGLE_PARTICLE_PER_H


@pytest.mark.parametrize("kind", ["day", "pulses", "rest", "cycle", "top"])
def test_voltage_between_5_and_97_percent(kind: str) -> None:
    cases = [one for one in held("unseen") if one.kind == kind and not is_fast_cycle(one)]
    assert cases
    assert not over(cases)


def over_above_97(cases: Iterable[Held]) -> dict[str, float]:
    """Return the cases whose charge is further off at the top than promised, in percent."""
    shifts = {one.name: one.errors.dsoc_pct or 0.0 for one in cases}
    return {name: shift for name, shift in shifts.items() if shift > 0.5}


def test_charge_above_97_percent() -> None:
    assert not over_above_97(one for one in held("unseen") if not is_fast_cycle(one))


@pytest.mark.xfail(reason="falls short: a single particle is 5.5 mV from the DFN at 1C")
def test_voltage_of_full_cycles_at_1c() -> None:
    assert not over(one for one in held("unseen") if is_fast_cycle(one))


@pytest.mark.xfail(reason="falls short: 0.53 % where a charge at 1C and 50 degC reaches 97 %")
def test_charge_above_97_percent_in_full_cycles_at_1c() -> None:
    assert not over_above_97(one for one in held("unseen") if is_fast_cycle(one))


def test_temperature() -> None:
    figures = {one.name: one.errors.rms_k for one in held("unseen")}
    assert not {name: rms_k for name, rms_k in figures.items() if rms_k is None or rms_k > 0.5}
