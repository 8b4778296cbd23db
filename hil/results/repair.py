"""Making what is left of a record readable: nothing is invented, nothing is thrown away.

Everything that can be believed is written anew; where records are missing, a ``RecordsLost`` says
which; a run without an end gets one that says so, with a verdict no better than its evidence. Only
a record whose sealed digest shows that nothing of it has changed has still passed. The files as
they were stay in a folder beside it.
"""

import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.core.errors import EnvironmentProblem
from hil.core.instants import to_seconds
from hil.core.records import (
    BenchFailed,
    Record,
    RecordsLost,
    RunEnded,
    RunStarted,
    SafeStateArmed,
    SafeStateReached,
    Tick,
)
from hil.results import catalogue, disk, manifest, runlog
from hil.results.contents import Contents
from hil.results.seal import Sealer
from hil.results.store import Store
from hil.results.verify import inspect
from hil.results.writer import Batches
from hil.verdict.judgement import Judge, Verdict

KEPT = "before-repair"


def repair(folder: Path, utc_now: Callable[[], str]) -> Iterator[str]:
    """Repair a run's folder and yield one line for each thing that was done.

    A repair that is interrupted is done again, or finished, by the next one. Raises
    EnvironmentProblem if there is not enough left, or if it cannot be written.
    """
    scratch = folder / catalogue.SCRATCH
    with disk.locked(folder):
        if scratch.is_dir():
            disk.refuse_links(scratch)
        try:
            if not _is_complete(scratch):
                if inspect(folder).whole:
                    yield "nothing to repair"
                    return
                yield from _rewritten(folder, scratch, utc_now)
            yield from _exchange(folder, scratch)
        except OSError as error:
            raise EnvironmentProblem(f"{folder.name}: cannot be repaired: {error}") from error


# --- writing what is left --------------------------------------------------------------------


