"""What is believed of each cell's charge, and how far that may be wrong.

The offset of a channel is there in every look: looks do not average out, however many there are.
So a look is not weighed against what is believed, it either is the better of the two or it is
nothing (covariance intersection in one dimension). What a better look finds that was not foreseen
has two possible causes, and is blamed on each by how little that one is known: that bleeds draw
other than declared, and that the cell leaks other than its pack.
"""

from typing import NamedTuple

import numpy as np

from hil.balancing.strategy import Bools, Floats

_WORSE = 1.5
"""By this much may a look's variance exceed that of what is believed and still be taken: looks of
one kind differ by as much, and taking them evens out noise."""

_ANY_VAR = 1e6
"""Ah^2: of a cell that was seen below the slope nobody knows how much more it lacks."""


class Look(NamedTuple):
    """What one look at the top tells: charge to full (Ah) and its variance (Ah^2), (..., cells).

    NaN and infinite where it tells nothing. Of a cell that is ``below`` the slope it tells what it
    lacks at least.
    """

    lacks_ah: Floats
    var: Floats
    below: Bools


class Belief(NamedTuple):
    """What is believed of each cell; (..., cells) all.

    ``lacks_ah``: charge to full, against a zero that all cells of the pack share and nobody knows;
    ``look_var``: variance of the look that it stands on, Ah^2; since that look ``bled_ah`` were
    bled and ``aged_h`` hours passed, counted as at 25 degC. Of a cell ``beyond`` the slope no more
    is known than that it lacks this much. ``scale`` (a share) is what its bleed
    draws more than declared and ``leak_a`` (A at 25 degC) what the cell leaks more than its pack;
    both with their variances.
    """

    lacks_ah: Floats
    look_var: Floats
    bled_ah: Floats
    aged_h: Floats
    scale: Floats
    scale_var: Floats
    leak_a: Floats
    leak_var: Floats
    beyond: Bools


def unknown(cells: int, spread_ah: float, scale_ratio: float, leak_a: float) -> Belief:
    """Return what is believed before anything was seen; three sigmas."""
    nothing = np.zeros(cells)
    return Belief(
        *(nothing, nothing + spread_ah**2, nothing, nothing),
        *(nothing, nothing + scale_ratio**2, nothing, nothing + leak_a**2),
        beyond=np.zeros(cells, np.bool_),
    )


def variance(belief: Belief) -> Floats:
    """Return the variance of what is believed now, Ah^2, (..., cells): it grows until a look."""
    counted = belief.scale_var * belief.bled_ah**2
    return belief.look_var + counted + belief.leak_var * belief.aged_h**2


def passed(belief: Belief, bled_ah: Floats, aged_h: Floats) -> Belief:
    """Return the belief after ``bled_ah`` (..., cells) by the data sheet, in ``aged_h`` (...,)."""
    hours = aged_h[..., np.newaxis]
    gone_ah = (1.0 + belief.scale) * bled_ah + belief.leak_a * hours
    return belief._replace(
        lacks_ah=belief.lacks_ah + gone_ah,
        bled_ah=belief.bled_ah + bled_ah,
        aged_h=belief.aged_h + hours,
    )


def gone(belief: Belief) -> Floats:
    """Return what each cell lost since its look, Ah, (..., cells), as far as anyone knows."""
    return (1.0 + belief.scale) * belief.bled_ah + belief.leak_a * belief.aged_h


def rescaled(belief: Belief, factor: Floats) -> Belief:
    """Return the belief as if its looks had told ``factor`` (..., 1) times what they told."""
    gone_ah = gone(belief)
    told_ah = belief.lacks_ah - gone_ah
    return belief._replace(
        lacks_ah=told_ah * factor + gone_ah, look_var=belief.look_var * factor**2
    )


def looked(belief: Belief, look: Look, curve_var: Floats | float = 0.0) -> Belief:
    """Return the belief after a look; who sees no better than what is believed learns nothing.

    ``curve_var`` (..., 1): by this variance (of a share) looks may tell more than there is. What
    that explains of a change is blamed on nothing else.
    """
    var = np.where(belief.beyond, _ANY_VAR, variance(belief))
    # all cells of a pack stand against one zero: where it lies, each says as well as it knows
    weight = np.where(look.below, 0.0, 1.0 / (look.var + var))
    off_ah = np.where(np.isfinite(look.var), look.lacks_ah - belief.lacks_ah, 0.0)
    total = np.maximum(weight.sum(axis=-1, keepdims=True), 1e-12)
    found_ah = off_ah - (weight * off_ah).sum(axis=-1, keepdims=True) / total
    # below the slope a cell lacks that much, and nobody knows how much more
    beyond = look.below & (found_ah > np.sqrt(look.var))
    better = ~look.below & (look.var <= _WORSE * var)
    total_var = np.where(better, look.var + var, np.inf)
    gain = np.where(beyond, 1.0, var / total_var)
    total_var += curve_var * belief.bled_ah**2
    return _blamed(belief, found_ah, total_var)._replace(
        lacks_ah=belief.lacks_ah + gain * found_ah,
        look_var=np.where(better | beyond, look.var, belief.look_var),
        bled_ah=np.where(better | beyond, 0.0, belief.bled_ah),
        aged_h=np.where(better | beyond, 0.0, belief.aged_h),
        beyond=beyond | (belief.beyond & ~better),
    )


def _blamed(belief: Belief, found_ah: Floats, var: Floats) -> Belief:
    """Return bleeds and leaks as known after ``found_ah`` of variance ``var`` was not foreseen.

    A Kalman update of two unknowns, each as if the other one were noise.
    """
    by_scale = belief.scale_var * belief.bled_ah
    by_leak = belief.leak_var * belief.aged_h
    return belief._replace(
        scale=belief.scale + by_scale / var * found_ah,
        scale_var=belief.scale_var - by_scale**2 / var,
        leak_a=belief.leak_a + by_leak / var * found_ah,
        leak_var=belief.leak_var - by_leak**2 / var,
    )
