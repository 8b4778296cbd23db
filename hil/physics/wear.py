"""Calendar and cycle ageing of the cells of one pack: the compiled source of the plant's.

The losses follow sqrt(t) and sqrt(cycles) while conditions change all the time. The published
continuation inverts each law for a virtual time at which the present conditions would have led to
the loss that is there, and goes on from it. Written for the square of the loss this needs no
inversion: with loss = k sqrt(t) it is d(loss^2) = k^2 dt, a plain integral. So that is the state.

Two things happen at different paces. ``count`` looks at every step of the pack and does a few
additions *per pack*, none per cell: cells in series make the same half cycles, in ampere-seconds,
and are told apart only when a cycle closes. ``age`` walks over the cells at a slow cadence
(``CADENCE_S``), with charge and temperature as they are then. Neither allocates.
"""

import math
from typing import NamedTuple

import numpy as np

from hil.physics.ageing import DAYS_PER_YEAR, LAWS, AgeingParameters, Life
from hil.physics.compiled import compiled_in_place
from hil.physics.stack import (
    CAPACITY_AH,
    GAS_J_PER_MOL_K,
    REFERENCE_K,
    RESISTANCE_RATIO,
    SOC,
    STORED_V,
    ZERO_DEGC_K,
    Floats,
    Stack,
)

SECONDS_PER_YEAR = DAYS_PER_YEAR * 86400.0

CADENCE_S = 900.0
"""How often the plant and the batch engine call ``age``. Over days of a home at 25 to 43 degC that
is within 0.1 % of the loss that every minute gives (one hour: 0.6 %, four: 2.4 %)."""

# Rows of what has aged, (11, cells): squares of the two losses, growth of the resistance, full
# equivalent cycles, charge and energy that went with capacity, time and cycles outside the range;
# then what is a cell's own: how fast it ages, and what it was when new.
(
    CALENDAR_SQUARE,
    CYCLE_SQUARE,
    GROWTH,
    FULL_CYCLES,
    LOST_AS,
    LOST_J,
    OUTSIDE_S,
    OUTSIDE_CYCLES,
    PACE,
    NEW_AH,
    NEW_RESISTANCE,
) = range(11)
AGED_ROWS = NEW_RESISTANCE + 1

# The cycle counter of a pack: how many ranges are open, the sign of the newest, then for each open
# range, oldest first, its charge (A s) and the integral of the current's square (A^2 s).
OPEN, SIGN, FIRST = 0, 1, 2
MOST_OPEN = 24
COUNTER_LENGTH = FIRST + 2 * MOST_OPEN


class Laws(NamedTuple):
    """``AgeingParameters`` as compiled code takes them: the same numbers under the same names."""

    calendar_per_root_second: float
    calendar_ea_j_per_mol: float
    calendar_soc_cubic: float
    calendar_soc_constant: float
    growth_per_second: float
    growth_ea_j_per_mol: float
    growth_soc_square: float
    growth_soc_constant: float
    cycle_base_ratio: float
    cycle_per_rate_ratio: float
    cycle_depth_cubic: float
    cycle_depth_constant: float
    cycle_growth_base_ratio: float
    cycle_growth_per_rate_ratio: float
    cycle_growth_depth_cubic: float
    cycle_growth_depth_constant: float
    fitted_from_degc: float
    fitted_to_degc: float
    fitted_to_rate_per_h: float


class Ageing(NamedTuple):
    """The ageing of one pack: ``aged`` (11, cells) and ``counter`` (50,), and rows of its plant.

    Read of the plant, (cells,) each: ``soc``, ``degc`` (may be longer: the box follows the cells)
    and ``stored_v``, the chemical energy of a cell per charge of its whole capacity. Written:
    ``capacity_ah`` and ``resistance_ratio``, the resistance against that of the cell type.
    """

    laws: Laws
    aged: Floats
    counter: Floats
    soc: Floats
    degc: Floats
    stored_v: Floats
    capacity_ah: Floats
    resistance_ratio: Floats


