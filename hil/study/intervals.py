"""How sure a figure over draws is: an interval for a share, and one for a median.

The range from the 5th to the 95th percentile says how packs differ; these say how well a median, or
a share, is known from so many packs. More draws narrow these, not that.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hil.physics.stack import Floats

CONFIDENCE = 0.95
Z = 1.959964
"""Of the normal distribution, for 95 % on both sides."""
RESAMPLES = 2000
SEED = 95
"""Of the resamples: equal draws have equal intervals."""


def interval_of_share(shown: int, draws: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share that showed in ``shown`` of ``draws`` draws.

    Source: Wilson 1927. Unlike the usual normal one it is not empty at 0 and 100 %. Raises
    ValueError for no draws, or more shown than drawn.
    """
    if not 0 <= shown <= draws or draws == 0:
        raise ValueError(f"{shown} of {draws} draws: expected some draws and at most all of them")
    share, z2 = shown / draws, Z * Z
    middle = (share + z2 / (2 * draws)) / (1 + z2 / draws)
    half = Z * math.sqrt(share * (1 - share) / draws + z2 / (4 * draws**2)) / (1 + z2 / draws)
    # at 0 and 100 % the bound is the share itself, and rounding must not put it beside
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def interval_of_median(values: Floats) -> tuple[float, float]:
    """Return the 95 % interval of a median by the percentile bootstrap; NaN twice without values.

    Draws without a value (NaN) are left out. Source: Efron 1979. Of a handful of draws it is too
    narrow: no resample holds what was never drawn.
    """
    known = np.sort(values[np.isfinite(values)])
    if not known.size:
        return float("nan"), float("nan")
    lower, upper = _middles(known.size)
    medians = 0.5 * (known[lower] + known[upper])
    low, high = np.percentile(medians, (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)))
    return float(low), float(high)


@lru_cache(64)
def _middles(draws: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for every resample, the ranks of the one or two draws in its middle, (resamples,).

    The median of a resample is found by the ranks of what was drawn again, whatever the values are:
    so a resample is sorted once for all arms and metrics of a study.
    """
    random = np.random.Generator(np.random.PCG64(SEED))
    ranks = np.sort(random.integers(0, draws, (RESAMPLES, draws)), axis=1)
    return ranks[:, (draws - 1) // 2], ranks[:, draws // 2]
