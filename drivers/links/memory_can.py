"""A CAN bus in memory: one frame at a time, arbitration by identifier, every bit takes its time.

Classical CAN only (data up to 8 bytes, 11 or 29 bit identifiers). A frame occupies the bus for its
worst-case length with stuff bits, the three bits of interframe space included, and is delivered at
the end of that; after Davis, Burns, Bril, Lukkien, "Controller Area Network (CAN) schedulability
analysis: Refuted, revisited and revised", Real-Time Systems 35 (2007), section 2.1: with n data
bytes and g = 34 (11 bit) or 54 (29 bit) bits of header and CRC that are subject to stuffing,
``g + 8n + 13 + floor((g + 8n - 1) / 4)`` bits, that is 55 + 10n and 80 + 10n.
"""

from collections import deque
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from struct import Struct
from typing import Any

from can import Message

from drivers.links.mailbox import Mailbox
from hil.core.errors import DeviceError, LinkLost
from hil.core.instants import SECOND, Duration, Instant
from hil.ports import Clock, Endpoint, FrameTwin, LinkKind, Tap

_MAX_DATA = 8
_SEND_FRAMES = 1_000
_RECEIVE_FRAMES = 100_000
_NEVER: Instant = 1 << 62
_UNDER_WAY = -1.0
"""``timestamp`` of a frame that waits for the bus; a fresh frame has python-can's default 0."""

_TAP_HEAD = Struct(">cIB")
_TAP_EXTENDED, _TAP_REMOTE = 1 << 31, 1 << 30  # where SocketCAN's can_id has them


class BusSaturated(DeviceError):
    """The bus carries less than its nodes send; the frame was refused, none was dropped."""


def frame_bits(data_bytes: int, *, extended: bool) -> int:
    """Return the bits a frame occupies the bus for at worst, interframe space included."""
    stuffed = (54 if extended else 34) + 8 * data_bytes
    return stuffed + 13 + (stuffed - 1) // 4


def wire_order(frame: Message) -> int:
    """Return the bits that arbitration compares, first bit highest: the lowest number wins.

    11 bit: identifier, RTR, IDE = 0; 29 bit: base, SRR = 1, IDE = 1, extension, RTR. Both are
    padded to 32 bits, so a standard frame beats an extended one with the same base.
    Raises ValueError for what classical CAN cannot carry.
    """
    identifier, remote = frame.arbitration_id, frame.is_remote_frame
    size = 0 if remote else frame.dlc
    if frame.is_fd or frame.is_error_frame or size > _MAX_DATA or size != len(frame.data):
        raise ValueError(f"not a frame of classical CAN: {frame!r}")
    if not 0 <= identifier < (1 << 29 if frame.is_extended_id else 1 << 11):
        raise ValueError(f"the identifier does not fit: {frame!r}")
    if frame.is_extended_id:
        return (identifier >> 18) << 21 | 0b11 << 19 | (identifier & 0x3FFFF) << 1 | remote
    return identifier << 21 | remote << 20


class BusNode:
    """One controller on the bus, with its transmit queue: first in, first out."""

    def __init__(
        self, bus: "MemoryBus", name: str, receive: Callable[[Message], None], *, polls: bool
    ) -> None:
        """Use ``MemoryBus.attach``."""
        self.name = name
        self.receive = receive
        self.polls = polls
        self.is_awaited = False  # another node wants what this one sends when it arrives
        self.plugged = True
        self.unplugged = 0  # times: a frame that was being sent then never arrives
        self.queue: deque[tuple[int, Message]] = deque()
        self._bus = bus

    def send(self, frame: Message) -> None:
        """Queue ``frame``, which belongs to the bus from now on and arrives as this same object.

        A frame object that was sent before is copied. Raises BusSaturated with a full queue,
        ValueError for what classical CAN cannot carry.
        """
        order = wire_order(frame)
        bus = self._bus
        bus.settle()
        if len(self.queue) >= bus.queue_frames:
            bus.refused += 1
            raise BusSaturated(
                self.name, f"the bus is saturated: {bus.queue_frames} frames wait to be sent"
            )
        if frame.timestamp:
            frame = copy(frame)
            frame.data = bytearray(frame.data)
        frame.timestamp = _UNDER_WAY
        self.queue.append((order, frame))
        bus.begin(self)

    def unplug(self) -> None:
        """Leave: what waits is lost, what is being sent breaks off, nothing is received."""
        self._bus.settle()
        self.plugged = False
        self.unplugged += 1
        self.queue.clear()

    def plug(self) -> None:
        """Join again."""
        self._bus.settle()
        self.plugged = True


