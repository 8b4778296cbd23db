"""What ``hil runs`` says of runs that are damaged, and of names that look like numbers."""

import errno
import json
import os
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from written import sample, unfinished

from hil.cli import ENVIRONMENT, USAGE, main
from hil.core.records import Deviation, Record, RunStarted, Tick
from hil.results import canonical, catalogue, segments


def stored(root: Path, records: list[Record]) -> Path:
    """Write a run with these records and return its folder."""
    folder = catalogue.new_folder(root, "20260101T000000Z-x-s1")
    unfinished(folder, records)
    return folder


def said(arguments: list[str], root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail for what stands on the disk; return its one line."""
    assert main([*arguments, "--runs-dir", str(root)]) == ENVIRONMENT
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize("name", ["nan", "0xyz", "0x1p3", "inf", "-0x1"])
def test_a_name_stays_a_name_and_a_float_becomes_a_number(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = RunStarted(0, name, name, 1, 1, "{}", ((name, "V", 0),), {name: (0.5, float("inf"))})
    deviation = Deviation(1, name, name, float("nan"), 0.25, "V", name)
    stored(tmp_path, [started, Tick(2, (3.25, float("nan")), "00" * 32), deviation])
    assert main(["runs", "export", "last", "--runs-dir", str(tmp_path)]) == 0
    first, tick, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["profile"], first["signals"]) == (name, [[name, "V", 0]])
    assert first["constants"] == {name: [0.5, None]}
    assert (tick["values"], tick["wire"]) == ([3.25, None], "00" * 32)
    assert (last["name"], last["value"], last["limit"]) == (name, None, 0.25)


def test_every_field_of_every_record_has_a_shape_that_the_reader_knows() -> None:
    for cls in get_args(Record):
        assert set(canonical._readers(cls.kind)) == {field.name for field in fields(cls)}


@pytest.mark.parametrize("keep", [0, 7, -20])
def test_a_truncated_segment_is_one_line(
    keep: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [segment] = segments.segments(stored(tmp_path, sample(2000)))
    segment.write_bytes(segment.read_bytes()[:keep])
    for command in (["runs", "export", "last"], ["runs", "export", "last", "--canonical"]):
        assert "ticks-00001.arrow: " in said(command, tmp_path, capsys)


@pytest.mark.parametrize("content", [b"", b"no database at all\n" * 9, b"SQLite format 3\0xxx"])
def test_a_ledger_that_is_none_is_one_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stored(tmp_path, sample())
    for path in folder.glob("ledger.sqlite*"):
        path.unlink()
    (folder / "ledger.sqlite").write_bytes(content)
    assert "ledger.sqlite: " in said(["runs", "export", "last"], tmp_path, capsys)


@pytest.mark.parametrize("command", [["runs", "list"], ["runs", "show", "x"]])
def test_a_file_is_no_folder_of_runs(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "runs"
    file.write_text("")
    assert "is no folder of runs" in said(command, file, capsys)


def test_a_damaged_summary_hides_no_other_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = stored(tmp_path, []), stored(tmp_path, [])
    (bad / catalogue.SUMMARY).write_bytes(b"{\xff")
    catalogue.write_json(good, catalogue.SUMMARY, {"run": good.name, "verdict": "PASS"})
    assert main(["runs", "list", "--runs-dir", str(tmp_path)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert ["UNREADABLE" in rows[1], "PASS" in rows[2]] == [True, True]
    assert "cannot read summary.json" in said(["runs", "show", bad.name], tmp_path, capsys)


def test_a_folder_that_may_not_be_read_is_not_taken_for_an_empty_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_folder: object) -> list[str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "listdir", refused)
    monkeypatch.setattr(os, "scandir", refused)
    assert "cannot be read: Permission denied" in said(["runs", "list"], tmp_path, capsys)


def test_a_repaired_old_run_is_not_the_last_one(tmp_path: Path) -> None:
    old = catalogue.new_folder(tmp_path, "20260101T000000Z-z-s1")
    new = catalogue.new_folder(tmp_path, "20260102T000000Z-a-s1")
    for folder in (new, old):  # the old one is written to last
        catalogue.write_json(folder, catalogue.MANIFEST, {})
    assert catalogue.find(tmp_path, "last") == new


@pytest.mark.parametrize("name", ["a" * 5_000, "a/" * 3_000])
def test_a_name_longer_than_a_path_may_be_is_no_run(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no such run" in said(["runs", "show", name], tmp_path, capsys)


def test_no_folder_is_no_folder_of_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "open-sense-lead", "--runs-dir", ""]) == USAGE
    assert "expected a folder" in capsys.readouterr().err