def laws_of(parameters: AgeingParameters) -> Laws:
    """Return the laws of a cell type for the compiled functions."""
    return Laws(**{name: float(getattr(parameters, name)) for name in LAWS})


def begin(parameters: AgeingParameters, stack: Stack, pace: Floats) -> Ageing:
    """Return the ageing of a new pack, which changes ``stack.cells`` from now on.

    ``pace`` (cells,) multiplies what a cell loses and grows; 1 is the cell of the laws.
    Raises ValueError for a pace that is not above zero.
    """
    if not (np.asarray(pace) > 0.0).all():
        raise ValueError(f"pace: expected above zero, found {pace}")
    cells = stack.cells
    aged = np.zeros((AGED_ROWS, cells.shape[1]))
    aged[PACE], aged[NEW_AH] = pace, cells[CAPACITY_AH]
    aged[NEW_RESISTANCE] = cells[RESISTANCE_RATIO]
    return Ageing(
        laws=laws_of(parameters),
        aged=aged,
        counter=np.zeros(COUNTER_LENGTH),
        soc=stack.state[SOC],
        degc=stack.degc,
        stored_v=stack.terminals[STORED_V],
        capacity_ah=cells[CAPACITY_AH],
        resistance_ratio=cells[RESISTANCE_RATIO],
    )


def live(ageing: Ageing, life: Life, years: float, offset_k: Floats) -> None:
    """Let a pack live through ``years`` of ``life``; ``offset_k`` (cells,) is its gradient.

    The functions of the run do it: squares add up, so years of one kind are one call of each. The
    charge that goes with the capacity in those years is nobody's: the run starts with the charge it
    is told, so ``LOST_AS`` and ``LOST_J`` start at zero.
    """
    cells = offset_k.shape[0]
    soc, degc = np.full(cells, life.soc_ratio), life.temperature_degc + offset_k
    then = ageing._replace(soc=soc, degc=degc)
    cycles = years * DAYS_PER_YEAR * life.cycles_per_day
    for c in range(cells):
        wear(then, c, life.depth_ratio, life.rate_per_h, cycles)
    age(then, years * SECONDS_PER_YEAR)
    ageing.aged[LOST_AS] = ageing.aged[LOST_J] = 0.0


# --- the laws ----------------------------------------------------------------------------------


@compiled_in_place
def arrhenius(activation_j_per_mol: float, degc: float) -> float:
    """Return the factor on a rate at a temperature against 25 degC."""
    inverse_k = 1.0 / (max(degc, -ZERO_DEGC_K + 1.0) + ZERO_DEGC_K) - 1.0 / REFERENCE_K
    return math.exp(-activation_j_per_mol / GAS_J_PER_MOL_K * inverse_k)


@compiled_in_place
def calendar_rate(laws: Laws, soc: float, degc: float) -> float:
    """Return k (1/sqrt(s)) of the calendar loss k sqrt(t). Charge is held within 0 to 1."""
    off = min(max(soc, 0.0), 1.0) - 0.5
    at_soc = laws.calendar_soc_cubic * off * off * off + laws.calendar_soc_constant
    return laws.calendar_per_root_second * arrhenius(laws.calendar_ea_j_per_mol, degc) * at_soc


@compiled_in_place
def growth_rate(laws: Laws, soc: float, degc: float) -> float:
    """Return the growth of the resistance at rest, a ratio per second."""
    off = min(max(soc, 0.0), 1.0) - 0.5
    at_soc = laws.growth_soc_square * off * off + laws.growth_soc_constant
    return laws.growth_per_second * arrhenius(laws.growth_ea_j_per_mol, degc) * at_soc


@compiled_in_place
def cycle_rate(laws: Laws, depth: float, rate_per_h: float) -> float:
    """Return k of the loss k sqrt(full equivalent cycles) of cycles of a depth and a rate."""
    off = min(max(depth, 0.0), 1.0) - 0.6
    at_depth = laws.cycle_depth_cubic * off * off * off + laws.cycle_depth_constant
    return (laws.cycle_per_rate_ratio * rate_per_h + laws.cycle_base_ratio) * at_depth


