"""``hil study`` as its users meet it: what is printed, what is JSON, and which exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

EXPERIMENT = """\
experiment: T1
title: More bleeding
claim: A threshold that is half as high bleeds more.
duration: 12 h
draws: 4
conditions:
  soc: 90 %
  spread: {capacity: 0 %, soc: 1 %}
  schedule: [{charge: 25 A, for: 2 h}, {for: 1 h}, {discharge: 25 A, for: 1 h}]
assumed: {leakage: "0.1 mA to 1 mA, log"}
variants:
  alike: {spread: {soc: 0 %, leakage: 0 %, resistance: 0 %}}
arms:
  none: {strategy: none}
  oracle: {strategy: oracle}
  high: {strategy: fixed-threshold, start: 40 mV, stop: 20 mV}
  low: {strategy: fixed-threshold, start: 10 mV, stop: 5 mV}
checks:
  - {name: more is bled, role: claim, metric: bled_charge, arm: low, against: high, above: 1 mAh}
  - {name: of cells that are alike nothing is, role: control, metric: bled_charge, arm: low,
     variant: alike, against: high, against_variant: alike, above: 1 mAh}
"""


def study(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = folder / "T01-more.yaml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    command = [sys.executable, "-m", "hil.cli", "study", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - our own


@pytest.fixture(scope="module")
def by_json(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = study(
        tmp_path_factory.mktemp("json"), "--json", "--workers", "1", "--seeds", "9001,9002"
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_json_says_what_was_claimed_found_and_drawn(by_json: dict[str, Any]) -> None:
    assert {
        "experiment",
        "claim",
        "supported",
        "arms",
        "checks",
        "draws",
        "seeds",
        "wall_s",
    } <= set(by_json)
    assert (by_json["experiment"], by_json["supported"]) == ("T1", "supported")
    assert (by_json["draws"], by_json["seeds"]) == (4, [9001, 9002])
    assert {"none", "oracle", "high", "low", "alike/low"} <= set(by_json["arms"])
    for values in by_json["arms"].values():
        assert {"median", "low", "high"} <= set(values["usable_capacity"])
    low, high = (by_json["arms"][name]["bled_charge"] for name in ("low", "high"))
    assert low["median"] > high["median"] + 0.001
    for check in by_json["checks"]:
        assert {"name", "expected", "found", "passed"} <= set(check)
        assert check["passed"] is True


def test_two_workers_find_what_one_does(by_json: dict[str, Any], tmp_path: Path) -> None:
    done = study(tmp_path, "--json", "--workers", "2", "--seeds", "9001,9002")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert again | {"wall_s": 0.0} == by_json | {"wall_s": 0.0}


def test_other_seeds_are_other_packs(by_json: dict[str, Any], tmp_path: Path) -> None:
    done = study(tmp_path, "--json", "--workers", "1", "--seeds", "5")
    assert json.loads(done.stdout)["arms"]["none"] != by_json["arms"]["none"]


def test_a_claim_that_is_contradicted_is_a_finding_and_no_failure(tmp_path: Path) -> None:
    swapped = ("--set", "arms.low.start=60 mV", "--set", "arms.low.stop=50 mV", "--workers", "1")
    done = study(tmp_path, *swapped)
    assert done.returncode == 0
    assert done.stdout.startswith("NOT SUPPORTED  T1: More bleeding\n")
    assert "NO   claim: more is bled" in done.stdout
    assert "\nset     arms.low.start=60 mV, arms.low.stop=50 mV\n" in done.stdout


def test_an_effect_without_its_cause_is_a_study_not_to_be_believed(tmp_path: Path) -> None:
    done = study(tmp_path, "--set", "variants.alike.spread.soc=1 %", "--workers", "1")
    assert done.returncode == 2
    assert "THIS STUDY CANNOT BE BELIEVED" in done.stdout


def test_a_page_keeps_what_somebody_wrote_about_it(tmp_path: Path) -> None:
    arguments = ("--workers", "1", "--page", str(tmp_path / "atlas"), "--set", "soc=91 %")
    assert study(tmp_path, *arguments).returncode == 0
    page, plot = tmp_path / "atlas/T01-more.md", tmp_path / "atlas/T01-more.svg"
    first, drawn = page.read_text(encoding="utf-8"), plot.read_bytes()
    assert "**Supported** (as written): the effect shows in 100% of 6 draws." in first
    assert "| alike/low |" in first
    assert 'hil study T01-more --set "soc=91 %" --seeds 1,2,3 --page' in first
    assert "Drawn anew for each pack: leakage 0.1 mA to 1 mA, log." in first
    page.write_text(first.replace("Nobody has written down yet", "I have seen"), encoding="utf-8")
    assert study(tmp_path, *arguments).returncode == 0
    assert "I have seen what this means." in page.read_text(encoding="utf-8")
    assert plot.read_bytes() == drawn


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--seeds", "1,1"), 64, "expected each seed once"),
        (("--seeds", "1,x"), 64, "found 'x'"),
        (("--workers", "0"), 64, "workers"),
        (("--set", "gradiant=0 K"), 65, "gradiant"),
        (("--set", "duration=1 min"), 65, "whole number"),
    ],
)
def test_what_cannot_be_studied_is_told_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = study(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_one_arm_cannot_do_is_told_with_its_name(tmp_path: Path, workers: str) -> None:
    done = study(tmp_path, "--set", "arms.low.every=7 min", "--workers", workers)
    assert (done.returncode, done.stdout) == (65, "")
    last = done.stderr.splitlines()[-1]
    assert "arm 'low': a study of 43200 s: expected a whole number of 420 s" in last


def test_a_worker_that_is_killed_is_told_in_one_line(tmp_path: Path) -> None:
    with running(tmp_path) as parent:
        victim = workers_of(parent.pid)[0]
        os.kill(victim, signal.SIGKILL)
        _, errors = parent.communicate(timeout=60)
    assert parent.returncode == 69
    last = errors.splitlines()[-1]
    assert "a worker process was killed" in last
    assert "alike/oracle" in last


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """Whoever stops a study gets the cores back: no arm is computed on for nobody."""
    with running(tmp_path) as parent:
        workers = workers_of(parent.pid)
        parent.send_signal(signal.SIGINT)
        parent.communicate(timeout=60)
        assert parent.returncode == 3
        for worker in workers:
            wait_until(partial(_is_gone, worker))


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield a study of hours whose two workers have begun; nothing of it is left behind."""
    path = folder / "T01-more.yaml"
    path.write_text(EXPERIMENT.replace("12 h", "3000 d"), encoding="utf-8")
    command = [sys.executable, "-m", "hil.cli", "study", str(path), "--workers", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as parent:  # type: ignore[call-overload] # noqa: S603 - our own
        try:
            wait_until(lambda: len(workers_of(parent.pid)) == 2)
            yield parent
        finally:
            parent.kill()


def workers_of(pid: int) -> list[int]:
    """Return the children of a process that have begun to work; not those that track resources."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [
        int(child)
        for child in children
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8")
        and len(list(Path(f"/proc/{child}/task").iterdir())) > 1
    ]


def _is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def wait_until(there: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 60.0
    while not there():
        assert time.monotonic() < until_s
        os.sched_yield()
