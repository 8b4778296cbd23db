"""The sense harness between the virtual emulators and the virtual board: currents and charges.

As it should be wired it is a ladder, solved in microseconds. Wired wrongly, or with an emulator in
its current limit, it is the general network of ``hil.physics.network``.

No events of its own. Between a change of an emulated voltage and the next one everything is known
in closed form, so the harness only moves on when someone asks: the board at the end of its cycle,
an emulator that reads back a current or is about to change its voltage.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from drivers.virtual.terminals import CellSource
from hil.core.instants import MILLISECOND, Instant
from hil.core.wiring import WiringPlan
from hil.physics import wiring as physics
from hil.physics.board import (
    ADC_MAX_V,
    BoardDesign,
    Chain,
    leak_conductances,
    leaked_currents,
    series_ohm,
)
from hil.physics.network import DIODE_V, Faulty, Network

_LADDER_MARGIN = 1.5
"""How far below every limit the currents of what bleeds must stay to be no matter of limits."""
_SLEW = 50 * MILLISECOND
"""How long after a change an emulator's output may still be on its way."""


class _CellTap:
    """One cell's terminals as the emulator sees them (``CellLoad``); index from 0."""

    def __init__(self, harness: "BoardHarness", index: int) -> None:
        """Stand for one cell of the harness."""
        self._harness = harness
        self._index = index
        self._before_as = 0.0

    def before_change(self, now: Instant) -> None:
        """Account for the time up to ``now`` at the old voltage."""
        self._harness.before_change(now)

    def current_a(self, now: Instant) -> float:
        """Return the current out of the emulator at this instant."""
        return self._harness.currents_a(now)[self._index]

    def charge_as(self, now: Instant) -> float:
        """Return the charge out of the emulator since the start."""
        return self._harness.charges_as(now)[self._index] + self._before_as

    def limited_v(self, now: Instant) -> float | None:
        """Return what the emulator's voltage sags to in its current limit; None outside of it."""
        return self._harness.limited_v(self._index, now)

    def move(self, index: int, now: Instant) -> None:
        """Connect the emulator's output in another cell's place: what it gave it has given."""
        before_as = self.charge_as(now)
        self._index = index
        self._before_as += before_as - self.charge_as(now)


