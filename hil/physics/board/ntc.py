"""NTC inputs: the divider of a pull-up and an NTC, and what a real NTC adds to its curve."""

import math
from typing import NamedTuple

from hil.physics.board.design import BoardDesign

__all__ = ["KELVIN", "Ntc", "cold_limit_a", "ntc_degc", "ntc_divider_v", "ntc_step_degc"]

KELVIN = 273.15
_R25_K = 25.0 + KELVIN


class Ntc(NamedTuple):
    """The curve of one NTC: R = R25 exp(B (1/T - 1/298.15 K))."""

    r25_ohm: float
    beta_k: float

    def ohm(self, degc: float) -> float:
        """Return the resistance at a temperature."""
        return self.r25_ohm * math.exp(self.beta_k * (1 / (degc + KELVIN) - 1 / _R25_K))


def ntc_divider_v(design: BoardDesign, degc: float, ntc: Ntc | None = None) -> float:
    """Return the voltage of the divider (pull-up to supply, NTC to ground) at ``degc``.

    ``ntc`` is the part in it; without one, the curve that the design states.
    """
    ohm = (ntc or Ntc(design.ntc_r25_ohm, design.ntc_beta_k)).ohm(degc)
    return design.ntc_supply_v * ohm / (ohm + design.ntc_pullup_ohm)


def ntc_degc(design: BoardDesign, divider_v: float) -> float:
    """Return the temperature that gives ``divider_v``; NaN for a shorted or open NTC."""
    if not 0 < divider_v < design.ntc_supply_v:
        return math.nan
    ohm = design.ntc_pullup_ohm * divider_v / (design.ntc_supply_v - divider_v)
    inverse_k = 1 / _R25_K + math.log(ohm / design.ntc_r25_ohm) / design.ntc_beta_k
    return 1 / inverse_k - KELVIN


def ntc_step_degc(
    design: BoardDesign, ntc: Ntc, bead_degc: float, around_degc: float, elapsed_s: float
) -> float:
    """Return the temperature of an NTC's bead after ``elapsed_s`` in a place at ``around_degc``.

    It lags behind with the part's time constant, and its own share of the divider's power warms
    it: 3.3 V over 10 + 10 kohm is 0.27 mW, so 0.14 K at 2 mW/K. Without an ``ntc_part`` in the
    design it is as warm as its place.
    """
    part = design.ntc_part
    if part is None:
        return around_degc
    volt = ntc_divider_v(design, bead_degc, ntc)
    settled_degc = around_degc + volt**2 / ntc.ohm(bead_degc) / part.dissipation_w_per_k
    left = math.exp(-elapsed_s / part.tau_s) if part.tau_s > 0 else 0.0
    return settled_degc + (bead_degc - settled_degc) * left


def cold_limit_a(design: BoardDesign, coldest_degc: float) -> float:
    """Return the charge current the board allows at its coldest cell NTC (NaN: no NTC known)."""
    if coldest_degc < design.no_charge_below_degc:
        return 0.0
    if coldest_degc < design.cold_charge_below_degc:
        return design.cold_charge_limit_a
    return design.charge_limit_a
