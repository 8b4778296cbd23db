"""What telemetry costs a tick in wall time: without it, with it, its broker killed, frozen.

Runs are processes of their own and take turns, so that what else the machine does falls on all;
it only ever adds, so the best of the runs says what telemetry costs. Where the host allows it
they run at a real-time priority, or the figures say how busy it was.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from broker import DEADLINE_S, Broker, Subscriber, running_broker, subscribed
from scenario import hil

pytestmark = pytest.mark.bench

ROUNDS, SECONDS, GONE_S = 5, 15, 1.5
WALL = ("bench.clock=wall", "bench.tick=100 ms", "bench.board.cycle=100 ms")
DURABLE = ("persistence true", "autosave_on_changes true", "autosave_interval 1")


def killed(broker: Broker) -> None:
    broker.kill()
    time.sleep(GONE_S)  # the outage itself, not a wait for something
    broker.start()


def frozen(broker: Broker) -> None:
    broker.freeze()
    time.sleep(GONE_S)
    broker.thaw()


HAPPENS: Mapping[str, Callable[[Broker], None] | None] = {
    "off": None,
    "on": lambda _broker: None,
    "killed": killed,
    "frozen": frozen,
}


def played(folder: Path, what: str) -> dict[str, Any]:
    """Play one run; return its summary, with the numbers that have not arrived as ``missing``."""
    folder.mkdir()
    with (
        running_broker(folder, *DURABLE, f"persistence_location {folder}/") as broker,
        subscribed(broker) as outside,
    ):
        happens = HAPPENS[what]
        words = [word for change in WALL for word in ("--set", change)]
        mqtt = [] if happens is None else ["--mqtt", broker.url]
        run = hil(
            "run", "room-baseline", *words, *mqtt, "--until", f"{SECONDS} s", "--json", cwd=folder
        )
        with suppress(PermissionError):
            os.sched_setscheduler(run.pid, os.SCHED_FIFO, os.sched_param(10))
        if happens is not None:
            outside.wait_for(lambda seen: len(seen) > 10, "tick")
            for _ in range(3):
                time.sleep(GONE_S)
                happens(broker)
        out, err = run.communicate(timeout=DEADLINE_S)
        assert out, err
        body: dict[str, Any] = json.loads(out)
        body["missing"] = missing(outside, body) if happens else 0
    return body


def missing(outside: Subscriber, body: Mapping[str, Any]) -> int:
    """Return how many numbers have not come when the last one has."""
    records: int = sum(body["events"].values())

    def seen(messages: list[dict[str, Any]]) -> set[int]:
        return {message["seq"] for message in messages}

    outside.wait_for(lambda messages: records - 1 in seen(messages), "tick", "event")
    return records - len(seen(outside.messages("tick", "event")))


def test_lateness_with_and_without(tmp_path: Path) -> None:
    runs: dict[str, list[dict[str, Any]]] = {what: [] for what in HAPPENS}
    for turn in range(ROUNDS):
        for what, found in runs.items():
            found.append(played(tmp_path / f"{what}-{turn}", what))
    print(f"\n  {ROUNDS} x {SECONDS} s at 100 ms; best and median of the runs, in ms")  # noqa: T201 - for the record
    for what, found in runs.items():
        figures = [
            f"{kind} {of} {min(values):.2f} ({statistics.median(values):.2f})"
            for kind in ("late", "took")
            for of in ("p50", "p99", "max")
            for values in [[one["timing"][f"{kind}_ms"][of] for one in found]]
        ]
        told = [one.get("telemetry", {}) for one in found]
        counts = {
            key: sum(one.get(key, 0) for one in told)
            for key in ("sent", "backfilled", "reconnects")
        }
        lost = sum(one["missing"] for one in found)
        print(f"  {what:7} {', '.join(figures)}; {counts}, missing {lost}")  # noqa: T201 - the same
        assert not lost
