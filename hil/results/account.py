"""The account of a run: what its record says, gathered once for all who tell it.

Report, JUnit file and comparison are views of this, so they cannot disagree. Nothing is taken from
the run's own summary but what no record holds: the figures are folded from the records again, as
they were while the run was on, and the verdict is held against the one that was recorded.
"""

import hashlib
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hil.core.errors import EnvironmentProblem
from hil.core.instants import Duration, Instant
from hil.core.records import (
    Deviation,
    DeviceIdentified,
    ExpectationJudged,
    Record,
    RunEnded,
    RunStarted,
    SafeStateArmed,
    SafeStateReached,
    Tick,
)
from hil.core.signals import Layout, Signal
from hil.results import canonical, catalogue, disk, manifest
from hil.results.contents import Contents, Finding, Rows
from hil.verdict.judgement import Judge, Judgement, Verdict
from hil.verdict.metrics import Metrics
from hil.verdict.registry import MetricValue

DAMAGE = (ArithmeticError, LookupError, TypeError, ValueError, struct.error)
"""What folding a record that no bench has written may raise."""


class Listener(Protocol):
    """Takes the records of a run while its account is made."""

    def begin(self, contents: Contents) -> None:
        """Hear of what will be read, before the first record."""

    def feed(self, part: Record | Rows) -> None:
        """Take one record, or many ticks."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A record of evidence and what the judge made of it when it came.

    ``verdict`` is None where it speaks against nothing, or came after the evidence was closed.
    """

    record: Record
    verdict: Verdict | None
    reason: str


@dataclass
class Account:
    """What a run's folder says. Lists are in the order of the records.

    ``manifest`` and ``summary`` are empty where they cannot be believed; ``judgement`` and
    ``metrics`` are folded from the records that are there; ``findings`` is what is wrong with them;
    ``guardian`` is what the run's guardian left, if it had to act.
    """

    run: str
    manifest: Mapping[str, Any]
    summary: Mapping[str, Any]
    findings: list[Finding] = field(default_factory=list)
    started: RunStarted | None = None
    ended: RunEnded | None = None
    others: list[Record] = field(default_factory=list)
    weighed: list[Weighed] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    first_at: Instant | None = None
    last_at: Instant = 0
    judgement: Judgement = field(default_factory=lambda: Judgement(Verdict.INCONCLUSIVE, ()))
    noted: Sequence[tuple[Verdict, str]] = ()
    metrics: Mapping[str, MetricValue] = field(default_factory=dict)
    guardian: Mapping[str, Any] = field(default_factory=dict)

    # --- is it all there? ------------------------------------------------------------------------

    @property
    def sealed(self) -> str:
        """Return the digest with which the run was closed, empty if it was not."""
        return str(self.manifest.get("digest", ""))

    @property
    def problem(self) -> str:
        """Say in a word why no verdict can be read off this record, empty if one can.

        A run that was repaired is whole again, with the verdict on what is left of it.
        """
        if self.ended is None:
            return "unfinished"
        if self.findings:
            return "damaged"
        return "" if self.sealed else "not sealed"

    @property
    def verdict(self) -> str:
        """Return the recorded verdict, empty if there is none or the record is not whole."""
        return self.ended.verdict if self.ended is not None and not self.problem else ""

    # --- parts of it -----------------------------------------------------------------------------

    def of(self, kind: type) -> Iterator[Any]:
        """Yield the records of a kind, ticks excepted."""
        return (record for record in self.others if isinstance(record, kind))

    @property
    def zero(self) -> Instant:
        """Return the instant of the first tick: people count the time of a run from there."""
        return 0 if self.first_at is None else self.first_at

    @property
    def span(self) -> Duration:
        """Return how long the run ticked."""
        if self.first_at is None or self.started is None:
            return 0
        return self.last_at - self.first_at + self.started.tick

    @property
    def expectations(self) -> list[Weighed]:
        """Return every expectation and criterion with what the judge made of it."""
        return [one for one in self.weighed if isinstance(one.record, ExpectationJudged)]

    @property
    def deviations(self) -> list[Weighed]:
        """Return every deviation with what the judge made of it."""
        return [one for one in self.weighed if isinstance(one.record, Deviation)]

    @property
    def devices(self) -> list[DeviceIdentified]:
        """Return who answered."""
        return list(self.of(DeviceIdentified))

    def unsafe(self) -> list[str]:
        """Return the devices that were switched on and not read back as safe at the end.

        What the guardian has read back counts after the run's own.
        """
        last: dict[str, bool] = {}
        for record in self.others:
            if isinstance(record, SafeStateArmed):
                last[record.device] = False
            elif isinstance(record, SafeStateReached):
                last[record.device] = record.ok
        last |= {one["device"]: one["ok"] for one in self.guardian.get("devices", ())}
        return [device for device, ok in last.items() if not ok]


