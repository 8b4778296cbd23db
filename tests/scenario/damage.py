"""Damaged runs: every way to spoil a stored run that the tests know, and what must come of it.

A case is one file of a good run, changed. What must hold for all of them: it is found, named with
its file (and, for ticks, its batch and records), ends in an exit code that is not 0, and after a
repair every record that was there is there as it was, or counted as lost; with a loss, no PASS.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from written import UTC

from hil.core.records import BenchFailed, Record, RecordsLost, RunEnded
from hil.results import canonical, manifest, reader, segments, wal
from hil.results.ledger import FILE as LEDGER
from hil.results.ledger import Batch, Ledger
from hil.results.repair import repair
from hil.results.verify import Report, verify

Change = Callable[[bytes], bytes]


class Case(NamedTuple):
    """``change`` makes the damaged file, None takes it away; ``batch`` is the one to be named."""

    kind: str
    file: str
    change: Change | None
    batch: Batch | None = None
    may_be_harmless: bool = False


@dataclass(frozen=True)
class Result:
    """What came of a case. ``harmless``: not one record is another, so there was nothing to find.

    ``wrong`` says what must not be; empty if all is as it should.
    """

    found: bool
    named: bool
    harmless: bool
    wrong: str


def suffer(case: Case, good: "Good", folder: Path, *, mend: bool) -> Result:
    """Damage a copy of a good run, verify it, and, if asked to, repair it."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(good.folder, folder)
    path = folder / case.file
    data = path.read_bytes()
    if case.change is None:
        path.unlink()
    else:
        changed = case.change(data)
        assert changed != data, "this case damages nothing"
        path.write_bytes(changed)
    before, after = good.report, verify(folder)
    found = bool(set(after.findings) - set(before.findings))
    same = (after.digest, after.records) == (before.digest, before.records)
    harmless = case.may_be_harmless and same and not found
    wrong = "" if harmless or found else "not found"
    if mend and not wrong:
        wrong = _repaired(folder, good.lines)
    return Result(found, found and _named(case, after), harmless, wrong)


class Good:
    """A run before it is damaged: its folder, what ``verify`` says of it, and all its lines."""

    def __init__(self, folder: Path, records: Sequence[Record]) -> None:
        self.folder, self.report = folder, verify(folder)
        self.lines = {seq: canonical.line(seq, record) for seq, record in enumerate(records)}


def _named(case: Case, report: Report) -> bool:
    """Say whether a finding names the file and, of a batch, its number and its records."""
    what = [one.what for one in report.findings if one.file == case.file]
    if case.batch is None:
        return bool(what)
    batch = case.batch
    wanted = f"batch {batch.number} ({batch.ticks} ticks, records {batch.first} to {batch.last})"
    return any(wanted in one for one in what)


def _repaired(folder: Path, lines: dict[int, bytes]) -> str:
    """Repair and say what is wrong then: nothing invented, nothing silently gone, no false PASS."""
    list(repair(folder, lambda: UTC))
    report = verify(folder)
    if not report.whole:
        return f"not whole after repair: {report.findings[0]}"
    back = dict(reader.read(folder))
    kept = {seq for seq, line in lines.items() if seq in back and _line(seq, back) == line}
    marks = [record for record in back.values() if isinstance(record, RecordsLost)]
    marked = {seq for mark in marks for seq in range(mark.first, mark.last + 1)}
    gone = set(lines) - kept - marked
    if kept and any(seq < max(kept) for seq in gone):
        return f"record {min(gone)} is neither there nor marked as lost"
    added = {type(back[seq]) for seq in back if seq not in kept}
    if not added <= {RecordsLost, BenchFailed, RunEnded}:
        return f"repair invented {added}"
    last = [record for record in back.values() if isinstance(record, RunEnded)][-1]
    if last.verdict == "PASS" and len(kept) < len(lines):
        return "PASS on a record that is not whole"
    return ""


def _line(seq: int, records: dict[int, Record]) -> bytes:
    return canonical.line(seq, records[seq])


# --- the cases -----------------------------------------------------------------------------------


def flipped(at: int, bit: int = 0) -> Change:
    """Return the change of one bit."""

    def change(data: bytes) -> bytes:
        return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]

    return change


def cut(size: int) -> Change:
    """Return the change that keeps ``size`` bytes."""
    return lambda data: data[:size]


def without(at: int, count: int) -> Change:
    """Return the change that takes ``count`` bytes out."""
    return lambda data: data[:at] + data[at + count :]


def appended(more: bytes) -> Change:
    """Return the change that adds bytes at the end."""
    return lambda data: data + more


def instead(other: bytes) -> Change:
    """Return the change that puts other bytes in the file's place."""
    return lambda _data: other


def zeroed(at: int, count: int = 64) -> Change:
    """Return the change of ``count`` bytes to zeros."""
    return lambda data: data[:at] + bytes(min(count, len(data) - at)) + data[at + count :]


