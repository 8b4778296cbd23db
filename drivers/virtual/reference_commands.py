"""What the virtual reference board hears: bleed commands and requests, if they can be trusted."""

from collections.abc import Sequence

from can import Message

from drivers.wire import e2e
from drivers.wire import reference_board as wire
from drivers.wire.reference_board import BoardFlag, RequestCode
from hil.core.instants import Duration, Instant

_KNOWN = frozenset(RequestCode) - {RequestCode.BALANCE}
"""What this board can do: it has no balancing of its own that could be given back to it."""


class Commands:
    """The receiving half of the board; ``duty`` (cells,) is what to bleed, in counts of 1/200."""

    def __init__(self, cells: int, timeout: Duration, *, checks: bool = True) -> None:
        """Start without a command: all bleeds off, and none missed.

        One that ``checks`` nothing takes every frame for what it says.
        """
        self._cells, self._timeout, self._checks = cells, timeout, checks
        self._counted = e2e.Counters()
        self._receiver = e2e.Receiver(wire.TO_BOARD)
        self._pages = e2e.PageSet(wire.pages(cells, wire.DUTIES_A_PAGE))
        self._heard_at: Instant = 0  # the last complete set of duties
        self._bad_until: Instant = 0
        self._invalid = 0  # sealed well, but asking for what does not exist
        self._lost = False
        self.duty: Sequence[int] = [0] * cells
        self.requests: set[int] = set()

    @property
    def rejected(self) -> int:
        """How many frames failed a check or asked for what does not exist."""
        return self._receiver.rejected + self._invalid

    def receive(self, frame: Message, now: Instant) -> None:
        """Take one frame from the bus; a bad one changes nothing but the count."""
        identifier = frame.arbitration_id
        if frame.is_extended_id or not self._receiver.listens_to(identifier):
            return
        # anything that fails on the way shows in the count, whatever it was
        before = self.rejected
        data = frame.data if self._checks else self._trusted(identifier, frame.data)
        if self._receiver.accept(identifier, data):
            if identifier == wire.REQUEST:
                self._request(wire.decode_request(data).code)
            else:
                self._command(data, now)
        if self.rejected != before:
            self._bad_until = now + self._timeout

    def _trusted(self, identifier: int, data: bytearray) -> bytearray:
        """Return a frame as it would be if its check and counter were right."""
        alive = self._counted.take(identifier)
        return wire.recounted(identifier, data, alive)

    def watch(self, now: Instant) -> None:
        """Stop bleeding when no command has come for too long.

        A host that never asked for a bleed owes the board nothing.
        """
        if any(self.duty) and now - self._heard_at > self._timeout:
            self.duty = [0] * self._cells
            self._lost = True

    def flags(self, now: Instant) -> int:
        """Return the fault bits of the commands."""
        bad = now < self._bad_until
        return self._lost << BoardFlag.COMMAND_LOST | bad << BoardFlag.BAD_COMMAND

    def clear(self) -> None:
        """Forget faults that are over."""
        self._lost = False
        self._bad_until = 0

    def _request(self, code: int) -> None:
        """Note a request; the cycle answers it."""
        if code in _KNOWN:
            self.requests.add(code)
        else:
            self._invalid += 1

    def _command(self, data: bytearray, now: Instant) -> None:
        """Gather the pages; take a whole set over if every duty in it exists."""
        frames = self._pages.add(data)
        if frames is None:
            return
        duty = [count for frame in frames for count in wire.decode_duties(frame).duty]
        del duty[self._cells :]  # what fills the last page
        if max(duty) > wire.DUTY_COUNTS:
            self._invalid += 1
            return
        self.duty, self._heard_at, self._lost = duty, now, False
