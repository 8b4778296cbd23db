"""What a current makes of a cell's voltage, as far as current and temperature tell.

The model of design/physics.md, section 2, for a steady current and without state of charge (which
nobody knows on the plateau): series resistance, two charge-transfer terms, two diffusion terms.
"""

from dataclasses import dataclass

import numpy as np

from hil.balancing.strategy import Floats

GAS_J_PER_MOL_K = 8.314462618
FARADAY_AS_PER_MOL = 96485.33212
ZERO_DEGC_K = 273.15
REFERENCE_K = 298.15


@dataclass(frozen=True, slots=True)
class Polarisation:
    """The parameters of a kind of cell, per ampere-hour; those of ``profiles/cells/lfp-100ah``.

    All are [published] fits to the electrochemical model of a 2 Ah LFP cell (ADR 0005), held
    between -10 and 55 degC; what a cell of another maker has differs, which is why strategies keep
    a guard (``model_error_ratio``).
    """

    series_ohm_ah: float = 19.6e-3
    series_ea_j_per_mol: float = 10.4e3
    exchange_per_h: tuple[float, float] = (0.292, 0.586)
    exchange_ea_j_per_mol: tuple[float, float] = (54.7e3, 35.7e3)
    diffusion_degc: tuple[float, ...] = (-10.0, 0.0, 10.0, 25.0, 40.0, 55.0)
    fast_ohm_ah: tuple[float, ...] = (52e-3, 33e-3, 27e-3, 17e-3, 11.6e-3, 7e-3)
    slow_ohm_ah: tuple[float, ...] = (38e-3, 16e-3, 6.1e-3, 1.3e-3, 0.07e-3, 0.07e-3)
    slow_tau_s: float = 400.0

    def voltage_v(
        self, current_a: Floats, slow_a: Floats, degc: Floats, capacity_ah: float
    ) -> Floats:
        """Return by how much a discharge lowers each cell, (..., cells); negative in charge.

        ``current_a`` (...,) flows now; ``slow_a`` (...,) is what the slow diffusion has come to
        (``slowed``); the fast one (25 s) is done by any decision. ``degc`` is (..., cells).
        """
        rate_per_h = (current_a / capacity_ah)[..., np.newaxis]
        slow_per_h = (slow_a / capacity_ah)[..., np.newaxis]
        kelvin = degc + ZERO_DEGC_K
        inverse_k = 1.0 / kelvin - 1.0 / REFERENCE_K
        series = self.series_ohm_ah * np.exp(self.series_ea_j_per_mol / GAS_J_PER_MOL_K * inverse_k)
        transfer_v = np.zeros_like(kelvin)
        for exchange, ea in zip(self.exchange_per_h, self.exchange_ea_j_per_mol, strict=True):
            at_degc = exchange * np.exp(-ea / GAS_J_PER_MOL_K * inverse_k)
            transfer_v = transfer_v + np.arcsinh(rate_per_h / (2.0 * at_degc))
        transfer_v *= 2.0 * GAS_J_PER_MOL_K * kelvin / FARADAY_AS_PER_MOL
        fast = np.interp(degc, self.diffusion_degc, self.fast_ohm_ah)
        slow = np.interp(degc, self.diffusion_degc, self.slow_ohm_ah)
        eta_v: Floats = rate_per_h * (series + fast) + slow_per_h * slow + transfer_v
        return eta_v

    def slowed(self, slow_a: Floats, current_a: Floats, dt_s: Floats) -> Floats:
        """Return the current that the slow diffusion has come to after ``dt_s`` more, (...,).

        What is not known yet (NaN, before the first decision) has come to nothing.
        """
        past = np.where(np.isfinite(slow_a), slow_a, 0.0)
        done = -np.expm1(-np.where(np.isfinite(dt_s), dt_s, 0.0) / self.slow_tau_s)
        after: Floats = past + done * (current_a - past)
        return after


LFP = Polarisation()
