"""Expectations judged once more, from the rows, faults and steps that a record holds.

Follows the records as the timeline followed the run: which step is on, what its last row showed,
which faults the board reports. The judging itself is the bench's own (``expectations``).
"""

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from hil.bench.expectations import of_fault, of_row, uncertainty_of
from hil.bench.quantities import Reader
from hil.bench.recorded import Recorded
from hil.core.instants import Instant, from_seconds
from hil.core.records import (
    BoardFaultChanged,
    ExpectationJudged,
    Record,
    RunStarted,
    SafeStateReached,
    StepEnded,
    StepStarted,
    Tick,
)
from hil.core.signals import Layout
from hil.profile.model import ExpectFault, ExpectGone
from hil.verdict.registry import Uncertainties


class _Open(NamedTuple):
    """A step that has begun and not ended; ``faults`` is what the board reported by then."""

    path: str
    at: Instant
    faults: frozenset[tuple[str, int]]


class Rejudge:
    """Knows at every record what an expectation judged there must say."""

    def __init__(self, recorded: Recorded, started: RunStarted, layout: Layout) -> None:
        """Stand before the first step."""
        self._recorded = recorded
        self._reader = Reader(layout)
        accuracies = Uncertainties.of(started.constants)
        self._uncertainty = uncertainty_of(accuracies, len(recorded.channels))
        self._row: Sequence[float] = [math.nan] * layout.width
        self._row_at: Instant | None = None
        self._open: list[_Open] = []
        self._over = False
        self._ended = 0
        self._judged = 0
        self._faults: set[tuple[str, int]] = set()
        self._changed_at: dict[tuple[str, int], Instant] = {}

    @property
    def complete(self) -> bool:
        """Say whether all steps of the outermost list have been played."""
        return self._ended == self._recorded.steps and not self._open

    def feed(self, record: Record) -> list[str]:
        """Follow one record; return what about it cannot be."""
        match record:
            case Tick():
                self._row, self._row_at = record.values, record.at
            case BoardFaultChanged():
                self._fault_changed(record)
            case StepStarted():
                self._open.append(_Open(record.path, record.at, frozenset(self._faults)))
                self._judged = 0
            case StepEnded():
                return self._step_ended(record)
            case SafeStateReached():
                self._over = True  # a step that is still open was broken off: it judges no more
        return []

    def _fault_changed(self, record: BoardFaultChanged) -> None:
        fault = record.fault, record.cell
        (self._faults.add if record.active else self._faults.discard)(fault)
        self._changed_at[fault] = record.at

    def _step_ended(self, record: StepEnded) -> list[str]:
        if not self._open or self._open[-1].path != record.path:
            return [f"step {record.path} ends without having begun"]
        self._open.pop()
        self._ended += not self._open
        step = self._recorded.expects.get(record.path)
        if step is None:
            return []
        bounds = 1 if isinstance(step, ExpectFault) else _bounds(step.minimum, step.maximum)
        missing = bounds - self._judged
        return [f"step {record.path} has judged {missing} too few"] if missing > 0 else []

    def expected(self, found: ExpectationJudged) -> ExpectationJudged | None:
        """Return what ``found`` must say; None where the step that is on expects nothing (more).

        When it was judged is taken from ``found``, and so is for how long nobody had looked before
        a fault was seen, or gone: the record does not say it elsewhere.
        """
        step = self._recorded.expects.get(self._open[-1].path) if self._open else None
        if step is None or self._over:
            return None
        read_at = found.read_at if self._row_at is None else self._row_at
        self._judged += 1
        if isinstance(step, ExpectFault):
            return self._expected_fault(step, found, read_at) if self._judged == 1 else None
        judged = of_row(step, self._row, self._reader, self._uncertainty, found.at, read_at)
        return judged[self._judged - 1] if self._judged <= len(judged) else None

    def _expected_fault(
        self, step: ExpectFault, found: ExpectationJudged, read_at: Instant
    ) -> ExpectationJudged:
        opened, wanted = self._open[-1], (step.fault, step.cell)
        goes = isinstance(step, ExpectGone)
        if (wanted in opened.faults) != goes:
            return of_fault(step, -step.within_ns, step.within_ns + 1, found.at, read_at)
        if (wanted in self._faults) == goes:
            # Not seen yet is not never: somebody must have looked after the time was over.
            return of_fault(step, found.at - opened.at, None, found.at, read_at)
        by = self._changed_at[wanted] - opened.at
        unseen_until = by - from_seconds(found.uncertainty)
        return of_fault(step, unseen_until, by, found.at, read_at)


def _bounds(*limits: float | None) -> int:
    return sum(limit is not None for limit in limits)


def unlike(found: ExpectationJudged, expected: ExpectationJudged) -> list[str]:
    """Return each field in which two records differ, floats to the last bit."""
    return [
        f"{f.name} is {mine!r}, recomputed {other!r}"
        for f in fields(found)
        for mine, other in ((getattr(found, f.name), getattr(expected, f.name)),)
        if not same(mine, other)
    ]


def same(one: Any, other: Any) -> bool:
    """Say whether two values are the same to the bit; NaN is NaN, and -0.0 is not 0.0."""
    if isinstance(one, float) and isinstance(other, float):
        return one.hex() == other.hex()
    return type(one) is type(other) and bool(one == other)
