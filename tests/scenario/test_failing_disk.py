"""A disk that fails: the bench is safe within a second, what is lost is marked, nothing passes."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from failing_disk import Emitted, FailingDisk, SlowDisk, recorded_on
from written import UTC

from hil.cli import main
from hil.core.instants import SECOND
from hil.core.records import BenchFailed, Overrun, RecordsLost, RunEnded, SafeStateReached, Tick
from hil.results import canonical, reader
from hil.results.contents import Contents
from hil.results.repair import repair
from hil.results.verify import verify

Profile = Callable[..., Path]

INCONCLUSIVE = 2
FOR_EVER = 10**9
BREAKS = ["full", "sync", "create", "commit"]
CLOCKS = {
    "virtual": (),
    # The board's cycle also says for how long a busy host may hold everything up.
    "wall": ("bench.clock=wall", "bench.tick=50 ms", "bench.board.cycle=250 ms"),
}


def run(profile: Path, root: Path, clock: str) -> tuple[int, Path]:
    """Run a profile as a user would; return exit code and folder."""
    changes = [word for change in CLOCKS[clock] for word in ("--set", change)]
    code = main(["run", str(profile), "--runs-dir", str(root), *changes])
    [folder] = root.iterdir()
    return code, folder


def stays(folder: Path, emitted: Emitted) -> set[int]:
    """Return the records that can be read, each as it was emitted; after that, what was lost."""
    contents = Contents(folder)
    kept = dict(contents.records())
    lines = {seq: canonical.line(seq, record) for seq, record in emitted.records}
    assert all(canonical.line(seq, record) == lines[seq] for seq, record in kept.items())
    return set(kept)


@pytest.mark.nightly
@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("times", [1, FOR_EVER], ids=["once", "for ever"])
@pytest.mark.parametrize("breaks", BREAKS)
def test_a_disk_that_fails_in_mid_run(
    breaks: str,
    times: int,
    clock: str,
    profile: Profile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    after = {"create": 1, "commit": 12}.get(breaks, 5)
    emitted = recorded_on(FailingDisk(breaks, after, times), monkeypatch)
    code, folder = run(profile("  - rest: 10 min\n"), tmp_path / "runs", clock)
    told = capsys.readouterr()
    assert code == INCONCLUSIVE
    assert "records cannot be kept: " in told.out.splitlines()[0]
    assert "Traceback" not in told.out + told.err
    records = [record for _, record in emitted.records]
    reached = [record for record in records if isinstance(record, SafeStateReached)]
    assert len(reached) == 4
    assert all(record.ok for record in reached)
    # in wall time the host decides how long the same steps take
    took = max(record.at for record in reached) - emitted.failed_at
    assert clock == "wall" or took <= SECOND
    kept = stays(folder, emitted)
    assert emitted.acknowledged is not None
    assert set(range(emitted.acknowledged + 1)) <= kept, "an acknowledged record is gone"
    assert json.loads((folder / "summary.json").read_text())["verdict"] == "INCONCLUSIVE"
    unknown = _unmarked(folder, emitted, kept)
    report = verify(folder)
    assert not report.whole
    assert not unknown or any("missing" in f.what or "ends at" in f.what for f in report.findings)
    monkeypatch.undo()  # on another disk
    list(repair(folder, lambda: UTC))
    assert verify(folder).whole
    last = [record for _, record in reader.read(folder) if isinstance(record, RunEnded)][-1]
    assert last.verdict == "INCONCLUSIVE"


def _unmarked(folder: Path, emitted: Emitted, kept: set[int]) -> set[int]:
    """Return the records that are gone and that no RecordsLost in the folder covers."""
    marks = [r for _, r in Contents(folder).records() if isinstance(r, RecordsLost)]
    marked = {seq for mark in marks for seq in range(mark.first, mark.last + 1)}
    return {seq for seq, _ in emitted.records} - kept - marked


@pytest.mark.nightly
@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("breaks", ["full", "sync", "commit"])
def test_what_is_lost_stands_in_the_record_when_the_disk_comes_back(
    breaks: str, clock: str, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second failure is that of the rescue.
    after = {"commit": 12}.get(breaks, 5)
    emitted = recorded_on(FailingDisk(breaks, after, 2), monkeypatch)
    code, folder = run(profile("  - rest: 10 min\n"), tmp_path / "runs", clock)
    kept = stays(folder, emitted)
    assert code == INCONCLUSIVE
    assert not _unmarked(folder, emitted, kept)
    kinds = [type(record) for _, record in Contents(folder).records()]
    assert RecordsLost in kinds
    # beside the loop, the bench may be on its way down before it is known that the rescue failed
    assert clock == "wall" or kinds.index(RecordsLost) < kinds.index(SafeStateReached)
    assert kinds[-1] is RunEnded


def test_a_disk_that_takes_a_piece_at_a_time_loses_nothing(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def short(descriptor: int, data: bytes) -> int:
        return write(descriptor, bytes(data)[:97])

    monkeypatch.setattr("hil.results.disk.os.write", short)
    emitted = recorded_on(FailingDisk("nothing", 1, 0), monkeypatch)
    code, folder = run(profile("  - rest: 30 s\n"), tmp_path / "runs", "virtual")
    assert code == 0
    assert len(stays(folder, emitted)) == len(emitted.records)
    assert verify(folder).whole


def test_a_slow_disk_delays_no_tick_and_what_it_cannot_take_is_marked(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emitted = recorded_on(SlowDisk(until=40), monkeypatch)
    monkeypatch.setattr("hil.results.writer.QUEUE", 10)
    code, folder = run(profile("  - rest: 2 s\n"), tmp_path / "runs", "wall")
    records = [record for _, record in emitted.records]
    ticks = [record for record in records if isinstance(record, Tick)]
    assert code == INCONCLUSIVE
    missed = sum(record.missed for record in records if isinstance(record, Overrun))
    assert len(ticks) + missed >= 39
    kept = stays(folder, emitted)
    assert not _unmarked(folder, emitted, kept)
    marks = [record for record in records if isinstance(record, RecordsLost)]
    assert 1 <= len(marks) <= 2, "every mark waits in the queue as well"
    assert not any(isinstance(record, BenchFailed) for record in records)
    assert verify(folder).whole
