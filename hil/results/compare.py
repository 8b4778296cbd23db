"""Two runs held against each other: what came out otherwise, and what was put in otherwise.

Only records that are whole can be equal: of one that is not, nobody knows what it would have shown.

A figure counts as changed if the two values are further apart than their combined uncertainty,
``sqrt(Ua^2 + Ub^2)`` (both k = 2, so is that): less could be the instruments. Errors that both
runs share, such as one instrument's calibration, make that a cautious measure.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from hil.core.records import (
    BenchFailed,
    Deviation,
    ExpectationJudged,
    Record,
    RunStarted,
    StopRequested,
    Tick,
    Tripped,
)
from hil.results import canonical, disk
from hil.results.account import Account, account_of, digest_of, layout_of
from hil.results.contents import Contents
from hil.verdict.registry import MetricValue, finite

ROUNDING = 1e-9
"""Relative difference of two values that arithmetic alone may make, from processor to processor."""

MOST_FIELDS = 8
"""Fields of the first record that differs of which both values are shown."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that differs: in the first run, in the second. None where one has no such thing."""

    what: str
    first: str | None
    second: str | None


@dataclass(frozen=True, slots=True)
class Delta:
    """A figure of both runs. ``beyond`` says that they differ by more than their uncertainty.

    Values are None where a run has no such figure, NaN where it was not measured, infinite where
    it never came; ``delta`` is NaN unless both are numbers; ``uncertainty`` is the combined one.
    """

    name: str
    unit: str
    first: float | None
    second: float | None
    delta: float
    uncertainty: float
    beyond: bool


@dataclass
class Comparison:
    """What differs between two runs. ``outcome`` lists verdict and reasons, ``inputs`` the rest.

    ``problems`` says of each in a word why no verdict can be read off it, empty if one can.
    ``grounds`` is what was found in only one of them, or weighed otherwise: a board that fails for
    something else has not come out alike, though no figure tells. ``digests`` are those of what can
    be read: a seal says nothing of a record that it no longer fits.
    """

    runs: tuple[str, str]
    verdicts: tuple[str, str]
    digests: tuple[str, str]
    problems: tuple[str, str]
    grounds: list[Change] = field(default_factory=list)
    outcome: list[Change] = field(default_factory=list)
    expectations: list[Delta] = field(default_factory=list)
    metrics: list[Delta] = field(default_factory=list)
    inputs: list[Change] = field(default_factory=list)
    events: list[Change] = field(default_factory=list)
    first_difference: list[Change] = field(default_factory=list)

    @property
    def comparable(self) -> bool:
        """Say whether both records are whole."""
        return not any(self.problems)

    @property
    def identical(self) -> bool:
        """Say whether the records are whole, and the same to the bit."""
        return self.comparable and self.digests[0] == self.digests[1]

    @property
    def equal(self) -> bool:
        """Say whether both came out alike: verdict, its grounds, figures within uncertainty."""
        alike = self.comparable and self.verdicts[0] == self.verdicts[1] and not self.grounds
        return alike and not any(one.beyond for one in (*self.expectations, *self.metrics))

    def plain(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "runs": list(self.runs),
            "comparable": self.comparable,
            "problems": list(self.problems),
            "equal": self.equal,
            "identical": self.identical,
            "verdicts": list(self.verdicts),
            "digests": list(self.digests),
            "grounds": [_plain(one) for one in self.grounds],
            "outcome": [_plain(one) for one in self.outcome],
            "expectations": [_plain(one) for one in self.expectations],
            "metrics": [_plain(one) for one in self.metrics],
            "inputs": [_plain(one) for one in self.inputs],
            "events": [_plain(one) for one in self.events],
            "first_difference": [_plain(one) for one in self.first_difference],
        }


def compare(one: Path, other: Path) -> Comparison:
    """Compare the records of two runs, whatever state they are in.

    Raises EnvironmentProblem while one of them is being recorded.
    """
    a, b = account_of(one), account_of(other)
    digests = _digest(a, one), _digest(b, other)
    problems = a.problem, b.problem
    # by their folders: that is where they are found again, a copy too
    runs = one.name or a.run, other.name or b.run
    found = Comparison(runs, (_verdict(a), _verdict(b)), digests, problems)
    found.grounds = list(_changes(_grounds(a), _grounds(b)))
    found.outcome = list(_outcome(a, b))
    found.expectations = list(_expectations(a, b))
    found.metrics = list(_metrics(a, b))
    found.inputs = list(_inputs(a, b))
    found.events = list(_changes(_counts(a), _counts(b)))
    if not found.identical:
        found.first_difference = first_difference(one, other)
    return found


