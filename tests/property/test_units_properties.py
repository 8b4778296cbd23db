"""Units against Pint's own full registry, and against arbitrary text."""

import math
import re
from contextlib import suppress
from functools import cache

import pint
from hypothesis import given
from hypothesis import strategies as st

from hil.core import units
from hil.core.errors import UnitError

SPELLINGS = sorted((unit, one) for unit, kind in units.KINDS.items() for one in kind.spellings)
NUMBERS = st.decimals(
    min_value=-1_000_000, max_value=1_000_000, allow_nan=False, allow_infinity=False, places=6
)


@cache
def pint_registry() -> "pint.UnitRegistry[float]":
    """Return the registry with Pint's own definitions, which nobody here wrote."""
    return pint.UnitRegistry()


def in_pints_words(unit: str) -> str:
    """Return a unit as Pint writes it: areas and volumes have names here and powers there."""
    return re.sub(r"([a-z])([23])", r"\1**\2", unit)


@given(st.sampled_from(SPELLINGS), NUMBERS)
def test_our_vocabulary_agrees_with_pints(pair: tuple[str, str], number: object) -> None:
    unit, spelling = pair
    ours = units.parse(f"{number} {spelling}", unit)
    registry = pint_registry()
    target = "dimensionless" if unit == "1" else in_pints_words(unit)
    written = registry.Unit(in_pints_words(spelling))
    theirs = registry.Quantity(float(str(number)), written).to(target).magnitude
    assert math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-300)


@given(st.sampled_from(SPELLINGS), st.sampled_from(sorted(units.KINDS)), NUMBERS)
def test_a_unit_of_another_dimension_is_never_taken(
    pair: tuple[str, str], other: str, number: object
) -> None:
    unit, spelling = pair
    registry = pint_registry()

    def dimension(name: str) -> object:
        written = "dimensionless" if name == "1" else in_pints_words(name)
        return registry.Unit(written).dimensionality

    # Hz and 1/h are the same dimension to Pint and to us; a temperature is a class of its own
    same = dimension(unit) == dimension(other) and (unit == "degC") == (other == "degC")
    try:
        units.parse(f"{number} {spelling}", other)
        taken = True
    except UnitError:
        taken = False
    assert taken == same


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_duration_in_nanoseconds_reads_back_exactly(duration: int) -> None:
    assert units.parse_duration(f"{duration} ns") == duration


@given(
    st.integers(min_value=0, max_value=9999),
    st.integers(min_value=0, max_value=59),
    st.integers(min_value=0, max_value=59),
)
def test_clock_notation_agrees_with_its_parts(hours: int, minutes: int, seconds: int) -> None:
    whole = units.parse_duration(f"{hours}:{minutes:02d}:{seconds:02d}")
    parts = (f"{hours} h", f"{minutes} min", f"{seconds} s")
    assert whole == sum(map(units.parse_duration, parts))


@given(st.text(max_size=60), st.sampled_from(sorted(units.KINDS)))
def test_any_text_is_a_finite_number_or_a_unit_error(text: str, unit: str) -> None:
    with suppress(UnitError):
        assert math.isfinite(units.parse(text, unit))


UNIT_LIKE = st.text(alphabet="VAKCWhsmnukgdeohJpF%/*()1 °·^-_.", max_size=24)


@given(st.integers(min_value=-99, max_value=99), UNIT_LIKE, st.sampled_from(sorted(units.KINDS)))
def test_what_only_looks_like_a_unit_raises_nothing_else(
    number: int, written: str, unit: str
) -> None:
    with suppress(UnitError):
        assert math.isfinite(units.parse(f"{number} {written}", unit))
