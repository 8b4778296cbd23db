"""The log of a run: it holds nobody up, it can be read by programs, and says which run it is of."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from scenario import finished, held_up, hil

from hil.core.records import BenchFailed
from hil.results import outlet, runlog
from hil.results.runlog import RunLog

DEADLINE_S = 120
PASS, INCONCLUSIVE = 0, 2
CLOCKS = {
    "virtual": (PASS, ()),
    "wall": (
        INCONCLUSIVE,
        ("--set", "bench.clock=wall", "--set", "bench.board.cycle=100 ms", "--until", "1 s"),
    ),
}


def stalled_pipe() -> tuple[int, int]:
    """Return a pipe that takes nothing more: its reader does not read."""
    reader, writer = os.pipe()
    room = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    assert os.write(writer, b"x" * room) == room
    return reader, writer


@pytest.mark.nightly
@pytest.mark.parametrize("clock", CLOCKS)
def test_a_stderr_that_nobody_reads_changes_no_verdict(clock: str, tmp_path: Path) -> None:
    code, changes = CLOCKS[clock]
    reader, writer = stalled_pipe()
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "hil.cli", "run", "open-sense-lead", "-v", "--json", *changes],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=writer,
            timeout=DEADLINE_S,
            check=False,
        )
    finally:
        os.close(writer)
        os.close(reader)
    body = json.loads(done.stdout)
    assert done.returncode == code or (clock == "wall" and held_up(body))
    events = sum(many for kind, many in body["events"].items() if kind != "tick")
    assert body["log"]["stderr_dropped"] == events, "nothing could be written, and all is counted"
    assert len(lines_of(tmp_path, body)) == events, "the run's own log has it"
    if clock == "virtual":
        free = finished(hil("run", "open-sense-lead", "--json", cwd=tmp_path))[1]
        assert (free["verdict"], free["digest"]) == (body["verdict"], body["digest"])
        assert free["log"] == {"run_log_dropped": 0, "stderr_dropped": 0}


def lines_of(folder: Path, body: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """Return the lines of a run's log."""
    text = (folder / body["folder"] / runlog.FILE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("clock", CLOCKS)
def test_every_line_says_which_run_it_is_of(clock: str, tmp_path: Path) -> None:
    process = hil("run", "open-sense-lead", "-v", "--json", *CLOCKS[clock][1], cwd=tmp_path)
    out, err = process.communicate(timeout=DEADLINE_S)
    body = json.loads(out)
    console = [json.loads(line) for line in err.splitlines()]
    kept = lines_of(tmp_path, body)
    context = {"run": body["run"], "profile": "open-sense-lead", "bench": "virtual-16s"}
    assert all(context.items() <= line.items() for line in [*console, *kept])
    assert all({"event", "level", "utc", "at_s"} <= set(line) for line in console)
    assert [line["event"] for line in console] == [line["event"] for line in kept]
    # Who repeats a run must find the same log: it knows no date.
    assert not any("utc" in line for line in kept)


def test_the_form_can_be_chosen(tmp_path: Path) -> None:
    process = hil("run", "open-sense-lead", "-v", "--json", "--log-format", "console", cwd=tmp_path)
    _, err = process.communicate(timeout=DEADLINE_S)
    assert "run-started" in err
    assert not err.lstrip().startswith("{")
    assert "-open-sense-lead-s1" not in err, "who looks at one run knows which it is"


def test_a_disk_that_stalls_holds_up_no_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "CLOSES_IN_S", 0.2)
    os.mkfifo(tmp_path / runlog.FILE)
    reader = os.open(tmp_path / runlog.FILE, os.O_RDONLY | os.O_NONBLOCK)  # and never read
    log = RunLog(tmp_path, beside=True)
    many = 20_000
    for k in range(many):
        log.feed(BenchFailed(k, "LinkLost", "a line of the log that is as long as they are"))
    log.close()
    assert 0 < log.dropped < many
    os.close(reader)  # lets the writing thread go, and close the file
    assert log._outlet is not None
    log._outlet._thread.join(DEADLINE_S)
    assert log._file.closed
