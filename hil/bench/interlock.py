"""Limits that the bench watches all the time, outside every step and strategy.

Which they are is worked out before the run (``hil.profile.limits``, ``hil.profile.plausible``);
here they are held against every row. What trips is latched with its first cause, which says the
rule, the value, the limit and whose limit it is; what warns is told once, and the run goes on.
"""

import math
from collections.abc import Callable, Sequence
from typing import NoReturn

from hil.bench.plausibility import Ages, Found, Plausibility
from hil.bench.quantities import Reader
from hil.bench.rates import Rates
from hil.core.errors import InterlockTrip
from hil.core.instants import Instant, to_seconds
from hil.core.records import LimitWarned, Tripped
from hil.profile.limits import BLIND, BLIND_AFTER, Bound
from hil.profile.plausible import Rule

NO_AGES: Ages = {}


class Interlock:
    """Checks every row against every rule; trips once, and stays tripped."""

    BLAMES_BOARD = frozenset({"board.age"})

    def __init__(
        self,
        bounds: Sequence[Bound],
        reader: Reader,
        plausibility: Plausibility | None = None,
        warn: Callable[[LimitWarned], None] = lambda _: None,
    ) -> None:
        """Find each bound's columns once; ``warn`` takes each warning, once."""
        self.bounds, self._warn = list(bounds), warn
        self._plausibility = plausibility or Plausibility((), reader.layout)
        self._checks = [
            (bound, reader.columns(bound.quantity), bound.side != "min", bound.value)
            for bound in bounds
            if bound.side != "rate"
        ]
        self._rates = [
            (bound, reader.columns(bound.quantity), Rates(bound.over_ns, bound.unit))
            for bound in bounds
            if bound.side == "rate"
        ]
        self.tripped: Tripped | None = None
        self._warned: set[Bound] = set()
        self._blind_since: dict[str, Instant] = {}

    def check(
        self,
        at: Instant,
        row: Sequence[float],
        *,
        hears_board: bool = True,
        ages: Ages = NO_AGES,
    ) -> None:
        """Raise InterlockTrip if a value lies outside its bound, or cannot be watched any more.

        A bench that does not hear the board, since its own link is lost, blames it for nothing.
        Once tripped it raises at every row, whatever that shows.

        A single reading may be missing for a moment; a quantity of which nothing is known for
        longer than ``BLIND_AFTER`` trips. A bound on ``current`` holds for either direction.
        ``ages`` say for how long no instrument was read (``hil.bench.ages``).
        """
        if self.tripped is not None:
            self.trip(self.tripped)
        self._trip_if(at, self._plausibility.unread(ages))
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
        for bound, columns, rates in self._rates:
            changes = rates.of(at, row[columns])
            worst = _worst_known(changes, upper=True)
            self._watch_blindness(at, bound, _worst_known(row[columns], upper=True))
            if worst > bound.value:
                self._cross(at, bound, changes, worst, blames_board=False)
        self._trip_if(at, self._plausibility.unbelievable(at, row))

    def has_looked(self, ages: Ages) -> bool:
        """Say whether the bench has read its instruments as often as it must.

        One that has not (its host stood still) cannot say what anybody did meanwhile.
        """
        return self._plausibility.unread(ages) is None

    def _trip_if(self, at: Instant, broken: tuple[Rule, Found] | None) -> None:
        """Trip on a rule that was broken, if one was."""
        if broken is not None:
            rule, found = broken[0].watched, broken[1]
            cause = (at, rule.name, found.subject, found.value, rule.value, rule.unit)
            self.trip(Tripped(*cause, blames_board=False))

    def _watch_blindness(self, at: Instant, bound: Bound, worst: float) -> None:
        """Trip when a limit has had nothing to watch for too long."""
        if not math.isnan(worst):
            self._blind_since.pop(bound.quantity, None)
            return
        blind = at - self._blind_since.setdefault(bound.quantity, at)
        if blind > BLIND_AFTER and bound.severity == "trip":
            cause = (at, BLIND.name, bound.quantity, to_seconds(blind), BLIND.value, BLIND.unit)
            self.trip(Tripped(*cause, blames_board=False))

    def trip(self, tripped: Tripped) -> NoReturn:
        """Keep the first cause and raise its InterlockTrip."""
        self.tripped = cause = self.tripped or tripped
        raise InterlockTrip(cause.limit, cause.subject, f"is {cause.value:.4g} {cause.unit}")

    def _cross(
        self,
        at: Instant,
        bound: Bound,
        values: Sequence[float],
        worst: float,
        *,
        blames_board: bool,
    ) -> None:
        """Trip on a bound that was crossed, or tell it, if that is all and nobody has been told."""
        number = f"[{values.index(worst) + 1}]" if len(values) > 1 else ""
        subject = f"{bound.quantity}{number}"
        if bound.severity == "trip":
            self.trip(
                Tripped(at, bound.name, subject, worst, bound.value, bound.unit, blames_board)
            )
        if bound not in self._warned:
            self._warned.add(bound)
            self._warn(LimitWarned(at, bound.name, subject, worst, bound.value, bound.unit))


def _worst_known(values: Sequence[float], *, upper: bool) -> float:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return math.nan
    return max(known) if upper else min(known)
