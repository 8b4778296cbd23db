"""From values to a verdict: guard-banded, and never better than the evidence.

Four verdicts, from best to worst: PASS, INCONCLUSIVE, ABORTED, FAIL; the worst that a run earns is
its verdict. FAIL stands above ABORTED because it is the only statement about the board: a deviation
that was proven stays proven when an operator then stops the run. ABORTED stands above INCONCLUSIVE
because a run that did not finish says less than one that finished and could not tell. Both say
"not shown", never "wrong".
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from hil.core.errors import LinkLost, LinkTimeout
from hil.core.instants import SECOND, Duration, Instant, to_seconds
from hil.core.records import (
    BadMeasurement,
    BenchFailed,
    Deviation,
    ExpectationJudged,
    FirmwareHalted,
    LinkFaulted,
    Overrun,
    Record,
    RecordsLost,
    SafeStateReached,
    StopRequested,
    Tick,
    Tripped,
)

COMPARISONS = ("<=", "<", ">=", ">")
"""How an expectation may compare a value with its limit."""
ALTERING = ("corrupted", "partial")
"""Link faults that leave a message with other contents, which may still be read."""
UNREACHED = frozenset({LinkLost.__name__, LinkTimeout.__name__})
"""Errors of a measurement that say nothing of the device: nobody was there to ask."""
SILENCE = "board-silent"
"""The deviation of a board that is not heard; its value is for how long, in s."""
HOST = "the bench's own clock"
"""What a late tick counts as among the devices that could not be reached."""
LARGEST_SHARE_OF_TOLERANCE = 0.25
"""Above this share of the tolerance an uncertainty makes too many verdicts INCONCLUSIVE."""


class Verdict(Enum):
    """What a run shows; the value is the exit code of ``hil run``."""

    PASS = 0
    FAIL = 1
    INCONCLUSIVE = 2
    ABORTED = 3

    @property
    def exit_code(self) -> int:
        """Return the exit code."""
        return self.value


SEVERITY = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ABORTED, Verdict.FAIL)
"""From best to worst; the reasons stand at the top of this file."""


def judge(value: float, uncertainty: float, comparison: str, limit: float) -> bool | None:
    """Compare with a guard band of the expanded uncertainty on either side of the limit.

    True only if the value clears the limit by ``uncertainty``, False only if it misses by it, None
    in between and for anything that is not a number. Raises ValueError for another comparison or a
    negative uncertainty.
    """
    if comparison not in COMPARISONS:
        raise ValueError(f"comparison {comparison!r}: expected one of {', '.join(COMPARISONS)}")
    if uncertainty < 0.0:
        raise ValueError(f"uncertainty {uncertainty}: expected >= 0")
    if math.isnan(value) or math.isnan(uncertainty) or math.isnan(limit):
        return None
    # seen from the limit, ">" and ">=" are "<" and "<=" with every sign turned
    excess = value - limit if comparison[0] == "<" else limit - value
    if comparison in ("<=", ">="):
        clears, misses = excess <= -uncertainty, excess > uncertainty
    else:
        clears, misses = excess < -uncertainty, excess >= uncertainty
    return True if clears else False if misses else None


def warn_if_too_uncertain(name: str, uncertainty: float, tolerance: float, unit: str) -> str | None:
    """Return one line if the uncertainty exceeds a quarter of the tolerance, else None."""
    if uncertainty <= LARGEST_SHARE_OF_TOLERANCE * tolerance:
        return None
    return (
        f"{name}: uncertainty {uncertainty:.3g} {unit} (k = 2) is more than a quarter of the "
        f"tolerance {tolerance:.3g} {unit}; expect INCONCLUSIVE, or use a better instrument"
    )


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, and one line for each thing that kept it from being better, worst first."""

    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Return the first reason, or what a pass means."""
        return self.reasons[0] if self.reasons else "every expectation met, no deviation"


@dataclass(frozen=True, slots=True)
class Tolerated:
    """How much a run may lose and still count: shares of its ticks.

    For ``link_fault_span`` after the bench disturbed a link by its own plan, what looks like the
    board's doing may be that message's: it may have come up to 30 s late (``LONGEST_HOLD`` of
    ``drivers.links.faulty_plan``), and the slowest rule tells what it found a minute after it began
    (``temperature_window`` of ``hil.verdict.deviations``).
    """

    overrun_share: float = 0.01
    bad_share: float = 0.01
    link_fault_span: Duration = 90 * SECOND


class Judge:
    """A fold over the records of a run.

    Evidence closes with the first trip or request to stop: what follows is the bench taking the
    board down, so a silent board or an unmet expectation after it is no fault of the board.
    """

    def __init__(self, tolerated: Tolerated | None = None) -> None:
        """Start without evidence."""
        self._tolerated = tolerated or Tolerated()
        self._found: list[tuple[Verdict, str]] = []
        self._closed = False
        self._ticks = self._missed = 0
        self._bad_at: dict[Instant, str] = {}
        self._link_fault: LinkFaulted | None = None
        self._altered: LinkFaulted | None = None
        self._unsafe: dict[str, tuple[Verdict, str]] = {}
        self._unreached: dict[str, Instant] = {}  # when a device last could not be reached

    def count_ticks(self, ticks: int) -> None:
        """Add many ticks at once: all that counts of them here is how many there are."""
        self._ticks += ticks

    @property
    def noted(self) -> Sequence[tuple[Verdict, str]]:
        """Return what has been found so far, in the order of the records in which it stands.

        Who looks before and after a record knows how that one was weighed. What the run as a whole
        shows too little of, and devices that did not go safe, are not in it: ``result`` adds them.
        """
        return self._found

    def feed(self, record: Record) -> None:
        """Add one record."""
        match record:
            case Tick():
                self._ticks += 1
            case LinkFaulted():
                self._link_fault = record
                if record.direction == "to host" and record.fault in ALTERING:
                    self._altered = record
            case SafeStateReached():
                self._safe_state(record)
            case Tripped() | StopRequested():
                self._end(record)
            case BenchFailed():
                # the bench cannot tell what it did not live to see
                self._note(Verdict.INCONCLUSIVE, f"{record.error}: {record.message}")
                self._closed = True
            case FirmwareHalted():
                self._note(Verdict.FAIL, f"{record.device}: {record.reason}")
            case RecordsLost():
                lost = f"records {record.first} to {record.last} are lost: {record.reason}"
                self._note(Verdict.INCONCLUSIVE, lost)
            case Deviation() | ExpectationJudged() | Overrun() | BadMeasurement():
                self._evidence(record)

    def _evidence(self, record: Deviation | ExpectationJudged | Overrun | BadMeasurement) -> None:
        """Weigh what happened while the run was on; of later, only who could not be reached."""
        match record:
            case BadMeasurement():
                if record.error in UNREACHED:
                    self._unreached[record.device] = record.at
                if not self._closed:
                    self._bad_at[record.at] = f"{record.device}: {record.message}"
            case _ if self._closed:
                return
            case Deviation():
                text = f"{record.name}: {record.subject} {record.value:.6g}{_unit(record)}"
                text = f"{text}, limit {record.limit:.6g}: {record.situation}"
                excuse = self._excuse(record.at)
                if record.name == SILENCE:
                    excuse = excuse or self._deaf(record.at, record.value)
                self._note(Verdict.INCONCLUSIVE if excuse else Verdict.FAIL, text + excuse)
            case ExpectationJudged():
                self._expectation(record)
            case Overrun():
                self._missed += record.missed
                self._unreached[HOST] = record.at

    def _expectation(self, record: ExpectationJudged) -> None:
        """A failed one is the board's; an open one, or one read off a bad tick, nobody's.

        Nor is one met that was read off what the bench itself may have altered: an instrument's
        answer has no checksum, so one turned bit can be another number.

        So is one that was read after a link fault, or before one that came before it was judged:
        what a metric says of a whole run holds the whole run's messages.
        """
        text = f"{record.name}: {record.value:.6g} ± {record.uncertainty:.2g}{_unit(record)}"
        text = f"{text}, expected {record.comparison} {record.limit:.6g}"
        if record.passed is None:
            self._note(Verdict.INCONCLUSIVE, f"{text}: cannot tell ({record.where})")
        elif record.read_at in self._bad_at:
            bad = self._bad_at[record.read_at]
            self._note(Verdict.INCONCLUSIVE, f"{text}: read off a bad measurement ({bad})")
        elif record.passed:
            altered = self._altered
            if altered is not None and altered.at >= record.read_at:
                why = f"message {altered.index} to host of {altered.device} {altered.fault}"
                text = f"{text}: read off what the bench's own link fault may have altered ({why})"
                self._note(Verdict.INCONCLUSIVE, text)
        else:
            excuse = self._excuse(record.read_at)
            self._note(Verdict.INCONCLUSIVE if excuse else Verdict.FAIL, text + excuse)

    def _end(self, record: Tripped | StopRequested) -> None:
        """Close the evidence; a trip that blames the board is the last piece of it."""
        if isinstance(record, StopRequested):
            self._note(Verdict.ABORTED, f"stopped by {record.source}")
        else:
            excuse = ""
            if record.blames_board:
                excuse = self._excuse(record.at) or self._deaf(record.at, record.value)
            blamed = record.blames_board and not self._closed and not excuse
            text = f"{record.limit}: {record.subject} {record.value:.6g}{_unit(record)}"
            text = f"{text}, bound {record.bound:.6g}{excuse}"
            self._note(Verdict.FAIL if blamed else Verdict.ABORTED, text)
        self._closed = True

    def _excuse(self, at: Instant) -> str:
        """Return what the bench itself had just done to a link; empty if it left them alone."""
        fault = self._link_fault
        if fault is None or at - fault.at > self._tolerated.link_fault_span:
            return ""
        message = f"message {fault.index} {fault.direction} of {fault.device} {fault.fault}"
        since_s = max(0.0, to_seconds(at - fault.at))
        return f"; explained by the bench's own link fault ({message}, {since_s:.1f} s before)"

    def _deaf(self, at: Instant, silent_s: float) -> str:
        """Return what else stood still while the board was not heard; empty if nothing did.

        What silences an instrument (a switch that starts anew) or the host itself may have silenced
        the board's link as well: then its silence says nothing of the board.
        """
        since = at - round(silent_s * SECOND)
        silent = [device for device, last in self._unreached.items() if last >= since]
        return f"; {', '.join(silent)} could not be reached either" if silent else ""

    def _safe_state(self, record: SafeStateReached) -> None:
        """A device that says it is not safe ends the run as aborted, whatever it had shown.

        Its last attempt counts: the bench tells a device again that it could not read back. Of one
        that cannot be reached nothing is known, and nothing follows.
        """
        self._unsafe.pop(record.device, None)
        if not record.ok:
            text = f"{record.device}: safe state not reached, read back {record.read_back}"
            silent = self._unreached.get(record.device) == record.at
            self._unsafe[record.device] = (
                Verdict.INCONCLUSIVE if silent else Verdict.ABORTED,
                text,
            )

    def _note(self, verdict: Verdict, reason: str) -> None:
        """Keep a finding."""
        self._found.append((verdict, reason))

    def result(self) -> Judgement:
        """Return the verdict on what has been fed so far."""
        unsafe = list(self._unsafe.values())
        found = sorted(
            self._found + unsafe + self._gaps_in_evidence(),
            key=lambda note: -SEVERITY.index(note[0]),
        )
        verdict = found[0][0] if found else Verdict.PASS
        return Judgement(verdict, tuple(reason for _, reason in found))

    def _gaps_in_evidence(self) -> list[tuple[Verdict, str]]:
        """Return why the run as a whole shows too little."""
        if not self._ticks:
            return [(Verdict.INCONCLUSIVE, "nothing was measured")]
        found = []
        shares = (
            ("slots missed", self._missed / (self._ticks + self._missed), "overrun_share"),
            ("ticks with bad measurements", len(self._bad_at) / self._ticks, "bad_share"),
        )
        for what, share, key in shares:
            allowed: float = getattr(self._tolerated, key)
            if share > allowed:
                text = f"{what}: {share:.2%} of the run, tolerated {allowed:.2%}"
                found.append((Verdict.INCONCLUSIVE, text))
        return found


def overall(records: Iterable[Record], tolerated: Tolerated | None = None) -> Judgement:
    """Return the verdict on a whole run."""
    judgement = Judge(tolerated)
    for record in records:
        judgement.feed(record)
    return judgement.result()


def _unit(record: Deviation | ExpectationJudged | Tripped) -> str:
    """Return what stands behind a value: nothing behind a plain number, whose unit is 1."""
    return "" if record.unit == "1" else f" {record.unit}"