class BoardHarness:
    """All cells' leads, bleeds and input filters as one network.

    ``ladder`` and ``filtered_v`` (cells,) are read by the board; ``charge_as`` (cells,) only grows.
    """

    FAULTS: ClassVar[tuple[str, ...]] = (
        "open-lead",
        "swapped-leads",
        "shorted-leads",
        "swapped-cells",
        "reversed-cell",
    )

    def __init__(
        self, design: BoardDesign, chain: Chain, wiring: WiringPlan, twins: Mapping[str, Any]
    ) -> None:
        """Connect the board's inputs to the emulators. Raises ValueError if the counts differ."""
        cells = design.cells
        if (len(wiring.cells), len(wiring.lead_ohm)) != (cells, cells + 1):
            found = f"{len(wiring.cells)} cells and {len(wiring.lead_ohm)} leads wired"
            raise ValueError(f"{found}, the board has {cells} inputs and {cells + 1} leads")
        # an internal FET bleeds through the input filters: their resistors belong to the leads
        leads_ohm = wiring.virtual.lead_ohm or wiring.lead_ohm
        self._whole_leads_ohm = tuple(ohm + series_ohm(design) for ohm in leads_ohm)
        self.ladder = physics.Ladder(
            source_v=np.zeros(cells),
            source_ohm=np.full(cells, physics.OPEN_OHM),
            lead_ohm=np.array(self._whole_leads_ohm),
            bleed_ohm=chain.bleed_ohm.copy(),
            input_ohm=chain.input_ohm,
        )
        self.filtered_v = np.zeros(cells)
        self.charge_as = np.zeros(cells)
        self._tau_s = design.filter_tau_s
        self._extras = _Extras(design)
        self._most_a = np.zeros(cells)
        self._no_bleed_s, self._uncounted_as = np.zeros(cells), np.zeros(cells)
        # all bleed times count from the start of the board's cycle
        self._on_until_s = np.zeros(cells)
        self._cycle_start: Instant = 0
        self._at: Instant = 0  # everything is accounted for up to here
        self._moving_until: Instant = _SLEW
        self._currents = np.zeros(cells)
        # an emulator asks for its cells one by one: answers are kept with the instant they are of
        self._currents_of: tuple[Instant, list[float]] = (-1, [])
        self._charges_of: tuple[Instant, list[float]] = (-1, [])
        self._wrong: set[tuple[str, int]] = set()
        most_a = np.full(cells, math.inf)
        self._network = Network(
            self.ladder, Faulty(range(cells + 1)), source_limit_a=most_a, sink_limit_a=most_a.copy()
        )
        self._is_ladder = True
        self._sources: list[tuple[CellSource, int]] = []
        self._taps = [_CellTap(self, index) for index in range(cells)]
        for tap, channel in zip(self._taps, wiring.cells, strict=True):
            source: CellSource = twins[channel.device]
            self._sources.append((source, channel.number))
            source.connect_load(channel.number, tap)

    # --- what the board does ---------------------------------------------------------------------

    def start_cycle(self, now: Instant, on_until_s: physics.Row) -> None:
        """Begin a board cycle at ``now``: cell k bleeds for its first ``on_until_s[k]`` seconds.

        Infinity is a bleed that nothing switches off. The array is kept and must not change.
        """
        self.advance(now)
        self._cycle_start = now
        if on_until_s is not self._on_until_s:
            self._on_until_s = on_until_s
            self._choose_solver()
        self._currents_of = (-1, [])

    def advance(self, now: Instant) -> None:
        """Account for everything up to ``now``."""
        if now <= self._at:
            return
        if self._at < self._moving_until:
            # at most one look while outputs slew, and one when they have settled: after that they
            # stand still until the next change is announced
            self._read_sources(now)
        start = self._cycle_start
        span_s = ((self._at - start) * 1e-9, (now - start) * 1e-9)
        own_v = self._extras.own_leads_v
        bled_v = self.filtered_v if own_v is None else own_v
        self._step(self._on_until_s, span_s, self.charge_as, bled_v)
        if own_v is not None:
            # inputs that have leads of their own: no bleed current flows in those, and what they
            # draw has been counted with the bleeds
            self._step(self._no_bleed_s, span_s, self._uncounted_as, self.filtered_v)
        if self._extras.leak_s is not None:
            self.charge_as += self._extras.leaked_a * (span_s[1] - span_s[0])
        self._at = now

    def _step(
        self,
        on_until_s: physics.Row,
        span_s: tuple[float, float],
        charge_as: physics.Row,
        filtered_v: physics.Row,
    ) -> None:
        """Move charges and inputs on over a span of one board cycle."""
        if self._is_ladder:
            physics.advance_arrays(
                *self.ladder, on_until_s, *span_s, self._tau_s, charge_as, filtered_v
            )
        else:
            self._network.advance(on_until_s, span_s, self._tau_s, charge_as, filtered_v)

    def measured_v(self, now: Instant) -> physics.Row:
        """Return what stands at the ADC's pins (cells,), everything accounted for up to ``now``.

        Behind the filters; where a loop stops the bleeds slot by slot, as each slot leaves it; and
        shifted by what leaks away behind the filter.
        """
        extras, seen_v = self._extras, self.filtered_v
        if extras.slot_s > 0.0:
            at_s = (now - self._cycle_start) * 1e-9 * extras.window_ratio
            on, left_ratio = (
                self._on_until_s >= at_s * (1.0 - 1e-9),
                math.exp(-extras.slot_s / self._tau_s),
            )
            if self._is_ladder:
                seen_v = np.empty_like(self.filtered_v)
                physics.slotted_voltages(self.ladder, on, left_ratio, seen_v)
            else:
                seen_v = self._network.slotted_voltages(on, left_ratio)
        return seen_v if extras.leak_s is None else seen_v + extras.leak_shift_v

    def open_leads(self, pull_a: float, threshold_v: float) -> list[bool]:
        """Run the board's open-wire scan; one answer a lead, from the bottom."""
        if not self._is_ladder:
            return self._network.find_open_leads(pull_a, threshold_v, ADC_MAX_V)
        found = np.zeros(len(self._sources) + 1, np.bool_)
        physics.find_open_leads(self.ladder, pull_a, threshold_v, ADC_MAX_V, found)
        leads: list[bool] = found.tolist()
        return leads

    def probed_v(self, pin_a: float, chip_cells: int, now: Instant) -> physics.Row:
        """Return what each input settles to while a front end drives ``pin_a`` into its own pins.

        ``chip_cells`` hang on each front end. The current flows for milliseconds: its charge is
        left out of the cells' account.
        """
        self.advance(now)
        at_s = (now - self._cycle_start) * 1e-9
        if not self._is_ladder:
            return self._network.probed_voltages(self._on_until_s, at_s, chip_cells, pin_a)
        found = np.empty(len(self._sources))
        physics.probed_voltages(self.ladder, self._on_until_s, at_s, chip_cells, pin_a, found)
        return found

    # --- what the emulators ask ------------------------------------------------------------------

    def before_change(self, now: Instant) -> None:
        """An emulated voltage is about to change."""
        self.advance(now)
        self._moving_until = now + _SLEW
        self._currents_of = (-1, [])

    def currents_a(self, now: Instant) -> list[float]:
        """Return the current of every cell at this instant, positive out of the emulator."""
        if self._currents_of[0] != now:
            self.advance(now)
            self._read_sources(now)
            at_s = (now - self._cycle_start) * 1e-9
            if self._is_ladder:
                physics.currents_at(self.ladder, self._on_until_s, at_s, self._currents)
            else:
                self._network.currents_at(self._on_until_s, at_s, self._currents)
            if self._extras.leak_s is not None:
                self._currents += self._extras.leaked_a
            self._currents_of = (now, self._currents.tolist())
        return self._currents_of[1]

    def charges_as(self, now: Instant) -> list[float]:
        """Return the charge of every cell since the start."""
        if self._charges_of[0] != now:
            self.advance(now)
            self._charges_of = (now, self.charge_as.tolist())
        return self._charges_of[1]

    def limited_v(self, index: int, now: Instant) -> float | None:
        """Return what the voltage of an emulator in its current limit sags to, None outside it."""
        if self._is_ladder:
            return None
        self.advance(now)
        self._read_sources(now)
        at_s = (now - self._cycle_start) * 1e-9
        return self._network.limited_v(index, self._on_until_s, at_s)

    def _read_sources(self, now: Instant) -> None:
        """Look at all outputs; one that is open or off gives no voltage and lets nothing flow."""
        volts = [source.cell_v(channel, now) for source, channel in self._sources]
        is_off = [math.isnan(volt) for volt in volts]
        self.ladder.source_ohm[:] = [physics.OPEN_OHM if off else 0.0 for off in is_off]
        self.ladder.source_v[:] = [
            0.0 if off else volt for off, volt in zip(is_off, volts, strict=True)
        ]
        if self._extras.leak_s is not None:
            self._extras.leak(self.ladder.source_v)
        limits_a = [source.limits_a(channel) for source, channel in self._sources]
        self._network.source_limit_a[:] = [most_a for most_a, _ in limits_a]
        self._network.sink_limit_a[:] = [most_a for _, most_a in limits_a]
        self._choose_solver()

    def _choose_solver(self) -> None:
        """Take the ladder where it tells the truth: wired rightly, no limit, no diode in sight."""
        ladder, network = self.ladder, self._network
        for_ever_s = np.where(self._on_until_s > 0.0, math.inf, 0.0)
        physics.currents_at(ladder, for_ever_s, 0.0, self._most_a)
        most_a = _LADDER_MARGIN * float(np.abs(self._most_a).max())
        self._is_ladder = (
            not (self._wrong - self._open_leads())
            and bool(ladder.source_v.min() > -DIODE_V)
            and bool(most_a < min(network.source_limit_a.min(), network.sink_limit_a.min()))
        )

    def _open_leads(self) -> set[tuple[str, int]]:
        """Return the faults that are no matter of topology."""
        return {one for one in self._wrong if one[0] == "open-lead"}

    # --- Injectable ------------------------------------------------------------------------------

    def inject(self, fault: str, cell: int, *, active: bool, now: Instant) -> None:
        """Put one of ``FAULTS`` in or out; ``cell`` from 1.

        ``open-lead`` is lead ``cell`` of cells + 1; ``swapped-leads`` are this lead and the next
        one, each in the other's place at the board's connector, ``shorted-leads`` touch there;
        ``swapped-cells`` are this cell's output and the next one's, ``reversed-cell`` is one the
        wrong way round. Raises ValueError for any other fault or number.
        """
        cells = len(self._sources)
        most = cells + (fault == "open-lead") - (fault == "swapped-cells")
        if fault not in self.FAULTS or not 1 <= cell <= most:
            known = ", ".join(self.FAULTS)
            raise ValueError(
                f"harness: no fault {fault!r} on {cell} of 1 to {most}; it knows {known}"
            )
        if ((fault, cell) in self._wrong) == active:
            return
        self.advance(now)  # up to now the harness was what it was
        (self._wrong.add if active else self._wrong.discard)((fault, cell))
        if fault == "open-lead":
            whole_ohm = self._whole_leads_ohm[cell - 1]
            self.ladder.lead_ohm[cell - 1] = physics.OPEN_OHM if active else whole_ohm
        elif fault == "swapped-cells":
            self._swap_sources(cell - 1, now)
        self._network.faulty = self._faulty()
        self._currents_of = self._charges_of = (-1, [])
        self._read_sources(now)

    def _swap_sources(self, index: int, now: Instant) -> None:
        """Exchange the outputs of two neighbours in the stack, or change them back."""
        first, second = self._taps[index], self._taps[index + 1]
        first.move(index + 1, now)
        second.move(index, now)
        self._taps[index : index + 2] = second, first
        self._sources[index : index + 2] = reversed(self._sources[index : index + 2])

    def _faulty(self) -> Faulty:
        """Return the topology; leads that are swapped more than once move on step by step."""
        order = list(range(len(self._sources) + 1))
        for fault, number in sorted(self._wrong):
            if fault == "swapped-leads":
                order[number - 1], order[number] = order[number], order[number - 1]
        return Faulty(
            order,
            shorted=[number - 1 for fault, number in self._wrong if fault == "shorted-leads"],
            reversed_cells=[
                number - 1 for fault, number in self._wrong if fault == "reversed-cell"
            ],
        )

    def wrong(self) -> list[str]:
        """Return what is wrong with the wiring now, as a profile names it."""
        return [f"{fault} {number}" for fault, number in sorted(self._wrong)]


