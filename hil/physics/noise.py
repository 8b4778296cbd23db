"""Counter-based noise: the value is a pure function of (seed, device, sample, channel).

A shared random stream would make one device's noise depend on how often another one drew, and a
replay could not start in the middle. Here any sample can be asked for at any time, in any order.

The generator is Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy
as 1, 2, 3", SC 2011; its published known answers are in the tests). It needs only 32-bit sums,
rotations and exclusive-ors, so signed 64-bit arithmetic never overflows and the same source gives
the same bits with and without the compiler.
"""

import math

import numpy as np
from numpy.typing import NDArray

from hil.physics.compiled import compiled

_WORD = 0xFFFFFFFF
_PARITY = 0x1BD11BDA
_TO_UNIT = 2.0**-32
_NORMAL, _UNIFORM = 0, 1


@compiled
def _four_rounds(x0: int, x1: int, a: int, b: int, c: int, d: int) -> tuple[int, int]:
    """Mix two words four times; ``a`` to ``d`` are the rotations in bits."""
    x0 = (x0 + x1) & _WORD
    x1 = (((x1 << a) | (x1 >> (32 - a))) & _WORD) ^ x0
    x0 = (x0 + x1) & _WORD
    x1 = (((x1 << b) | (x1 >> (32 - b))) & _WORD) ^ x0
    x0 = (x0 + x1) & _WORD
    x1 = (((x1 << c) | (x1 >> (32 - c))) & _WORD) ^ x0
    x0 = (x0 + x1) & _WORD
    x1 = (((x1 << d) | (x1 >> (32 - d))) & _WORD) ^ x0
    return x0, x1


@compiled
def threefry(key0: int, key1: int, count0: int, count1: int) -> tuple[int, int]:
    """Return two random 32-bit words for a 2 x 32-bit key and a 2 x 32-bit counter."""
    key2 = key0 ^ key1 ^ _PARITY
    x0 = (count0 + key0) & _WORD
    x1 = (count1 + key1) & _WORD
    x0, x1 = _four_rounds(x0, x1, 13, 15, 26, 6)
    x0, x1 = _four_rounds((x0 + key1) & _WORD, (x1 + key2 + 1) & _WORD, 17, 29, 16, 24)
    x0, x1 = _four_rounds((x0 + key2) & _WORD, (x1 + key0 + 2) & _WORD, 13, 15, 26, 6)
    x0, x1 = _four_rounds((x0 + key0) & _WORD, (x1 + key1 + 3) & _WORD, 17, 29, 16, 24)
    x0, x1 = _four_rounds((x0 + key1) & _WORD, (x1 + key2 + 4) & _WORD, 13, 15, 26, 6)
    return (x0 + key2) & _WORD, (x1 + key0 + 5) & _WORD


@compiled
def _words(seed: int, device: int, sample: int, pair: int, kind: int) -> tuple[int, int]:
    """Return the two words of one pair of channels.

    48 bits of seed, 16 of device, 48 of sample, 15 of pair and 1 of kind fill key and counter.
    """
    return threefry(
        seed & _WORD,
        (((seed >> 32) & 0xFFFF) << 16) | (device & 0xFFFF),
        sample & _WORD,
        (((sample >> 32) & 0xFFFF) << 16) | ((pair & 0x7FFF) << 1) | kind,
    )


@compiled
def noise_row(seed: int, device: int, sample: int, out: NDArray[np.float64]) -> None:
    """Fill ``out`` (channels,) with independent standard normals for channel 0 to n - 1.

    Box-Muller on 32-bit words, so nothing lies beyond 6.7 sigma; a channel's value does not
    depend on how many channels are asked for.
    """
    n = out.shape[0]
    for pair in range((n + 1) // 2):
        word0, word1 = _words(seed, device, sample, pair, _NORMAL)
        radius = math.sqrt(-2.0 * math.log((word0 + 0.5) * _TO_UNIT))
        angle = 2.0 * math.pi * (word1 * _TO_UNIT)
        out[2 * pair] = radius * math.cos(angle)
        if 2 * pair + 1 < n:
            out[2 * pair + 1] = radius * math.sin(angle)


@compiled
def uniform_row(seed: int, device: int, sample: int, out: NDArray[np.float64]) -> None:
    """Fill ``out`` (channels,) with independent uniforms in (0, 1), unrelated to ``noise_row``."""
    n = out.shape[0]
    for pair in range((n + 1) // 2):
        word0, word1 = _words(seed, device, sample, pair, _UNIFORM)
        out[2 * pair] = (word0 + 0.5) * _TO_UNIT
        if 2 * pair + 1 < n:
            out[2 * pair + 1] = (word1 + 0.5) * _TO_UNIT
