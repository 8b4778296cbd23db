"""Numbers as people read them: no more digits than the uncertainty bears, in a prefix of the trade.

Reports, comparisons and JUnit files all write through here, so that one value looks alike in them.
"""

import math
from typing import NamedTuple

from hil.core.instants import Duration, Instant, clock_text

DIGITS = 5
"""Significant digits of a value that is known exactly."""

_SHOWN = {"1": "%", "degC": "°C", "ohm": "Ω", "1/day": "/day", "1/h": "/h", "1/K": "/K"}
_FROM_HERE_MILLI = {"V": 1.0, "A": 0.1, "ohm": 1.0}
"""Below this magnitude a quantity of the unit is written in thousandths of it."""


class Figure(NamedTuple):
    """A value and its expanded uncertainty as text, in the same unit and to the same decimal."""

    value: str
    uncertainty: str

    def __str__(self) -> str:
        """Return both: ``109.59 mV ± 0.71 mV``; an exact value stands alone."""
        return f"{self.value} ± {self.uncertainty}" if self.uncertainty else self.value


def figure(value: float | None, uncertainty: float | None, unit: str) -> Figure:
    """Write a value with its uncertainty: that to one or two digits, the value to the same.

    None and NaN are ``not measured``, an infinity is ``never`` (of a time) or ``unbounded``. An
    uncertainty of 0, or none, is left empty.
    """
    value = math.nan if value is None else value
    spread = math.nan if uncertainty is None else uncertainty
    if not math.isfinite(value):
        return Figure(_no_number(value, unit), "")
    # the larger one chooses: 0.2 mV ± 1.3 V must not become 0.2 mV ± 1300 mV
    scale, shown = _scaled(max(abs(value), spread if math.isfinite(spread) else 0.0), unit)
    if not math.isfinite(spread) or spread <= 0.0:
        return Figure(_joined(_significant(value * scale), shown), "")
    decimals = _decimals(spread * scale)
    # a value is not written to more digits than anybody can use, however exact it is
    decimals = min(decimals, max(0, DIGITS + 1 - _magnitude(value * scale)))
    spread_text = f"{spread * scale:.{decimals}f}"
    if not float(spread_text):
        spread_text = f"{spread * scale:.1g}"
    return Figure(
        _joined(f"{value * scale + 0.0:.{decimals}f}", shown), _joined(spread_text, shown)
    )


def plain(value: float | None, unit: str) -> str:
    """Write a value whose uncertainty is not at issue: a limit, a set-point."""
    return figure(value, None, unit).value


def unit_text(unit: str) -> str:
    """Return how a unit is written for people."""
    return _SHOWN.get(unit, unit)


def when(at: Instant, zero: Instant) -> str:
    """Write an instant as time since the first tick, to the millisecond."""
    return clock_text(at - zero)


def lasting(span: Duration) -> str:
    """Write a duration."""
    return clock_text(span)


def compared(comparison: str) -> str:
    """Write a comparison as it is printed."""
    return {"<=": "≤", ">=": "≥"}.get(comparison, comparison)


def _no_number(value: float, unit: str) -> str:
    if math.isnan(value):
        return "not measured"
    return "never" if unit == "s" else "unbounded"


def _scaled(magnitude: float, unit: str) -> tuple[float, str]:
    """Return the factor and the unit in which a magnitude is best read."""
    if unit == "1":
        return 100.0, "%"
    if 0.0 < magnitude < _FROM_HERE_MILLI.get(unit, 0.0):
        return 1e3, f"m{_SHOWN.get(unit, unit)}"
    return 1.0, _SHOWN.get(unit, unit)


def _joined(number: str, unit: str) -> str:
    """Put number and unit together; of a rate no space stands between."""
    return f"{number}{unit}" if unit.startswith("/") else f"{number} {unit}".rstrip()


def _magnitude(value: float) -> int:
    """Return how many digits stand before the decimal point; negative for leading zeros."""
    return math.floor(math.log10(abs(value))) + 1 if value else 1


def _decimals(spread: float) -> int:
    """Return the decimals that an uncertainty bears: two of its digits below 3, else one.

    So a rounded uncertainty is never off by more than a sixth of itself.
    """
    magnitude = _magnitude(spread)
    leading = spread / 10.0 ** (magnitude - 1)
    return max(0, (2 if leading < 3.0 else 1) - magnitude)  # noqa: PLR2004 - see above


def _significant(value: float) -> str:
    """Write an exact value: up to five digits, and no powers of ten between 1e-4 and 1e6."""
    if value and not 1e-4 <= abs(value) < 1e6:  # noqa: PLR2004 - see the docstring
        return f"{value:.3g}"
    text = f"{value + 0.0:.{max(0, DIGITS - _magnitude(value))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
