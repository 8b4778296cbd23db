"""A byte link over VISA: what speaks VXI-11, HiSLIP, USBTMC or GPIB, or a raw socket the VISA way.

PyVISA blocks, so each session has one thread of its own, with a fence against calls that were given
up (``worker``). Traps of PyVISA that this file knows:

- Closing a ResourceManager kills every session of the process: it is never closed.
- A read that times out throws away what it had read. So a socket is read by as many bytes as wait,
  and a message of HiSLIP only when its first bytes are there.
- An unasked read is an error on GPIB and USB: the thread reads while the host waits, never else.
- pyvisa-py (measured, 0.8.1) reports a refused connection as open, a closed one as a time-out after
  turning round all the while, and blocks for ever where the peer takes no data. Its socket or port
  is asked itself for these, and shut down to free the thread (``visa_below``).
- A call that does not come back cannot be stopped in other backends; until it has, no new session
  is opened, since what it still sends could undo what the new one says.
"""

import asyncio
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any

import pyvisa
from pyvisa.constants import (
    Parity as VisaParity,
)
from pyvisa.constants import (
    ResourceAttribute,
    SerialTermination,
    StatusCode,
)
from pyvisa.constants import (
    StopBits as VisaStopBits,
)
from pyvisa.errors import VisaIOError
from pyvisa.resources import MessageBasedResource, SerialInstrument

from drivers.links.blocking import Holder
from drivers.links.endpoint import Card, byte_endpoint
from drivers.links.endpoint_doors import PtyOpening, TcpOpening
from drivers.links.endpoint_hislip import HislipGuest
from drivers.links.endpoint_vxi11 import vxi11_endpoint
from drivers.links.mailbox import Mailbox, handed_over
from drivers.links.serial_port import Parity, SerialOptions, StopBits, serial_place
from drivers.links.stream import RECEIVE_BYTES, SEND_WITHIN, reason_of
from drivers.links.tcp import tcp_place
from drivers.links.visa_below import Below, below
from drivers.links.worker import Dropped
from drivers.wire.onc_rpc import PORTMAPPER_PORT
from hil.core.instants import MILLISECOND, SECOND, Duration
from hil.core.recorded import UNLESS_DEFAULT
from hil.ports import ByteTwin, Clock, Endpoint, LinkKind, Tap

_SLICE = 50 * MILLISECOND
"""How long a read holds the thread where nothing comes and a write could be waiting behind it."""

_MESSAGE_SLICE = SECOND
"""The same on interfaces with messages, where ending a read early is an event for the instrument.

Also the time-out of a write there. "Off" waits behind it: well within the 10 s of a safe state.
"""

_BACKENDS = ("@py", "@ivi")

_SOCKET = re.compile(r"TCPIP\d*::([^:]+)::(\d+)::SOCKET", re.IGNORECASE)
_HISLIP = re.compile(r"TCPIP\d*::([^:]+)::hislip0(?:,(\d+))?::INSTR", re.IGNORECASE)
_HISLIP_PORT = 4880
"""Registered for it (IVI-6.1, 2.3)."""

_VXI11 = re.compile(r"TCPIP\d*::([^:,]+)(?:,(\d+))?(?:::inst0)?::INSTR", re.IGNORECASE)
_ASRL = re.compile(r"ASRL(.+)::INSTR", re.IGNORECASE)

_STOP_BITS: dict[StopBits, VisaStopBits] = {
    "1": VisaStopBits.one,
    "1.5": VisaStopBits.one_and_a_half,
    "2": VisaStopBits.two,
}

_CHUNK = 65_536
_LINE_FEED = 10


