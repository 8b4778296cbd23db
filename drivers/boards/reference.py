"""Driver of the reference board: a BMS board behind CAN that takes one bleed duty a cell.

The board speaks by itself, once a cycle; ``sense`` only folds what has arrived into a picture.
Every frame is checked, but only the newest ones are decoded.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from can import Message

from drivers.boards.reference_picture import FAULTS, BoardOptions, Picture
from drivers.wire import e2e
from drivers.wire import reference_board as wire
from drivers.wire.reference_board import RequestCode
from hil.core.errors import InstrumentFault, LinkTimeout
from hil.core.instants import MILLISECOND, to_seconds
from hil.core.spec import BoardSpec, Range
from hil.ports import BoardReport, Clock, FrameLink, Identity

_POLL = 5 * MILLISECOND
"""How often a wait looks for frames: short against a cycle, long against a frame's 0.27 ms."""
_ASKED_CYCLES = 2
"""A request that nothing answers goes out again: one frame may be lost."""
_PATIENCE_CYCLES = 5
"""The board answers at the end of a cycle; more than a few of them is no answer."""


HOST_FAULTS = ("host-silent", "host-bad-crc", "host-stuck-counter")
"""What a host can do to a board: send nothing, seal wrongly, never count on."""

_STUCK_AT = 7
"""The alive counter of a host that does not count."""


