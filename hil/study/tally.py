"""The metrics of all packs of a batch, counted leg by leg: those of a bench run, by the same names.

What each of them means is ``hil.verdict.definitions``, as on the bench; here stands when a study
reads it. A leg has one instant that a decision could be made on, its start, and one that it came
to, its end:

- What a cell has to give is that of the leg's start: a bleed is judged by what was true when it was
  ordered, so one that takes a cell's last need away is right to its end.
- Gaps, voltages and temperatures are those at the ends of legs, but for the highest and lowest cell
  voltage, which the physics follows step by step.
- A charge ends where it stands below C/20 with a cell above the upper knee, as in a bench step that
  follows a house; or at the last end of a leg before the one in which its taper ended it. A
  discharge ends where it goes on with a cell below the lower knee.
- Edges are those between legs: what a board's own pause does inside of a leg is none.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.balancing.strategy import Decision
from hil.core.instants import DAY, HOUR, SECOND
from hil.physics.batch import Batch
from hil.physics.boards import Boards, Readings
from hil.physics.legs import CHARGED_AS, DISCHARGED_AS, HIGHEST_V, LOWEST_V
from hil.verdict.definitions import (
    BALANCED_SPREAD,
    BOTTOM_V,
    LONGEST_PERIOD,
    MISSED_AFTER,
    NEEDS_BLEEDING,
    NOTHING_TO_GIVE,
    OSCILLATES_AFTER,
    REST,
    REST_PER_H,
    TAPER_PER_H,
    TOP_V,
    charge_in_ah,
    counted_of_stretch,
    kept_ratio,
    need_ah,
    usable_ratio,
    useful_ah,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HOUR_S, DAY_S = HOUR / SECOND, DAY / SECOND
REST_S, MISSED_S = REST / SECOND, MISSED_AFTER / SECOND
PERIOD_S, SUSTAINED_S = LONGEST_PERIOD / SECOND, OSCILLATES_AFTER / SECOND

GAPS = ("gap_end_of_charge", "gap_end_of_rest", "gap_end_of_discharge")


class Tally:
    """All metrics of every pack of a batch since this was made; ``leg`` once a leg.

    Keeps counters and last readings only, so a study may last as long as it likes.
    """

    def __init__(self, batch: Batch, boards: Boards) -> None:
        """Begin with packs and boards as they stand, and every bleed off."""
        self._elapsed_s = 0.0
        self._start = self._now = _Needs.of(batch)
        self._moved_as = self._moved_before_as = _moved_as(batch)
        self._switching = _Switching(*batch.seen_v.shape)
        self._bleeds = _Bleeds(batch)
        self._gaps = _Gaps(batch)
        self._peaks = _Peaks(batch, boards)
        self._balanced_s = np.where(self._now.spread > BALANCED_SPREAD, math.nan, 0.0)

    def leg(self, batch: Batch, boards: Boards, _decision: Decision, leg_s: float) -> None:
        """Take in a leg that was made and sampled; ``boards.duty`` is still what it was bled at."""
        needs, self._now = self._now, _Needs.of(batch)
        self._elapsed_s += leg_s
        duty, readings, moved_as = boards.duty, boards.readings(), _moved_as(batch)
        on = duty > 0.0
        self._switching.leg(duty, on, needs, self._elapsed_s, leg_s)
        self._bleeds.leg(batch, on, needs, carries=boards.transfer is not None)
        self._gaps.leg(batch, readings.cell_v, (moved_as - self._moved_as) / leg_s, leg_s)
        self._peaks.leg(batch, boards, readings)
        self._moved_as = moved_as
        kept_s = np.fmin(self._balanced_s, self._elapsed_s)
        self._balanced_s = np.where(self._now.spread >= BALANCED_SPREAD, math.nan, kept_s)

    def values(self) -> dict[str, Floats]:
        """Return each metric by its name in ``hil.verdict.registry.METRICS``, (packs,).

        In the unit given there. NaN where a pack gave no such reading: no charge ended, nothing was
        bled, its spread was no more than 1 % or still is. Raises ValueError before a leg.
        """
        if self._elapsed_s == 0.0:
            raise ValueError("a tally before its first leg: expected at least one")
        now = self._now
        injected = self._start.spread > BALANCED_SPREAD
        usable = usable_ratio(now.out_ah, now.in_ah, now.qmin_ah[:, 0], axis=1)
        kept = kept_ratio(now.qmin_ah[:, 0], self._start.qmin_ah[:, 0])
        return {
            "usable_capacity": usable,
            "capacity_kept": kept,
            "usable_of_new": kept * usable,
            "soc_spread": now.spread,
            "balance_time": np.where(injected, self._balanced_s, math.nan) / HOUR_S,
            "throughput": (self._moved_as - self._moved_before_as) / HOUR_S,
            **self._gaps.values(),
            **self._bleeds.values(),
            **self._switching.values(self._elapsed_s),
            **self._peaks.values(),
        }


class _Needs(NamedTuple):
    """What cells hold and have to give at one instant, in Ah: (packs, cells), Qmin (packs, 1)."""

    in_ah: Floats
    out_ah: Floats
    needed_ah: Floats
    qmin_ah: Floats
    spread: Floats

    @classmethod
    def of(cls, batch: Batch) -> "_Needs":
        """Read the truth of now; ``spread`` is (packs,)."""
        known = batch.truth()
        in_ah = charge_in_ah(known.soc, known.capacity_ah)
        qmin_ah = known.capacity_ah.min(axis=1, keepdims=True)
        needed_ah = need_ah(in_ah, axis=1)
        # the emptiest cell needs nothing, so the largest need is max - min of the charge to full
        spread = needed_ah.max(axis=1) / qmin_ah[:, 0]
        return cls(in_ah, known.soc * known.capacity_ah, needed_ah, qmin_ah, spread)


class _Switching:
    """When bleeds were on, how often they were switched, and whether their cells had to give."""

    def __init__(self, packs: int, cells: int) -> None:
        """Start with every bleed off, as boards do."""
        # all counted by cell: adding an array up once at the end is cheaper than once a leg
        self._on = np.zeros((packs, cells), np.bool_)
        self._edges, self._false = np.zeros((2, packs, cells), np.int64)
        self._duty_s, self._bleed_s, self._wrong_s = np.zeros((3, packs, cells))
        self._missed_s, self._oscillating_s = np.zeros((2, packs, cells))
        # the last two edges, and for how long a cell has been neglected and has oscillated
        self._edge_s = np.full((packs, cells), -math.inf)
        self._edge_before_s = self._edge_s.copy()
        self._neglected_s, self._alive_s = np.zeros((2, packs, cells))

    def leg(self, duty: Floats, on: Bools, needs: _Needs, now_s: float, leg_s: float) -> None:
        """Add a leg that ends at ``now_s``; ``needs`` are those of its start."""
        edge = on != self._on
        if edge.any() or self._alive_s.any():
            self._oscillate(edge, now_s, leg_s)
        if on.any():
            nothing = needs.needed_ah < NOTHING_TO_GIVE * needs.qmin_ah
            wrong = on & nothing
            self._duty_s += leg_s * duty
            self._bleed_s += leg_s * on
            self._wrong_s += leg_s * wrong
            self._false += wrong & edge
        neglected = (needs.needed_ah > NEEDS_BLEEDING * needs.qmin_ah) & ~on
        earlier_s = self._neglected_s
        self._neglected_s = np.where(neglected, earlier_s + leg_s, 0.0)
        if self._neglected_s.max() >= MISSED_S:
            self._missed_s += counted_of_stretch(earlier_s, self._neglected_s, MISSED_S)
        self._on = on

    def _oscillate(self, edge: Bools, now_s: float, leg_s: float) -> None:
        """Follow edges at the leg's start: two in less than ``LONGEST_PERIOD`` keep it going."""
        self._edges += edge
        self._edge_before_s = np.where(edge, self._edge_s, self._edge_before_s)
        self._edge_s = np.where(edge, now_s - leg_s, self._edge_s)
        alive = now_s - self._edge_before_s < PERIOD_S
        earlier_s = self._alive_s
        self._alive_s = np.where(alive, earlier_s + leg_s, 0.0)
        self._oscillating_s += counted_of_stretch(earlier_s, self._alive_s, SUSTAINED_S)

    def values(self, elapsed_s: float) -> dict[str, Floats]:
        """Return the metrics."""
        days, cell_s = elapsed_s / DAY_S, elapsed_s * self._on.shape[1]
        bleed_s = np.maximum(self._bleed_s.sum(axis=1), 1.0)  # 0 of nothing is 0, as on the bench
        return {
            "switch_cycles": self._edges.sum(axis=1) / days,
            "oscillation": self._oscillating_s.sum(axis=1) / cell_s,
            "duty": self._duty_s.sum(axis=1) / cell_s,
            "wrong_cell_share": self._wrong_s.sum(axis=1) / bleed_s,
            "false_triggers": self._false.sum(axis=1) / (cell_s / DAY_S),
            "missed_triggers": self._missed_s.sum(axis=1) / DAY_S,
        }


