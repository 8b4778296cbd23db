"""Quantities as people write them (``50 mV``, ``2 K/min``, ``1:30``) to numbers in a stated unit.

A unit is always written and always checked. Inside the bench a number's unit is the suffix of its
name (``start_v``, ``ramp_k_per_min``), so that suffix is also what says how a text is to be read:
``suffix_of`` is the one place where names and units meet.

Two decisions. A temperature (``degC``) and a temperature difference (``K``) are different things
and never stand in for each other. The vocabulary is the short list below, not Pint's own thousand
units: ``50 mil`` must be an error, and the registry is there in 13 ms instead of 170-350 ms.
"""

import difflib
import re
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from hil.core.errors import UnitError
from hil.core.instants import SECOND, Duration

if TYPE_CHECKING:
    from pint import UnitRegistry

_VOCABULARY = """
nano- = 1e-9 = n-
micro- = 1e-6 = u-
milli- = 1e-3 = m-
kilo- = 1e3 = k-
mega- = 1e6 = M-
gram = [mass] = g
second = [time] = s
minute = 60 * second = min
hour = 60 * minute = h
day = 24 * hour = d
year = 365.25 * day = _ = years
metre = [length] = m
degree = 0.017453292519943295 = deg
ampere = [current] = A
kelvin = [temperature]; offset: 0 = K
celsius = kelvin; offset: 273.15 = degC
mole = [substance] = mol
joule = 1000 * gram * metre ** 2 / second ** 2 = J
watt = joule / second = W
volt = watt / ampere = V
ohm = volt / ampere
siemens = ampere / volt = S
square_metre = metre ** 2 = m2
cubic_metre = metre ** 3 = m3
farad = ampere * second / volt = F
watt_hour = watt * hour = Wh
ampere_hour = ampere * hour = Ah
hertz = 1 / second = Hz
bit = [information]
percent = 0.01
ppm = 1e-6
"""


class Kind(NamedTuple):
    """What a unit measures, in words, and the ways to write it that a user is shown."""

    noun: str
    example: str
    spellings: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "V": Kind("a voltage", "50 mV", ("V", "mV", "uV", "kV")),
    "A": Kind("a current", "20 A", ("A", "mA", "uA")),
    "ohm": Kind("a resistance", "60 mohm", ("ohm", "mohm", "uohm", "kohm", "Mohm")),
    "F": Kind("a capacitance", "100 nF", ("F", "uF", "nF", "mF")),
    "degC": Kind("a temperature", "25 degC", ("degC",)),
    "K": Kind("a temperature difference", "5 K", ("K", "mK")),
    "s": Kind("a duration", "10 s", ("s", "ms", "us", "ns", "min", "h", "d")),
    "Ah": Kind("a charge", "100 Ah", ("Ah", "mAh")),
    "W": Kind("a power", "1.5 kW", ("W", "kW", "mW")),
    "Wh": Kind("an energy", "5 kWh", ("Wh", "kWh", "mWh")),
    "1": Kind("a ratio", "50 %", ("%", "ppm")),
    "ppm": Kind("a ratio", "50 ppm", ("ppm", "%")),
    "ppm/K": Kind("a drift with temperature", "50 ppm/K", ("ppm/K", "%/K")),
    "Hz": Kind("a frequency", "50 Hz", ("Hz", "kHz", "MHz")),
    "kg": Kind("a mass", "2 kg", ("kg", "g")),
    "bit/s": Kind("a bit rate", "500 kbit/s", ("bit/s", "kbit/s", "Mbit/s")),
    "K/min": Kind("a temperature ramp", "2 K/min", ("K/min", "K/s", "K/h")),
    "V/s": Kind("a change of voltage", "50 mV/s", ("V/s", "mV/s", "mV/min")),
    "A/s": Kind("a change of current", "20 A/s", ("A/s", "mA/s", "A/min")),
    "K/W": Kind("a thermal resistance", "2 K/W", ("K/W", "mK/W")),
    "W/K": Kind("a thermal conductance", "1.5 W/K", ("W/K", "mW/K")),
    "J/K": Kind("a heat capacity", "5000 J/K", ("J/K", "kJ/K")),
    "J/kg/K": Kind("a specific heat", "1000 J/kg/K", ("J/kg/K", "kJ/kg/K")),
    "J/mol": Kind("an activation energy", "50 kJ/mol", ("J/mol", "kJ/mol")),
    "V/K": Kind("a voltage drift", "50 uV/K", ("V/K", "mV/K", "uV/K")),
    "ohm*Ah": Kind("a resistance times capacity", "19.6 mohm*Ah", ("ohm*Ah", "mohm*Ah")),
    "1/h": Kind("a rate", "0.3 1/h", ("1/h", "1/s", "1/day")),
    "1/day": Kind("a rate", "2 1/day", ("1/day", "1/h")),
    "day": Kind("a time", "2 day", ("day", "d", "h")),
    "year": Kind("a time", "2 years", ("years", "year", "d")),
    "deg": Kind("an angle", "55.3 deg", ("deg",)),
    "m/s": Kind("a speed", "4 m/s", ("m/s", "km/h")),
    "m": Kind("a length", "44 um", ("m", "mm", "um", "nm", "km")),
    "m2": Kind("an area", "0.09 m2", ("m2",)),
    "1/m": Kind("a surface per volume", "473004 1/m", ("1/m",)),
    "m2/s": Kind("a diffusivity", "1e-14 m2/s", ("m2/s",)),
    "S/m": Kind("a conductivity", "0.8 S/m", ("S/m", "mS/m")),
    "mol/m3": Kind("a concentration", "1000 mol/m3", ("mol/m3", "kmol/m3")),
    "mol/m2/s": Kind("a reaction rate", "1e-6 mol/m2/s", ("mol/m2/s",)),
    "1/K": Kind("a change with temperature", "0.4 %/K", ("%/K", "1/K", "ppm/K")),
}
"""Every unit that numbers have inside the bench."""

