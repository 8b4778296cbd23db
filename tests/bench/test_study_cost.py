"""What a study costs beside its physics: handing tasks out, knowing results, losing a worker.

Nothing here asserts a time: figures belong to the machine and to what runs beside (``make bench``).
"""

import os
import signal
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from hil.bench.wall_time import monotonic_ns
from hil.core.instants import DAY, SECOND
from hil.profile.experiment import Experiment
from hil.profile.load_experiment import load_experiment
from hil.study.experiment import Outcome, Step, run_experiment
from hil.study.fan_out import HERE, Fan, on_this_machine
from hil.study.store import Store

pytestmark = pytest.mark.bench

WORKERS = os.cpu_count() or 1


def timed(experiment: Experiment, fan: Fan, store: Store) -> tuple[Outcome, float]:
    began_ns = monotonic_ns()
    outcome = run_experiment(experiment, None, fan, store)
    return outcome, (monotonic_ns() - began_ns) / SECOND


def shown(line: str) -> None:
    print(f"\n  {line}", end="")  # noqa: T201 - what make bench is for


def test_handing_tasks_out() -> None:
    """What of the workers' time is no work: handing out, coming back, waiting for the last one."""
    experiment = load_experiment("E05-more-current", ("duration=6 d",))
    with on_this_machine(WORKERS) as fan:
        warm = load_experiment("E05-more-current", ("duration=1 d", "draws=3"))
        timed(warm, fan, Store(None))  # every worker has loaded what it needs
        outcome, wall_s = timed(experiment, fan, Store(None))
        memory = [
            child.memory_info().rss / 2**20 for child in psutil.Process().children(recursive=True)
        ]
    work = outcome.work
    years = work.packs * experiment.head.duration_ns / DAY / 365
    shown(
        f"{work.packs} packs, {years:.0f} pack-years, {work.tasks} tasks of "
        f"{work.worker_s / work.tasks:.2f} s: {wall_s:.1f} s wall, {WORKERS} workers, "
        f"{work.worker_s:.1f} s of work: {1.0 - work.worker_s / (WORKERS * wall_s):.2%} of their "
        f"time is no work; largest process {max(memory):.0f} MiB"
    )


def test_what_the_cluster_takes_for_itself() -> None:
    """Processor time of scheduler, client and workers while these do nothing for half a minute."""
    with on_this_machine(WORKERS):
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        before_s = sum(sum(one.cpu_times()[:2]) for one in processes)
        time.sleep(30.0)
        after_s = sum(sum(one.cpu_times()[:2]) for one in processes)
    shown(f"{(after_s - before_s) / 30.0 / WORKERS:.2%} of {WORKERS} cores are Dask's own")


def test_what_is_known() -> None:
    """A second run of the same study, and what its results take on disk."""
    experiment = load_experiment("E05-more-current", ("duration=1 d",))
    with tempfile.TemporaryDirectory() as folder:
        first, first_s = timed(experiment, HERE, Store(Path(folder)))
        again, again_s = timed(experiment, HERE, Store(Path(folder)))
        size = sum(one.stat().st_size for one in Path(folder).iterdir()) / first.work.packs
    assert again.work.known == first.work.packs
    shown(f"{first.work.packs} packs: {first_s:.1f} s, again {again_s:.2f} s; {size:.0f} B a pack")


def test_a_worker_that_is_killed() -> None:
    """The same study with and without one worker killed in its middle."""
    experiment = load_experiment("E05-more-current", ("duration=6 d",))
    with on_this_machine(WORKERS) as fan:
        plain, plain_s = timed(experiment, fan, Store(None))

        def kill(step: Step) -> None:
            if not killed and step.cost_s > 0.5 * step.of_cost_s:
                victims = [
                    child
                    for child in psutil.Process().children(recursive=True)
                    if child.memory_info().rss > 100 * 2**20
                ]
                killed.append(victims[0].pid)
                os.kill(victims[0].pid, signal.SIGKILL)

        killed: list[int] = []
        began_ns = monotonic_ns()
        broken = run_experiment(experiment, None, fan, Store(None), kill)
        broken_s = (monotonic_ns() - began_ns) / SECOND
    assert killed
    for label, values in plain.results.items():
        for metric, value in values.items():
            assert value.tobytes() == broken.results[label][metric].tobytes()
    shown(f"{plain_s:.1f} s, with a worker killed in the middle {broken_s:.1f} s: to the bit alike")
