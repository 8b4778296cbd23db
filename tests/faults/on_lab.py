"""What a fault case in wall time sees of a run on a lab: by the lab, from another process."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from served import PATIENCE_S, Served, running
from under_way import EMULATORS, SLOW_BOARD, TROUBLED, UnderWay

from hil.app.leases import leases, places
from hil.app.preparation import prepare_bench
from hil.app.safe import make_bench_safe
from hil.bench.wall_time import monotonic_ns
from hil.results.contents import Contents

MORTAL = Path(__file__).parents[1] / "scenario" / "mortal.py"

_PAUSE_S = 0.004
NEVER = float("inf")

Seen = Callable[[dict[str, Any]], None]


def some_time(random: Random, longest_s: float = 1.0) -> None:
    """Let a run go on for a while that was drawn: nothing is waited for."""
    threading.Event().wait(random.uniform(0.0, longest_s))


def pause() -> None:
    """Give the processor to those that are watched."""
    threading.Event().wait(_PAUSE_S)


def emulators_off(devices: dict[str, Any], *without: str) -> bool:
    """Say whether no output of the emulators is on."""
    return not any(any(devices[name]["on"]) for name in EMULATORS if name not in without)


def off_after_ms(lab: Served, since_ns: int, *without: str) -> dict[str, float]:
    """Watch until emulators and chamber are off; return how long after an instant each was."""
    found: dict[str, float] = {}
    give_up = monotonic_ns() + PATIENCE_S * 1e9
    while len(found) < 2 and monotonic_ns() < give_up:
        devices = lab.ask("truth")["devices"]
        after_ms = (monotonic_ns() - since_ns) / 1e6
        if emulators_off(devices, *without):
            found.setdefault("emulators", after_ms)
        if not devices["chamber"]["conditioning"]:
            found.setdefault("chamber", after_ms)
        pause()
    return {"emulators": NEVER, "chamber": NEVER, **found}


@contextmanager
def ended_safe(begun: UnderWay) -> Iterator[UnderWay]:
    """Give a run, and leave the lab as it was found: free, whole and off."""
    try:
        yield begun
    finally:
        for pid in (begun.process.pid, begun.guardian):
            if running(pid):
                os.kill(pid, signal.SIGKILL)
        begun.process.communicate()
        settings = [word for word in (*SLOW_BOARD, *begun.lab.overrides()) if word != "--set"]
        if leases().held(shared_places(begun.lab)):
            assert all(one.ok for one in make_bench_safe("loopback", settings).devices)


def shared_places(lab: Served) -> list[str]:
    """Return the places of a lab's devices, as their leases name them."""
    return list(places(prepare_bench("loopback", lab.overrides()[1::2])).values())


class Mortal:
    """``hil`` in a process that tells, over a pipe, which record is acknowledged."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def start(self, *arguments: str, cwd: Path) -> "subprocess.Popen[str]":
        """Start it, as ``served.hil`` does."""
        command = [sys.executable, str(MORTAL), str(self._write), "0", str(cwd), *arguments]
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            cwd=cwd,
            pass_fds=[self._write],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(self._write)
        return process

    def lost(self, folder: Path) -> int:
        """Return how many records were acknowledged and are not there; it must be dead."""
        with os.fdopen(self._read) as told:
            acknowledged = max(map(int, told.read().split()))
        assert acknowledged > 0
        kept = {seq for seq, _ in Contents(folder).records()}
        return len(set(range(acknowledged + 1)) - kept)


def struck(place: Path, at: str, after: int, **does: float) -> tuple[dict[str, str], Path]:
    """Return the environment of a run with a fault in its tick, and where that tells when."""
    told = place / "struck"
    plan = {"at": at, "after": after, "tell": str(told), **does}
    return {"HIL_FAULT": json.dumps(plan), "PYTHONPATH": TROUBLED}, told