class _Bleeds:
    """What flowed into the boards, and which part of that brought cells closer together."""

    def __init__(self, batch: Batch) -> None:
        """Start with nothing bled."""
        self._before_as, self._start_as = batch.bled_as.copy(), batch.bled_as.copy()
        self._moved_before_as = batch.moved_as.copy()
        self._before_v = batch.seen_v.copy()
        # by cell, as above
        self._energy_ws, self._useful_ah, self._active_ah = np.zeros((3, *self._before_v.shape))
        self._lost_ws = np.zeros(self._before_v.shape)

    def leg(self, batch: Batch, on: Bools, needs: _Needs, *, carries: bool) -> None:
        """Add a leg; a cell's voltage in it is taken as the mean of its ends."""
        bled_as, mean_v = batch.bled_as - self._before_as, 0.5 * (batch.seen_v + self._before_v)
        self._energy_ws += bled_as * mean_v
        if carries:  # what givers gave less what takers got
            self._lost_ws += (batch.moved_as - self._moved_before_as) * mean_v
            np.copyto(self._moved_before_as, batch.moved_as)
        np.copyto(self._before_as, batch.bled_as)
        np.copyto(self._before_v, batch.seen_v)
        if on.any():
            # inputs and leaks draw from all cells all the time: they help nobody and are no bleed
            active_ah = np.where(on, bled_as / HOUR_S, 0.0)
            self._active_ah += active_ah
            self._useful_ah += useful_ah(active_ah, needs.needed_ah, on, axis=1)

    def values(self) -> dict[str, Floats]:
        """Return the metrics."""
        bled_ah = (self._before_as - self._start_as).sum(axis=1) / HOUR_S
        active_ah = self._active_ah.sum(axis=1)
        return {
            "bled_charge": bled_ah,
            "bled_energy": self._energy_ws.sum(axis=1) / HOUR_S,
            "transfer_loss": self._lost_ws.sum(axis=1) / HOUR_S,
            "useful_share": self._useful_ah.sum(axis=1)
            / np.where(active_ah > 0.0, active_ah, math.nan),
        }


