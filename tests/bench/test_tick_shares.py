"""What watching, recording and telling cost of a tick: the shares of interlock, journal, telemetry.

Each is timed where the tick calls it, on the loop's own thread, since that is what a tick waits
for; what the journal's and telemetry's own threads burn beside it stands apart.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter_ns, process_time_ns, thread_time_ns
from typing import Any

import pytest
from broker import running_broker

from hil.app import Request, prepare, run_profile
from hil.bench.ages import Ages
from hil.bench.interlock import Interlock
from hil.bench.stop import StopLadder
from hil.bench.tick import Ticker
from hil.cli import logs
from hil.core.instants import MINUTE, SECOND
from hil.live.target import parse_target
from hil.live.telemetry import Telemetry
from hil.results import writer

pytestmark = pytest.mark.bench

PROFILE, ROUNDS, MINUTES, WALL_S = "room-baseline", 3, 20, 60
PARTS: Mapping[str, tuple[tuple[type, str], ...]] = {
    "interlock": ((Interlock, "check"), (Interlock, "has_looked"), (Ages, "worst")),
    "journal": ((writer.Batches, "take"), (writer.InThread, "take")),
    "telemetry": ((Telemetry, "listen"),),
}
WALL = ("bench.clock=wall", "bench.tick=100 ms", "bench.board.cycle=100 ms")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logs.configure(verbose=False)


def show(line: str) -> None:
    """Print a figure for the record."""
    print(f"\n  {line}", end="")  # noqa: T201 - what make bench is for


class Stopwatch:
    """Adds up, part by part, how long the loop was in it."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.ticks: list[Counter[str]] = []
        self._before: Counter[str] = Counter()

    def watch(self, part: str, owner: type, name: str, patched: pytest.MonkeyPatch) -> None:
        """Let calls of a method be added to a part; the batch thread's calls are not the loop's."""
        plain: Callable[..., Any] = getattr(owner, name)

        def call(own: Any, *arguments: Any, **more: Any) -> Any:
            began = perf_counter_ns()
            try:
                return plain(own, *arguments, **more)
            finally:
                self.spent[part] += perf_counter_ns() - began
                self.calls[part] += 1

        patched.setattr(owner, name, call)

    def close_ticks(self, patched: pytest.MonkeyPatch) -> None:
        """Note at the end of each tick what each part took of it."""
        plain = Ticker.judge_and_decide

        def call(own: Ticker, *arguments: Any) -> None:
            plain(own, *arguments)
            self.ticks.append(self.spent - self._before)
            self._before = self.spent.copy()

        patched.setattr(Ticker, "judge_and_decide", call)

    def told(self, part: str, loop_s: float) -> str:
        """Return mean and p99 of a tick in us, and the share of the loop's ``loop_s``."""
        each = sorted(one[part] for one in self.ticks)
        mean, p99 = statistics.mean(each) / 1e3, each[int(0.99 * (len(each) - 1))] / 1e3
        share = self.spent[part] / 1e9 / loop_s
        return f"{part}: {mean:.0f} us a tick (p99 {p99:.0f}), {share:.1%} of the loop's time"


def played(folder: Path, patched: pytest.MonkeyPatch, **more: Any) -> tuple[Stopwatch, Any]:
    """Play a run under the stopwatch; return it and the summary, with the threads' time."""
    watch = Stopwatch()
    for part, calls in PARTS.items():
        for owner, name in calls:
            inside = owner is writer.Batches and "mqtt" in more  # there its thread takes
            if not inside:
                watch.watch(part, owner, name, patched)
    watch.close_ticks(patched)
    begun: list[int] = []

    def progress(*_: Any) -> None:
        begun.extend(() if begun else (thread_time_ns(), process_time_ns()))

    summary = dict(
        run_profile(Request(PROFILE, runs=folder, **more), StopLadder(), progress).summary
    )
    loop, whole = thread_time_ns() - begun[0], process_time_ns() - begun[1]
    summary["loop_s"], summary["beside_s"] = loop / 1e9, (whole - loop) / 1e9
    assert watch.ticks[5]["interlock"], "each tick is watched"
    assert watch.calls["journal"] >= sum(summary["events"].values()), "each record is taken"
    return watch, summary


@pytest.mark.parametrize("cycle", ["1 s", "100 ms"])
def test_shares_in_virtual_time(
    cycle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = (f"bench.board.cycle={cycle}",)
    rules = len(prepare(Request(PROFILE, overrides=changes)).watched)
    for turn in range(ROUNDS + 1):  # the first warms up
        with monkeypatch.context() as patched:
            watch, summary = played(
                tmp_path / f"{turn}", patched, overrides=changes, until=MINUTES * MINUTE
            )
        if turn:
            show(f"board cycle {cycle}, {rules} rules, {summary['speed']:.0f} x:")
            for part in ("interlock", "journal"):
                show(f"    {watch.told(part, summary['wall_s'])}")


def test_shares_in_wall_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_broker(tmp_path) as broker, monkeypatch.context() as patched:
        watch, summary = played(
            tmp_path / "run",
            patched,
            overrides=WALL,
            until=WALL_S * SECOND,
            mqtt=parse_target(broker.url, {}),
        )
    assert set(watch.calls) == set(PARTS), "all three are at work"
    show(f"tick 100 ms in wall time, {len(watch.ticks)} ticks, the loop takes")
    loop, beside = summary["loop_s"] / WALL_S, summary["beside_s"] / WALL_S
    show(f"    {loop:.1%} of a core, threads beside it {beside:.1%}:")
    for part in PARTS:
        show(f"    {watch.told(part, summary['loop_s'])}")