def _rewritten(folder: Path, scratch: Path, utc_now: Callable[[], str]) -> Iterator[str]:
    """Write all that can be believed into the scratch folder, or leave none behind."""
    try:
        yield from _rewrite(folder, scratch, utc_now)
    except (EnvironmentProblem, OSError):
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _rewrite(folder: Path, scratch: Path, utc_now: Callable[[], str]) -> Iterator[str]:
    """Write all that can be believed into the scratch folder, and seal it there."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    begun = _begun(folder)
    contents = Contents(folder, int(begun.get("records", 0)))
    rewritten = _Rewritten(Batches(Store(scratch, utc_now), lambda: 0))
    for seq, record in contents.records():
        yield from rewritten.mark_lost(contents.missing)
        rewritten.add(seq, record)
    yield from rewritten.mark_lost(contents.missing)
    if not rewritten.began:
        raise EnvironmentProblem(f"{folder.name}: how its ticks are laid out is lost: no repair")
    rewritten.armed -= _made_safe_by_guardian(folder)
    yield from rewritten.end(str(begun.get("digest", "")))
    begun["repaired"] = {"utc": utc_now(), "findings": [str(one) for one in contents.findings]}
    for name in (runlog.FILE, catalogue.GUARDIAN):
        if (folder / name).is_file():
            shutil.copy2(folder / name, scratch / name)
    summary = _old_summary(folder, begun, rewritten.batches.digest())
    summary |= rewritten.summary(folder, rewritten.began, begun["repaired"])
    catalogue.write_json(scratch, catalogue.SUMMARY, summary)
    rewritten.sealer.seal(scratch, begun, digest=summary["digest"], records=rewritten.next_seq)


def _begun(folder: Path) -> dict[str, Any]:
    """Return what the manifest said of the run, if it can be believed."""
    try:
        body = catalogue.read_json(folder, manifest.FILE)
    except EnvironmentProblem:
        body = {}
    return body if manifest.is_own(body) else {"run": folder.name}


def _made_safe_by_guardian(folder: Path) -> set[str]:
    """Return the devices that a guardian has read back as safe after the record ended."""
    try:
        account = catalogue.read_json(folder, catalogue.GUARDIAN)
    except EnvironmentProblem:
        return set()  # none was needed, or what it has left is damaged: then nothing is known
    devices = account.get("devices")
    told = devices if isinstance(devices, list) else []
    return {str(one.get("device")) for one in told if isinstance(one, dict) and one.get("ok")}


def _old_summary(folder: Path, begun: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """Return the figures of a run that still hold: its sealed summary, if no record has changed."""
    sealed = begun.get("files", {}).get(catalogue.SUMMARY)
    path = folder / catalogue.SUMMARY
    if digest != begun.get("digest") or not path.is_file() or manifest.measured(path) != sealed:
        return {}
    try:
        return catalogue.read_json(folder, catalogue.SUMMARY)
    except EnvironmentProblem:
        return {}  # sealed, and not as any bench writes it: its figures are none of ours


@dataclass
class _Rewritten:
    """The new record while it is written."""

    batches: Batches
    sealer: Sealer = field(default_factory=Sealer)
    judge: Judge = field(default_factory=Judge)
    began: RunStarted | None = None
    ended: RunEnded | None = None
    next_seq: int = 0
    at: int = 0
    ticks_at: list[int] = field(default_factory=list)
    armed: set[str] = field(default_factory=set)
    marked: int = 0

    def add(self, seq: int, record: Record) -> None:
        """Write one record under its old number. Raises EnvironmentProblem."""
        self.batches.take(seq, record)
        if self.batches.problem is not None:
            raise self.batches.problem
        self.next_seq, self.at = seq + 1, record.at
        self.sealer.feed(record)
        self.judge.feed(record)
        if isinstance(record, Tick):
            self.ticks_at = [*self.ticks_at[:1], record.at]
        elif isinstance(record, RunStarted):
            self.began = record
        elif isinstance(record, RunEnded):
            self.ended = record
        elif isinstance(record, SafeStateArmed):
            self.armed.add(record.device)
        elif isinstance(record, SafeStateReached) and record.ok:
            self.armed.discard(record.device)

    def mark_lost(self, missing: list[tuple[int, int]]) -> Iterator[str]:
        """Say of every gap found since the last time what is missing there."""
        for first, last in missing[self.marked :]:
            self.add(first, RecordsLost(self.at, first, last, "damaged or missing when repaired"))
            self.next_seq = last + 1
            yield f"records {first} to {last} are lost and marked so"
        self.marked = len(missing)

    def end(self, sealed: str) -> Iterator[str]:
        """Give the run an end, or a second one if its verdict stands on lost evidence.

        ``sealed`` is the digest with which the run was closed, empty if that is not known.
        """
        if self.ended is None:
            left = ", ".join(sorted(self.armed))
            what = "the record ends here: the process was killed or lost its power"
            what += f"; not known to be safe: {left}" if left else ""
            self.add(self.next_seq, BenchFailed(self.at, "RecordEnded", what))
            yield what
        elif self.judge.result().verdict is Verdict.PASS and self.batches.digest() != sealed:
            # the bench may have had a reason not to let it pass: a disk that failed at the very end
            what = "nothing shows that this is the record with which the run was closed"
            self.add(self.next_seq, BenchFailed(self.at, "RecordNotSealed", what))
            yield what
        verdict = self.judge.result()
        if self.ended is None or self.ended.verdict != verdict.verdict.name:
            self.add(self.next_seq, RunEnded(self.at, verdict.verdict.name, verdict.reason))
            yield f"verdict on what is left: {verdict.verdict.name}, {verdict.reason}"
        self.batches.close()
        if self.batches.problem is not None:
            raise self.batches.problem

    def summary(self, folder: Path, began: RunStarted, repaired: Any) -> dict[str, Any]:
        """Return what ``hil runs list`` and ``show`` tell of the run."""
        verdict = self.judge.result()
        span = self.ticks_at[-1] - self.ticks_at[0] + began.tick if self.ticks_at else 0
        return {
            "run": folder.name,
            "folder": str(folder),
            "verdict": verdict.verdict.name,
            "profile": began.profile,
            "bench": began.bench,
            "seed": began.seed,
            "simulated_s": to_seconds(span),
            "digest": self.batches.digest(),
            "reasons": list(verdict.reasons),
            "repaired": repaired,
        }


# --- taking the old record's place ---------------------------------------------------------------


def _is_complete(scratch: Path) -> bool:
    """Say whether the new record is: its sealed manifest is written last, and moved last."""
    return (scratch / manifest.FILE).is_file() or (scratch / KEPT).is_dir()


def _exchange(folder: Path, scratch: Path) -> Iterator[str]:
    """Move the old files aside and the new ones in; a second call goes on where this one ended."""
    if not (scratch / KEPT).is_dir():
        partial = scratch / f"{KEPT}.partial"
        partial.mkdir(exist_ok=True)
        for path in _old(folder, scratch):
            path.replace(partial / path.name)
        partial.rename(scratch / KEPT)  # from here on, what is in the folder is new
    for path in sorted(_files(scratch), key=lambda path: path.name == manifest.FILE):
        path.replace(folder / path.name)
    kept = next(path for path in _numbered(folder / KEPT) if not path.exists())
    (scratch / KEPT).rename(kept)
    scratch.rmdir()
    disk.sync_folder(folder)
    yield f"repaired; the files as they were stand in {kept.name}"


def _old(folder: Path, scratch: Path) -> list[Path]:
    """Return what is to go aside: all but folders, and those that stand in a new file's way."""
    entries = [path for path in folder.iterdir() if path != scratch]
    return [path for path in entries if not path.is_dir() or (scratch / path.name).is_file()]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.name}-{number}")