@dataclass(frozen=True)
class VisaOptions:
    """The bench file's keys: ``{resource: "TCPIP::192.0.2.17::hislip0::INSTR", backend: "@py"}``.

    A serial port (``ASRL/dev/ttyUSB0::INSTR``) has those of the link ``serial`` as well, and they
    mean the same there. ``backend`` is PyVISA's: ``@py`` is pyvisa-py, ``@ivi`` the library that
    the vendor installed. No other: PyVISA takes a path for a library and a name for a package, and
    would load either.
    """

    resource: str
    backend: str = "@py"
    connect_ns: Duration = 2 * SECOND
    baud: int = field(default=115_200, metadata=UNLESS_DEFAULT)
    data_bits: int = field(default=8, metadata=UNLESS_DEFAULT)
    parity: Parity = field(default="none", metadata=UNLESS_DEFAULT)
    stop_bits: StopBits = field(default="1", metadata=UNLESS_DEFAULT)

    def __post_init__(self) -> None:
        """Raises ValueError for what could not be opened, or has a link of its own."""
        if "::" not in self.resource:
            raise ValueError(f"resource: found '{self.resource}', expected a VISA address")
        if self.backend not in _BACKENDS:
            known = " or ".join(f'"{name}"' for name in _BACKENDS)
            raise ValueError(f"backend: found '{self.backend}', expected {known}")
        if self.connect_ns <= 0:
            raise ValueError("connect_ns: expected more than 0 s")
        line, usual = self._line("x"), SerialOptions("x")  # raises for what no port has
        if self.port is None and line != usual:
            keys = "baud, data_bits, parity, stop_bits"
            raise ValueError(f"{keys}: keys of a serial port, found '{self.resource}'")

    @property
    def port(self) -> str | None:
        """The serial port that a resource names, None for one that is no serial port."""
        match = _ASRL.fullmatch(self.resource)
        return match[1] if match else None

    @property
    def byte_ns(self) -> Duration:
        """How long a byte takes on a serial line; 0 where it is none."""
        return 0 if self.port is None else self._line(self.port).byte_ns

    def _line(self, port: str) -> SerialOptions:
        """Return the settings as the link ``serial`` has them. Raises ValueError."""
        return SerialOptions(port, self.baud, self.data_bits, self.parity, self.stop_bits)


_managing = Lock()


@cache
def _manager(backend: str) -> pyvisa.ResourceManager:
    """Return the process's manager of a backend; it is never closed. Call with ``_managing``."""
    return pyvisa.ResourceManager(backend)


