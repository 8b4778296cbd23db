"""What a run is expected to show, judged: pure functions of rows, metrics and the profile's words.

The bench calls them while it runs and a replay calls them on what was recorded, so that the two
cannot come apart.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from hil.bench.quantities import Reader
from hil.core.instants import Duration, Instant, to_seconds
from hil.core.records import ExpectationJudged
from hil.profile.conditions import Criterion
from hil.profile.model import Expect, ExpectFault, ExpectGone
from hil.verdict.judgement import judge
from hil.verdict.registry import MetricValue, Uncertainties

UncertaintyOf: TypeAlias = Callable[[str, float], float]
"""Returns the expanded uncertainty of a quantity's reading, in the quantity's unit."""

TYPICAL_CELL_V = 3.3
"""Where accuracies with a gain term are read: an LFP cell on its plateau."""

HOTTEST_DEGC = 60.0
"""The same for a chamber: where profiles soak furthest from zero."""

BOARD_SAYS = "board telemetry"


def uncertainty_of(u: Uncertainties, cells: int) -> UncertaintyOf:
    """Return how uncertain a reading is on a bench with these devices.

    Truth of the plant reaches the board through the emulators, so its cell voltages carry the
    emulators' set accuracy; a gap is a difference of two of them. An error of the board is as
    certain as the instrument it is held against. What is not listed is known exactly: the board's
    own readings are what is judged, not what judges.
    """
    table: dict[str, Callable[[float], float]] = {
        "cell.voltage": u.read_v.at,
        "gap": lambda _gap_v: math.sqrt(2.0) * u.set_v.at(TYPICAL_CELL_V),
        "pack.voltage": lambda pack_v: math.sqrt(cells) * u.set_v.at(pack_v / cells),
        "chamber.temperature": u.chamber_k.at,
        "board.temperature": u.pcb_k.at,
        "board.cell.error": lambda _error_v: u.read_v.at(TYPICAL_CELL_V),
        "board.current.error": u.pack_a.at,
        "board.supply.voltage": u.supply_v.at,
        "board.supply.current": u.supply_a.at,
        "board.temperature.error": lambda _error_k: u.chamber_k.at(HOTTEST_DEGC),
    }
    return lambda quantity, value: table.get(quantity, _exact)(value)


def _exact(value: float) -> float:
    return math.nan if math.isnan(value) else 0.0


def of_row(
    step: Expect,
    row: Sequence[float],
    reader: Reader,
    uncertainty: UncertaintyOf,
    at: Instant,
    read_at: Instant,
) -> list[ExpectationJudged]:
    """Judge a value of one row against each of its bounds; of several cells the worst one counts.

    One that was not read could be worse than all the others: then nobody can tell.
    """
    values = reader.values(step.quantity, row)
    unread = [k + 1 for k, value in enumerate(values) if math.isnan(value)]
    where = f"not read: {unread}" if unread else reader.where(step.quantity)
    found = []
    for comparison, limit in (("<=", step.maximum), (">=", step.minimum)):
        if limit is not None:
            worst = max(values) if comparison == "<=" else min(values)
            value = math.nan if unread else worst
            u = uncertainty(step.quantity, value)
            passed = judge(value, u, comparison, limit)
            found.append(
                ExpectationJudged(
                    at, step.name, value, u, step.unit, comparison, limit, passed, read_at, where
                )
            )
    return found


def of_fault(
    step: ExpectFault, after: Duration, by: Duration | None, at: Instant, read_at: Instant
) -> ExpectationJudged:
    """Judge how long a board took to report a fault, or that it is gone.

    It took more than ``after`` and not more than ``by``; never (``by`` None) counts as infinite.
    """
    what = f"no more {step.fault}" if isinstance(step, ExpectGone) else step.fault
    name = f"board reports {what}" + (f" on cell {step.cell}" if step.cell else "")
    in_time = by is not None and by <= step.within_ns
    too_late = after >= step.within_ns
    passed = True if in_time else False if too_late else None
    value_s = math.inf if by is None else to_seconds(by)
    u = to_seconds((after if by is None else by) - max(after, 0))
    limit_s = to_seconds(step.within_ns)
    return ExpectationJudged(at, name, value_s, u, "s", "<=", limit_s, passed, read_at, BOARD_SAYS)


def of_run(
    criterion: Criterion, metrics: Mapping[str, MetricValue], at: Instant, *, whole: bool
) -> ExpectationJudged:
    """Judge one criterion; a run that did not play all its steps (``whole``) leaves it open."""
    found = metrics[criterion.metric]
    passed = judge(found.value, found.uncertainty, criterion.comparison, criterion.limit)
    return ExpectationJudged(
        at=at,
        name=criterion.text,
        value=found.value,
        uncertainty=found.uncertainty,
        unit=criterion.unit,
        comparison=criterion.comparison,
        limit=criterion.limit,
        passed=passed if whole else None,
        read_at=found.read_at,
        where=found.where if whole else "the profile did not end",
    )