def _digest(account: Account, folder: Path) -> str:
    """Return the sealed digest where every file is as it was sealed, else that of what is left."""
    return digest_of(folder) if account.problem else account.sealed


def _verdict(account: Account) -> str:
    return account.verdict or account.problem.upper()


def _plain(one: Change | Delta) -> dict[str, Any]:
    values = ((name, getattr(one, name)) for name in one.__slots__)
    return {name: finite(v) if isinstance(v, float) else v for name, v in values}


# --- what came out -------------------------------------------------------------------------------


def _outcome(a: Account, b: Account) -> Iterator[Change]:
    """Yield verdict and reasons that only one of the two has."""
    if _verdict(a) != _verdict(b):
        yield Change("verdict", _verdict(a), _verdict(b))
    mine, theirs = a.judgement.reasons, b.judgement.reasons
    yield from (Change("reason", one, None) for one in mine if one not in theirs)
    yield from (Change("reason", None, one) for one in theirs if one not in mine)


def _grounds(account: Account) -> dict[str, str]:
    """Return what speaks against a run and how it was weighed; figures and times are left out.

    What the judge says of a run as a whole (slots missed, a device that did not go safe) has no
    record of its own: its reason begins with what it is about.
    """
    grounds: dict[str, set[str]] = {}
    told = {one.reason for one in account.weighed}
    for one in account.weighed:
        if one.verdict is not None:
            grounds.setdefault(_ground(one.record), set()).add(one.verdict.name)
    for reason in account.judgement.reasons:
        if reason not in told:
            grounds.setdefault(_about(reason), set())
    return {about: ", ".join(sorted(verdicts)) for about, verdicts in grounds.items()}


def _ground(record: Record) -> str:
    """Say what a record of evidence is about."""
    match record:
        case Deviation():
            about = f"{record.name} of {record.subject}"
        case Tripped():
            about = f"{record.limit} of {record.subject}"
        case BenchFailed():
            about = f"{record.error} of {_about(record.message)}"
        case ExpectationJudged():
            about = record.name
        case StopRequested():
            about = record.source
        case _:
            return record.kind
    return f"{record.kind}: {about}"


def _about(text: str) -> str:
    """Return what a message is about: all ours say that first, before a colon."""
    return text.partition(":")[0]


def _expectations(a: Account, b: Account) -> Iterator[Delta]:
    """Yield each expectation of either run; those of one name belong together in their order."""
    mine, theirs = _judged(a), _judged(b)
    for name in dict.fromkeys([*mine, *theirs]):
        one, two = mine.get(name), theirs.get(name)
        told = delta(name, _read(one), _read(two))
        otherwise = one is None or two is None or one.passed != two.passed
        yield told if not otherwise else _beyond(told)


def _judged(account: Account) -> dict[str, ExpectationJudged]:
    """Return the expectations by name; the second of a name gets a number."""
    named: dict[str, ExpectationJudged] = {}
    for record in account.of(ExpectationJudged):
        name, count = record.name, 1
        while name in named:
            count += 1
            name = f"{record.name} #{count}"
        named[name] = record
    return named


def _beyond(one: Delta) -> Delta:
    """Return a figure that counts as changed: one run has not got it, or judged it otherwise."""
    return Delta(one.name, one.unit, one.first, one.second, one.delta, one.uncertainty, True)  # noqa: FBT003 - beyond


def _read(one: ExpectationJudged | MetricValue | None) -> tuple[float, float, str] | None:
    return None if one is None else (one.value, one.uncertainty, one.unit)


def _metrics(a: Account, b: Account) -> Iterator[Delta]:
    for name in dict.fromkeys([*a.metrics, *b.metrics]):
        yield delta(name, _read(a.metrics.get(name)), _read(b.metrics.get(name)))


def delta(
    name: str, one: tuple[float, float, str] | None, two: tuple[float, float, str] | None
) -> Delta:
    """Compare a figure (value, expanded uncertainty, unit) of two runs; None: there is none.

    A value that neither run could measure has not changed; one that only one could, has.
    """
    unit = (one or two or (0.0, 0.0, ""))[2]
    a, b = (math.nan if read is None else read[0] for read in (one, two))
    combined = math.hypot(*(_or_none(read[1]) for read in (one, two) if read is not None))
    apart = b - a
    if math.isfinite(apart):
        beyond = abs(apart) > max(combined, ROUNDING * max(abs(a), abs(b)))
    else:  # never, or not measured: equal only if both are
        beyond = not (a == b or (math.isnan(a) and math.isnan(b)))
        apart = math.nan
    first, second = (None if read is None else read[0] for read in (one, two))
    return Delta(name, unit, first, second, apart, combined, beyond)