class _Extras:
    """What only some boards have at their inputs; all of it is None or 0 on a plain one.

    ``own_leads_v`` are inputs at the bleeding ends of leads that the board does not measure, on a
    board that senses by leads of its own.
    """

    def __init__(self, design: BoardDesign) -> None:
        """Take what the design has."""
        cells = design.cells
        is_kelvin = design.sense == "kelvin"
        self.own_leads_v: physics.Row | None = np.zeros(cells) if is_kelvin else None
        self.slot_s = 0.0 if design.slots is None else design.slots.slot_ns * 1e-9
        self.window_ratio = design.bleed_window_s / (design.cycle_ns * 1e-9)
        leak = design.leakage
        self.leak_s = None if leak is None else leak_conductances(design)
        is_behind = leak is not None and leak.behind_filter
        self._leak_series_ohm = design.filter_resistance_ohm if is_behind else 0.0
        self.leaked_a = np.zeros(cells)
        self.leak_shift_v = np.zeros(cells)

    def leak(self, cell_v: physics.Row) -> None:
        """Let the leads' leaks follow the voltages."""
        assert self.leak_s is not None  # noqa: S101 - asked before each call
        leaked_currents(
            cell_v, self.leak_s, self._leak_series_ohm, self.leaked_a, self.leak_shift_v
        )
