"""What packs are asked for over a study: demand and ambient, row by row, as data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.physics.stack import Floats

_WHOLE = 1e-9
"""How far a ratio of two times may be from a whole number and count as one."""


class Phase(NamedTuple):
    """A demand (A or W, + in discharge) that lasts."""

    duration_s: float
    demand: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """Demand and ambient in rows of ``step_s``, repeated for as long as the study runs.

    ``demand`` (A or W, + in discharge) and ``ambient_degc`` are (rows,), or (rows, packs) for packs
    that are asked for different things; one ambient for all may be a number. With ``climate_of``
    (packs,) ``ambient_degc`` is (rows, climates), and a pack has the column named there: so that
    thousands of packs in a handful of climates keep a handful of them. Raises ValueError.

    ``full`` (rows,) is asked of a pack, instead of ``demand``, for a lap of ``lap_s`` at whose
    start its strategy wants a full charge.
    """

    step_s: float
    demand: Floats
    ambient_degc: Floats | float = 25.0
    kind: Literal["current", "power"] = "current"
    full: Floats | None = None
    lap_s: float = math.inf
    climate_of: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Refuse rows that no pack could follow."""
        if not 0.0 < self.step_s < math.inf:
            raise ValueError(f"step_s {self.step_s}: expected a finite time above zero")
        for name in ("demand", "ambient_degc"):
            rows = np.asarray(getattr(self, name), float)
            if rows.size == 0 or not np.isfinite(rows).all():
                raise ValueError(f"{name}: expected finite values, at least one")
        if self.kind not in ("current", "power"):
            raise ValueError(f"kind {self.kind!r}: expected 'current' or 'power'")
        if self.full is not None and self.full.shape != np.shape(self.demand):
            raise ValueError(f"full {self.full.shape}: expected as many rows as demand")
        if self.climate_of is not None:
            climates = np.shape(self.ambient_degc)[1:]
            if len(climates) != 1 or not set(self.climate_of.tolist()) <= set(range(climates[0])):
                raise ValueError(f"climate_of: expected columns of ambient_degc, of {climates}")

    @classmethod
    def of_phases(
        cls, phases: Sequence[Phase], step_s: float, ambient_degc: Floats | float = 25.0
    ) -> "Schedule":
        """Return phases of current as rows. Raises ValueError for one that is no whole rows."""
        counts = [whole(phase.duration_s, step_s, "a phase") for phase in phases]
        demand = np.repeat([float(phase.demand) for phase in phases], counts)
        return cls(step_s, demand, ambient_degc)

    def starts_lap(self, at_s: float) -> bool:
        """Return whether a lap starts at this time."""
        laps = at_s / self.lap_s
        return abs(laps - round(laps)) < _WHOLE * max(1.0, laps)

    def by_leg(self, leg_s: float, start_s: float = 0.0) -> "Schedule":
        """Return the same in rows as long as a leg, so that each is looked up and none added up.

        Where legs from ``start_s`` on are not each made up of whole rows, this is returned as it
        is.
        """
        count, started = leg_s / self.step_s, start_s / leg_s
        rows = round(count)
        covers = rows > 1 and abs(count - rows) < _WHOLE * rows
        tables = [np.atleast_1d(self.demand), np.atleast_1d(self.ambient_degc)]
        tables += [] if self.full is None else [self.full]
        if any(len(table) > 1 and len(table) % max(rows, 1) for table in tables):
            return self  # a table would begin again inside of a leg
        if not covers or abs(started - round(started)) > _WHOLE:
            return self
        demand, ambient_degc, *full = (_by(rows, table) for table in tables)
        rest = full[0] if full else None
        return replace(self, step_s=leg_s, demand=demand, ambient_degc=ambient_degc, full=rest)

    def at(
        self, start_s: float, duration_s: float, full: NDArray[np.bool_] | None = None
    ) -> tuple[Floats, Floats]:
        """Return mean demand and ambient of a leg, () or (packs,) each.

        ``full`` (packs,) says who is charged fully. The leg lies inside of one row, or covers whole
        ones: what else would be two demands in one leg. Raises ValueError.
        """
        first = math.floor(start_s / self.step_s + _WHOLE)
        end = (start_s + duration_s) / self.step_s
        rows = range(first, max(first + 1, math.ceil(end - _WHOLE)))
        starts_row = abs(start_s / self.step_s - first) < _WHOLE * max(1, first)
        covers = abs(end - len(rows) - first) < _WHOLE * max(1.0, end)
        if len(rows) > 1 and not (starts_row and covers):
            found = f"{duration_s:g} s from {start_s:g} s"
            raise ValueError(f"a leg of {found}: rows of {self.step_s:g} s do not end with it")
        demand = _over(self.demand, rows)
        if full is not None and self.full is not None:
            demand = np.where(full, _over(self.full, rows), demand)
        ambient_degc = _over(self.ambient_degc, rows)
        return demand, ambient_degc if self.climate_of is None else ambient_degc[self.climate_of]


def whole(duration_s: float, part_s: float, what: str) -> int:
    """Return how many parts make up a duration. Raises ValueError unless they do, at least one."""
    ratio = duration_s / part_s
    count = round(ratio)
    if count < 1 or abs(ratio - count) > _WHOLE * count:
        raise ValueError(f"{what} of {duration_s:g} s: expected a whole number of {part_s:g} s")
    return count


def _over(values: Floats | float, rows: range) -> Floats:
    """Return what a table has in these rows, on average; it begins again where it ends."""
    table = np.atleast_1d(np.asarray(values, float))
    return _mean([table[row % len(table)] for row in rows])


def _by(rows: int, table: Floats) -> Floats:
    """Return a table by so many rows at once; a lone row is for all times."""
    return table if len(table) == 1 else _mean([table[k::rows] for k in range(rows)])


def _mean(parts: Sequence[Floats]) -> Floats:
    """Return the mean, added up one by one: the same to the bit however wide the parts are.

    NumPy adds a lone column in another order than columns side by side.
    """
    total: Floats = parts[0]
    for part in parts[1:]:
        total = total + part
    return total / len(parts) if len(parts) > 1 else total
