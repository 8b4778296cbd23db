"""Folds over bleeding: what flowed, how often it was switched, and whether the cell had to give.

What flowed is the emulators' read-back, averaged over the tick: a single reading would alias mute
and PWM. Who bleeds is what the board reports, or the command where it reports nothing.
"""

import math
from typing import NamedTuple

import numpy as np

from hil.core.instants import DAY, HOUR
from hil.verdict.blocks import (
    Block,
    Bools,
    Floats,
    Nanoseconds,
    Run,
    before,
    held,
    hours,
    last_time,
    running_sum,
)
from hil.verdict.definitions import (
    BALANCED_SPREAD,
    MISSED_AFTER,
    NEEDS_BLEEDING,
    NOTHING_TO_GIVE,
    charge_in_ah,
    counted_of_stretch,
    need_ah,
    useful_ah,
)
from hil.verdict.registry import MetricValue, Uncertainties, metric, not_available

HIGHEST_CELL_V = 3.65
"""Over-voltage limit of LFP: bounds the voltage at which a charge error counts as energy."""


class Bleeding(NamedTuple):
    """Bleeding during a block, all (cells, ticks).

    Charge since the tick before and since the start; who bleeds, now and at the tick before.
    """

    step_ah: Floats
    total_ah: Floats
    on: Bools
    was_on: Bools


class BleedFold:
    """Charge, energy, duty and switching."""

    def __init__(self, run: Run, uncertainties: Uncertainties) -> None:
        """Start with nothing bled and every bleed off."""
        self._run, self._u = run, uncertainties
        self._read_at: Nanoseconds = np.zeros(run.cells, dtype=np.int64)
        self._ah = np.zeros(run.cells)
        self._wh = np.zeros(run.cells)
        self._duty = np.zeros(run.cells)
        self._duty_ns = np.zeros(run.cells)
        self._edges = 0
        self._ns = 0

    def feed(self, block: Block) -> Bleeding:
        """Add a block; return what the folds that ask for the need want to know of it."""
        if not self._ns:
            self._read_at[:] = block.begin_ns
        step_ah, total_ah = self._charge(block)
        on, was_on = self._switching(block)
        self._ns += int(block.dt_ns.sum())
        return Bleeding(step_ah, total_ah, on, was_on)

    def _charge(self, block: Block) -> tuple[Floats, Floats]:
        """Integrate current; a reading covers the time since the last reading of its cell."""
        read_a, read_v = block.cells("emulator.read_a"), block.cells("emulator.read_v")
        known = np.isfinite(read_a) & np.isfinite(read_v)
        seen = last_time(self._read_at, block.at_ns, known)
        covered_ns = block.at_ns - np.concatenate([self._read_at[:, np.newaxis], seen[:, :-1]], 1)
        step_ah = np.where(known, read_a, 0.0) * hours(covered_ns)
        total_ah = running_sum(self._ah, step_ah)
        self._wh = running_sum(self._wh, step_ah * np.where(known, read_v, 0.0))[:, -1]
        self._ah, self._read_at = total_ah[:, -1], seen[:, -1]
        return step_ah, total_ah

    def _switching(self, block: Block) -> tuple[Bools, Bools]:
        """Count edges and on-time; an unknown duty is the last known one."""
        reported = block.cells("board.duty")
        known = np.isfinite(reported)
        if not known.all():
            reported = np.where(known, reported, block.cells("command.duty"))
        duty = held(self._duty, reported)
        on, was_on = duty > 0.0, before(self._duty, duty) > 0.0
        self._edges += int(np.count_nonzero(on != was_on))
        self._duty_ns = running_sum(self._duty_ns, duty * block.dt_ns)[:, -1]
        self._duty = duty[:, -1]
        return on, was_on

    def charge_uncertainty_ah(self) -> Floats:
        """Return the expanded uncertainty of each cell's bled charge, (cells,).

        Offset of the current reading over the whole time plus its gain on what flowed.
        """
        return self._u.read_a.offset * hours(self._ns) + self._u.read_a.gain * np.abs(self._ah)

    def values(self, at: int) -> dict[str, MetricValue]:
        """Return the metrics; errors of different channels are independent and add as squares."""
        u_ah = self.charge_uncertainty_ah()
        u_v = self._u.read_v.at(HIGHEST_CELL_V)
        u_wh = np.hypot(HIGHEST_CELL_V * u_ah, u_v * self._ah)
        days = self._ns / DAY
        return {
            "bled_charge": metric(
                "bled_charge", self._ah.sum(), np.linalg.norm(u_ah), at, "all cells, whole run"
            ),
            "bled_energy": metric(
                "bled_energy", self._wh.sum(), np.linalg.norm(u_wh), at, "all cells, whole run"
            ),
            # Counts of what the board reported: exact but for what happens between two ticks.
            "switch_cycles": metric(
                "switch_cycles", self._edges / days, 0.0, at, "all cells, whole run"
            ),
            # The records do not say when bleeding was allowed, so all time counts as allowed.
            "duty": metric(
                "duty", self._duty_ns.sum() / self._run.cells / self._ns, 0.0, at, "whole run"
            ),
        }