class _Session:
    """One VISA session, as its thread sees it; ``below`` is what carries it, if that is known."""

    def __init__(self, options: VisaOptions) -> None:
        """Nothing is opened yet."""
        self._options = options
        self._resource: MessageBasedResource | None = None
        self._heard = -1
        self.below: Below | None = None

    # --- in the thread ---------------------------------------------------------------------------

    def connect(self) -> None:
        """Open the session. Raises whatever PyVISA and its backend raise."""
        options = self._options
        with _managing:
            manager = _manager(options.backend)
        resource = manager.open_resource(
            options.resource, open_timeout=options.connect_ns // MILLISECOND
        )
        if not isinstance(resource, MessageBasedResource):
            resource.close()
            raise TypeError("no instrument that takes messages")
        self._resource = resource
        resource.timeout = _MESSAGE_SLICE / MILLISECOND
        self.below = below(resource.visalib, resource.session)
        if isinstance(resource, SerialInstrument):
            _set_up(resource, options)
        elif self.below is None and isinstance(resource, pyvisa.resources.TCPIPSocket):
            # a read ends with a line, or when no more comes; what is read is not changed
            resource.timeout = _SLICE / MILLISECOND
            resource.set_visa_attribute(ResourceAttribute.suppress_end_enabled, False)  # noqa: FBT003 - VISA's
            resource.set_visa_attribute(ResourceAttribute.termchar, _LINE_FEED)
            resource.set_visa_attribute(ResourceAttribute.termchar_enabled, True)  # noqa: FBT003 - VISA's
        if self.below is not None:
            if self.below.announces:
                # nothing is read before it is there: only a peer that takes nothing is waited for
                resource.timeout = SEND_WITHIN / MILLISECOND
            elif self.below.carries_stream:
                resource.timeout = float("inf")  # a write that blocks is freed
            self.below.begin()

    def write(self, data: bytes) -> None:
        """Write all of ``data``. Raises VisaIOError, OSError."""
        assert self._resource is not None  # noqa: S101 - it was opened
        self._resource.write_raw(data)

    def read(self) -> bytes:
        """Return what comes within a slice, or nothing. Raises VisaIOError, OSError."""
        resource = self._resource
        assert resource is not None  # noqa: S101 - it was opened
        if self.below is not None and self.below.announces:
            return self._read_whole(resource) if self.below.skip() else b""
        count = _CHUNK
        if isinstance(resource, SerialInstrument):
            count = max(1, resource.bytes_in_buffer)  # one alone can be waited for without a loss
        try:
            return self._read_part(resource, count)[0]
        except VisaIOError as error:
            if error.error_code == StatusCode.error_timeout:
                return b""
            raise

    def _read_whole(self, resource: MessageBasedResource) -> bytes:
        """Return a message that has begun to come. Raises VisaIOError, OSError."""
        message = b""
        while True:
            part, status = self._read_part(resource, _CHUNK)
            message += part
            if status != StatusCode.success_max_count_read:
                return message

    def _read_part(self, resource: MessageBasedResource, count: int) -> tuple[bytes, StatusCode]:
        """Read at most ``count`` bytes; as many as asked for is what is wanted, and no warning."""
        with resource.ignore_warning(StatusCode.success_max_count_read):
            data, status = resource.visalib.read(resource.session, count)
        return bytes(data), status

    def close(self) -> None:
        """Close what was opened; one that has not sent everything forgets it."""
        resource, self._resource = self._resource, None
        if resource is None:
            return
        with suppress(VisaIOError, OSError):  # it has gone by itself, and nothing is left to close
            if self.unsent() and self.below is not None:
                self.below.discard()
            resource.close()

    # --- from the loop ---------------------------------------------------------------------------

    def at_hand(self) -> bytes:
        """Return what waits in a stream, where it is one. Raises OSError when the peer has gone."""
        stream = self.below is not None and self.below.carries_stream
        return self.below.take() if self.below is not None and stream else b""

    def takes(self, data: bytes) -> bool:
        """Say whether a write of ``data`` cannot block."""
        return self.below is not None and self.below.takes(data)

    def listen(self, heard: Callable[[], None]) -> None:
        """Call ``heard`` whenever something waits there; harmless when it is done already."""
        if self.below is not None and self._heard < 0 and self.below.fileno() >= 0:
            self._heard = self.below.fileno()
            asyncio.get_running_loop().add_reader(self._heard, heard)

    def stop_listening(self) -> None:
        """Call nobody any more; before the thread may close it. Harmless when it is so."""
        heard, self._heard = self._heard, -1
        if heard >= 0:
            asyncio.get_running_loop().remove_reader(heard)

    def unsent(self) -> int:
        """Return how many bytes have not left this host, as far as that can be known."""
        return 0 if self.below is None else self.below.unsent()

    def free(self) -> None:
        """Get the thread out of a call that blocks, where there is a way."""
        self.stop_listening()
        if self.below is not None:
            with suppress(OSError):  # the peer has gone, or the thread has closed it: it is free
                self.below.free()


def _set_up(resource: SerialInstrument, options: VisaOptions) -> None:
    """Set a port's line, and let no byte be added, kept back or taken for an end.

    VISA would end a read at a line feed; a byte with bit 7 set can be data of a chamber.
    """
    resource.timeout = _SLICE / MILLISECOND
    resource.baud_rate = options.baud
    resource.data_bits = options.data_bits
    resource.parity = VisaParity[options.parity]
    resource.stop_bits = _STOP_BITS[options.stop_bits]
    resource.end_input = SerialTermination.none
    resource.set_visa_attribute(ResourceAttribute.asrl_end_out, SerialTermination.none)


