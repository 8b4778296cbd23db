"""The cases of the reference set: what is done to the cell, as data, in two halves.

A case is a drive (current as a straight line between rows) or, where the voltage decides when a
phase ends, a protocol; both with a straight-line ambient. The two halves hold the same kinds of
case at other rates, states of charge, temperatures and seeds, so that a fit to the first half can
fail on the second.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NOMINAL_AH = 2.0
"""C-rates refer to this, the rated capacity."""
CAPACITY_AH = 2.0801
"""Between 2.00 V (0 %) and 3.65 V (100 %) open circuit at 25 degC: states of charge refer to it."""
EDGE_S = 1.0
"""A step of current is a ramp of one second, as a row-by-row straight line needs one."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a protocol: a constant current until a voltage or a time, or a held voltage.

    ``rate_per_h`` > 0 discharges. A phase with ``hold_v`` keeps that voltage until the current's
    magnitude falls below ``until_rate_per_h``.
    """

    rate_per_h: float = 0.0
    until_v: float | None = None
    hold_v: float | None = None
    until_rate_per_h: float | None = None
    lasts_s: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One file of the set. ``ambient`` is (time_s, degc) corners; constant ``degc`` without."""

    name: str
    half: str
    kind: str
    soc_ratio: float
    degc: float
    rate_per_h: float
    seed: int = 0
    ambient: tuple[tuple[float, float], ...] = ()
    phases: tuple[Phase, ...] = ()
    corners: tuple[tuple[float, float], ...] = field(default=(), repr=False)


def rest(hours: float) -> Phase:
    """Return a rest."""
    return Phase(lasts_s=hours * 3600.0)


def charge(rate_per_h: float, until_rate_per_h: float) -> tuple[Phase, Phase]:
    """Return constant current up to 3.65 V, then that voltage down to the taper current."""
    return (
        Phase(rate_per_h=-rate_per_h, until_v=3.65),
        Phase(hold_v=3.65, until_rate_per_h=until_rate_per_h),
    )


def discharge(rate_per_h: float) -> Phase:
    """Return constant current down to 2.5 V."""
    return Phase(rate_per_h=rate_per_h, until_v=2.5)


def full_cycle(half: str, degc: float, out: float, back: float) -> Case:
    """Return 90 % -> 2.5 V -> rest -> CC-CV 3.65 V -> rest, rates out and back in 1/h."""
    start = 0.9 if half == "fit" else 0.95
    return Case(
        f"cycle_{_degc(degc)}_{_rate(out)}_{_rate(back)}",
        half,
        "cycle",
        start,
        degc,
        max(out, back),
        phases=(rest(0.05), discharge(out), rest(0.75), *charge(back, 0.05), rest(0.75)),
    )


def top_charge(half: str, degc: float, rate: float, soc: float, until: float = 0.05) -> Case:
    """Return CC-CV to 3.65 V from ``soc``, then an hour of rest and a small discharge."""
    tail = (rest(1.0), Phase(rate_per_h=0.1, lasts_s=1800.0), rest(0.25))
    return Case(
        f"top_{_degc(degc)}_{_rate(rate)}_soc{100 * soc:.0f}",
        half,
        "top",
        soc,
        degc,
        rate,
        phases=(rest(0.05), *charge(rate, until), *tail),
    )


def pulses(half: str, degc: float, rate: float, soc: float, seed: int) -> Case:
    """Return pulses of 10 s to 10 min both ways at up to ``rate``, with rests, in drawn order."""
    rng = np.random.default_rng(seed)
    lengths_s = rng.permutation([10.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 600.0])
    rates = rate * rng.permutation([0.1, 0.25, 0.5, 1.0, 1.0, 0.75, 0.5, 0.25])
    signs = rng.permutation([1, 1, 1, 1, -1, -1, -1, -1])
    corners = [(0.0, 0.0), (60.0, 0.0)]
    now_s = 60.0
    for length_s, pulse, sign in zip(lengths_s, rates, signs, strict=True):
        current_a = float(sign * pulse * NOMINAL_AH)
        corners += [(now_s + EDGE_S, current_a), (now_s + EDGE_S + length_s, current_a)]
        now_s += 2 * EDGE_S + float(length_s)
        corners.append((now_s, 0.0))
        now_s += float(rng.choice([120.0, 600.0, 1800.0]))
        corners.append((now_s, 0.0))
    name = f"pulses_{_degc(degc)}_{_rate(rate)}_soc{100 * soc:.0f}"
    return Case(name, half, "pulses", soc, degc, rate, seed, corners=tuple(corners))


