"""What the virtual reference board says: one method a message, each frame counted and sealed."""

import math
from collections.abc import Callable, Sequence

from can import Message

from drivers.wire import e2e
from drivers.wire import reference_board as wire
from hil.physics.board import BoardDesign


class Telemetry:
    """The sending half of the board."""

    def __init__(self, design: BoardDesign) -> None:
        """Plan the pages once; nothing is sent before ``attach``."""
        self._design = design
        self._counters = e2e.Counters()
        self._send: Callable[[Message], None] | None = None
        # faults of the bus driver: put in from outside, unknown to the rest of the board
        self.silent = False
        self.corrupt = False
        self.counts = True
        # of each front end: where its cells stand, and what fills its last page
        self._groups: list[tuple[int, int, list[int]]] = []
        for start in range(0, design.cells, design.cells_per_front_end):
            end = min(start + design.cells_per_front_end, design.cells)
            filler = [wire.UNKNOWN_VOLTAGE] * (-(end - start) % wire.CELLS_A_PAGE)
            self._groups.append((start, end, filler))

    def attach(self, send: Callable[[Message], None]) -> None:
        """Take the way onto the bus."""
        self._send = send

    def power_on(self) -> None:
        """Count anew, as after power-up; a bus driver that is broken stays so."""
        self._counters = e2e.Counters()

    def cell_voltages(self, counts: Sequence[int]) -> None:
        """Send all cells in counts of 0.1 mV, front end by front end.

        All pages of a cycle leave together, with counters in a row: that is how a host knows that
        they belong together.
        """
        take = self._counters.take
        for front_end, (start, end, filler) in enumerate(self._groups):
            identifier = wire.CELL_VOLTAGES + front_end
            values = iter((*counts[start:end], *filler))
            pages = zip(values, values, values, strict=True)  # CELLS_A_PAGE by CELLS_A_PAGE
            for page, cells in enumerate(pages):
                frame = wire.encode_cell_voltages(front_end, take(identifier), page, cells)
                self._put(identifier, frame)

    def pack_status(
        self,
        current_a: float,
        state: wire.State,
        *,
        charge_allowed: bool,
        discharge_allowed: bool,
        cycle: int,
    ) -> None:
        """Send the state of the board."""
        alive = self._counters.take(wire.PACK_STATUS)
        # 24 bits hold 8388 A: no shunt on a board like this comes near
        milliamps = round(current_a / wire.AMPERE_PER_COUNT)
        message = wire.PackStatus(alive, milliamps, state, charge_allowed, discharge_allowed, cycle)
        self._put(wire.PACK_STATUS, wire.encode_pack_status(message))

    def temperatures(self, degc: Sequence[float]) -> None:
        """Send the board's temperature and those of the NTCs; NaN is not known."""
        counts = [
            wire.UNKNOWN_TEMPERATURE if math.isnan(one) else round(one / wire.KELVIN_PER_COUNT)
            for one in degc
        ]
        pages = _pages(counts, wire.TEMPERATURES_A_PAGE, wire.UNKNOWN_TEMPERATURE)
        for page, (first, second, third) in enumerate(pages):
            alive = self._counters.take(wire.TEMPERATURES)
            frame = wire.encode_temperatures(alive, page, (first, second, third))
            self._put(wire.TEMPERATURES, frame)

    def limits(self, charge_a: float, discharge_a: float) -> None:
        """Send the allowed currents."""
        charge, discharge = (
            round(a / wire.LIMIT_AMPERE_PER_COUNT) for a in (charge_a, discharge_a)
        )
        alive = self._counters.take(wire.LIMITS)
        self._put(wire.LIMITS, wire.encode_limits(wire.Limits(alive, charge, discharge)))

    def bleed_state(self, duty: Sequence[int]) -> None:
        """Send the duties that the bleed transistors are driven with, in counts of 1/200."""
        for page, six in enumerate(_pages(duty, wire.DUTIES_A_PAGE, 0)):
            alive = self._counters.take(wire.BLEED_STATE)
            self._put(wire.BLEED_STATE, wire.encode_bleed_state(alive, page, six))

    def faults(
        self,
        flags: int,
        rejected: int,
        over_voltage: set[int],
        under_voltage: set[int],
        open_leads: Sequence[bool],
    ) -> None:
        """Send all faults; cells are indices from 0."""
        alive = self._counters.take(wire.FAULTS)
        message = wire.FaultFlags(alive, flags, min(rejected, 0xFFFF))
        self._put(wire.FAULTS, wire.encode_fault_flags(message))
        # lead k is the lower one of cell k; the one above the last cell is a flag of the board
        open_wire = {index for index in range(self._design.cells) if open_leads[index]}
        for page in range(wire.pages(self._design.cells, wire.CELLS_A_FAULT_PAGE)):
            first = page * wire.CELLS_A_FAULT_PAGE
            masks = [
                sum(1 << cell for cell in kind) >> first & 0xFFFF
                for kind in (over_voltage, under_voltage, open_wire)
            ]
            alive = self._counters.take(wire.FAULTS)
            faults = wire.CellFaults(alive, page + 1, *masks)
            self._put(wire.FAULTS, wire.encode_cell_faults(faults))

    def identity(self, serial: int, firmware: tuple[int, int, int]) -> None:
        """Say who this is, and how many cells and NTCs it has."""
        design, take = self._design, self._counters.take
        make = wire.Make(take(wire.IDENTITY), serial, design.cells, design.cells_per_front_end)
        self._put(wire.IDENTITY, wire.encode_make(make))
        version = wire.Firmware(take(wire.IDENTITY), *firmware, design.ntcs)
        self._put(wire.IDENTITY, wire.encode_firmware(version))

    def _put(self, identifier: int, frame: bytearray) -> None:
        """Put a frame on the bus, unless a fault keeps it from there."""
        if self.silent or self._send is None:
            return
        if not self.counts:
            frame = wire.recounted(identifier, frame, 0)
        if self.corrupt:
            # any other check would do; this one is wrong for every frame
            frame[0] ^= 0xFF
        # by position (time stamp, identifier, 29 bit, remote, error, channel, length, data):
        # keywords take half as long again, and this runs for every frame
        self._send(Message(0.0, identifier, False, False, False, None, len(frame), frame))  # noqa: FBT003 - python-can's order


def _pages(values: Sequence[int], a_page: int, filler: int) -> list[tuple[int, ...]]:
    """Cut values into pages, the last one filled up: frames are always eight bytes long."""
    full = (*values, *[filler] * (-len(values) % a_page))
    return [full[k : k + a_page] for k in range(0, len(full), a_page)]
