"""A CAN bus behind any adapter that python-can knows: socketcan, pcan, kvaser, vector, slcan, ...

python-can blocks: opening slcan sleeps for 2 s, closing some adapters for 0.3 s. So one thread
opens, sends and closes, and another one reads. Not its ``Notifier``: that one goes silent without a
word when an adapter goes away (an asyncio reader on a dead descriptor). Here a reader that fails
ends the link; one that only hears nothing is for the board's picture, which knows the age of its
frames.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

import can
from can import Message

from drivers.links.blocking import Holder
from drivers.links.mailbox import Mailbox
from drivers.links.memory_can import tap_bytes, wire_order
from drivers.links.stream import reason_of
from hil.core.instants import MILLISECOND, SECOND, to_seconds
from hil.ports import Clock, LinkKind, Tap

_RECEIVE_FRAMES = 100_000
_OPEN_WITHIN = 5 * SECOND
_SEND_WITHIN = SECOND
_LOOK = 50 * MILLISECOND
"""How long a read blocks at most, so that closing need not wait for a frame."""

_MOST_AT_ONCE = 1_000
_URLS = ("socket", "rfc2217")  # of pyserial's, those that reach a port elsewhere
_NO_ADAPTERS = {"virtual", "udp_multicast"}  # interfaces of python-can between programs
_BUS_OFF = 0x40  # SocketCAN's CAN_ERR_BUSOFF in the identifier of an error frame


@dataclass(frozen=True)
class AdapterOptions:
    """The bench file's keys, python-can's words: ``{interface: socketcan, channel: can0}``.

    ``bitrate`` in bit/s; of a socketcan interface it is set by ``ip link``, and not here.
    """

    interface: str
    channel: str
    bitrate: int = 500_000

    def __post_init__(self) -> None:
        """Raises ValueError for an interface that python-can does not have, and for other URLs.

        pyserial opens what it takes for URLs, and one of them writes what crosses the port to a
        file that it names (``spy://``).
        """
        if self.interface not in can.VALID_INTERFACES:
            known = ", ".join(sorted(can.VALID_INTERFACES))
            raise ValueError(f"interface: found '{self.interface}', expected one of {known}")
        scheme, is_url, _ = self.channel.partition("://")
        if is_url and scheme not in _URLS:
            known = " or ".join(f"{one}://" for one in _URLS)
            message = f"found '{self.channel}', expected an adapter's name, or {known}"
            raise ValueError(f"channel: {message}")
        if self.bitrate < 1:
            raise ValueError(f"bitrate: found {self.bitrate}, expected at least 1")


class _Session:
    """One bus, from ``connect`` to ``close``, both in the worker's thread; another thread reads."""

    def __init__(self, take_news: "TakeNews", options: AdapterOptions) -> None:
        """``take_news`` is called in the loop, which must be running."""
        self._loop = asyncio.get_running_loop()
        self._take_news = take_news
        self._options = options
        self._bus: can.BusABC | None = None
        self._reader: Thread | None = None
        self._over = False

    def connect(self) -> None:
        """Open the bus. Raises CanError, OSError and what else drivers raise."""
        options = self._options
        own: dict[str, Any] = {"sleep_after_open": 0} if options.interface == "slcan" else {}
        self._bus = can.Bus(
            interface=options.interface,
            channel=options.channel,
            bitrate=options.bitrate,
            ignore_config=True,  # can.ini of the current folder would be a second bench file
            **own,
        )

    def listen(self) -> None:
        """Begin to read, from the loop: not before somebody takes what comes, errors included."""
        name = f"can {self._options.channel}"
        self._reader = Thread(target=self._read, name=name, daemon=True)
        self._reader.start()

    def send(self, frame: Message) -> None:
        """Send one frame. Raises CanError, OSError."""
        assert self._bus is not None  # noqa: S101 - it was opened
        self._bus.send(frame, to_seconds(_SEND_WITHIN))

    def close(self) -> None:
        """End the reader, then the bus: a bus that is closed under a reader may crash it."""
        self._over = True
        if self._reader is not None:
            self._reader.join()
        if self._bus is not None:
            with suppress(can.CanError, OSError):  # it has gone by itself: the reader has told
                self._bus.shutdown()

    def unsent(self) -> int:
        """Return 0: python-can does not know what waits in an adapter."""
        return 0

    def free(self) -> None:
        """Do nothing: the time-out of ``send`` ends what blocks."""

    def _read(self) -> None:
        """Hand over frames as they come, in a thread, until the end or an error."""
        assert self._bus is not None  # noqa: S101 - it was opened
        try:
            while not self._over:
                frames = _received(self._bus)
                if frames:
                    self._tell(frames)
        except Exception as error:  # noqa: BLE001 - drivers raise what they like; the host is told
            self._tell(error)

    def _tell(self, news: list[Message] | Exception) -> None:
        """Give the loop what came."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left who could be told
            self._loop.call_soon_threadsafe(self._take_news, self, news)


TakeNews = Callable[[_Session, list[Message] | Exception], None]


def _received(bus: can.BusABC) -> list[Message]:
    """Return the frames that wait, or come within a look."""
    frame = bus.recv(to_seconds(_LOOK))
    frames: list[Message] = []
    while frame is not None and len(frames) < _MOST_AT_ONCE:
        frames.append(frame)
        frame = bus.recv(0)
    return frames


class AdapterLink:
    """``hil.ports.FrameLink`` through python-can; ``adapter_link`` builds one."""

    def __init__(self, name: str, clock: Clock, options: AdapterOptions, tap: Tap | None) -> None:
        """Keep what ``open`` needs."""
        self._clock = clock
        self._options = options
        self._tap = tap
        self._mailbox: Mailbox[Message] = Mailbox(name, _RECEIVE_FRAMES)
        where = f"{options.interface} {options.channel}"
        self._holder: Holder[_Session] = Holder(name, clock, where, self._mailbox)

    async def open(self) -> None:
        """Join the bus. Raises LinkLost."""
        self._mailbox.shut("the link is not open")
        session = _Session(self._take_news, self._options)
        await self._holder.open(session, _OPEN_WITHIN)
        self._mailbox.open()
        session.listen()

    async def send(self, frame: Message) -> None:
        """Hand ``frame`` to the adapter.

        Raises LinkLost, DeviceError if it never began, ValueError for what classical CAN cannot
        carry.
        """
        self._mailbox.check_out()
        wire_order(frame)
        if self._tap is not None:
            self._tap(tap_bytes(b">", frame))
        await self._holder.do(lambda session: session.send(frame))

    async def receive(self) -> list[Message]:
        """Wait for at least one frame and return all that have arrived. Raises LinkLost."""
        return self._taken(await self._mailbox.wait())

    def pending(self) -> list[Message]:
        """Take what has arrived without waiting. Raises LinkLost."""
        return self._taken(self._mailbox.take())

    def check(self) -> None:
        """Raise LinkLost if the link is gone or was not opened."""
        self._mailbox.check()

    async def close(self) -> None:
        """Leave the bus; what was sent is with the adapter."""
        self._mailbox.shut("the link is closed")
        await self._holder.leave()

    def _take_news(self, session: _Session, news: list[Message] | Exception) -> None:
        """Take what a session's reader tells; an earlier session's is nobody's."""
        if session is not self._holder.session or not self._mailbox.is_open:
            return
        if isinstance(news, Exception):
            self._holder.lost(reason_of(news))
            return
        at = self._clock.now() / SECOND
        for frame in news:
            frame.timestamp = at
            if frame.is_error_frame and frame.arbitration_id & _BUS_OFF:
                self._holder.lost("the adapter says: bus off")
                return
        self._mailbox.put_all([frame for frame in news if not frame.is_error_frame])

    def _taken(self, frames: list[Message]) -> list[Message]:
        """Hand over what has arrived; the tap's order is that in which the host took it."""
        if self._tap is not None:
            for frame in frames:
                self._tap(tap_bytes(b"<", frame))
        return frames


def adapter_link(
    name: str,
    clock: Clock,
    options: Mapping[str, Any],
    *,
    twin: object = None,  # noqa: ARG001 - the signature of all links
    tap: Tap | None = None,
) -> AdapterLink:
    """Return the link of device ``name`` behind a CAN adapter; ``options`` as in AdapterOptions.

    ``tap`` sees ``b">"`` + frame as the host sends it and ``b"<"`` + frame as it takes it.
    Raises ValueError for an option's value, TypeError for an option it does not have.
    """
    return AdapterLink(name, clock, AdapterOptions(**options), tap)


def adapters() -> list[str]:
    """Return the adapters that python-can's interfaces find.

    It logs each vendor's library that is not installed, which is no news to who looks for adapters.
    """
    logging.disable()
    try:
        found = can.detect_available_configs(sorted(can.VALID_INTERFACES - _NO_ADAPTERS))
    finally:
        logging.disable(logging.NOTSET)
    return [f"{{interface: {one['interface']}, channel: {one['channel']}}}" for one in found]


CAN = LinkKind(
    AdapterOptions,
    needs_twin=False,
    carries="frames",
    make=adapter_link,
    discover=adapters,
    where=lambda options: f"can {options['interface']} {options['channel']}",
)
"""The entry point ``can`` of ``hil.links``."""
