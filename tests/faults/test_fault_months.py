"""Fault case 20: ninety simulated days of random faults, in one process, one run after the other.

What a run can recover from, it has all the time: messages lost, late, cut, doubled or spoilt on
every link. What it cannot (a device that stays silent, resets, runs away) ends it safe after some
days, and the next run begins with the same bench in the same process, as a soak would.
"""

import asyncio
import gc
import json
import shutil
import threading
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fault_table import Hold
from faulted import DEVICES, drawn

from hil.app import Request, run_profile
from hil.bench.session import Status
from hil.bench.stop import StopLadder
from hil.cli import logs
from hil.core.instants import HOUR

pytestmark = pytest.mark.nightly

DAYS = 90
DAY = 24 * HOUR
LONGEST_RUN_DAYS = 9
SLOW = ("bench.tick=10 s", "bench.board.cycle=5 s", "bench.board.command_timeout=60 s")
RATES = "{lost: 0.02 %, late: 0.05 %, partial: 0.01 %, doubled: 0.01 %, by: 2 s, from: 60 s}"
ENDS = {
    "emulator-1": ("silent", "stuck-output", "alarm", "frozen", "power-loss"),
    "emulator-2": ("silent", "refuses-off", "wild-current", "drifted"),
    "chamber": ("silent", "sensor-break", "compressor-trip", "wild"),
    "board": ("silent", "bad-crc", "front-end-silent"),
}
OF_A_CELL = ("stuck-output", "alarm", "refuses-off", "front-end-silent")

PROFILE = """\
profile: months
about: does anything leak, and does every fault end safe?
needs: {{cells: 16}}
controller: {{strategy: fixed-threshold, every: 2 min, start: 6 mV, stop: 3 mV}}
pack: {{cell: lfp-100ah, soc: 60 %, spread: {{soc: 1 %}}}}
steps:
  - repeat: {days}
    steps:
      - charge: {{current: 5 A, until: [any cell.voltage >= 3.45 V, after: 6 h]}}
      - rest: 6 h
      - discharge: {{current: 5 A, until: [any cell.voltage <= 3.0 V, after: 6 h]}}
      - rest: 6 h
  - inject: {{target: {device}, fault: {fault}{cell}}}
  - rest: 1 h
verdict: [max_cell_voltage <= 3.70 V]
"""


def resident_mib() -> float:
    """Return how much memory this process holds."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def tasks_left() -> int:
    """Return how many asyncio tasks that are not done anything still holds."""
    gc.collect()
    return sum(isinstance(one, asyncio.Task) and not one.done() for one in gc.get_objects())


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def drawn_run(random: Random, folder: Path, days: int) -> tuple[Path, str]:
    """Write a profile that cycles for some days and ends with a fault; return it, and the fault."""
    device = random.choice(tuple(ENDS))
    fault = random.choice(ENDS[device])
    number = random.randint(1, 8) + (8 if device == "emulator-2" else 0)
    cell = f", cell: {number}" if fault in OF_A_CELL else ""
    path = folder / "months.yaml"
    text = PROFILE.format(days=days, device=device, fault=fault, cell=cell)
    path.write_text(text, encoding="utf-8")
    return path, f"{device} {fault}"


def played(random: Random, folder: Path, days: int, memory: dict[int, float], day: int) -> Any:
    """Play one run, note the memory at the end of each of its days, and return its summary."""
    path, fault = drawn_run(random, folder, days)
    keys = [f"bench.devices.{device}.link.faults={RATES}" for device in DEVICES]

    def watch(status: Status) -> None:
        memory[day + status.elapsed // DAY] = resident_mib()

    seed = random.randrange(10**6)
    request = Request(str(path), overrides=(*SLOW, *keys), runs=folder / "runs", seed=seed)
    summary = dict(run_profile(request, StopLadder(), watch).summary)
    kept = json.loads((Path(summary["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    assert kept["records"] == sum(summary["events"].values())
    unsafe = not_safe(Path(summary["folder"]) / "run.log")
    shutil.rmtree(summary["folder"])
    return {**summary, "fault": fault, "unsafe": unsafe}


def not_safe(log: Path) -> set[str]:
    """Return the devices that had not read back safe at the end of a run."""
    lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    last = {one["device"]: one["ok"] for one in lines if one["event"] == "safe-state-reached"}
    assert set(last) == set(DEVICES)
    return {device for device, ok in last.items() if not ok}


def slope(memory: dict[int, float]) -> float:
    """Return the least-squares slope over days, the first two (loading, compiling) left out."""
    points = [(day, mib) for day, mib in memory.items() if day >= 2]
    mean_day = sum(day for day, _ in points) / len(points)
    mean_mib = sum(mib for _, mib in points) / len(points)
    above = sum((day - mean_day) * (mib - mean_mib) for day, mib in points)
    return above / sum((day - mean_day) ** 2 for day, _ in points)


def test_case_20_ninety_days(tmp_path: Path, hold: Hold) -> None:
    logs.configure(verbose=False)
    random, memory, ends = drawn(0, 20), dict[int, float](), Counter[str]()
    disturbed, unsafe, simulated, before = 0, 0, 0.0, (0, 0, 0)
    while simulated < DAYS * 86_400:
        left = DAYS - simulated / 86_400
        days = max(1, min(random.randint(1, LONGEST_RUN_DAYS), round(left)))
        summary = played(random, tmp_path, days, memory, round(simulated / 86_400))
        simulated += summary["simulated_s"]
        disturbed += sum(summary["link_faults"].values())
        ends[f"{summary['fault']}: {summary['verdict']}"] += 1
        # who says nothing, or is welded, cannot be shown to be safe; all others must be
        unsafe += len(summary["unsafe"] - {str(summary["fault"]).partition(" ")[0]})
        now = (tasks_left(), threading.active_count(), descriptors())
        before = before if any(before) else now
    figures = {
        "memory, slope a simulated day": slope(memory),
        "tasks left": now[0],
        "threads more than after the first run": now[1] - before[1],
        "descriptors more than after the first run": now[2] - before[2],
        "devices without a fault of their own not left safe": unsafe,
    }
    print(f"\n{simulated / 86_400:.1f} days, {disturbed} messages disturbed,")  # noqa: T201
    print(f"{memory[2]:.0f} MiB on day 2, {max(memory.values()):.0f} at most; {dict(ends)}")  # noqa: T201
    print(figures)  # noqa: T201 - the figures of the night
    hold(20, figures)
