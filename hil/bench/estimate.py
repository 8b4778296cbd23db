"""How long a profile may last on the bench's clock: for the time left, and for nothing else."""

from collections.abc import Sequence
from typing import assert_never

from hil.core.instants import Duration
from hil.profile.model import (
    After,
    Charge,
    Clear,
    Discharge,
    Expect,
    ExpectFault,
    Follow,
    Hold,
    Inject,
    Outdoors,
    Repeat,
    Rest,
    Soak,
    Step,
)


def longest(steps: Sequence[Step]) -> Duration | None:
    """Return the time after which all steps are over at the latest, None if nothing bounds it.

    The way of a chamber to its set-point is not counted: nobody knows it before.
    """
    spans = [_longest_of(step) for step in steps]
    known = [span for span in spans if span is not None]
    return sum(known) if len(known) == len(spans) else None


def _longest_of(step: Step) -> Duration | None:
    match step:
        case Expect() | Clear() | Outdoors():
            return 0
        case Rest() | Soak():
            return step.for_ns
        case Charge() | Discharge() | Hold():
            waits = [condition.for_ns for condition in step.until if isinstance(condition, After)]
            return min(waits, default=None)
        case Follow():
            return step.series.times_ns[-1] + step.series.step_ns
        case Repeat():
            once = longest(step.steps) if step.every_ns is None else step.every_ns
            return None if once is None else step.count * once
        case ExpectFault() | Inject():
            return (step.within_ns if isinstance(step, ExpectFault) else step.for_ns) or 0
        case _:
            assert_never(step)
