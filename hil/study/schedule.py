"""What packs are asked for over a study: demand and ambient, row by row, as data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
    that are asked for different things; one ambient for all may be a number. Raises ValueError.

    ``full`` (rows,) is asked of a pack, instead of ``demand``, for a lap of ``lap_s`` at whose
    start its strategy wants a full charge.
    """

    step_s: float
    demand: Floats
    ambient_degc: Floats | float = 25.0
    kind: Literal["current", "power"] = "current"
    full: Floats | None = None
    lap_s: float = math.inf

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
        demand = _mean(self.demand, rows)
        if full is not None and self.full is not None:
            demand = np.where(full, _mean(self.full, rows), demand)
        return demand, _mean(self.ambient_degc, rows)


def whole(duration_s: float, part_s: float, what: str) -> int:
    """Return how many parts make up a duration. Raises ValueError unless they do, at least one."""
    ratio = duration_s / part_s
    count = round(ratio)
    if count < 1 or abs(ratio - count) > _WHOLE * count:
        raise ValueError(f"{what} of {duration_s:g} s: expected a whole number of {part_s:g} s")
    return count


def _mean(values: Floats | float, rows: range) -> Floats:
    table = np.atleast_1d(np.asarray(values, float))
    if len(rows) == 1:
        only: Floats = table[rows[0] % len(table)]
        return only
    mean: Floats = table[np.array(rows) % len(table)].mean(axis=0)
    return mean
