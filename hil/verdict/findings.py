"""What the rules about a board share: what they find, and how far off it may be for how long.

A *finding* is what is wrong in one tick. It becomes a ``Deviation`` when it has lasted longer than
its rule allows (``hil.verdict.deviations``).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from hil.core.instants import MINUTE, SECOND, Duration
from hil.core.spec import Accuracy
from hil.ports import BoardFault

EXACT = Accuracy(0.0)


class Explains(NamedTuple):
    """A fault that, once the board reports it, explains wrong readings of the cells around it.

    They go from ``first`` to ``last``, counted from the cell that the fault names; a fault that
    names none (the lead above the stack) counts from the last cell.
    """

    fault: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Lead:
    """What tells a reading taken under bleed from a muted one: the drop along its sense leads.

    ``lead_ohm`` is one a lead, from the bottom; ``bleed_ohm`` what a bleed draws its current
    through. A cell counts as at rest while its emulator moved by less than ``steady_v`` over three
    ticks. Means of ``samples`` readings are compared, and only those of patterns of bleeding that
    make a difference of more than twice ``floor_v``: below that noise and drift could do it.
    """

    lead_ohm: tuple[float, ...]
    bleed_ohm: float
    steady_v: float
    floor_v: float
    samples: int
    stale: Duration = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far off and for how long a board may be, from its data and the bench's.

    ``reading_v`` is the sum of the board's error, the emulator's, and what cells may move between
    two looks. ``explained`` lists the faults whose report turns a wrong reading into a found one:
    an open lead disturbs both its cells, a silent front end all that it measures. A bleed draws
    ``bleed_s`` (siemens, averaged over the board's cycle; 0 where nobody knows, and then no current
    is too much or too little) times its duty, read to ``read_a``; a lead that is open is found
    within ``idle_window``. ``lead`` is None where the board does not mute its bleeds,
    ``current_a`` where its current is not emulated; else it may report what it was shown within the
    last ``current_looks`` ticks.
    """

    reading_v: float = 0.015
    reading_window: Duration = 5 * SECOND
    frozen_sets: int = 20
    frozen_move_v: float = 0.005
    silent_after: Duration = 3 * SECOND
    duty: float = 0.02
    obey_window: Duration = 3 * SECOND
    leak_a: float = 0.010
    leak_window: Duration = 3 * SECOND
    bleed_s: float = 0.0
    read_a: Accuracy = EXACT
    idle_window: Duration = 10 * SECOND
    lead: Lead | None = None
    current_a: Accuracy | None = None
    current_looks: int = 3
    temperature_k: float = 3.0
    temperature_window: Duration = MINUTE
    rejected_frames: int = 3
    rejected_window: Duration = 10 * SECOND
    explained: tuple[Explains, ...] = (
        Explains("open-wire", -1, 1),
        Explains("top-lead-open", 0, 0),
        Explains("front-end-silent", 0, 15),
    )

    def cells_explained(self, faults: Iterable[BoardFault], cells: int) -> set[int]:
        """Return the cells (from 1) whose readings the reported faults explain."""
        return {
            cell
            for explains in self.explained
            for name, named in faults
            if name == explains.fault
            for around in (named or cells,)
            for cell in range(around + explains.first, around + explains.last + 1)
        }


class Finding(NamedTuple):
    """What one rule says of one subject in one tick; ``window`` is how long it may last."""

    value: float
    limit: float
    unit: str
    window: Duration
    situation: str


Findings: TypeAlias = dict[tuple[str, str], Finding]
"""By name of the deviation and subject."""


def known(values: Iterable[float]) -> list[float]:
    """Return those that are numbers."""
    return [value for value in values if not math.isnan(value)]
