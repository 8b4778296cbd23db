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
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hil.balancing.strategy import Decision
from hil.physics.batch import Batch
from hil.physics.boards import Boards, Readings
from hil.physics.legs import HIGHEST_V, LOWEST_V
from hil.study import counting
from hil.study.counting import DAY_S, HOUR_S, Seen
from hil.verdict.definitions import (
    BALANCED_SPREAD,
    REST_PER_H,
    TAPER_PER_H,
    charge_in_ah,
    kept_ratio,
    usable_ratio,
)

Floats = NDArray[np.float64]

GAPS = {
    "gap_end_of_charge": counting.END_OF_CHARGE_V,
    "gap_end_of_rest": counting.END_OF_REST_V,
    "gap_end_of_discharge": counting.END_OF_DISCHARGE_V,
}
PEAKS = {
    "largest_gap_in_charge": counting.LARGEST_V,
    "peak_bleed_temperature": counting.BLEED_DEGC,
    "peak_pcb_temperature": counting.PCB_DEGC,
    "peak_front_end_temperature": counting.FRONT_DEGC,
    "misreading_spread": counting.MISREAD_V,
    "cell_temperature_spread": counting.WIDEST_K,
}


class Tally:
    """All metrics of every pack of a batch since this was made; ``leg`` once a leg.

    Keeps counters and last readings only, so a study may last as long as it likes. They are added
    up by ``counting``; C is the largest true capacity of a pack, as on the bench.
    """

    def __init__(self, batch: Batch, boards: Boards) -> None:
        """Begin with packs and boards as they stand, and every bleed off."""
        packs, cells = batch.seen_v.shape
        self._elapsed_s = 0.0
        self._by_cell = np.zeros((packs, counting.BY_CELL, cells))
        self._by_pack = np.zeros((packs, counting.BY_PACK))
        self._seen = _seen(batch, boards, boards.readings(), np.zeros((packs, cells)))
        counting.begin(self._by_cell, self._by_pack, self._seen)
        nominal_ah = self._seen.capacity_ah.max(axis=1)
        self._by_pack[:, counting.TAPER_A] = TAPER_PER_H * nominal_ah
        self._by_pack[:, counting.REST_A] = REST_PER_H * nominal_ah
        self._start_by_pack = self._by_pack.copy()
        self._start_as = self._by_cell[:, counting.BLED_AS].copy()

    def leg(self, batch: Batch, boards: Boards, _decision: Decision, leg_s: float) -> None:
        """Take in a leg that was made and sampled; ``boards.duty`` is still what it was bled at."""
        self._elapsed_s += leg_s
        self._seen = _seen(batch, boards, boards.readings(), boards.duty)
        counting.count(self._by_cell, self._by_pack, self._seen, self._elapsed_s, leg_s)

    def values(self) -> dict[str, Floats]:
        """Return each metric by its name in ``hil.verdict.registry.METRICS``, (packs,).

        In the unit given there. NaN where a pack gave no such reading: no charge ended, nothing was
        bled, its spread was no more than 1 % or still is. Raises ValueError before a leg.
        """
        if self._elapsed_s == 0.0:
            raise ValueError("a tally before its first leg: expected at least one")
        pack, start = self._by_pack, self._start_by_pack
        through_as = pack[:, counting.THROUGH_AS] - start[:, counting.THROUGH_AS]
        true_v = {name: pack[:, at].copy() for name, at in GAPS.items()}
        measured_v = {f"measured_{name}": pack[:, at + 1].copy() for name, at in GAPS.items()}
        return {
            **self._held(),
            "throughput": through_as / HOUR_S,
            **self._bled(),
            **self._switched(),
            **true_v,
            **measured_v,
            **{name: pack[:, at].copy() for name, at in PEAKS.items()},
            # those of all steps since the batch was made
            "max_cell_voltage": self._seen.sums[:, HIGHEST_V].copy(),
            "min_cell_voltage": self._seen.sums[:, LOWEST_V].copy(),
        }

    def _held(self) -> dict[str, Floats]:
        """Return what cells hold of what their pack could."""
        soc, capacity_ah = self._seen.soc, self._seen.capacity_ah
        qmin_ah = self._by_pack[:, counting.QMIN_AH]
        usable = usable_ratio(soc * capacity_ah, charge_in_ah(soc, capacity_ah), qmin_ah, axis=1)
        kept = kept_ratio(qmin_ah, self._start_by_pack[:, counting.QMIN_AH])
        injected = self._start_by_pack[:, counting.SPREAD] > BALANCED_SPREAD
        balanced_s = self._by_pack[:, counting.BALANCED_S]
        return {
            "usable_capacity": usable,
            "capacity_kept": kept,
            "usable_of_new": kept * usable,
            "soc_spread": self._by_pack[:, counting.SPREAD].copy(),
            "balance_time": np.where(injected, balanced_s, math.nan) / HOUR_S,
        }

    def _bled(self) -> dict[str, Floats]:
        """Return what flowed into the boards, and which part of that was of use."""
        total = partial(_over_cells, self._by_cell)
        bled_as = self._by_cell[:, counting.BLED_AS] - self._start_as
        active_ah = total(counting.ACTIVE_AH)
        bled_ah = np.where(active_ah > 0.0, active_ah, math.nan)
        return {
            "bled_charge": bled_as.sum(axis=1) / HOUR_S,
            "bled_energy": total(counting.ENERGY_WS) / HOUR_S,
            "transfer_loss": total(counting.LOST_WS) / HOUR_S,
            "useful_share": total(counting.USEFUL_AH) / bled_ah,
        }

    def _switched(self) -> dict[str, Floats]:
        """Return when bleeds were on, how often switched, and how often rightly."""
        total = partial(_over_cells, self._by_cell)
        days, cell_s = self._elapsed_s / DAY_S, self._elapsed_s * self._by_cell.shape[2]
        bleed_s = np.maximum(total(counting.BLEED_S), 1.0)  # 0 of nothing is 0, as on the bench
        return {
            "switch_cycles": total(counting.EDGES) / days,
            "oscillation": total(counting.OSCILLATING_S) / cell_s,
            "duty": total(counting.DUTY_S) / cell_s,
            "wrong_cell_share": total(counting.WRONG_S) / bleed_s,
            "false_triggers": total(counting.FALSE) / (cell_s / DAY_S),
            "missed_triggers": total(counting.WAITED_S) / DAY_S,
        }


def _over_cells(by_cell: Floats, row: int) -> Floats:
    """Return what was counted of all cells of each pack, (packs,)."""
    total: Floats = by_cell[:, row].sum(axis=1)
    return total


def _seen(batch: Batch, boards: Boards, readings: Readings, duty: Floats) -> Seen:
    """Return what stands now as ``counting`` takes it."""
    return Seen(
        np.ascontiguousarray(batch.soc),
        np.ascontiguousarray(batch.capacity_ah),
        batch.seen_v,
        readings.cell_v,
        readings.trigger_v,
        np.ascontiguousarray(batch.cell_degc),
        boards.hot_degc,
        batch.bled_as,
        batch.moved_as,
        np.ascontiguousarray(duty),
        batch.sums,
        np.ascontiguousarray(batch.current_a),
        batch.charge_ended,
        np.ascontiguousarray(readings.pcb_degc),
        boards.front_degc,
    )