class VisaLink:
    """``hil.ports.ByteLink`` over a VISA session; ``visa_link`` builds one."""

    def __init__(self, name: str, clock: Clock, options: VisaOptions, tap: Tap | None) -> None:
        """Keep what ``open`` needs."""
        self._options = options
        self._tap = tap
        self._mailbox: Mailbox[bytes] = Mailbox(name, RECEIVE_BYTES)
        self._holder: Holder[_Session] = Holder(
            name, clock, options.resource, self._mailbox, options.byte_ns
        )
        self._waits = False  # the host waits for bytes
        self._reads = False  # the thread has a read to do

    async def open(self) -> None:
        """Connect, or begin a new session. Raises LinkLost, also while an earlier one hangs."""
        self._stop_listening()
        session = _Session(self._options)
        await self._holder.open(session, self._options.connect_ns + SECOND)
        self._mailbox.open()
        self._reads = False
        self._listen(session)
        self._read_on()

    async def send(self, data: bytes) -> None:
        """Return when VISA has written ``data``. Raises LinkLost; DeviceError if it never began."""
        self._mailbox.check_out()  # one that floods can still be told "off"
        self._check_end()
        if self._tap is not None:
            self._tap(b">" + data)
        session = self._holder.session
        at_once = session is not None and session.takes(data)
        if not (at_once and self._holder.do_at_once(lambda session: session.write(data))):
            await self._holder.do(lambda session: session.write(data), len(data))
            self._listen(session)  # an acknowledgement may have ended it

    async def receive(self) -> bytes:
        """Wait for at least one byte and return all that have arrived. Raises LinkLost."""
        if self._waits:  # the mailbox says that two tasks receive
            return handed_over(await self._mailbox.wait(), self._tap)
        self._waits = True
        self._read_on()
        try:
            return handed_over(await self._mailbox.wait(), self._tap)
        finally:
            self._waits = False

    def pending(self) -> bytes:
        """Take what was read and not taken, and what waits in a socket. Raises LinkLost.

        An answer too many must not wait there for the next question. Where an answer comes only
        to who reads, instruments see to that: IEEE 488.2 drops one that the next question
        interrupts.
        """
        chunks = self._mailbox.take()
        session = self._holder.session
        if session is not None and not self._reads:
            try:
                chunks = [*chunks, session.at_hand()]
            except OSError as error:
                raise self._holder.lost(reason_of(error)) from error
        return handed_over(chunks, self._tap)

    def check(self) -> None:
        """Raise LinkLost if the link is gone or was not opened; most show their end at once."""
        self._mailbox.check()
        self._check_end()

    def _check_end(self) -> None:
        """Raise LinkLost if the peer of a socket, or a port, has gone."""
        session = self._holder.session
        if session is not None and session.below is not None:
            try:
                session.below.waiting()
            except OSError as error:
                raise self._holder.lost(reason_of(error)) from error

    async def close(self) -> None:
        """Let go when what was sent has left, or cannot be got rid of."""
        self._mailbox.shut("the link is closed")
        self._stop_listening()
        await self._holder.leave()

    def _stop_listening(self) -> None:
        """Leave what is below to the thread, which may close it."""
        if self._holder.session is not None:
            self._holder.session.stop_listening()

    # --- reading ---------------------------------------------------------------------------------

    def _listen(self, session: _Session | None) -> None:
        """Hear what comes, or that nothing will, for as long as it is this session."""
        if session is not None and session is self._holder.session and self._mailbox.is_open:
            session.listen(lambda: self._hear(session))

    def _read_on(self) -> None:
        """Have the thread read for as long as the host waits; one slice at a time."""
        session = self._holder.session
        below = None if session is None else session.below
        if below is not None and (below.carries_stream or below.announces):
            return  # the loop hears what comes
        if self._waits:
            self._read(session)

    def _read(self, session: _Session | None) -> None:
        """Have the thread read once, unless it does."""
        if session is not None and not self._reads and self._mailbox.is_open:
            self._reads = True
            reading = self._holder.post(session.read)
            reading.add_done_callback(lambda done: self._has_read(session, done))

    def _hear(self, session: _Session) -> None:
        """Take what has come, in the loop or by the thread, or note that it has ended."""
        below = session.below
        assert below is not None  # noqa: S101 - it was heard
        try:
            waiting = below.waiting()
            data = session.at_hand()
        except OSError as error:
            session.stop_listening()
            self._holder.lost(reason_of(error))
            return
        if data:
            self._mailbox.put(data, len(data))
        elif waiting:
            session.stop_listening()  # until the thread has taken it
            if below.announces:
                self._read(session)
        if not self._mailbox.is_open:
            session.stop_listening()

    def _has_read(self, session: _Session, done: "asyncio.Future[bytes]") -> None:
        """Take what the thread has read, whether or not the host still waits for it."""
        error = done.exception()
        if session is not self._holder.session:
            return  # an earlier session: nobody wants to know
        self._reads = False
        if error is None:
            data = done.result()
            if data:
                self._mailbox.put(data, len(data))
        elif not isinstance(error, Dropped) and self._mailbox.is_open:
            self._holder.lost(reason_of(error))
        self._listen(session)
        # when the host has had its turn: a read that nobody waits for would hold up the next write
        asyncio.get_running_loop().call_soon(self._read_on)


