"""Folds that read the pack at an instant: the state at the end, gaps, extremes."""

import math
from typing import NamedTuple

import numpy as np

from hil.verdict.blocks import Block, Bools, Floats, Nanoseconds, Run, hours, last_time, running_sum
from hil.verdict.definitions import (
    BOTTOM_V,
    REST,
    REST_PER_H,
    TAPER_PER_H,
    TOP_V,
    charge_in_ah,
    spread_ratio,
    usable_ratio,
)
from hil.verdict.registry import MetricValue, Uncertainties, metric, not_available

DIFFERENCE = math.sqrt(2.0)
"""Of two readings with independent errors of equal size."""


CHARGING = frozenset({"charge", "hold"})
DISCHARGING = frozenset({"discharge"})
"""Kinds of step that have an end of charge or of discharge of their own."""
NEVER = {
    "gap_end_of_charge": "no charge ended with the current below C/20",
    "gap_end_of_rest": "no rest of an hour or more",
    "gap_end_of_discharge": "no discharge ended",
}


class Source(NamedTuple):
    """Whose word for cell voltages a fold reads: the signal, and what its metrics' names add."""

    signal: str
    prefix: str


TRUE, MEASURED = Source("plant.cell_v", ""), Source("board.cell_v", "measured_")


class StateFold:
    """Usable capacity and spread, from the last tick that knows every state of charge."""

    def __init__(self, run: Run, uncertainties: Uncertainties) -> None:
        """Start without a state."""
        self._run, self._u = run, uncertainties
        self._soc: Floats | None = None
        self._at = run.start

    def feed(self, block: Block) -> None:
        """Keep the last known state."""
        soc = block.cells("plant.soc")
        known = np.flatnonzero(np.isfinite(soc.sum(axis=0)))
        if known.size:
            self._soc, self._at = soc[:, known[-1]].copy(), int(block.at_ns[known[-1]])

    def values(self, at: int, u_bled_ah: Floats) -> dict[str, MetricValue]:
        """Return both metrics.

        Each compares two cells, whose charge is as certain as the bleed current the plant was told
        (``u_bled_ah``, (cells,)).
        """
        names = ("usable_capacity", "soc_spread")
        if self._soc is None:
            return {name: not_available(name, at, "no state of charge known") for name in names}
        capacity_ah = self._run.capacity_ah
        qmin_ah = capacity_ah.min()
        out_ah, in_ah = self._soc * capacity_ah, charge_in_ah(self._soc, capacity_ah)
        usable = usable_ratio(out_ah, in_ah, qmin_ah, axis=0)
        spread = spread_ratio(in_ah, qmin_ah, axis=0)
        u = DIFFERENCE * float(u_bled_ah.max()) / qmin_ah
        fullest, emptiest = int(in_ah.argmin()) + 1, int(in_ah.argmax()) + 1
        first = int(out_ah.argmin()) + 1
        return {
            "usable_capacity": metric(
                "usable_capacity",
                usable,
                u,
                self._at,
                f"cell[{first}] is empty first, cell[{fullest}] full",
            ),
            "soc_spread": metric(
                "soc_spread", spread, u, self._at, f"cell[{fullest}] over cell[{emptiest}]"
            ),
        }


class Reading(NamedTuple):
    """The cell voltages at one instant, and in which step."""

    at: int
    step: int
    current_a: float
    cell_v: Floats


