"""Quantities as people write them."""

import math

import pytest

from hil.core import units
from hil.core.errors import UnitError
from hil.core.instants import DAY, HOUR, MINUTE, SECOND

READ = [
    ("45 degC", "degC", 45.0),
    ("-40degC", "degC", -40.0),
    ("2 °C", "degC", 2.0),
    ("5 K", "K", 5.0),
    ("2 K/min", "K/min", 2.0),
    ("1 K/s", "K/min", 60.0),
    ("50 mV", "V", 0.050),
    ("3.65 V", "V", 3.65),
    ("0.3 µV", "V", 3e-7),
    ("1.5 kW", "W", 1500.0),
    ("50 %", "1", 0.5),
    ("99.9 %", "1", 0.999),
    ("0.5", "1", 0.5),
    ("200 ppm", "1", 2e-4),
    ("200 ppm", "ppm", 200.0),
    ("1 %", "ppm", 1e4),
    ("0.4 %/K", "1/K", 0.004),
    ("19.6 mohm*Ah", "ohm*Ah", 0.0196),
    ("19.6 mΩ·Ah", "ohm*Ah", 0.0196),
    ("500 kbit/s", "bit/s", 5e5),
    ("1000 J/(kg*K)", "J/kg/K", 1000.0),
    ("10.4 kJ/mol", "J/mol", 10400.0),
    ("100 nF", "F", 1e-7),
    ("10 Mohm", "ohm", 1e7),
    ("0.2922 1/h", "1/h", 0.2922),
    ("1e3 V", "V", 1000.0),
    (".5 A", "A", 0.5),
]


@pytest.mark.parametrize(("text", "unit", "value"), READ)
def test_a_quantity_is_read_to_the_last_digit(text: str, unit: str, value: float) -> None:
    assert units.parse(text, unit) == value


REFUSED = [
    ("50", "V", "found '50', expected a voltage such as 50 mV; a unit is missing"),
    ("50 mv", "V", "found '50 mv', expected a voltage such as 50 mV; did you mean 50 mV?"),
    ("50 A", "V", "found '50 A', expected a voltage such as 50 mV"),
    ("50 mil", "V", "found '50 mil', expected a voltage such as 50 mV"),
    ("fast", "V", "found 'fast', expected a voltage such as 50 mV"),
    ("", "V", "found '', expected a voltage such as 50 mV"),
    ("nan V", "V", "found 'nan V', expected a voltage such as 50 mV"),
    ("1 nan", "V", "found '1 nan', expected a voltage such as 50 mV"),
    ("9nan*s", "s", "found '9nan*s', expected a duration such as 10 s"),
    ("1e400 V", "V", "found '1e400 V', expected a voltage such as 50 mV; too large"),
    ("5 K", "degC", "found '5 K', expected a temperature such as 25 degC; did you mean 5 degC?"),
    ("5 C", "degC", "found '5 C', expected a temperature such as 25 degC; did you mean 5 degC?"),
    ("45", "degC", "found '45', expected a temperature such as 25 degC; did you mean 45 degC?"),
    (
        "5 degC",
        "K",
        "found '5 degC', expected a temperature difference such as 5 K; did you mean 5 K?",
    ),
    ("5 H", "s", "found '5 H', expected a duration such as 10 s; did you mean 5 h?"),
    ("1 mohm*Ah", "ohm", "found '1 mohm*Ah', expected a resistance such as 60 mohm; did you mean"),
    ("1 __class__", "V", "found '1 __class__', expected a voltage such as 50 mV"),
]


@pytest.mark.parametrize(("text", "unit", "line"), REFUSED)
def test_a_refusal_says_found_expected_and_the_nearest(text: str, unit: str, line: str) -> None:
    with pytest.raises(UnitError) as refusal:
        units.parse(text, unit)
    assert str(refusal.value).startswith(line)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("1 h", HOUR),
        ("0.1 s", SECOND // 10),
        ("1.5 d", 36 * HOUR),
        ("90 min", 90 * MINUTE),
        ("1:30", 90 * MINUTE),
        ("0:01:30", 90 * SECOND),
        ("240:00", 10 * DAY),
        ("0 s", 0),
        ("1 ns", 1),
    ],
)
def test_durations_are_whole_nanoseconds(text: str, duration: int) -> None:
    read = units.parse_duration(text)
    assert read == duration
    assert isinstance(read, int)


@pytest.mark.parametrize("text", ["-1 s", "0.1 ns", "300000 d", "1e300 s", "1:60", "10", "2 V", ""])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="expected a duration"):
        units.parse_duration(text)


@pytest.mark.parametrize("unit", sorted(units.KINDS))
def test_every_example_and_spelling_shown_to_users_is_itself_accepted(unit: str) -> None:
    kind = units.KINDS[unit]
    assert math.isfinite(units.parse(kind.example, unit))
    for spelling in kind.spellings:
        assert math.isfinite(units.parse(f"1 {spelling}", unit))


def test_every_suffix_of_a_name_has_a_unit_that_can_be_told() -> None:
    assert set(units.SUFFIXES.values()) - set(units.KINDS) == {"ns"}


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("start_v", "v"),
        ("cell_max_v", "v"),
        ("ramp_k_per_min", "k_per_min"),
        ("entropic_v_per_k", "v_per_k"),
        ("heat_capacity_j_per_kg_k", "j_per_kg_k"),
        ("rs_ohm_ah", "ohm_ah"),
        ("cells", ""),
        ("v", ""),
    ],
)
def test_the_longest_suffix_of_a_name_is_its_unit(name: str, suffix: str) -> None:
    assert units.suffix_of(name) == suffix


def test_names_that_say_their_unit_without_a_suffix() -> None:
    assert units.unit_of("bitrate") == "bit/s"
    assert units.unit_of("scale") == "1"
