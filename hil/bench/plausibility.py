"""The rules of ``hil.profile.plausible``, held against the rows of a run."""

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from hil.core.instants import Duration, Instant, to_seconds
from hil.core.signals import Layout
from hil.profile.plausible import Rule

Ages = Mapping[str, Duration]
"""For how long nobody has read each instrument, at the worst since the last row."""


class Found(NamedTuple):
    """What broke a rule: of which value, and how much it was."""

    subject: str
    value: float


class Look(Protocol):
    """Holds one rule against row after row."""

    rule: Rule

    def __call__(self, at: Instant, row: Sequence[float]) -> Found | None:
        """Return what breaks the rule by now, None while nothing does."""


class Lasting:
    """Says when something has gone on for longer than it may; what is not known changes nothing."""

    def __init__(self, for_ns: Duration) -> None:
        """Start with nothing wrong."""
        self._for_ns = for_ns
        self._since: Instant | None = None

    def too_long(self, at: Instant, *, wrong: bool) -> bool:
        """Take a look's outcome; say whether it has been wrong at every look for too long."""
        if not wrong:
            self._since = None
            return False
        if self._since is None:
            self._since = at
        return at - self._since > self._for_ns


class SumLook:
    """What a unit reads back of its cells, against what it was told, all of them together.

    A cell that was not read, or on which the bench itself has put a fault, is left out of both.
    """

    def __init__(self, rule: Rule, layout: Layout) -> None:
        """Find the unit's cells in the row."""
        self.rule = rule
        self._read = picked(layout.index("emulator.read_v"), rule.cells)
        self._set = picked(layout.index("emulator.set_v"), rule.cells)
        self._lasting = Lasting(rule.for_ns)

    def __call__(self, at: Instant, row: Sequence[float]) -> Found | None:
        """Return the difference of the sums once it has been too large for too long."""
        read, told = self._read(row), self._set(row)
        off_v = math.fsum(read) - math.fsum(told)
        if off_v != off_v:  # noqa: PLR0124 - NaN: some cell was not read
            pairs = [(r, s) for r, s in zip(read, told, strict=True) if not math.isnan(r)]
            if not pairs:
                return None
            off_v = math.fsum(r - s for r, s in pairs)
        if self._lasting.too_long(at, wrong=abs(off_v) > self.rule.value):
            return Found(f"{self.rule.device} sum", off_v)
        return None


class FrozenLook:
    """A reading stands still to the bit, though its noise must move it: of a unit, all its cells.

    While nothing is read nothing is known. A cell with a fault of the bench's own is NaN in the
    row, and its comings and goings move the reading as any change does.
    """

    def __init__(self, rule: Rule, layout: Layout) -> None:
        """Find the reading in the row."""
        self.rule = rule
        name = "emulator.read_v" if rule.cells else "chamber.air_degc"
        self._read = picked(layout.index(name), rule.cells or (0,))
        self._least: Duration = round(rule.value * 1e9)
        self._last: Sequence[float] = ()
        self._since: Instant = 0
        self._count = 0

    def __call__(self, at: Instant, row: Sequence[float]) -> Found | None:
        """Return for how long it has stood still, once that is too long."""
        read = [one for one in self._read(row) if one == one]  # noqa: PLR0124 - NaN is not read
        if not read:
            return None
        if read != self._last:
            self._last, self._since, self._count = read, at, 1
            return None
        self._count += 1
        if self._count >= self.rule.readings and at - self._since >= self._least:
            return Found(f"{self.rule.device} reading", to_seconds(at - self._since))
        return None


LOOKS: Mapping[str, Callable[[Rule, Layout], Look]] = {"sum": SumLook, "frozen": FrozenLook}


class Plausibility:
    """All rules of a run, held against its rows and against when they were read."""

    def __init__(self, rules: Sequence[Rule], layout: Layout) -> None:
        """Find what the rules look at."""
        self._looks = [LOOKS[rule.kind](rule, layout) for rule in rules if rule.kind in LOOKS]
        self._ages = [rule for rule in rules if rule.kind == "age"]

    def unread(self, ages: Ages) -> tuple[Rule, Found] | None:
        """Return the first instrument that nobody has read for too long, if there is one.

        A device that never answered has no age: it has failed.
        """
        for rule in self._ages:
            age_s = to_seconds(ages.get(rule.device, 0))
            if age_s > rule.value:
                return rule, Found(f"{rule.device} reading", age_s)
        return None

    def unbelievable(self, at: Instant, row: Sequence[float]) -> tuple[Rule, Found] | None:
        """Return the first rule that a row, after those before it, breaks; each sees every row."""
        seen = [(look.rule, look(at, row)) for look in self._looks]
        return next(((rule, found) for rule, found in seen if found is not None), None)


def picked(first: int, offsets: Sequence[int]) -> Callable[[Sequence[float]], Sequence[float]]:
    """Return what takes some columns out of a row: ``first`` and these many further."""
    columns = [first + offset for offset in offsets]
    if len(columns) == 1:
        [only] = columns
        return lambda row: (row[only],)
    taken: Callable[[Any], Sequence[float]] = itemgetter(*columns)
    return taken
