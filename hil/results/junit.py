"""A run as JUnit XML, for the CI services that show test results.

One suite a run; a case for every expectation and criterion, and six that every run has: the board
deviated from nothing, the limits held, the bench went through, the devices were left safe, the
record is whole, the verdict. Their names do not change from run to run, so that a service can show
a history of each.

How a verdict is shown. FAIL, the board is wrong, is ``<failure>``, which is what JUnit calls an
assertion that did not hold. INCONCLUSIVE and ABORTED are ``<error>``, JUnit's word for a test that
could not tell: Jenkins, GitLab, GitHub's reporters and Azure count it with what is red, as the
exit codes 2 and 3 of ``hil run`` make the job red too. ``<skipped>`` would be shown beside the
green ones, and a board that nobody has judged must not look like that; it is kept for what the run
was stopped before: there another case is red and says why.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from hil.core.errors import EnvironmentProblem, printable
from hil.core.instants import to_seconds
from hil.core.records import (
    Deviation,
    ExpectationJudged,
    RecordsLost,
    SafeStateReached,
    Tripped,
)
from hil.results.account import Account, Weighed, account_of
from hil.results.disk import replace_text
from hil.results.figures import compared, figure, plain, when
from hil.verdict.judgement import SEVERITY, Verdict

FILE = "junit.xml"

FAILURE, ERROR, SKIPPED = "failure", "error", "skipped"

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
"""By hand: ``ElementTree`` would name the encoding of the host's locale."""

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test case: ``result`` is empty for a pass, else the element that says what it was.

    ``kind`` tells what sort of trouble it is, ``message`` is its one line, ``text`` the rest.
    """

    name: str
    result: str = ""
    kind: str = ""
    message: str = ""
    text: str = ""


def write(folder: Path, output: Path | None = None) -> Path:
    """Write the JUnit file of a run from its record; return where it stands.

    Raises EnvironmentProblem while it is being recorded, or if it cannot be written.
    """
    path = output or folder / FILE
    text = as_xml(account_of(folder))
    try:
        replace_text(path, text)
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


# --- what the cases are --------------------------------------------------------------------------


def cases(account: Account) -> list[Case]:
    """Return the cases of a run, what was expected of the board first."""
    found = [_expectation(one, account) for one in account.expectations]
    return [
        *_told_apart(found),
        _deviations(account),
        _limits(account),
        _bench(account),
        _safe(account),
        _record(account),
        _verdict(account),
    ]


def _told_apart(found: Iterable[Case]) -> Iterator[Case]:
    """Number cases of one name from the second on: GitLab keeps only one of a name."""
    seen: Counter[str] = Counter()
    for case in found:
        seen[case.name] += 1
        count = seen[case.name]
        name = case.name if count == 1 else f"{case.name} #{count}"
        yield Case(name, case.result, case.kind, case.message, case.text)


def _expectation(one: Weighed, account: Account) -> Case:
    """Return an expectation as the judge weighed it; one that was not weighed was not reached."""
    record = one.record
    assert isinstance(record, ExpectationJudged)  # noqa: S101 - account.expectations holds no other
    limit = f"{compared(record.comparison)} {plain(record.limit, record.unit)}"
    measured = figure(record.value, record.uncertainty, record.unit)
    told = f"{measured}, expected {limit}"
    text = (
        f"value        {measured.value}\n"
        f"uncertainty  {measured.uncertainty or 'none'} (k = 2)\n"
        f"limit        {limit}\n"
        f"read at      {when(record.read_at, account.zero)}\n"
        f"where        {record.where}\n"
    )
    if one.verdict is None:
        if record.passed:
            return Case(record.name)
        return Case(record.name, SKIPPED, "not reached", f"{told}: the run had ended before", text)
    result = FAILURE if one.verdict is Verdict.FAIL else ERROR
    return Case(record.name, result, one.verdict.name, told, f"{one.reason}\n{text}")


def _deviations(account: Account) -> Case:
    """Return the case that fails if the board did what it must not."""
    weighed = [one for one in account.deviations if one.verdict is not None]
    lines = [_deviation(one, account) for one in weighed]
    return _worst("board deviates from nothing", weighed, lines, f"{len(weighed)} deviations")


def _deviation(one: Weighed, account: Account) -> str:
    """Return a deviation with the situation in which it was seen."""
    record = one.record
    assert isinstance(record, Deviation)  # noqa: S101 - account.deviations holds no other
    value, limit = plain(record.value, record.unit), plain(record.limit, record.unit)
    return (
        f"{when(record.at, account.zero)}  {record.name}: {record.subject} {value}, limit {limit}\n"
        f"    situation: {record.situation}\n"
        f"    weighed as {one.verdict.name if one.verdict else 'nothing'}: {one.reason}"
    )


def _limits(account: Account) -> Case:
    weighed = [one for one in account.weighed if isinstance(one.record, Tripped)]
    lines = [f"{when(one.record.at, account.zero)}  {one.reason}" for one in weighed]
    return _worst("limits held", weighed, lines, "an interlock tripped")


def _bench(account: Account) -> Case:
    """Return the case of everything that kept the bench itself from telling."""
    elsewhere = ExpectationJudged | Deviation | Tripped | RecordsLost
    weighed = [one for one in account.weighed if not isinstance(one.record, elsewhere)]
    lines = [f"{when(one.record.at, account.zero)}  {one.reason}" for one in weighed]
    # shares of the whole run (overruns, bad measurements) are weighed when it is over
    noted = {reason for _, reason in account.noted}
    unsafe = tuple(f"{device}: " for device in _not_safe(account))
    rest = [
        reason
        for reason in account.judgement.reasons
        if reason not in noted and not (unsafe and reason.startswith(unsafe))
    ]
    if account.ended is None:
        rest.append("the record ends before the run does: the process was killed or lost its power")
    if not weighed and not rest:
        return Case("bench goes through")
    worst = _severest(one.verdict for one in weighed)
    kind = worst.name if worst else Verdict.INCONCLUSIVE.name
    message = weighed[0].reason if weighed else rest[0]
    return Case("bench goes through", ERROR, kind, message, "\n".join([*lines, *rest]))


def _not_safe(account: Account) -> list[str]:
    """Return the devices whose last read-back was not the safe state."""
    last = {record.device: record.ok for record in account.of(SafeStateReached)}
    return [device for device, ok in last.items() if not ok]


def _safe(account: Account) -> Case:
    """Return the case of the safe state: read back on every device that was switched on."""
    name, unsafe = "devices are left safe", account.unsafe()
    lines = [
        f"{record.device}: {record.meaning}; read back {record.read_back}"
        for record in account.of(SafeStateReached)
        if record.device in unsafe
    ]
    if not unsafe:
        return Case(name)
    message = f"not known to be safe: {', '.join(unsafe)}"
    return Case(name, ERROR, Verdict.ABORTED.name, message, "\n".join(lines))


def _record(account: Account) -> Case:
    name = "record is whole"
    lost = [one for one in account.weighed if isinstance(one.record, RecordsLost)]
    lines = [*map(str, account.findings), *(one.reason for one in lost)]
    if account.problem:
        lines.append(f"the record is {account.problem}; try: hil runs verify, hil runs repair")
    if not lines:
        return Case(name)
    return Case(name, ERROR, account.problem or "records lost", lines[0], "\n".join(lines))


def _verdict(account: Account) -> Case:
    """Return the case of the verdict itself, so that nothing that spoils it can be left out."""
    name = "verdict"
    ended = account.ended
    if ended is None:
        return Case(name, ERROR, "UNFINISHED", "the run has no verdict")
    if ended.verdict == Verdict.PASS.name:
        return Case(name)
    result = FAILURE if ended.verdict == Verdict.FAIL.name else ERROR
    text = "\n".join(account.judgement.reasons)
    return Case(name, result, ended.verdict, f"{ended.verdict}: {ended.reason}", text)


def _worst(name: str, weighed: list[Weighed], lines: list[str], message: str) -> Case:
    """Return a case that is as bad as the worst of its findings."""
    worst = _severest(one.verdict for one in weighed)
    if worst is None:
        return Case(name)
    first = weighed[0].reason if len(weighed) == 1 else f"{message}, first: {weighed[0].reason}"
    result = FAILURE if worst is Verdict.FAIL else ERROR
    return Case(name, result, worst.name, first, "\n".join(lines))


def _severest(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    return max((one for one in verdicts if one), key=SEVERITY.index, default=None)


# --- as XML --------------------------------------------------------------------------------------


def as_xml(account: Account) -> str:
    """Return the document; the same record gives the same text.

    Elements and attributes are those of the schema that Jenkins ships (``junit-10.xsd``), in its
    order; ``timestamp`` is UTC without a zone, as that schema wants it. ``time`` is what the run
    took on the host: services add it up and hold it against the job. It stands in the case of the
    bench, which is what took it.
    """
    found = cases(account)
    wall_s = _wall_s(account.manifest)
    numbers = {
        "tests": str(len(found)),
        "failures": str(sum(case.result == FAILURE for case in found)),
        "errors": str(sum(case.result == ERROR for case in found)),
        "skipped": str(sum(case.result == SKIPPED for case in found)),
        "time": f"{wall_s:.3f}",
    }
    name = f"hil.{_profile(account)}"
    root = ET.Element("testsuites", {"name": "hil", **numbers})
    about = {"name": _clean(name), **numbers}
    begun = str(account.manifest.get("started_utc", ""))[:19]
    suite = ET.SubElement(root, "testsuite", about | ({"timestamp": begun} if begun else {}))
    listed = ET.SubElement(suite, "properties")
    for key, value in _properties(account):
        ET.SubElement(listed, "property", {"name": _clean(key), "value": _clean(value)})
    for case in found:
        took_s = wall_s if case.name == "bench goes through" else 0.0
        _add(suite, case, name, took_s)
    told = ET.SubElement(suite, "system-out")
    told.text = _clean(f"{account.run}\nrepeat: {account.manifest.get('repeat', 'not recorded')}\n")
    ET.indent(root)
    return f"{_HEAD}{ET.tostring(root, encoding='unicode')}\n"


def _add(suite: ET.Element, case: Case, classname: str, took_s: float) -> None:
    named = {"classname": _clean(classname), "name": _clean(case.name), "time": f"{took_s:.3f}"}
    element = ET.SubElement(suite, "testcase", named)
    if case.result:
        about = {"message": _clean(case.message)}
        if case.result != SKIPPED:  # the schema knows no type of what was skipped
            about["type"] = _clean(case.kind)
        ET.SubElement(element, case.result, about).text = _clean(case.text)


def _clean(text: str) -> str:
    """Return a text that XML can hold: names come from files and devices."""
    lines = (printable(line) for line in text.split("\n"))
    return _NO_XML.sub("\ufffd", "\n".join(lines))


def _profile(account: Account) -> str:
    return account.started.profile if account.started else str(account.manifest.get("profile", "?"))


def _wall_s(manifest: Mapping[str, Any]) -> float:
    """Return how long the run took on the host, 0 where the manifest does not say."""
    try:
        begun, ended = (
            datetime.fromisoformat(str(manifest[key])) for key in ("started_utc", "ended_utc")
        )
        return max(0.0, (ended - begun).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0.0


def _properties(account: Account) -> Iterator[tuple[str, str]]:
    """Yield what identifies the run, its inputs and who answered."""
    manifest, started = account.manifest, account.started
    yield "run", account.run
    yield "verdict", account.verdict or account.problem
    yield "digest", account.sealed or "not sealed"
    if started is not None:
        yield "profile", started.profile
        yield "bench", started.bench
        yield "seed", str(started.seed)
    yield "simulated_s", f"{to_seconds(account.span):g}"
    engine = manifest.get("engine") or {}
    yield from ((f"engine.{key}", str(one)) for key, one in engine.items())
    yield from ((f"override.{k}", str(v)) for k, v in enumerate(manifest.get("overrides", []), 1))
    for k, text in enumerate(requirements(manifest), 1):
        yield f"requirement.{k}", text
    for name, one in account.metrics.items():
        if math.isfinite(one.value):
            yield f"metric.{name}", str(figure(one.value, one.uncertainty, one.unit))
    for device in account.devices:
        who = f"{device.maker} {device.model}, serial {device.serial}, firmware {device.firmware}"
        yield f"device.{device.device}", who
    for name, version in manifest.get("versions", {}).items():
        yield f"version.{name}", str(version)


def requirements(manifest: Mapping[str, Any]) -> list[str]:
    """Return the texts that the profile carries to say what it is to show."""
    profile = manifest.get("resolved", {}).get("profile", {})
    return list(map(str, profile.get("requirements", [])))
