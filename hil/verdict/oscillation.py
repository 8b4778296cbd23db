"""Bleeds that are switched on and off without end: how much of the time, and which cells now.

A bleed shifts what is read of its own cell down by its current in both sense leads, and of its
neighbours up by that in one. A board that reads while it bleeds, or before its filters have
settled, then sees the cell that it bleeds as low, lets go, sees it high again, and bleeds; where
the shift of a neighbour reaches the threshold too, the bleeds chase each other along the stack
(design/physics.md, E6). What such a board shows is a period, and so that is what is looked for:

*Going on* is a bleed whose last two edges are less than ``LONGEST_PERIOD`` ago, which is more than
``MOST_EDGES_PER_H``. Sustained, and an oscillation, is what has been going on for
``OSCILLATES_AFTER`` without a break. A duty that moves between two values above zero has no edge,
so neither has a board that regulates its heat.
"""

from collections.abc import Sequence

import numpy as np

from hil.core.instants import HOUR, Instant, to_seconds
from hil.verdict.blocks import Block, Bools, Nanoseconds, Run, before, last_time
from hil.verdict.definitions import (
    LONGEST_PERIOD,
    MOST_EDGES_PER_H,
    OSCILLATES_AFTER,
    counted_of_stretch,
)
from hil.verdict.findings import Finding, Findings
from hil.verdict.registry import MetricValue, metric

CAUSE = "its reading seems to follow its own bleed or a neighbour's"
"""What an oscillation means: bleed current times lead resistance has outgrown the hysteresis."""


class OscillationFold:
    """The metric ``oscillation``: cell-time in sustained oscillation; exact, in whole stretches."""

    def __init__(self, run: Run) -> None:
        """Start with no edge in sight."""
        long_ago = np.full(run.cells, run.start - LONGEST_PERIOD, dtype=np.int64)
        self._edge_at, self._edge_before_at = long_ago, long_ago
        self._quiet_at: Nanoseconds | None = None
        self._sustained_ns: Nanoseconds = np.zeros(run.cells, dtype=np.int64)
        self._ns = 0

    def feed(self, block: Block, on: Bools, was_on: Bools) -> None:
        """Add a block; who bleeds, now and at the tick before, is (cells, ticks) each."""
        self._ns += int(block.dt_ns.sum())
        at_ns, edge = block.at_ns, on != was_on
        if self._quiet_at is None:
            self._quiet_at = np.full(len(edge), block.begin_ns, dtype=np.int64)
        if not edge.any() and int(at_ns[0]) - int(self._edge_before_at.max()) >= LONGEST_PERIOD:
            self._quiet_at = np.full(len(edge), at_ns[-1], dtype=np.int64)
            return
        # what a tick shows was switched when the time that it covers began
        edge_at = last_time(self._edge_at, at_ns - block.dt_ns, edge)
        # last_time again, of the edge before an edge instead of the edge itself
        carried_at = self._edge_before_at[:, np.newaxis]
        second_at = np.where(edge, before(self._edge_at, edge_at), carried_at)
        edge_before_at: Nanoseconds = np.maximum.accumulate(second_at, axis=1)
        going_on = at_ns - edge_before_at < LONGEST_PERIOD
        quiet_at = last_time(self._quiet_at, at_ns, ~going_on)
        lasted_ns = at_ns - quiet_at
        had_lasted_ns = at_ns - block.dt_ns - before(self._quiet_at, quiet_at)
        counted_ns = counted_of_stretch(had_lasted_ns, lasted_ns, OSCILLATES_AFTER)
        self._sustained_ns = self._sustained_ns + counted_ns.sum(axis=1)
        self._edge_at, self._edge_before_at = edge_at[:, -1], edge_before_at[:, -1]
        self._quiet_at = quiet_at[:, -1]

    def values(self, at: Instant) -> dict[str, MetricValue]:
        """Return the metric, exact but for what happens between two ticks."""
        worst, total_ns = int(self._sustained_ns.argmax()), int(self._sustained_ns.sum())
        share = total_ns / (len(self._sustained_ns) * self._ns)
        where = "all cells, whole run"
        if total_ns:
            hours = int(self._sustained_ns[worst]) / HOUR
            where = f"most on cell[{worst + 1}], {hours:.3g} h"
        return {"oscillation": metric("oscillation", share, 0.0, at, where)}


class _Course:
    """The edges of one cell's bleed: the last two, and since when and how often it goes on."""

    def __init__(self) -> None:
        """Start without an edge. ``edges`` are counted from ``since``, the first of them."""
        self.edge_at: Instant | None = None
        self.edge_before_at: Instant | None = None
        self.since: Instant = 0
        self.edges = 0

    def switched(self, at: Instant) -> None:
        """Take an edge; one that comes late begins anew."""
        if not self.goes_on(at):
            self.since, self.edges = at, 0
        self.edge_before_at, self.edge_at = self.edge_at, at
        self.edges += 1

    def goes_on(self, at: Instant) -> bool:
        """Return whether the last two edges are recent."""
        return self.edge_before_at is not None and at - self.edge_before_at < LONGEST_PERIOD


class Oscillations:
    """The rule: which cells' bleeds have been switched on and off for an hour, as reported."""

    def __init__(self, cells: int) -> None:
        """Start with every bleed off."""
        self._on = [False] * cells
        self._told: Sequence[float] = ()
        self._courses = [_Course() for _ in range(cells)]
        self._until: Instant = 0
        self._looked_at: Instant | None = None

    def find(self, findings: Findings, at: Instant, duty: Sequence[float]) -> None:
        """Add the cells whose bleed goes on and off; a duty that is not known is the last known."""
        if duty != self._told:
            # as in the fold: what a tick shows was switched after the tick before
            self._switch(at if self._looked_at is None else self._looked_at, duty)
        self._looked_at = at
        if at >= self._until:
            return
        for k, course in enumerate(self._courses):
            if course.goes_on(at):
                findings["bleed-oscillates", f"cell[{k + 1}].duty"] = self._finding(course, at)

    def _switch(self, at: Instant, duty: Sequence[float]) -> None:
        """Note the edges between ``at`` and this tick."""
        for k, told in enumerate(duty):
            on = self._on[k] if told != told else told > 0.0  # noqa: PLR0124 - NaN
            if on != self._on[k]:
                self._on[k] = on
                self._courses[k].switched(at)
                self._until = at + LONGEST_PERIOD
        self._told = duty

    def _finding(self, course: _Course, at: Instant) -> Finding:
        """Say how fast a bleed goes on and off, and for how long it has."""
        edges, lasted = course.edges - 1, (course.edge_at or at) - course.since
        per_h = edges * HOUR / lasted if edges else 0.0
        text = (
            f"switched on and off every {2.0 * to_seconds(lasted) / max(edges, 1):.3g} s, "
            f"{per_h:.3g} edges/h for {(at - course.since) / HOUR:.3g} h: {CAUSE}"
        )
        return Finding(per_h, MOST_EDGES_PER_H, "1/h", OSCILLATES_AFTER, text)