@compiled_in_place
def cycle_growth(laws: Laws, depth: float, rate_per_h: float) -> float:
    """Return the growth of the resistance per full equivalent cycle, never below zero."""
    off = min(max(depth, 0.0), 1.0) - 0.5
    at_depth = laws.cycle_growth_depth_cubic * off * off * off + laws.cycle_growth_depth_constant
    line = laws.cycle_growth_per_rate_ratio * rate_per_h + laws.cycle_growth_base_ratio
    return max(line, 0.0) * at_depth


# --- the cells ---------------------------------------------------------------------------------


@compiled_in_place
def loss_of(aged: Floats, c: int) -> float:
    """Return the capacity that cell ``c`` has lost, as a ratio of what it had when new."""
    return math.sqrt(aged[CALENDAR_SQUARE, c]) + math.sqrt(aged[CYCLE_SQUARE, c])


@compiled_in_place
def refresh(ageing: Ageing) -> None:
    """Write capacity and resistance as they are now, and book the charge that went with it.

    A cell keeps its state of charge: its open-circuit voltage does not jump. What it holds, s Q,
    falls with Q. That charge left through no terminal: it is ``LOST_AS``, and with it the balance
    s Q + discharged + bled + leaked + lost closes. Likewise ``LOST_J``, the chemical energy that
    went with it: years of it are no heat worth modelling (some watt hours a year).
    """
    aged = ageing.aged
    for c in range(aged.shape[1]):
        # the laws know no end of life; a cell keeps a tenth of itself so that its rates stay finite
        left = max(1.0 - loss_of(aged, c), 0.1)
        capacity_ah = aged[NEW_AH, c] * left
        gone_as = 3600.0 * (ageing.capacity_ah[c] - capacity_ah)
        aged[LOST_AS, c] += gone_as * ageing.soc[c]
        aged[LOST_J, c] += gone_as * ageing.stored_v[c]
        ageing.capacity_ah[c] = capacity_ah
        ageing.resistance_ratio[c] = aged[NEW_RESISTANCE, c] * (1.0 + aged[GROWTH, c])


@compiled_in_place
def age(ageing: Ageing, dt_s: float) -> None:
    """Let every cell age by ``dt_s`` at the state of charge and temperature that it has now.

    Exact for conditions that hold all that time, however it is cut into calls.
    """
    laws, aged = ageing.laws, ageing.aged
    for c in range(aged.shape[1]):
        soc, degc, pace = ageing.soc[c], ageing.degc[c], aged[PACE, c]
        root = pace * calendar_rate(laws, soc, degc)
        aged[CALENDAR_SQUARE, c] += root * root * dt_s
        aged[GROWTH, c] += pace * growth_rate(laws, soc, degc) * dt_s
        if not laws.fitted_from_degc <= degc <= laws.fitted_to_degc:
            aged[OUTSIDE_S, c] += dt_s
    refresh(ageing)


@compiled_in_place
def wear(ageing: Ageing, c: int, depth: float, rate_per_h: float, cycles: float) -> None:
    """Let cell ``c`` do ``cycles`` full equivalent cycles of a depth (ratio) and a rate (1/h)."""
    laws, aged = ageing.laws, ageing.aged
    pace = aged[PACE, c]
    root = pace * cycle_rate(laws, depth, rate_per_h)
    aged[CYCLE_SQUARE, c] += root * root * cycles
    aged[GROWTH, c] += pace * cycle_growth(laws, depth, rate_per_h) * cycles
    aged[FULL_CYCLES, c] += cycles
    if depth > 1.0 or rate_per_h > laws.fitted_to_rate_per_h:
        aged[OUTSIDE_CYCLES, c] += cycles


# --- counting cycles ---------------------------------------------------------------------------