# Compound suffixes read as they are spoken: j_per_kg_k is J/(kg K), ohm_ah is ohm times Ah. A name
# takes the longest suffix that fits, so entropic_v_per_k is V/K and not a difference in K.
SUFFIXES: dict[str, str] = {
    "v": "V",
    "a": "A",
    "ohm": "ohm",
    "farad": "F",
    "degc": "degC",
    "k": "K",
    "s": "s",
    "ns": "ns",
    "ah": "Ah",
    "w": "W",
    "wh": "Wh",
    "ratio": "1",
    "ppm": "ppm",
    "ppm_per_k": "ppm/K",
    "hz": "Hz",
    "kg": "kg",
    "bit_per_s": "bit/s",
    "k_per_min": "K/min",
    "k_per_w": "K/W",
    "w_per_k": "W/K",
    "j_per_k": "J/K",
    "j_per_kg_k": "J/kg/K",
    "j_per_mol": "J/mol",
    "v_per_k": "V/K",
    "ohm_ah": "ohm*Ah",
    "per_h": "1/h",
    "per_day": "1/day",
    "years": "year",
    "per_k": "1/K",
    "deg": "deg",
    "m_per_s": "m/s",
    "m": "m",
    "m2": "m2",
    "per_m": "1/m",
    "m2_per_s": "m2/s",
    "s_per_m": "S/m",
    "mol_per_m3": "mol/m3",
    "mol_per_m2_s": "mol/m2/s",
}
"""The suffix of a name and the unit it stands for; ``ns`` is a duration in whole nanoseconds."""

