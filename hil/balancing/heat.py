"""Layers that keep a board below its temperature: by a loop that settles, and by one that does not.

Design: design/physics.md, sections 3 (E11) and 5. A board that tells no temperature bleeds nothing:
what cannot be watched cannot be allowed to get hot.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.rationing import bleed_w
from hil.balancing.strategy import Bools, Decision, Floats, Observation


class DeratingState(NamedTuple):
    """The share of the duties that was let through, the loop's memory, and when; all (...,)."""

    share: Floats
    integral: Floats
    at_s: Floats


@dataclass(frozen=True, slots=True)
class Derating:
    """Lowers all duties by one share, so that the board settles below its limit.

    Feed-forward: the share that a board of ``rth_k_per_w`` in its air can carry for ever,
    d = min(1, (T - Tair) / (Rth P)). Air is the coldest thermistor, P what the duties would turn
    into heat. A PI loop on the board's temperature takes out what the feed-forward has wrong:
    ``gain_per_k`` on the error, and the error's integral over ``reset_s``. The integral stands
    still while the share is at either end (anti-windup), and a share rises by no more than
    ``rise_per_h``: heat needs the board's time constant to show. It falls at once.

    The loop aims ``margin_k`` below ``limit_degc``, which is where a thermistor that lags behind
    its board needs it. Raises ValueError.
    """

    kind: ClassVar[str] = "derating"

    limit_degc: float = 85.0
    margin_k: float = 2.0
    rth_k_per_w: float = 2.0
    bleed_ohm: float = 68.0
    gain_per_k: float = 0.10
    reset_s: float = 1200.0
    rise_per_h: float = 6.0

    def __post_init__(self) -> None:
        """Refuse parameters that make no loop."""
        for name in ("rth_k_per_w", "bleed_ohm", "gain_per_k", "reset_s", "rise_per_h"):
            value = getattr(self, name)
            if not value > 0.0:
                raise ValueError(f"{name}: found {value:g}, expected more than 0")

    def initial(self, cells: int) -> DeratingState:  # noqa: ARG002 - the protocol's signature
        """Return the state of a loop that has not begun: it takes its first share as it comes."""
        return DeratingState(np.array(np.nan), np.array(0.0), np.array(np.nan))

    def before(
        self, state: DeratingState, observation: Observation
    ) -> tuple[DeratingState, Observation]:
        """Let everything through."""
        return state, observation

    def after(
        self, state: DeratingState, observation: Observation, decision: Decision
    ) -> tuple[DeratingState, Decision]:
        """Move the loop on by the time since the last decision, and lower all duties alike."""
        error_k = self.limit_degc - self.margin_k - observation.pcb_degc
        dt_s = np.nan_to_num(observation.time_s - state.at_s)  # nothing at the first decision
        known_k = np.nan_to_num(error_k)
        wanted = self._feed_forward(observation, decision.duty) + self.gain_per_k * known_k
        share = np.clip(wanted + state.integral, 0.0, 1.0)
        # the integral moves only where that moves the share: at an end it may only lead back
        raises = known_k > 0.0
        at_end = np.where(raises, wanted + state.integral >= 1.0, wanted + state.integral <= 0.0)
        moved = self.gain_per_k * known_k * dt_s / self.reset_s
        integral = np.clip(state.integral + np.where(at_end, 0.0, moved), -1.0, 1.0)
        risen = state.share + self.rise_per_h * dt_s / 3600.0
        share = np.where(np.isfinite(error_k), np.fmin(share, risen), 0.0)
        after = DeratingState(share, integral, observation.time_s)
        return after, decision._replace(duty=decision.duty * share[..., np.newaxis])

    def _feed_forward(self, observation: Observation, duty: Floats) -> Floats:
        """Return the share that can be carried for ever, (...,); 1 where the air is unknown."""
        power_w = bleed_w(observation.cell_v, self.bleed_ohm, duty).sum(axis=-1)
        air_degc: Floats = np.fmin.reduce(observation.ntc_degc, axis=-1)
        head_k = np.maximum(self.limit_degc - self.margin_k - air_degc, 0.0)
        carried = head_k / np.maximum(self.rth_k_per_w * power_w, 1e-9)
        return np.where(np.isfinite(carried), np.minimum(carried, 1.0), 1.0)


class PausedState(NamedTuple):
    """Whether all bleeds pause, (...,)."""

    paused: Bools


@dataclass(frozen=True, slots=True)
class BangBang:
    """The bad example: everything off above ``limit_degc``, on again ``hysteresis_k`` below.

    It acts when the limit is already passed, so a board overshoots by what it warms in the time
    between two decisions, and it never settles: it swings for as long as there is much to bleed.
    """

    kind: ClassVar[str] = "bang-bang"

    limit_degc: float = 85.0
    hysteresis_k: float = 5.0

    def __post_init__(self) -> None:
        """Refuse a hysteresis that is none. Raises ValueError."""
        if not self.hysteresis_k > 0.0:
            raise ValueError(f"hysteresis_k: found {self.hysteresis_k:g}, expected more than 0")

    def initial(self, cells: int) -> PausedState:  # noqa: ARG002 - the protocol's signature
        """Return that nothing pauses."""
        return PausedState(np.array(False))  # noqa: FBT003 - an array of one bool

    def before(
        self, state: PausedState, observation: Observation
    ) -> tuple[PausedState, Observation]:
        """Let everything through."""
        return state, observation

    def after(
        self, state: PausedState, observation: Observation, decision: Decision
    ) -> tuple[PausedState, Decision]:
        """Switch all of it; an unknown temperature is too hot, and no reason to begin again."""
        on_again_degc = self.limit_degc - self.hysteresis_k
        cool = np.less(observation.pcb_degc, np.where(state.paused, on_again_degc, self.limit_degc))
        duty = np.where(cool[..., np.newaxis], decision.duty, 0.0)
        return PausedState(~cool), decision._replace(duty=duty)
