"""Metrics of a run: a fold over its records and nothing else.

``Metrics().feed(record)`` for each record, ``result()`` at any time: for the newest expectation of
a running bench or, years later, from the journal, with the same result to the bit.
"""

from hil.core.instants import Instant
from hil.core.records import Record, RunStarted, StepEnded, StepStarted, Tick
from hil.verdict.agreement import AgreementFold
from hil.verdict.bleeding import BleedFold, NeedFold
from hil.verdict.blocks import Block, Buffer, Floats, Nanoseconds, Run
from hil.verdict.oscillation import OscillationFold
from hil.verdict.read_outs import MEASURED, TRUE, ExtremeFold, GapFold, ReportFold, StateFold
from hil.verdict.registry import (
    METRICS,
    MetricInfo,
    MetricValue,
    Uncertainties,
    not_available,
)

__all__ = ["METRICS", "MetricInfo", "MetricValue", "Metrics", "Uncertainties"]

BLOCK = 512
"""Ticks folded at once: enough to make NumPy's overhead vanish, little enough to stay in cache."""
MISSING = {
    "emulated": "needs emulated cells",
    "study": "only a study's packs and boards tell it; no record of a bench holds it",
}
"""Why a metric is n/a that no fold of this run gave."""


class Metrics:
    """All metrics of ``METRICS``, of one run."""

    def __init__(self, block: int = BLOCK) -> None:
        """Start without a run; ``block`` is how many ticks are folded at once."""
        self._size = block
        self._folds: _Folds | None = None
        self._buffer: Buffer | None = None

    def feed(self, record: Record) -> None:
        """Add one record. Raises ValueError for a tick or step before the run's first record."""
        if type(record) is Tick:
            if self._buffer is None:
                raise ValueError("tick before the run started")
            if self._buffer.add(record.at, record.values):
                self._flush()
        elif isinstance(record, RunStarted):
            run = Run.of(record)
            uncertainties = Uncertainties.of(record.constants)
            self._buffer, self._folds = Buffer(run, self._size), _Folds(run, uncertainties)
        elif isinstance(record, StepStarted | StepEnded):
            self._flush()
            self._started().step(record)

    def feed_rows(self, at_ns: Nanoseconds, rows: Floats) -> None:
        """Add ticks at once: instants (n,) and rows (n, columns); to the bit as one by one.

        Raises ValueError before the run's first record, or for rows of another width.
        """
        self._flush()
        buffer, folds = self._buffer, self._started()
        assert buffer is not None  # noqa: S101 - it is there when the folds are
        if rows.shape[1] != buffer.width:
            raise ValueError(f"rows of {rows.shape[1]} columns, expected {buffer.width}")
        for start in range(0, len(at_ns), self._size):
            part = slice(start, start + self._size)
            folds.feed(buffer.block(at_ns[part], rows[part]))

    def result(self) -> dict[str, MetricValue]:
        """Return every metric as of the last tick. Raises ValueError before the run's start."""
        self._flush()
        return self._started().values()

    def _flush(self) -> None:
        """Fold what the buffer holds."""
        block = self._buffer.take() if self._buffer else None
        if block is not None:
            self._started().feed(block)

    def _started(self) -> "_Folds":
        """Return the folds of the run."""
        if self._folds is None:
            raise ValueError("no run has started")
        return self._folds


class _Folds:
    """The folds of one run, and what they tell each other."""

    def __init__(self, run: Run, uncertainties: Uncertainties) -> None:
        """Begin them; those that need the truth only where there is one."""
        self._at: Instant | None = None
        self._bleed = BleedFold(run, uncertainties)
        self._report = ReportFold(uncertainties)
        self._oscillation = OscillationFold(run)
        self._gaps = [GapFold(run, uncertainties, MEASURED)]
        self._agreement = AgreementFold(run)
        self._truth = _TruthFolds(run, uncertainties) if run.truth else None
        if run.truth:
            self._gaps.append(GapFold(run, uncertainties, TRUE))

    def step(self, record: StepStarted | StepEnded) -> None:
        """Tell those folds that read at the end of steps."""
        for gap in self._gaps:
            if isinstance(record, StepStarted):
                gap.step_started(record.index, record.path)
            else:
                gap.step_ended(record.index)

    def feed(self, block: Block) -> None:
        """Add a block to all."""
        self._at = int(block.at_ns[-1])
        bleeding = self._bleed.feed(block)
        self._report.feed(block)
        self._agreement.feed(block)
        self._oscillation.feed(block, bleeding.on, bleeding.was_on)
        for gap in self._gaps:
            gap.feed(block)
        if self._truth is not None:
            self._truth.state.feed(block)
            self._truth.extreme.feed(block)
            self._truth.need.feed(block, bleeding)

    def values(self) -> dict[str, MetricValue]:
        """Return all metrics, in the order of the registry."""
        if self._at is None:
            return {name: not_available(name, 0, "no tick yet") for name in METRICS}
        at, u_bled_ah = self._at, self._bleed.charge_uncertainty_ah()
        found = self._bleed.values(at) | self._report.values(at) | self._agreement.values(at)
        found |= self._oscillation.values(at)
        for gap in self._gaps:
            found |= gap.values(at)
        if self._truth is not None:
            found |= self._truth.state.values(at, u_bled_ah) | self._truth.extreme.values(at)
            found |= self._truth.need.values(at, u_bled_ah)
        return {
            name: found.get(name, not_available(name, at, MISSING.get(info.needs, "not recorded")))
            for name, info in METRICS.items()
        }


class _TruthFolds:
    """The folds that need to know the true state of the cells."""

    def __init__(self, run: Run, uncertainties: Uncertainties) -> None:
        """Begin them."""
        self.state = StateFold(run, uncertainties)
        self.extreme = ExtremeFold(uncertainties)
        self.need = NeedFold(run, uncertainties)
