"""The sampling chain: from what stands at the inputs of a board to the counts of its ADC."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.physics.board.bleed import REFERENCE_DEGC
from hil.physics.board.design import ADC_MAX_V, BoardDesign
from hil.physics.board.parts import Chain
from hil.physics.compiled import compiled
from hil.physics.noise import noise_row
from hil.physics.wiring import Row

__all__ = [
    "ReferenceState",
    "add_ripple",
    "move_reference",
    "reference_ppm",
    "ripple_gain",
    "sample_cells",
    "trigger_voltages",
]

KILOHOUR_S = 3.6e6


@compiled
def sample_cells(  # noqa: PLR0917 - keywords cost compiled code more than its work
    seed: int,
    device: int,
    sample: int,
    filtered_v: Row,
    offset_v: Row,
    gain_ppm: Row,
    drift_ppm_per_k: Row,
    pcb_degc: float,
    noise_v: float,
    resolution_v: float,
    out: NDArray[np.int64],
) -> None:
    """Fill ``out`` (cells,) with ADC counts of ``resolution_v``, clamped to 0 and 5 V.

    Reading = v (1 + gain + drift (Tpcb - 25)) + offset + noise, then quantised; ``pcb_degc`` is
    where the references are. The chain's arrays come one by one: to hand a named tuple over to
    compiled code takes as long as the work itself.
    """
    n = out.shape[0]
    noise = np.empty(n)
    noise_row(seed, device, sample, noise)
    warm_k = pcb_degc - REFERENCE_DEGC
    # floor(x + 0.5) instead of round(): the same in Python and in compiled code
    top = math.floor(ADC_MAX_V / resolution_v + 0.5)
    for k in range(n):
        scale = 1.0 + 1e-6 * (gain_ppm[k] + drift_ppm_per_k[k] * warm_k)
        reading_v = filtered_v[k] * scale + offset_v[k] + noise_v * noise[k]
        out[k] = min(max(math.floor(reading_v / resolution_v + 0.5), 0), top)


class ReferenceState(NamedTuple):
    """What the board's references remember: how long they ran, and which way their heat went.

    ``bent`` is -1 after cooling and 1 after warming by more than the span of the hysteresis. Both
    it and ``degc`` are of one board, or (packs,) of many.
    """

    running_s: float = 0.0
    bent: float | Row = 0.0
    degc: float | Row | None = None


def move_reference(
    design: BoardDesign, state: ReferenceState, degc: float | Row, elapsed_s: float
) -> ReferenceState:
    """Return the state after ``elapsed_s`` that ended at ``degc``.

    Hysteresis is play of a given width: it follows the temperature and stops at either end.
    """
    span_k = design.reference.span_k if design.reference is not None else math.inf
    last_degc = degc if state.degc is None else state.degc
    bent = np.clip(state.bent + 2.0 * (degc - last_degc) / span_k, -1.0, 1.0)
    return ReferenceState(state.running_s + elapsed_s, bent, degc)


def reference_ppm(chain: Chain, state: ReferenceState) -> Row:
    """Return what age and past heat add to each cell's gain (cells,), in ppm."""
    gain_ppm: Row = chain.gain_ppm
    if chain.long_term_ppm is not None:
        gain_ppm = gain_ppm + chain.long_term_ppm * math.sqrt(state.running_s / KILOHOUR_S)
    if chain.hysteresis_ppm is not None:
        gain_ppm = gain_ppm + 0.5 * chain.hysteresis_ppm * state.bent
    return gain_ppm


@compiled
def trigger_voltages(
    read_v: Row, drift_ppm_per_k: Row, trigger_ppm_per_k: Row, front_degc: float, out_v: Row
) -> None:
    """Fill ``out_v`` (cells,) with what comparators on a reference of their own take cells for.

    ``read_v`` is what the ADC made of them; both references drift from 25 degC, each its own way,
    so that 50 ppm/K apart and 30 K warmer a cell of 3.3 V triggers 5 mV early or late.
    """
    warm_k = front_degc - REFERENCE_DEGC
    for k in range(out_v.shape[0]):
        apart_ppm = (trigger_ppm_per_k[k] - drift_ppm_per_k[k]) * warm_k
        out_v[k] = read_v[k] * (1.0 + 1e-6 * apart_ppm)


def ripple_gain(hz: float, window_s: float, tau_s: float) -> float:
    """Return how much of a sine's amplitude is left behind the filter and the ADC's window.

    The mean over a window is a sinc, |sin(pi f w) / (pi f w)|, negative between its odd zeros; a
    first-order filter leaves 1 / sqrt(1 + (2 pi f tau)^2).
    """
    angle = math.pi * hz * window_s
    sinc = math.sin(angle) / angle if angle > 0.0 else 1.0
    return sinc / math.hypot(1.0, 2.0 * math.pi * hz * tau_s)


@compiled
def add_ripple(
    at_s: float,
    stagger_s: float,
    ripple_hz: float,
    ripple_v: float,
    pickup_v: Row,
    pickup_share: float,
    out_v: Row,
) -> None:
    """Add to ``out_v`` (cells,) what ripple and pick-up show at the instant of each conversion.

    ``ripple_v`` is the amplitude that every cell shows at ``ripple_hz``, twice the mains', after
    ``ripple_gain``; ``pickup_v`` (cells,) times ``pickup_share`` that of the leads at the mains'
    own. Cell k is converted ``k * stagger_s`` after ``at_s``. Two sines of the time since the
    start: sampled more slowly than they swing, they come back as slow waves.
    """
    for k in range(out_v.shape[0]):
        # whole periods first: after a year the angle itself would have lost its last digits
        periods = ripple_hz * (at_s + k * stagger_s)
        turn = 2.0 * math.pi * (periods - math.floor(periods))
        half = 0.5 * periods
        half_turn = 2.0 * math.pi * (half - math.floor(half))
        out_v[k] += ripple_v * math.sin(turn) + pickup_v[k] * pickup_share * math.sin(half_turn)
