"""How long a bench stays on when its run is killed or hangs: 50 real runs, a real SIGKILL each.

From the signal until the guardian says that every output was read back off, as a process beside
both sees it; and per device, from when the run was dead. The lab, the run and the guardian share
the host's cores.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from served import serving
from under_way import BOOTED, HOT, SLOW_BOARD, UnderWay, all_off

from hil.bench.wall_time import monotonic_ns

pytestmark = pytest.mark.bench


@pytest.mark.parametrize(("number", "runs"), [(signal.SIGKILL, 50), (signal.SIGSTOP, 10)])
def test_from_the_signal_to_every_output_read_back_off(
    number: signal.Signals, runs: int, profile: Callable[..., Path], tmp_path: Path
) -> None:
    told_ms: list[float] = []
    device_ms: dict[str, list[float]] = {}
    with serving(tmp_path, *SLOW_BOARD, *BOOTED) as lab:
        for k in range(runs):
            place = tmp_path / str(k)
            place.mkdir()
            begun = UnderWay(lab, profile(HOT).rename(place / "scenario.yaml"))
            assert begun.process.stderr is not None
            sent = monotonic_ns()
            os.kill(begun.process.pid, number)
            line = begun.process.stderr.readline()
            told_ms.append((monotonic_ns() - sent) / 1e6)
            assert "every output read back off" in line
            begun.process.communicate()
            assert all_off(lab)
            for one in begun.account()["devices"]:
                device_ms.setdefault(one["device"], []).append(one["after_ms"])
    print(f"\n  {number.name}, {runs} runs: to all read back, median and worst in ms")  # noqa: T201
    for name, found in {"all, as told": told_ms, **device_ms}.items():
        print(f"  {name:<14} {median(found):8.0f} {max(found):8.0f}")  # noqa: T201