class GapFold:
    """Max - min of the cell voltages where it means something; never a maximum over a day.

    - End of charge: the last tick of a step ``charge`` or ``hold`` with the current below C/20.
    - End of discharge: the last tick of a step ``discharge``.
    - A step that both charges and discharges (``follow``) has no end of its own for either: there,
      every tick counts that charges below C/20 with a cell above the upper knee, or discharges with
      a cell below the lower knee.
    - End of rest: every tick after at least an hour at rest, in any step.

    The last instant of each kind is kept. The last tick of a step is known only afterwards: the
    newest tick waits until the next one, or the record of the step's end, settles what it was.

    A ``source`` that the board reports is read by the same rules, knees included, and counts as
    what it says: how far it is off is for the true gaps to show.
    """

    def __init__(self, run: Run, uncertainties: Uncertainties, source: Source) -> None:
        """Start without a reading."""
        self._u, self._source = uncertainties, source
        self._taper_a = TAPER_PER_H * run.nominal_ah
        self._rest_a = REST_PER_H * run.nominal_ah
        self._paths: dict[int, str] = {}
        self._ended: set[int] = set()
        self._newest: Reading | None = None
        self._loaded_at: Nanoseconds | None = None
        self._found: dict[str, Reading] = {}

    def step_started(self, index: int, path: str) -> None:
        """A step begins; all ticks so far have been fed."""
        self._found |= self._end_of_step()
        self._newest = None
        self._ended.discard(index)
        self._paths[index] = path

    def step_ended(self, index: int) -> None:
        """A step is over; its last tick may still follow."""
        self._ended.add(index)

    def feed(self, block: Block) -> None:
        """Add a block."""
        cell_v, current_a = block.cells(self._source.signal), block.scalar("pack.current_a")
        step = np.nan_to_num(block.scalar("step"), nan=-1.0).astype(np.int64)

        def reading(k: int) -> Reading:
            column = cell_v[:, k].copy()
            return Reading(int(block.at_ns[k]), int(step[k]), float(current_a[k]), column)

        if self._newest is not None and step[0] != self._newest.step:
            self._ended.add(self._newest.step)
            self._found |= self._end_of_step()
        readable = np.isfinite(cell_v.sum(axis=0))
        rested = self._rested(block, current_a)
        counting = self._ends(step, current_a, cell_v) | {"gap_end_of_rest": rested}
        for name, counts in counting.items():
            hits = np.flatnonzero(counts & readable)
            if hits.size:
                self._found[name] = reading(int(hits[-1]))
        self._newest = reading(len(step) - 1)

    def _ends(self, step: Nanoseconds, current_a: Floats, cell_v: Floats) -> dict[str, Bools]:
        """Return the ticks that end a charge or a discharge, (ticks,); the newest ends no step."""
        charging, discharging = self._of_kind(step, CHARGING), self._of_kind(step, DISCHARGING)
        neither = ~(charging | discharging)
        is_last = np.append(step[:-1] != step[1:], [False])
        tapered = np.abs(current_a) < self._taper_a
        at_top = neither & (current_a < 0.0) & (cell_v.max(axis=0) > TOP_V)
        at_bottom = neither & (current_a > 0.0) & (cell_v.min(axis=0) < BOTTOM_V)
        return {
            "gap_end_of_charge": tapered & (at_top | (charging & is_last)),
            "gap_end_of_discharge": at_bottom | (discharging & is_last),
        }

    def _rested(self, block: Block, current_a: Floats) -> Bools:
        """Return the ticks before which the pack has been at rest for long enough, (ticks,)."""
        if self._loaded_at is None:
            self._loaded_at = np.array(block.begin_ns, dtype=np.int64)
        loaded_at = last_time(self._loaded_at, block.at_ns, np.abs(current_a) > self._rest_a)
        self._loaded_at = loaded_at[-1]
        return block.at_ns - loaded_at >= REST

    def _of_kind(self, step: Nanoseconds, kinds: frozenset[str]) -> Bools:
        """Return where the step is of one of ``kinds``: the last word of a step's path."""
        indices = [i for i, path in self._paths.items() if path.rpartition(".")[2] in kinds]
        return np.isin(step, indices)

    def _end_of_step(self) -> dict[str, Reading]:
        """Return what the newest tick counts for, if it is the last one of an ended step."""
        newest = self._newest
        if newest is None or newest.step not in self._ended or not np.isfinite(newest.cell_v).all():
            return {}
        kind = self._paths.get(newest.step, "").rpartition(".")[2]
        if kind in DISCHARGING:
            return {"gap_end_of_discharge": newest}
        if kind in CHARGING and abs(newest.current_a) < self._taper_a:
            return {"gap_end_of_charge": newest}
        return {}

    def values(self, at: int) -> dict[str, MetricValue]:
        """Return the three gaps, true ones each with the uncertainty of two emulated voltages."""
        found = self._found | self._end_of_step()
        return {
            f"{self._source.prefix}{name}": self._gap(name, found.get(name), at, why)
            for name, why in NEVER.items()
        }

    def _gap(self, name: str, reading: Reading | None, at: int, why: str) -> MetricValue:
        """Return one gap, and which cells make it."""
        name = f"{self._source.prefix}{name}"
        if reading is None:
            return not_available(name, at, why)
        high, low = int(reading.cell_v.argmax()), int(reading.cell_v.argmin())
        high_v, low_v = float(reading.cell_v[high]), float(reading.cell_v[low])
        u = math.hypot(self._u.set_v.at(high_v), self._u.set_v.at(low_v))
        u = u if self._source is TRUE else 0.0
        path = self._paths.get(reading.step, "no step")
        where = f"{path}: cell[{high + 1}] {high_v:.4f} V over cell[{low + 1}] {low_v:.4f} V"
        return metric(name, high_v - low_v, u, reading.at, where)


