"""Limits that the bench watches all the time, outside every step and strategy.

Limits of bench, profile and devices are combined: the tightest bound of each quantity wins, and
the winner's origin is kept, so that a trip says whose limit it was.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from hil.bench.quantities import Reader
from hil.core.errors import InterlockTrip
from hil.core.instants import SECOND, Instant, to_seconds
from hil.core.records import Tripped

BLIND_AFTER = 3 * SECOND
"""How long a limited quantity may be unknown before the bench goes safe."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit on one quantity; ``upper`` says on which side. ``origin``: bench, profile, ..."""

    quantity: str
    upper: bool
    value: float
    unit: str
    origin: str

    @property
    def name(self) -> str:
        """Return the rule as it is shown: ``cell.voltage <= 3.65 V (profile)``."""
        sign = "<=" if self.upper else ">="
        return f"{self.quantity} {sign} {self.value:g} {self.unit} ({self.origin})"


def tightest(bounds: Iterable[Bound]) -> list[Bound]:
    """Return one bound a quantity and side: the lowest maximum and the highest minimum."""
    best: dict[tuple[str, bool], Bound] = {}
    for bound in bounds:
        key = (bound.quantity, bound.upper)
        held = best.get(key)
        tighter = held is None or (
            bound.value < held.value if bound.upper else bound.value > held.value
        )
        if tighter:
            best[key] = bound
    return [best[key] for key in sorted(best)]


class Interlock:
    """Checks every row against every bound; trips once, and stays tripped."""

    BLAMES_BOARD = frozenset({"board.age"})

    def __init__(self, bounds: Sequence[Bound], reader: Reader) -> None:
        """Find each bound's columns once."""
        self.bounds = list(bounds)
        self._checks = [
            (bound, reader.columns(bound.quantity), bound.upper, bound.value) for bound in bounds
        ]
        self.tripped: Tripped | None = None
        self._blind_since: dict[str, Instant] = {}

    def check(self, at: Instant, row: Sequence[float], *, hears_board: bool = True) -> None:
        """Raise InterlockTrip if a value lies outside its bound, or cannot be watched any more.

        A bench that does not hear the board, since its own link is lost, blames it for nothing.

        A single reading may be missing for a moment; a quantity of which nothing is known for
        longer than ``BLIND_AFTER`` trips. A bound on ``current`` holds for either direction.
        """
        for bound, columns, upper, limit in self._checks:
            values = row[columns]
            if bound.quantity == "current":
                values = [abs(values[0])]
            worst = max(values) if upper else min(values)
            if math.isnan(worst) or math.isnan(values[0]):
                worst = _worst_known(values, upper=upper)
                self._watch_blindness(at, bound, worst)
            elif self._blind_since:
                self._blind_since.pop(bound.quantity, None)
            if worst > limit if upper else worst < limit:
                blames = hears_board and bound.quantity in self.BLAMES_BOARD
                self._cross(at, bound, values, worst, blames_board=blames)

    def _watch_blindness(self, at: Instant, bound: Bound, worst: float) -> None:
        """Trip when a limit has had nothing to watch for too long."""
        if not math.isnan(worst):
            self._blind_since.pop(bound.quantity, None)
            return
        blind = at - self._blind_since.setdefault(bound.quantity, at)
        if blind > BLIND_AFTER:
            rule, blind_s = f"time without {bound.quantity}", to_seconds(blind)
            limit_s = to_seconds(BLIND_AFTER)
            self.trip(Tripped(at, rule, bound.quantity, blind_s, limit_s, "s", blames_board=False))

    def trip(self, tripped: Tripped) -> NoReturn:
        """Keep the first cause and raise InterlockTrip."""
        self.tripped = self.tripped or tripped
        raise InterlockTrip(
            tripped.limit, tripped.subject, f"is {tripped.value:.4g} {tripped.unit}"
        )

    def _cross(
        self,
        at: Instant,
        bound: Bound,
        values: Sequence[float],
        worst: float,
        *,
        blames_board: bool,
    ) -> NoReturn:
        number = f"[{values.index(worst) + 1}]" if len(values) > 1 else ""
        subject = f"{bound.quantity}{number}"
        self.trip(Tripped(at, bound.name, subject, worst, bound.value, bound.unit, blames_board))


def _worst_known(values: Sequence[float], *, upper: bool) -> float:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return math.nan
    return max(known) if upper else min(known)
