"""A virtual reference board: the electronics of its design behind the protocol of its DBC.

One timer a board cycle. At the end of each cycle, the bleeds muted and the inputs settled if the
design does so, the board samples, sends, judges and decides the bleeds of the next cycle:

    |<- bleed on: duty x (cycle - mute window) ->|   off   |<- settle ->| sample, send, judge | ...

What is slow (temperatures, limits, its own heat) it does once a second. Faults and bleed duties are
sent once a second too, and at once when they change. What bleeds in truth may differ from what the
board reports: it drives its transistors and cannot see one that is stuck.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from can import Message

from drivers.virtual.reference_commands import Commands
from drivers.virtual.reference_protection import Outcome, Protections
from drivers.virtual.reference_sampling import Sampling
from drivers.virtual.reference_telemetry import Telemetry
from drivers.virtual.supply_input import SupplyInput
from drivers.wire import reference_board as wire
from drivers.wire.reference_board import RequestCode, State
from hil.core.instants import SECOND, Instant
from hil.physics.board import BoardDesign
from hil.physics.wiring import OPEN_OHM
from hil.ports import POWER_LOSS, Clock, LabPlan

FIRMWARE = (1, 0, 0)
_CONNECTED_V = 0.5
"""A stack whose cells all read less is not connected: there is no lead to look for."""


@dataclass(frozen=True, slots=True)
class BoardOptions:
    """The keys that a bench file may give the virtual board.

    One that ``hangs_in_brown_out`` has no reset circuit: after too little of its supply it does
    nothing until it has had none at all. One that does not check its commands (``checks_commands:
    no``) takes frames with a wrong check or counter for right ones.
    """

    serial: int = 1
    hangs_in_brown_out: bool = False
    checks_commands: bool = True

    def __post_init__(self) -> None:
        """Refuse what the identity has no room for."""
        if not 0 <= self.serial <= wire.MAX_SERIAL:
            raise ValueError(f"serial: found {self.serial}, expected 0 to {wire.MAX_SERIAL}")


class ReferenceBoardTwin:
    """The board on its bus (``FrameTwin``) and at its terminals; ``cycles`` counts its cycles."""

    FAULTS: ClassVar[tuple[str, ...]] = (
        "silent",
        "stuck-cell",
        "stuck-bleed",
        "bad-crc",
        "stuck-counter",
        "blind",
        "front-end-silent",
        POWER_LOSS,
        *Sampling.FAULTS,
    )
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = (
        "stuck-cell",
        "stuck-bleed",
        "front-end-silent",
        *Sampling.FAULTS_OF_A_CELL,
    )
    WIRING_FAULTS: ClassVar[tuple[str, ...]] = Sampling.FAULTS
    OPTIONS: ClassVar[type] = BoardOptions

    def __init__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``BoardOptions``; TypeError for any other."""
        design: BoardDesign = plan.board
        self.name = name
        self.cycles = 0
        self._clock, self._design = clock, design
        self._options = BoardOptions(**(options or {}))
        self._sampling = Sampling(design, plan.wiring, plan.twins, plan.seed, name)
        self._harness = self._sampling.harness
        self._telemetry = Telemetry(design)
        self._slow_every = max(1, round(SECOND / design.cycle_ns))
        self._send: Callable[[Message], None] | None = None
        self._feed = self._feed_of(plan)
        self._powered = self._feed is None
        self._is_cut = False
        self._protections = Protections(design)
        self._on_since: Instant = 0
        self._decided_on: tuple[Sequence[int], Outcome] | None = None
        self._forget()
        # faults put in from outside: readings that stand still (None until the next sample shows
        # at what), bleeds that nothing switches off, a procedure that is skipped
        self._frozen: dict[int, int | None] = {}
        self._stuck_bleeds: set[int] = set()
        self._blind = False

    # --- FrameTwin -------------------------------------------------------------------------------

    def attach(self, send: Callable[[Message], None]) -> None:
        """Take the way onto the bus; the board has its supply from here on."""
        self._telemetry.attach(send)
        if self._send is None:
            self._on_since = now = self._clock.now()
            self._clock.call_at(now + self._design.cycle_ns, self._cycle, now)
        self._send = send

    def receive(self, frame: Message) -> None:
        """Take a frame from the bus; what it asks for is done at the end of the cycle."""
        if self._powered:
            self._commands.receive(frame, self._clock.now())

    # --- Inhabited -------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """A bus has no connection that could end."""

    def replace(self, serial: str) -> None:
        """Put another board in this place. Raises ValueError unless ``serial`` is its number."""
        if not (serial.isascii() and serial.isdigit()):
            raise ValueError(f"{self.name}: serial: found {serial!r}, expected a number")
        self._options = replace(self._options, serial=int(serial))

    def truth(self) -> Mapping[str, Any]:
        """Return what the electronics really do: (cells,) each, leads from 1, + into the board."""
        now, harness = self._clock.now(), self._harness
        window_s = self._design.bleed_window_s
        leads_ohm = harness.ladder.lead_ohm.tolist()
        return {
            "serial": str(self._options.serial),
            "powered": self._powered,
            "cycles": self.cycles,
            "duty": [count / wire.DUTY_COUNTS for count in self._duty],
            "bleeds": [min(1.0, on_s / window_s) for on_s in self._on_until_s.tolist()],
            "current_a": harness.currents_a(now),
            "charge_as": harness.charges_as(now),
            "input_v": harness.filtered_v.tolist(),
            "open_leads": [n for n, ohm in enumerate(leads_ohm, 1) if ohm >= OPEN_OHM],
            **self._sampling.truth(),
        }

    # --- Injectable ------------------------------------------------------------------------------

    def inject(self, fault: str, cell: int, *, active: bool) -> None:
        """Put a fault in or out; ``cell`` from 1 where the fault has one.

        ``silent`` sends nothing, ``bad-crc`` seals wrongly, ``stuck-counter`` never counts on,
        ``blind`` finds no open wire, ``stuck-cell`` repeats the cell's last reading,
        ``stuck-bleed`` cannot switch the cell's bleed off,
        ``front-end-silent`` loses the front end of ``cell``, ``power-loss`` takes the
        board's supply, and the wiring has faults of its own (``Sampling.inject``). Raises
        ValueError for any other fault or cell.
        """
        if fault == POWER_LOSS:
            self._is_cut = active
            self._see_supply()
        elif fault in Sampling.FAULTS:
            self._sampling.inject(fault, cell, active=active, now=self._clock.now())
        elif fault == "silent":
            self._telemetry.silent = active
        elif fault == "bad-crc":
            self._telemetry.corrupt = active
        elif fault == "stuck-counter":
            self._telemetry.counts = not active
        elif fault == "blind":
            self._blind = active
        elif fault in self.FAULTS:
            self._inject_cell(fault, self._index(cell), active=active)
        else:
            raise ValueError(f"{self.name}: no fault {fault!r}; it knows {', '.join(self.FAULTS)}")

    def _inject_cell(self, fault: str, index: int, *, active: bool) -> None:
        """Put one of the faults that belong to a cell in or out."""
        if fault == "stuck-cell":
            self._frozen.pop(index, None)
            if active:
                self._frozen[index] = None
        elif fault == "stuck-bleed":
            (self._stuck_bleeds.add if active else self._stuck_bleeds.discard)(index)
            self._decided_on = None
        else:
            front_end = index // self._design.cells_per_front_end
            self._protections.lost(front_end, silent=active)

    def _index(self, cell: int) -> int:
        """Return the index of a cell counted from 1. Raises ValueError."""
        if not 1 <= cell <= self._design.cells:
            raise ValueError(f"{self.name}: no cell {cell}; it has 1 to {self._design.cells}")
        return cell - 1

    # --- supply ----------------------------------------------------------------------------------

    def _forget(self) -> None:
        """Start as after power-up: no command, no judgement, no bleed but those that are stuck."""
        design = self._design
        checks = self._options.checks_commands
        self._commands = Commands(design.cells, design.command_timeout_ns, checks=checks)
        self._on_since = self._clock.now()
        self._off_cycles = self.cycles  # before it was switched on: what is slow begins with that
        self._counts = [0] * design.cells
        self._duty = [0] * design.cells
        self._flags = 0
        self._on_until_s = np.zeros(design.cells)
        self._decided_on = None

    def _feed_of(self, plan: LabPlan) -> SupplyInput | None:
        """Return the supply terminals, where the bench gives the board its supply."""
        feed, wire = self._design.feed, plan.wiring.supply
        if feed is None or wire is None:
            return None
        hangs = self._options.hangs_in_brown_out
        return SupplyInput(feed, wire, plan.twins, self._clock, self._see_supply, hangs=hangs)

    def _see_supply(self) -> None:
        """Start or stop with what there is of the supply."""
        is_fed = self._feed is None or self._feed.is_on
        self._supply(on=is_fed and not self._is_cut)

    def _supply(self, *, on: bool) -> None:
        """Switch the board's own supply; parts that are broken stay so."""
        if on == self._powered:
            return
        self._powered = on
        self._forget()
        self._decide(self._duty, may_bleed=False)
        self._harness.start_cycle(self._clock.now(), self._on_until_s)
        lost = self._protections.silent_front_ends
        self._protections = Protections(self._design)
        for front_end in lost:
            self._protections.lost(front_end, silent=True)
        self._telemetry.power_on()

    # --- one board cycle -------------------------------------------------------------------------

    def _cycle(self, start: Instant) -> None:
        """End cycle ``cycles`` + 1 of the board that started at ``start``, and begin the next."""
        self.cycles += 1
        # a product, not a sum: cycles of years must not drift
        now = start + self.cycles * self._design.cycle_ns
        self._clock.call_at(now + self._design.cycle_ns, self._cycle, start)
        if not self._powered:
            return
        is_slow = (self.cycles - 1 - self._off_cycles) % self._slow_every == 0

        # sample first: what follows may change the bleeds, and with them the readings
        self._harness.advance(now)
        current_a = self._sampling.current_a(self.cycles)
        self._sample_cells(now)
        if is_slow:
            self._sense_heat(now)
        changed = self._protections.check_cells(self._counts, current_a, now)
        changed |= self._scan_leads()

        self._commands.watch(now)
        requests = self._take_requests()
        self._bleed(now, report=is_slow or RequestCode.REPORT_BLEEDS in requests)
        self._send_cells(current_a, now)
        self._send_faults(now, report=is_slow or changed)
        if RequestCode.IDENTIFY in requests:
            self._telemetry.identity(self._options.serial, FIRMWARE)

    def _take_requests(self) -> set[int]:
        """Return what the host asked for since the last cycle; do what needs no answer."""
        requests = self._commands.requests
        self._commands.requests = set()
        if RequestCode.CLEAR_FAULTS in requests:
            self._commands.clear()
        return requests

    def _sample_cells(self, now: Instant) -> None:
        """Convert all cells; a front end that is silent leaves its cells as they were."""
        counts = self._sampling.cell_counts(self.cycles, now)
        for index, frozen in self._frozen.items():
            # self._counts still holds the previous cycle
            held = self._counts[index] if frozen is None else frozen
            self._frozen[index] = counts[index] = held
        for front_end in self._protections.silent_front_ends:
            group = self._group(front_end)
            counts[group] = self._counts[group]
        self._counts = counts

    def _group(self, front_end: int) -> slice:
        """Return where the cells of a front end (from 0) stand."""
        size = self._design.cells_per_front_end
        return slice(front_end * size, (front_end + 1) * size)

    def _sense_heat(self, now: Instant) -> None:
        """Read all temperatures and send them."""
        pcb_degc = self._sampling.warm_up(now)
        ntc_degc = self._sampling.temperatures_degc(now)
        self._protections.check_temperatures(ntc_degc, pcb_degc, now)
        self._telemetry.temperatures((pcb_degc, *ntc_degc))

    def _scan_leads(self) -> bool:
        """Run the open-wire procedure when it is due; return whether its findings changed."""
        design, protections = self._design, self._protections
        if self.cycles % design.open_wire_every or self._blind:
            return False
        if max(self._counts) * wire.VOLT_PER_COUNT < _CONNECTED_V:
            return False
        # the pull lasts a few milliseconds of 100 uA: its charge is left out of the cells' account
        found = self._harness.open_leads(design.pull_a, design.open_wire_threshold_v)
        return protections.found_open(found)

    def _bleed(self, now: Instant, *, report: bool) -> None:
        """Decide the bleeds of the cycle that begins now, and say so if they changed."""
        asked, outcome = self._commands.duty, self._protections.outcome
        # both are replaced when they change: nothing new means that all stays as it was
        if self._decided_on is None or not (
            self._decided_on[0] is asked and self._decided_on[1] is outcome
        ):
            self._decided_on = (asked, outcome)
            report |= self._decide(asked, may_bleed=outcome.may_bleed)
        if report:
            self._telemetry.bleed_state(self._duty)
        self._harness.start_cycle(now, self._on_until_s)

    def _decide(self, asked: Sequence[int], *, may_bleed: bool) -> bool:
        """Settle which cells bleed for how long; return whether the duties changed."""
        # a copy: the command stays what the host asked for, and counts again when the cause is gone
        share = self._protections.outcome.bleed_share if may_bleed else 0.0
        duty = [int(count * share) for count in asked]
        for index in self._protections.under_voltage.active:
            duty[index] = 0
        changed, self._duty = duty != self._duty, duty
        window_s = self._design.bleed_window_s / wire.DUTY_COUNTS
        on_until_s = [count * window_s for count in duty]
        for index in self._stuck_bleeds:
            on_until_s[index] = math.inf
        self._on_until_s = np.array(on_until_s)
        return changed

    def _send_cells(self, current_a: float, now: Instant) -> None:
        """Send the cells of this cycle and the state of the board."""
        counts = self._counts
        # protections went on with the last readings; the host is told that they are not known
        for front_end in self._protections.silent_front_ends:
            group = self._group(front_end)
            counts = counts.copy()
            counts[group] = [wire.UNKNOWN_VOLTAGE] * len(counts[group])
        self._telemetry.cell_voltages(counts)
        self._telemetry.pack_status(
            current_a,
            self._state(now),
            charge_allowed=self._protections.outcome.charge_limit_a > 0,
            discharge_allowed=self._protections.outcome.discharge_limit_a > 0,
            cycle=self.cycles,
        )

    def _state(self, now: Instant) -> State:
        """Say how the board is; until its protections had their delay it has not judged yet."""
        if self._flags or self._protections.outcome.has_cell_fault:
            return State.FAULT
        starting = now - self._on_since <= self._design.protection_delay_ns
        return State.STARTING if starting else State.NORMAL

    def _send_faults(self, now: Instant, *, report: bool) -> None:
        """Send faults and limits when they are due or have changed."""
        protections = self._protections
        outcome = protections.outcome
        flags = outcome.flags | self._commands.flags(now)
        if not report and flags == self._flags:
            return
        self._flags = flags
        self._telemetry.faults(
            flags,
            self._commands.rejected,
            protections.over_voltage.active,
            protections.under_voltage.active,
            protections.open_leads,
        )
        self._telemetry.limits(outcome.charge_limit_a, outcome.discharge_limit_a)
