"""What a study asks for, pack by pack, and how that is cut into tasks for workers.

A pack's result depends on nothing but the pack: not on those that it is computed beside. So packs
that can stand in one batch share a task, whatever arm they are of; the more of them, the less each
costs. A task lasts seconds at least, or handing it out would cost more than it; and there are
several a worker, so that none waits long for the last one.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from hil.bench.wall_time import monotonic_ns
from hil.core.instants import MINUTE, Duration, to_seconds
from hil.physics.stack import Floats
from hil.profile.experiment import Arm, Assumed
from hil.study.arms import fuses, run_arms
from hil.study.draws import Draw, drawn
from hil.study.identity import Identity, code_version, whole_code

LEAST_S = 1.0
"""No task is made shorter than this: handing one out takes some 2 ms (ADR 14)."""
TASKS_A_WORKER = 6
"""How many a worker gets at least, work permitting: so long may the last worker run alone."""
FEWEST_PACKS = 16
"""Packs that a batch is not cut below: a leg costs as much as some 30 packs in it."""

_LEG_S, _PACK_LEG_S, _PACK_MINUTE_S = 5e-4, 5e-6, 6e-7
"""What a leg takes, a pack in it, and a minute of a pack: roughly, for sizes and time left only."""


class Pack(NamedTuple):
    """One result that is asked for: an arm's pack, and the digest that it is known by."""

    arm: Arm
    draw: Draw
    key: str


class Task(NamedTuple):
    """Arms that can stand in one batch, over some draws; ``cost_s`` is a guess of how long."""

    arms: tuple[Arm, ...]
    draws: tuple[Draw, ...]
    assumed: tuple[Assumed, ...]
    duration_ns: Duration
    cost_s: float


class Done(NamedTuple):
    """What came of a task: by arm and metric (draws,), by which code, and in how many seconds."""

    results: tuple[Mapping[str, Floats], ...]
    code: str
    took_s: float


def packs_of(
    arms: Sequence[Arm], assumed: Sequence[Assumed], draws: Sequence[Draw], duration_ns: Duration
) -> list[Pack]:
    """Return every pack of a study with its key, arm by arm."""
    identity, code = Identity(), code_version()
    return [
        Pack(arm, draw, _key(identity, code, arm, assumed, draw, duration_ns))
        for arm in arms
        for draw in draws
    ]


def _key(
    identity: Identity,
    code: str,
    arm: Arm,
    assumed: Sequence[Assumed],
    draw: Draw,
    duration_ns: Duration,
) -> str:
    """Return the digest of all that a pack's result comes from; arms' names are not among it."""
    world = drawn(arm, assumed, draw)
    return identity.of(code, world, arm.cell, arm.design, arm.strategy, duration_ns, draw.pack_seed)


def cut(
    packs: Sequence[Pack], assumed: Sequence[Assumed], duration_ns: Duration, workers: int
) -> list[Task]:
    """Return tasks for all these packs, the longest first; of two with one key, one is computed."""
    groups = list(_together(packs))
    costs = [cost_s(arms, len(draws), duration_ns) for arms, draws in groups]
    target_s = max(LEAST_S, sum(costs) / (workers * TASKS_A_WORKER))
    tasks = []
    for (arms, draws), cost in zip(groups, costs, strict=True):
        for part in _parts(len(draws), len(arms), math.ceil(cost / target_s)):
            share = draws[part]
            own_s = cost_s(arms, len(share), duration_ns)
            tasks.append(Task(arms, share, tuple(assumed), duration_ns, own_s))
    return sorted(tasks, key=lambda task: -task.cost_s)


def _together(packs: Sequence[Pack]) -> Iterator[tuple[tuple[Arm, ...], tuple[Draw, ...]]]:
    """Yield arms that fit into one batch and lack the same draws."""
    lacks: dict[str, tuple[Arm, list[Draw]]] = {}
    seen: set[str] = set()
    for pack in packs:
        if pack.key not in seen:
            seen.add(pack.key)
            lacks.setdefault(pack.arm.label, (pack.arm, []))[1].append(pack.draw)
    groups: list[tuple[list[Arm], tuple[Draw, ...]]] = []
    for arm, lacked in lacks.values():
        for arms, draws in groups:
            if draws == tuple(lacked) and fuses(arms[0], arm):
                arms.append(arm)
                break
        else:
            groups.append(([arm], tuple(lacked)))
    for arms, draws in groups:
        yield tuple(arms), draws


def _parts(draws: int, arms: int, wanted: int) -> list[slice]:
    """Cut draws into at most ``wanted`` slices, alike in size and none with too few packs."""
    most = max(1, draws * arms // FEWEST_PACKS)
    count = max(1, min(wanted, most, draws))
    edges = [round(k * draws / count) for k in range(count + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]


def cost_s(arms: Sequence[Arm], draws: int, duration_ns: Duration) -> float:
    """Return roughly how long a task takes on one core."""
    every_ns: Duration = arms[0].strategy.every_ns
    packs = draws * len(arms) * arms[0].conditions.cells / 16
    a_pack_s = _PACK_LEG_S + _PACK_MINUTE_S * every_ns / MINUTE
    legs: float = duration_ns / every_ns
    return legs * (_LEG_S + packs * a_pack_s)


def perform(task: Task) -> Done:
    """Compute a task, on whichever machine this is. Raises ValueError that names the arm."""
    began_ns = monotonic_ns()
    try:
        results = run_arms(task.arms, task.assumed, task.draws, task.duration_ns)
    except ValueError as error:
        names = ", ".join(f"'{arm.label}'" for arm in task.arms)
        raise ValueError(f"arm {names}: {error}") from error
    return Done(tuple(results), whole_code(), to_seconds(monotonic_ns() - began_ns))
