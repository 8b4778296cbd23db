"""What a leg adds to the counters of a ``Tally``: one compiled pass over packs and cells.

In NumPy the same took sixty passes over arrays of a few hundred numbers, a fifth of a study's time:
most of it was the way to each of them. Sums are added up in the same order, so the figures are the
same to the bit. What they mean is ``hil.verdict.definitions``; here stand these formulas for one
cell and one leg.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.core.instants import DAY, HOUR, SECOND
from hil.physics.compiled import compiled_in_place, compiled_without_lock
from hil.physics.legs import CHARGED_AS, DISCHARGED_AS
from hil.verdict.definitions import (
    BALANCED_SPREAD,
    BOTTOM_V,
    LONGEST_PERIOD,
    MISSED_AFTER,
    NEEDS_BLEEDING,
    NOTHING_TO_GIVE,
    OSCILLATES_AFTER,
    REST,
    TOP_V,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HOUR_S, DAY_S = HOUR / SECOND, DAY / SECOND
REST_S, MISSED_S = REST / SECOND, MISSED_AFTER / SECOND
PERIOD_S, SUSTAINED_S = LONGEST_PERIOD / SECOND, OSCILLATES_AFTER / SECOND

# By cell, (packs, 20, cells). What stood at the last end of a leg:
NEED_AH, WAS_ON, WAS_V, BLED_AS, MOVED_AS = range(5)
# when its bleed was switched, for how long it is neglected and oscillates
EDGE_S, EDGE_BEFORE_S, NEGLECTED_S, ALIVE_S = range(5, 9)
# and what is counted: each summed over cells only when it is asked for
EDGES, FALSE, DUTY_S, BLEED_S, WRONG_S, WAITED_S, OSCILLATING_S = range(9, 16)
ENERGY_WS, LOST_WS, ACTIVE_AH, USEFUL_AH = range(16, 20)
BY_CELL = 20

# By pack, (packs, 22). What stood at the last end of a leg, and since when:
QMIN_AH, SPREAD, THROUGH_AS, WAS_ENDED, RESTED_S, BALANCED_S = range(6)
# currents (A) below which it tapers and rests
TAPER_A, REST_A = range(6, 8)
# extremes
BLEED_DEGC, PCB_DEGC, FRONT_DEGC, MISREAD_V, WIDEST_K, LARGEST_V = range(8, 14)
# gaps, each true and as measured: of a charge that may end in a leg, and the last of each kind
CHARGING_V, END_OF_CHARGE_V, END_OF_REST_V, END_OF_DISCHARGE_V = range(14, 22, 2)
BY_PACK = 22


class Seen(NamedTuple):
    """What stands at the end of a leg, and the duty of that leg; C-contiguous.

    (packs, cells), but for ``sums`` (packs, 7) as in ``legs``, and from ``current_a`` on (packs,).
    """

    soc: Floats
    capacity_ah: Floats
    cell_v: Floats
    measured_v: Floats
    trigger_v: Floats
    cell_degc: Floats
    hot_degc: Floats
    bled_as: Floats
    moved_as: Floats
    duty: Floats
    sums: Floats
    current_a: Floats
    ended: Bools
    pcb_degc: Floats
    front_degc: Floats


@compiled_in_place
def _counted(earlier_s: float, lasted_s: float, at_least_s: float) -> float:
    """Return what a leg adds of a stretch: ``definitions.counted_of_stretch``."""
    if lasted_s < at_least_s:
        return 0.0
    return lasted_s - earlier_s if earlier_s >= at_least_s else lasted_s


@compiled_in_place
def _highest(before: float, now: float) -> float:
    """Return the higher one that is a number: ``numpy.fmax``, for what begins as NaN."""
    return now if now > before or math.isnan(before) else before


@compiled_in_place
def _wide(values: Floats) -> float:
    """Return the highest less the lowest."""
    lowest, highest = values[0], values[0]
    for value in values:
        lowest, highest = min(lowest, value), max(highest, value)
    return float(highest - lowest)


@compiled_in_place
def _switch(cell: Floats, duty: Floats, qmin_ah: float, now_s: float, leg_s: float) -> None:
    """Add when bleeds were on and switched, and whether their cells had to give at its start.

    ``cell`` (20, cells) is what is counted of a pack. Two edges in less than ``LONGEST_PERIOD``
    keep an oscillation going.
    """
    for c in range(duty.shape[0]):
        on, edge = duty[c] > 0.0, (duty[c] > 0.0) != (cell[WAS_ON, c] > 0.0)
        if edge:
            cell[EDGES, c] += 1.0
            cell[EDGE_BEFORE_S, c], cell[EDGE_S, c] = cell[EDGE_S, c], now_s - leg_s
        alive_s, alive = cell[ALIVE_S, c], now_s - cell[EDGE_BEFORE_S, c] < PERIOD_S
        cell[ALIVE_S, c] = alive_s + leg_s if alive else 0.0
        cell[OSCILLATING_S, c] += _counted(alive_s, cell[ALIVE_S, c], SUSTAINED_S)
        if on:
            cell[DUTY_S, c] += leg_s * duty[c]
            cell[BLEED_S, c] += leg_s
            if cell[NEED_AH, c] < NOTHING_TO_GIVE * qmin_ah:
                cell[WRONG_S, c] += leg_s
                cell[FALSE, c] += 1.0 if edge else 0.0
        waited_s, neglected = cell[NEGLECTED_S, c], cell[NEED_AH, c] > NEEDS_BLEEDING * qmin_ah
        cell[NEGLECTED_S, c] = waited_s + leg_s if neglected and not on else 0.0
        cell[WAITED_S, c] += _counted(waited_s, cell[NEGLECTED_S, c], MISSED_S)
        cell[WAS_ON, c] = 1.0 if on else 0.0


@compiled_in_place
def _bleed(cell: Floats, duty: Floats, cell_v: Floats, bled_as: Floats, moved_as: Floats) -> None:
    """Add what flowed into the board, and which part of that brought cells closer together.

    A cell's voltage is taken as the mean of its leg's ends. Inputs and leaks draw from all cells
    all the time: they help nobody and are no bleed. What is useful is ``definitions.useful_ah``:
    what a cell gave beyond what the neediest one lost, at most what it had to give.
    """
    neediest = 0
    for c in range(1, duty.shape[0]):
        neediest = c if cell[NEED_AH, c] < cell[NEED_AH, neediest] else neediest
    lost_ah = 0.0
    if duty[neediest] > 0.0:
        lost_ah = (bled_as[neediest] - cell[BLED_AS, neediest]) / HOUR_S
    for c in range(duty.shape[0]):
        mean_v, bled = 0.5 * (cell_v[c] + cell[WAS_V, c]), bled_as[c] - cell[BLED_AS, c]
        cell[ENERGY_WS, c] += bled * mean_v
        # what givers gave less what takers got
        cell[LOST_WS, c] += (moved_as[c] - cell[MOVED_AS, c]) * mean_v
        if duty[c] > 0.0:
            cell[ACTIVE_AH, c] += bled / HOUR_S
            cell[USEFUL_AH, c] += min(max(bled / HOUR_S - lost_ah, 0.0), cell[NEED_AH, c])
    for c in range(duty.shape[0]):
        cell[WAS_V, c], cell[BLED_AS, c], cell[MOVED_AS, c] = cell_v[c], bled_as[c], moved_as[c]


@compiled_in_place
def _keep(pack: Floats, kind: int, true_v: float, measured_v: float) -> None:
    """Make a gap the last one of its kind."""
    pack[kind], pack[kind + 1] = true_v, measured_v


@compiled_in_place
def _gap(pack: Floats, seen: Seen, p: int, mean_a: float, leg_s: float) -> None:
    """Keep the highest less the lowest cell voltage where it means something.

    ``mean_a`` is the magnitude of what flowed in the leg. A charge that ended inside of it is read
    as it last stood at an end of a leg.
    """
    current_a, ended = seen.current_a[p], seen.ended[p]
    lowest_v, highest_v = seen.cell_v[p, 0], seen.cell_v[p, 0]
    for v in seen.cell_v[p]:
        lowest_v, highest_v = min(lowest_v, v), max(highest_v, v)
    true_v, measured_v = highest_v - lowest_v, _wide(seen.measured_v[p])
    charging, at_top = current_a < 0.0, highest_v > TOP_V
    loaded = max(abs(current_a), mean_a) > pack[REST_A]
    pack[RESTED_S] = 0.0 if loaded else pack[RESTED_S] + leg_s
    if ended and pack[WAS_ENDED] == 0.0:
        _keep(pack, END_OF_CHARGE_V, pack[CHARGING_V], pack[CHARGING_V + 1])
    if charging and at_top and -current_a < pack[TAPER_A]:
        _keep(pack, END_OF_CHARGE_V, true_v, measured_v)
    if pack[RESTED_S] >= REST_S:
        _keep(pack, END_OF_REST_V, true_v, measured_v)
    if current_a > 0.0 and lowest_v < BOTTOM_V:
        _keep(pack, END_OF_DISCHARGE_V, true_v, measured_v)
    if charging and at_top:
        _keep(pack, CHARGING_V, true_v, measured_v)
    if charging:
        pack[LARGEST_V] = _highest(pack[LARGEST_V], true_v)
    pack[WAS_ENDED] = 1.0 if ended else 0.0


@compiled_in_place
def _peak(pack: Floats, seen: Seen, p: int) -> None:
    """Follow extremes of temperatures, and of how unlike cells are misread."""
    pack[FRONT_DEGC] = max(pack[FRONT_DEGC], seen.front_degc[p])
    pack[PCB_DEGC] = _highest(pack[PCB_DEGC], seen.pcb_degc[p])
    for degc in seen.hot_degc[p]:
        pack[BLEED_DEGC] = max(pack[BLEED_DEGC], degc)
    pack[WIDEST_K] = max(pack[WIDEST_K], _wide(seen.cell_degc[p]))
    lowest_v, highest_v = math.inf, -math.inf
    for c in range(seen.cell_v.shape[1]):
        wrong_v = seen.trigger_v[p, c] - seen.cell_v[p, c]
        lowest_v, highest_v = min(lowest_v, wrong_v), max(highest_v, wrong_v)
    pack[MISREAD_V] = max(pack[MISREAD_V], highest_v - lowest_v)


@compiled_in_place
def _need(cell: Floats, pack: Floats, soc: Floats, capacity_ah: Floats) -> None:
    """Write what cells have to give now: ``definitions.need_ah``, and Qmin and spread with it.

    The emptiest cell needs nothing, so the largest need is max - min of the charge to full.
    """
    qmin_ah, most_ah, widest_ah = math.inf, -math.inf, 0.0
    for c in range(soc.shape[0]):
        cell[NEED_AH, c] = (1.0 - soc[c]) * capacity_ah[c]
        most_ah, qmin_ah = max(most_ah, cell[NEED_AH, c]), min(qmin_ah, capacity_ah[c])
    for c in range(soc.shape[0]):
        cell[NEED_AH, c] = most_ah - cell[NEED_AH, c]
        widest_ah = max(widest_ah, cell[NEED_AH, c])
    pack[QMIN_AH], pack[SPREAD] = qmin_ah, widest_ah / qmin_ah


@compiled_in_place
def _begin_pack(cell: Floats, pack: Floats, seen: Seen, p: int) -> None:
    """Write what stands where a tally begins, every bleed off."""
    _need(cell, pack, seen.soc[p], seen.capacity_ah[p])
    for c in range(cell.shape[1]):
        cell[EDGE_S, c], cell[EDGE_BEFORE_S, c] = -math.inf, -math.inf
        cell[WAS_V, c], cell[BLED_AS, c] = seen.cell_v[p, c], seen.bled_as[p, c]
        cell[MOVED_AS, c] = seen.moved_as[p, c]
    for kind in range(CHARGING_V, BY_PACK):
        pack[kind] = math.nan
    pack[BLEED_DEGC], pack[PCB_DEGC], pack[FRONT_DEGC] = -math.inf, math.nan, -math.inf
    pack[LARGEST_V] = math.nan
    _peak(pack, seen, p)
    pack[MISREAD_V] = 0.0  # nothing was decided by what was read before
    pack[THROUGH_AS] = seen.sums[p, DISCHARGED_AS] + seen.sums[p, CHARGED_AS]
    pack[WAS_ENDED] = 1.0 if seen.ended[p] else 0.0
    pack[BALANCED_S] = math.nan if pack[SPREAD] > BALANCED_SPREAD else 0.0


@compiled_in_place
def _count_pack(cell: Floats, pack: Floats, seen: Seen, p: int, now_s: float, leg_s: float) -> None:
    """Add a leg of pack ``p`` that ends at ``now_s``."""
    through_as = seen.sums[p, DISCHARGED_AS] + seen.sums[p, CHARGED_AS]
    duty = seen.duty[p]
    _switch(cell, duty, pack[QMIN_AH], now_s, leg_s)
    _bleed(cell, duty, seen.cell_v[p], seen.bled_as[p], seen.moved_as[p])
    _gap(pack, seen, p, (through_as - pack[THROUGH_AS]) / leg_s, leg_s)
    _peak(pack, seen, p)
    _need(cell, pack, seen.soc[p], seen.capacity_ah[p])
    pack[THROUGH_AS] = through_as
    if pack[SPREAD] >= BALANCED_SPREAD:
        pack[BALANCED_S] = math.nan
    elif math.isnan(pack[BALANCED_S]):
        pack[BALANCED_S] = now_s


@compiled_without_lock
def begin(by_cell: Floats, by_pack: Floats, seen: Seen) -> None:
    """Write what stands where a tally begins: all but ``TAPER_A`` and ``REST_A``, from zeros."""
    for p in range(by_pack.shape[0]):
        _begin_pack(by_cell[p], by_pack[p], seen, p)


@compiled_without_lock
def count(by_cell: Floats, by_pack: Floats, seen: Seen, now_s: float, leg_s: float) -> None:
    """Add a leg of all packs that ends ``now_s`` after the tally began."""
    for p in range(by_pack.shape[0]):
        _count_pack(by_cell[p], by_pack[p], seen, p, now_s, leg_s)
