"""Studies that are interrupted, that lose a worker, or that somebody else's workers compute."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fault_table import SEEDS, Hold
from faulted import drawn
from studied import command_of, findings, is_gone, started, study, wait_until, workers_of

import hil
from hil.study.identity import whole_code

LONG = ("--set", "duration=3 d", "--set", "draws=24", "--json")
"""Some ten tasks of a second each for two workers."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process finds that nothing happens to."""
    folder = tmp_path_factory.mktemp("plain")
    found = findings(study(folder, *LONG, "--workers", "1", "--again"))
    assert not (folder / "studies").exists()
    return found


def kept(folder: Path) -> list[Path]:
    return list((folder / "studies").glob("*.parquet"))


def has_kept(folder: Path, least: int) -> bool:
    return len(kept(folder)) >= least


def work_of(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    import json  # noqa: PLC0415 - nothing else here reads JSON

    work: dict[str, Any] = json.loads(done.stdout)["work"]
    return work


@pytest.mark.parametrize("seed", SEEDS)
def test_a_worker_that_is_killed_costs_nothing(
    seed: int, plain: dict[str, Any], tmp_path: Path, hold: Hold
) -> None:
    """At three instants of one study, as soon as there is something new to lose.

    No more: Dask gives a task up whose worker was killed four times, and these are few.
    """
    random, killed = drawn(seed, 18), 0
    with started(command_of(tmp_path, *LONG, "--workers", "2")) as parent:
        for instant in range(3):
            wait_until(partial(has_kept, tmp_path, instant + 1))
            if workers := workers_of(parent.pid):
                os.kill(random.choice(workers), signal.SIGKILL)
                killed += 1
        out, errors = parent.communicate(timeout=120)
        done = subprocess.CompletedProcess("", parent.returncode, out, errors)
    assert killed
    assert "killed" not in errors
    hold(18, {"simulated runs that came out otherwise": findings(done) != plain})


@pytest.mark.nightly
def test_a_study_that_is_killed_goes_on_where_it_was(plain: dict[str, Any], tmp_path: Path) -> None:
    with started(command_of(tmp_path, *LONG, "--workers", "2")) as parent:
        wait_until(lambda: len(kept(tmp_path)) >= 2)
        workers = workers_of(parent.pid)
        parent.kill()
        parent.communicate(timeout=60)
    for worker in workers:  # whoever ends a study gets the cores back
        wait_until(partial(is_gone, worker))
    known = sum(pq.read_metadata(path).num_rows for path in kept(tmp_path))
    done = study(tmp_path, *LONG, "--workers", "2")
    assert findings(done) == plain
    assert 0 < known < work_of(done)["packs"]
    assert work_of(done)["known"] == known
    again = study(tmp_path, *LONG, "--workers", "2")
    assert findings(again) == plain
    assert (work_of(again)["tasks"], work_of(again)["known"]) == (0, work_of(done)["packs"])
    assert work_of(again)["known_s"] > 0.0


def test_ctrl_c_keeps_what_was_done_and_says_so(tmp_path: Path) -> None:
    with started(command_of(tmp_path, *LONG, "--workers", "2")) as parent:
        wait_until(lambda: len(kept(tmp_path)) >= 1)
        workers = workers_of(parent.pid)
        parent.send_signal(signal.SIGINT)
        _, errors = parent.communicate(timeout=60)
    assert parent.returncode == 3
    assert "SIGINT in a study: what was done is kept, the same command goes on there" in errors
    for worker in workers:
        wait_until(partial(is_gone, worker))


@pytest.mark.nightly
def test_an_arm_that_is_added_is_all_that_is_computed(tmp_path: Path) -> None:
    short = ("--json", "--workers", "1")
    assert work_of(study(tmp_path, *short))["known"] == 0
    work = work_of(study(tmp_path, *short, "--set", "arms.low.start=11 mV"))
    assert (work["packs"], work["known"]) == (48, 36)  # low and alike/low are other packs now


# --- workers that somebody else has started ------------------------------------------------------


@contextmanager
def cluster(folder: Path, workers: int, **environment: str) -> Iterator[str]:
    """Yield the address of a scheduler, with workers that were started beside it."""
    told = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    dask = [sys.executable, "-m", "dask"]
    where = ["--scheduler-file", str(told)]
    only_here = ["--host", "127.0.0.1", "--no-dashboard"]
    with ExitStack() as stack:
        begin = [*dask, "scheduler", "--port", "0", *only_here, *where]
        stack.enter_context(started(begin, **quiet))
        wait_until(told.exists)
        join = [
            *dask,
            "worker",
            *where,
            *only_here,
            "--local-directory",
            str(folder),
            "--no-nanny",
            "--nthreads",
            "1",
        ]
        for _ in range(workers):
            stack.enter_context(started(join, **quiet, env=os.environ | environment))
        yield _address(told)


def _address(told: Path) -> str:
    import json  # noqa: PLC0415 - see above

    wait_until(lambda: told.read_text(encoding="utf-8").rstrip().endswith("}"))
    address: str = json.loads(told.read_text(encoding="utf-8"))["address"]
    return address


@pytest.mark.nightly
def test_workers_started_by_hand_find_the_same(plain: dict[str, Any], tmp_path: Path) -> None:
    with cluster(tmp_path, 2) as address:
        done = study(tmp_path, *LONG, "--cluster", address)
        assert findings(done) == plain
        assert work_of(done)["workers"] >= 1
        assert sum(pq.read_metadata(path).num_rows for path in kept(tmp_path)) == 192


@pytest.mark.nightly
def test_workers_with_other_code_are_refused(tmp_path: Path) -> None:
    """Be it one figure of one strategy: its results would be kept under the name of ours."""
    other = tmp_path / "other"
    shutil.copytree(Path(hil.__file__).parent, other / "hil")
    strategy = other / "hil/balancing/top_balance.py"
    strategy.write_text(strategy.read_text(encoding="utf-8") + "\nOTHER = 1\n", encoding="utf-8")
    with cluster(tmp_path, 1, PYTHONPATH=str(other)) as address:
        done = study(tmp_path, "--cluster", address)
    assert (done.returncode, done.stdout) == (69, "")
    last = done.stderr.splitlines()[-1]
    assert f"found code {_code_of(other)}, expected {whole_code()} as here" in last
    assert "install the same version there" in last
    assert not kept(tmp_path)


def _code_of(folder: Path) -> str:
    said = subprocess.run(
        [sys.executable, "-c", "from hil.study.identity import whole_code; print(whole_code())"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return said.stdout.strip()


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(
    tmp_path: Path,
) -> None:
    (tmp_path / "studies").write_text("in the way", encoding="utf-8")
    done = study(tmp_path, *LONG)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.splitlines() == [
        f"hil: {tmp_path / 'studies'}: cannot be written: File exists"
    ]


@pytest.mark.nightly  # waits for the ten seconds that workers have
def test_a_cluster_without_workers_is_told(tmp_path: Path) -> None:
    with cluster(tmp_path, 0) as address:
        done = study(tmp_path, "--cluster", address)
    assert (done.returncode, done.stdout) == (69, "")
    assert f"it has no workers; start some: dask worker {address}" in done.stderr.splitlines()[-1]


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("tcp://127.0.0.1:9", "no Dask scheduler answers there"),
        ("", "--cluster: found '', expected an address"),
        ("tls://127.0.0.1:9", "TLS"),
    ],
)
def test_an_address_where_nobody_answers_is_told(tmp_path: Path, address: str, told: str) -> None:
    done = study(tmp_path, "--cluster", address)
    assert (done.returncode, done.stdout) == (69, "")
    assert told in done.stderr.splitlines()[-1]


def test_a_cluster_and_a_number_of_workers_are_one_too_many(tmp_path: Path) -> None:
    done = study(tmp_path, "--cluster", "tcp://127.0.0.1:9", "--workers", "2")
    assert (done.returncode, done.stdout) == (64, "")


@pytest.mark.nightly
def test_a_scheduler_that_goes_away_is_told_and_what_was_done_is_kept(
    plain: dict[str, Any], tmp_path: Path
) -> None:
    with (
        cluster(tmp_path, 1) as address,
        started(command_of(tmp_path, *LONG, "--cluster", address)) as client,
    ):
        wait_until(lambda: len(kept(tmp_path)) >= 1)
        os.kill(_scheduler_of(tmp_path), signal.SIGKILL)
        out, errors = client.communicate(timeout=300)
    assert (client.returncode, out) == (69, ""), errors
    assert f"--cluster {address}: the scheduler has gone" in errors.splitlines()[-1]
    done = study(tmp_path, *LONG, "--workers", "1")
    assert findings(done) == plain
    assert work_of(done)["known"] > 0


def _scheduler_of(folder: Path) -> int:
    """Return the process that was started with this folder's scheduler file."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"scheduler" in words and str(folder / "scheduler.json").encode() in words:
                return int(entry.name)
    raise AssertionError("no scheduler")