class Peak:
    """The largest value seen, when, and on which cell (0: no cell); the first of equals."""

    def __init__(self) -> None:
        """Start below everything."""
        self.value, self.at, self.cell = -math.inf, 0, 0

    def feed(self, at_ns: Nanoseconds, values: Floats) -> None:
        """Add values of shape (cells, ticks) or (ticks,); NaN counts for nothing."""
        highest = float(np.fmax.reduce(values, axis=None))
        if highest > self.value:
            # by tick first: which of two equal values counts must not depend on the block
            tick = int(np.argmax((values == highest).reshape(-1, len(at_ns)).any(axis=0)))
            self.value, self.at = highest, int(at_ns[tick])
            self.cell = int(np.argmax(values[:, tick] == highest)) + 1 if values.ndim > 1 else 0

    def metric(
        self,
        name: str,
        at: int,
        uncertainty: float,
        sign: float = 1.0,
        never: str = "never measured",
    ) -> MetricValue:
        """Return the peak as a metric; ``sign`` -1 if the values were fed negated."""
        if self.value == -math.inf:
            return not_available(name, at, never)
        where = f"cell[{self.cell}]" if self.cell else "whole run"
        return metric(name, sign * self.value, uncertainty, self.at, where)


class ReportFold:
    """What needs no truth: the board's hottest report, and the charge through the pack."""

    def __init__(self, uncertainties: Uncertainties) -> None:
        """Start with nothing."""
        self._u = uncertainties
        self._pcb_degc = Peak()
        self._ah = np.zeros(())
        self._ns = 0

    def feed(self, block: Block) -> None:
        """Add a block."""
        self._pcb_degc.feed(block.at_ns, block.scalar("board.pcb_degc"))
        moved_ah = np.abs(block.scalar("pack.current_a")) * hours(block.dt_ns)
        self._ah = running_sum(self._ah, np.nan_to_num(moved_ah))[..., -1]
        self._ns += int(block.dt_ns.sum())

    def values(self, at: int) -> dict[str, MetricValue]:
        """Return both metrics."""
        pcb_u = self._u.pcb_k.at(self._pcb_degc.value)
        charge_u = self._u.pack_a.offset * float(hours(self._ns)) + self._u.pack_a.gain * self._ah
        return {
            "peak_pcb_temperature": self._pcb_degc.metric("peak_pcb_temperature", at, pcb_u),
            "throughput": metric("throughput", self._ah, charge_u, at, "in plus out, whole run"),
        }


class ExtremeFold:
    """Extremes of the true cell voltages and of the spread of the true cell temperatures."""

    def __init__(self, uncertainties: Uncertainties) -> None:
        """Start with nothing."""
        self._u = uncertainties
        self._high_v, self._low_v, self._spread_k = Peak(), Peak(), Peak()
        self._gap_v = Peak()

    def feed(self, block: Block) -> None:
        """Add a block."""
        cell_v, cell_degc = block.cells("plant.cell_v"), block.cells("plant.cell_degc")
        self._high_v.feed(block.at_ns, cell_v)
        self._low_v.feed(block.at_ns, -cell_v)
        self._spread_k.feed(block.at_ns, cell_degc.max(axis=0) - cell_degc.min(axis=0))
        charging = block.scalar("pack.current_a") < 0.0
        if charging.any():
            gap_v = cell_v.max(axis=0) - cell_v.min(axis=0)
            self._gap_v.feed(block.at_ns, np.where(charging, gap_v, np.nan))

    def values(self, at: int) -> dict[str, MetricValue]:
        """Return the metrics.

        A true voltage is as certain as the emulator that sets it. The temperatures are the plant's
        own, and what makes them so is the model, not a measurement: no uncertainty of the bench.
        """
        high_u, low_u = (self._u.set_v.at(peak.value) for peak in (self._high_v, self._low_v))
        gap_u = DIFFERENCE * high_u  # two readings, neither of them higher than the highest
        never = "nothing was charged"
        return {
            "largest_gap_in_charge": self._gap_v.metric(
                "largest_gap_in_charge", at, gap_u, never=never
            ),
            "max_cell_voltage": self._high_v.metric("max_cell_voltage", at, high_u),
            "min_cell_voltage": self._low_v.metric("min_cell_voltage", at, low_u, sign=-1.0),
            "cell_temperature_spread": self._spread_k.metric("cell_temperature_spread", at, 0.0),
        }
