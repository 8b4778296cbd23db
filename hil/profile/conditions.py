"""The words of a profile for what can be measured, and the comparisons written with them.

``any cell.voltage >= 3.50 V`` ends a step, ``usable_capacity >= 98 %`` is a criterion of the
verdict. Both are three or four words, read by a pattern and two tables; nothing is evaluated.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from hil.core import units
from hil.core.errors import UnitError
from hil.core.instants import Duration


class Quantity(NamedTuple):
    """Something that the bench measures; ``each`` says that there is one value a cell (or NTC).

    ``unit`` is the one that limits are kept in; a profile may write any of its dimension. What is
    ``worked_out`` of several readings is judged and waited for, but is no limit: the bench watches
    single readings.
    """

    unit: str
    each: bool
    about: str
    worked_out: bool = False

    @property
    def rate_unit(self) -> str:
        """Return the unit in which a limit on its change is kept; empty if there can be none."""
        return "" if self.worked_out else RATE_UNITS.get(self.unit, "")


RATE_UNITS = {"V": "V/s", "A": "A/s", "degC": "K/min"}
"""The unit of a change, by the unit of what changes."""

QUANTITIES: dict[str, Quantity] = {
    "cell.voltage": Quantity("V", each=True, about="cell voltages as the emulators read them back"),
    "board.cell.voltage": Quantity("V", each=True, about="cell voltages as the board reports them"),
    "cell.temperature": Quantity("degC", each=True, about="temperatures of the simulated cells"),
    "board.temperature": Quantity("degC", each=False, about="the board's sensor beside the bleeds"),
    "board.ntc": Quantity("degC", each=True, about="cell temperatures as the board reports them"),
    "board.age": Quantity("s", each=False, about="time since the board was last heard"),
    "board.current": Quantity("A", each=False, about="the pack current as the board reports it"),
    "current": Quantity("A", each=False, about="magnitude of the pack current"),
    "pack.voltage": Quantity("V", each=False, about="voltage of the whole pack"),
    "chamber.temperature": Quantity("degC", each=False, about="air temperature in the chamber"),
    "board.supply.voltage": Quantity("V", each=False, about="the board's own supply, read back"),
    "board.supply.current": Quantity("A", each=False, about="what the board draws of that"),
    "gap": Quantity(
        "V", each=False, about="highest minus lowest true cell voltage", worked_out=True
    ),
    "board.bleeding": Quantity(
        "1", each=False, about="share of the cells that the board says it bleeds", worked_out=True
    ),
    "board.cell.error": Quantity(
        "V", each=True, about="what the board reads of a cell less what is there", worked_out=True
    ),
    "board.current.error": Quantity(
        "A",
        each=False,
        about="what the board reads of the current less what it is",
        worked_out=True,
    ),
    "board.temperature.error": Quantity(
        "K", each=False, about="the board's own temperature less the air's", worked_out=True
    ),
}
"""Every name that conditions, limits and expectations may use."""

Comparison: TypeAlias = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Compare:
    """``any cell.voltage >= 3.50 V``; the quantifier is empty for what exists once."""

    quantifier: Literal["any", "all", ""]
    quantity: str
    comparison: Comparison
    limit: float
    text: str


@dataclass(frozen=True, slots=True)
class After:
    """``after: 2 h`` from the start of the step."""

    for_ns: Duration
    text: str


Condition: TypeAlias = Compare | After


@dataclass(frozen=True, slots=True)
class Criterion:
    """``usable_capacity >= 98 %``: what the whole run is judged by; ``limit`` is in ``unit``."""

    metric: str
    comparison: Comparison
    limit: float
    unit: str
    text: str


_COMPARISON = re.compile(
    r"(?:(?P<quantifier>\S+)\s+)?(?P<name>[^\s<>=!]+)\s*(?P<sign>[<>=!]+)\s*(?P<value>\S.*)"
)


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest of ``words``, else the list of them."""
    choice = sorted(words)
    near = difflib.get_close_matches(word, choice, 1, 0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; expected one of: {', '.join(choice)}" if choice else ""


def parse_compare(text: str) -> Compare:
    """Read a condition. Raises ValueError with one line: found, expected, nearest right name."""
    text = " ".join(text.split())
    quantifier, name, sign, value = _split(text, "any cell.voltage >= 3.50 V")
    quantity = QUANTITIES.get(name)
    if quantity is None:
        raise ValueError(f"no quantity '{name}'{nearest(name, QUANTITIES)}")
    if quantity.each and quantifier not in ("any", "all"):
        raise ValueError(f"'{name}' is one value a cell: write 'any {name}' or 'all {name}'")
    if not quantity.each and quantifier:
        raise ValueError(f"'{name}' is one value: write it without '{quantifier}'")
    limit = _limit(value, quantity.unit)
    return Compare(quantifier or "", name, sign, limit, text)  # type: ignore[arg-type] # any or all


def parse_criterion(text: str, metrics: Mapping[str, str]) -> Criterion:
    """Read a criterion over ``metrics`` (name to unit). Raises ValueError with one line."""
    text = " ".join(text.split())
    quantifier, name, sign, value = _split(text, "usable_capacity >= 98 %")
    if quantifier:
        raise ValueError(f"found '{text}', expected a comparison such as usable_capacity >= 98 %")
    if name not in metrics:
        raise ValueError(f"no metric '{name}'{nearest(name, metrics)}")
    unit = metrics[name]
    return Criterion(name, sign, _limit(value, unit), unit, text)


def _split(text: str, example: str) -> tuple[str | None, str, Comparison, str]:
    """Return quantifier, name, comparison and value of a comparison. Raises ValueError.

    ``==`` and ``!=`` are told apart from a text that is no comparison at all: measured values are
    never equal, so somebody who writes them needs another hint.
    """
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise ValueError(f"found '{text}', expected a comparison such as {example}")
    quantifier, name, sign, value = match.group("quantifier", "name", "sign", "value")
    if sign not in ("<", "<=", ">", ">="):
        raise ValueError(f"found '{sign}', expected one of <, <=, >, >=")
    return quantifier, name, sign, value  # type: ignore[return-value] # one of the four by now


def _limit(text: str, unit: str) -> float:
    """Read the right-hand side; pydantic collects ValueErrors, so a UnitError becomes one."""
    try:
        return units.parse(text, unit)
    except UnitError as error:
        raise ValueError(str(error)) from error
