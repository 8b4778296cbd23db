"""The charge ledger: measure at the top who has how much too much, then bleed that by counting.

Voltage tells charge only where its curve is steep, in the last two per cent of a charge. What it
told there stays true on the plateau, so bleeding need not wait for the next top: hours of bleeding
replace minutes (design/physics.md, section 5).
"""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.leaks import LeakState, Look, arrhenius, learnt, nothing_learnt, passed
from hil.balancing.lfp import TOP, to_full_share
from hil.balancing.polarisation import LFP
from hil.balancing.strategy import Bools, Decision, Floats, Observation, evidence_v
from hil.balancing.temperatures import cell_degc, mean_degc
from hil.core.instants import DAY, MINUTE, Duration, to_seconds
from hil.core.recorded import UNLESS_DEFAULT

_HOUR_S = 3600.0
TOP_FLOOR_V = 3.37
"""No cell is at the top with less: 98 % after a charge, at no current. Charging, it shows more."""

_DISCHARGE_PER_H = 0.005
"""Current out of the pack, of the capacity, that is more than a drifting shunt shows at rest."""

_OFF_SLOPE = 1.0 - TOP - 1e-9


class LedgerState(NamedTuple):
    """What each cell has too much of and what is being bled, (..., cells); the rest is (...,).

    ``spare_ah``: by how much a cell is nearer to full than the neediest, at least; ``bleed_a``:
    the mean current that the last decision draws while the cell can be measured. ``visiting``: at
    the top now; ``same_charge``: has been there, and not been discharged since; ``visited_s``: when
    last there; ``anchored_s``: when ``spare_ah`` was last measured;
    ``slow_a``: what the slow diffusion has come to; ``at_s``: when all this was; ``leaks``: what
    was learnt of how fast each cell runs empty.
    """

    spare_ah: Floats
    bleed_a: Floats
    visiting: Bools
    same_charge: Bools
    visited_s: Floats
    anchored_s: Floats
    slow_a: Floats
    at_s: Floats
    leaks: LeakState


