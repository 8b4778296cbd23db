"""A baseline: the cell modules of diyBMS, as their public firmware bleeds.

[published] in its sources (version 4, ``main.cpp`` of the module): a cell above its own threshold
is bled for a fixed number of rounds, then left alone to be measured anew; full power until 10 K
below the temperature set, then a PID loop on the temperature of the module sets the duty. Here
one board stands for all modules, and the loop has this bench's slower rounds in place of 6 a
second: PI with a reset of the board's own time constant [assumed]; its derivative was next to
nothing.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from hil.balancing.strategy import Decision, Floats, Observation, evidence_v
from hil.core.instants import MINUTE, Duration


class DiyBmsState(NamedTuple):
    """Since when each cell is bled (NaN: not at all), (..., cells); integral and time, (...,)."""

    bled_since_s: Floats
    integral: Floats
    at_s: Floats


@dataclass(frozen=True, slots=True)
class DiyBms:
    """Bleeds whatever is above ``bypass_v``, by itself: no cell is compared with another.

    While a cell is bled its voltage counts as it was when that began; after ``period_s`` the bleed
    is off for one decision and the cell is looked at again. So cells are made even only by a charge
    that keeps all of them at the threshold. ``bypass_v``: 3.45 V, where chargers hold LFP
    [assumed]; ``set_degc`` 65 degC and ``gain_per_k`` 4 % are the firmware's.
    """

    needs_truth: ClassVar[bool] = False

    bypass_v: float = 3.45
    period_s: float = 600.0
    set_degc: float = 65.0
    full_below_k: float = 10.0
    gain_per_k: float = 0.04
    reset_s: float = 600.0
    max_age_s: float = 5.0
    every_ns: Duration = 2 * MINUTE

    def __post_init__(self) -> None:
        """Refuse a loop that is none. Raises ValueError."""
        for name in ("gain_per_k", "reset_s", "full_below_k"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name}: found {getattr(self, name):g}, expected more than 0")

    def initial(self, cells: int) -> DiyBmsState:
        """Return the state in which no cell bleeds and the loop has not begun."""
        return DiyBmsState(np.full(cells, np.nan), np.array(0.0), np.array(np.nan))

    def step(self, state: DiyBmsState, observation: Observation) -> tuple[DiyBmsState, Decision]:
        """Let bleeds run out, look at cells that do not bleed, and set one duty for all."""
        time_s = observation.time_s[..., np.newaxis]
        cell_v = evidence_v(observation, self.max_age_s)
        runs = np.less(time_s - state.bled_since_s, self.period_s) & np.isfinite(cell_v)
        begins = np.isnan(state.bled_since_s) & (cell_v > self.bypass_v)
        since_s = np.where(runs, state.bled_since_s, np.where(begins, time_s, np.nan))
        integral, duty = self._loop(state, observation)
        given = np.where(np.isfinite(since_s), duty[..., np.newaxis], 0.0)
        return DiyBmsState(since_s, integral, observation.time_s), Decision(given)

    def _loop(self, state: DiyBmsState, observation: Observation) -> tuple[Floats, Floats]:
        """Return integral and duty, (...,) each; an unknown temperature allows nothing."""
        error_k = np.nan_to_num(self.set_degc - observation.pcb_degc)
        near = error_k < self.full_below_k
        dt_s = np.nan_to_num(observation.time_s - state.at_s)
        moved = state.integral + self.gain_per_k * error_k * dt_s / self.reset_s
        # far from the setting the loop is cleared, as the firmware does when a bypass begins
        integral = np.where(near, np.clip(moved, 0.0, 1.0), 0.0)
        wanted = np.clip(self.gain_per_k * error_k + integral, 0.0, 1.0)
        duty = np.where(near, wanted, 1.0)
        return integral, np.where(np.isfinite(observation.pcb_degc), duty, 0.0)
