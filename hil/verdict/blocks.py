"""Ticks in blocks: rows are packed as they come and folded many at a time.

Arrays of a block have the shape (cells, ticks), time last: a reduction over the cells then runs
along memory and costs a tenth. What a fold carries from block to block is exact (integer
nanoseconds) or added up strictly in the order of the ticks (``running_sum``), so that no result
depends on where one block ends and the next begins.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from hil.core.instants import HOUR, Duration, Instant
from hil.core.records import RunStarted
from hil.core.signals import Layout, Signal

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Nanoseconds: TypeAlias = NDArray[np.int64]
Numbers = TypeVar("Numbers", NDArray[np.float64], NDArray[np.int64])


@dataclass(frozen=True, slots=True)
class Run:
    """What the first record says: the row, the start, and the true capacities, (cells,).

    ``nominal_ah`` is what C means in C/20: the constant ``pack.nominal_ah``, else the largest true
    capacity (a profile that ends a charge at 5 A of 100 Ah must not miss C/20 by a cell's spread).
    ``truth`` says whether the state of the cells is known at all.
    """

    layout: Layout
    start: Instant
    tick: Duration
    cells: int
    capacity_ah: Floats
    nominal_ah: float
    truth: bool

    @classmethod
    def of(cls, record: RunStarted) -> "Run":
        """Read the first record."""
        layout = Layout(Signal(*signal) for signal in record.signals)
        capacity_ah = np.array(record.constants.get("plant.capacity_ah", ()))
        truth = capacity_ah.size > 0 and "plant.soc" in layout
        nominal_ah = record.constants.get("pack.nominal_ah", ())
        place = layout.columns("board.duty")
        return cls(
            layout=layout,
            start=record.at,
            tick=record.tick,
            cells=place.stop - place.start,
            capacity_ah=capacity_ah,
            nominal_ah=nominal_ah[0] if nominal_ah else float(capacity_ah.max(initial=0.0)),
            truth=truth,
        )


@dataclass(frozen=True, slots=True)
class Block:
    """Some ticks in a row: ``at_ns`` and ``dt_ns`` (time since the tick before), both (ticks,).

    ``rows`` is the buffer's own memory and will be written over: signals are copied out of it.
    """

    layout: Layout
    at_ns: Nanoseconds
    dt_ns: Nanoseconds
    rows: Floats

    @property
    def begin_ns(self) -> Instant:
        """Return when the time that this block covers began: with the tick before it."""
        return int(self.at_ns[0] - self.dt_ns[0])

    def cells(self, name: str) -> Floats:
        """Return a signal of many columns, (columns, ticks)."""
        return self.rows[:, self.layout.columns(name)].T.copy(order="C")

    def scalar(self, name: str) -> Floats:
        """Return a signal of one column, (ticks,)."""
        return self.rows[:, self.layout.index(name)].copy()


class Buffer:
    """Packs rows into flat memory until a block is full; packing is all that a tick pays."""

    def __init__(self, run: Run, size: int) -> None:
        """Make room for ``size`` rows."""
        self._run, self._size = run, size
        self._row = struct.Struct(f"{run.layout.width}d")
        self._memory = bytearray(self._row.size * size)
        self._at: list[Instant] = []
        # the first row stands for one tick: what it averaged over began before the run's clock
        self._last: Instant | None = None

    @property
    def width(self) -> int:
        """Return the number of columns of a row."""
        return self._run.layout.width

    def add(self, at: Instant, values: Sequence[float]) -> bool:
        """Take one row; True when the block is full. Raises struct.error on another width."""
        self._row.pack_into(self._memory, len(self._at) * self._row.size, *values)
        self._at.append(at)
        return len(self._at) == self._size

    def take(self) -> Block | None:
        """Return what has come since the last call, None if nothing has."""
        if not self._at:
            return None
        at_ns = np.array(self._at, dtype=np.int64)
        self._at = []
        width = self._run.layout.width
        rows = np.frombuffer(self._memory, count=len(at_ns) * width).reshape(-1, width)
        return self.block(at_ns, rows)

    def block(self, at_ns: Nanoseconds, rows: Floats) -> Block:
        """Return rows (ticks, columns) that came together as the block after the last one."""
        first = at_ns[0] - self._run.tick if self._last is None else self._last
        self._last = int(at_ns[-1])
        return Block(self._run.layout, at_ns, np.diff(at_ns, prepend=first), rows)


def hours(ns: Nanoseconds | int) -> Floats:
    """Return a duration in hours."""
    return np.asarray(ns) / HOUR


def running_sum(carry: Floats, increments: Floats) -> Floats:
    """Return the sums after each tick, starting from ``carry`` (...,); increments (..., ticks).

    ``cumsum`` adds one after the other, unlike ``sum``: the result is the same to the bit however
    the ticks are cut into blocks.
    """
    joined = np.concatenate([carry[..., np.newaxis], increments], axis=-1)
    sums: Floats = np.cumsum(joined, axis=-1)[..., 1:]
    return sums


def held(carry: Floats, values: Floats) -> Floats:
    """Return ``values`` (cells, ticks) with each NaN replaced by the last number before it."""
    known = np.isfinite(values)
    if known.all():
        return values
    joined = np.concatenate([carry[:, np.newaxis], values], axis=1)
    place = np.where(known, np.arange(1, values.shape[1] + 1), 0)
    return np.take_along_axis(joined, np.maximum.accumulate(place, axis=1), axis=1)


def before(carry: Numbers, values: Numbers) -> Numbers:
    """Return for each tick the value of the tick before; ``carry`` is the one before the block."""
    shifted: Numbers = np.concatenate([carry[:, np.newaxis], values[:, :-1]], axis=1)
    return shifted


def last_time(carry: Nanoseconds, at_ns: Nanoseconds, happens: Bools) -> Nanoseconds:
    """Return for each tick the last instant up to it at which ``happens``; all (..., ticks).

    ``carry`` (...,) is the last such instant before the block.
    """
    seen = np.where(happens, at_ns, carry[..., np.newaxis])
    times: Nanoseconds = np.maximum.accumulate(seen, axis=-1)
    return times