def _or_none(uncertainty: float) -> float:
    return uncertainty if math.isfinite(uncertainty) else 0.0


# --- what was put in -----------------------------------------------------------------------------


def _inputs(a: Account, b: Account) -> Iterator[Change]:
    """Yield every key of profile and bench, version and device that differs."""
    yield from _changes(_made_of(a), _made_of(b))


def _made_of(account: Account) -> dict[str, str]:
    """Return all that a run was made of, by a name each."""
    made: dict[str, str] = {}
    if account.started is not None:
        made["seed"] = str(account.started.seed)
        made |= _resolved(account.started)
    manifest = account.manifest
    made |= {f"engine {k}": str(v) for k, v in (manifest.get("engine") or {}).items()}
    made |= {f"version of {k}": str(v) for k, v in manifest.get("versions", {}).items()}
    made |= {f"host {k}": str(v) for k, v in manifest.get("host", {}).items()}
    for whose, state in manifest.get("git", {}).items():
        made[f"git of the {whose}"] = str(state.get("commit", ""))
        made[f"changed in the {whose}'s checkout"] = ", ".join(state.get("changed", []))
    for device in account.devices:
        for key in ("maker", "model", "serial", "firmware", "calibrated"):
            made[f"{device.device} {key}"] = str(getattr(device, key))
    return made


def _resolved(started: RunStarted) -> dict[str, str]:
    """Return every key of profile and bench as they were resolved, ``bench.`` before a bench's."""
    try:
        profile, bench = json.loads(started.resolved)
    except (ValueError, TypeError):
        return {"resolved": started.resolved}
    return dict([*_flat(profile, ""), *_flat(bench, "bench.")])


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, text) of every leaf."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _flat(one, f"{path}{key}.")
    elif isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
        for k, one in enumerate(value, 1):
            yield from _flat(one, f"{path}{k}.")
    else:
        yield path.rstrip("."), json.dumps(value)


def _counts(account: Account) -> dict[str, str]:
    return {kind: str(count) for kind, count in sorted(account.counts.items())}


def _changes(mine: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[Change]:
    for key in dict.fromkeys([*mine, *theirs]):
        if mine.get(key) != theirs.get(key):
            yield Change(key, mine.get(key), theirs.get(key))


# --- where the records part ----------------------------------------------------------------------


def first_difference(one: Path, other: Path) -> list[Change]:
    """Return the fields of the first record that is not the same in both; empty if none is.

    The first line names the record. Both folders are read side by side, record by record.
    """
    with disk.locked(one, shared=True), disk.locked(other, shared=True):
        mine, theirs = Contents(one).records(), Contents(other).records()
        started: RunStarted | None = None
        for a, b in zip_longest(mine, theirs):
            if a is None or b is None:
                there = a or b
                assert there is not None  # noqa: S101 - zip_longest ends before both are None
                name = f"record {there[0]}"
                return [Change(name, _kind(a), _kind(b))]
            if isinstance(a[1], RunStarted):
                started = a[1]
            if canonical.line(*a) != canonical.line(*b):
                named = f"record {a[0]}" if a[0] == b[0] else f"record {a[0]} and {b[0]}"
                return [Change(named, _kind(a), _kind(b)), *_fields(a[1], b[1], started)]
    return []


def _kind(one: tuple[int, Record] | None) -> str | None:
    """Say what a record is and when it was, None where there is none."""
    return None if one is None else f"{one[1].kind} at {one[1].at / 1e9:.9g} s"


def _fields(a: Record, b: Record, started: RunStarted | None) -> Iterator[Change]:
    """Yield what two records of one kind say otherwise, of a tick signal by signal."""
    if a.kind != b.kind:
        return
    if isinstance(a, Tick) and isinstance(b, Tick):
        names = layout_of(started).names()
        mine = dict(zip(names, map(repr, a.values), strict=False)) | {"wire": a.wire}
        theirs = dict(zip(names, map(repr, b.values), strict=False)) | {"wire": b.wire}
    elif isinstance(a, RunStarted) and isinstance(b, RunStarted):
        mine, theirs = _resolved(a), _resolved(b)
    else:
        mine, theirs = ({name: repr(getattr(one, name)) for name in a.__slots__} for one in (a, b))
    differing = list(_changes(mine, theirs))
    yield from differing[:MOST_FIELDS]
    if len(differing) > MOST_FIELDS:
        yield Change(f"{len(differing) - MOST_FIELDS} more fields", "", "")
