"""Thousands of packs balanced by one strategy: readings, decision, leg, and again.

The strategy is the bench's own, on arrays (packs, cells); so are packs and boards. What a study
concludes from them (metrics, sweeps, uncertainty) is left to those who call ``run``.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Generic, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from hil.balancing.strategy import AnyStrategy, Decision, Observation, Truth
from hil.core.instants import SECOND
from hil.physics.batch import EVERY_SECOND, Batch, BatchTruth, Cut
from hil.physics.boards import Boards, Readings
from hil.physics.stack import Floats
from hil.study.schedule import Schedule, whole

Seen = TypeVar("Seen")

Look = Callable[[Batch, Boards, Decision], Seen]
"""What to keep of an instant between two legs."""

AfterLeg = Callable[[Decision, float], None]
"""Told of every leg, once it is made: what was ordered at its start, and its length in seconds."""

EachPart = Callable[[Callable[[slice], None]], None]
"""Does something for all parts of the packs, and comes back when all are done."""


@dataclass(frozen=True, slots=True)
class Studied(Generic[Seen]):
    """What came of a run: the truth at its end, and what was looked at, ``at_s``, on the way."""

    truth: BatchTruth
    at_s: tuple[float, ...]
    seen: tuple[Seen, ...]


def truth_of(batch: Batch, _boards: Boards, _decision: Decision) -> BatchTruth:
    """Keep what the physics knows: the plainest ``Look``."""
    return batch.truth()


def run(
    batch: Batch,
    boards: Boards,
    strategy: AnyStrategy,
    schedule: Schedule,
    duration_s: float,
    *,
    look: Look[Seen],
    look_every_s: float,
    cut: Cut = EVERY_SECOND,
    threads: int = 1,
    after_leg: AfterLeg | None = None,
) -> Studied[Seen]:
    """Run all packs for ``duration_s`` under ``schedule``, balanced by ``strategy``.

    A leg is the time between two decisions, and ``look`` is called before the first and after every
    ``look_every_s``; both are whole numbers of legs. ``threads`` share the packs among them; they
    change no result. Raises ValueError for times that do not fit.
    """
    leg_s = strategy.every_ns / SECOND
    legs = whole(duration_s, leg_s, "a study")
    looks = whole(look_every_s, leg_s, "look_every_s")
    if schedule.full is not None and math.isfinite(schedule.lap_s):
        whole(schedule.lap_s, leg_s, "a day of 'full'")  # or a lap would begin inside of a leg
    schedule = schedule.by_leg(leg_s, batch.time_s)
    state = strategy.initial(batch.pack.cells)
    at_s, seen, full = [], [], None
    with _parts(len(batch), threads) as each_part:
        each_part(lambda part: boards.sample(batch, part=part))
        for leg in range(legs):
            state, decision = strategy.step(state, observe(batch, boards.readings(), strategy))
            boards.order(decision.duty, decision.transfer)
            if schedule.starts_lap(batch.time_s):
                full = decision.wants_full
            if leg % looks == 0:
                at_s.append(batch.time_s)
                seen.append(look(batch, boards, decision))
            demand, ambient_degc = schedule.at(batch.time_s, leg_s, full)
            asked = Asked(demand, ambient_degc, schedule.kind)
            _run_leg(batch, boards, asked, leg_s, cut, each_part)
            if after_leg is not None:
                after_leg(decision, leg_s)
    at_s.append(batch.time_s)
    seen.append(look(batch, boards, decision))
    return Studied(batch.truth(), tuple(at_s), tuple(seen))


def observe(batch: Batch, readings: Readings, strategy: AnyStrategy) -> Observation:
    """Return what a strategy sees of readings that were taken this instant.

    A board whose comparators have a reference of their own decides by what those see.
    """
    truth = None
    if strategy.needs_truth:
        truth = Truth(batch.soc.copy(), batch.capacity_ah.copy())
    age_s, valid = _fresh(*readings.cell_v.shape)
    return Observation(
        time_s=np.full(len(batch), batch.time_s),
        cell_v=readings.trigger_v,
        current_a=readings.current_a,
        ntc_degc=readings.ntc_degc,
        pcb_degc=readings.pcb_degc,
        age_s=age_s,
        valid=valid,
        truth=truth,
    )


@lru_cache(maxsize=4)
def _fresh(packs: int, cells: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the age of readings of now, and that all are valid: made once, not to be written."""
    age_s, valid = np.zeros(packs), np.ones((packs, cells), np.bool_)
    age_s.flags.writeable = valid.flags.writeable = False
    return age_s, valid


class Asked(NamedTuple):
    """What is asked of packs for a leg, one for all or (packs,): A or W, degC."""

    demand: Floats
    ambient_degc: Floats
    kind: Literal["current", "power"]


def _run_leg(
    batch: Batch, boards: Boards, asked: Asked, leg_s: float, cut: Cut, each_part: EachPart
) -> None:
    """Move packs and boards on to the next decision, and sample there."""

    def move(part: slice) -> None:
        bleed_s = boards.conductances(batch, part)
        demand, ambient_degc, kind = asked
        batch.run_leg(
            *(leg_s, demand, ambient_degc, bleed_s),
            kind=kind,
            cut=cut,
            part=part,
            transfer=boards.transfer,
        )
        boards.after_leg(batch, leg_s, part=part)

    each_part(move)
    batch.finish_leg(leg_s)
    boards.finish_leg(leg_s)
    each_part(lambda part: boards.sample(batch, part=part))


@contextmanager
def _parts(packs: int, threads: int) -> Iterator[EachPart]:
    """Cut the packs into one part a thread. Raises ValueError for none, or more than packs."""
    if not 1 <= threads <= packs:
        raise ValueError(f"threads {threads}: expected 1 to {packs}, the number of packs")
    edges = np.linspace(0, packs, threads + 1).astype(int).tolist()
    parts = [slice(first, last) for first, last in pairwise(edges)]
    with ThreadPoolExecutor(threads) as pool:

        def each_part(work: Callable[[slice], None]) -> None:
            if threads == 1:
                work(parts[0])
            else:
                list(pool.map(work, parts))  # list: an error in any of them comes out here

        yield each_part
