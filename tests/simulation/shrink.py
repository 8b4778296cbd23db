"""From a plan that breaks an invariant to the smallest one that still does.

Delta debugging (Zeller and Hildebrandt, TSE 28 (2002), algorithm ddmin) over everything that a plan
holds, then simpler amounts and a shorter run, again and again until nothing more can go.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from plan import Disturbed, Happening, Plan, Stop

from hil.core.instants import MILLISECOND, SECOND

Breaks = Callable[[Plan], bool]


def shrunk(plan: Plan, breaks: Breaks) -> Plan:
    """Return a smaller plan that ``breaks``; nothing can be left out of it."""
    while True:
        before = plan
        plan = _without(plan, breaks)
        plan = _first(_shorter(plan), breaks) or plan
        while (simpler := _first(_simpler(plan), breaks)) is not None:
            plan = simpler
        if plan == before:
            return plan


def _first(candidates: Iterator[Plan], breaks: Breaks) -> Plan | None:
    return next((one for one in candidates if breaks(one)), None)


def _without(plan: Plan, breaks: Breaks) -> Plan:
    """Leave out as many parts as can be left out: halves first, then ever smaller pieces."""
    parts = list(plan.parts)
    pieces = 2
    while len(parts) >= 1:
        size = -(-len(parts) // pieces)
        rests = (parts[:k] + parts[k + size :] for k in range(0, len(parts), size))
        rest = next((rest for rest in rests if breaks(_of(plan, rest))), None)
        if rest is not None:
            parts, pieces = rest, max(2, pieces - 1)
        elif size == 1:
            break
        else:
            pieces = min(len(parts), 2 * pieces)
    return _of(plan, parts)


def _of(plan: Plan, parts: Sequence[Any]) -> Plan:
    """Return the plan with these parts only."""
    return replace(
        plan,
        links=tuple(one for one in parts if isinstance(one, Disturbed)),
        lab=tuple(one for one in parts if isinstance(one, Happening)),
        stops=tuple(one for one in parts if isinstance(one, Stop)),
    )


def _shorter(plan: Plan) -> Iterator[Plan]:
    """Yield shorter runs, the shortest first."""
    for until_s in (0, 1, 2, 3, 5, 8, 12, 16, 20):
        if plan.until_s is None or until_s < plan.until_s:
            yield replace(plan, until_s=until_s)


ROUND = (0, 1, MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND, SECOND)


def _simpler(plan: Plan) -> Iterator[Plan]:
    """Yield plans with one simpler number each: another seed, rounder amounts and instants."""
    if plan.seed:
        yield replace(plan, seed=0)
    parts = plan.parts
    for k, part in enumerate(parts):
        for simpler in _simpler_part(part):
            yield _of(plan, [*parts[:k], simpler, *parts[k + 1 :]])


def _simpler_part(part: Any) -> Iterator[Any]:
    """Yield a part of a plan with one simpler number."""
    if isinstance(part, Disturbed):
        fault = part.fault
        least = 1 if fault.kind == "reordered" else 0
        for amount in _rounder(fault.amount, least):
            yield Disturbed(part.device, replace(fault, amount=amount))
        return
    for at in _rounder(part.at, 0):
        yield part._replace(at=at)
    if isinstance(part, Happening):
        for lasts in _rounder(part.lasts, 0):
            yield part._replace(lasts=lasts)
        if part.cell > 1:
            yield part._replace(cell=1)


def _rounder(number: int, least: int) -> Iterator[int]:
    """Yield smaller or rounder numbers, the simplest first."""
    rounded = (number // unit * unit for unit in (SECOND, 100 * MILLISECOND, MILLISECOND, 10))
    for one in chain(ROUND, rounded):
        if least <= one < number:
            yield one