class NeedFold:
    """Whether the right cells were bled.

    A cell's need is what it still has to give away: the largest charge to full of the pack less its
    own. It is only as certain as the bleed current that the plant was told, so each share and count
    is taken three times, with the threshold where it is and moved down and up by that uncertainty;
    half of what lies between is no error of rounding but what the bench cannot tell.
    """

    def __init__(self, run: Run, uncertainties: Uncertainties) -> None:
        """Start with nothing bled."""
        self._run, self._u = run, uncertainties
        self._qmin_ah = float(run.capacity_ah.min())
        self._bleed_ns = 0
        self._wrong_ns = np.zeros(3, dtype=np.int64)
        self._false = np.zeros(3, dtype=np.int64)
        self._missed_ns = np.zeros(3, dtype=np.int64)
        self._no_need_at: Nanoseconds = np.zeros((3, run.cells), dtype=np.int64)
        self._balance = [_Balance() for _ in range(3)]
        self._useful_ah = np.zeros(run.cells)
        self._bled_ah = np.zeros(run.cells)
        self._ns = 0

    def feed(self, block: Block, bleeding: Bleeding) -> None:
        """Add a block."""
        capacity_ah = self._run.capacity_ah[:, np.newaxis]
        needed_ah = need_ah(charge_in_ah(block.cells("plant.soc"), capacity_ah), axis=0)
        u_ah = self._need_uncertainty_ah(block, bleeding)
        if not self._ns:
            self._no_need_at[:] = block.begin_ns
        self._ns += int(block.dt_ns.sum())
        if bleeding.on.any():
            self._wrong(block, bleeding, needed_ah, u_ah)
        if bleeding.on.any() or bleeding.was_on.any():
            self._useful(bleeding, needed_ah)
        for k, sign in enumerate((-1.0, 0.0, 1.0)):
            needs = needed_ah > NEEDS_BLEEDING * self._qmin_ah + sign * u_ah
            self._missed(k, block, needs & ~bleeding.on)
            limit_ah = BALANCED_SPREAD * self._qmin_ah + sign * u_ah.max(axis=0)
            self._balance[k].feed(block.at_ns, needed_ah.max(axis=0) - limit_ah)

    def _need_uncertainty_ah(self, block: Block, bleeding: Bleeding) -> Floats:
        """Return U of each need, (cells, ticks): two independent bled charges."""
        elapsed_h = hours(self._ns + np.cumsum(block.dt_ns))
        own = self._u.read_a.offset * elapsed_h + self._u.read_a.gain * np.abs(bleeding.total_ah)
        return math.sqrt(2.0) * own

    def _wrong(self, block: Block, bleeding: Bleeding, needed_ah: Floats, u_ah: Floats) -> None:
        """Count bleed time and onsets of cells with nothing to give; unknown needs do not count."""
        known = np.isfinite(needed_ah)
        on = bleeding.on & known
        onset = on & ~bleeding.was_on
        self._bleed_ns += int((on * block.dt_ns).sum())
        for k, sign in enumerate((-1.0, 0.0, 1.0)):
            wrong = on & (needed_ah < NOTHING_TO_GIVE * self._qmin_ah + sign * u_ah)
            self._wrong_ns[k] += (wrong * block.dt_ns).sum()
            self._false[k] += np.count_nonzero(wrong & onset)

    def _useful(self, bleeding: Bleeding, needed_ah: Floats) -> None:
        """Add what brought cells closer together of what bleeds took, and all that they took."""
        active = (bleeding.on | bleeding.was_on) & np.isfinite(needed_ah)
        step_ah = np.where(active, bleeding.step_ah, 0.0)
        worth_ah = useful_ah(step_ah, needed_ah, active, axis=0)
        self._useful_ah = running_sum(self._useful_ah, worth_ah)[:, -1]
        self._bled_ah = running_sum(self._bled_ah, step_ah)[:, -1]

    def _missed(self, k: int, block: Block, neglected: Bools) -> None:
        """Add stretches of need without bleeding, whole, once they have lasted a day."""
        no_need_at = last_time(self._no_need_at[k], block.at_ns, ~neglected)
        for_ns = block.at_ns - no_need_at
        before_ns = block.at_ns - block.dt_ns - before(self._no_need_at[k], no_need_at)
        self._missed_ns[k] += counted_of_stretch(before_ns, for_ns, MISSED_AFTER).sum()
        self._no_need_at[k] = no_need_at[:, -1]

    def values(self, at: int, u_bled_ah: Floats) -> dict[str, MetricValue]:
        """Return the metrics."""
        bleed_ns = max(1, self._bleed_ns)
        cell_days = self._run.cells * self._ns / DAY
        idle = "nothing was bled" if self._bleed_ns == 0 else "all cells, whole run"
        return {
            "wrong_cell_share": _of_three("wrong_cell_share", self._wrong_ns / bleed_ns, at, idle),
            "false_triggers": _of_three("false_triggers", self._false / cell_days, at, idle),
            "missed_triggers": _of_three(
                "missed_triggers", self._missed_ns / DAY, at, "all cells, whole run"
            ),
            "useful_share": self._useful_share(at, u_bled_ah),
            "balance_time": self._balance_time(at),
        }

    def _balance_time(self, at: int) -> MetricValue:
        """Return how long it took to balance; uncertain where the spread lay within its own U."""
        low, mid, high = self._balance
        if not mid.injected:
            return not_available("balance_time", at, "no spread above 1 % at the start")
        if mid.balanced_at is None:
            return not_available("balance_time", at, "the spread is not below 1 %")
        # the lower limit is reached last, if at all; so much longer it may have taken
        hours_of = [
            math.nan if one.balanced_at is None else (one.balanced_at - self._run.start) / HOUR
            for one in (low, mid, high)
        ]
        return _of_three("balance_time", np.array(hours_of), at, "whole run")

    def _useful_share(self, at: int, u_bled_ah: Floats) -> MetricValue:
        """Return useful per bled charge, with the relative uncertainty of what was bled."""
        bled_ah = self._bled_ah.sum()
        if bled_ah <= 0.0:
            return not_available("useful_share", at, "nothing was bled")
        u = float(np.linalg.norm(u_bled_ah)) / bled_ah
        share = self._useful_ah.sum() / bled_ah
        return metric("useful_share", share, min(1.0, u), at, "all cells, whole run")


class _Balance:
    """When the spread went below a limit for good."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.injected: bool | None = None
        self.balanced_at: int | None = None

    def feed(self, at_ns: Nanoseconds, above_ah: Floats) -> None:
        """Add ticks: how far the spread is above the limit, NaN where unknown; both (ticks,)."""
        known = np.isfinite(above_ah)
        if not known.any():
            return
        at_ns, unbalanced = at_ns[known], above_ah[known] >= 0.0
        if self.injected is None:
            self.injected = bool(unbalanced[0])
        last = np.flatnonzero(unbalanced)[-1:]
        if last.size:
            self.balanced_at = None
            at_ns = at_ns[int(last[0]) + 1 :]
        if self.balanced_at is None and at_ns.size:
            self.balanced_at = int(at_ns[0])


def _of_three(name: str, low_mid_high: Floats, at: int, where: str) -> MetricValue:
    """Return the middle one; the farther of the outer two says how uncertain it is."""
    low, value, high = (float(v) for v in low_mid_high)
    return metric(name, value, max(abs(high - value), abs(value - low)), at, where)
