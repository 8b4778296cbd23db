"""Self-proving: looks only while its own bleeds are silent, and knows what each look is worth.

Made from what the atlas says of all others (docs/atlas): those that look while they
bleed are led astray by their own current in the sense leads; those that compare at the top alone
have too little time where current is scarce or full charges are rare; those that count believe a
data sheet. This one counts, as the ledger does, and holds every figure against what it finds.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.beliefs import Belief, Look, gone, looked, passed, rescaled, unknown, variance
from hil.balancing.charge_ledger import TOP_FLOOR_V
from hil.balancing.curve import Curve, counted, in_charge, learnt, unlearnt
from hil.balancing.leaks import arrhenius
from hil.balancing.lfp import TOP, slope_v, to_full_share
from hil.balancing.polarisation import LFP
from hil.balancing.strategy import Bools, Decision, Floats, Observation, evidence_v
from hil.balancing.temperatures import cell_degc, mean_degc
from hil.core.instants import HOUR, MINUTE, Duration, to_seconds

_HOUR_S = 3600.0
_OFF_SLOPE = 1.0 - TOP - 1e-9
_UNIFORM = 3.0**-0.5
"""Sigma of an error that lies anywhere within one."""
_LOOP_V = 0.026
"""Half the hysteresis loop in the steep zone (``lfp.HALF_LOOP_V``)."""
_LOOP_SPAN = 0.02
"""Share of the capacity that takes a cell by a factor of e to the other branch [assumed, as the
cells' profiles]."""
_LOOP_ERROR = 0.3
"""How far that may be wrong, as a share of what it comes to [assumed]."""
_LOOK_V = 0.0005
"""Noise, and how well anyone knows an open-circuit voltage [assumed]."""
_IN_VAIN = 3
"""So many times may a charge end at the top without a look in the rest that follows: from then on
these cells are taken to rest lower than the table says."""


class ProvingState(NamedTuple):
    """What is believed of cells and curve; then what is bled and the branch of each cell's loop.

    Both are (..., cells). ``bleed_a``: the declared current of what the last decision bleeds;
    ``branch``: 1 after a charge, -1 after a discharge. The rest is (...,): ``bled_s``, for how long
    bleeds have run at the top, infinite elsewhere; ``drawn_ah``: charge drawn from the pack since
    it last came there, ``vain``: how often it did since it last was there at rest; ``slow_a``: what
    the slow diffusion has come to; ``at_s``: when this was.
    """

    belief: Belief
    curve: Curve
    bleed_a: Floats
    branch: Floats
    bled_s: Floats
    drawn_ah: Floats
    vain: Floats
    slow_a: Floats
    at_s: Floats


@dataclass(frozen=True, slots=True)
class SelfProving:
    """Bleeds counted charge by what was seen at the top in silence; asks for a look when in doubt.

    A look: less than ``quiet_per_h`` times the capacity flows, some cell has come to
    ``visit_soc_ratio``, and no bleed was on since the last decision. Where charges end there time
    and again and the cells then rest lower, looks are made at that rest, before the pack gives
    ``near_ratio`` of the capacity: a table may have them rest higher than they do. At the top,
    bleeds pause for one decision on coming there and after each ``silence_every_ns``, so that there
    are looks (0: never, and any moment at the top is a look). A look is worth what the board's
    declared error (``board_error_v``), the polarisation (within ``model_error_ratio``), the loop
    and the slope leave of it; it replaces what is believed where it is better
    (``hil.balancing.beliefs``). A bleed draws V over ``bleed_ohm`` and two leads for
    ``bleed_window_ratio`` of the time, within ``scale_ratio``; cells leak unlike each other by
    ``leak_per_h`` of the capacity; unseen, they are within ``spread_ratio`` (all sigmas, all
    [assumed]).

    What readings are worth in charge is known within ``curve_ratio``, a sigma of the logarithm, and
    learnt from what bleeds change in them (``hil.balancing.curve``): with 0.5 two fifths of a first
    look wait for the second. Two published curves differ by 2.6 to 3.7, two to two and a half
    sigmas; more doubt costs the packs that are seldom full.

    A cell bleeds, in any state of the pack, while it lacks less than the neediest by ``kept_ratio``
    of the capacity and ``guard_ratio`` sigmas of that difference and of the curve. A full charge is
    asked for before there was any look, once some sigma has grown by ``unsure_ratio`` of the
    capacity since, and when so much is left that only another look can tell from a wrong curve.
    """

    needs_truth: ClassVar[bool] = False

    capacity_ah: float = 100.0
    bleed_ohm: float = 68.0
    lead_ohm: float = 0.06
    bleed_window_ratio: float = 1.0
    board_error_v: float = 0.002
    model_error_ratio: float = 0.1
    ntc_cells: tuple[int, ...] = ()
    visit_soc_ratio: float = 0.995
    near_ratio: float = 0.003
    quiet_per_h: float = 0.10
    silence_every_ns: Duration = HOUR
    spread_ratio: float = 0.02
    scale_ratio: float = 0.1
    curve_ratio: float = 0.5
    leak_per_h: float = 1e-5
    leak_ea_j_per_mol: float = 50_000.0
    guard_ratio: float = 1.0
    kept_ratio: float = 0.0005
    unsure_ratio: float = 0.0015
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE

    def __post_init__(self) -> None:
        """Refuse parameters that count nothing, or know everything. Raises ValueError."""
        for name in (
            *("capacity_ah", "bleed_ohm", "bleed_window_ratio", "quiet_per_h", "board_error_v"),
            *("spread_ratio", "unsure_ratio"),
        ):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name}: found {getattr(self, name):g}, expected more than 0")
        for name in (
            *("lead_ohm", "model_error_ratio", "scale_ratio", "curve_ratio", "leak_per_h"),
            *("leak_ea_j_per_mol", "guard_ratio", "kept_ratio", "silence_every_ns", "near_ratio"),
        ):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name}: found {getattr(self, name):g}, expected at least 0")
        if not TOP <= self.visit_soc_ratio < 1.0:
            raise ValueError(f"visit_soc_ratio: found {self.visit_soc_ratio:g}, expected 0.98 to 1")

    def initial(self, cells: int) -> ProvingState:
        """Return cells that are alike as far as anyone knows, and not known at all."""
        spread_ah, leak_a = self.spread_ratio * self.capacity_ah, self.leak_per_h * self.capacity_ah
        belief = unknown(cells, spread_ah, self.scale_ratio, leak_a)
        never, endless = np.array(np.nan), np.array(np.inf)
        curve = unlearnt(cells, self.curve_ratio)
        here = np.zeros(cells), np.ones(cells), endless, endless, np.zeros(())
        return ProvingState(belief, curve, *here, never, never)

    def step(self, state: ProvingState, observation: Observation) -> tuple[ProvingState, Decision]:
        """Count what was bled, look where that is worth anything, and bleed what is left over."""
        cell_v = evidence_v(observation, self.max_age_s)
        now = self._counted(state, observation)
        came, look = self._look(now, observation, cell_v)
        quiet = np.abs(observation.current_a) < self.quiet_per_h * self.capacity_ah
        now = self._visited(now, came, quiet)
        rests = (now.vain >= _IN_VAIN) & (now.drawn_ah <= self.near_ratio * self.capacity_ah)
        at_top = quiet & (came | rests)
        silent = ~(state.bleed_a > 0.0).any(axis=-1)
        if look is not None:
            sees = (at_top & (silent | (self.silence_every_ns == 0)))[..., np.newaxis]
            now = _seen(now, look._replace(var=np.where(sees, look.var, np.inf)))
        dt_s = np.nan_to_num(observation.time_s - state.at_s)
        bled_s = np.where(at_top, state.bled_s + dt_s, np.inf)
        bled_s = np.where(silent, 0.0, bled_s)
        run_s = to_seconds(self.silence_every_ns) or np.inf
        pauses = at_top & (bled_s >= run_s)
        duty = np.where(pauses[..., np.newaxis], 0.0, self._duty(now, cell_v))
        wants_full = self._unsure(now, duty)
        after = now._replace(bleed_a=duty * self._bleed_a(cell_v), bled_s=bled_s)
        return after, Decision(duty, wants_full=wants_full)

    def _unsure(self, state: ProvingState, duty: Floats) -> Bools:
        """Return which packs need a look, (...,): one to begin with, or counted for too long.

        Where some cell was never seen on the slope there may be enough to bleed without. Where
        much is left that only another look can tell from an error of the curve, that is due too.
        """
        belief = state.belief
        never_var = (0.5 * self.spread_ratio * self.capacity_ah) ** 2
        unseen = (belief.beyond | (belief.look_var > never_var)).any(axis=-1)
        grown = (variance(belief) - belief.look_var).max(axis=-1)
        idle = ~(duty > 0.0).any(axis=-1)
        unsure_ah = self.unsure_ratio * self.capacity_ah
        held_ah = (self._spare_ah(belief, np.zeros(1)) * (state.curve.var > 0.0)).max(axis=-1)
        wants: Bools = ((unseen | (held_ah > unsure_ah)) & idle) | (grown > unsure_ah**2)
        return wants

    def given(self, state: ProvingState, share: Floats) -> ProvingState:
        """Count with what layers left of the decision (``hil.balancing.layers.Counts``)."""
        return state._replace(bleed_a=state.bleed_a * share)

    def _counted(self, state: ProvingState, observation: Observation) -> ProvingState:
        """Return the state as of now, before anything is looked at."""
        dt_s = np.nan_to_num(observation.time_s - state.at_s)
        current_a = np.nan_to_num(observation.current_a)
        degc = np.nan_to_num(mean_degc(observation.ntc_degc), nan=25.0)
        hours = dt_s / _HOUR_S
        bled_ah = state.bleed_a * hours[..., np.newaxis]
        passed_ah = current_a * hours
        moved_ah = bled_ah + passed_ah[..., np.newaxis]
        stays = np.exp(-np.abs(moved_ah) / (_LOOP_SPAN * self.capacity_ah))
        to = -np.sign(moved_ah)
        aged_h = hours * arrhenius(degc, self.leak_ea_j_per_mol)
        return state._replace(
            belief=passed(state.belief, bled_ah, aged_h),
            curve=counted(state.curve, bled_ah, aged_h),
            branch=to + (state.branch - to) * stays,
            drawn_ah=state.drawn_ah + np.maximum(passed_ah, 0.0),
            slow_a=LFP.slowed(state.slow_a, current_a, dt_s),
            at_s=observation.time_s,
        )

    def _visited(self, state: ProvingState, came: Bools, quiet: Bools) -> ProvingState:
        """Return the state after packs have ``come`` to the top, (...,), or not."""
        begins = came & (state.drawn_ah > self.near_ratio * self.capacity_ah)
        return state._replace(
            drawn_ah=np.where(came, 0.0, state.drawn_ah),
            vain=np.where(came & quiet, 0.0, state.vain + begins),
        )

    def _look(
        self, state: ProvingState, observation: Observation, cell_v: Floats
    ) -> tuple[Bools, Look | None]:
        """Return which packs have come to the top, (...,), and what their voltages tell.

        None where no pack is anywhere near.
        """
        current_a = observation.current_a
        near = np.fmax.reduce(cell_v, axis=-1) > TOP_FLOOR_V
        if not near.any():  # most of a day is spent elsewhere: the rest of this is not free
            return near, None
        degc = cell_degc(observation.ntc_degc, self.ntc_cells, cell_v.shape[-1])
        eta_v = LFP.voltage_v(current_a, state.slow_a, degc, self.capacity_ah)
        loop_v = _LOOP_V * (1.0 - state.branch)
        share = to_full_share(cell_v + eta_v + loop_v)
        came = near & (np.fmin.reduce(share, axis=-1) <= 1.0 - self.visit_soc_ratio)
        error_v2 = (
            (_UNIFORM * self.board_error_v) ** 2
            + _LOOK_V**2
            + (self.model_error_ratio * eta_v) ** 2
            + (_LOOP_ERROR * loop_v) ** 2
        )
        lacks_ah = self.capacity_ah * share
        var = error_v2 * (self.capacity_ah / slope_v(1.0 - share)) ** 2
        known = np.isfinite(lacks_ah)
        return came, Look(lacks_ah, np.where(known, var, np.inf), share >= _OFF_SLOPE)

    def _duty(self, state: ProvingState, cell_v: Floats) -> Floats:
        """Return the duty that bleeds what is spare beyond doubt, (..., cells); 0 where unknown."""
        spare_ah = self._spare_ah(state.belief, state.curve.var)
        a_period_ah = self._bleed_a(cell_v) * to_seconds(self.every_ns) / _HOUR_S
        # a share of a period would only be one more edge
        return np.where((spare_ah >= a_period_ah) & np.isfinite(cell_v), 1.0, 0.0)

    def _spare_ah(self, belief: Belief, curve_var: Floats) -> Floats:
        """Return what each cell has beyond the neediest, less all doubts, (..., cells).

        What a look told may be so much more than there is as the curve is not known, (..., 1): that
        share of it waits for the next.
        """
        lacks_ah, var = belief.lacks_ah, variance(belief)
        seen_ah = lacks_ah - gone(belief)
        neediest = lacks_ah.argmax(axis=-1)[..., np.newaxis]
        most_ah = np.take_along_axis(lacks_ah, neediest, axis=-1)
        most_var = np.take_along_axis(var, neediest, axis=-1)
        told_ah = np.take_along_axis(seen_ah, neediest, axis=-1) - seen_ah
        held = -np.expm1(-self.guard_ratio * np.sqrt(curve_var))
        doubt_ah = self.guard_ratio * np.sqrt(var + most_var) + held * np.maximum(told_ah, 0.0)
        spare_ah: Floats = most_ah - lacks_ah - doubt_ah - self.kept_ratio * self.capacity_ah
        return spare_ah

    def _bleed_a(self, cell_v: Floats) -> Floats:
        """Return what a bleed draws by the data sheet, (..., cells), A; 0 where unknown."""
        path_ohm = self.bleed_ohm + 2.0 * self.lead_ohm
        return np.nan_to_num(cell_v) / path_ohm * self.bleed_window_ratio


def _seen(state: ProvingState, look: Look) -> ProvingState:
    """Return the state after a look at readings: first what they are worth, then what they tell."""
    curve = learnt(state.curve, look, state.belief.leak_var)
    belief = rescaled(state.belief, np.exp(state.curve.log - curve.log))
    return state._replace(curve=curve, belief=looked(belief, in_charge(curve, look), curve.var))
