"""Line protocols (SCPI and its kin) over a byte link: one question, its own answer.

A line protocol has no number that ties an answer to its question, only order. So after a
time-out, a cancelled query or a surplus answer the session is *out of step* and refuses to ask,
until ``resync`` has shown that the next answer belongs to the next question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from drivers.wire.framing import Framing, Terminated
from hil.core.errors import DeviceError, LinkTimeout, MalformedReply
from hil.core.instants import MILLISECOND, Duration
from hil.ports import ByteLink, Clock

_MAX_ANSWER = 65_536
_MAX_SHOWN = 100


class LineSession:
    """Writes lines to a device and reads its answers. One task at a time."""

    def __init__(
        self,
        link: ByteLink,
        clock: Clock,
        name: str,
        *,
        terminator: bytes = b"\r\n",
        reply_terminator: bytes = b"\n",
        max_answer: int = _MAX_ANSWER,
        framing: Framing | None = None,
        pace: Callable[[str], Awaitable[None]] | None = None,
        acknowledged: bool = False,
        skips_blank: bool = False,
    ) -> None:
        """``terminator`` ends what is sent, ``reply_terminator`` (CR before LF is dropped) answers.

        ``framing`` stands in place of both where there is more around a line.

        ``max_answer`` is the longest answer in bytes that is not taken for garbage. ``pace`` is
        awaited before each line, which then goes out alone. ``acknowledged`` is for a device that
        answers every line, a blank one perhaps too: after ``write`` the session is out of step.
        ``skips_blank`` is for one that may end orders with a blank line, which is no answer.
        """
        self._link = link
        self._clock = clock
        self._name = name
        self._framing = framing or Terminated(terminator, reply_terminator)
        self._end = self._framing.end
        self._max_answer = max_answer
        self._pace = pace
        self._acknowledged = acknowledged
        self._skips_blank = skips_blank
        self._buffer = bytearray()
        self._unanswered: str | None = None  # the query that put the session out of step
        self._owed = 0  # answers that the device may still send for queries given up
        self._expired = False

    async def write(self, line: str) -> None:
        """Send a line that has no answer; allowed out of step, so that "off" always gets out.

        Raises LinkLost; ValueError for a line that is not one line of ASCII.
        """
        await self._send([line], self._encoded_all([line]))
        if self._acknowledged:
            self._unanswered = line
            self._owed += 1

    async def tell(self, line: str, quiet: Duration) -> None:
        """Send a line of which nobody knows whether it has an answer; drop what comes.

        Silence of ``quiet`` ends the wait. Raises LinkLost, MalformedReply for more than an answer,
        and, out of step, DeviceError.
        """
        self._refuse_out_of_step(line)
        payloads = self._encoded_all([line])
        self._unanswered = line
        await self._send([line], payloads)
        with suppress(LinkTimeout):  # silence is what is waited for
            while len(self._buffer) <= self._max_answer:
                await self._read_one(line, quiet)
        self._owed = 0
        self._settle(line)

    async def query(self, line: str, within: Duration) -> str:
        """Send a line and return its answer without the terminator.

        Raises LinkTimeout, LinkLost, MalformedReply (not printable ASCII, too long, or more than
        one answer) and, out of step, DeviceError.
        """
        return (await self._ask(line, [line], within))[0]

    async def query_all(self, lines: Sequence[str], within: Duration) -> list[str]:
        """Send several lines at once and return their answers in order; ``within`` is for all."""
        return await self._ask("; ".join(lines), lines, within)

    async def resync(
        self, probe: str, within: Duration, is_answer: Callable[[str], bool] | None = None
    ) -> str:
        """Bring questions and answers into step again and return the answer to ``probe``.

        First what is still owed is awaited and thrown away, up to ``within`` of silence. What has
        not come by then could come at any time: the link begins a new session, which keeps out what
        is still on its way. Then ``probe`` is asked, behind the end of whatever line the device may
        have half of. With ``is_answer`` (best: a probe whose answer nothing else gives) other
        answers are late ones and skipped. Without it, the last answer before ``within`` of silence
        counts, so no answer may be later than that.

        Raises LinkTimeout, LinkLost, MalformedReply; the session then stays out of step.
        """
        await self._drain(within)
        if self._owed:
            await self._link.open()
        self._unanswered = probe
        self._owed += 2 if self._acknowledged else 1
        lines = ["", probe]
        await self._send(lines, self._encoded_all(lines))
        answer = self._decoded(await self._read_one(probe, within))
        if is_answer is None:
            answer = await self._last_answer(answer, within)
        else:
            while not is_answer(answer):
                if self._owed <= 0:
                    raise MalformedReply(self._name, f"{answer!r} does not answer {probe!r}")
                answer = self._decoded(await self._read_one(probe, within))
        self._settle(probe)
        return answer

    # --- asking ----------------------------------------------------------------------------------

    async def _ask(self, asked: str, lines: Sequence[str], within: Duration) -> list[str]:
        """Send ``lines`` and return an answer for each; out of step unless all goes well."""
        self._refuse_out_of_step(asked)
        payloads = self._encoded_all(lines)
        self._unanswered = asked
        self._take(self._link.pending())
        if self._buffer:
            raise MalformedReply(
                self._name, f"{_shown(self._buffer)} came before {asked!r} was asked"
            )
        self._owed = len(lines)
        await self._send(lines, payloads)
        answers = await self._read(asked, len(lines), within)
        texts = [self._decoded(answer) for answer in answers]
        self._settle(asked)
        return texts

    def _refuse_out_of_step(self, asked: str) -> None:
        if self._unanswered is not None:
            raise DeviceError(
                self._name,
                f"{self._unanswered!r} has no answer of its own yet, so {asked!r} cannot be asked: "
                "resync first",
            )

    def _settle(self, asked: str) -> None:
        """Declare the session in step. Raises MalformedReply if more came than was asked for."""
        if self._buffer:
            raise MalformedReply(
                self._name, f"{_shown(self._buffer)} came after the answer to {asked!r}"
            )
        self._owed = 0
        self._unanswered = None

    async def _drain(self, within: Duration) -> None:
        """Throw away what has come and, while answers are owed, what comes before silence."""
        self._take(self._link.pending())
        self._owed -= self._buffer.count(self._end)
        self._buffer = self._buffer.rpartition(self._end)[2]
        if self._buffer:
            self._owed = max(self._owed, 1)  # the rest of a line that began is owed as well
        with suppress(LinkTimeout):  # silence is what is waited for
            while self._owed > 0:
                await self._read_one("what is still owed", within)
        self._owed = max(self._owed, 0)
        self._buffer.clear()

    async def _last_answer(self, answer: str, within: Duration) -> str:
        """Return the last answer before silence, at once when no other can be on its way."""
        with suppress(LinkTimeout):  # the others never come
            while self._owed > 0:
                answer = self._decoded(await self._read_one("what is still owed", within))
        return answer

    # --- reading ---------------------------------------------------------------------------------

    async def _read_one(self, asked: str, within: Duration) -> bytes:
        """Return one answer."""
        return (await self._read(asked, 1, within))[0]

    async def _read(self, asked: str, count: int, within: Duration) -> list[bytes]:
        """Return ``count`` answers; raises LinkTimeout if the last is not complete ``within``.

        The time limit cancels the waiting task and is told from other cancellations as
        ``asyncio.timeout`` does it, at a fraction of its cost.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs has a task
        cancellations = task.cancelling()
        self._expired = False
        timer = self._clock.call_at(self._clock.now() + within, self._expire, task)
        try:
            while self._buffer.count(self._end) < count:
                self._take(await self._link.receive())
                if len(self._buffer) > count * self._max_answer:
                    raise MalformedReply(
                        self._name, f"more than {self._max_answer} bytes in answer to {asked!r}"
                    )
        except asyncio.CancelledError:
            if not self._expired or task.uncancel() > cancellations:
                raise
            raise self._timeout(asked, within) from None
        finally:
            timer.cancel()
        return [self._cut_answer() for _ in range(count)]

    def _take(self, data: bytes) -> None:
        """Put bytes behind those that have come, less blank lines where those are no answers."""
        self._buffer += data
        while self._skips_blank and self._buffer.startswith((b"\n", b"\r\n")):
            del self._buffer[: self._buffer.index(b"\n") + 1]

    def _expire(self, task: asyncio.Task[object]) -> None:
        """Wake the reader: its time is up."""
        self._expired = True
        task.cancel()

    def _timeout(self, asked: str, within: Duration) -> LinkTimeout:
        """Say what was asked, how long the device had, and what came instead."""
        came = f"only {_shown(self._buffer)}" if self._buffer else "nothing"
        waited = f"{within / MILLISECOND:g} ms"
        return LinkTimeout(self._name, f"asked {asked!r} and waited {waited}, {came} came")

    def _cut_answer(self) -> bytes:
        """Take the first answer out of the buffer."""
        answer, _, rest = self._buffer.partition(self._end)
        self._buffer = rest
        self._owed -= 1
        return bytes(answer)

    # --- text ------------------------------------------------------------------------------------

    async def _send(self, lines: Sequence[str], payloads: Sequence[bytes]) -> None:
        """Send lines at once or, where the device has a pace, each in its time."""
        if self._pace is None:
            await self._link.send(b"".join(payloads))
            return
        for line, payload in zip(lines, payloads, strict=True):
            await self._pace(line)
            await self._link.send(payload)

    def _encoded_all(self, lines: Sequence[str]) -> list[bytes]:
        return [self._encoded(line) for line in lines]

    def _encoded(self, line: str) -> bytes:
        """Return the line as it goes over the wire. Raises ValueError."""
        try:
            return self._framing.wrap(line)
        except ValueError as error:
            raise ValueError(f"{self._name}: {error}") from None

    def _decoded(self, answer: bytes) -> str:
        """Return an answer as text. Raises MalformedReply where it is none."""
        try:
            return self._framing.unwrap(answer)
        except ValueError as error:
            raise MalformedReply(self._name, f"{_shown(answer)} {error}") from None


def _shown(data: bytes | bytearray) -> str:
    """Return bytes as a message may have them: a device can send a book."""
    more = f"... ({len(data)} bytes)" if len(data) > _MAX_SHOWN else ""
    return f"{bytes(data[:_MAX_SHOWN])!r}{more}"
