"""An experiment, run: all arms over all draws, on as many processes as the host has cores.

Arms do not touch each other and every draw comes from its seed, so the number of workers changes
nothing but the time.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hil.physics.stack import Floats
from hil.profile.experiment import Experiment
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
            "wall_s": round(wall_s, 1),
        }


def run_experiment(
    experiment: Experiment,
    seeds: Sequence[int] | None = None,
    workers: int = 1,
    progress: Progress = lambda _done, _all: None,
) -> Outcome:
    """Run all arms and judge the claim. ``seeds`` stand in place of the file's.

    Raises ValueError for times or packs that do not fit each other.
    """
    chosen = tuple(seeds or experiment.head.seeds)
    draws = tuple(draws_of(experiment.assumed, experiment.head.draws, chosen))
    found: dict[str, Mapping[str, Floats]] = {}
    with _pool(workers) as submit:
        jobs = {
            submit(run_arm, arm, experiment.assumed, draws, experiment.head.duration_ns): arm.label
            for arm in experiment.arms
        }
        for done, job in enumerate(as_completed(jobs), 1):
            found[jobs[job]] = job.result()
            progress(done, len(jobs))
    results = {arm.label: found[arm.label] for arm in experiment.arms}
    verdict = judge(experiment.checks, experiment.arms, results)
    return Outcome(experiment, chosen, draws, results, verdict)


@contextmanager
def _pool(workers: int) -> Iterator[Callable[..., "Future[Any]"]]:
    """Yield what takes a job. One worker is this process itself, which a debugger can look into."""
    if workers == 1:
        yield _here
        return
    # spawned, not forked: compiled code and its threads do not survive a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _leave_interrupts) as pool:
        try:
            yield pool.submit
        finally:
            pool.shutdown(cancel_futures=True)


def _here(work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    done: Future[Any] = Future()
    done.set_result(work(*arguments))
    return done


def _leave_interrupts() -> None:
    """Leave Ctrl-C, which a terminal sends to every process, to the one that was started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
