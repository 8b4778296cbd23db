"""The picture that the reference board's driver makes of the frames it hears.

Every frame is checked for CRC and alive counter; only the newest ones are decoded, when somebody
wants to see the picture.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from can import Message

from drivers.wire import e2e
from drivers.wire import reference_board as wire
from drivers.wire.reference_board import BoardFlag
from hil.core.instants import MILLISECOND, Duration, Instant, from_seconds, to_seconds
from hil.ports import BoardFault, BoardReport

_FLAG_NAMES = {
    BoardFlag.OVER_TEMPERATURE: "over-temperature",
    BoardFlag.UNDER_TEMPERATURE: "under-temperature",
    BoardFlag.OVER_CURRENT: "over-current",
    BoardFlag.COMMAND_LOST: "command-lost",
    BoardFlag.BAD_COMMAND: "bad-command",
    BoardFlag.TOP_LEAD_OPEN: "top-lead-open",
    BoardFlag.BLEED_PAUSED: "bleed-paused",
    BoardFlag.NTC_LOST: "ntc-lost",
}
_CELL_FAULTS = ("over-voltage", "under-voltage", "open-wire")
_FRONT_END_SILENT = "front-end-silent"

FAULTS = (*_CELL_FAULTS, _FRONT_END_SILENT, *_FLAG_NAMES.values())
"""Everything that the board can report, by the bench's names."""


@dataclass(frozen=True, slots=True)
class BoardOptions:
    """What the bench knows of the board: cells and NTCs to expect, and how often it speaks."""

    cells: int
    ntcs: int
    # how long the front ends of one cycle may follow each other
    cycle_ns: Duration = 100 * MILLISECOND


class Picture:
    """The newest complete picture of the board; takes frames in, gives reports out.

    Raw frames are kept as they came, the newest of each kind: at a 100 ms cycle and a 1 s tick nine
    of ten are overtaken before anyone looks, and checking a frame costs a third of decoding it.
    """

    def __init__(self, options: BoardOptions) -> None:
        """Know nothing yet."""
        self._options = options
        self._receiver = e2e.Receiver(wire.TO_HOST)
        self._cells = _CellSets(options)
        self._temperatures = e2e.PageSet(wire.pages(1 + options.ntcs, wire.TEMPERATURES_A_PAGE))
        self._bleeds = e2e.PageSet(wire.pages(options.cells, wire.DUTIES_A_PAGE))
        self._heard_s: float | None = None
        self._status: bytearray | None = None
        self._status_s: float | None = None
        self._limits: bytearray | None = None
        self._fault_pages: dict[int, bytearray] = {}
        # None: a page has changed since they were decoded
        self._faults: frozenset[BoardFault] | None = frozenset()
        self._degc = [math.nan] * (1 + options.ntcs)  # the board's own first
        self.duty = [math.nan] * options.cells
        self.identity: list[wire.Make | wire.Firmware] = []
        self._identity = e2e.PageSet(wire.IDENTITY_PAGES)
        self._takers: dict[int, Callable[[bytearray, float], None]] = {
            wire.FAULTS: self._take_faults,
            wire.PACK_STATUS: self._take_status,
            wire.TEMPERATURES: self._take_temperatures,
            wire.LIMITS: self._take_limits,
            wire.BLEED_STATE: self._take_bleeds,
            wire.IDENTITY: self._take_identity,
        }
        for front_end in range(wire.MAX_FRONT_ENDS):
            self._takers[wire.CELL_VOLTAGES + front_end] = partial(self._cells.take, front_end)

    @property
    def cell_sets(self) -> int:
        """How many complete sets of cell voltages have come."""
        return self._cells.count

    def take(self, frame: Message) -> None:
        """Take one frame; others' frames are none of ours, bad ones are counted and dropped."""
        identifier, data = frame.arbitration_id, frame.data
        taker = self._takers.get(identifier)
        if taker is None or frame.is_extended_id:
            return
        if self._receiver.accept(identifier, data):
            self._heard_s = at_s = frame.timestamp
            taker(data, at_s)

    def report(self) -> BoardReport:
        """Decode what is newest. NaN where nothing is known."""
        if self._faults is None:
            self._faults = self._decode_faults()
        status = wire.decode_pack_status(self._status) if self._status else None
        limits = wire.decode_limits(self._limits) if self._limits else None
        return BoardReport(
            cells_at=_instant(self._cells.at_s),
            heard_at=_instant(self._heard_s),
            cell_v=self._cells.volts(),
            ntc_degc=self._degc[1:],
            pcb_degc=self._degc[0],
            current_a=status.current_ma * wire.AMPERE_PER_COUNT if status else math.nan,
            duty=self.duty,
            charge_limit_a=_limit_a(limits and limits.charge),
            discharge_limit_a=_limit_a(limits and limits.discharge),
            charge_allowed=status is not None and status.charge_allowed,
            discharge_allowed=status is not None and status.discharge_allowed,
            faults=self._faults,
            rejected_frames=self._receiver.rejected,
            cell_sets=self._cells.count,
            status_at=_instant(self._status_s),
        )

    # one taker a message; frames are good and in order by now

    def _take_status(self, data: bytearray, at_s: float) -> None:
        """Keep the frame: only the newest status matters."""
        self._status, self._status_s = data, at_s

    def _take_limits(self, data: bytearray, _at_s: float) -> None:
        """Keep the frame: only the newest limits matter."""
        self._limits = data

    def _take_temperatures(self, data: bytearray, _at_s: float) -> None:
        """Take over all temperatures at once, so that none is a second older than its neighbour."""
        frames = self._temperatures.add(data)
        if frames is not None:
            counts = [count for one in frames for count in wire.decode_temperatures(one).degc]
            self._degc = [
                math.nan if count == wire.UNKNOWN_TEMPERATURE else count * wire.KELVIN_PER_COUNT
                for count in counts[: len(self._degc)]
            ]

    def _take_bleeds(self, data: bytearray, _at_s: float) -> None:
        """Take over all duties at once: safe state is judged on a complete picture."""
        frames = self._bleeds.add(data)
        if frames is not None:
            counts = [count for one in frames for count in wire.decode_duties(one).duty]
            self.duty = [count / wire.DUTY_COUNTS for count in counts[: len(self.duty)]]

    def forget_identity(self) -> None:
        """Only what comes from now on answers who the board is."""
        self.identity = []

    def _take_identity(self, data: bytearray, _at_s: float) -> None:
        """Learn who the board is, and with it how its cells are spread over front ends."""
        frames = self._identity.add(data)
        if frames is not None:
            self.identity = [wire.decode_identity(one) for one in frames]
            make = self.identity[0]
            if isinstance(make, wire.Make):
                self._cells.expect(make.cells_per_front_end)

    def _take_faults(self, data: bytearray, _at_s: float) -> None:
        """Keep the page. Pages come every second and hardly ever change: decode only if they do.

        Bytes 0 and 1 are left out of the comparison, as the alive counter always changes.
        """
        page, before = data[1] >> 4, self._fault_pages.get(data[1] >> 4)
        self._fault_pages[page] = data
        if before is None or before[2:] != data[2:]:
            self._faults = None

    def _decode_faults(self) -> frozenset[BoardFault]:
        """Name every fault that the newest pages show."""
        faults: set[BoardFault] = set()
        for data in self._fault_pages.values():
            message = wire.decode_faults(data)
            if isinstance(message, wire.CellFaults):
                faults |= _cell_faults(message)
            else:
                faults |= self._board_faults(message.flags)
        return frozenset(faults)

    def _board_faults(self, flags: int) -> set[BoardFault]:
        """Name the whole board's flags; a silent front end goes by the first of its cells."""
        faults = {BoardFault(name) for flag, name in _FLAG_NAMES.items() if flags >> flag & 1}
        for front_end in range(self._cells.front_ends):
            if flags >> BoardFlag.FRONT_END_1_SILENT + front_end & 1:
                first = front_end * self._cells.per_front_end + 1
                faults.add(BoardFault(_FRONT_END_SILENT, first))
        return faults


