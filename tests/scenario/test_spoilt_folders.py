"""What people, other programs and bad disks do to a run's folder, and what must not come of it."""

from pathlib import Path

import pytest
from written import UTC, closed, journal_in, sample, unfinished

from hil.bench.recording import recording
from hil.cli import main
from hil.core.errors import EnvironmentProblem
from hil.core.records import Record, RunEnded
from hil.results import archive, catalogue, disk, manifest, runlog, segments
from hil.results.ledger import FILE as LEDGER
from hil.results.repair import repair
from hil.results.runlog import RunLog
from hil.results.seal import Sealer
from hil.results.verify import verify

NAME = "20260101T000000Z-p-s1"


def passing() -> list[Record]:
    """Return the records of a run that has passed."""
    *began, _found, ended = sample()
    return [*began, RunEnded(ended.at, "PASS", "every expectation met, no deviation")]


def mended(folder: Path) -> str:
    """Repair a folder and return the verdict that it has then."""
    list(repair(folder, lambda: UTC))
    assert verify(folder).whole
    verdict = catalogue.read_json(folder, catalogue.SUMMARY)["verdict"]
    assert isinstance(verdict, str)
    return verdict


def test_a_log_that_the_disk_does_not_take_ends_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / runlog.FILE).symlink_to("/dev/full")
    log = RunLog(tmp_path)
    for record in sample():
        log.feed(record)
    log.close()


@pytest.mark.parametrize("harm", ["one bit", "the end", "all"])
def test_segments_that_no_longer_hold_what_was_recorded_are_kept_and_not_sealed(
    harm: str, tmp_path: Path
) -> None:
    folder = tmp_path / NAME
    book, sealer = journal_in(folder), Sealer()
    book.listen(sealer.feed)
    for record in passing():
        book.emit(record)
    book.close()
    [segment] = segments.segments(folder)
    data = segment.read_bytes()
    first = next(part for part in segments.scan(data) if isinstance(part, segments.Whole))
    left = {
        "one bit": data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
        "the end": data[: first.length],
        "all": b"",
    }[harm]
    segment.write_bytes(left)
    with pytest.raises(EnvironmentProblem, match="0 of 5 recorded ticks"):
        sealer.seal(folder, {"run": NAME}, digest=book.digest(), records=book.seq)
    assert segment.read_bytes() == left
    assert not archive.is_whole(folder)
    assert not (folder / manifest.FILE).exists()


def test_an_archive_that_reads_back_otherwise_leaves_the_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlike(*_: object) -> None:
        raise ValueError("what was read back is not what was written")

    monkeypatch.setattr(archive, "_compare", unlike)
    folder = tmp_path / NAME
    closed(folder, passing())
    assert segments.segments(folder)
    assert "read back" in catalogue.read_json(folder, manifest.FILE)["note"]
    assert verify(folder).whole


def test_a_run_without_its_manifest_is_found_and_repaired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / NAME
    closed(folder, passing())
    (folder / manifest.FILE).unlink()
    assert catalogue.find(tmp_path, "last") == folder
    assert main(["runs", "verify", str(folder)]) != 0
    assert "manifest.json: cannot be read\n" in capsys.readouterr().out
    assert mended(folder) == "INCONCLUSIVE", "nothing shows with what digest it was closed"


@pytest.mark.parametrize(
    "name", [LEDGER, catalogue.SUMMARY, manifest.FILE, archive.FILE, archive.FOOTER]
)
def test_a_folder_in_a_files_place_is_put_aside(name: str, tmp_path: Path) -> None:
    folder = tmp_path / NAME
    closed(folder, passing())
    (folder / name).unlink()
    (folder / name).mkdir()
    (folder / name / "notes").write_text("mine")
    mended(folder)
    assert [path.read_text() for path in folder.rglob("notes")] == ["mine"]


def test_a_repair_that_cannot_be_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    unfinished(folder, passing()[:1])
    (folder / LEDGER).unlink()
    before = sorted(folder.iterdir())
    with pytest.raises(EnvironmentProblem, match="no repair"):
        list(repair(folder, lambda: UTC))
    assert sorted(folder.iterdir()) == before
    (folder / catalogue.SCRATCH).write_text("somebody's file")
    with pytest.raises(EnvironmentProblem, match=r"cannot be repaired: .*repair\.partial"):
        list(repair(folder, lambda: UTC))
    assert (folder / catalogue.SCRATCH).read_text() == "somebody's file"


@pytest.mark.parametrize("is_closed", [True, False])
def test_only_a_record_that_is_still_the_sealed_one_has_passed(
    is_closed: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    folder, records = tmp_path / NAME, passing()
    write = closed if is_closed else unfinished
    write(folder, records)
    if is_closed:
        (folder / archive.FOOTER).unlink()
    assert mended(folder) == ("PASS" if is_closed else "INCONCLUSIVE")


def test_a_repair_keeps_the_figures_of_a_run_of_which_no_record_has_changed(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    closed(folder, passing())
    body = catalogue.read_json(folder, manifest.FILE)
    figure = {"value": 0.25, "uncertainty": 0.0}
    summary = {"run": NAME, "metrics": {"duty": figure}}
    catalogue.write_json(folder, catalogue.SUMMARY, summary)
    body["files"][catalogue.SUMMARY] = manifest.measured(folder / catalogue.SUMMARY)
    manifest.write(folder, {key: body[key] for key in body if key != manifest.OWN})
    (folder / archive.FOOTER).unlink()
    mended(folder)
    assert catalogue.read_json(folder, catalogue.SUMMARY)["metrics"] == {"duty": figure}


def test_many_may_look_at_a_run_and_one_may_change_it(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    closed(folder, passing())
    with disk.locked(folder, shared=True):
        assert verify(folder).whole
        with pytest.raises(EnvironmentProblem, match="recorded or repaired right now"):
            list(repair(folder, lambda: UTC))
    with disk.locked(folder), pytest.raises(EnvironmentProblem, match="right now"):
        verify(folder)


def test_a_run_that_is_being_sealed_is_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[BaseException] = []

    def seal(_sealer: Sealer, folder: Path, *_: object, **_more: object) -> None:
        with pytest.raises(EnvironmentProblem, match="right now") as problem:
            list(repair(folder, lambda: UTC))
        refused.append(problem.value)

    monkeypatch.setattr(Sealer, "seal", seal)
    with recording(tmp_path, {"profile": "p", "bench": "b", "seed": 1}, beside=False) as record:
        for one in passing():
            record.journal.emit(one)
    record.conclude({"digest": record.journal.digest(), "verdict": "PASS", "reasons": []})
    assert len(refused) == 1
