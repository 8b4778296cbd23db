"""A run judged once more from its records alone: verdict, metrics and digest.

No bench, no event loop, no driver and no file of a profile takes part: the records go through the
same folds that listened while the run was on (``Judge``, ``Metrics``, ``canonical``), and what was
expected is judged anew by what the first record says. Whatever does not come out as it stands in
the record is a difference. A record that ends early or has a gap never passes.
"""

import hashlib
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hil.bench.expectations import of_run
from hil.bench.recorded import Recorded
from hil.bench.rejudge import Rejudge, same, unlike
from hil.core.instants import Instant
from hil.core.records import (
    ExpectationJudged,
    Record,
    RecordsLost,
    RunEnded,
    RunStarted,
    Tick,
)
from hil.core.signals import Layout, Signal
from hil.results import canonical
from hil.verdict.judgement import Judge, Judgement, Verdict
from hil.verdict.metrics import Metrics
from hil.verdict.registry import MetricValue

ENDS_HERE = "the record ends here: nobody knows what came after"

MOST_DIFFERENCES = 100
"""More lines than that say nothing new; the last one counts the rest."""

DAMAGE = (ArithmeticError, LookupError, TypeError, ValueError, struct.error)
"""What folding a record that no bench has written may raise."""


class Difference(NamedTuple):
    """Something that does not come out as it was written down.

    ``of`` is the part of the run that it is about: ``record``, ``verdict``, ``digest``,
    ``physics``, ``summary``, or the name of a metric.
    """

    of: str
    text: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.of}: {self.text}"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the records show; ``differences`` has a line for each thing that they say otherwise.

    ``ended`` is the run's own last word, None where the record breaks off before it.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    metrics: Mapping[str, MetricValue]
    digest: str
    records: int
    ended: RunEnded | None
    differences: tuple[Difference, ...]


def replay(records: Iterable[tuple[int, Record]]) -> Replayed:
    """Fold ``records`` (sequence number and record, in order), which may be damaged or altered."""
    fold = _Replay()
    # Altered numbers may overflow or be no numbers: that is found where they are compared.
    with np.errstate(all="ignore"):
        for seq, record in records:
            fold.feed(seq, record)
        return fold.result()


def against(replayed: Replayed, summary: Mapping[str, Any]) -> list[Difference]:
    """Return what a run's ``summary.json`` says otherwise than its records."""
    found = [
        Difference(of, f"the summary's {name} is {summary.get(name)!r}, recomputed {value!r}")
        for of, name, value in (
            ("verdict", "verdict", replayed.verdict.name),
            ("verdict", "reasons", list(replayed.reasons)),
            ("digest", "digest", replayed.digest),
        )
        if summary.get(name) != value
    ]
    told = summary.get("metrics")
    told = told if isinstance(told, Mapping) else {}
    for name in dict.fromkeys([*replayed.metrics, *told]):
        one = replayed.metrics.get(name)
        if name not in told and one is not None and math.isnan(one.value):
            continue  # named since that run, which has no reading for it
        if one is None or not _alike(told.get(name), one.plain()):
            ours = None if one is None else one.plain()
            found.append(Difference(name, f"the summary's is {told.get(name)}, recomputed {ours}"))
    return found


def _alike(one: Any, other: Mapping[str, Any]) -> bool:
    """Compare a metric as JSON gave it back: numbers to the bit."""
    return (
        isinstance(one, Mapping)
        and one.keys() == other.keys()
        and all(same(one[key], other[key]) for key in other)
    )


