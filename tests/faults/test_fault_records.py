"""Fault cases 5 to 8: power loss, cut and flipped bytes, a disk that fails."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from damage import Case, Good, of_unfinished, suffer
from failing_disk import Emitted, FailingDisk, recorded_on
from fault_table import SEEDS, Hold
from faulted import drawn
from written import sample, unfinished

from hil.cli import main
from hil.core.instants import MILLISECOND, SECOND
from hil.core.records import RecordsLost, SafeStateReached, Tick
from hil.results import canonical, store
from hil.results.contents import Contents
from hil.results.disk import Disk
from hil.results.ledger import FILE as LEDGER
from hil.results.verify import verify

Profile = Callable[..., Path]

RUN = sample(60)
SAMPLE = 60
"""Of some thousands of places to damage, so many a seed; the night tries all (test_damage)."""


class Buffered(Disk):
    """Knows how much of each file has been synced, so that the rest can be taken away."""

    def __init__(self) -> None:
        self._paths: dict[int, Path] = {}
        self.synced: dict[Path, int] = {}

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._paths[descriptor] = path
        self.synced[path] = 0
        return descriptor

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.synced[self._paths[descriptor]] = os.fstat(descriptor).st_size

    def after_power_loss(self, folder: Path, copy: Path) -> None:
        """Copy a folder as a power loss would leave it now; the ledger syncs by itself."""
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.reserve", "*.html"))
        for path, size in self.synced.items():
            if (here := copy / path.name).exists():
                os.truncate(here, min(size, here.stat().st_size))


def cut_off(emitted: Emitted, folder: Path, seq: int) -> dict[str, float]:
    """Return what a run that had emitted ``seq`` records has lost."""
    before = [(number, record) for number, record in emitted.records if number < seq]
    kept = dict(Contents(folder).records())
    lines = {number: canonical.line(number, record) for number, record in before}
    assert all(canonical.line(number, record) == lines[number] for number, record in kept.items())
    ticks = [record.at for _, record in before if isinstance(record, Tick)]
    had = [record.at for record in kept.values() if isinstance(record, Tick)]
    return {
        "record time lost": (ticks[-1] - max(had, default=ticks[0])) / SECOND if ticks else 0.0,
        "gaps that verify does not report": verify(folder).whole,
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_case_5_power_loss(
    seed: int, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hold: Hold
) -> None:
    """The power goes after a record that was drawn, between two batches of a second each."""
    disk, random = Buffered(), drawn(seed, 5)
    emitted = recorded_on(disk, monkeypatch, ticks_a_batch=10)
    dies_at, copy, found = random.randrange(60, 400), tmp_path / "copy", []

    def emit_and_die(seq: int) -> None:
        if seq == dies_at:
            [folder] = (tmp_path / "runs").iterdir()
            disk.after_power_loss(folder, copy)
            found.append(seq)

    monkeypatch.setattr("hil.results.writer.Batches.lost", _and(emit_and_die, emitted))
    words = ("--set", "bench.tick=100 ms", "--runs-dir", str(tmp_path / "runs"))
    assert main(["run", str(profile("  - rest: 1 min\n")), *words]) == 0
    assert found, "the power was never lost"
    hold(5, cut_off(emitted, copy, dies_at))


def _and(more: Callable[[int], None], emitted: Emitted) -> Callable[..., list[object]]:
    """Return ``Batches.lost`` of a disk that loses nothing, called once a record, with a look."""

    def lost(_self: object) -> list[object]:
        more(len(emitted.records))
        return []

    return lost


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Good, list[Case]]]:
    """Return a run that was killed, three segments of it, and every way to damage it."""
    folder = tmp_path_factory.mktemp("killed") / "good"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "ROWS_A_SEGMENT", 20)
        unfinished(folder, RUN, 10)
        run = Good(folder, RUN)
        yield run, list(of_unfinished(folder, 1))


def some(cases: list[Case], kind: str, seed: int) -> list[Case]:
    """Draw from the cases of a kind that are in a segment."""
    of_kind = [one for one in cases if one.kind.startswith(kind) and one.file != LEDGER]
    return drawn(seed, 6).sample(of_kind, min(SAMPLE, len(of_kind)))


@pytest.mark.parametrize("seed", SEEDS)
def test_case_6_cut_in_the_last_batch(
    seed: int, good: tuple[Good, list[Case]], tmp_path: Path, hold: Hold
) -> None:
    run, cases = good
    gone = unread = 0
    for case in some(cases, "last batch cut", seed):
        result = suffer(case, run, tmp_path / "damaged", mend=False)
        gone += not (result.named and not result.wrong)
        assert case.batch is not None
        kept = dict(Contents(tmp_path / "damaged").records())
        unread += len(set(range(case.batch.first)) - set(kept))
    hold(6, {"losses not reported": gone, "records of earlier batches not read": unread})


@pytest.mark.parametrize("seed", SEEDS)
def test_case_7_a_bit_flipped(
    seed: int, good: tuple[Good, list[Case]], tmp_path: Path, hold: Hold
) -> None:
    run, cases = good
    missed = 0
    for case in some(cases, "bit in", seed):
        result = suffer(case, run, tmp_path / "damaged", mend=False)
        code = main(["runs", "verify", str(tmp_path / "damaged")])
        missed += not result.named or bool(result.wrong) or code == 0
    hold(7, {"flips not found, batch not named or exit 0": missed})


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("breaks", ["full", "sync", "create", "commit"])
def test_case_8_a_disk_that_fails(
    breaks: str,
    seed: int,
    profile: Profile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hold: Hold,
) -> None:
    after = 1 if breaks == "create" else drawn(seed, 8).randrange(2, 40)
    emitted = recorded_on(FailingDisk(breaks, after, 10**9), monkeypatch)
    folder = tmp_path / "runs"
    code = main(["run", str(profile("  - rest: 10 min\n")), "--runs-dir", str(folder)])
    assert code == 2, "what cannot be kept proves nothing"
    records = [record for _, record in emitted.records]
    reached = [record for record in records if isinstance(record, SafeStateReached)]
    assert len({record.device for record in reached if record.ok}) == 4
    [run] = folder.iterdir()
    contents = dict(Contents(run).records())
    marks = [one for one in contents.values() if isinstance(one, RecordsLost)]
    marked = {seq for mark in marks for seq in range(mark.first, mark.last + 1)}
    silent = max(contents) - len(contents) + 1 - len(marked - set(contents))
    figures = {
        "all safe": (max(one.at for one in reached) - emitted.failed_at) / MILLISECOND,
        "records gone before the last kept one, unmarked": silent,
        "taken for whole": verify(run).whole,
    }
    hold(8, figures)
