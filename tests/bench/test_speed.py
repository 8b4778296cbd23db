"""How fast the whole bench runs in virtual time, and where a tick's time goes (``make bench``).

Nothing here asserts a time: figures belong to the machine and to what runs beside. They are
printed as docs/performance.md shows them.
"""

import signal
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hil.app import Request, run_profile
from hil.bench import run as bench_run
from hil.bench.session import Progress
from hil.bench.stop import StopLadder
from hil.bench.wall_time import cpu_seconds
from hil.cli import logs
from hil.core.instants import MINUTE

pytestmark = pytest.mark.bench

CASES = {
    "16 cells, board cycle 1 s": ("bench.board.cycle=1 s",),
    "16 cells, board cycle 100 ms": (),
    "32 cells, board cycle 100 ms": ("needs.cells=32",),
}
REPEATS, MINUTES = 5, 10

# The first line whose text is in the file's path names the part.
PARTS = (
    ("frame codec, checks", ("drivers/wire/e2e", "drivers/wire/reference_board", "can/message")),
    ("CAN bus", ("drivers/links/memory_can",)),
    ("board twin", ("drivers/virtual/reference_", "drivers/virtual/harness", "hil/physics/board")),
    ("board driver", ("drivers/boards/",)),
    ("SCPI twins", ("drivers/virtual/", "drivers/wire/scpi.py")),
    ("SCPI drivers", ("drivers/wire/", "drivers/cell_emulators/", "drivers/chambers/")),
    ("SCPI drivers", ("drivers/instrument", "drivers/links/lines")),
    ("byte links", ("drivers/links/",)),
    ("recorder", ("hil/results/",)),
    ("metrics, watch", ("hil/verdict/",)),
    ("strategy", ("hil/balancing/",)),
    ("plant", ("hil/physics/",)),
    ("loop, tasks", ("hil/bench/virtual_time", "hil/bench/clock", "hil/bench/together", "asyncio")),
    ("tick, timeline", ("hil/bench/",)),
)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logs.configure(verbose=False)


def show(line: str) -> None:
    """Print a figure for the record."""
    print(f"\n  {line}", end="")  # noqa: T201 - what make bench is for


def cpu_ns() -> int:
    """Return this process's processor time: what runs beside it costs a tick nothing."""
    return round(cpu_seconds() * 1e9)


def played(
    folder: Path, overrides: Sequence[str], minutes: int, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Play the start of the reference profile; return its figures."""
    request = Request(
        profile="room-baseline",
        bench="virtual-32s" if "needs.cells=32" in overrides else None,
        overrides=overrides,
        runs=folder,
        until=minutes * MINUTE,
    )
    return dict(run_profile(request, StopLadder(), progress).summary)


@pytest.mark.parametrize("case", CASES)
def test_speed_of_the_whole_bench(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = CASES[case]
    played(tmp_path, overrides, 1)  # loads compiled code and warms caches
    wall = [played(tmp_path, overrides, MINUTES) for _ in range(REPEATS)]
    monkeypatch.setattr(bench_run, "monotonic_ns", cpu_ns)
    cpu = [played(tmp_path, overrides, MINUTES) for _ in range(REPEATS)]
    assert {figures["simulated_s"] for figures in (*wall, *cpu)} == {MINUTES * 60.0 + 1.0}
    assert len({figures["digest"] for figures in (*wall, *cpu)}) == 1
    show(f"{case}: {_speeds(wall)} in wall time, {_speeds(cpu)} in processor time")
    show(f"    a simulated second: {cpu[0]['traffic']}")


def _speeds(runs: Sequence[dict[str, Any]]) -> str:
    """Return median and best: far apart, they tell of a machine that did something else too."""
    speeds = [float(figures["speed"]) for figures in runs]
    return f"{statistics.median(speeds):.0f} x (best {max(speeds):.0f} x)"


class Sampler:
    """Counts, a thousand times a second of processor time, which part is running.

    A profiler that hooks every call would charge small functions for its own work.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def start(self, *_: object) -> None:
        """Begin, if not yet; as a run's ``progress`` it does so with the first tick."""
        if signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0):
            signal.setitimer(signal.ITIMER_PROF, 1e-3, 1e-3)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Take samples between ``start`` and the end of this block."""
        before = signal.signal(signal.SIGPROF, self._sample)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.signal(signal.SIGPROF, before)

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        """Charge the innermost function that belongs to a part: NumPy to who called it."""
        part = None
        while frame is not None and part is None:
            part = part_of(frame.f_code.co_filename)
            frame = frame.f_back
        self.counts[part or "other"] += 1


@cache
def part_of(file: str) -> str | None:
    for part, places in PARTS:
        if any(place in file for place in places):
            return part
    return None


@pytest.mark.parametrize("case", CASES)
def test_where_a_tick_goes(case: str, tmp_path: Path) -> None:
    sampler = Sampler()
    with sampler.ready():
        speed = played(tmp_path, CASES[case], 3 * MINUTES, sampler.start)["speed"]
    total = sum(sampler.counts.values())
    assert total > 0
    show(f"{case}: of {1e6 / speed:.0f} us a tick")
    for part, count in sampler.counts.most_common(10):
        show(f"  {count / total:6.1%}  {part}")
