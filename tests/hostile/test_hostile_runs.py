"""Run folders that somebody sent: each command that reads one says so, and does no more."""

import json
import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from watch import MARK, Ground, told

from hil.cli import BAD_INPUT, ENVIRONMENT, main
from hil.core.records import RunStarted
from hil.results import archive, canonical, catalogue, manifest
from hil.results.ledger import FILE as LEDGER

NAME = "20260101T000000Z-open-sense-lead-s1"
ESCAPES = "\x1b]0;owned\x07\x1b[2J"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"

COMMANDS = [
    ("runs", "list"),
    ("runs", "show", NAME),
    ("runs", "verify", NAME),
    ("runs", "replay", NAME),
    ("runs", "export", NAME, "--canonical"),
    ("runs", "compare", NAME, NAME),
    ("report", NAME),
    ("runs", "repair", NAME),
    ("report", NAME),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that has passed."""
    runs = tmp_path_factory.mktemp("made")
    assert main(["run", "open-sense-lead", "--runs-dir", str(runs)]) == 0
    [folder] = runs.iterdir()
    return folder


def sealed(**changes: Any) -> Callable[[Path], None]:
    """Return what changes keys of the manifest, with a SHA-256 that fits."""

    def change(folder: Path) -> None:
        body = json.loads((folder / manifest.FILE).read_text())
        body.update(changes)
        manifest.write(folder, {key: body[key] for key in body if key != manifest.OWN})

    return change


def summed(**changes: Any) -> Callable[[Path], None]:
    """Return what changes keys of the summary, sealed again by the manifest."""

    def change(folder: Path) -> None:
        path = folder / catalogue.SUMMARY
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        files = json.loads((folder / manifest.FILE).read_text())["files"]
        sealed(files={**files, catalogue.SUMMARY: manifest.measured(path)})(folder)

    return change


def written(name: str, data: bytes) -> Callable[[Path], None]:
    """Return what puts a file into the folder."""

    def write(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return write


def linked(name: str, target: str = "../../../elsewhere/secret.yaml") -> Callable[[Path], None]:
    """Return what puts a link into the folder."""

    def link(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return link


def piped(name: str) -> Callable[[Path], None]:
    """Return what puts a pipe into the folder: who reads it waits for ever."""

    def pipe(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return pipe


def told_by_sql(*statements: str) -> Callable[[Path], None]:
    """Return what changes the ledger."""

    def change(folder: Path) -> None:
        db = sqlite3.connect(folder / LEDGER)
        for statement in statements:
            db.execute(statement)
        db.commit()
        db.close()

    return change


def said(kind: str, **changes: Any) -> Callable[[Path], None]:
    """Return what changes all records of a kind, with CRCs that fit."""

    def change(folder: Path) -> None:
        db = sqlite3.connect(folder / LEDGER)
        for seq, body in db.execute("SELECT seq, body FROM record").fetchall():
            record = json.loads(body)
            if record["kind"] == kind:
                line = json.dumps({**record, **changes}, separators=(",", ":")).encode() + b"\n"
                row = (line, zlib.crc32(line, seq), seq)
                db.execute("UPDATE record SET body = ?, crc = ? WHERE seq = ?", row)
        db.commit()
        db.close()

    return change


def ticks(table: pa.Table) -> Callable[[Path], None]:
    """Return what puts other ticks into the archive, with the run's own first record."""

    def change(folder: Path) -> None:
        first = archive.first_line(folder)
        assert isinstance(canonical.record(first)[1], RunStarted)
        pq.write_table(
            table.replace_schema_metadata({"first-record": first}), folder / archive.FILE
        )
        (folder / archive.FOOTER).unlink()

    return change


FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
DEEP = b'{"a":' * 100_000

FOLDERS: dict[str, Callable[[Path], None]] = {
    "manifest a pipe": piped(manifest.FILE),
    "summary a pipe": piped(catalogue.SUMMARY),
    "ticks a pipe": piped("ticks-00001.arrow"),
    "manifest a link": linked(manifest.FILE),
    "summary a link": linked(catalogue.SUMMARY),
    "ledger a link": linked(LEDGER),
    "ticks a link to endless zeros": linked("ticks-00001.arrow", "/dev/zero"),
    "report a link": linked("report.html"),
    "half a report a link": linked("report.html.partial"),
    "half a summary a link": linked("summary.json.partial"),
    "repair somewhere else": linked(catalogue.SCRATCH, "../../../elsewhere"),
    "manifest too deep": written(manifest.FILE, DEEP),
    "manifest a number": written(manifest.FILE, b"1" * 100_000),
    "manifest no text": written(manifest.FILE, bytes(range(256)) * 100),
    "summary too deep": written(catalogue.SUMMARY, DEEP),
    "guardian too deep": written(catalogue.GUARDIAN, DEEP),
    "guardian a list": written(catalogue.GUARDIAN, b"[1]"),
    "guardian of another shape": written(catalogue.GUARDIAN, b'{"safe": {}, "devices": {"a": 1}}'),
    "files elsewhere": sealed(files={"../../../elsewhere/secret.yaml": {"bytes": 1, "sha256": ""}}),
    "files without end": sealed(files={"/dev/zero": {"bytes": 1, "sha256": ""}}),
    "files a list": sealed(files=["manifest.json"]),
    "files of nothing": sealed(files={"summary.json": None}),
    "records without number": sealed(records=10**40),
    "records less than none": sealed(records=-5),
    "records a text": sealed(records="many"),
    "digest a list": sealed(digest=["a"]),
    "git a text": sealed(git="main", versions=7, host=[]),
    "resolved a list": sealed(resolved=[1, 2]),
    "a profile of another shape": sealed(resolved={"profile": [], "bench": 3}),
    "requirements a number": sealed(resolved={"profile": {"requirements": 3}, "bench": {}}),
    "overrides markup": sealed(overrides=[SCRIPT], operator=SCRIPT, repeat=SCRIPT),
    "operator escape codes": sealed(operator=ESCAPES, overrides=[ESCAPES], repeat=ESCAPES),
    "a run by another name": sealed(run="../../../../elsewhere/x"),
    "verdict escape codes": summed(verdict=ESCAPES, run=ESCAPES, digest=ESCAPES),
    "verdict a list": summed(verdict=[1], simulated_s="long", digest=7),
    "times that are texts": summed(wall_s="x", speed=[], timing={"late_ms": 3}),
    "metrics of another shape": summed(metrics=[1], expectations={"a": 1}, reasons=4),
    "telemetry of another shape": summed(telemetry={"owed": 4}),
    "a view for ever": told_by_sql(
        "ALTER TABLE record RENAME TO hidden",
        f"CREATE VIEW record AS {FOREVER} SELECT i AS seq, x'00' AS body, 0 AS crc FROM n",  # noqa: S608 - ours
    ),
    "a view of batches for ever": told_by_sql(
        "ALTER TABLE batch RENAME TO hidden",
        f"CREATE VIEW batch AS {FOREVER} SELECT i, i, i, i, i, i, i, i, i, i FROM n",  # noqa: S608 - ours
    ),
    "a trigger": told_by_sql(
        "CREATE TRIGGER t AFTER UPDATE ON record BEGIN DELETE FROM batch; END",
    ),
    "a computed column": told_by_sql(
        "DROP TABLE record",
        "CREATE TABLE record (seq INTEGER PRIMARY KEY, body AS (zeroblob(900000000)), crc INT)",
        "INSERT INTO record (seq, crc) VALUES (0, 0)",
    ),
    "a row of 60 MB": told_by_sql("UPDATE record SET body = zeroblob(60000000) WHERE seq = 3"),
    "a table of texts": told_by_sql("UPDATE record SET body = 'x', crc = 'y' WHERE seq > 3"),
    "batches elsewhere": told_by_sql("UPDATE batch SET segment = '../../../elsewhere/secret.yaml'"),
    "a ledger that is none": written(LEDGER, b"SQLite format 3\0" + b"\xff" * 5_000),
    "a device of markup": said("device-identified", maker=SCRIPT, model=SCRIPT, serial=SCRIPT),
    "a device of escape codes": said("device-identified", maker=ESCAPES, serial=ESCAPES),
    "an end of markup": said("run-ended", verdict=SCRIPT, reason=SCRIPT),
    "an end of escape codes": said("run-ended", verdict=ESCAPES, reason=ESCAPES),
    "a record of another type": said("run-ended", verdict=[1], reason={}),
    "an instant beyond all": said("run-ended", at=10**30),
    "a start of other signals": said("run-started", signals=[["a", "b", 10**9]] * 3),
    "a tick of no length": said("run-started", tick=0),
    "ticks that are none": written(archive.FILE, b"PAR1" + b"\0" * 1_000 + b"PAR1"),
    "ticks of texts": ticks(pa.table({"seq": ["a"], "at_ns": ["b"], "wire": ["c"], "x": ["d"]})),
    "ticks without columns": ticks(pa.table({"x": [1.0]})),
    "ticks of one column": ticks(pa.table({"seq": [1], "at_ns": [1], "wire": [b"1"]})),
    "code as a pickle": written("ticks-00001.arrow", b"cos\nsystem\n(S'touch " + MARK.encode()),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_hostile_run(
    name: str, run: Path, ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ground.here / "runs" / NAME
    shutil.copytree(run, folder)
    FOLDERS[name](folder)
    for words in COMMANDS:
        told(ground, capsys, *words, codes=(0, BAD_INPUT, ENVIRONMENT))
    page = folder / "report.html"
    if page.is_file() and not page.is_symlink():
        text = page.read_text(encoding="utf-8")
        assert SCRIPT not in text
        assert "\x1b" not in text
        assert "swordfish" not in text


def test_a_run_by_a_hostile_name(
    run: Path, ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, ground.here / "runs" / f"2026{ESCAPES.replace('/', '')}")
    for words in (("runs", "list"), ("runs", "verify", "last"), ("report", "last")):
        told(ground, capsys, *words, codes=(0, BAD_INPUT))