class _Gaps:
    """Highest less lowest cell voltage where it means something, true and as the board read it."""

    def __init__(self, batch: Batch) -> None:
        """Start without a reading. C is the largest true capacity of a pack, as on the bench."""
        nominal_ah = batch.truth().capacity_ah.max(axis=1)
        self._taper_a, self._rest_a = TAPER_PER_H * nominal_ah, REST_PER_H * nominal_ah
        packs = len(nominal_ah)
        self._rested_s = np.zeros(packs)
        self._ended = batch.charge_ended.copy()
        self._largest_v = np.full(packs, math.nan)
        # (true and measured, packs): the last of each kind, and of a charge that may end in a leg
        self._last_v = {name: np.full((2, packs), math.nan) for name in GAPS}
        self._charging_v = np.full((2, packs), math.nan)

    def leg(self, batch: Batch, measured_v: Floats, mean_a: Floats, leg_s: float) -> None:
        """Add a leg; ``mean_a`` (packs,) is the magnitude that flowed in it."""
        current_a, ended = batch.current_a, batch.charge_ended
        highest_v, lowest_v = batch.seen_v.max(axis=1), batch.seen_v.min(axis=1)
        gap_v = np.array([highest_v - lowest_v, np.ptp(measured_v, axis=1)])
        charging, at_top = current_a < 0.0, highest_v > TOP_V
        loaded = np.maximum(np.abs(current_a), mean_a) > self._rest_a
        self._rested_s = np.where(loaded, 0.0, self._rested_s + leg_s)
        tapered = charging & at_top & (-current_a < self._taper_a)
        self._keep("gap_end_of_charge", ended & ~self._ended, self._charging_v)
        self._keep("gap_end_of_charge", tapered, gap_v)
        self._keep("gap_end_of_rest", self._rested_s >= REST_S, gap_v)
        at_bottom = (current_a > 0.0) & (lowest_v < BOTTOM_V)
        self._keep("gap_end_of_discharge", at_bottom, gap_v)
        self._charging_v = np.where(charging & at_top, gap_v, self._charging_v)
        self._largest_v = np.where(charging, np.fmax(self._largest_v, gap_v[0]), self._largest_v)
        self._ended = ended.copy()

    def _keep(self, name: str, where: Bools, gap_v: Floats) -> None:
        if where.any():
            self._last_v[name] = np.where(where, gap_v, self._last_v[name])

    def values(self) -> dict[str, Floats]:
        """Return the metrics."""
        true = {name: gap_v[0] for name, gap_v in self._last_v.items()}
        measured = {f"measured_{name}": gap_v[1] for name, gap_v in self._last_v.items()}
        return true | measured | {"largest_gap_in_charge": self._largest_v}


