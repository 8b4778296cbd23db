"""The sense harness: N + 1 leads between N cells in series and the board's N inputs.

Lead i is shared by cells i - 1 and i, so a bleed current shifts its neighbours' readings too:
input i sees V[i] - I[i] (R[i] + R[i+1]) + I[i-1] R[i] + I[i+1] R[i+1] (indices from 0). The loop
currents follow from one tridiagonal system a switching state; an open lead is one of ``OPEN_OHM``.
All functions are scalar source compiled by numba; nothing here knows of devices or time.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.physics.compiled import compiled

__all__ = [
    "OPEN_OHM",
    "Ladder",
    "advance",
    "advance_arrays",
    "currents_at",
    "find_open_leads",
    "probed_voltages",
    "pulled_voltages",
    "slotted_voltages",
]

Row = NDArray[np.float64]

OPEN_OHM = 1e9
"""An open lead: far above any input resistance, low enough to keep 1e-8 V of the solution."""


class Ladder(NamedTuple):
    """The network between cells and inputs; one value a cell, ``lead_ohm`` one more.

    ``source_ohm`` is 0 for a cell that is there and ``OPEN_OHM`` for an output that is off.
    """

    source_v: Row
    source_ohm: Row
    lead_ohm: Row
    bleed_ohm: Row
    input_ohm: Row


@compiled
def loop_currents(source_v: Row, ladder: Ladder, load_ohm: Row, out_a: Row, scratch: Row) -> None:
    """Fill ``out_a`` (cells,) with the current of every cell's loop (Thomas algorithm).

    Loop i: I[i] (Rload[i] + Rsource[i] + R[i] + R[i+1]) - I[i-1] R[i] - I[i+1] R[i+1] = V[i].
    ``source_v`` stands apart from the ladder's own so that a pull can be added to it.
    """
    lead_ohm = ladder.lead_ohm
    n = source_v.shape[0]
    for i in range(n):
        pivot = load_ohm[i] + ladder.source_ohm[i] + lead_ohm[i] + lead_ohm[i + 1]
        right = source_v[i]
        if i > 0:
            pivot += lead_ohm[i] * scratch[i - 1]
            right += lead_ohm[i] * out_a[i - 1]
        scratch[i] = -lead_ohm[i + 1] / pivot
        out_a[i] = right / pivot
    for i in range(n - 2, -1, -1):
        out_a[i] -= scratch[i] * out_a[i + 1]


@compiled
def switched_loads(ladder: Ladder, on_until_s: Row, at_s: float, out_ohm: Row) -> float:
    """Fill ``out_ohm`` (cells,) with each input's load at ``at_s``; return the next switching."""
    next_s = math.inf
    for i in range(out_ohm.shape[0]):
        out_ohm[i] = ladder.input_ohm[i]
        if on_until_s[i] > at_s:
            bleed_ohm = ladder.bleed_ohm[i]
            out_ohm[i] *= bleed_ohm / (bleed_ohm + ladder.input_ohm[i])
            next_s = min(next_s, on_until_s[i])
    return next_s


@compiled
def currents_at(ladder: Ladder, on_until_s: Row, at_s: float, out_a: Row) -> None:
    """Fill ``out_a`` (cells,) with the current each cell gives at ``at_s`` of the board cycle."""
    load_ohm = np.empty_like(out_a)
    switched_loads(ladder, on_until_s, at_s, load_ohm)
    loop_currents(ladder.source_v, ladder, load_ohm, out_a, np.empty_like(out_a))


@compiled
def pulled_voltages(ladder: Ladder, pull_a: Row, out_v: Row) -> None:
    """Fill ``out_v`` (cells,) with what the inputs settle to, bleeds off, loaded by ``pull_a``.

    A pull in parallel with a load is, seen from the loop, a source of pull · Rload in series.
    """
    n = out_v.shape[0]
    current_a = np.empty(n)
    driven_v = ladder.source_v + pull_a * ladder.input_ohm
    loop_currents(driven_v, ladder, ladder.input_ohm, current_a, np.empty(n))
    for i in range(n):
        out_v[i] = (current_a[i] - pull_a[i]) * ladder.input_ohm[i]


@compiled
def _rise_v(before_v: Row, after_v: Row, i: int, adc_max_v: float) -> float:
    """Return how much input i went up, as the ADC sees it."""
    after = min(max(after_v[i], 0.0), adc_max_v)
    return float(after - min(max(before_v[i], 0.0), adc_max_v))


@compiled
def find_open_leads(
    ladder: Ladder, pull_a: float, threshold_v: float, adc_max_v: float, out: NDArray[np.bool_]
) -> None:
    """Fill ``out`` (cells + 1,) with what a scan finds that pulls one input after the other.

    Pulling input i down lifts input i - 1 only if the lead they share is open. The outermost leads
    have no such neighbour; behind an open one the input reads nothing, and rises when pushed.
    """
    n = ladder.source_v.shape[0]
    pull = np.zeros(n)
    at_rest_v = np.empty(n)
    pulled_v = np.empty(n)
    pulled_voltages(ladder, pull, at_rest_v)
    out[:] = False
    for i in range(n):
        pull[i] = pull_a
        pulled_voltages(ladder, pull, pulled_v)
        below = i > 0 and _rise_v(at_rest_v, pulled_v, i - 1, adc_max_v) > threshold_v
        above = i < n - 1 and _rise_v(at_rest_v, pulled_v, i + 1, adc_max_v) > threshold_v
        out[i] |= below
        out[i + 1] |= above
        if i in (0, n - 1):
            pull[i] = -pull_a
            pulled_voltages(ladder, pull, pulled_v)
            floats = _rise_v(at_rest_v, pulled_v, i, adc_max_v) > threshold_v
            out[0] |= i == 0 and floats and not above
            out[n] |= i == n - 1 and floats and not below
        pull[i] = 0.0


