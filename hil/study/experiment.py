"""An experiment, run: all arms over all draws, on as many processes as the host has cores.

Arms do not touch each other and every draw comes from its seed, so the number of workers changes
nothing but the time.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from hil.core.errors import EnvironmentProblem
from hil.core.instants import Duration
from hil.physics.stack import Floats
from hil.profile.experiment import Arm, Assumed, Experiment
from hil.study.arms import run_arm
from hil.study.draws import Draw, draws_of
from hil.study.judge import Verdict, judge, table_of

Progress = Callable[[int, int], None]
"""Told how many arms are done, of how many."""


@dataclass(frozen=True)
class Outcome:
    """What came of an experiment; ``results`` by label of the arm and by metric, (draws,) each."""

    experiment: Experiment
    seeds: tuple[int, ...]
    draws: tuple[Draw, ...]
    results: Mapping[str, Mapping[str, Floats]]
    verdict: Verdict

    def plain(self, wall_s: float) -> dict[str, Any]:
        """Return it as JSON has it."""
        head, verdict = self.experiment.head, self.verdict
        regimes = verdict.regimes.items()
        return {
            "experiment": head.experiment,
            "title": head.title,
            "claim": head.claim,
            "supported": verdict.own.supported,
            "share_of_draws": verdict.own.share,
            "regimes": {name or "as written": one._asdict() for name, one in regimes},
            "valid": verdict.valid,
            "arms": table_of(self.experiment.arms, self.results),
            "checks": [
                {
                    "name": one.name,
                    "role": one.role,
                    "expected": one.expected,
                    "found": one.found,
                    "passed": one.passed,
                }
                for one in verdict.checks
            ],
            "draws": len(self.draws),
            "seeds": list(self.seeds),
            "set": list(self.experiment.overrides),
            "wall_s": round(wall_s, 1),
        }


def run_experiment(
    experiment: Experiment,
    seeds: Sequence[int] | None = None,
    workers: int = 1,
    progress: Progress = lambda _done, _all: None,
) -> Outcome:
    """Run all arms and judge the claim. ``seeds`` stand in place of the file's.

    Raises ValueError, which names the arm, for times or packs that do not fit each other, and
    EnvironmentProblem where the host has killed a worker.
    """
    chosen = tuple(seeds or experiment.head.seeds)
    draws = tuple(draws_of(experiment.assumed, experiment.head.draws, chosen))
    ran = _in_processes(experiment, draws, workers) if workers > 1 else _here(experiment, draws)
    found: dict[str, Mapping[str, Floats]] = {}
    for label, values in ran:
        found[label] = values
        progress(len(found), len(experiment.arms))
    results = {arm.label: found[arm.label] for arm in experiment.arms}
    verdict = judge(experiment.checks, experiment.arms, results)
    return Outcome(experiment, chosen, draws, results, verdict)


Ran = Iterator[tuple[str, Mapping[str, Floats]]]
"""Labels and results of arms, each as soon as it is done."""


def _here(experiment: Experiment, draws: Sequence[Draw]) -> Ran:
    """Run arm after arm in this process, which a debugger can look into."""
    for arm in experiment.arms:
        yield arm.label, _run(arm, experiment.assumed, draws, experiment.head.duration_ns)


def _in_processes(experiment: Experiment, draws: Sequence[Draw], workers: int) -> Ran:
    # spawned, not forked: compiled code and its threads do not survive a fork
    context = multiprocessing.get_context("spawn")
    assumed, duration_ns = experiment.assumed, experiment.head.duration_ns
    waiting = {arm.label for arm in experiment.arms}
    with ProcessPoolExecutor(workers, context, _end_with_parent) as pool:
        jobs = {
            pool.submit(_run, arm, assumed, draws, duration_ns): arm.label
            for arm in experiment.arms
        }
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
                waiting.remove(jobs[job])
        except BrokenProcessPool as error:
            raise EnvironmentProblem(
                f"a worker process was killed, without enough memory perhaps, before these arms "
                f"were done: {', '.join(sorted(waiting))}; try fewer with --workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _run(
    arm: Arm, assumed: Sequence[Assumed], draws: Sequence[Draw], duration_ns: Duration
) -> Mapping[str, Floats]:
    """Run one arm. Raises ValueError that says which one it was."""
    try:
        return run_arm(arm, assumed, draws, duration_ns)
    except ValueError as error:
        raise ValueError(f"arm '{arm.label}': {error}") from error


def _end_with_parent() -> None:
    """Leave Ctrl-C, which a terminal sends to every process, to the parent; end when that ends.

    A parent that is told to stop leaves at once: it cannot end workers in the middle of an arm.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