class MemoryBus:
    """The bus itself. Everything on it happens at its exact instant, but is worked out late.

    A frame's course is settled by what was sent before it, so nothing has to run at the instant at
    which it ends, unless a node that does not poll is to hear it then: only for those there are
    timers. A board that talks to a host which looks once a tick costs none (they were a fifth of
    the bench's time). Every call first settles what has happened up to now.
    """

    def __init__(
        self, clock: Clock, bitrate: float = 500_000, queue_frames: int = _SEND_FRAMES
    ) -> None:
        """Start idle. ``bitrate`` in bit/s. Raises ValueError unless it is positive."""
        if bitrate <= 0:
            raise ValueError(f"the bit rate must be positive, found {bitrate}")
        self.queue_frames = queue_frames
        self.refused = 0
        self._frames = 0
        self._busy: Duration = 0
        self._clock = clock
        self._nodes: list[BusNode] = []
        # The frame on the bus: who sends it, how often that one had been unplugged, its end. With
        # no sender, ``_end`` is when the next arbitration takes place.
        self._sender: BusNode | None = None
        self._unplugged = 0
        self._frame: Message
        self._end: Instant = 0
        # When the state changes next. An arbitration is decided a nanosecond after its instant,
        # so that all that is sent at that instant takes part.
        self._next: Instant = _NEVER
        self._settling = False
        self._timer_at: Instant = _NEVER
        self._durations = {
            extended: [
                round(frame_bits(size, extended=extended) * SECOND / bitrate)
                for size in range(_MAX_DATA + 1)
            ]
            for extended in (False, True)
        }

    @property
    def frames(self) -> int:
        """How many frames have passed since the start."""
        self.settle()
        return self._frames

    @property
    def busy(self) -> Duration:
        """How long the bus has been busy since the start, the frame on it included."""
        self.settle()
        return self._busy

    def attach(
        self, name: str, receive: Callable[[Message], None], *, polls: bool = False
    ) -> BusNode:
        """Add a node, whose ``receive`` gets every frame that another node sends.

        A node that ``polls`` gets them when it calls ``settle``, or anyone else does; their time
        stamps say when they arrived.
        """
        node = BusNode(self, name, receive, polls=polls)
        self._nodes.append(node)
        self.set_polling(node, polls=polls)
        return node

    def set_polling(self, node: BusNode, *, polls: bool) -> None:
        """Let a node poll, or have it served at every frame's instant."""
        node.polls = polls
        for sender in self._nodes:
            sender.is_awaited = any(not one.polls for one in self._nodes if one is not sender)
        self._set_timer()

    def begin(self, sender: BusNode) -> None:
        """Take note that ``sender`` has queued a frame."""
        if self._next == _NEVER:
            self._end = self._clock.now()
            self._next = self._end + 1
        if sender.is_awaited:
            self._set_timer()

    def settle(self) -> None:
        """Let everything happen that happens up to now.

        A receiver may send: its frame takes part from now on, and is left to the call that is on.
        """
        now = self._clock.now()
        if self._next > now or self._settling:
            return
        self._settling = True
        try:
            while self._next <= now:
                if self._sender is None:
                    self._arbitrate()
                else:
                    self._deliver(self._sender)
        finally:
            self._settling = False

    def _arbitrate(self) -> None:
        """Give the bus to the head frame that wins, of equals to the node attached first."""
        winner = None
        for node in self._nodes:
            if node.queue and (winner is None or node.queue[0][0] < winner.queue[0][0]):
                winner = node
        if winner is None:
            self._next = _NEVER
            return
        frame = self._frame = winner.queue.popleft()[1]
        duration = self._duration(frame)
        self._sender, self._unplugged = winner, winner.unplugged
        self._busy += duration
        self._end += duration
        self._next = self._end

    def _duration(self, frame: Message) -> Duration:
        """Return how long a frame occupies the bus."""
        size = 0 if frame.is_remote_frame else frame.dlc
        return self._durations[frame.is_extended_id][size]

    def _deliver(self, sender: BusNode) -> None:
        """The last bit has passed: every other node has the frame, and the next one can start.

        The time stamp is where the frame ends by the bit clock, also where a wall clock is late.
        """
        frame = self._frame
        self._sender = None
        self._next = self._end + 1
        if sender.unplugged != self._unplugged:
            return
        self._frames += 1
        frame.timestamp = self._end / SECOND
        for node in self._nodes:
            if node is not sender and node.plugged:
                node.receive(frame)

    # --- for nodes that do not poll --------------------------------------------------------------

    def _set_timer(self) -> None:
        """See to it that ``settle`` is called when the next frame may end, if one is awaited."""
        sending = [node for node in self._nodes if node.queue or node is self._sender]
        if any(node.is_awaited for node in sending):
            at = self._end
            if self._sender is None:  # not decided yet, but nothing can end before the shortest
                at += min(self._duration(node.queue[0][1]) for node in sending)
            if at < self._timer_at:
                self._timer_at = at
                self._clock.call_at(at, self._at_timer, at)

    def _at_timer(self, at: Instant) -> None:
        """Serve those who wait, unless an earlier timer has done so and set another one."""
        if at == self._timer_at:
            self._timer_at = _NEVER
            self.settle()
            self._set_timer()


@dataclass(frozen=True)
class MemoryFrameOptions:
    """The bench file's key: the bit rate in bit/s."""

    bitrate: float = 500_000


