"""Leak learning: how much faster the neediest cell runs empty than each other one.

Cells in series carry the same charge, so between two visits to the top the difference of two cells
changes by what was bled and by what leaked, and by nothing else (design/physics.md, section 5).
What is certain of that can be bled before the next visit shows it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.balancing.polarisation import GAS_J_PER_MOL_K, ZERO_DEGC_K
from hil.balancing.strategy import Bools, Floats

Counts = NDArray[np.int64]

REFERENCE_DEGC = 25.0
_HOUR_S = 3600.0


class Look(NamedTuple):
    """What a look at the top told: (...,) whether it was a visit, then (..., cells).

    ``spare_ah``: by how much a cell is nearer to full than the neediest, at least. ``low_ah`` and
    ``high_ah``: charge to full, at least and at most; infinite where the voltage sets no upper
    bound. NaN where a cell is unknown.
    """

    visiting: Bools
    spare_ah: Floats
    low_ah: Floats
    high_ah: Floats


class LeakState(NamedTuple):
    """What was learnt, and what it is learnt against: (..., cells), the last three (...,).

    ``lead_a``: by how much a cell leaks less than the neediest one, at least, at 25 degC. The base
    is the first look that saw every cell on the slope: ``base_low_ah`` and ``base_high_ah``, since
    when ``bled_ah`` were bled and ``aged_s`` passed, as seconds at 25 degC; NaN: there is none.
    ``settled``: the visit of the base is over; ``neediest``: the cell that leads are over.
    """

    lead_a: Floats
    base_low_ah: Floats
    base_high_ah: Floats
    bled_ah: Floats
    aged_s: Floats
    settled: Bools
    neediest: Counts


def nothing_learnt(cells: int) -> LeakState:
    """Return the state before the first visit."""
    zero = np.zeros(cells)
    first = np.zeros((), np.int64)
    return LeakState(zero, zero, zero, zero, np.array(np.nan), np.zeros((), np.bool_), first)


def arrhenius(degc: Floats, ea_j_per_mol: float) -> Floats:
    """Return how much faster than at 25 degC a cell leaks, any shape; NaN for NaN."""
    inverse_k = 1.0 / (REFERENCE_DEGC + ZERO_DEGC_K) - 1.0 / (degc + ZERO_DEGC_K)
    times: Floats = np.exp(ea_j_per_mol / GAS_J_PER_MOL_K * inverse_k)
    return times


def passed(state: LeakState, bled_ah: Floats, aged_s: Floats) -> LeakState:
    """Return the state after some time in which ``bled_ah`` (..., cells) were bled.

    ``aged_s`` (...,) is that time as seconds at 25 degC. Where that is unknown there is no telling
    how fast anything leaked since: the base is given up, and what was learnt before stays.
    """
    return state._replace(bled_ah=state.bled_ah + bled_ah, aged_s=state.aged_s + aged_s)


def learnt(
    state: LeakState, look: Look, again: Bools, count_error_ratio: float, most_a: float
) -> LeakState:
    """Return what a look adds: a base where there is none, else what leaked since, at least.

    Both looks count within their bounds and ampere-hours within ``count_error_ratio``, each to the
    side of learning less; so the error of a board shrinks with time since the base, and is never
    taken for a leak. At most ``most_a`` is believed. ``again`` (...,): not the first look of its
    visit. Such may only add, and make no base better: a cell that bled at rest meanwhile has left
    the upper branch, and looks emptier than it is.
    """
    based = np.isfinite(state.aged_s)
    settled = based & (state.settled | ~look.visiting)
    if not look.visiting.any():
        return state._replace(settled=settled)
    # the one that the ledger's entries count from; a lead over another says nothing
    neediest = np.where(np.isnan(look.low_ah), -np.inf, look.low_ah).argmax(axis=-1)
    same = ~look.visiting | (neediest == state.neediest)
    known_a = np.where(same[..., np.newaxis], state.lead_a, 0.0)
    lead_ah = _least_lead_ah(state, look, neediest, count_error_ratio)
    aged_h = np.maximum(state.aged_s, 1.0)[..., np.newaxis] / _HOUR_S
    lead_a = np.clip(lead_ah / aged_h, 0.0, most_a)
    lead_a = np.where(again[..., np.newaxis], np.fmax(lead_a, known_a), lead_a)
    # what sees no upper bound tells nothing new, and leaves what was known
    told = (settled & look.visiting)[..., np.newaxis] & np.isfinite(lead_ah)
    begins = look.visiting & ~based & ~np.isinf(look.high_ah).any(axis=-1)
    all_cells = begins[..., np.newaxis]
    return LeakState(
        np.where(told, lead_a, known_a),
        np.where(all_cells, look.low_ah, state.base_low_ah),
        np.where(all_cells, look.high_ah, state.base_high_ah),
        np.where(all_cells, 0.0, state.bled_ah),
        np.where(begins, 0.0, state.aged_s),
        settled,
        np.where(look.visiting, neediest, state.neediest),
    )


def _least_lead_ah(
    state: LeakState, look: Look, neediest: Counts, count_error_ratio: float
) -> Floats:
    """Return by how much each cell leaked less than the neediest one since the base, at least."""
    # all of it is counted within that ratio: bleeding by a resistor, charge by the pack's capacity
    error_ah = count_error_ratio * (np.abs(state.bled_ah) + np.abs(look.low_ah - state.base_low_ah))
    most_ah = look.high_ah - state.base_low_ah - state.bled_ah + error_ah
    least_ah = look.low_ah - state.base_high_ah - state.bled_ah - error_ah
    reference_ah = np.take_along_axis(least_ah, neediest[..., np.newaxis], axis=-1)
    lead_ah: Floats = reference_ah - most_ah
    return lead_ah
