"""Many packs moved on from one decision to the next: the compiled loops of ``batch``.

A leg is the time between two decisions. In it the demand (a current or a power), the ambient and
the bleeds' duty stand still; currents, voltages and temperatures do not. The packs are moved by the
same ``motion.move`` as the bench's plant; here stands only what the bench leaves to its tick: which
current answers the demand within the termination, and how long a step may be.

An error-controlled leg is cut into halves of halves. A step takes the current that the last two say
it will have in its middle; where the end shows another one, the step was too long by the charge of
the difference, and is taken back and halved. In legs of more than two minutes it is first tried
again with the change of current that it found, unless a limit is what changed it.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.physics.board.active import transfer_currents
from hil.physics.compiled import compiled, compiled_in_place, compiled_without_lock
from hil.physics.motion import SCRATCH, bleed_heat, look_ahead, move
from hil.physics.protection import Rules, permitted
from hil.physics.stack import (
    CAPACITY_AH,
    FAST_PER_A,
    RESISTANCE_RATIO,
    SOC,
    STORED_V,
    CellTables,
    Floats,
    Pace,
    Stack,
)
from hil.physics.terminals import limited_current, own_voltages, power_current
from hil.physics.wear import Ageing, Laws, adds_up, age, turn_or_close

CURRENT, POWER = range(2)
"""What a demand is: A or W, + in discharge."""

# What a leg adds up for every pack, (packs, 7).
DISCHARGED_AS, CHARGED_AS, HIGHEST_V, LOWEST_V, REFUSED_S, STEPS, TAKEN_BACK = range(7)
SUMS = 7

# What flows in a pack, (packs, 3): the current of now, how fast it changes (A/s), and the demand
# that it answered.
FLOWS_A, CHANGES_A_PER_S, ANSWERED = range(3)

FULL, HELD = 4, 5
"""Places of the latches behind the protections' four: whether a charge was ended by its taper, and
whether a limit holds the current of now."""

LEAK_LAW, NETWORK = range(2)
"""Which of the fleet's laws of self-discharge a pack has, and which of its thermal networks."""

_NEAR = 1e-5
"""A round of Newton's method that changes less has found the current to 1e-10: from the last step's
current, one round is the rule."""

LOOKS_EVERY_S = 120.0
"""So often at least limits are looked at while they bind: they let go, or trip, at a step's end
only, and a step that runs into one is not as smooth as its error is reckoned."""

_NEVER_BACK, _EASY = 0.0, 0.2
"""A tolerance that takes no step back; which part of the tolerance lets the next step be longer."""


class Fleet(NamedTuple):
    """Packs of one cell type: the arrays of ``Stack`` with an axis of packs before the others.

    ``latches`` (packs, 6), ``sums`` (packs, 7) and ``flow`` (packs, 3) as named above; ``bled_as``
    and ``moved_as`` (packs, cells) are what bleeds took and what an active balancer carried away,
    ``seen_v`` (packs, cells) the voltages of the last step, ``level`` (packs,) how finely the last
    leg had to be cut. ``aged`` (packs, 11, cells) and ``counter`` (packs, 50) are ``wear``'s, with
    no row where nothing ages.

    What is large and mostly shared is there once for each kind: ``kinds`` (packs, 2) says which row
    of ``leak_ratio`` (laws, 1441, 1) a pack takes in place of the tables' own, and which thermal
    network of ``Paces``.
    """

    state: Floats
    slow: Floats
    degc: Floats
    terminals: Floats
    cells: Floats
    tables: CellTables
    latches: Floats
    sums: Floats
    flow: Floats
    bled_as: Floats
    moved_as: Floats
    seen_v: Floats
    level: Floats
    laws: Laws
    aged: Floats
    counter: Floats
    leak_ratio: Floats
    kinds: NDArray[np.int64]
    bleed_heat_ratio: Floats


