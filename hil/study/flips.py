"""On which assumption a conclusion hangs, and at which value it flips.

Where an effect shows in some draws and not in others, something that was drawn decides. For each
assumed parameter the value is sought that parts the draws best into those with the effect and those
without; a parameter that parts them no better than chance could is not named.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.profile.experiment import Arm, Assumed, Check
from hil.study.draws import Draw
from hil.study.judge import IN_FEW, IN_MOST, Judged

BY_CHANCE = 0.05
"""How often at most something is named, of all the parameters together, where nothing decides."""


class Flip(NamedTuple):
    """The effect shows where ``key`` is ``side`` ``at`` (in the unit that it is drawn in).

    ``parts`` is Youden's index: 1 where the value parts the draws without an exception, 0 where it
    says nothing.
    """

    key: str
    at: float
    side: Literal["above", "below"]
    parts: float


def flips_of(
    check: Check,
    judged: Judged,
    arms: Sequence[Arm],
    draws: Sequence[Draw],
    assumed: Sequence[Assumed],
) -> list[Flip]:
    """Return what parts the draws of a check, the sharpest first; nothing if the effect is clear.

    A parameter that one of the check's arms knows was not drawn there, and is left out.
    """
    if not IN_FEW <= float(judged.shown.mean()) < IN_MOST:
        return []
    known = frozenset[str]().union(
        *(arm.known for arm in arms if arm.label in (check.arm, check.against))
    )
    drawn = [(at, one.key) for at, one in enumerate(assumed) if one.key not in known]
    least = _least_parts(judged.shown, len(drawn))
    found = [
        _best_split(key, np.array([draw.values[at] for draw in draws]), judged.shown)
        for at, key in drawn
    ]
    return sorted((one for one in found if one.parts >= least), key=lambda one: -one.parts)


def _least_parts(shown: NDArray[np.bool_], parameters: int) -> float:
    """Return what chance alone exceeds in ``BY_CHANCE`` of all experiments.

    Youden's index of the best split is the statistic of Kolmogorov and Smirnov for two samples; for
    how large it gets by chance see Smirnov 1948, for many tests at once Bonferroni.
    """
    with_it, without = int(shown.sum()), int((~shown).sum())
    each = BY_CHANCE / max(1, parameters)
    return math.sqrt(-0.5 * math.log(each / 2.0) * (with_it + without) / (with_it * without))


def _best_split(key: str, values: NDArray[np.float64], shown: NDArray[np.bool_]) -> Flip:
    """Return the value between two draws that parts those with the effect from those without."""
    order = np.argsort(values)
    ranked, effect = values[order], shown[order]
    with_it, without = max(1, int(effect.sum())), max(1, int((~effect).sum()))
    # how many of each lie at or below every draw's value; a split stands behind it
    below = np.cumsum(effect)[:-1] / with_it - np.cumsum(~effect)[:-1] / without
    if not below.size:
        return Flip(key, float(ranked[0]), "above", 0.0)
    best = int(np.argmax(np.abs(below)))
    at = 0.5 * float(ranked[best] + ranked[best + 1])
    return Flip(key, at, "below" if below[best] > 0.0 else "above", float(abs(below[best])))