@compiled
def probed_voltages(
    ladder: Ladder, on_until_s: Row, at_s: float, chip_cells: int, pin_a: float, out_v: Row
) -> None:
    """Fill ``out_v`` (cells,) with what each input settles to while its own two pins are driven.

    That is the ADOW command of an LTC681x: ``pin_a`` flows into both pins of the cell that is being
    converted (negative: out of them), cell after cell. The current comes from the chip's supply,
    the upper end of its ``chip_cells``, and leaves by its ground, the lower end: seen from the
    inputs it is always a load, of one ``pin_a`` beside the converted cell and of two beside those
    that it passes on the way. Bleeds that are on at ``at_s`` stay on.
    """
    n = out_v.shape[0]
    load_ohm = np.empty(n)
    switched_loads(ladder, on_until_s, at_s, load_ohm)
    driven_v = np.empty(n)
    current_a = np.empty(n)
    scratch = np.empty(n)
    for i in range(n):
        first = i // chip_cells * chip_cells
        for k in range(n):
            driven_v[k] = ladder.source_v[k]
            passed = first <= k < i if pin_a < 0.0 else i < k < first + chip_cells
            if passed:
                driven_v[k] += 2.0 * abs(pin_a) * load_ohm[k]
        own_v = abs(pin_a) * load_ohm[i]
        driven_v[i] += own_v
        loop_currents(driven_v, ladder, load_ohm, current_a, scratch)
        out_v[i] = current_a[i] * load_ohm[i] - own_v


@compiled
def slotted_voltages(
    ladder: Ladder, bleeding: NDArray[np.bool_], left_ratio: float, out_v: Row
) -> None:
    """Fill ``out_v`` (cells,) with what a loop reads that stops bleeds slot by slot.

    In cell k's slot its own bleed and both neighbours' are off, all others go on. The filter comes
    from what it saw with all of ``bleeding`` on, and ``left_ratio`` of the step is still there when
    the slot ends: exp(-slot / tau), 5 % for 1 kohm + 1 uF and 3 ms.
    """
    n = out_v.shape[0]
    load_ohm, current_a, scratch = np.empty(n), np.empty(n), np.empty(n)
    before_v = np.empty(n)
    for slot in range(-1, n):  # slot -1: nobody is measured
        for i in range(n):
            on_ohm = ladder.bleed_ohm[i]
            is_on = bleeding[i] and (slot < 0 or abs(i - slot) > 1)
            share = on_ohm / (on_ohm + ladder.input_ohm[i]) if is_on else 1.0
            load_ohm[i] = ladder.input_ohm[i] * share
        loop_currents(ladder.source_v, ladder, load_ohm, current_a, scratch)
        if slot < 0:
            for i in range(n):
                before_v[i] = current_a[i] * load_ohm[i]
        else:
            settled_v = current_a[slot] * load_ohm[slot]
            out_v[slot] = settled_v + (before_v[slot] - settled_v) * left_ratio


@compiled
def advance(
    ladder: Ladder,
    on_until_s: Row,
    from_s: float,
    to_s: float,
    filter_tau_s: float,
    charge_as: Row,
    filtered_v: Row,
) -> None:
    """Run the harness from ``from_s`` to ``to_s`` of one board cycle; sources stay constant.

    Cell i's bleed is on until ``on_until_s[i]``. Between switchings everything is constant, so
    charge is a sum of products and the input filter a sum of exponentials: no time step. Adds to
    ``charge_as`` (cells,) and moves ``filtered_v`` (cells,) on.
    """
    n = charge_as.shape[0]
    load_ohm = np.empty(n)
    current_a = np.empty(n)
    scratch = np.empty(n)
    at_s = from_s
    while at_s < to_s:
        next_s = min(to_s, switched_loads(ladder, on_until_s, at_s, load_ohm))
        loop_currents(ladder.source_v, ladder, load_ohm, current_a, scratch)
        left = math.exp((at_s - next_s) / filter_tau_s)
        for i in range(n):
            settled_v = current_a[i] * load_ohm[i]
            charge_as[i] += current_a[i] * (next_s - at_s)
            filtered_v[i] = settled_v + (filtered_v[i] - settled_v) * left
        at_s = next_s


@compiled
def advance_arrays(  # noqa: PLR0917 - keywords cost compiled code more than its work
    source_v: Row,
    source_ohm: Row,
    lead_ohm: Row,
    bleed_ohm: Row,
    input_ohm: Row,
    on_until_s: Row,
    from_s: float,
    to_s: float,
    filter_tau_s: float,
    charge_as: Row,
    filtered_v: Row,
) -> None:
    """Do what ``advance`` does, called with ``*ladder``.

    To hand a named tuple of arrays over to compiled code takes twice as long as the work itself.
    """
    ladder = Ladder(source_v, source_ohm, lead_ohm, bleed_ohm, input_ohm)
    advance(ladder, on_until_s, from_s, to_s, filter_tau_s, charge_as, filtered_v)
