"""A byte link over the transports of asyncio: what TCP and serial ports share.

Each session (from ``open`` to its end) has a protocol object of its own, so nothing that an earlier
session still says or sends can reach a later one: "off" must stay the last word. ``send`` returns
when the kernel has the bytes, ``close`` when they have left it, both within a limit; behind the
limit what has not left is thrown away, since bytes that leave later could undo what a reconnected
host says.
"""

import array
import asyncio
import fcntl
import termios
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from drivers.links.mailbox import Mailbox, handed_over
from hil.core.errors import LinkLost
from hil.core.instants import MILLISECOND, SECOND, Duration, to_seconds
from hil.ports import Clock, Tap

RECEIVE_BYTES = 1 << 20
"""What may wait for a host that does not look."""
SEND_WITHIN = 2 * SECOND
"""A peer that takes nothing for so long is gone: well within the 10 s of a safe state."""

_FLUSH_WITHIN = SECOND
_FLUSH_LOOKS = 2 * MILLISECOND


def unsent_by_kernel(descriptor: int) -> int:
    """Return how many bytes a tty or a socket has not sent; a socket's peer acknowledged the rest.

    0 for a descriptor that is closed, or whose device is gone: nothing of it will ever be sent.
    """
    count = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.TIOCOUTQ, count)
    except (OSError, ValueError):
        return 0
    return count[0]


async def flushed(clock: Clock, unsent: Callable[[], int], byte_ns: Duration = 0) -> None:
    """Return when nothing is unsent any more, or after as long as sending it may take."""
    give_up = clock.now() + _FLUSH_WITHIN + unsent() * byte_ns
    while unsent() and clock.now() < give_up:
        # the kernel tells nobody when its queue runs empty
        await clock.sleep_until(clock.now() + _FLUSH_LOOKS)


@dataclass(frozen=True)
class Wires:
    """One connection. The two transports are the same object where one serves both ways.

    ``discard`` makes the kernel forget what it has not sent yet; call it before ``abort``.
    """

    reader: asyncio.BaseTransport
    writer: asyncio.WriteTransport
    descriptor: int
    discard: Callable[[], None]

    def unsent(self) -> int:
        """Return how many bytes have not left this host; 0 when there is no connection any more."""
        if self.writer.is_closing():
            return 0
        return self.writer.get_write_buffer_size() + unsent_by_kernel(self.descriptor)

    def abort(self) -> None:
        """Let go at once."""
        # a pipe's transport that closes already would close twice, and fail
        if self.reader is self.writer or not self.writer.is_closing():
            self.writer.abort()
        self.reader.close()


class Session(asyncio.Protocol):
    """One connection, from asyncio's point of view; tells the mailbox until it is over."""

    def __init__(self, mailbox: Mailbox[bytes], where: str) -> None:
        """``where`` names the peer in errors."""
        self._mailbox = mailbox
        self._where = where
        self._transports = 0
        self.over = False
        self._kernel_takes = asyncio.Event()
        self._kernel_takes.set()
        self.wires: Wires | None = None
        self.gone = asyncio.Event()  # every transport has been closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the mailbox opens here, since bytes may arrive before ``open`` goes on."""
        self._transports += 1
        if isinstance(transport, asyncio.WriteTransport):
            # so that "paused" means: the kernel does not take it
            transport.set_write_buffer_limits(high=0)
        if self._transports == 1:
            self._mailbox.open()

    def data_received(self, data: bytes) -> None:
        """Bytes arrive; a host that takes none for too long can read the link no more."""
        if not self.over:
            self._mailbox.put(data, len(data))
            if not self._mailbox.is_open:
                self._hear_no_more()

    def _hear_no_more(self) -> None:
        """Read nothing more, and stay connected: the other direction is the way to switch off."""
        reader = None if self.wires is None else self.wires.reader
        if isinstance(reader, asyncio.ReadTransport):
            reader.pause_reading()
        else:
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """One of the transports is closed: by the peer, unless the session is over already."""
        if not self.over:
            reason = "closed by the peer" if exc is None else reason_of(exc)
            self._mailbox.shut(f"{self._where}: {reason}")
            self.drop()
        self._transports -= 1
        if not self._transports:
            self.gone.set()

    def pause_writing(self) -> None:
        """The kernel does not take more for now."""
        self._kernel_takes.clear()

    def resume_writing(self) -> None:
        """The kernel has taken all."""
        self._kernel_takes.set()

    async def taken(self) -> None:
        """Return when the kernel has all that was sent, or the session is over."""
        await self._kernel_takes.wait()

    def end(self) -> None:
        """Listen no longer; what was sent goes on."""
        self.over = True

    def drop(self) -> None:
        """End at once: nothing that was sent and has not left yet will."""
        self.over = True
        self._kernel_takes.set()
        if self.wires is not None:
            if self.wires.unsent():
                with suppress(OSError, termios.error):  # the device is gone, and so are the bytes
                    self.wires.discard()
            self.wires.abort()