def of_unfinished(folder: Path, step: int) -> Iterator[Case]:
    """Yield the cases of a run that was killed; ``step`` bytes from one to the next."""
    yield from _cut_last_batch(folder, step)
    yield from _flips_in_segments(folder, step)
    yield from _holes_in_segments(folder, 4 * step)
    yield from _swapped_segments(folder)
    yield from _spoilt(folder, LEDGER, 7 * step, may_be_harmless=True)
    yield from _spoilt(folder, LEDGER + wal.SUFFIX, 7 * step)
    yield from _spoilt(folder, manifest.FILE, step)


def of_closed(folder: Path, step: int) -> Iterator[Case]:
    """Yield the cases of a run that was closed, archived and sealed."""
    for path in sorted(folder.iterdir()):
        yield from _spoilt(folder, path.name, 7 * step if path.name == LEDGER else step)


def _batches_of(folder: Path) -> dict[tuple[str, int], Batch]:
    """Return the acknowledged batches by segment and place."""
    with closing(Ledger(folder / LEDGER, read_only=True)) as ledger:
        return {(batch.segment, batch.place): batch for _, batch in ledger.batches() if batch}


def _cut_last_batch(folder: Path, step: int) -> Iterator[Case]:
    """Cut the last batch at every ``step``-th byte."""
    last = max(_batches_of(folder).values(), key=lambda batch: batch.number)
    for size in range(last.place, last.place + last.length, step):
        yield Case("last batch cut", last.segment, cut(size), last)


def _flips_in_segments(folder: Path, step: int) -> Iterator[Case]:
    """Flip one bit in every ``step``-th byte of every part of every segment."""
    batches = _batches_of(folder)
    for path in segments.segments(folder):
        data = path.read_bytes()
        end = 0
        for part in segments.scan(data):
            assert isinstance(part, segments.Whole)
            batch = batches.get((path.name, part.offset))
            for kind, low, high in _parts(data, part):
                every = 1 if high - low <= 16 else step
                for at in range(low, high, every):
                    what = f"bit in {kind}" if part.index else f"bit in the segment's head: {kind}"
                    yield Case(what, path.name, flipped(at, at % 8), batch)
            end = part.offset + part.length
        for at in range(end, len(data)):
            yield Case("bit in the end mark", path.name, flipped(at, at % 8))


def _parts(data: bytes, part: segments.Whole) -> Iterator[tuple[str, int, int]]:
    """Yield the parts of a message: what, from, to."""
    start, end = part.offset, part.offset + part.length
    seal = re.compile(rb"length=(\d{10}) crc32=([0-9a-f]{8})").search(data, start, end)
    assert seal is not None
    metadata = start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")
    yield "start mark", start, start + 4
    yield "length of the header", start + 4, start + 8
    yield "header", start + 8, seal.start(1)
    yield "digits of the length", *seal.span(1)
    yield "digits of the checksum", *seal.span(2)
    yield "header", seal.end(2), metadata
    yield "body", metadata, end


def _holes_in_segments(folder: Path, step: int) -> Iterator[Case]:
    """Zero 64 bytes inside each batch; append to and take away whole segments."""
    for (name, place), batch in _batches_of(folder).items():
        for at in range(place, place + batch.length - 64, step):
            yield Case("64 bytes zeroed", name, zeroed(at), batch)
        yield Case("batch cut out", name, without(place, batch.length), batch)
    for path in segments.segments(folder):
        first = next(b for (name, _), b in _batches_of(folder).items() if name == path.name)
        yield Case("segment missing", path.name, None, first)
        yield Case("segment emptied", path.name, cut(0), first)
        for more in (b"\0", b"\xff" * 4, b"\xff" * 64, bytes(4096), path.read_bytes()):
            yield Case("bytes appended", path.name, appended(more))


def _swapped_segments(folder: Path) -> Iterator[Case]:
    """Put the second segment's bytes into the first, too; and the first's into the second."""
    one, two = segments.segments(folder)[:2]
    for path, other in ((one, two), (two, one)):
        data = other.read_bytes()
        first = next(b for (name, _), b in _batches_of(folder).items() if name == path.name)
        yield Case("another segment's bytes", path.name, instead(data), first)


def _spoilt(folder: Path, name: str, step: int, *, may_be_harmless: bool = False) -> Iterator[Case]:
    """Flip one bit in every ``step``-th byte of a file, and cut it, empty it, take it away."""
    size = (folder / name).stat().st_size
    for at in range(0, size, step):
        yield Case(f"bit in {name}", name, flipped(at, at % 8), None, may_be_harmless)
    for at in range(0, size - 64, 4 * step):
        yield Case(f"64 bytes zeroed in {name}", name, _zeroed_or_not(at), None, may_be_harmless)
    yield Case(f"{name} cut", name, cut(size // 2), None, may_be_harmless)
    yield Case(f"{name} emptied", name, cut(0))
    yield Case(f"{name} missing", name, None)


def _zeroed_or_not(at: int) -> Change:
    """Zero 64 bytes; where they are zeros already, set them."""

    def change(data: bytes) -> bytes:
        there = data[at : at + 64]
        return data[:at] + (b"\xa5" * 64 if not any(there) else bytes(64)) + data[at + 64 :]

    return change
