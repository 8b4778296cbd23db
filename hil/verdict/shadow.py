"""A board that decides by itself, held against the reference that decides beside it.

The two look at the same readings at other instants, so they need not agree at every tick: nobody
knows when the board's decision period began, and the bench sees one set of readings a tick. What
can be held against a board is what *no* board of its kind would do, whenever it decides. Two sets
of cells are folded tick by tick out of what a decision could and must be (``Bounds``):

- ``may`` bleed: a cell is in it as soon as some decision could have switched it on, and leaves it
  only when every decision must have switched it off for a whole window;
- ``must`` bleed: a cell is in it only when every decision must have switched it on for a whole
  window, and leaves it as soon as one could have switched it off.

The window is the longest way from readings to a report: the board's decision period, its cycle,
its report and a tick. A board that decides on readings within tolerance of ours, at whatever phase,
is bound to bleed no less than ``must`` and no more than ``may``: a property test tries to find one
that is not.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from hil.balancing.strategy import Bools, Bounded, Bounds, Observation, Tolerance
from hil.core.instants import Duration, Instant
from hil.core.signals import Layout
from hil.ports import BoardFault
from hil.verdict.findings import Finding, Findings, known

HALTS = frozenset({"bleed-paused", "front-end-silent", "open-wire", "top-lead-open"})
"""Faults at which a board stops all its bleeds: it must see its cells and be cool enough."""
HALTS_ITS_CELL = "under-voltage"
"""The one at which it stops that of the cell that the fault names."""
LETS_GO = frozenset({"command-lost"})
"""Faults at which a board may have stopped its bleeds, and need not have."""

Observe: TypeAlias = Callable[[Instant, Sequence[float], Iterable[BoardFault]], Observation]


class Certain(NamedTuple):
    """Which cells a healthy board may bleed and must bleed now, (cells,) each."""

    may: Bools
    must: Bools


class Envelope:
    """The fold of ``Bounds`` into the two sets; ``look`` once a tick."""

    def __init__(self, cells: int, window: Duration, longest_gap: Duration) -> None:
        """Know nothing: whatever bleeds may have begun before.

        ``longest_gap``: when nobody has looked for longer, anything may have happened meanwhile.
        """
        self._window, self._longest_gap = window, longest_gap
        self._may = np.ones(cells, dtype=np.bool_)
        self._must = np.zeros(cells, dtype=np.bool_)
        # the last tick at which a decision would not have been bound to start, or to stop
        self._free_to_rest = np.zeros(cells, dtype=np.int64)
        self._free_to_bleed = np.zeros(cells, dtype=np.int64)
        self._last: Instant | None = None

    def look(self, at: Instant, bounds: Bounds) -> Certain:
        """Take in what a decision on the newest readings, (cells,), could and must be."""
        if self._last is None or at - self._last > self._longest_gap:
            self._forget(at)
        self._last = at
        self._free_to_rest[~bounds.must_start] = at
        self._free_to_bleed[~bounds.must_stop] = at
        started = at - self._free_to_rest > self._window
        stopped = at - self._free_to_bleed > self._window
        self._may = (self._may & ~stopped) | bounds.could_start
        self._must = (self._must | started) & ~bounds.could_stop
        return Certain(self._may, self._must)

    def _forget(self, at: Instant) -> None:
        """Begin anew, as if the board had just come up."""
        self._may[:], self._must[:] = True, False
        self._free_to_rest[:] = self._free_to_bleed[:] = at


@dataclass(frozen=True, slots=True)
class ShadowLimits:
    """What a board in shadow mode is given: see the module's text for ``window``.

    ``report_window``: for how long report and readings of one moment may be apart. ``duty``: how
    far a duty may be from the one decided.
    """

    tolerance: Tolerance
    window: Duration
    tick: Duration
    report_window: Duration
    duty: float


class Shadow:
    """The rules about a board that decides by itself."""

    def __init__(
        self, strategy: Bounded, observe: Observe, layout: Layout, limits: ShadowLimits
    ) -> None:
        """Find the columns once. ``observe`` makes of a row what a strategy is given."""
        self._strategy, self._observe, self._limits = strategy, observe, limits
        self._columns = {
            name: layout.columns(name)
            for name in ("board.duty", "board.ntc_degc", "board.pcb_degc")
        }
        place = self._columns["board.duty"]
        # half a tick late is late; one that was left out is a gap
        gap = limits.tick + limits.tick // 2
        self._envelope = Envelope(place.stop - place.start, limits.window, gap)

    def find(
        self,
        findings: Findings,
        at: Instant,
        row: Sequence[float],
        faults: Collection[BoardFault],
    ) -> None:
        """Add the cells that bleed though they may not, and those that do not though they must.

        A board that reports why it does not bleed owes no bleed, and if that stops all boards of
        its kind it may not bleed either. One that reports nothing of a bleed does not bleed.
        """
        limits = self._limits
        reported = np.array(row[self._columns["board.duty"]])
        duty = np.nan_to_num(reported)
        halted, excused = _stopped(faults, len(duty))
        observation = self._observe(at, row, faults)
        bounds = self._strategy.bounds(observation, limits.tolerance)
        may, must = self._envelope.look(at, _excusing(bounds, halted | excused))
        for name, wrong, decided in (
            ("shadow-bleed-unexpected", (duty > 0.0) & ~(may & ~halted), 0.0),
            ("shadow-bleed-missing", must & (duty < 1.0 - limits.duty), 1.0),
        ):
            for k in map(int, np.flatnonzero(wrong)):
                text = self._situation(row, observation, k)
                if halted[k]:
                    text = f"the board reports a fault that stops this bleed; {text}"
                if np.isnan(reported[k]):
                    text = f"the board reports nothing of this bleed; {text}"
                told = float(duty[k])
                finding = Finding(told, decided, "1", limits.report_window, text)
                findings[name, f"cell[{k + 1}].duty"] = finding

    def _situation(self, row: Sequence[float], observation: Observation, cell: int) -> str:
        """Say what the reference saw, and how the board was loaded and how warm it was."""
        ntc_degc = known(row[self._columns["board.ntc_degc"]])
        ntcs = f"NTCs {min(ntc_degc):.1f} to {max(ntc_degc):.1f} degC, " if ntc_degc else ""
        [pcb_degc] = row[self._columns["board.pcb_degc"]]
        return (
            f"{self._strategy.situation(observation, cell)}; "
            f"{observation.current_a:.2f} A, {ntcs}board {pcb_degc:.1f} degC"
        )


def _stopped(faults: Iterable[BoardFault], cells: int) -> tuple[Bools, Bools]:
    """Return which cells the board says that it does not bleed, and which it may not, (cells,)."""
    halted, excused = np.zeros(cells, dtype=np.bool_), np.zeros(cells, dtype=np.bool_)
    for fault, cell in faults:
        if fault in HALTS:
            halted[:] = True
        elif fault == HALTS_ITS_CELL:
            halted[cell - 1] = True
        elif fault in LETS_GO:
            excused[:] = True
    return halted, excused


def _excusing(bounds: Bounds, cells: Bools) -> Bounds:
    """Return bounds under which nothing is owed on ``cells``, nor for a window after."""
    if not cells.any():
        return bounds
    could_stop, must_start = bounds.could_stop | cells, bounds.must_start & ~cells
    return bounds._replace(could_stop=could_stop, must_start=must_start)