Connect = Callable[[Session], Awaitable[Wires]]


class StreamLink:
    """``hil.ports.ByteLink`` over whatever ``connect`` opens."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        where: str,
        connect: Connect,
        tap: Tap | None,
        *,
        connect_within: Duration,
        byte_ns: Duration = 0,
    ) -> None:
        """``where`` names the peer in errors; ``byte_ns`` is how long a byte takes on the line.

        ``connect`` may raise OSError and ValueError.
        """
        self._name = name
        self._clock = clock
        self._where = where
        self._connect = connect
        self._tap = tap
        self._connect_within = connect_within
        self._byte_ns = byte_ns
        self._mailbox: Mailbox[bytes] = Mailbox(name, RECEIVE_BYTES)
        self._session: Session | None = None

    async def open(self) -> None:
        """Connect, or begin a new session. Raises LinkLost."""
        await self._leave()
        session = self._session = Session(self._mailbox, self._where)
        try:
            async with asyncio.timeout(to_seconds(self._connect_within)):
                session.wires = await self._connect(session)
        except TimeoutError as error:
            waited = f"no connection within {to_seconds(self._connect_within):g} s"
            raise self._lost(session, waited) from error
        except (OSError, ValueError, termios.error) as error:
            raise self._lost(session, reason_of(error)) from error
        except asyncio.CancelledError:
            self._lost(session, "opening it was given up")
            raise

    async def send(self, data: bytes) -> None:
        """Return when the kernel has ``data``. Raises LinkLost, also when it does not take them."""
        self._mailbox.check_out()
        session = self._session
        assert session is not None  # noqa: S101 - the mailbox is open
        assert session.wires is not None  # noqa: S101 - the same
        if self._tap is not None:
            self._tap(b">" + data)
        session.wires.writer.write(data)
        within = to_seconds(SEND_WITHIN + len(data) * self._byte_ns)
        try:
            async with asyncio.timeout(within):
                await session.taken()
        except TimeoutError as error:
            reason = f"the peer has taken no more data for {within:g} s"
            raise self._lost(session, reason) from error
        if session.over:
            self._mailbox.check_out()
            raise LinkLost(self._name, f"{self._where}: a new session began before all was sent")

    async def receive(self) -> bytes:
        """Wait for at least one byte and return all that have arrived. Raises LinkLost."""
        return handed_over(await self._mailbox.wait(), self._tap)

    def pending(self) -> bytes:
        """Take what has arrived without waiting. Raises LinkLost."""
        return handed_over(self._mailbox.take(), self._tap)

    def check(self) -> None:
        """Raise LinkLost if the link is gone or was not opened."""
        self._mailbox.check()

    async def close(self) -> None:
        """Let go when what was sent has left, or cannot be got rid of."""
        self._mailbox.shut("the link is closed")
        await self._leave()

    # --- the end of a session --------------------------------------------------------------------

    async def _leave(self) -> None:
        """End the session, if there is one, and return when nothing is left of it."""
        session, self._session = self._session, None
        if session is None or session.wires is None:
            return
        session.end()
        try:
            await flushed(self._clock, session.wires.unsent, self._byte_ns)
        finally:
            session.drop()
        await session.gone.wait()

    def _lost(self, session: Session, reason: str) -> LinkLost:
        """Drop a session, shut the link for a reason, and return the error that tells it."""
        session.drop()
        self._mailbox.shut(f"{self._where}: {reason}")
        return LinkLost(self._name, f"{self._where}: {reason}")


def reason_of(error: BaseException) -> str:
    """Return what a foreign error says, without its number and its type."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
