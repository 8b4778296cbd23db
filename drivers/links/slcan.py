"""A CAN bus behind an adapter that speaks slcan, over TCP or at a serial port.

The line itself is a ``tcp`` or ``serial`` link; this one makes frames of its bytes. What ties the
adapter's answers to our commands is their order, and nobody knows what an earlier host has left in
it: so opening asks for the version first, whose answer nothing else gives, and counts from there.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from can import Message

from drivers.links.endpoint_can import slcan_endpoint
from drivers.links.endpoint_doors import Opening, PtyOpening, TcpOpening
from drivers.links.mailbox import Mailbox
from drivers.links.memory_can import tap_bytes
from drivers.links.serial_port import serial_link, serial_place
from drivers.links.tcp import tcp_link, tcp_place
from drivers.wire import slcan
from hil.core.errors import DeviceError, LinkLost, LinkTimeout
from hil.core.instants import SECOND, to_seconds
from hil.ports import ByteLink, Clock, Endpoint, FrameTwin, LinkKind, Tap

_ANSWER_WITHIN = SECOND
"""An adapter answers within milliseconds; one that takes so long is stuck."""

_END_OF_HALF_A_LINE = b"\r"
_RECEIVE_FRAMES = 100_000


@dataclass(frozen=True)
class SlcanOptions:
    """The bench file's keys: the adapter's place, and the bit rate of the bus in bit/s.

    ``{host: 192.0.2.17, port: 4711, bitrate: 500000}`` or ``{port: /dev/ttyACM0, baud: 115200,
    bitrate: 500000}``: with ``host`` it is TCP and ``port`` a number, else ``port`` is a device.
    """

    port: str
    bitrate: int = 500_000
    host: str | None = None
    baud: int = 115_200

    def __post_init__(self) -> None:
        """Raises ValueError for a bit rate or a port that there is not."""
        try:
            slcan.set_bitrate(self.bitrate)
        except ValueError as error:
            raise ValueError(f"bitrate: {error}") from error
        if self.host is not None and not self.port.isdecimal():
            raise ValueError(f"port: found '{self.port}', expected a number beside host")

    def line(self, name: str, clock: Clock) -> ByteLink:
        """Return the link to the adapter. Raises ValueError for a value that it refuses."""
        if self.host is not None:
            return tcp_link(name, clock, {"host": self.host, "port": int(self.port)})
        return serial_link(name, clock, {"port": self.port, "baud": self.baud})


class SlcanLink:
    """``hil.ports.FrameLink`` at a byte link to an adapter; ``slcan_link`` builds one.

    Silence must not be taken for the board's when it is the adapter's: each frame waits for its
    acknowledgement, and while one is missing the link says so. Some adapters acknowledge no frames;
    those are left alone, so one is judged only after it was seen to, in the same session.
    """

    def __init__(
        self, name: str, clock: Clock, line: ByteLink, bitrate: int, tap: Tap | None = None
    ) -> None:
        """``bitrate`` in bit/s, one of ``slcan.BITRATES``; does no I/O."""
        self._name = name
        self._clock = clock
        self._line = line
        self._bitrate = bitrate
        self._tap = tap
        self._mailbox: Mailbox[Message] = Mailbox(name, _RECEIVE_FRAMES)
        self._host = slcan.HostEnd()
        self._replies: deque[slcan.Reply] = deque()
        self._listener: asyncio.Task[None] | None = None
        self._refused = 0
        self._acknowledges = self._is_stuck = False
        self._answered = asyncio.Event()  # since the last frame was sent, or there is no link

    @property
    def garbled(self) -> int:
        """How many lines of the adapter made no sense since the link was opened."""
        return self._host.garbled

    async def open(self) -> None:
        """Join the bus. Raises LinkLost, also for an adapter that says no or does not answer."""
        await self._stop_listening()
        await self._line.open()
        try:
            async with asyncio.timeout(to_seconds(_ANSWER_WITHIN)):
                await self._set_up()
        except TimeoutError as error:
            raise await self._failed(
                f"no slcan adapter answers within {to_seconds(_ANSWER_WITHIN):g} s (one that "
                "acknowledges nothing works with the link 'can' and interface: slcan)"
            ) from error
        except BaseException:
            await self._failed("opening it failed")
            raise
        self._listener = asyncio.create_task(self._listen())

    async def send(self, frame: Message) -> None:
        """Hand ``frame`` to the adapter, and return when it has acknowledged it.

        Raises LinkLost, DeviceError when the adapter has refused frames since the last call,
        LinkTimeout when it stops to answer: once, since later frames still go out and do not wait
        ("all off" must be there when it wakes up). ValueError for what classical CAN cannot carry.
        """
        line = slcan.encode(frame)
        self._look()
        if self._refused:
            refused, self._refused = self._refused, 0
            what = f"the adapter refused {refused} frame(s) (BEL)"
            raise DeviceError(self._name, f"{what}: bus off, or more than the bus carries")
        if self._tap is not None:
            self._tap(tap_bytes(b">", frame))
        self._answered.clear()
        await self._line.send(line)
        if self._acknowledges and not self._is_stuck:
            await self._acknowledgement()

    async def receive(self) -> list[Message]:
        """Wait for at least one frame and return all that have arrived. Raises LinkLost."""
        return self._taken(await self._mailbox.wait())

    def pending(self) -> list[Message]:
        """Take what has arrived without waiting. Raises LinkLost, LinkTimeout if it is stuck."""
        self._look()
        if self._is_stuck:
            raise self._stuck()
        return self._taken(self._mailbox.take())

    def check(self) -> None:
        """Raise LinkLost if the link is gone or was not opened."""
        self._mailbox.check()

    async def close(self) -> None:
        """Leave the bus: what was sent goes out, then the adapter closes its channel."""
        is_open = self._mailbox.is_open
        self._shut("the link is closed")
        await self._stop_listening()
        try:
            if is_open:
                await self._line.send(slcan.CLOSE)
        except LinkLost:
            return  # the adapter has gone by itself
        finally:
            await self._line.close()

    # --- setting up ------------------------------------------------------------------------------

    async def _set_up(self) -> None:
        """Close the channel that an earlier host may have left open, set it up and open it."""
        self._host = slcan.HostEnd()
        self._replies.clear()
        self._shut("the link is not open")  # frames of before are nobody's
        self._acknowledges = self._is_stuck = False
        await self._line.send(_END_OF_HALF_A_LINE + slcan.CLOSE + slcan.VERSION)
        while not (await self._reply()).text.strip("zZ"):
            pass
        await self._command(slcan.set_bitrate(self._bitrate), f"{self._bitrate} bit/s")
        self._mailbox.open()
        self._refused = 0
        await self._command(slcan.OPEN, "to open its channel")

    async def _command(self, command: bytes, meaning: str) -> None:
        """Send one command and wait for its acknowledgement. Raises LinkLost when it is a no."""
        await self._line.send(command)
        if not (await self._reply()).good:
            raise LinkLost(self._name, f"the adapter refuses {meaning} ({command!r} gave BEL)")

    async def _reply(self) -> slcan.Reply:
        """Return the adapter's next answer."""
        while not self._replies:
            self._feed(await self._line.receive())
        return self._replies.popleft()

    async def _failed(self, reason: str) -> LinkLost:
        """Let go of the line, and return the error that says why."""
        self._shut(reason)
        await self._line.close()
        return LinkLost(self._name, reason)

    # --- arrival ---------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Take what the adapter says as it comes, so that each frame gets its time of arrival."""
        try:
            while True:
                self._feed(await self._line.receive())
                self._note_replies()
        except LinkLost as error:
            self._shut(error.message)

    async def _stop_listening(self) -> None:
        """End the task that listens, and return when it has ended."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    def _look(self) -> None:
        """Take what has come and the listener has not seen yet. Raises LinkLost."""
        self._mailbox.check()
        try:
            self._feed(self._line.pending())
        except LinkLost as error:
            self._shut(error.message)
            raise
        self._note_replies()

    def _note_replies(self) -> None:
        """Count the answers to frames that were a no; any answer shows that the adapter lives.

        They are not matched with their frames: one that noise has spoilt would put all later ones
        out of step.
        """
        if self._replies:
            self._acknowledges |= any(not one.text.strip("zZ") for one in self._replies if one.good)
            self._is_stuck = False
            self._answered.set()
        self._refused += sum(not reply.good for reply in self._replies)
        self._replies.clear()

    async def _acknowledgement(self) -> None:
        """Wait until the adapter answers. Raises LinkTimeout, LinkLost."""
        try:
            async with asyncio.timeout(to_seconds(_ANSWER_WITHIN)):
                await self._answered.wait()
        except TimeoutError as error:
            self._is_stuck = True
            raise self._stuck() from error
        self._mailbox.check()

    def _stuck(self) -> LinkTimeout:
        """Return the error that tells whose silence it is."""
        within = f"no answer to a frame within {to_seconds(_ANSWER_WITHIN):g} s"
        return LinkTimeout(self._name, f"the adapter does not acknowledge: {within}")

    def _shut(self, reason: str) -> None:
        """End the session for everyone who waits: for frames, or for an acknowledgement."""
        self._mailbox.shut(reason)
        self._answered.set()

    def _feed(self, data: bytes) -> None:
        """Read what came."""
        if data:
            frames, replies = self._host.feed(data, self._clock.now() / SECOND)
            self._replies += replies
            self._mailbox.put_all(frames)

    def _taken(self, frames: list[Message]) -> list[Message]:
        """Hand over what has arrived; the tap's order is that in which the host took it."""
        if self._tap is not None:
            for frame in frames:
                self._tap(tap_bytes(b"<", frame))
        return frames