@dataclass(frozen=True, slots=True)
class ChargeLedger:
    """Bleeds counted ampere-hours, anchored at each visit to the top, in any later state.

    A visit: the charge has come to ``visit_soc_ratio`` in the fullest cell and less than
    ``quiet_per_h`` times the capacity flows, not out of the pack. There the voltages without their
    polarisation are inverted, each within ``board_error_v`` and ``model_error_ratio`` of the
    polarisation, and always to the side of bleeding less: the neediest cell may be fuller, every
    other one emptier than it looks. The first look after a charge replaces the ledger, later ones
    may only add until the pack is discharged: hours after a charge noise can lift a cell over the
    edge once more, and such a look knows less than the first one did (E8). What falls below
    ``kept_ratio`` of the capacity is not worth a bleed. An anchor older than ``stale_after_ns``
    counts for nothing.

    The current of a bleed is V / (``bleed_ohm`` + two leads) for ``bleed_window_ratio`` of the
    time. A full charge is asked for when none came for ``full_every_ns``.

    With ``learns_leaks`` an entry grows between visits by what its cell leaks less than the
    neediest for certain (``hil.balancing.leaks``): with ampere-hours counted within
    ``count_error_ratio`` (E8: resistors err by 3 to 5 %), at most ``most_leak_per_h`` of the
    capacity (5 mA of 100 Ah: a bad cell, docs/physics.md [assumed]), by the temperatures of now
    with ``leak_ea_j_per_mol`` [assumed]. Off by default: a board whose readings err by more than
    it declares would teach leaks that are none.
    """

    needs_truth: ClassVar[bool] = False

    capacity_ah: float = 100.0
    bleed_ohm: float = 68.0
    lead_ohm: float = 0.06
    bleed_window_ratio: float = 1.0
    board_error_v: float = 0.002
    model_error_ratio: float = 0.05
    ntc_cells: tuple[int, ...] = ()
    visit_soc_ratio: float = 0.99
    quiet_per_h: float = 0.10
    kept_ratio: float = 0.002
    stale_after_ns: Duration = 30 * DAY
    full_every_ns: Duration = 10 * DAY
    learns_leaks: bool = field(default=False, metadata=UNLESS_DEFAULT)
    leak_ea_j_per_mol: float = field(default=50_000.0, metadata=UNLESS_DEFAULT)
    count_error_ratio: float = field(default=0.05, metadata=UNLESS_DEFAULT)
    most_leak_per_h: float = field(default=5e-5, metadata=UNLESS_DEFAULT)
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE

    def __post_init__(self) -> None:
        """Refuse parameters that count nothing. Raises ValueError."""
        for name in ("capacity_ah", "bleed_ohm", "bleed_window_ratio", "quiet_per_h"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name}: found {getattr(self, name):g}, expected more than 0")
        for name in (
            *("lead_ohm", "board_error_v", "model_error_ratio", "kept_ratio"),
            *("leak_ea_j_per_mol", "count_error_ratio", "most_leak_per_h"),
        ):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name}: found {getattr(self, name):g}, expected at least 0")
        if not TOP <= self.visit_soc_ratio < 1.0:
            raise ValueError(f"visit_soc_ratio: found {self.visit_soc_ratio:g}, expected 0.98 to 1")

    def initial(self, cells: int) -> LedgerState:
        """Return an empty ledger."""
        nothing, never, no = np.zeros(cells), np.array(np.nan), np.zeros((), np.bool_)
        leaks = nothing_learnt(cells)
        return LedgerState(nothing, nothing, no, no, never, never, never, never, leaks)

    def step(self, state: LedgerState, observation: Observation) -> tuple[LedgerState, Decision]:
        """Count what was bled, measure where that can be done, and bleed what is left over."""
        after, cell_v = self.account(state, observation)
        duty = self.duty(after.spare_ah, cell_v)
        wants_full = observation.time_s - after.visited_s >= to_seconds(self.full_every_ns)
        bleed_a = duty * self.bleed_a(cell_v)
        return after._replace(bleed_a=bleed_a), Decision(duty, wants_full=wants_full)

    def given(self, state: LedgerState, share: Floats) -> LedgerState:
        """Count with what layers left of the decision (``hil.balancing.layers.Counts``)."""
        return state._replace(bleed_a=state.bleed_a * share)

    def account(self, state: LedgerState, observation: Observation) -> tuple[LedgerState, Floats]:
        """Return the ledger as of now, before anything is decided, and the evidence (V)."""
        time_s, current_a = observation.time_s, observation.current_a
        dt_s = np.nan_to_num(time_s - state.at_s)
        slow_a = LFP.slowed(state.slow_a, current_a, dt_s)
        cell_v = evidence_v(observation, self.max_age_s)
        bled_ah = state.bleed_a * dt_s[..., np.newaxis] / _HOUR_S
        leaks, grown_ah = self._leaked(state.leaks, bled_ah, dt_s, observation)
        spare_ah = np.maximum(state.spare_ah - bled_ah, 0.0) + grown_ah
        look = self._look(observation, cell_v, slow_a)
        visiting = look.visiting
        if self.learns_leaks:
            most_a = self.most_leak_per_h * self.capacity_ah
            leaks = learnt(leaks, look, state.visiting, self.count_error_ratio, most_a)
        # a later look at the same charge sees less than the first one knew: it may only add
        same = state.same_charge & ~(current_a >= _DISCHARGE_PER_H * self.capacity_ah)
        seen_ah = np.where(same[..., np.newaxis], np.fmax(look.spare_ah, spare_ah), look.spare_ah)
        anchored_s = np.where(visiting, time_s, state.anchored_s)
        fresh = np.less_equal(time_s - anchored_s, to_seconds(self.stale_after_ns))
        spare_ah = np.where(visiting[..., np.newaxis], np.nan_to_num(seen_ah), spare_ah)
        spare_ah = np.where(fresh[..., np.newaxis], spare_ah, 0.0)
        began_s = np.where(np.isnan(state.visited_s), time_s, state.visited_s)
        visited_s = np.where(visiting, time_s, began_s)
        times = (visited_s, anchored_s, slow_a, time_s)
        after = LedgerState(spare_ah, state.bleed_a, visiting, same | visiting, *times, leaks)
        return after, cell_v

    def _leaked(
        self, leaks: LeakState, bled_ah: Floats, dt_s: Floats, observation: Observation
    ) -> tuple[LeakState, Floats]:
        """Return the leaks after ``dt_s``, and by how much each lead grew (..., cells)."""
        if not self.learns_leaks:
            return leaks, np.zeros(1)
        degc = mean_degc(observation.ntc_degc)
        aged_s = dt_s * arrhenius(degc, self.leak_ea_j_per_mol)
        grown_ah = np.nan_to_num(leaks.lead_a * aged_s[..., np.newaxis]) / _HOUR_S
        return passed(leaks, bled_ah, aged_s), grown_ah

    def duty(self, spare_ah: Floats, cell_v: Floats) -> Floats:
        """Return the duty that bleeds what is spare, (..., cells), at most; 0 where unknown."""
        a_period_ah = self.bleed_a(cell_v) * to_seconds(self.every_ns) / _HOUR_S
        over_ah = spare_ah - self.kept_ratio * self.capacity_ah
        # a share of a period would only be one more edge
        return np.where((over_ah >= a_period_ah) & np.isfinite(cell_v), 1.0, 0.0)

    def bleed_a(self, cell_v: Floats) -> Floats:
        """Return the mean current of a bleed at full duty, (..., cells); 0 where unknown."""
        path_ohm = self.bleed_ohm + 2.0 * self.lead_ohm
        bleed_a: Floats = np.nan_to_num(cell_v) / path_ohm * self.bleed_window_ratio
        return bleed_a

    def _look(self, observation: Observation, cell_v: Floats, slow_a: Floats) -> Look:
        """Return what the voltages tell of charge, NaN where no pack is near the top."""
        current_a = observation.current_a
        quiet = np.abs(current_a) < self.quiet_per_h * self.capacity_ah
        # a discharge leaves the branch of the hysteresis that this is read on
        quiet = quiet & (current_a < _DISCHARGE_PER_H * self.capacity_ah)
        # most of a day is spent elsewhere: the rest of this is not free
        if not (quiet & (np.fmax.reduce(cell_v, axis=-1) > TOP_FLOOR_V)).any():
            nothing = np.full(cell_v.shape, np.nan)
            return Look(np.zeros(quiet.shape, np.bool_), nothing, nothing, nothing)
        degc = cell_degc(observation.ntc_degc, self.ntc_cells, cell_v.shape[-1])
        eta_v = LFP.voltage_v(current_a, slow_a, degc, self.capacity_ah)
        error_v = self.board_error_v + self.model_error_ratio * np.abs(eta_v)
        charged_v = cell_v + eta_v
        fullest = np.fmin.reduce(to_full_share(charged_v), axis=-1)
        # an unknown neediest cell is as needy as the neediest known one: then less is bled
        lowest_ah = self.capacity_ah * to_full_share(charged_v + error_v)
        high_share = to_full_share(charged_v - error_v)
        neediest_ah = np.fmax.reduce(lowest_ah, axis=-1, keepdims=True)
        visiting = quiet & (fullest <= 1.0 - self.visit_soc_ratio)
        spare_ah = np.maximum(neediest_ah - self.capacity_ah * high_share, 0.0)
        # what is below the slope is told as just there: for growth that is no bound
        bound = np.where(high_share >= _OFF_SLOPE, np.inf, high_share)
        return Look(visiting, spare_ah, lowest_ah, self.capacity_ah * bound)