class ReferenceBoard:
    """``hil.ports.Board`` over a CAN link."""

    SPEC: ClassVar[BoardSpec] = BoardSpec(
        model="reference-board",
        max_cells=wire.MAX_CELLS,
        cell_v=Range(0.0, 5.0),
        cell_resolution_v=wire.VOLT_PER_COUNT,
        duty_resolution=1 / wire.DUTY_COUNTS,
        report_period=100 * MILLISECOND,
        reply=200 * MILLISECOND,
        faults=FAULTS,
        host_loss="all bleeds off",  # after the design's command_timeout (firmware.md)
    )

    CARRIES: ClassVar[str] = "frames"
    FAULTS: ClassVar[tuple[str, ...]] = HOST_FAULTS

    def __init__(
        self, name: str, link: FrameLink, clock: Clock, options: Mapping[str, Any]
    ) -> None:
        """``options`` are the fields of ``BoardOptions``; TypeError for any other."""
        self.name = name
        self._link, self._clock = link, clock
        self._options = BoardOptions(**options)
        self._counters = e2e.Counters()
        self._picture = Picture(self._options)
        self._host_fault = ""

    async def connect(self) -> None:
        """Open the link. Raises LinkLost."""
        await self._link.open()

    async def identify(self) -> Identity:
        """Ask who answers. Raises LinkTimeout, or InstrumentFault if it has other cells."""
        self._picture.forget_identity()

        async def ask() -> None:
            await self._request(RequestCode.IDENTIFY)

        await self._until(
            lambda: len(self._picture.identity) == wire.IDENTITY_PAGES, "identity", ask
        )
        make, firmware = self._picture.identity
        assert isinstance(make, wire.Make)  # noqa: S101 -- tells mypy what page 0 is
        assert isinstance(firmware, wire.Firmware)  # noqa: S101 -- and page 1
        found = (make.cells, firmware.ntcs)
        if found != (self._options.cells, self._options.ntcs):
            raise InstrumentFault(
                self.name,
                f"the board has {found[0]} cells and {found[1]} NTCs, "
                f"expected {self._options.cells} and {self._options.ntcs}",
                make.cells,
            )
        version = f"{firmware.major}.{firmware.minor}.{firmware.patch}"
        return Identity("reference", self.SPEC.model, f"{make.serial:08d}", version)

    async def arm(self) -> None:
        """Clear old faults and wait for the first cells. Raises LinkTimeout from a silent board."""
        sets = self._picture.cell_sets

        async def ask() -> None:
            await self._request(RequestCode.CLEAR_FAULTS)

        await self._until(
            lambda: self._picture.cell_sets > sets, "complete set of cell voltages", ask
        )

    async def apply(self, duty: Sequence[float]) -> None:
        """Command one bleed duty (0..1) a cell. Raises ValueError outside that, DeviceError."""
        if len(duty) != self._options.cells or not all(0 <= one <= 1 for one in duty):
            raise ValueError(f"{self.name}: expected {self._options.cells} duties in 0..1: {duty}")
        counts = [round(one * wire.DUTY_COUNTS) for one in duty]
        size = wire.DUTIES_A_PAGE
        counts += [0] * (-len(counts) % size)  # cells beyond the last one, to fill its page
        for page in range(len(counts) // size):
            alive = self._counters.take(wire.BLEED_COMMAND)
            six = tuple(counts[page * size : (page + 1) * size])
            await self._send(wire.BLEED_COMMAND, wire.encode_bleed_command(alive, page, six))

    async def balance(self) -> None:
        """Give balancing back to the board: asked for in each of a few cycles, as none is answered.

        Raises LinkTimeout from a board that sends no cells meanwhile.
        """
        sets = self._picture.cell_sets

        async def ask() -> None:
            await self._request(RequestCode.BALANCE)

        await self._until(
            lambda: self._picture.cell_sets >= sets + _ASKED_CYCLES,
            "complete set of cell voltages",
            ask,
        )

    async def sense(self) -> BoardReport:
        """Fold everything received so far into a report.

        Raises LinkLost, LinkTimeout if it is the CAN adapter that says nothing.
        """
        self._drain()
        return self._picture.report()

    async def set_fault(self, fault: str, *, active: bool) -> None:
        """Be a host with one of ``FAULTS``, or a sound one again. Raises ValueError for another."""
        if fault not in self.FAULTS:
            known = ", ".join(self.FAULTS)
            raise ValueError(f"{self.name}: no fault {fault!r}; a host has {known}")
        self._host_fault = fault if active else ""

    async def make_safe(self) -> str:
        """Command all bleeds off and wait until the board reports them so, as a sound host.

        Raises LinkTimeout if it reports nothing, InstrumentFault (code: how many) if some are on.
        """
        picture, cells = self._picture, self._options.cells
        self._host_fault = ""

        async def all_off() -> None:
            await self.apply([0.0] * cells)
            await self._request(RequestCode.REPORT_BLEEDS)

        # what the board said before it had this command does not count as read-back
        try:
            self._drain()
        except LinkTimeout:
            await all_off()  # for the adapter to pass on as soon as it wakes up
            raise
        picture.duty = [math.nan] * cells
        try:
            await self._until(lambda: not any(picture.duty), "report of the bleeds as off", all_off)
        except LinkTimeout as error:
            on = sum(one > 0 for one in picture.duty)
            if not on:
                raise
            raise InstrumentFault(self.name, f"bleeds {on} of {cells} on", on) from error
        return f"bleeds 0 of {cells} on"

    def check(self) -> None:
        """Raise LinkLost if the link is known to be gone."""
        self._link.check()

    async def close(self) -> None:
        """Let go of the link."""
        await self._link.close()

    # --- frames ----------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Take in what has arrived; never waits."""
        for frame in self._link.pending():
            self._picture.take(frame)

    async def _request(self, code: RequestCode) -> None:
        """Send one request; the board answers at the end of its cycle."""
        alive = self._counters.take(wire.REQUEST)
        await self._send(wire.REQUEST, wire.encode_request(wire.Request(alive, code)))

    async def _send(self, identifier: int, data: bytearray) -> None:
        if self._host_fault == "host-silent":
            return
        if self._host_fault == "host-bad-crc":
            data[0] ^= 0xFF
        elif self._host_fault == "host-stuck-counter":
            data = wire.recounted(identifier, data, _STUCK_AT)
        await self._link.send(Message(arbitration_id=identifier, is_extended_id=False, data=data))

    async def _until(
        self, done: Callable[[], bool], what: str, ask: Callable[[], Awaitable[None]]
    ) -> None:
        """Ask once a board cycle and read frames until ``done``; LinkTimeout after a few cycles.

        What goes to the board is cyclic, like all of a CAN bus: a board that still has the alive
        counter of an earlier session in mind drops the first frame of this one.
        """
        cycle = self._options.cycle_ns
        limit = self.SPEC.reply + _PATIENCE_CYCLES * cycle
        asked_at = began = self._clock.now()
        await ask()
        while True:
            self._drain()
            if done():
                return
            now = self._clock.now()
            if now - began >= limit:
                raise LinkTimeout(self.name, f"no {what} within {to_seconds(limit):g} s")
            if now - asked_at >= cycle:
                asked_at = now
                await ask()
            await self._clock.sleep_until(now + _POLL)
