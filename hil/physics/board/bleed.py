"""The bleed path: what it lets through, how warm its parts get, how they age.

Scalar source over (cells,) rows of one pack, compiled by numba: the twins of one board call it once
a second, a batch for each of its packs. A path is the sum of a resistor, a switch and, in some
designs, an NTC; a plain board has only the first.
"""

import math
from typing import NamedTuple

import numpy as np

from hil.physics.board.design import BoardDesign
from hil.physics.board.ntc import KELVIN
from hil.physics.board.parts import Chain
from hil.physics.compiled import compiled
from hil.physics.wiring import Row

__all__ = [
    "REFERENCE_DEGC",
    "BleedPath",
    "age_resistors",
    "bleed_power_w",
    "derated_w",
    "duty_share",
    "input_voltages",
    "make_path",
    "mean_bleed_currents",
    "path_resistances",
    "series_ohm",
]

REFERENCE_DEGC = 25.0
"""Where bleed resistance, offset and gain of a design are stated."""
REGULATED_V, REGULATED_SPAN_V = 3.2, 0.4
"""A constant current is stated at 3.2 V; its regulation over the 0.4 V above and below."""
HOURS_1000_S = 3.6e6


class BleedPath(NamedTuple):
    """The bleed paths of one board: rows (cells,) and what all cells share.

    ``filter_ohm`` is what a cell's current passes outside the path (both filter resistors of an
    internal FET: they belong to the leads, for neighbours share them). ``constant_a`` 0: none.
    """

    resistor_ohm: Row
    switch_ohm: Row
    ntc_ohm: Row
    tcr_ppm_per_k: float
    switch_tc_per_k: float
    ntc_beta_k: float
    ntc_coupling_ratio: float
    rth_k_per_w: float
    filter_ohm: float
    constant_a: float
    regulation_per_v: float


INTERNAL_FET_TC_PER_K = 0.004
"""On-resistance of silicon rises with heat, inside a front end as outside [assumed equal]."""


def make_path(design: BoardDesign, chain: Chain) -> BleedPath:
    """Return the bleed paths of a board with these parts."""
    none = np.zeros(design.cells)
    fet, ntc = design.mosfet, design.series_ntc
    constant_a = 0.0 if fet is None or fet.constant_a is None else fet.constant_a
    return BleedPath(
        resistor_ohm=chain.bleed_ohm,
        switch_ohm=none if chain.switch_ohm is None else chain.switch_ohm,
        ntc_ohm=none if ntc is None else np.full(design.cells, ntc.r25_ohm),
        tcr_ppm_per_k=design.bleed_tcr_ppm_per_k,
        switch_tc_per_k=INTERNAL_FET_TC_PER_K if fet is None else fet.rds_tc_per_k,
        ntc_beta_k=0.0 if ntc is None else ntc.beta_k,
        ntc_coupling_ratio=0.0 if ntc is None else ntc.coupling_ratio,
        rth_k_per_w=design.bleed_rth_k_per_w,
        filter_ohm=2.0 * series_ohm(design),
        constant_a=constant_a,
        regulation_per_v=0.0 if fet is None else fet.regulation_ratio / REGULATED_SPAN_V,
    )


def series_ohm(design: BoardDesign) -> float:
    """Return what the board itself adds to each lead that a bleed current comes through."""
    return design.filter_resistance_ohm if design.internal_fet is not None else 0.0


@compiled
def path_resistances(
    path: BleedPath,
    zone_degc: float,
    power_w: Row,
    drift_ratio: Row,
    cell_v: Row,
    out_ohm: Row,
    out_degc: Row,
) -> None:
    """Fill ``out_ohm`` (cells,) with what each path has, and ``out_degc`` with its hottest part.

    ``power_w`` is each cell's mean bleed power of late, of which every part has its share;
    ``drift_ratio`` how far the resistor has moved with its age. R(T) = R25 (1 + TCR (T - 25)), and
    T = zone + Rth P: a part settles in seconds, so it is taken as settled. The hottest part is the
    resistor, or the FET where there is none. A constant current is a path that has, at the present
    ``cell_v``, the resistance that lets just that current through.
    """
    for k in range(out_ohm.shape[0]):
        resistor, switch, ntc = path.resistor_ohm[k], path.switch_ohm[k], path.ntc_ohm[k]
        typical = resistor + switch + ntc
        regulated = 0.0
        if path.constant_a > 0.0:
            wanted_a = path.constant_a * (1.0 + path.regulation_per_v * (cell_v[k] - REGULATED_V))
            if wanted_a > 0.0:
                regulated = cell_v[k] / wanted_a
        all_ohm = max(typical, regulated) + path.filter_ohm
        rise_k = path.rth_k_per_w * power_w[k]
        # what regulation takes from the cell is turned into heat in the FET
        fet_k = rise_k * ((switch + max(0.0, regulated - typical)) / all_ohm)
        resistor_k = rise_k * (resistor / all_ohm)
        resistor *= 1.0 + 1e-6 * path.tcr_ppm_per_k * (zone_degc + resistor_k - REFERENCE_DEGC)
        resistor *= 1.0 + drift_ratio[k]
        switch *= 1.0 + path.switch_tc_per_k * (zone_degc + fet_k - REFERENCE_DEGC)
        if ntc > 0.0:
            ntc_kelvin = zone_degc + path.ntc_coupling_ratio * resistor_k + KELVIN
            ntc *= math.exp(path.ntc_beta_k * (1.0 / ntc_kelvin - 1.0 / (REFERENCE_DEGC + KELVIN)))
        out_ohm[k] = max(resistor + switch + ntc, regulated)
        out_degc[k] = zone_degc + max(resistor_k, fet_k)


