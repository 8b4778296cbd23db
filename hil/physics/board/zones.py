"""How warm a board gets: one node on a standard layout, two where the bleeds have their own zone.

Bleed zone and front-end zone each lose heat to the air, and to each other:

    C1 dT1/dt = P1 - G1 (T1 - Tair) - G (T1 - T2),    and the same with 1 and 2 exchanged.

Linear with constant coefficients, so a step of any length is exact.
"""

import math
from typing import NamedTuple

from hil.physics.board.design import BoardDesign
from hil.physics.compiled import compiled

__all__ = ["ZoneNetwork", "make_zones", "step_zones"]


class ZoneNetwork(NamedTuple):
    """Conductances in W/K and capacities in J/K; one node where ``front_j_per_k`` is 0.

    ``front_w`` is what the front ends themselves dissipate, in the front-end zone. A board of one
    node has it in its air already.
    """

    bleed_air_w_per_k: float
    front_air_w_per_k: float
    between_w_per_k: float
    bleed_j_per_k: float
    front_j_per_k: float
    front_w: float


def make_zones(design: BoardDesign) -> ZoneNetwork:
    """Return the network of a design; ``pcb_rth`` and ``pcb_tau`` are those of its one node."""
    zones = design.zones
    if zones is None:
        air_w_per_k = 1.0 / design.pcb_rth_k_per_w
        return ZoneNetwork(air_w_per_k, 0.0, 0.0, design.pcb_tau_s * air_w_per_k, 0.0, 0.0)
    return ZoneNetwork(
        zones.bleed_air_w_per_k,
        zones.front_end_air_w_per_k,
        zones.between_w_per_k,
        zones.bleed_capacity_j_per_k,
        zones.front_end_capacity_j_per_k,
        zones.front_end_draw_w,
    )


@compiled
def step_zones(
    zones: ZoneNetwork,
    bleed_degc: float,
    front_degc: float,
    air_degc: float,
    bleed_w: float,
    elapsed_s: float,
) -> tuple[float, float]:
    """Return the temperatures of bleed zone and front-end zone after ``elapsed_s``.

    ``bleed_w`` is the heat of all bleeds, constant meanwhile. With one node both are the same.
    """
    if zones.front_j_per_k == 0.0:
        settled_degc = air_degc + bleed_w / zones.bleed_air_w_per_k
        left = math.exp(-elapsed_s * zones.bleed_air_w_per_k / zones.bleed_j_per_k)
        one_degc = settled_degc + (bleed_degc - settled_degc) * left
        return one_degc, one_degc
    # settled: two balances of heat, by Cramer's rule
    g = zones.between_w_per_k
    g1, g2 = zones.bleed_air_w_per_k + g, zones.front_air_w_per_k + g
    determinant = g1 * g2 - g * g
    settled1 = air_degc + (bleed_w * g2 + zones.front_w * g) / determinant
    settled2 = air_degc + (zones.front_w * g1 + bleed_w * g) / determinant
    # on the way: rates of the two modes of dx/dt = -A x, with A = [[a, b], [c, d]], always real
    a, b = g1 / zones.bleed_j_per_k, -g / zones.bleed_j_per_k
    c, d = -g / zones.front_j_per_k, g2 / zones.front_j_per_k
    half_sum, half_gap = 0.5 * (a + d), math.sqrt(0.25 * (a - d) * (a - d) + b * c)
    # exp(-A t) = e^(-mean t) (cosh(gap t) - (A - mean) sinh(gap t) / gap), in exponentials that
    # cannot overflow and a difference that does not cancel
    slow = math.exp(-(half_sum - half_gap) * elapsed_s)
    fast = math.exp(-(half_sum + half_gap) * elapsed_s)
    even, odd = 0.5 * (slow + fast), elapsed_s * slow
    if half_gap > 0.0:
        odd = slow * -math.expm1(-2.0 * half_gap * elapsed_s) / (2.0 * half_gap)
    x1, x2 = bleed_degc - settled1, front_degc - settled2
    return (
        settled1 + even * x1 - odd * ((a - half_sum) * x1 + b * x2),
        settled2 + even * x2 - odd * (c * x1 + (d - half_sum) * x2),
    )