class Paces(NamedTuple):
    """``Pace`` of every level, stacked: level 0 is the whole leg, every next one half of it.

    ``decay`` and ``gain`` (levels, networks, cells + 1 square) are there for each thermal network.
    """

    dt_s: Floats
    decay: Floats
    gain: Floats
    slow_decay: Floats
    slow_gain: Floats


class Transfer(NamedTuple):
    """What active balancers carry in a leg, (packs, cells); no row where nothing is carried.

    ``gives_a`` is what flows out of each cell, ``takes`` how what arrives, ``efficiency_ratio`` of
    the power given, divides: currents as these weights.
    """

    gives_a: Floats
    takes: Floats
    efficiency_ratio: float


class Leg(NamedTuple):
    """What stands still in a leg: one value a pack (packs,), bleeds (packs, cells).

    ``bleed_s`` is the bleeds' mean conductance, duty and leads included. ``mean_v``, ``max_v`` and
    ``min_v`` are what a charger holds and where a discharge ends; a charge whose current falls
    below ``taper_per_h`` of the capacity at its limits has ended.
    """

    mode: int
    demand: Floats
    ambient_degc: Floats
    bleed_s: Floats
    transfer: Transfer
    mean_v: float
    max_v: float
    min_v: float
    taper_per_h: float
    rules: Rules


class Work(NamedTuple):
    """Room to move one pack after the other in.

    (cells,) are the bleeds' means, what a balancer carries, both together, the cells' own currents
    and the voltages that they show at these; ``ahead`` (5, cells) and ``scratch`` (SCRATCH,
    cells + 1) are for what is called, ``extra_w`` (cells + 1,) is heat from outside, ``kept`` and
    ``were`` hold what may be undone.
    """

    bleed_a: Floats
    moved_a: Floats
    beside_a: Floats
    own_a: Floats
    at_v: Floats
    ahead: Floats
    scratch: Floats
    extra_w: Floats
    kept: Floats
    were: Floats


