"""Disks that are really full: a file system of a few megabytes, and files that may not grow."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.results import reader
from hil.results.contents import Contents

pytestmark = pytest.mark.alone

Profile = Callable[..., Path]

INCONCLUSIVE, BAD_INPUT, ENVIRONMENT = 2, 65, 69
FAST = "--set bench.board.cycle='1 s'"
HIL = f"{shlex.quote(sys.executable)} -m hil.cli"


def shell(line: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash."""
    return subprocess.run(  # noqa: S603 - our own program
        ["/bin/bash", "-c", line], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the mount point of a file system of 5 MiB, of which the reserve takes 4."""
    place = tmp_path / "small"
    place.mkdir()
    done = shell(f"mount -t tmpfs -o size=5m none {shlex.quote(str(place))}")
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    assert shell(f"umount {shlex.quote(str(place))}").returncode == 0


def goes_safe(line: str, runs: Path) -> Path:
    """Run ``hil run`` until the disk is full; return the folder."""
    done = shell(line)
    assert done.returncode == INCONCLUSIVE, done.stderr
    assert "Traceback" not in done.stderr
    body = json.loads(done.stdout)
    assert body["verdict"] == "INCONCLUSIVE"
    assert body["problem"].startswith("records cannot be kept: ")
    assert body["events"]["safe-state-reached"] == 4
    [folder] = runs.iterdir()
    return folder


def test_a_full_disk_ends_a_run_and_loses_nothing_of_it(
    small_disk: Path, profile: Profile, tmp_path: Path
) -> None:
    runs = small_disk / "runs"
    line = f"{HIL} run {profile('  - rest: 3 d')} {FAST} --json --runs-dir {runs}"
    folder = goes_safe(line, runs)
    kinds = [record.kind for _, record in reader.read(folder)]
    assert kinds[-1] == "run-ended"
    assert kinds.count("safe-state-reached") == 4
    # How much the freed reserve leaves depends on where the last batch was cut: not on that.
    (small_disk / "another's").write_bytes(bytes(1 << 20))
    where = f"--runs-dir {runs}"
    assert shell(f"{HIL} runs verify last {where}").returncode == BAD_INPUT
    done = shell(f"{HIL} runs repair last {where}")
    assert (done.returncode, done.stderr.count("\n")) == (ENVIRONMENT, 1), "no room for a repair"
    elsewhere = tmp_path / "elsewhere"
    assert shell(f"cp -r {runs} {elsewhere}").returncode == 0
    assert shell(f"{HIL} runs repair last --runs-dir {elsewhere}").returncode == 0
    done = shell(f"{HIL} run {profile('  - rest: 3 s')} --runs-dir {runs}")
    assert (done.returncode, done.stderr.count("\n")) == (ENVIRONMENT, 1), "no room for a run"
    assert [path.name for path in runs.iterdir()] == [folder.name], "no half-made run"


def test_no_room_for_the_reserve_is_no_run(profile: Profile, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    done = shell(f"ulimit -f 2000; {HIL} run {profile('  - rest: 3 s')} --runs-dir {runs}")
    assert done.returncode == ENVIRONMENT
    assert done.stderr == "hil: records cannot be kept: File too large\n"
    assert list(runs.iterdir()) == []


@pytest.mark.nightly
def test_files_that_may_not_grow_end_a_run_and_lose_nothing_of_it(
    profile: Profile, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    run = f"{HIL} run {profile('  - rest: 30 d')} {FAST} --json --runs-dir {runs}"
    folder = goes_safe(f"ulimit -f 4100; {run}", runs)
    contents = Contents(folder)
    assert [record.kind for _, record in contents.records()][-1] == "run-ended"
    assert not contents.missing
    assert shell(f"{HIL} runs repair last --runs-dir {runs}").returncode == 0
