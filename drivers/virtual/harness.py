"""The sense harness between the virtual emulators and the virtual board: currents and charges.

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

_SLEW = 50 * MILLISECOND
"""How long after a change an emulator's output may still be on its way."""


class _CellTap:
    """One cell's terminals as the emulator sees them (``CellLoad``); index from 0."""

    def __init__(self, harness: "BoardHarness", index: int) -> None:
        """Stand for one cell of the harness."""
        self._harness = harness
        self._index = index

    def before_change(self, now: Instant) -> None:
        """Account for the time up to ``now`` at the old voltage."""
        self._harness.before_change(now)

    def current_a(self, now: Instant) -> float:
        """Return the current out of the emulator at this instant."""
        return self._harness.currents_a(now)[self._index]

    def charge_as(self, now: Instant) -> float:
        """Return the charge out of the emulator since the start."""
        return self._harness.charges_as(now)[self._index]


class BoardHarness:
    """All cells' leads, bleeds and input filters as one network.

    ``ladder`` and ``filtered_v`` (cells,) are read by the board; ``charge_as`` (cells,) only grows.
    """

    FAULTS: ClassVar[tuple[str, ...]] = ("open-lead",)
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = FAULTS

    def __init__(
        self, design: BoardDesign, chain: Chain, wiring: WiringPlan, twins: Mapping[str, Any]
    ) -> None:
        """Connect the board's inputs to the emulators. Raises ValueError if the counts differ."""
        cells = design.cells
        if (len(wiring.cells), len(wiring.lead_ohm)) != (cells, cells + 1):
            found = f"{len(wiring.cells)} cells and {len(wiring.lead_ohm)} leads wired"
            raise ValueError(f"{found}, the board has {cells} inputs and {cells + 1} leads")
        # an internal FET bleeds through the input filters: their resistors belong to the leads
        self._whole_leads_ohm = tuple(ohm + series_ohm(design) for ohm in wiring.lead_ohm)
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
        # all bleed times count from the start of the board's cycle
        self._on_until_s = np.zeros(cells)
        self._cycle_start: Instant = 0
        self._at: Instant = 0  # everything is accounted for up to here
        self._moving_until: Instant = _SLEW
        self._currents = np.zeros(cells)
        # an emulator asks for its cells one by one: answers are kept with the instant they are of
        self._currents_of: tuple[Instant, list[float]] = (-1, [])
        self._charges_of: tuple[Instant, list[float]] = (-1, [])
        self._sources: list[tuple[CellSource, int]] = []
        for index, channel in enumerate(wiring.cells):
            source: CellSource = twins[channel.device]
            self._sources.append((source, channel.number))
            source.connect_load(channel.number, _CellTap(self, index))

    # --- what the board does ---------------------------------------------------------------------

    def start_cycle(self, now: Instant, on_until_s: physics.Row) -> None:
        """Begin a board cycle at ``now``: cell k bleeds for its first ``on_until_s[k]`` seconds.

        Infinity is a bleed that nothing switches off. The array is kept and must not change.
        """
        self.advance(now)
        self._cycle_start = now
        self._on_until_s = on_until_s
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
        sensed_v = self._extras.own_leads_v
        physics.advance_arrays(
            *self.ladder,
            self._on_until_s,
            *span_s,
            self._tau_s,
            self.charge_as,
            self.filtered_v if sensed_v is None else sensed_v,
        )
        if sensed_v is not None:
            self._extras.sense(self.ladder, span_s, self._tau_s, self.filtered_v)
        if self._extras.leak_s is not None:
            self.charge_as += self._extras.leaked_a * (span_s[1] - span_s[0])
        self._at = now

    def measured_v(self, now: Instant) -> physics.Row:
        """Return what stands at the ADC's pins (cells,), everything accounted for up to ``now``.

        Behind the filters; where a loop stops the bleeds slot by slot, as each slot leaves it; and
        shifted by what leaks away behind the filter.
        """
        extras, seen_v = self._extras, self.filtered_v
        if extras.slot_s > 0.0:
            at_s = (now - self._cycle_start) * 1e-9 * extras.window_ratio
            on = self._on_until_s >= at_s * (1.0 - 1e-9)
            seen_v = np.empty_like(self.filtered_v)
            physics.slotted_voltages(
                self.ladder, on, math.exp(-extras.slot_s / self._tau_s), seen_v
            )
        return seen_v if extras.leak_s is None else seen_v + extras.leak_shift_v

    def open_leads(self, pull_a: float, threshold_v: float) -> list[bool]:
        """Run the board's open-wire scan; one answer a lead, from the bottom."""
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
        found = np.empty(len(self._sources))
        at_s = (now - self._cycle_start) * 1e-9
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
            physics.currents_at(self.ladder, self._on_until_s, at_s, self._currents)
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

    # --- Injectable ------------------------------------------------------------------------------

    def inject(self, fault: str, cell: int, *, active: bool, now: Instant) -> None:
        """Open lead ``cell`` (1 to cells + 1) or mend it. Raises ValueError for anything else."""
        leads = len(self._whole_leads_ohm)
        if fault not in self.FAULTS or not 1 <= cell <= leads:
            raise ValueError(f"harness: no fault {fault!r} on {cell}; open-lead takes 1 to {leads}")
        self.advance(now)  # up to now the lead was what it was
        whole_ohm = self._whole_leads_ohm[cell - 1]
        self.ladder.lead_ohm[cell - 1] = physics.OPEN_OHM if active else whole_ohm
        self._currents_of = (-1, [])


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
        self._no_bleed_s = np.zeros(cells)
        self._no_charge_as = np.zeros(cells)

    def sense(
        self,
        ladder: physics.Ladder,
        span_s: tuple[float, float],
        tau_s: float,
        filtered_v: physics.Row,
    ) -> None:
        """Move inputs on that have leads of their own: no bleed current flows in those.

        What they draw has been counted with the bleeds.
        """
        physics.advance_arrays(
            *ladder, self._no_bleed_s, *span_s, tau_s, self._no_charge_as, filtered_v
        )

    def leak(self, cell_v: physics.Row) -> None:
        """Let the leads' leaks follow the voltages."""
        assert self.leak_s is not None  # noqa: S101 - asked before each call
        leaked_currents(
            cell_v, self.leak_s, self._leak_series_ohm, self.leaked_a, self.leak_shift_v
        )
