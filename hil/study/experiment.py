"""An experiment, run: every pack of every arm, from what is known already or computed, and judged.

Packs do not touch each other and every one comes from its seed, so neither the number of workers
nor what was known before changes anything but the time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hil.physics.stack import Floats
from hil.profile.experiment import Experiment
from hil.study.draws import Draw, draws_of
from hil.study.fan_out import HERE, Fan
from hil.study.flips import Flip, flips_of
from hil.study.judge import Verdict, judge, table_of
from hil.study.store import Row, Store
from hil.study.tasks import Done, Pack, Task, cut, packs_of


class Work(NamedTuple):
    """What a study took: packs in all, and those that were ``known`` from an earlier one.

    ``tasks`` were computed by ``workers`` in ``worker_s``, the sum over all of them; ``known_s`` is
    what those took that were known.
    """

    packs: int
    known: int
    tasks: int
    workers: int
    worker_s: float
    known_s: float


class Step(NamedTuple):
    """How far a study is: of what is to be computed, by expected time and in packs."""

    cost_s: float
    of_cost_s: float
    packs: int
    of_packs: int


Progress = Callable[[Step], None]


@dataclass(frozen=True)
class Outcome:
    """What came of an experiment; ``results`` by label of the arm and by metric, (draws,) each."""

    experiment: Experiment
    seeds: tuple[int, ...]
    draws: tuple[Draw, ...]
    results: Mapping[str, Mapping[str, Floats]]
    verdict: Verdict
    work: Work

    def flips(self) -> list[list[Flip]]:
        """Return for every check on which assumptions it hangs, the first one most.

        The oracle's checks, behind those of the file, hang on none.
        """
        arms, assumed = self.experiment.arms, self.experiment.assumed
        checks, judged = self.experiment.checks, self.verdict.checks
        own = [
            flips_of(check, one, arms, self.draws, assumed)
            for check, one in zip(checks, judged, strict=False)
        ]
        return own + [[] for _ in judged[len(checks) :]]

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
                    "flips": [flip._asdict() for flip in flips],
                }
                for one, flips in zip(verdict.checks, self.flips(), strict=True)
            ],
            "draws": len(self.draws),
            "seeds": list(self.seeds),
            "set": list(self.experiment.overrides),
            "work": self.work._asdict(),
            "wall_s": round(wall_s, 1),
        }


def run_experiment(
    experiment: Experiment,
    seeds: Sequence[int] | None = None,
    fan: Fan = HERE,
    store: Store | None = None,
    progress: Progress = lambda _step: None,
) -> Outcome:
    """Run all arms and judge the claim. ``seeds`` stand in place of the file's.

    What is in the ``store`` is not computed again; what is computed goes there, task by task.
    Raises ValueError, which names the arm, for times or packs that do not fit each other, and
    EnvironmentProblem where the host, or a cluster, cannot do it.
    """
    head, assumed, kept = experiment.head, experiment.assumed, store or Store(None)
    chosen = tuple(seeds or head.seeds)
    draws = tuple(draws_of(assumed, head.draws, chosen))
    packs = packs_of(experiment.arms, assumed, draws, head.duration_ns)
    found = kept.known({pack.key for pack in packs})
    known = [found[pack.key].took_s for pack in packs if pack.key in found]
    lacking = [pack for pack in packs if pack.key not in found]
    tasks = cut(lacking, assumed, head.duration_ns, fan.workers)
    by_place = {(pack.arm.label, pack.draw): pack for pack in lacking}
    step = Step(0.0, sum(task.cost_s for task in tasks), 0, sum(map(_size, tasks)))
    if tasks:
        kept.ready()
    progress(step)
    worker_s = 0.0
    for task, done in fan.compute(tasks) if tasks else ():
        rows = list(_rows(head.experiment, task, done, by_place))
        kept.keep(rows)
        found |= {row.key: row for row in rows}
        worker_s += done.took_s
        step = step._replace(cost_s=step.cost_s + task.cost_s, packs=step.packs + _size(task))
        progress(step)
    results = _by_arm(packs, found)
    verdict = judge(experiment.checks, experiment.arms, results)
    work = Work(len(packs), len(known), len(tasks), fan.workers, worker_s, sum(known))
    return Outcome(experiment, chosen, draws, results, verdict, work)


def _size(task: Task) -> int:
    return len(task.arms) * len(task.draws)


def _rows(
    experiment: str, task: Task, done: Done, by_place: Mapping[tuple[str, Draw], Pack]
) -> Iterable[Row]:
    """Yield a row for each pack of a task; ``took_s`` is its share of the task's time."""
    took_s = done.took_s / _size(task)
    for arm, values in zip(task.arms, done.results, strict=True):
        about: dict[str, str | int | float] = {
            "experiment": experiment,
            "arm": arm.name,
            "variant": arm.variant,
            "strategy": type(arm.strategy).__name__,
            "board": arm.conditions.board,
            "code": done.code,
        }
        for at, draw in enumerate(task.draws):
            own = about | {"seed": draw.seed, "pack_seed": draw.pack_seed}
            metrics = {name: float(value[at]) for name, value in values.items()}
            yield Row(by_place[arm.label, draw].key, own, took_s, metrics)


def _by_arm(packs: Sequence[Pack], found: Mapping[str, Row]) -> dict[str, dict[str, Floats]]:
    """Return metrics by label of the arm, (draws,) each, in the order of the experiment."""
    keys: dict[str, list[str]] = {}
    for pack in packs:
        keys.setdefault(pack.arm.label, []).append(pack.key)
    return {
        label: {
            metric: np.array([found[key].metrics[metric] for key in own])
            for metric in found[own[0]].metrics
        }
        for label, own in keys.items()
    }
