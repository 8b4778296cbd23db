"""What the drivers of line-oriented instruments share: a session that is brought back into step."""

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, TypeVar

from drivers.links.lines import LineSession
from drivers.links.pace import Pace
from drivers.wire.framing import Framing
from drivers.wire.scpi_data import parse_error
from hil.core.errors import InstrumentFault, MalformedReply
from hil.core.instants import MILLISECOND, Duration
from hil.ports import ByteLink, Clock

CLEARED = "told again after the link was cleared"
"""The gentlest means against an instrument that does not obey (``LineInstrument._clear``)."""

_SLOW_RELAY = 50 * MILLISECOND  # [A] what a contactor may take to open and to feed that back

T = TypeVar("T")
_NEXT_ERROR = "SYST:ERR?"
_COMMAND_ERRORS = range(-199, -99)
_LONGEST_QUEUE = 64  # what says that it has more than so many errors does not empty its queue


class LineInstrument:
    """Connects, asks and writes; after an exchange that broke off, resynchronises before the next.

    Nothing is asked twice: the exchange that failed has failed, the resynchronisation belongs to
    the next one, and a write goes out even while the session is out of step ("off" must).
    ``IDENTIFY`` is the question that nothing else answers alike; ``ACKNOWLEDGES`` is for
    instruments that answer every line, ``SKIPS_BLANK`` for those that may answer orders with a
    blank one, ``spacing`` for those that need time between lines.
    """

    CARRIES: ClassVar[str] = "bytes"
    IDENTIFY: ClassVar[str] = "*IDN?"
    ACKNOWLEDGES: ClassVar[bool] = False
    SKIPS_BLANK: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        link: ByteLink,
        clock: Clock,
        *,
        terminator: bytes,
        reply_limit: Duration,
        spacing: Callable[[str], Duration] | None = None,
        prefix: str = "",
        framing: Framing | None = None,
    ) -> None:
        """``reply_limit`` is how long the instrument may take to answer; does no I/O.

        ``spacing`` is how long after a line the next one may begin; ``prefix`` stands before each;
        ``framing`` stands in place of ``terminator`` where there is more around a line.
        """
        self.name = name
        self._link = link
        self._clock = clock
        self._terminator = terminator
        self._reply_limit = reply_limit
        self._pace = None if spacing is None else Pace(clock, spacing)
        self._prefix, self._framing = prefix, framing
        self._session = self._new_session()
        self._broken_off = self._was_open = False
        self._identity_line: str | None = None

    def _new_session(self) -> LineSession:
        return LineSession(
            self._link,
            self._clock,
            self.name,
            terminator=self._terminator,
            reply_terminator=b"\n",
            framing=self._framing,
            pace=self._pace,
            acknowledged=self.ACKNOWLEDGES,
            skips_blank=self.SKIPS_BLANK,
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
        """Send a line that has no answer. Raises LinkLost.

        Where an exchange broke off, the instrument may have half of a line: that one ends first.
        """
        if self._broken_off:
            await self._session.write("")
        await self._session.write(self._prefix + line)
        self._broken_off = self._broken_off or self.ACKNOWLEDGES  # its answer has to be drained

    async def _ask(self, line: str) -> str:
        """Return the answer to one line. Raises DeviceError."""
        line = self._prefix + line
        return await self._exchange(lambda: self._session.query(line, self._reply_limit))

    async def _ask_all(self, lines: Sequence[str]) -> list[str]:
        """Return the answers to lines that are sent at once. Raises DeviceError."""
        lines = [self._prefix + line for line in lines]
        return await self._exchange(lambda: self._session.query_all(lines, self._reply_limit))

    async def _ask_identity(self) -> str:
        """Return the answer to ``IDENTIFY`` and know it again when resynchronising.

        Asked twice: one garbled letter, taken for the instrument's name, would keep the session
        out of step for good, and its outputs from being read back.
        """
        self._identity_line = None
        first, second = await self._ask(self.IDENTIFY), await self._ask(self.IDENTIFY)
        if first != second:
            raise MalformedReply(self.name, f"{self.IDENTIFY!r} gave {first!r}, then {second!r}")
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
            probe, is_answer = self._probe()
            await self._session.resync(self._prefix + probe, self._reply_limit, is_answer)
            await self._resynced()
        self._broken_off = True
        answer = await exchange()
        self._broken_off = False
        return answer

    def _probe(self) -> tuple[str, Callable[[str], bool] | None]:
        """Return the question that brings into step, and what tells its answer from all others."""
        known = self._identity_line
        return self.IDENTIFY, None if known is None else known.__eq__

    async def _resynced(self) -> None:
        """Look at what a line that broke off has left behind, where an instrument tells."""

    def _parsed(self, parse: Callable[[str], T], reply: str) -> T:
        """Return what ``parse`` makes of a reply; its ValueError becomes MalformedReply."""
        try:
            return parse(reply)
        except ValueError as error:
            raise MalformedReply(self.name, str(error)) from error

    def _fault(self, message: str, code: int = 0) -> InstrumentFault:
        """Return the error that says what the instrument did not do."""
        return InstrumentFault(self.name, message, code)


class ScpiInstrument(LineInstrument):
    """An instrument with an error queue that ``SYST:ERR?`` empties, oldest first."""

    async def _check_errors(self) -> None:
        """Empty the unit's error queue; raise InstrumentFault with the oldest entry."""
        self._refuse(await self._emptied(lambda: self._ask(_NEXT_ERROR)))

    async def _resynced(self) -> None:
        """Take the echo of a line that arrived in part out of the queue.

        It is a command error (-100 to -199), and has been told of as the exchange that broke off:
        anything else is news. Raises InstrumentFault.
        """
        ask = self._session.query
        question = self._prefix + _NEXT_ERROR
        errors = await self._emptied(lambda: ask(question, self._reply_limit))
        self._refuse([one for one in errors if one[0] not in _COMMAND_ERRORS])

    async def _emptied(self, ask: Callable[[], Awaitable[str]]) -> list[tuple[int, str]]:
        """Return what stands in the error queue, the oldest first."""
        errors: list[tuple[int, str]] = []
        while len(errors) < _LONGEST_QUEUE:
            code, text = self._parsed(parse_error, await ask())
            if not code:
                break
            errors.append((code, text))
        return errors

    def _refuse(self, errors: Sequence[tuple[int, str]]) -> None:
        """Raise InstrumentFault with the oldest of the errors, if there is one."""
        if errors:
            code, text = errors[0]
            more = f", and {len(errors) - 1} more" if errors[1:] else ""
            raise self._fault(f"it reports {code}, {text}{more}", code)