def visa_link(
    name: str,
    clock: Clock,
    options: Mapping[str, Any],
    *,
    twin: object = None,  # noqa: ARG001 - the signature of all links
    tap: Tap | None = None,
) -> VisaLink:
    """Return the link of device ``name`` through VISA; ``options`` as in VisaOptions.

    ``tap`` sees ``b">"`` + bytes as the host sends them and ``b"<"`` + bytes as it takes them.
    Raises ValueError for an option's value, TypeError for an option it does not have.
    """
    return VisaLink(name, clock, VisaOptions(**options), tap)


def visa_endpoint(
    name: str, clock: Clock, options: Mapping[str, Any], *, twin: ByteTwin
) -> Endpoint:
    """Put a twin on the raw socket or the pty, or behind HiSLIP or VXI-11, as a resource says.

    Raises ValueError for another resource, or for messages to a twin without a status byte.
    """
    resource = VisaOptions(**options).resource
    if port := VisaOptions(**options).port:
        return byte_endpoint(name, clock, twin, PtyOpening(port))
    if match := _HISLIP.fullmatch(resource):
        opening = TcpOpening(match[1], int(match[2] or _HISLIP_PORT), "hislip")
        return Card(name, clock, [(opening, HislipGuest(twin, clock))])
    if match := _VXI11.fullmatch(resource):
        return vxi11_endpoint(name, clock, twin, match[1], int(match[2]) if match[2] else None)
    match = _SOCKET.fullmatch(resource)
    if match is None:
        ways = (
            "TCPIP::HOST::PORT::SOCKET, TCPIP::HOST::hislip0,PORT::INSTR, "
            "TCPIP::HOST,PORT::inst0::INSTR and ASRLPORT::INSTR"
        )
        raise ValueError(f"resource: '{resource}' cannot be served, only {ways}")
    return byte_endpoint(name, clock, twin, TcpOpening(match[1], int(match[2])))


def resources() -> list[str]:
    """Return the resources that pyvisa-py finds: instruments that announce themselves.

    Serial ports are left to the link for them. Warnings are of libraries that would find more.
    """
    with _managing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _manager(VisaOptions.backend).list_resources("?*::(INSTR|SOCKET|RAW)")
    return [f"{{resource: '{one}'}}" for one in found if not one.startswith("ASRL")]


def visa_place(options: Mapping[str, Any]) -> str:
    """Return the name of a resource; a socket's or a port's is the same as without VISA."""
    chosen = VisaOptions(**options)
    resource = chosen.resource
    if chosen.port is not None:
        return serial_place(chosen.port)
    if match := _HISLIP.fullmatch(resource):
        return tcp_place(match[1], match[2] or str(_HISLIP_PORT))
    if match := _VXI11.fullmatch(resource):
        return tcp_place(match[1], match[2] or f"{PORTMAPPER_PORT} inst0")
    match = _SOCKET.fullmatch(resource)
    return tcp_place(match[1], match[2]) if match else f"visa {resource.upper()}"


VISA = LinkKind(
    VisaOptions,
    needs_twin=False,
    carries="bytes",
    make=visa_link,
    endpoint=visa_endpoint,
    discover=resources,
    where=visa_place,
)
"""The entry point ``visa`` of ``hil.links``."""
