"""A byte link to a twin in the same process: bytes take their time, order is kept, nothing blocks.

Time model of each direction: bytes leave when the sender says so, but only after the bytes before
them have left; each takes 10 bit times (8N1: start, 8 data, stop) where ``baud`` is given, none
otherwise; the last bit arrives ``latency_ns`` later. A chunk is delivered whole, at the arrival of
its last byte. One timer a chunk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivers.links.endpoint import byte_endpoint
from drivers.links.endpoint_doors import TcpOpening
from drivers.links.mailbox import Mailbox, handed_over
from hil.core.errors import LinkLost
from hil.core.instants import MICROSECOND, SECOND, Duration, Instant
from hil.ports import ByteTwin, Clock, Endpoint, LinkKind, Tap

_BITS_PER_BYTE = 10
_RECEIVE_BYTES = 1 << 20


@dataclass(frozen=True)
class MemoryByteOptions:
    """The bench file's keys: one-way latency, and the line's bit rate where it has one."""

    latency_ns: Duration = 200 * MICROSECOND
    baud: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a line that could never deliver, or deliver before it sends."""
        if self.latency_ns < 0:
            raise ValueError(f"latency must not be negative, found {self.latency_ns} ns")
        if self.baud is not None and self.baud < 1:
            raise ValueError(f"baud must be at least 1, found {self.baud}")


class Wire:
    """One direction of a line: tells when bytes arrive, which queue behind one another."""

    def __init__(self, options: MemoryByteOptions) -> None:
        """Start with an idle line."""
        self._latency = options.latency_ns
        self._baud = None if options.baud is None else round(options.baud)
        self._free_at: Instant = 0

    def arrival(self, count: int, leaving: Instant) -> Instant:
        """Return when the last of ``count`` bytes arrives that want to leave at ``leaving``."""
        end = max(leaving, self._free_at)
        if self._baud is not None:
            end += -(-count * _BITS_PER_BYTE * SECOND // self._baud)
        self._free_at = end
        return end + self._latency


class MemoryByteLink:
    """``hil.ports.ByteLink`` joined to a ``ByteTwin``; built by ``memory_byte_link``."""

    def __init__(
        self, name: str, clock: Clock, options: MemoryByteOptions, twin: ByteTwin, tap: Tap | None
    ) -> None:
        """Join host and twin; nothing passes before ``open``."""
        self._name = name
        self._clock = clock
        self._twin = twin
        self._tap = tap
        self._to_device = Wire(options)
        self._to_host = Wire(options)
        self._mailbox: Mailbox[bytes] = Mailbox(name, _RECEIVE_BYTES)
        self._session = 0  # what the device sent in an earlier session never reaches a later one
        self._cuts = 0  # what was on its way to the device when the cable was cut never arrives
        self._is_cut = False
        self._is_mute = False
        twin.attach(self._device_sends)

    async def open(self) -> None:
        """Connect, or begin a new session. Raises LinkLost while the cable is cut."""
        if self._is_cut:
            raise LinkLost(self._name, "the cable is cut")
        self._session += 1
        self._mailbox.open()

    async def send(self, data: bytes) -> None:
        """Put ``data`` on the line. Raises LinkLost."""
        self._mailbox.check_out()
        if self._tap is not None:
            self._tap(b">" + data)
        arrival = self._to_device.arrival(len(data), self._clock.now())
        self._clock.call_at(arrival, self._reach_device, data, self._cuts)

    async def receive(self) -> bytes:
        """Wait for at least one byte and return all that have arrived. Raises LinkLost."""
        return handed_over(await self._mailbox.wait(), self._tap)

    def pending(self) -> bytes:
        """Take what has arrived without waiting. Raises LinkLost."""
        return handed_over(self._mailbox.take(), self._tap)

    def check(self) -> None:
        """Raise LinkLost if the cable is cut or the link is not open."""
        self._mailbox.check()

    async def close(self) -> None:
        """Let go: what is still on its way to the host is lost, what was sent arrives."""
        self._mailbox.shut("the link is closed")

    # --- faults, for tests and injections --------------------------------------------------------

    def cut(self) -> None:
        """Pull the cable: bytes on their way are lost, both ends, and the host learns of it."""
        self._is_cut = True
        self._cuts += 1
        self._mailbox.shut("the cable is cut")

    def mend(self) -> None:
        """Plug the cable in again; the host has to open the link again."""
        self._is_cut = False

    def mute(self, *, active: bool = True) -> None:
        """Silence the peer: it hears the host, but nothing it says arrives. No error shows."""
        self._is_mute = active

    # --- the two directions ----------------------------------------------------------------------

    def _reach_device(self, data: bytes, cuts: int) -> None:
        """Deliver to the twin what was on a wire that is still whole."""
        if cuts == self._cuts:
            self._twin.receive(data)

    def _device_sends(self, data: bytes, at: Instant) -> None:
        """Take the twin's bytes, which leave at ``at`` or, if that has passed, now."""
        if data and not self._is_cut:
            arrival = self._to_host.arrival(len(data), max(at, self._clock.now()))
            self._clock.call_at(arrival, self._reach_host, data, self._session)

    def _reach_host(self, data: bytes, session: int) -> None:
        """Deliver to the host what belongs to its present session."""
        if session != self._session or not self._mailbox.is_open or self._is_mute:
            return
        self._mailbox.put(data, len(data))


def memory_byte_link(
    name: str,
    clock: Clock,
    options: Mapping[str, Any],
    *,
    twin: ByteTwin,
    tap: Tap | None = None,
) -> MemoryByteLink:
    """Return the link of device ``name`` to its ``twin``; ``options`` as in MemoryByteOptions.

    ``tap`` sees ``b">"`` + bytes as the host sends them and ``b"<"`` + bytes as it takes them.
    Raises ValueError for an option's value, TypeError for an option it does not have.
    """
    return MemoryByteLink(name, clock, MemoryByteOptions(**options), twin, tap)


def memory_byte_endpoint(
    name: str,
    clock: Clock,
    options: Mapping[str, Any],  # noqa: ARG001 - the signature of all endpoints
    *,
    twin: ByteTwin,
) -> Endpoint:
    """Put a twin on a free TCP port: memory has no place where others could look."""
    return byte_endpoint(name, clock, twin, TcpOpening("127.0.0.1", 0))


MEMORY = LinkKind(
    MemoryByteOptions,
    needs_twin=True,
    carries="bytes",
    make=memory_byte_link,
    endpoint=memory_byte_endpoint,
)
"""The entry point ``memory`` of ``hil.links``."""
