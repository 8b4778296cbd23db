"""What a data sheet says of an LFP cell at equilibrium, and where that tells its charge.

Open-circuit voltage and half the hysteresis loop: measured tables of a Sony 3 Ah cell (Naumann
thesis), as tabulated in SimSES [published]; ``profiles/cells/lfp-100ah.yaml`` has the same
(``tests/unit/test_charge_strategies.py`` compares them). A charge of a few per cent takes a cell to
the upper branch of its loop, on which it stays at rest; so does a discharge to the lower one.
"""

import numpy as np

from hil.balancing.strategy import Floats

# fmt: off
SOC = np.array([0.0, 0.01, 0.05, 0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 0.95, 0.98,
                0.99, 0.995, 1.0])
OCV_V = np.array([2.286, 2.783, 3.065, 3.197, 3.234, 3.270, 3.292, 3.2995, 3.3035, 3.311, 3.3345,
                  3.3425, 3.345, 3.349, 3.362, 3.396, 3.530])
HALF_LOOP_V = np.array([30, 30, 29, 25, 25, 29, 23, 19, 19, 21, 19, 17, 19, 22, 23, 26, 30]) * 1e-3
# fmt: on

BOTTOM, TOP = 0.10, 0.98
"""Below and above these the slope is more than 5 mV/%: voltage tells charge only there."""

_CHARGED_V = OCV_V + HALF_LOOP_V
"""The upper branch falls a little at 90 %, on the plateau; in the steep zones it rises."""


def ocv_v(soc: Floats) -> Floats:
    """Return the open-circuit voltage in the middle of the loop, any shape; held past the ends."""
    volt: Floats = np.interp(soc, SOC, OCV_V)
    return volt


def slope_v(soc: Floats) -> Floats:
    """Return the slope of the open-circuit voltage, V per unit of charge; 0.01 of it is per %."""
    piece = np.clip(np.searchsorted(SOC, soc, side="right") - 1, 0, len(SOC) - 2)
    steep: Floats = (np.diff(OCV_V) / np.diff(SOC))[piece]
    return steep


def soc_of(volt: Floats) -> Floats:
    """Return the state of charge 0..1 of an open-circuit voltage (middle of the loop), any shape.

    NaN on the plateau, for NaN, and nowhere else: past the ends of the table 0 and 1 are held.
    """
    soc = np.interp(volt, OCV_V, SOC)
    return np.where((soc < BOTTOM) | (soc > TOP), soc, np.nan)


def to_full_share(charged_v: Floats) -> Floats:
    """Return 1 - s of a cell after a charge (upper branch) and without polarisation, any shape.

    What is below the steep zone is told as 2 %, the least that it can be; NaN for NaN.
    """
    top = SOC >= TOP
    share: Floats = 1.0 - np.interp(charged_v, _CHARGED_V[top], SOC[top])
    return share
