"""Is a run's record whole? Every byte of it is looked at."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.core.errors import EnvironmentProblem
from hil.core.records import RecordsLost, RunEnded, RunStarted, Tick
from hil.results import canonical, catalogue, disk, manifest
from hil.results.contents import Contents, Finding

SHOWN = 20
"""Findings that are printed; a damaged disk has thousands, and ``--json`` shows them all."""


@dataclass
class Report:
    """What was found. ``digest`` is recomputed from the records; ``sealed`` what it should be."""

    run: str
    records: int
    ticks: int
    lost: int
    ended: str
    digest: str
    sealed: str
    findings: list[Finding]

    @property
    def whole(self) -> bool:
        """Say whether nothing is wrong."""
        return not self.findings

    def lines(self) -> Iterator[str]:
        """Yield what a person wants to know, the most important last."""
        for finding in self.findings[:SHOWN]:
            yield str(finding)
        if len(self.findings) > SHOWN:
            yield f"and {len(self.findings) - SHOWN} more"
        kept = f"{self.records} records, {self.ticks} of them ticks"
        if self.lost:
            kept += f"; {self.lost} marked as lost"
        yield f"{self.run}: {kept}; {self.ended or 'the end of the run is not there'}"
        yield f"digest  {self.digest}"
        yield "whole" if self.whole else "damaged or unfinished; try: hil runs repair"

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "run": self.run,
            "whole": self.whole,
            "records": self.records,
            "ticks": self.ticks,
            "lost": self.lost,
            "ended": self.ended,
            "digest": self.digest,
            "sealed_digest": self.sealed,
            "findings": [{"file": one.file, "what": one.what} for one in self.findings],
        }


def verify(folder: Path) -> Report:
    """Check a run's folder. Raises EnvironmentProblem while it is being recorded."""
    with disk.locked(folder, shared=True):
        return inspect(folder)


def inspect(folder: Path) -> Report:
    """Check a run's folder that nobody is writing to."""
    body, findings = _manifest(folder)
    contents = Contents(folder, int(body.get("records", 0)))
    report = _read(folder.name, contents, str(body.get("digest", "")))
    report.findings = list(dict.fromkeys(findings + contents.findings))
    if report.sealed and report.sealed != report.digest:
        report.findings.append(Finding("journal", "its digest is not the one that was sealed"))
    if not report.ended:
        report.findings.append(Finding("journal", f"ends at record {report.records - 1} of a run"))
    elif not report.sealed and body:
        report.findings.append(Finding(manifest.FILE, "is not sealed: the run was not closed"))
    return report


def _manifest(folder: Path) -> tuple[dict[str, Any], list[Finding]]:
    """Return what the manifest says, and what is wrong with it and with the files it lists."""
    try:
        body = catalogue.read_json(folder, manifest.FILE)
    except EnvironmentProblem:
        return {}, [Finding(manifest.FILE, "cannot be read")]
    found = [Finding(*one) for one in manifest.complaints(folder, body)]
    return ({} if any(one.file == manifest.FILE for one in found) else body), found


def _read(run: str, contents: Contents, sealed: str) -> Report:
    """Read all records, and count and hash them."""
    report = Report(run, 0, 0, 0, "", "", sealed, [])
    sha = hashlib.sha256()
    for seq, record in contents.records():
        if not report.records and not isinstance(record, RunStarted):
            contents.findings.append(Finding("journal", "does not begin with the run's start"))
        sha.update(canonical.line(seq, record))
        report.records += 1
        report.ticks += isinstance(record, Tick)
        if isinstance(record, RecordsLost):
            report.lost += record.last - record.first + 1
        report.ended = f"ended {record.verdict}" if isinstance(record, RunEnded) else ""
    report.digest = sha.hexdigest()
    return report