class _Replay:
    """The fold behind ``replay``."""

    def __init__(self) -> None:
        """Start without a record."""
        self._digest = hashlib.sha256()
        self._judge, self._metrics = Judge(), Metrics()
        self._rejudge: Rejudge | None = None
        self._recorded: Recorded | None = None
        self._width = 0
        self._criteria: list[tuple[int, ExpectationJudged]] = []
        self._ended: RunEnded | None = None
        self._at: Instant = 0
        self._records = 0
        self._next = 0
        self._gaps: list[tuple[int, int]] = []
        self._lost: list[RecordsLost] = []
        self._found: list[Difference] = []
        self._unsaid = 0

    # --- records -----------------------------------------------------------------------------

    def feed(self, seq: int, record: Record) -> None:
        """Add one record."""
        self._follow(seq, record)
        for part in (self._hash, self._fold, self._rejudged, self._measured):
            try:
                part(seq, record)
            except DAMAGE as error:
                self._differ(seq, record, f"cannot be folded: {_named(error)}")

    def _follow(self, seq: int, record: Record) -> None:
        """Keep count, and see that no record is missing, doubled or after the end."""
        if seq > self._next:
            self._gaps.append((self._next, seq - 1))
        elif seq < self._next:
            self._differ(seq, record, f"stands where record {self._next} is expected")
        if self._ended is not None:
            self._differ(seq, record, "comes after the run has ended")
        if (self._records == 0) != isinstance(record, RunStarted):
            self._differ(seq, record, "is out of place: a record begins with run-started, once")
        self._next = max(self._next, seq + 1)
        self._records += 1
        self._at = record.at

    def _hash(self, seq: int, record: Record) -> None:
        self._digest.update(canonical.line(seq, record))

    def _fold(self, _seq: int, record: Record) -> None:
        match record:
            case RunStarted():
                layout = Layout(Signal(*signal) for signal in record.signals)
                self._width = layout.width
                self._recorded = Recorded.of(record)
                self._rejudge = Rejudge(self._recorded, record, layout)
            case RecordsLost():
                self._lost.append(record)
            case RunEnded():
                self._ended = record

    def _rejudged(self, seq: int, record: Record) -> None:
        """Give the judge what the record shows, not what it says that it shows."""
        if self._rejudge is None or not isinstance(record, ExpectationJudged):
            self._judge.feed(record)
            if self._rejudge is not None:
                for text in self._rejudge.feed(record):
                    self._differ(seq, record, text)
            return
        expected = self._rejudge.expected(record)
        if expected is None:
            self._criteria.append((seq, record))
        else:
            self._compare(seq, record, expected)
            self._judge.feed(expected)

    def _measured(self, _seq: int, record: Record) -> None:
        if isinstance(record, Tick) and len(record.values) != self._width:
            raise ValueError(f"a row of {len(record.values)} values, expected {self._width}")
        self._metrics.feed(record)

    # --- the end -----------------------------------------------------------------------------

    def result(self) -> Replayed:
        """Judge the criteria, and compare with the last word of the record."""
        metrics = self._judged_criteria()
        holes = [gap for gap in self._gaps if not self._announced(*gap)]
        for first, last in holes:
            self._note("record", f"{_numbers(first, last)} missing")
        judgement = self._judgement()
        if self._ended is None:
            self._note("record", ENDS_HERE)
            judgement = _at_best_inconclusive(judgement, ENDS_HERE)
        if holes:
            judgement = _at_best_inconclusive(judgement, f"{len(holes)} gaps in the record")
        if self._ended is not None:
            self._compare_end(self._ended, judgement)
        if self._unsaid:
            self._found.append(Difference("record", f"and {self._unsaid} more differences"))
        return Replayed(
            judgement.verdict,
            judgement.reasons,
            metrics,
            self._digest.hexdigest(),
            self._records,
            self._ended,
            tuple(self._found),
        )

    def _judged_criteria(self) -> Mapping[str, MetricValue]:
        """Judge the profile's criteria on the metrics of the whole run; return the metrics."""
        if self._recorded is None or self._rejudge is None:
            return {}
        try:
            metrics = self._metrics.result()
        except DAMAGE as error:
            self._note("metrics", f"they cannot be computed: {_named(error)}")
            return {}
        at, whole = self._ended.at if self._ended else self._at, self._rejudge.complete
        for k, criterion in enumerate(self._recorded.criteria):
            try:
                expected = of_run(criterion, metrics, at, whole=whole)
            except DAMAGE as error:
                self._note("verdict", f"'{criterion.text}' cannot be judged: {_named(error)}")
                continue
            self._judge.feed(expected)
            if k < len(self._criteria):
                self._compare(*self._criteria[k], expected)
            elif self._ended:
                self._note("record", f"criterion '{criterion.text}' was not judged")
        for seq, record in self._criteria[len(self._recorded.criteria) :]:
            self._differ(seq, record, "nothing of the kind was expected")
        return metrics

    def _judgement(self) -> Judgement:
        """Return what the judge makes of it, unless its figures make no sense."""
        try:
            return self._judge.result()
        except DAMAGE as error:
            text = f"the evidence cannot be weighed: {_named(error)}"
            self._note("verdict", text)
            return Judgement(Verdict.INCONCLUSIVE, (text,))

    def _compare(self, seq: int, found: ExpectationJudged, expected: ExpectationJudged) -> None:
        for text in unlike(found, expected):
            self._differ(seq, found, f"of '{expected.name}': {text}")

    def _compare_end(self, ended: RunEnded, judgement: Judgement) -> None:
        for what, told, ours in (
            ("verdict", ended.verdict, judgement.verdict.name),
            ("reason", ended.reason, judgement.reason),
        ):
            if told != ours:
                self._note("verdict", f"run-ended says {what} {told!r}, recomputed {ours!r}")

    def _announced(self, first: int, last: int) -> bool:
        """Say whether the record itself says that it lost these."""
        return any(lost.first <= first and last <= lost.last for lost in self._lost)

    def _differ(self, seq: int, record: Record, text: str) -> None:
        self._note("record", f"{seq} ({record.kind}) {text}")

    def _note(self, of: str, text: str) -> None:
        if len(self._found) < MOST_DIFFERENCES:
            self._found.append(Difference(of, text))
        else:
            self._unsaid += 1


def _numbers(first: int, last: int) -> str:
    return f"{first} is" if first == last else f"{first} to {last} are"


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _at_best_inconclusive(judgement: Judgement, why: str) -> Judgement:
    """Return a judgement that is no better than a record with something missing allows."""
    passed = judgement.verdict is Verdict.PASS
    verdict = Verdict.INCONCLUSIVE if passed else judgement.verdict
    return Judgement(verdict, (*judgement.reasons, why))
