"""The protections of the virtual reference board: what trips, when it releases, what is allowed."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from drivers.wire import reference_board as wire
from drivers.wire.reference_board import BoardFlag
from hil.core.instants import Duration, Instant
from hil.physics.board import BoardDesign, cold_limit_a, duty_share


class Threshold:
    """Trips where a value stays at or beyond ``trip`` for ``delay``; releases the same way.

    ``active`` holds the indices that have tripped. NaN keeps its state: nothing is known, so it is
    no sign that a fault is over, nor that all is well again.
    """

    def __init__(self, trip: float, release: float, delay: Duration) -> None:
        """A ``release`` below ``trip`` watches for too much, one above it for too little."""
        # too little is too much of the negative: one rule for both
        self._sign = 1 if release <= trip else -1
        self._trip, self._release = self._sign * trip, self._sign * release
        self._worst = max if self._sign > 0 else min
        self._delay = delay
        # since when an index has wanted to change its state without a break
        self._since: dict[int, Instant] = {}
        self.active: set[int] = set()

    def update(self, values: Sequence[float], now: Instant) -> bool:
        """Look at the newest values; return whether ``active`` changed."""
        # a healthy board goes no further: one comparison instead of one a cell
        # (a NaN in front hides the others from min and max: then every value is looked at)
        quiet = not self.active and not self._since
        if quiet and self._sign * self._worst(values, default=math.nan) < self._trip:
            return False
        changed = False
        for index, value in enumerate(values):
            signed = self._sign * value
            tripped = index in self.active
            if math.isnan(value) and not tripped:
                continue
            if not (signed <= self._release if tripped else signed >= self._trip):
                self._since.pop(index, None)
            elif now - self._since.setdefault(index, now) >= self._delay:
                del self._since[index]
                self.active ^= {index}
                changed = True
        return changed


class Outcome(NamedTuple):
    """What follows from all protections; limits are magnitudes in A, and 0 forbids the current.

    ``flags`` are the board-wide fault bits without those of the commands, ``has_cell_fault`` says
    whether a cell or lead has a fault of its own, ``bleed_share`` what heat leaves of each duty.
    """

    flags: int
    charge_limit_a: float
    discharge_limit_a: float
    may_bleed: bool
    has_cell_fault: bool
    bleed_share: float = 1.0


class Protections:
    """All thresholds of the board, and the faults that other parts of it report here.

    ``outcome`` is worked out when something changes, not in each of a million cycles.
    """

    def __init__(self, design: BoardDesign) -> None:
        """Take the thresholds from the design; cells are compared in counts of 0.1 mV."""
        delay, volt = design.protection_delay_ns, 1 / wire.VOLT_PER_COUNT
        self._design = design
        self.over_voltage = Threshold(
            round(design.over_voltage_v * volt), round(design.over_voltage_release_v * volt), delay
        )
        self.under_voltage = Threshold(
            round(design.under_voltage_v * volt),
            round(design.under_voltage_release_v * volt),
            delay,
        )
        self._over_temperature = Threshold(
            design.over_temperature_degc, design.over_temperature_release_degc, delay
        )
        self._under_temperature = Threshold(
            design.under_temperature_degc, design.under_temperature_release_degc, delay
        )
        self._over_current = Threshold(design.over_current_a, design.over_current_release_a, delay)
        self._bleed_pause = Threshold(design.bleed_pause_degc, design.bleed_resume_degc, 0)
        self._lost_ntcs = Threshold(1.0, 0.0, delay)
        self.open_leads: list[bool] = [False] * (design.cells + 1)
        self.silent_front_ends: set[int] = set()
        self._cold_limit_a = design.charge_limit_a
        self._bleed_share = 1.0
        self.outcome = self._concluded()

    def check_cells(self, counts: Sequence[int], current_a: float, now: Instant) -> bool:
        """Judge what is sampled every cycle; return whether a cell's fault came or went."""
        changed = self.over_voltage.update(counts, now)
        changed |= self.under_voltage.update(counts, now)
        if self._over_current.update((abs(current_a),), now) or changed:
            self.outcome = self._concluded()
        return changed

    def check_temperatures(self, ntc_degc: Sequence[float], pcb_degc: float, now: Instant) -> None:
        """Judge what is sampled every second."""
        known = [degc for degc in ntc_degc if not math.isnan(degc)]
        self._over_temperature.update(ntc_degc, now)
        self._under_temperature.update(ntc_degc, now)
        self._lost_ntcs.update([float(math.isnan(degc)) for degc in ntc_degc], now)
        self._bleed_pause.update((pcb_degc,), now)
        self._bleed_share = duty_share(self._design, pcb_degc)
        self._cold_limit_a = cold_limit_a(self._design, min(known, default=math.nan))
        self.outcome = self._concluded()

    def found_open(self, leads: list[bool]) -> bool:
        """Take the result of an open-wire scan, one a lead; return whether it is a new one."""
        changed = leads != self.open_leads
        self.open_leads = leads
        self.outcome = self._concluded()
        return changed

    def lost(self, front_end: int, *, silent: bool) -> None:
        """Take note that a front end (from 0) does not answer, or does again."""
        (self.silent_front_ends.add if silent else self.silent_front_ends.discard)(front_end)
        self.outcome = self._concluded()

    def _concluded(self) -> Outcome:
        """Return what follows from all that is known."""
        has_open_lead = any(self.open_leads)
        stops = bool(
            self.silent_front_ends
            or self._over_temperature.active
            or self._over_current.active
            or has_open_lead
        )
        over, under = bool(self.over_voltage.active), bool(self.under_voltage.active)
        # cells whose heat nobody sees may not be charged; with no NTC left, nothing is seen at all
        lost = len(self._lost_ntcs.active)
        stops |= lost == self._design.ntcs > 0
        no_charge = stops or over or lost or self._under_temperature.active
        paused = self.silent_front_ends or self._bleed_pause.active or has_open_lead
        return Outcome(
            flags=self._flags(),
            charge_limit_a=0.0 if no_charge else self._cold_limit_a,
            discharge_limit_a=0.0 if stops or under else self._design.discharge_limit_a,
            may_bleed=not paused,  # it must see its cells and be cool enough
            has_cell_fault=over or under or has_open_lead,
            bleed_share=self._bleed_share,
        )

    def _flags(self) -> int:
        """Return the board-wide fault bits, those of the commands left out."""
        # a pause of the bleeds is no fault of the pack, yet the host must know why its duty is not
        # obeyed
        bits = bool(self._over_temperature.active) << BoardFlag.OVER_TEMPERATURE
        bits |= bool(self._under_temperature.active) << BoardFlag.UNDER_TEMPERATURE
        bits |= bool(self._over_current.active) << BoardFlag.OVER_CURRENT
        is_held_back = bool(self._bleed_pause.active) or self._bleed_share < 1.0
        bits |= is_held_back << BoardFlag.BLEED_PAUSED
        bits |= bool(self._lost_ntcs.active) << BoardFlag.NTC_LOST
        bits |= self.open_leads[-1] << BoardFlag.TOP_LEAD_OPEN
        for front_end in self.silent_front_ends:
            bits |= 1 << BoardFlag.FRONT_END_1_SILENT + front_end
        return bits
