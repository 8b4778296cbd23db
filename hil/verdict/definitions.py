"""What the metrics of a pack mean, as formulas on arrays: one definition for bench and study.

A bench folds (cells, ticks), a study (packs, cells): ``axis`` says where the cells are. Charges are
in Ah, states of charge and shares 0..1. Source of all: design/physics.md, section 4.
"""

from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from hil.core.instants import DAY, HOUR, Duration

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Numbers = TypeVar("Numbers", NDArray[np.float64], NDArray[np.int64])
"""Times in seconds, or in whole nanoseconds."""

NOTHING_TO_GIVE = 0.002
"""Share of Qmin below which a cell has nothing to give away."""
NEEDS_BLEEDING = 0.01
"""Share of Qmin above which a cell that is not bled is a missed one."""
MISSED_AFTER: Duration = DAY
"""A cell in need is a missed one once it has not been bled for so long."""
BALANCED_SPREAD = 0.01
"""Share of Qmin below which a spread counts as balanced."""

TAPER_PER_H = 1.0 / 20.0
"""A charge has ended when its current is below C/20."""
REST_PER_H = 1.0 / 500.0
"""At rest: 0.2 A of 100 Ah, the rest rule of foxBMS (design/physics.md, section 5)."""
REST: Duration = HOUR
"""A rest counts once polarisation has had this long to decay."""
TOP_V, BOTTOM_V = 3.40, 3.10
"""The knees of LFP: where a step that both charges and discharges is at an end of either."""

MOST_EDGES_PER_H = 6.0
"""A bleed that is switched on and off more often than this, and goes on doing so, oscillates."""
OSCILLATES_AFTER: Duration = HOUR
"""For how long it must go on to count as sustained, its last wait for an edge included: a burst of
half an hour at a knee is none."""
LONGEST_PERIOD: Duration = round(2.0 * HOUR / MOST_EDGES_PER_H)
"""An oscillation has two edges a period; ``MOST_EDGES_PER_H`` is two edges in 20 minutes."""


def charge_in_ah(soc: Floats, capacity_ah: Floats) -> Floats:
    """Return the charge to full (1 - s) Q of every cell."""
    missing_ah: Floats = (1.0 - soc) * capacity_ah
    return missing_ah


def need_ah(in_ah: Floats, axis: int) -> Floats:
    """Return what each cell has to give away: the largest charge to full less its own."""
    need: Floats = in_ah.max(axis=axis, keepdims=True) - in_ah
    return need


def spread_ratio(in_ah: Floats, qmin_ah: Floats, axis: int) -> Floats:
    """Return max - min of the charge to full, per Qmin: free of the spread of capacities."""
    spread: Floats = (in_ah.max(axis=axis) - in_ah.min(axis=axis)) / qmin_ah
    return spread


def usable_ratio(out_ah: Floats, in_ah: Floats, qmin_ah: Floats, axis: int) -> Floats:
    """Return least charge out plus least charge in, per Qmin: 1 for what balancing can reach.

    Beside the spread, because a pack that is balanced at the bottom has one and loses nothing.
    """
    usable: Floats = (out_ah.min(axis=axis) + in_ah.min(axis=axis)) / qmin_ah
    return usable


def kept_ratio(qmin_ah: Floats, qmin_at_start_ah: Floats) -> Floats:
    """Return how much of its smallest capacity a pack has kept: 1 where nothing ages.

    Times ``usable_ratio``, which says what imbalance takes of the present Qmin, it is what an owner
    has left of the pack that was put up. So ageing and imbalance stand apart and multiply.
    """
    kept: Floats = qmin_ah / qmin_at_start_ah
    return kept


def useful_ah(bled_ah: Floats, needed_ah: Floats, active: Bools, axis: int) -> Floats:
    """Return which part of a step's bled charge brought cells closer together.

    That is what a cell gave beyond what the neediest one lost, at most what it had to give.
    All arrays have two axes. ``active`` are the cells whose bleed was on and whose need is known;
    of the others ``bled_ah`` is 0, and they gave nothing.
    """
    neediest, others = np.argmin(needed_ah, axis=axis), np.arange(bled_ah.shape[1 - axis])
    lost_ah = bled_ah[neediest, others] if axis == 0 else bled_ah[others, neediest][:, np.newaxis]
    beyond_ah = np.maximum(bled_ah - lost_ah, 0.0)
    useful: Floats = np.minimum(beyond_ah, np.where(active, needed_ah, 0.0))
    return useful


def counted_of_stretch(earlier: Numbers, lasted: Numbers, at_least: float) -> Numbers:
    """Return what a step adds to the time that counts: stretches count whole once long enough.

    ``earlier`` and ``lasted`` are how long a stretch had lasted before the step and has now, 0
    where there is none; all three in one unit.
    """
    added: Numbers = np.where(earlier >= at_least, lasted - earlier, lasted)
    return np.where(lasted >= at_least, added, 0)