@compiled
def bleed_power_w(
    charge_as: Row, charged_as: Row, source_v: Row, elapsed_s: float, out_w: Row
) -> float:
    """Fill ``out_w`` (cells,) with the mean power since ``charged_as``; return their sum.

    ``charge_as`` and ``charged_as`` (cells,) are the charges now and at the last call; the latter
    is brought up to now.
    """
    total_w = 0.0
    for k in range(out_w.shape[0]):
        out_w[k] = (charge_as[k] - charged_as[k]) * source_v[k] / elapsed_s
        charged_as[k] = charge_as[k]
        total_w += out_w[k]
    return total_w


@compiled
def age_resistors(
    life_ratio: Row, rated_w: float, power_w: Row, elapsed_s: float, drift_ratio: Row
) -> None:
    """Move ``drift_ratio`` (cells,) on by the load of ``elapsed_s`` at ``power_w`` (cells,).

    Data sheets bound the change in 1000 h at rated power; ``life_ratio`` is what these parts do.
    Taken in proportion to the energy, which is what a bleed that is seldom on asks for [assumed].
    """
    for k in range(drift_ratio.shape[0]):
        drift_ratio[k] += life_ratio[k] * (power_w[k] / rated_w) * (elapsed_s / HOURS_1000_S)


def derated_w(design: BoardDesign, zone_degc: float) -> float:
    """Return the power that a bleed resistor may take where its zone is at ``zone_degc``.

    Full up to the knee of its derating line, falling to nothing at the line's end; infinite for a
    design that does not say.
    """
    part = design.resistor
    if part is None:
        return math.inf
    span_k = part.derate_to_degc - part.derate_from_degc
    return part.rated_w * min(max((part.derate_to_degc - zone_degc) / span_k, 0.0), 1.0)


def duty_share(design: BoardDesign, ntc_degc: float) -> float:
    """Return how much of the duty that is asked for a board with ``derating`` gives.

    ``ntc_degc`` is what its own NTC reads; one that is broken (NaN) leaves nothing to derate by,
    and nothing is given.
    """
    line = design.derating
    if line is None:
        return 1.0
    if math.isnan(ntc_degc):
        return 0.0
    share = (line.end_degc - ntc_degc) / (line.end_degc - line.start_degc)
    return min(max(share, 0.0), 1.0)


@compiled
def mean_bleed_currents(cell_v: Row, lead_ohm: Row, bleed_ohm: Row, duty: Row, out_a: Row) -> None:
    """Fill ``out_a`` (cells,) with each cell's mean bleed current over whole cycles.

    ``lead_ohm`` (cells + 1,), ``bleed_ohm`` as ``path_resistances`` says, ``duty`` (cells,) is the
    share of the time, all bleeds starting together as in ``hil.physics.wiring``. A neighbour's
    current through the lead that both share takes its drop from this cell's bleed (and adds none
    when only the neighbour is on): first order in lead over bleed resistance, so for 0.3 ohm and
    17 ohm within 0.1 % of the whole network's solution.
    """
    n = out_a.shape[0]
    for k in range(n):
        path_ohm = bleed_ohm[k] + lead_ohm[k] + lead_ohm[k + 1]
        charge = duty[k] * cell_v[k]
        if k > 0:
            below_ohm = bleed_ohm[k - 1] + lead_ohm[k - 1] + lead_ohm[k]
            charge += min(duty[k], duty[k - 1]) * lead_ohm[k] * cell_v[k - 1] / below_ohm
        if k < n - 1:
            above_ohm = bleed_ohm[k + 1] + lead_ohm[k + 1] + lead_ohm[k + 2]
            charge += min(duty[k], duty[k + 1]) * lead_ohm[k + 1] * cell_v[k + 1] / above_ohm
        out_a[k] = charge / path_ohm


@compiled
def input_voltages(
    cell_v: Row, lead_ohm: Row, current_a: Row, left_ratio: float, out_v: Row
) -> None:
    """Fill ``out_v`` (cells,) with what stands at the inputs while ``current_a`` (cells,) flows.

    Input k sees V - I (R[k] + R[k+1]) + I[k-1] R[k] + I[k+1] R[k+1]. ``left_ratio`` is how much of
    that shift is there when the ADC looks: 1 unmuted, exp(-settle / tau) of a muted one, 0 for
    leads of their own.
    """
    n = out_v.shape[0]
    for k in range(n):
        drop_v = current_a[k] * (lead_ohm[k] + lead_ohm[k + 1])
        if k > 0:
            drop_v -= current_a[k - 1] * lead_ohm[k]
        if k < n - 1:
            drop_v -= current_a[k + 1] * lead_ohm[k + 1]
        out_v[k] = cell_v[k] - left_ratio * drop_v
