"""Draws: for every pack of a study its seed and its values of what is only assumed.

A Latin hypercube a seed: each parameter's range is cut into as many slices as there are draws, and
every slice is drawn from once, so that a few dozen packs reach into all corners of each range.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hil.physics.stack import Floats
from hil.profile.experiment import Arm, Assumed, Conditions, with_value

_PACKS_PER_SEED = 2**16
"""Room for the packs of one seed: pack k of seed s is drawn as ``s * 2^16 + k``."""


class Draw(NamedTuple):
    """One pack of a study: the seed it is drawn from, and its values, in the order of ``Assumed``.

    ``seed`` is that of the study, of which the pack's own is made.
    """

    seed: int
    pack_seed: int
    values: tuple[float, ...]


def draws_of(assumed: Sequence[Assumed], draws: int, seeds: Sequence[int]) -> list[Draw]:
    """Return at least ``draws`` draws, as many a seed; the same for the same seeds, on every host.

    Raises ValueError for a seed that is given twice, or for more draws than a seed has room for:
    the same packs would count as two.
    """
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds {list(seeds)}: expected each once")
    each = math.ceil(draws / len(seeds))
    if each > _PACKS_PER_SEED:
        raise ValueError(f"{each} draws a seed: expected at most {_PACKS_PER_SEED}, or more seeds")
    found = []
    for seed in seeds:
        shares = _hypercube(seed, each, len(assumed))
        for k in range(each):
            values = (_within(one, share) for one, share in zip(assumed, shares[k], strict=True))
            found.append(Draw(seed, seed * _PACKS_PER_SEED + k, tuple(values)))
    return found


def drawn(arm: Arm, assumed: Sequence[Assumed], draw: Draw) -> Conditions:
    """Return an arm's conditions with what was drawn in place of what is only assumed in it."""
    conditions = arm.conditions
    for one, value in zip(assumed, draw.values, strict=True):
        if one.key not in arm.known:
            conditions = with_value(conditions, one.path, value)
    return conditions


def _hypercube(seed: int, draws: int, parameters: int) -> Floats:
    """Return shares (draws, parameters) of the way through each range."""
    random = np.random.Generator(np.random.PCG64(seed))
    columns = [
        (random.permutation(draws) + random.random(draws)) / draws for _ in range(parameters)
    ]
    shares: Floats = np.array(columns).T if columns else np.empty((draws, 0))
    return shares


def _within(one: Assumed, share: float) -> float:
    if one.log:
        return float(one.low * (one.high / one.low) ** share)
    return float(one.low + (one.high - one.low) * share)