WHOLE_NAMES = {"bitrate": "bit/s", "baud": "bit/s"}
"""Names that say their unit without a suffix."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?")
_CLOCK = re.compile(r"(\d{1,4}):([0-5]\d)(?::([0-5]\d))?")
_NAME = r"[A-Za-z_]{1,20}[23]?"  # m2 and m3 are names
_UNIT = re.compile(rf"(?:1|{_NAME})(?:[*/]{_NAME}){{0,4}}(?:/\({_NAME}(?:\*{_NAME}){{0,3}}\))?")
_SIGNS = str.maketrans(
    {"\u00b5": "u", "\u03bc": "u", "\u2126": "ohm", "\u03a9": "ohm", "·": "*", "°": "deg"}
)  # micro and ohm signs, twice each
_LONGEST = 2**63 - 1  # nanoseconds: 292 years


def suffix_of(name: str) -> str:
    """Return the longest unit suffix of a name without its ``_``; empty when it has none."""
    parts = name.split("_")
    for first in range(1, len(parts)):
        suffix = "_".join(parts[first:])
        if suffix in SUFFIXES:
            return suffix
    return ""


def unit_of(name: str) -> str:
    """Return the unit of the numbers under a name; ``1`` when it says none: a pure number."""
    return WHOLE_NAMES.get(name) or SUFFIXES.get(suffix_of(name), "1")


def kind_of(unit: str) -> Kind:
    """Return how to speak of a unit, also of one that has no entry of its own.

    A third party's metric may come in a unit that nobody here thought of; it can still be read.
    """
    return KINDS.get(unit) or Kind(f"a quantity in {unit}", f"1 {unit}", (unit,))


def parse(text: str, unit: str) -> float:
    """Return ``text`` as a number of ``unit`` (a key of KINDS). Raises UnitError in one line.

    A ratio may be written without unit (``0.5``) or as ``50 %``; everything else needs its unit.
    """
    return float(_exact(text, unit))


def parse_duration(text: str) -> Duration:
    """Return a duration in nanoseconds: ``90 min``, ``1.5 h``, or as a clock shows it.

    ``1:30`` is hours and minutes, ``0:01:30`` hours, minutes and seconds. Raises UnitError when
    the text is no duration, is negative, over 292 years, or under a nanosecond but not 0.
    """
    clock = _CLOCK.fullmatch(text.strip())
    if clock:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return (3600 * hours + 60 * minutes + seconds) * SECOND
    exact = _exact(text, "s") * SECOND
    if not 0 <= exact <= _LONGEST or 0 < exact < 1:
        raise UnitError(f"found '{text[:60]}', expected a duration from 1 ns to 292 years, or 0 s")
    return round(exact)


def split(text: str) -> tuple[str, str]:
    """Return number and unit of a quantity; the number is empty when the text has none.

    Pint needs this: ``45 degC`` in one piece is a product, and raises for an offset unit.
    """
    text = text.strip()
    number = _NUMBER.match(text)
    if number is None:
        return "", text
    return number.group(), text[number.end() :].strip()


@lru_cache(maxsize=4096)
def _exact(text: str, unit: str) -> Decimal:
    """Return the number without rounding twice: ``99.9 %`` is 0.999, not 0.9990000000000001.

    Texts repeat (every cell of a table, every load of a study), so both the number and the unit
    are remembered. Raises UnitError.
    """
    number, written = split(text)
    if not number:
        raise _refusal(text, unit, "")
    if not written:
        if unit != "1":
            raise _refusal(text, unit, _suggestion(number, "", unit) or "a unit is missing")
        written = "1"
    scale = _scale(written, unit)
    if scale is None:
        raise _refusal(text, unit, _suggestion(number, written, unit))
    value = Decimal(number) * scale
    if abs(value) > Decimal("1e300"):
        raise _refusal(text, unit, "too large")
    return value


@cache
def _registry() -> "UnitRegistry[float]":
    """Build the registry at the first quantity: Pint costs 0.15-0.3 s to import.

    ``None`` keeps Pint from reading its own definitions, another 0.2-0.35 s.
    """
    from pint import UnitRegistry  # noqa: PLC0415 - `hil --help` needs no units

    registry: UnitRegistry[float] = UnitRegistry(None)
    registry.load_definitions(_VOCABULARY.strip().splitlines())
    return registry


@lru_cache(maxsize=1024)
def _scale(written: str, unit: str) -> Decimal | None:
    """Return what one ``written`` is in ``unit``; None when it is not of that dimension.

    The pattern stands before Pint, whose parser takes any arithmetic: a unit is products and
    quotients of names, no powers and no numbers but a leading 1.
    """
    from pint import PintError  # noqa: PLC0415 - see _registry

    plain = written.translate(_SIGNS).replace("%", "percent").replace(" ", "")
    if plain == unit:
        return Decimal(1)
    # A point on the scale and a difference share their dimension, so Pint would convert them.
    if "degC" in (plain, unit) or not _UNIT.fullmatch(plain):
        return None
    registry = _registry()
    try:
        scale = registry.convert(1.0, registry.Unit(plain), registry.Unit(unit))
    except (PintError, ValueError):  # a ValueError for "nan", which Pint takes for a number
        return None
    # 15 digits: conversions through base units leave 0.0010000000000000002 behind.
    return Decimal(f"{scale:.15g}")


def _suggestion(number: str, written: str, unit: str) -> str:
    """Return ``did you mean 50 mV?`` when one spelling of the expected unit is near.

    Case first (``mv``, ``KW``): it is the commonest slip, and difflib would rank ``m`` and ``M``
    as any other letter. Only spellings of the right dimension are offered.
    """
    spellings = kind_of(unit).spellings
    alike = [one for one in spellings if one.casefold() == written.casefold()]
    # difference for temperature and back is the commonest slip: right number, wrong word
    slip = {("K", "degC"): "degC", ("degC", "K"): "K", ("C", "degC"): "degC", ("C", "K"): "K"}
    if (written, unit) in slip:
        alike = [slip[written, unit]]
    if not alike and len(spellings) == 1 and not written:
        alike = [spellings[0]]
    if not alike and written:
        alike = difflib.get_close_matches(written, spellings, 1, 0.5)
    return f"did you mean {number} {alike[0]}?" if alike else ""


def _refusal(text: str, unit: str, hint: str) -> UnitError:
    """Say what was found, what was expected with an example, and what may have been meant."""
    kind = kind_of(unit)
    shown = " ".join(text.split())[:60]
    line = f"found '{shown}', expected {kind.noun} such as {kind.example}"
    return UnitError(f"{line}; {hint}" if hint else line)