class _CellSets:
    """Puts cell voltages together; only what was sampled in one board cycle makes a set."""

    def __init__(self, options: BoardOptions) -> None:
        """Expect one front end until the board says otherwise."""
        self._options = options
        self.count = 0
        self.at_s: float | None = None
        self.per_front_end = 0
        self.expect(options.cells)

    def expect(self, per_front_end: int) -> None:
        """Take the board's word for how its cells are spread over front ends."""
        cells = self._options.cells
        per_front_end = max(1, min(per_front_end, cells))
        if per_front_end == self.per_front_end:
            return
        self.per_front_end = per_front_end
        starts = range(0, cells, self.per_front_end)
        self.front_ends = len(starts)
        sizes = [min(self.per_front_end, cells - start) for start in starts]
        self._sizes = sizes
        self._pages = [e2e.PageSet(wire.pages(size, wire.CELLS_A_PAGE)) for size in sizes]
        # sets of the front ends heard so far in this cycle, and when the first was complete
        self._round: list[list[bytearray]] = []
        self._round_s = 0.0
        self._newest: list[list[bytearray]] = []
        self._volts: list[float] | None = [math.nan] * cells

    def take(self, front_end: int, data: bytearray, at_s: float) -> None:
        """Take one frame; front ends follow each other within a board cycle."""
        if front_end >= self.front_ends:
            return
        frames = self._pages[front_end].add(data)
        if frames is None:
            return
        if front_end == 0:
            self._round, self._round_s = [], at_s
        # a front end whose own frames are whole may still belong to the next cycle: then the
        # first one is at least a cycle old
        is_next = len(self._round) == front_end
        if not is_next or at_s - self._round_s >= to_seconds(self._options.cycle_ns):
            self._round = []
            return
        self._round.append(frames)
        if len(self._round) == self.front_ends:
            self._newest, self._volts = self._round, None
            self.at_s = at_s
            self.count += 1

    def volts(self) -> list[float]:
        """Return the newest set, NaN where the board itself does not know."""
        if self._volts is None:
            self._volts = [
                math.nan if count == wire.UNKNOWN_VOLTAGE else count * wire.VOLT_PER_COUNT
                for frames, size in zip(self._newest, self._sizes, strict=True)
                for count in _counts(frames)[:size]
            ]
        return self._volts


def _counts(frames: list[bytearray]) -> list[int]:
    """Return the cells of one front end, the last page's fillers included."""
    return [count for frame in frames for count in wire.decode_cell_voltages(frame).cells]


def _cell_faults(message: wire.CellFaults) -> set[BoardFault]:
    """Name the faults of 16 cells; an open wire goes by the cell above it, as the lead's number."""
    first = wire.CELLS_A_FAULT_PAGE * (message.page - 1) + 1
    masks = (message.over_voltage, message.under_voltage, message.open_wire)
    return {
        BoardFault(name, first + bit)
        for name, mask in zip(_CELL_FAULTS, masks, strict=True)
        for bit in range(wire.CELLS_A_FAULT_PAGE)
        if mask >> bit & 1
    }


def _instant(at_s: float | None) -> Instant | None:
    """Return python-can's time stamp as an instant; a float of seconds keeps 4 ns for a year."""
    return None if at_s is None else from_seconds(at_s)


def _limit_a(count: int | None) -> float:
    """Return a limit in A, NaN before the first one came."""
    return math.nan if count is None else count * wire.LIMIT_AMPERE_PER_COUNT