@compiled
def _room_for(fleet: Fleet) -> Work:
    """Make room for any pack of a fleet, once for all of them."""
    n = fleet.seen_v.shape[1]
    nodes = n + 1
    changing = fleet.state[0].size + fleet.slow[0].size + fleet.terminals[0].size + nodes
    return Work(
        np.empty(n),
        np.zeros(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty((FAST_PER_A + 1, n)),
        np.empty((SCRATCH, nodes)),
        np.empty(nodes),
        np.empty(changing),
        np.empty(fleet.latches.shape[1]),
    )


@compiled_in_place
def stack_of(fleet: Fleet, p: int) -> Stack:
    """Return pack ``p`` as a stack; a view."""
    state, slow, degc = fleet.state[p], fleet.slow[p], fleet.degc[p]
    shared = fleet.tables
    tables = CellTables(
        shared.kind,
        shared.by_soc,
        shared.by_degc,
        fleet.leak_ratio[fleet.kinds[p, LEAK_LAW]],
        shared.negative,
        shared.positive,
        shared.salt,
        shared.salt_shape,
        shared.figures,
        shared.rates_per_s,
        shared.steady,
    )
    return Stack(state, slow, degc, fleet.terminals[p], fleet.cells[p], tables)


@compiled_in_place
def pace_of_level(paces: Paces, level: int, network: int) -> Pace:
    """Return the pace of one level for packs of one thermal network; a view."""
    decay, gain = paces.decay[level, network], paces.gain[level, network]
    slow_decay, slow_gain = paces.slow_decay[level], paces.slow_gain[level]
    return Pace(paces.dt_s[level], decay, gain, slow_decay, slow_gain)


@compiled_in_place
def ageing_of(fleet: Fleet, p: int) -> Ageing:
    """Return the ageing of pack ``p``; a view."""
    soc, stored_v = fleet.state[p, SOC], fleet.terminals[p, STORED_V]
    capacity_ah = fleet.cells[p, CAPACITY_AH]
    resistance_ratio = fleet.cells[p, RESISTANCE_RATIO]
    aged, counter = fleet.aged[p], fleet.counter[p]
    degc = fleet.degc[p]
    return Ageing(fleet.laws, aged, counter, soc, degc, stored_v, capacity_ah, resistance_ratio)


@compiled_in_place
def _flow(work: Work, current_a: float) -> None:
    """Fill in the cells' own currents at a current of the stack."""
    for c in range(work.own_a.shape[0]):
        work.own_a[c] = work.beside_a[c] + current_a


@compiled_in_place
def _voltages(terminals: Floats, work: Work, current_a: float) -> None:
    """Fill in the cells' own currents and voltages at a current of the stack."""
    _flow(work, current_a)
    own_voltages(terminals, work.own_a, work.at_v)


@compiled_in_place
def _spread(at_v: Floats) -> tuple[float, float, float]:
    """Return lowest, highest and mean of voltages."""
    lowest_v, highest_v, total_v = at_v[0], at_v[0], 0.0
    for v in at_v:
        lowest_v, highest_v = min(lowest_v, v), max(highest_v, v)
        total_v += v
    return lowest_v, highest_v, total_v / at_v.shape[0]


@compiled_in_place
def _smallest(row: Floats, n: int) -> float:
    """Return the smallest of the first ``n`` values."""
    smallest = row[0]
    for c in range(n):
        smallest = min(smallest, row[c])
    return float(smallest)


@compiled_in_place
def _answer(
    leg: Leg,
    p: int,
    stack: Stack,
    latches: Floats,
    pace: Pace,
    work: Work,
    capacity_ah: float,
    seen_v: tuple[float, float, float],
    near_a: float,
    dt_s: float,
) -> float:
    """Return the current that answers a pack's demand within all its limits; moves the latches.

    ``seen_v`` is what the protections have seen: lowest, highest and mean voltage. On return
    ``work`` holds currents and voltages at the answer. The charge that its taper has ended begins
    again after the next discharge.
    """
    terminals, wanted_a, n = stack.terminals, leg.demand[p], work.at_v.shape[0]
    if leg.mode == POWER and wanted_a != 0.0:
        wanted_a = power_current(terminals, work.beside_a, wanted_a, near_a, _NEAR)
        if not math.isfinite(wanted_a):
            wanted_a = 0.0  # no current gives that much: the inverter lets go
    coldest_degc = _smallest(stack.degc, n) if wanted_a < 0.0 else 0.0  # it limits charges only
    current_a = permitted(
        leg.rules, latches, seen_v[1], seen_v[0], coldest_degc, capacity_ah, wanted_a, dt_s
    )
    if current_a > 0.0:
        latches[FULL] = 0.0
    elif latches[FULL] > 0.0:
        current_a = 0.0
    latches[HELD] = 0.0
    _voltages(terminals, work, current_a)
    if current_a == 0.0 or not _beyond(leg, current_a, work.at_v):
        return current_a
    look_ahead(stack, pace, work.ahead)
    latches[HELD] = 1.0
    held_a = limited_current(work.ahead, work.beside_a, current_a, leg.mean_v, leg.max_v, leg.min_v)
    if current_a < 0.0 and abs(held_a) < leg.taper_per_h * capacity_ah:
        latches[FULL], held_a = 1.0, 0.0
    _voltages(terminals, work, held_a)
    return held_a


@compiled_in_place
def _beyond(leg: Leg, current_a: float, at_v: Floats) -> bool:
    """Return whether a current takes cells past the limit that it goes towards."""
    lowest_v, highest_v, mean_v = _spread(at_v)
    if current_a < 0.0:
        return bool(highest_v > leg.max_v or mean_v > leg.mean_v)
    return bool(lowest_v < leg.min_v)


@compiled_in_place
def _limited(latches: Floats, current_a: float, wanted: float) -> bool:
    """Return whether a limit or a protection answers a demand; a full pack just waits."""
    refused = current_a == 0.0 and wanted != 0.0 and latches[FULL] == 0.0
    return bool(refused or latches[HELD] > 0.0)


@compiled_in_place
def _middle_a(current_a: float, change_a: float, held: bool) -> float:  # noqa: FBT001 - compiled
    """Return the current half a step on, if it goes on as it did; never past zero.

    One that a limit holds may fall on the way, never rise: that would pass the limit.
    """
    middle_a = current_a + 0.5 * change_a
    if middle_a * current_a <= 0.0 or (held and abs(middle_a) > abs(current_a)):
        return current_a
    return middle_a


@compiled_in_place
def _book(
    sums: Floats, current_a: float, wanted: float, at_v: tuple[float, float, float], dt_s: float
) -> None:
    """Add a step to what a leg adds up; ``at_v`` are its lowest, highest and mean voltage."""
    sums[DISCHARGED_AS] += max(current_a, 0.0) * dt_s
    sums[CHARGED_AS] += max(-current_a, 0.0) * dt_s
    sums[LOWEST_V] = min(sums[LOWEST_V], at_v[0])
    sums[HIGHEST_V] = max(sums[HIGHEST_V], at_v[1])
    sums[STEPS] += 1.0
    if current_a == 0.0 and wanted != 0.0:
        sums[REFUSED_S] += dt_s


@compiled_in_place
def _draw(leg: Leg, p: int, work: Work) -> None:
    """Fill in what flows beside the current of pack ``p`` at the voltages of now, as means.

    The bleeds' currents, a balancer's, and both together.
    """
    bleed_s, at_v, bleed_a = leg.bleed_s[p], work.at_v, work.bleed_a
    for c in range(bleed_a.shape[0]):
        bleed_a[c] = bleed_s[c] * at_v[c]
    _copy(bleed_a, work.beside_a)
    if leg.transfer.gives_a.shape[0]:
        gives_a, takes = leg.transfer.gives_a[p], leg.transfer.takes[p]
        transfer_currents(at_v, gives_a, takes, leg.transfer.efficiency_ratio, work.moved_a)
        for c in range(bleed_a.shape[0]):
            work.beside_a[c] += work.moved_a[c]


@compiled_in_place
def _warm(leg: Leg, work: Work, into_cell_ratio: float) -> None:
    """Fill in the heat of what flows beside the pack's current: what a balancer loses is the box's.

    That is what its currents take from the cells less what they bring, at the cells' voltages.
    """
    bleed_heat(work.bleed_a, work.at_v, into_cell_ratio, work.extra_w)
    if leg.transfer.gives_a.shape[0]:
        box = work.at_v.shape[0]
        for c in range(box):
            work.extra_w[box] += work.moved_a[c] * work.at_v[c]


@compiled_in_place
def _copy(source: Floats, target: Floats) -> None:
    """Write one short row over another; a slice assignment takes ten times as long."""
    for k in range(source.shape[0]):
        target[k] = source[k]


@compiled_in_place
def _keep(stack: Stack, kept: Floats) -> None:
    """Write all that a step changes in a stack to ``kept``."""
    at = 0
    for rows in (stack.state, stack.slow, stack.terminals):
        flat = rows.reshape(rows.size)
        _copy(flat, kept[at : at + flat.size])
        at += flat.size
    _copy(stack.degc, kept[at : at + stack.degc.size])


@compiled_in_place
def _take_back(stack: Stack, latches: Floats, work: Work, current_a: float) -> None:
    """Undo a step that ``current_a`` began with."""
    at, kept = 0, work.kept
    for rows in (stack.state, stack.slow, stack.terminals):
        flat = rows.reshape(rows.size)
        _copy(kept[at : at + flat.size], flat)
        at += flat.size
    _copy(kept[at : at + stack.degc.size], stack.degc)
    _copy(work.were, latches)
    _voltages(stack.terminals, work, current_a)


@compiled_in_place
def _accept(
    fleet: Fleet,
    p: int,
    work: Work,
    through_a: float,
    wanted: float,
    spread_v: tuple[float, float, float],
    dt_s: float,
) -> None:
    """Book a step that stands: sums, bleeds' and balancer's charge, cycles."""
    _book(fleet.sums[p], through_a, wanted, spread_v, dt_s)
    if fleet.counter.shape[0] and not adds_up(fleet.counter[p], through_a, dt_s):
        turn_or_close(ageing_of(fleet, p), through_a, dt_s)
    bled_as, moved_as = fleet.bled_as[p], fleet.moved_as[p]
    for c in range(bled_as.shape[0]):
        bled_as[c] += work.bleed_a[c] * dt_s
        moved_as[c] += work.moved_a[c] * dt_s


@compiled_in_place
def _run_pack(
    fleet: Fleet,
    p: int,
    leg: Leg,
    paces: Paces,
    steps: int,
    tolerance: float,
    learns: bool,  # noqa: FBT001 - compiled
    work: Work,
) -> None:
    """Move pack ``p`` through a leg of ``steps`` shortest steps; ``tolerance`` 0: only those."""
    stack, ambient_degc, wanted = stack_of(fleet, p), leg.ambient_degc[p], leg.demand[p]
    flow, latches, sums = fleet.flow[p], fleet.latches[p], fleet.sums[p]
    network, heat_ratio = fleet.kinds[p, NETWORK], fleet.bleed_heat_ratio[p]
    controlled, finest = tolerance > _NEVER_BACK, paces.dt_s.shape[0] - 1
    level = int(fleet.level[p]) if controlled else finest
    change = flow[CHANGES_A_PER_S] if flow[ANSWERED] == wanted else 0.0
    capacity_ah = _smallest(stack.cells[CAPACITY_AH], work.at_v.shape[0])
    tolerance_as, done, learnt = tolerance * 3600.0 * capacity_ah, 0, not learns
    _copy(fleet.seen_v[p], work.at_v)
    _draw(leg, p, work)
    pace, spread_v, near_a = pace_of_level(paces, level, network), _spread(work.at_v), flow[FLOWS_A]
    current_a = _answer(leg, p, stack, latches, pace, work, capacity_ah, spread_v, near_a, 0.0)
    while done < steps:
        part, dt_s, through_a = 1 << (finest - level), pace.dt_s, current_a
        if controlled:
            _keep(stack, work.kept)
            _copy(latches, work.were)
            through_a = _middle_a(current_a, change * dt_s, latches[HELD] > 0.0)
            if through_a != current_a:
                _voltages(stack.terminals, work, through_a)
        _warm(leg, work, heat_ratio)
        move(stack, pace, work.own_a, work.at_v, work.extra_w, ambient_degc, work.scratch)
        spread_v = _spread(work.at_v)
        end_a = _answer(leg, p, stack, latches, pace, work, capacity_ah, spread_v, through_a, dt_s)
        error_as = abs(through_a - 0.5 * (current_a + end_a)) * dt_s
        limited = _limited(latches, end_a, wanted)
        learnt = learnt or limited or work.were[HELD] > 0.0
        unsure = error_as > tolerance_as or (limited and dt_s > LOOKS_EVERY_S)
        if controlled and unsure and (level < finest or not learnt):
            _take_back(stack, latches, work, current_a)
            if learnt:
                level += 1
                pace = pace_of_level(paces, level, network)
            else:
                learnt, change = True, (end_a - current_a) / dt_s
            sums[TAKEN_BACK] += 1.0
            continue
        _accept(fleet, p, work, through_a, wanted, spread_v, dt_s)
        change = (end_a - current_a) / dt_s
        current_a, done, learnt = end_a, done + part, not learns
        _draw(leg, p, work)
        _flow(work, current_a)
        easy = error_as < _EASY * tolerance_as and not (limited and 2.0 * dt_s > LOOKS_EVERY_S)
        if controlled and easy and level > 0 and done % (2 * part) == 0:
            level -= 1
            pace = pace_of_level(paces, level, network)
    flow[FLOWS_A], flow[CHANGES_A_PER_S], flow[ANSWERED] = current_a, change, wanted
    _copy(work.at_v, fleet.seen_v[p])
    fleet.level[p] = level


@compiled_without_lock
def run_packs(
    fleet: Fleet,
    leg: Leg,
    paces: Paces,
    steps: int,
    tolerance: float,
    learns: bool,  # noqa: FBT001 - compiled
    first: int,
    last: int,
) -> None:
    """Move packs ``first`` to ``last`` - 1 through a leg of ``steps`` of the shortest pace.

    ``tolerance`` 0 takes all of them; any other is the state of charge that a longer step may be
    off by for having taken its current as constant. One that ``learns`` tries a step that was taken
    back once more, with the change of current that it found, before it halves it: a leg of another
    demand begins without knowing any, and halving alone takes back a third of all steps.

    Packs do not touch each other, and the interpreter's lock is not held: any number of threads may
    each take their own.
    """
    work = _room_for(fleet)
    for p in range(first, last):
        _run_pack(fleet, p, leg, paces, steps, tolerance, learns, work)


@compiled_in_place
def _impose(
    fleet: Fleet,
    p: int,
    paces: Paces,
    current_a: float,
    bleed_a: Floats,
    ambient_degc: float,
    steps: int,
    work: Work,
) -> None:
    """Move pack ``p`` on at a given current and bleeds (cells,)."""
    stack, pace = stack_of(fleet, p), pace_of_level(paces, 0, fleet.kinds[p, NETWORK])
    passed_s, bleed_heat_ratio = steps * pace.dt_s, fleet.bleed_heat_ratio[p]
    _copy(bleed_a, work.beside_a)
    for _ in range(steps):
        _voltages(stack.terminals, work, current_a)
        bleed_heat(bleed_a, work.at_v, bleed_heat_ratio, work.extra_w)
        move(stack, pace, work.own_a, work.at_v, work.extra_w, ambient_degc, work.scratch)
    _voltages(stack.terminals, work, current_a)
    if fleet.counter.shape[0] and not adds_up(fleet.counter[p], current_a, passed_s):
        turn_or_close(ageing_of(fleet, p), current_a, passed_s)
    for c in range(bleed_a.shape[0]):
        fleet.bled_as[p, c] += bleed_a[c] * passed_s
    _copy(work.at_v, fleet.seen_v[p])
    fleet.flow[p, FLOWS_A] = current_a


@compiled_without_lock
def impose_packs(
    fleet: Fleet,
    paces: Paces,
    current_a: Floats,
    bleed_a: Floats,
    ambient_degc: Floats,
    steps: int,
) -> None:
    """Move all packs on at given currents (packs,), bleeds (packs, cells) and air (packs,).

    No demand is answered and nothing protects: what a bench recorded is done once more.
    """
    work = _room_for(fleet)
    for p in range(bleed_a.shape[0]):
        _impose(fleet, p, paces, current_a[p], bleed_a[p], ambient_degc[p], steps, work)


@compiled_without_lock
def show_packs(fleet: Fleet, current_a: Floats, bleed_a: Floats, out_v: Floats) -> None:
    """Fill ``out_v`` (packs, cells) with what cells would show at these currents now."""
    work = _room_for(fleet)
    for p in range(bleed_a.shape[0]):
        _copy(bleed_a[p], work.beside_a)
        _voltages(fleet.terminals[p], work, current_a[p])
        _copy(work.at_v, out_v[p])


@compiled_in_place
def _age_pack(fleet: Fleet, p: int, dt_s: float) -> None:
    """Let pack ``p`` age: views of it may not leave what is compiled in place."""
    age(ageing_of(fleet, p), dt_s)


@compiled_without_lock
def age_packs(fleet: Fleet, dt_s: float, first: int, last: int) -> None:
    """Let packs age by ``dt_s`` at their present state."""
    for p in range(first, last):
        _age_pack(fleet, p, dt_s)