class _Peaks:
    """Extremes of temperatures, and of how unlike cells are misread, at the ends of legs."""

    def __init__(self, batch: Batch, boards: Boards) -> None:
        """Start with what is there."""
        self._bleed_degc = boards.hot_degc.max(axis=1)
        self._pcb_degc = boards.readings().pcb_degc
        self._front_degc = boards.front_degc.copy()
        self._misread_v = np.zeros_like(self._front_degc)
        self._widest_k = np.ptp(batch.cell_degc, axis=1)
        self._sums = batch.sums

    def leg(self, batch: Batch, boards: Boards, readings: Readings) -> None:
        """Add the end of a leg."""
        self._front_degc = np.maximum(self._front_degc, boards.front_degc)
        misread_v = np.ptp(readings.trigger_v - batch.seen_v, axis=1)
        self._misread_v = np.maximum(self._misread_v, misread_v)
        self._bleed_degc = np.maximum(self._bleed_degc, boards.hot_degc.max(axis=1))
        self._pcb_degc = np.fmax(self._pcb_degc, readings.pcb_degc)
        self._widest_k = np.maximum(self._widest_k, np.ptp(batch.cell_degc, axis=1))

    def values(self) -> dict[str, Floats]:
        """Return the metrics; cell voltages are those of all steps since the batch was made."""
        return {
            "peak_bleed_temperature": self._bleed_degc.copy(),
            "peak_pcb_temperature": self._pcb_degc.copy(),
            "peak_front_end_temperature": self._front_degc.copy(),
            "misreading_spread": self._misread_v.copy(),
            "cell_temperature_spread": self._widest_k.copy(),
            "max_cell_voltage": self._sums[:, HIGHEST_V].copy(),
            "min_cell_voltage": self._sums[:, LOWEST_V].copy(),
        }


def _moved_as(batch: Batch) -> Floats:
    """Return the charge through every pack so far, in plus out, (packs,)."""
    moved_as: Floats = batch.sums[:, DISCHARGED_AS] + batch.sums[:, CHARGED_AS]
    return moved_as