def slcan_link(
    name: str,
    clock: Clock,
    options: Mapping[str, Any],
    *,
    twin: object = None,  # noqa: ARG001 - the signature of all links
    tap: Tap | None = None,
) -> SlcanLink:
    """Return the link of device ``name`` behind an slcan adapter; ``options`` as in SlcanOptions.

    ``tap`` sees ``b">"`` + frame as the host sends it and ``b"<"`` + frame as it takes it.
    Raises ValueError for an option's value, TypeError for an option it does not have.
    """
    chosen = SlcanOptions(**options)
    return SlcanLink(name, clock, chosen.line(name, clock), chosen.bitrate, tap)


def adapter_endpoint(
    name: str, clock: Clock, options: Mapping[str, Any], *, twin: FrameTwin
) -> Endpoint:
    """Put a twin behind an adapter where ``slcan_link`` of the same ``options`` looks for it."""
    chosen = SlcanOptions(**options)
    opening: Opening = (
        PtyOpening(chosen.port, "slcan-pty")
        if chosen.host is None
        else TcpOpening(chosen.host, int(chosen.port), "slcan-tcp")
    )
    return slcan_endpoint(name, clock, twin, opening, chosen.bitrate)


def adapter_place(options: Mapping[str, Any]) -> str:
    """Return the name of the adapter's own place."""
    chosen = SlcanOptions(**options)
    return serial_place(chosen.port) if chosen.host is None else tcp_place(chosen.host, chosen.port)


SLCAN = LinkKind(
    SlcanOptions,
    needs_twin=False,
    carries="frames",
    make=slcan_link,
    endpoint=adapter_endpoint,
    where=adapter_place,
)
"""The entry point ``slcan`` of ``hil.links``."""