class MemoryFrameLink:
    """``hil.ports.FrameLink``: the host's node on a bus, which several links may share.

    ``memory_frame_link`` builds one with a bus of its own.
    """

    def __init__(
        self, name: str, bus: MemoryBus, twin: FrameTwin | None = None, tap: Tap | None = None
    ) -> None:
        """Attach the host's node, then the twin's; nothing passes before ``open``."""
        self.bus = bus
        self._name = name
        self._tap = tap
        self._mailbox: Mailbox[Message] = Mailbox(name, _RECEIVE_FRAMES)
        self._is_mute = False
        # what the bus has brought since the host last looked; one more than the host may miss
        self._arrived: deque[Message] = deque(maxlen=_RECEIVE_FRAMES + 1)
        self._host = bus.attach(name, self._arrived.append, polls=True)
        if twin is not None:
            twin.attach(bus.attach(f"{name} (twin)", twin.receive).send)

    async def open(self) -> None:
        """Join the bus. Raises LinkLost while the cable is cut."""
        if not self._host.plugged:
            raise LinkLost(self._name, "the cable is cut")
        self._take_in()
        self._mailbox.open()

    async def send(self, frame: Message) -> None:
        """Queue ``frame``, which belongs to the bus from now on. Raises LinkLost, BusSaturated."""
        self._mailbox.check_out()
        self._host.send(frame)
        if self._tap is not None:
            self._tap(tap_bytes(b">", frame))

    async def receive(self) -> list[Message]:
        """Wait for at least one frame and return all that have arrived. Raises LinkLost."""
        self._take_in()
        self._host.receive = self._arrive_now
        self.bus.set_polling(self._host, polls=False)
        try:
            return await self._mailbox.wait()
        finally:
            self._host.receive = self._arrived.append
            self.bus.set_polling(self._host, polls=True)

    def pending(self) -> list[Message]:
        """Take what has arrived without waiting; do not change the frames. Raises LinkLost."""
        self._take_in()
        return self._mailbox.take()

    def check(self) -> None:
        """Raise LinkLost if the cable is cut or the link is not open."""
        self._mailbox.check()

    async def close(self) -> None:
        """Stop listening; frames that were queued are still sent, as by a real adapter."""
        self._take_in()
        self._mailbox.shut("the link is closed")

    # --- faults, for tests and injections --------------------------------------------------------

    def cut(self) -> None:
        """Pull the host's plug: what waits is lost and the host learns of it."""
        self._take_in()
        self._host.unplug()
        self._mailbox.shut("the cable is cut")

    def mend(self) -> None:
        """Plug in again; the host has to open the link again."""
        self._host.plug()

    def mute(self, *, active: bool = True) -> None:
        """Silence all others: nothing they send arrives. No error shows."""
        self._take_in()
        self._is_mute = active

    # --- arrival ---------------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Let the bus catch up and keep what has arrived, if the host listens."""
        self.bus.settle()
        if self._arrived:
            frames = list(self._arrived)
            self._arrived.clear()
            if self._is_mute or not self._mailbox.is_open:
                return
            if self._tap is not None:
                for frame in frames:
                    self._tap(tap_bytes(b"<", frame))
            self._mailbox.put_all(frames)

    def _arrive_now(self, frame: Message) -> None:
        """Wake the host, which waits for a frame."""
        self._arrived.append(frame)
        self._take_in()


def tap_bytes(way: bytes, frame: Message) -> bytes:
    """Write a frame as way, identifier (4 bytes, big-endian, flags as SocketCAN), dlc, data."""
    identifier = frame.arbitration_id
    if frame.is_extended_id:
        identifier |= _TAP_EXTENDED
    if frame.is_remote_frame:
        identifier |= _TAP_REMOTE
    return _TAP_HEAD.pack(way, identifier, frame.dlc) + frame.data


def memory_frame_link(
    name: str,
    clock: Clock,
    options: Mapping[str, Any],
    *,
    twin: FrameTwin | None = None,
    tap: Tap | None = None,
) -> MemoryFrameLink:
    """Return the host's link to a bus of its own; ``twin``, if given, is its peer there.

    ``options`` as in MemoryFrameOptions. ``tap`` sees ``b">"`` + frame as the host sends it and
    ``b"<"`` + frame in the order of arrival, at the latest when the host looks. Raises ValueError
    for an option's value, TypeError for an option it does not have.
    """
    chosen = MemoryFrameOptions(**options)
    return MemoryFrameLink(name, MemoryBus(clock, chosen.bitrate), twin, tap)


def memory_frame_endpoint(
    name: str, clock: Clock, options: Mapping[str, Any], *, twin: FrameTwin
) -> Endpoint:
    """Put a twin behind a CAN adapter on a free TCP port: memory has no place to look at."""
    # endpoints are built upon this bus, not the bus upon them
    from drivers.links.endpoint_can import slcan_endpoint  # noqa: PLC0415
    from drivers.links.endpoint_doors import TcpOpening  # noqa: PLC0415

    opening = TcpOpening("127.0.0.1", 0, "slcan-tcp")
    return slcan_endpoint(name, clock, twin, opening, MemoryFrameOptions(**options).bitrate)


MEMORY_CAN = LinkKind(
    MemoryFrameOptions,
    needs_twin=True,
    carries="frames",
    make=memory_frame_link,
    endpoint=memory_frame_endpoint,
)
"""The entry point ``memory-can`` of ``hil.links``."""
