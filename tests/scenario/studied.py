"""Running ``hil study`` as a process, for the tests of what its users meet."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

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


def command_of(folder: Path, *arguments: str) -> list[str]:
    """Write the experiment and return the command that studies it; its results stay in there."""
    path = folder / "T01-more.yaml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    results = () if "--results" in arguments else ("--results", str(folder / "studies"))
    return [sys.executable, "-m", "hil.cli", "study", str(path), *results, *arguments]


def study(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a study to its end."""
    command = command_of(folder, *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - our own


def findings(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """Return what a study found, without what it took to find it."""
    assert done.returncode in (0, 2), done.stderr  # believed or not: it was studied
    found: dict[str, Any] = json.loads(done.stdout)
    del found["wall_s"], found["work"]
    return found


@contextmanager
def started(command: list[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Yield a process that is killed at the end, if it lives on."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    with subprocess.Popen(command, text=True, **pipes) as process:  # noqa: S603 - our own
        try:
            yield process
        finally:
            process.kill()


def workers_of(pid: int) -> list[int]:
    """Return the children of a process that have begun to work; not those that track resources."""
    threads = Path(f"/proc/{pid}/task")
    children = [one.read_text(encoding="ascii").split() for one in threads.glob("*/children")]
    return [int(child) for child in chain.from_iterable(children) if _works(Path("/proc", child))]


def _works(process: Path) -> bool:
    """Say whether a process is a worker that has begun; one that is gone meanwhile is none."""
    try:
        words = (process / "cmdline").read_text(encoding="utf-8")
        return "spawn_main" in words and len(list((process / "task").iterdir())) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_gone(pid: int) -> bool:
    """Return whether a process has ended."""
    return not Path(f"/proc/{pid}").exists()


def wait_until(there: Callable[[], bool]) -> None:
    """Come back as soon as it is so; after five minutes something is broken."""
    until_s = time.monotonic() + 300.0
    while not there():
        assert time.monotonic() < until_s
        os.sched_yield()
