"""How long a bench stays on when its run is killed, hangs, or loses its guardian: real signals.

From the signal until every output was said to be read back off, as a process beside both sees
it; and per device, from when the run was dead. The lab, the run and the guardian share the cores.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from scenario import recorded
from served import Served, serving
from under_way import BOOTED, HOT, SLOW_BOARD, TROUBLED, UnderWay, all_off

from hil.bench.wall_time import monotonic_ns

pytestmark = pytest.mark.bench

Figures = dict[str, list[float]]


def by_the_guardian(begun: UnderWay, number: signal.Signals, found: Figures) -> None:
    """Send the run a signal and note when its guardian has told, and what it has read back."""
    assert begun.process.stderr is not None
    sent = monotonic_ns()
    os.kill(begun.process.pid, number)
    line = next(one for one in begun.process.stderr if one.startswith("hil: guardian: "))
    found.setdefault("all, as told", []).append((monotonic_ns() - sent) / 1e6)
    assert "every output read back off" in line
    begun.process.communicate()
    for one in begun.account()["devices"]:
        found.setdefault(one["device"], []).append(one["after_ms"])


def by_the_run(begun: UnderWay, number: signal.Signals, found: Figures) -> None:
    """Send the guardian a signal, and note when the run is over; its record has the devices'."""
    sent = monotonic_ns()
    os.kill(begun.guardian, number)
    begun.process.communicate()
    found.setdefault("run over", []).append((monotonic_ns() - sent) / 1e6)
    reached = [one for one in recorded(begun.folder()) if one["kind"] == "safe-state-reached"]
    assert all(one["ok"] for one in reached)
    first = min(one["at"] for one in recorded(begun.folder()) if one["kind"] == "bench-failed")
    for one in reached:
        found.setdefault(one["device"], []).append((one["at"] - first) / 1e6)


@pytest.mark.parametrize(
    ("what", "number", "runs"),
    [
        ("the run is killed", signal.SIGKILL, 50),
        ("the run is frozen", signal.SIGSTOP, 10),
        ("the run's loop is blocked", signal.SIGUSR1, 50),
        ("the guardian is killed", signal.SIGKILL, 50),
    ],
)
def test_from_the_signal_to_every_output_read_back_off(
    what: str,
    number: signal.Signals,
    runs: int,
    profile: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", TROUBLED)
    found: Figures = {}
    measure = by_the_run if "guardian" in what else by_the_guardian
    with serving(tmp_path, *SLOW_BOARD, *BOOTED) as lab:
        for k in range(runs):
            measure(begun_at(lab, profile, tmp_path / str(k)), number, found)
            assert all_off(lab)
    print(f"\n  {what}, {runs} times: ms to read back off, median and worst")  # noqa: T201
    for name, took in found.items():
        print(f"  {name:<14} {median(took):8.0f} {max(took):8.0f}")  # noqa: T201


def begun_at(lab: Served, profile: Callable[..., Path], place: Path) -> UnderWay:
    """Return a run in a folder of its own, with everything on."""
    place.mkdir()
    return UnderWay(lab, profile(HOT).rename(place / "scenario.yaml"))