@compiled_in_place
def _close(ageing: Ageing, range_as: float, square_a2s: float, halves: float) -> None:
    """Let every cell wear by ``halves`` half cycles of one range of charge.

    The rate is the current weighted with the charge it moved, the integral of I^2 over that of
    |I|: the law is a line in C, so nothing is lost by that mean.
    """
    for c in range(ageing.capacity_ah.shape[0]):
        capacity_as = 3600.0 * ageing.capacity_ah[c]
        depth = range_as / capacity_as
        rate_per_h = square_a2s / (halves * range_as) / ageing.capacity_ah[c]
        wear(ageing, c, depth, rate_per_h, 0.5 * halves * depth)


@compiled_in_place
def _drop_oldest(ageing: Ageing) -> None:
    """Count the oldest open range as the half cycle it is, and forget it."""
    counter = ageing.counter
    _close(ageing, counter[FIRST], counter[FIRST + 1], 1.0)
    last = FIRST + 2 * int(counter[OPEN])
    for k in range(FIRST, last - 2):
        counter[k] = counter[k + 2]
    counter[OPEN] -= 1.0


@compiled_in_place
def _close_newest(ageing: Ageing) -> None:
    """Close the two newest ranges, which have become equal.

    Together they are a whole cycle inside the range before them, which is the newest again: as if
    the dip had never been. The oldest range has none around it: then it is a half cycle.
    """
    counter = ageing.counter
    if counter[OPEN] == 2.0:  # noqa: PLR2004 - the oldest and the newest
        _drop_oldest(ageing)
        return
    new = FIRST + 2 * (int(counter[OPEN]) - 1)
    _close(ageing, counter[new], counter[new + 1] + counter[new - 1], 2.0)
    counter[OPEN] -= 2.0


@compiled_in_place
def adds_up(counter: Floats, current_a: float, dt_s: float) -> bool:
    """Add a step to the newest range; False, with nothing changed, where it turns or closes one.

    So it is for nearly every step. It sees no more than the counter: to hand an ``Ageing`` on costs
    a hundred times the sums, so compiled loops call this, and ``turn_or_close`` where it is False.
    """
    moved_as = abs(current_a) * dt_s
    if not moved_as > 0.0:
        return True
    new = FIRST + 2 * (int(counter[OPEN]) - 1)
    if new < FIRST or math.copysign(1.0, current_a) != counter[SIGN]:
        return False
    grown_as = counter[new] + moved_as
    if new > FIRST and grown_as >= counter[new - 2]:
        return False
    counter[new] = grown_as
    counter[new + 1] += abs(current_a) * moved_as
    return True


@compiled_in_place
def count(ageing: Ageing, current_a: float, dt_s: float) -> None:
    """Take one step of the pack's current (A, either sign) into account; to be called at every one.

    Rainflow counting (ASTM E1049-85, 5.4.4) as it happens: small swings inside a large one leave
    the large one whole, and no swing is too small. What is still open is not worn yet. Bleed
    currents are left out: they move a percent of what a cycle moves.
    """
    if not adds_up(ageing.counter, current_a, dt_s):
        turn_or_close(ageing, current_a, dt_s)


@compiled_in_place
def turn_or_close(ageing: Ageing, current_a: float, dt_s: float) -> None:
    """Count a step that begins a range, or makes the newest as large as the one before.

    The newest range grows until it is as large as the one before; the step is cut there, so that
    it counts alike however long steps are.
    """
    counter = ageing.counter
    sign = math.copysign(1.0, current_a)
    if counter[OPEN] == 0.0 or sign != counter[SIGN]:
        if counter[OPEN] == MOST_OPEN:
            _drop_oldest(ageing)
        counter[OPEN] += 1.0
        counter[SIGN] = sign
        new = FIRST + 2 * (int(counter[OPEN]) - 1)
        counter[new] = counter[new + 1] = 0.0
    moved_as = abs(current_a) * dt_s
    while moved_as > 0.0:
        new = FIRST + 2 * (int(counter[OPEN]) - 1)
        room_as = counter[new - 2] - counter[new] if new > FIRST else math.inf
        part_as = min(moved_as, room_as)
        counter[new] += part_as
        counter[new + 1] += abs(current_a) * part_as
        moved_as -= part_as
        if part_as == room_as:
            counter[new] = counter[new - 2]
            _close_newest(ageing)
