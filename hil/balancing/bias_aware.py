"""The bias-aware estimator: what is charge, and what is the offset of a channel?

A Kalman filter of two states a cell: how much more charge it lacks than the mean one, and what its
channel reads too much. Near the top a volt means few ampere-hours, further down many; so looks at
different heights tell the two apart, and on the plateau a look says next to nothing of charge.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hil.balancing.charge_ledger import ChargeLedger, LedgerState
from hil.balancing.lfp import TOP, slope_v, to_full_share
from hil.balancing.polarisation import LFP
from hil.balancing.strategy import Bools, Decision, Floats, Observation
from hil.balancing.temperatures import cell_degc

_PLATEAU_V = 0.05
"""Slope just below the steep zone, V per unit of charge: 90 to 98 % of ``lfp``."""
_HOUR_S = 3600.0


class BiasState(NamedTuple):
    """Bookkeeping shared with the ledger, then estimates (..., cells).

    ``lacks_ah``: charge to full above the pack's mean; ``bias_v``: the channel's offset; then their
    variances and covariance (Ah^2, V^2, Ah V).
    """

    ledger: LedgerState
    lacks_ah: Floats
    bias_v: Floats
    lacks_var: Floats
    bias_var: Floats
    cross: Floats


@dataclass(frozen=True, slots=True)
class BiasAware(ChargeLedger):
    """The ledger's parameters and visits; what a look says is weighed by how well it is known.

    Before the first visit cells are within ``spread_ratio`` of the capacity of each other and
    offsets within ``board_error_v`` (both as sigma) [assumed]. A reading at rest is good to
    ``look_v`` beside its offset: noise, hysteresis not quite on its branch; looks of one visit do
    not err independently, so each counts for a ``repeats_ratio`` of one. ``drift_ratio``: how much
    of the capacity cells may move apart in a day, as sigma. A cell bleeds while it lacks less than
    the neediest by ``guard_ratio`` sigma and by ``kept_ratio`` of the capacity.
    """

    spread_ratio: float = 0.02
    look_v: float = 0.002
    repeats_ratio: float = 0.1
    drift_ratio: float = 0.0002
    guard_ratio: float = 2.0

    def __post_init__(self) -> None:
        """Refuse a filter that knows everything or nothing. Raises ValueError."""
        ChargeLedger.__post_init__(self)
        for name in ("spread_ratio", "look_v", "repeats_ratio", "drift_ratio", "guard_ratio"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name}: found {getattr(self, name):g}, expected more than 0")

    def initial(self, cells: int) -> BiasState:  # type: ignore[override]
        """Return cells that are alike as far as anyone knows."""
        nothing = np.zeros(cells)
        spread_var = np.full(cells, (self.spread_ratio * self.capacity_ah) ** 2)
        bias_var = np.full(cells, self.board_error_v**2)
        ledger = ChargeLedger.initial(self, cells)
        return BiasState(ledger, nothing, nothing, spread_var, bias_var, nothing)

    def given(  # type: ignore[override]
        self, state: BiasState, share: Floats
    ) -> BiasState:
        """Count with what layers left of the decision."""
        return state._replace(ledger=ChargeLedger.given(self, state.ledger, share))

    def step(  # type: ignore[override]
        self, state: BiasState, observation: Observation
    ) -> tuple[BiasState, Decision]:
        """Count what was bled, look where looking tells, and bleed what is spare beyond doubt."""
        before = state.ledger
        ledger, cell_v = self.account(before, observation)
        dt_s = np.nan_to_num(observation.time_s - before.at_s)[..., np.newaxis]
        bled_ah = before.bleed_a * dt_s / _HOUR_S
        drift_var = (self.drift_ratio * self.capacity_ah) ** 2 * dt_s / (24.0 * _HOUR_S)
        moved = state._replace(
            lacks_ah=state.lacks_ah + bled_ah - bled_ah.mean(axis=-1, keepdims=True),
            lacks_var=state.lacks_var + drift_var,
        )
        if ledger.visiting.any():
            moved = self._looked(moved, ledger, observation, cell_v)
        spare_ah = self.spare_ah(moved)
        # of a pack that never came to the top nothing is known, whatever the prior says
        spare_ah = np.where(np.isfinite(ledger.anchored_s)[..., np.newaxis], spare_ah, 0.0)
        duty = self.duty(spare_ah, cell_v)
        wants_full = observation.time_s - ledger.visited_s >= self.full_every_ns / 1e9
        ledger = ledger._replace(spare_ah=spare_ah, bleed_a=duty * self.bleed_a(cell_v))
        return moved._replace(ledger=ledger), Decision(duty, wants_full=wants_full)

    def spare_ah(self, state: BiasState) -> Floats:
        """Return what each cell has more than the neediest, less the guard; not negative."""
        neediest = state.lacks_ah.argmax(axis=-1)[..., np.newaxis]
        most_ah = np.take_along_axis(state.lacks_ah, neediest, axis=-1)
        most_var = np.take_along_axis(state.lacks_var, neediest, axis=-1)
        sigma_ah = np.sqrt(state.lacks_var + most_var)
        spare_ah: Floats = np.maximum(most_ah - state.lacks_ah - self.guard_ratio * sigma_ah, 0.0)
        return spare_ah

    def _looked(
        self, state: BiasState, ledger: LedgerState, observation: Observation, cell_v: Floats
    ) -> BiasState:
        """Return the estimates after a look at packs that visit the top; others stay."""
        degc = cell_degc(observation.ntc_degc, self.ntc_cells, cell_v.shape[-1])
        eta_v = LFP.voltage_v(observation.current_a, ledger.slow_a, degc, self.capacity_ah)
        share = to_full_share(cell_v + eta_v - state.bias_v)
        per_v = self.capacity_ah / np.where(
            share < 1.0 - TOP, slope_v(1.0 - share), _PLATEAU_V
        )  # how many Ah a volt means there
        look_v = self.look_v + self.model_error_ratio * np.abs(eta_v)
        noise_var = (per_v * look_v) ** 2 / self.repeats_ratio
        known = np.isfinite(share) & ledger.visiting[..., np.newaxis]
        # the mean that cells are compared with: of this look, each by how well it is known
        weight = np.where(known, 1.0 / (noise_var + state.lacks_var), 0.0)
        off_ah = np.where(known, share * self.capacity_ah, 0.0) - state.lacks_ah
        total = np.maximum(weight.sum(axis=-1, keepdims=True), 1e-12)
        mean_ah = (weight * off_ah).sum(axis=-1, keepdims=True) / total
        return self._updated(state, known, off_ah - mean_ah, per_v, noise_var)

    def _updated(
        self, state: BiasState, known: Bools, error_ah: Floats, per_v: Floats, noise_var: Floats
    ) -> BiasState:
        """Return a Kalman update of two states in closed form; the look is lacks - per_v bias."""
        _, lacks_ah, bias_v, a, b, c = state
        to_lacks, to_bias = a - per_v * c, c - per_v * b
        total = to_lacks - per_v * to_bias + noise_var
        gain_ah = np.where(known, to_lacks / total, 0.0)
        gain_v = np.where(known, to_bias / total, 0.0)
        return state._replace(
            lacks_ah=lacks_ah + gain_ah * error_ah,
            bias_v=bias_v + gain_v * error_ah,
            lacks_var=a - gain_ah * to_lacks,
            bias_var=b - gain_v * to_bias,
            cross=c - gain_ah * to_bias,
        )
