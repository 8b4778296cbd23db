"""How many ampere-hours a reading at the top is worth, learnt from counted bleeds.

An open-circuit table is of some cell; those at hand may have another knee. Whoever has bled a
counted x Ah of some cells must see their readings change by x: where they change by 3 x, the table
reads three times what there is. A bleed path is never off by as much, so that is the table's doing.
"""

from typing import NamedTuple

import numpy as np

from hil.balancing.beliefs import Look
from hil.balancing.strategy import Floats

_LOCAL = 0.2
"""Share by which the factor differs along the knee, and so between two looks [assumed]: knees are
not only steeper, they are bent elsewhere."""
_CHANGES = 0.1
"""Share of a look's variance that is not the same at the next [assumed]: a board's error is mostly
each channel's offset, which stays."""
_WORTH = 25.0
"""An experiment counts once noise leaves the factor within a fifth."""
_MOST = 8.0
"""No single experiment is believed to find more than this factor."""


class Curve(NamedTuple):
    """What is believed of the curve, and the experiment that is under way.

    ``log`` (..., 1): logarithm of what readings are larger than differences in charge, with its
    variance ``var``. Since a look that read ``seen_ah`` with ``seen_var`` (infinite: nothing),
    ``bled_ah`` were bled (all three (..., cells)) and ``aged_h`` hours passed (..., 1).
    """

    log: Floats
    var: Floats
    seen_ah: Floats
    seen_var: Floats
    bled_ah: Floats
    aged_h: Floats


def unlearnt(cells: int, ratio: float) -> Curve:
    """Return a curve within ``ratio`` (sigma of the logarithm) of the table, with nothing seen."""
    one, nothing = np.zeros(1), np.zeros(cells)
    return Curve(one, one + ratio**2, nothing, nothing + np.inf, nothing, one)


def counted(curve: Curve, bled_ah: Floats, aged_h: Floats) -> Curve:
    """Return the experiment after ``bled_ah`` (..., cells) more, in ``aged_h`` (...,)."""
    return curve._replace(
        bled_ah=curve.bled_ah + bled_ah, aged_h=curve.aged_h + aged_h[..., np.newaxis]
    )


def in_charge(curve: Curve, look: Look) -> Look:
    """Return a look at readings as one at charge, by what is believed of the curve."""
    per_ah = np.exp(curve.log)
    return look._replace(lacks_ah=look.lacks_ah / per_ah, var=look.var / per_ah**2)


def learnt(curve: Curve, look: Look, leak_var: Floats) -> Curve:
    """Return the curve after a look at readings: how they changed by what was bled since another.

    Least squares over the cells of a pack, against their mean; a Kalman update of the logarithm.
    """
    noise = _change_var(look.var, curve.seen_var) + leak_var * curve.aged_h**2
    weight = np.where(look.below, 0.0, 1.0 / noise)
    seen_ah = _against_mean(weight, curve.seen_ah)
    now_ah = _against_mean(weight, np.where(weight > 0.0, look.lacks_ah, 0.0))
    bled_ah = _against_mean(weight, curve.bled_ah)
    weight = np.where(weight > 0.0, 1.0 / (noise + (_LOCAL * seen_ah) ** 2), 0.0)
    worth = np.maximum((weight * bled_ah**2).sum(axis=-1, keepdims=True), 1e-12)
    per_ah = (weight * bled_ah * (now_ah - seen_ah)).sum(axis=-1, keepdims=True) / worth
    believed = np.exp(curve.log)
    told = worth * believed**2 >= _WORTH
    per_ah = np.clip(per_ah, believed / _MOST, believed * _MOST)
    gain = np.where(told, curve.var / (curve.var + _LOCAL**2 + 1.0 / (worth * per_ah**2)), 0.0)
    after = curve._replace(
        log=curve.log + gain * (np.log(per_ah) - curve.log), var=curve.var * (1.0 - gain)
    )
    idle = (worth * believed**2 < 1.0) & _as_good(look.var, curve.seen_var)
    return _begun(after, look, told | idle)


def _change_var(var: Floats, other_var: Floats) -> Floats:
    """Return the variance of the change between two looks; infinite where one tells nothing.

    An offset is in both, and tells no change but by as much as the slope between them differs.
    """
    told = np.isfinite(var) & np.isfinite(other_var)
    one, other = np.where(told, var, np.inf), np.where(told, other_var, 0.0)
    apart: Floats = (np.sqrt(one) - np.sqrt(other)) ** 2 + _CHANGES * (one + other)
    return apart


def _begun(curve: Curve, look: Look, anew: Floats) -> Curve:
    """Return the curve with this look for the next experiment's first, where ``anew``."""
    known = np.isfinite(look.var) & ~look.below
    return curve._replace(
        seen_ah=np.where(anew, np.where(known, look.lacks_ah, 0.0), curve.seen_ah),
        seen_var=np.where(anew, np.where(known, look.var, np.inf), curve.seen_var),
        bled_ah=np.where(anew, 0.0, curve.bled_ah),
        aged_h=np.where(anew, 0.0, curve.aged_h),
    )


def _as_good(var: Floats, other_var: Floats) -> Floats:
    """Return where a pack's look tells at least half of what another one told, (..., 1)."""
    tells = (1.0 / var).sum(axis=-1, keepdims=True)
    good: Floats = (tells > 0.0) & (tells >= 0.5 * (1.0 / other_var).sum(axis=-1, keepdims=True))
    return good


def _against_mean(weight: Floats, ah: Floats) -> Floats:
    """Return charges against the mean of those of a pack that count."""
    total = np.maximum(weight.sum(axis=-1, keepdims=True), 1e-12)
    off: Floats = ah - (weight * ah).sum(axis=-1, keepdims=True) / total
    return off