def day(
    half: str,
    degc: float,
    soc: float,
    seed: int,
    peak_rate: float = 0.5,
    swing_k: float = 6.0,
    sun_ratio: float = 1.0,
) -> Case:
    """Return a home's day: base load, a sunny charge around noon, short peaks, a daily swing.

    Starts at midnight; with ``sun_ratio`` 1 as much is charged as taken, before
    both are held to ``peak_rate``.
    """
    rng = np.random.default_rng(seed)
    time_s = np.arange(0.0, 86400.0 + 1.0, 120.0)
    hour = time_s / 3600.0
    load = 0.008 + 0.01 * rng.random(time_s.size)
    for center, width, height in ((7.3, 0.8, 0.05), (19.5, 1.7, 0.09)):
        load += height * np.exp(-(((hour - center - rng.normal(0.0, 0.4)) / width) ** 2))
    for _ in range(10):  # kettles, ovens, showers: 2 to 20 min up to the peak
        first = int(
            rng.choice([rng.uniform(6.0, 9.0), rng.uniform(11.0, 14.0), rng.uniform(17, 23)]) * 30
        )
        load[first : first + int(rng.integers(1, 6))] += peak_rate * rng.uniform(0.3, 1.0)
    clouds = np.repeat(rng.uniform(0.45, 1.0, time_s.size // 5 + 1), 5)[: time_s.size]
    sun = np.maximum(0.0, np.cos((hour - 12.7) / 4.6 * np.pi / 2.0)) * (abs(hour - 12.7) < 4.6)
    sun *= clouds
    sun *= sun_ratio * load.sum() / sun.sum()
    rate = np.clip(load - sun, -peak_rate, peak_rate)
    ambient = tuple(
        (3600.0 * h, degc - swing_k * float(np.cos((h - 3.0) / 24.0 * 2.0 * np.pi)))
        for h in range(25)
    )
    name = f"day_{_degc(degc)}_soc{100 * soc:.0f}"
    corners = tuple((float(t), float(r) * NOMINAL_AH) for t, r in zip(time_s, rate, strict=True))
    return Case(name, half, "day", soc, degc, peak_rate, seed, ambient=ambient, corners=corners)


def ramps(half: str, soc: float, degc: float, to_degc: tuple[float, ...], seed: int = 0) -> Case:
    """Return half an hour of C/5, then a rest in which the ambient ramps from corner to corner."""
    ambient = [(0.0, degc), (3600.0, degc)]
    now_s = 3600.0
    for corner in to_degc:
        ambient += [(now_s + 5400.0, corner), (now_s + 9000.0, corner)]
        now_s += 9000.0
    current_a = -0.4 if soc < 0.3 else 0.4  # from the bottom it is charged
    held = (EDGE_S, current_a), (1800.0, current_a)
    corners = ((0.0, 0.0), *held, (1800.0 + EDGE_S, 0.0), (now_s, 0.0))
    name = f"rest_{_degc(degc)}_to_{_degc(to_degc[0])}_soc{100 * soc:.0f}"
    return Case(name, half, "rest", soc, degc, 0.2, seed, ambient=tuple(ambient), corners=corners)


def _degc(degc: float) -> str:
    return f"m{-degc:g}degc" if degc < 0 else f"{degc:g}degc"


def _rate(rate_per_h: float) -> str:
    return f"{rate_per_h:g}c".replace(".", "p")


_FIT = "fit"
_UNSEEN = "unseen"

CASES = (
    day(_FIT, 25.0, 0.5, 11),
    day(_FIT, 0.0, 0.45, 12),
    pulses(_FIT, 25.0, 1.0, 0.5, 21),
    pulses(_FIT, -10.0, 0.5, 0.5, 22),
    pulses(_FIT, 50.0, 1.0, 0.2, 23),
    full_cycle(_FIT, 25.0, 0.5, 0.5),
    full_cycle(_FIT, 0.0, 0.5, 0.2),
    full_cycle(_FIT, 35.0, 1.0, 1.0),
    top_charge(_FIT, 25.0, 0.5, 0.7),
    top_charge(_FIT, 5.0, 0.2, 0.7),
    ramps(_FIT, 0.9, 25.0, (-10.0, 25.0)),
    ramps(_FIT, 0.1, 0.0, (50.0,)),
    # unseen, one of each first
    pulses(_UNSEEN, -10.0, 0.3, 0.6, 121),
    pulses(_UNSEEN, 0.0, 0.75, 0.35, 122),
    top_charge(_UNSEEN, 5.0, 0.3, 0.65),
    top_charge(_UNSEEN, 25.0, 0.75, 0.75),
    full_cycle(_UNSEEN, 0.0, 0.5, 0.5),
    full_cycle(_UNSEEN, 25.0, 1.0, 0.5),
    ramps(_UNSEEN, 0.8, 35.0, (-5.0, 35.0)),
    day(_UNSEEN, -8.0, 0.6, 111, peak_rate=0.1, swing_k=2.0, sun_ratio=0.5),
    day(_UNSEEN, 35.0, 0.42, 112),
    # the rest of both halves
    top_charge(_FIT, 5.0, 0.5, 0.6),
    top_charge(_FIT, 35.0, 1.0, 0.6),
    top_charge(_FIT, 50.0, 0.5, 0.8),
    top_charge(_FIT, 15.0, 0.3, 0.65),
    top_charge(_FIT, -10.0, 0.1, 0.6),
    pulses(_FIT, 0.0, 0.3, 0.75, 24),
    pulses(_FIT, 15.0, 1.0, 0.9, 25),
    pulses(_FIT, 5.0, 0.3, 0.15, 26),
    full_cycle(_FIT, 50.0, 0.5, 0.5),
    full_cycle(_FIT, 15.0, 1.0, 0.5),
    full_cycle(_FIT, -10.0, 0.2, 0.1),
    ramps(_FIT, 0.5, 50.0, (0.0,)),
    ramps(_FIT, 0.55, -10.0, (35.0,)),
    top_charge(_UNSEEN, 5.0, 0.2, 0.8),
    top_charge(_UNSEEN, 25.0, 0.3, 0.6),
    top_charge(_UNSEEN, 50.0, 0.75, 0.65),
    top_charge(_UNSEEN, 15.0, 0.5, 0.75),
    top_charge(_UNSEEN, 35.0, 0.5, 0.7),
    pulses(_UNSEEN, 5.0, 0.5, 0.6, 123),
    pulses(_UNSEEN, 15.0, 0.5, 0.25, 124),
    pulses(_UNSEEN, 25.0, 0.75, 0.8, 125),
    pulses(_UNSEEN, 35.0, 1.0, 0.12, 126),
    pulses(_UNSEEN, 50.0, 0.75, 0.6, 127),
    full_cycle(_UNSEEN, 35.0, 0.5, 0.75),
    full_cycle(_UNSEEN, 50.0, 1.0, 1.0),
    full_cycle(_UNSEEN, 15.0, 0.5, 0.3),
    full_cycle(_UNSEEN, 0.0, 0.3, 0.3),
    ramps(_UNSEEN, 0.2, 15.0, (50.0,)),
    ramps(_UNSEEN, 0.6, 0.0, (35.0,)),
    ramps(_UNSEEN, 0.45, 50.0, (-10.0,)),
    day(_FIT, -7.0, 0.65, 13, peak_rate=0.12, swing_k=3.0, sun_ratio=0.55),
    day(_FIT, 50.0, 0.5, 14),
    day(_UNSEEN, 5.0, 0.4, 113),
    day(_UNSEEN, 25.0, 0.35, 114),
    day(_UNSEEN, 50.0, 0.3, 115),
    full_cycle(_FIT, 25.0, 0.2, 0.2),
    full_cycle(_UNSEEN, 25.0, 0.3, 0.3),
)
