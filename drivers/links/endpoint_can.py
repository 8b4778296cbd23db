"""A frame twin as others find it: on a bus of its own, behind CAN adapters that speak slcan."""

from can import Message

from drivers.links.endpoint import Caller, Card, Send
from drivers.links.endpoint_doors import Opening, PtyOpening
from drivers.links.memory_can import BusSaturated, MemoryBus
from drivers.wire.slcan import AdapterEnd
from hil.core.instants import from_seconds
from hil.ports import Clock, Endpoint, FrameTwin

_QUEUE_FULL, _BUS_ERROR = 0x01, 0x80  # of slcan's status flags


class SlcanGuest:
    """A CAN adapter, which is a node on the bus of the twin."""

    def __init__(self, name: str, bus: MemoryBus, bitrate: float) -> None:
        """Join the bus; nothing passes before a client opens the adapter's channel."""
        self._bitrate = bitrate
        self._adapter: AdapterEnd | None = None
        self._send: Send = lambda _: None
        self._node = bus.attach(name, self._heard)

    def opened(self, caller: Caller) -> None:
        """Start as after power-up, so that nobody finds the channel as another one left it."""
        self._adapter, self._send = AdapterEnd(), caller.send

    def arrived(self, _session: int, data: bytes) -> None:
        """Obey commands, and put frames on the bus."""
        if self._adapter is None:
            return
        frames, answers = self._adapter.receive(data)
        for frame in frames:
            self._transmit(self._adapter, frame)
        if answers:
            self._send(answers)

    def ended(self, _session: int) -> None:
        """Let go of the channel."""
        self._adapter = None

    def _transmit(self, adapter: AdapterEnd, frame: Message) -> None:
        """Put a frame on the bus; at another bit rate it is nothing but an error there."""
        if adapter.bitrate != self._bitrate:
            adapter.flags |= _BUS_ERROR
            return
        try:
            self._node.send(frame)
        except BusSaturated:
            adapter.flags |= _QUEUE_FULL  # as the adapter would say when it is asked

    def _heard(self, frame: Message) -> None:
        """Pass a frame on to whoever listens; at another bit rate it is nothing but an error."""
        adapter = self._adapter
        if adapter is None or not adapter.is_open:
            return
        if adapter.bitrate == self._bitrate:
            self._send(adapter.forward(frame, from_seconds(frame.timestamp)))
        else:
            adapter.flags |= _BUS_ERROR


def slcan_endpoint(
    name: str, clock: Clock, twin: FrameTwin, opening: Opening, bitrate: float
) -> Endpoint:
    """Return a frame twin behind a CAN adapter, with a second one on a pty for whoever listens.

    ``bitrate`` is that of the bus, in bit/s.
    """
    bus = MemoryBus(clock, bitrate)
    twin.attach(bus.attach(name, twin.receive).send)
    openings = (opening, PtyOpening(transport="slcan-pty"))
    adapters = [SlcanGuest(f"{name} (adapter {n})", bus, bitrate) for n in (1, 2)]
    return Card(name, clock, list(zip(openings, adapters, strict=True)))
