"""What the drivers of line-oriented instruments share: a session that is brought back into step."""

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, TypeVar

from drivers.links.lines import LineSession
from hil.core.errors import InstrumentFault, MalformedReply
from hil.core.instants import MILLISECOND, Duration
from hil.ports import ByteLink, Clock

CLEARED = "told again after the link was cleared"
"""The gentlest means against an instrument that does not obey (``LineInstrument._clear``)."""

_SLOW_RELAY = 50 * MILLISECOND  # [A] what a contactor may take to open and to feed that back

T = TypeVar("T")
_IDENTIFY = "*IDN?"


class LineInstrument:
    """Connects, asks and writes; after an exchange that broke off, resynchronises before the next.

    Nothing is asked twice: the exchange that failed has failed, the resynchronisation belongs to
    the next one, and a write goes out even while the session is out of step ("off" must).
    """

    CARRIES: ClassVar[str] = "bytes"

    def __init__(
        self, name: str, link: ByteLink, clock: Clock, *, terminator: bytes, reply_limit: Duration
    ) -> None:
        """``reply_limit`` is how long the instrument may take to answer; does no I/O."""
        self.name = name
        self._link = link
        self._clock = clock
        self._terminator = terminator
        self._reply_limit = reply_limit
        self._session = self._new_session()
        self._broken_off = self._was_open = False
        self._identity_line: str | None = None

    def _new_session(self) -> LineSession:
        return LineSession(
            self._link, self._clock, self.name, terminator=self._terminator, reply_terminator=b"\n"
        )

    async def connect(self) -> None:
        """Open the link and start a session of its own. Raises LinkLost.

        An instrument that was spoken to before may have half of a line from then.
        """
        await self._link.open()
        self._session = self._new_session()
        self._broken_off, self._was_open = self._was_open, True

    def check(self) -> None:
        """Raise LinkLost if the link is known to be gone."""
        self._link.check()

    async def close(self) -> None:
        """Let go of the link; harmless when it is closed."""
        await self._link.close()

    async def _write(self, line: str) -> None:
        """Send a line that has no answer. Raises LinkLost."""
        await self._session.write(line)

    async def _ask(self, line: str) -> str:
        """Return the answer to one line. Raises DeviceError."""
        return await self._exchange(lambda: self._session.query(line, self._reply_limit))

    async def _ask_all(self, lines: Sequence[str]) -> list[str]:
        """Return the answers to lines that are sent at once. Raises DeviceError."""
        return await self._exchange(lambda: self._session.query_all(lines, self._reply_limit))

    async def _ask_identity(self) -> str:
        """Return the answer to ``*IDN?`` and know it again when resynchronising.

        Asked twice: one garbled letter, taken for the instrument's name, would keep the session
        out of step for good, and its outputs from being read back.
        """
        self._identity_line = None
        first, second = await self._ask(_IDENTIFY), await self._ask(_IDENTIFY)
        if first != second:
            raise MalformedReply(self.name, f"{_IDENTIFY!r} gave {first!r}, then {second!r}")
        self._identity_line = first
        return first

    async def _clear(self) -> None:
        """Give a relay time to open, and have the next exchange throw old answers away.

        A raw socket knows no device clear: what is owed is drained and the instrument asked who it
        is, so that what is read next was asked now.
        """
        await self._clock.sleep_until(self._clock.now() + _SLOW_RELAY)
        self._broken_off = True

    async def _exchange(self, exchange: Callable[[], Awaitable[T]]) -> T:
        """Run one exchange; whatever ends it early, a cancellation too, leaves a mark."""
        if self._broken_off:
            known = self._identity_line
            is_answer = None if known is None else known.__eq__
            await self._session.resync(_IDENTIFY, self._reply_limit, is_answer)
        self._broken_off = True
        answer = await exchange()
        self._broken_off = False
        return answer

    def _parsed(self, parse: Callable[[str], T], reply: str) -> T:
        """Return what ``parse`` makes of a reply; its ValueError becomes MalformedReply."""
        try:
            return parse(reply)
        except ValueError as error:
            raise MalformedReply(self.name, str(error)) from error

    def _fault(self, message: str, code: int = 0) -> InstrumentFault:
        """Return the error that says what the instrument did not do."""
        return InstrumentFault(self.name, message, code)