def account_of(folder: Path, *listeners: Listener) -> Account:
    """Read a run's folder, whatever state it is in; ``listeners`` see every record on the way.

    Raises EnvironmentProblem while it is being recorded.
    """
    with disk.locked(folder, shared=True):
        account = _papers(folder)
        with suppress(EnvironmentProblem):  # none was needed, or it was killed as well
            account.guardian = catalogue.read_json(folder, catalogue.GUARDIAN)
        contents = Contents(folder, int(account.manifest.get("records", 0)))
        fold = _Fold(account)
        for listener in listeners:
            listener.begin(contents)
        with np.errstate(all="ignore"):  # altered numbers may overflow
            for part in contents.stretches():
                fold.feed(part)
                for listener in listeners:
                    listener.feed(part)
            fold.finish()
        account.findings += contents.findings
        account.findings = list(dict.fromkeys(account.findings))
    return account


def _papers(folder: Path) -> Account:
    """Read manifest and summary, and hold every sealed file against its SHA-256."""
    try:
        body = catalogue.read_json(folder, catalogue.MANIFEST)
    except EnvironmentProblem:
        return Account(folder.name, {}, {}, [Finding(catalogue.MANIFEST, "cannot be read")])
    wrong = [Finding(*one) for one in manifest.complaints(folder, body)]
    if not manifest.is_own(body):
        return Account(folder.name, {}, {}, wrong)
    summary: Mapping[str, Any] = {}
    if catalogue.SUMMARY in body.get("files", {}):
        try:
            summary = catalogue.read_json(folder, catalogue.SUMMARY)
        except EnvironmentProblem as problem:
            wrong.append(Finding(catalogue.SUMMARY, str(problem)))
    return Account(str(body.get("run") or folder.name), body, summary, wrong)


class _Fold:
    """Fills an account from the records."""

    def __init__(self, account: Account) -> None:
        """Begin before the first record."""
        self._account = account
        self._judge = Judge()
        self._metrics: Metrics | None = Metrics()

    def feed(self, part: Record | Rows) -> None:
        """Take one record, or many ticks."""
        account = self._account
        if isinstance(part, Rows):
            if account.first_at is None:
                account.first_at = int(part.at_ns[0])
            account.last_at = int(part.at_ns[-1])
            account.counts[Tick.kind] += len(part.at_ns)
            self._judge.count_ticks(len(part.at_ns))
        else:
            account.counts[part.kind] += 1
            account.others.append(part)
            self._weigh(part)
            if isinstance(part, RunStarted) and account.started is None:
                account.started = part
            account.ended = part if isinstance(part, RunEnded) else None
        self._measure(part)

    def _weigh(self, record: Record) -> None:
        """Let the judge see a record, and keep what it said to evidence."""
        before = len(self._judge.noted)
        self._judge.feed(record)
        new = self._judge.noted[before:]
        if new or isinstance(record, ExpectationJudged | Deviation):
            verdict, reason = new[0] if new else (None, "")
            self._account.weighed.append(Weighed(record, verdict, reason))

    def _measure(self, part: Record | Rows) -> None:
        """Fold the metrics as long as the rows are those of a bench."""
        if self._metrics is None:
            return
        try:
            if isinstance(part, Rows):
                self._metrics.feed_rows(part.at_ns, part.values)
            else:
                self._metrics.feed(part)
        except DAMAGE:
            self._metrics = None

    def finish(self) -> None:
        """Take the results."""
        account = self._account
        account.judgement = self._judge.result()
        account.noted = list(self._judge.noted)
        try:
            account.metrics = self._metrics.result() if self._metrics is not None else {}
        except DAMAGE:
            account.metrics = {}


def layout_of(started: RunStarted | None) -> Layout:
    """Return how the ticks are laid out; without columns where that is not known."""
    try:
        return Layout(Signal(*signal) for signal in (started.signals if started else ()))
    except (TypeError, ValueError):
        return Layout(())


def digest_of(folder: Path) -> str:
    """Return the digest of what can be read, computed anew. Raises EnvironmentProblem."""
    sha = hashlib.sha256()
    with disk.locked(folder, shared=True):
        for seq, record in Contents(folder).records():
            sha.update(canonical.line(seq, record))
    return sha.hexdigest()
