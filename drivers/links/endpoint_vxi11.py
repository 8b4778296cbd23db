"""A SCPI twin as a VXI-11 device: core channel, abort channel and, on port 111, a portmapper.

Several links may be there at once and share the one instrument, as on a gateway: what one of them
locks waits or is refused to the others. What it does not do: the interrupt channel (service
requests of its own accord) and ``device_docmd``; both are answered as not supported.
"""

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

from drivers.links.endpoint import Caller, Card, Guest
from drivers.links.endpoint_doors import Opening, TcpOpening, UdpOpening
from drivers.links.endpoint_hislip import Messaged
from drivers.wire.onc_rpc import (
    PORTMAPPER_PORT,
    Accepted,
    Call,
    GarbledError,
    OtherRpcError,
    RecordReader,
    Service,
    accepted,
    answer_where,
    other_rpc,
    other_version,
    packed,
    parse_call,
    record,
)
from drivers.wire.vxi11 import (
    ABORT,
    CORE,
    DEVICE,
    DEVICE_ABORT,
    LARGEST,
    LONGEST_CALL,
    Ask,
    Error,
    Flags,
    Procedure,
    Reason,
    packed_link,
    packed_read,
    parse_create_link,
    parse_generic,
    parse_link,
    parse_lock,
    parse_read,
    parse_service_request,
    parse_write,
)
from hil.core.instants import MILLISECOND, Instant
from hil.ports import ByteTwin, Clock, Endpoint, Timer

_MOST_LINKS = 16
_MOST_WAITING = 64
"""Calls that a client may send before it has the answer to its first."""

_NULL = 0
_ONLY_ERROR = packed


class Waiting:
    """A call that cannot be answered yet: it waits for a lock first, then for the instrument."""

    def __init__(
        self,
        channel: "Channel",
        xid: int,
        ask: Ask,
        act: Callable[[], bytes | None],
        failed: Callable[[Error], bytes],
    ) -> None:
        """``act`` returns results, or None while there are none; ``failed`` those of an error."""
        self.channel, self.xid, self.ask = channel, xid, ask
        self.act, self.failed = act, failed
        self.needs_lock = True
        self.timer: Timer | None = None


class Channel:
    """One connection of a client; its calls are answered one after the other."""

    def __init__(self, caller: Caller) -> None:
        """Begin before its first call."""
        self._caller = caller
        self._reader = RecordReader(LONGEST_CALL)
        self.links: set[int] = set()
        self.calls: deque[Call] = deque()
        self.waiting: Waiting | None = None
        self.is_over = False

    def feed(self, data: bytes) -> None:
        """Take what arrives; what is no call ends the connection, as there is nobody to tell."""
        try:
            for message in self._reader.feed(data):
                try:
                    self.calls.append(parse_call(message))
                except OtherRpcError as error:
                    self.say(other_rpc(error.xid))
        except GarbledError:
            self.end()
        if len(self.calls) > _MOST_WAITING:
            self.end()

    def say(self, reply: bytes) -> None:
        """Send a reply."""
        if not self.is_over:
            self._caller.send(record(reply))

    def end(self) -> None:
        """Let go of the client."""
        self.is_over = True
        self.calls.clear()
        self._caller.close()


class RpcGuest:
    """A program that answers each call at once, or garbles none."""

    def __init__(self, service: Service) -> None:
        """``service`` is its number and version."""
        self._service = service
        self._channels: dict[int, Channel] = {}

    def opened(self, caller: Caller) -> None:
        """Wait for the client's first call."""
        self._channels[caller.session] = Channel(caller)

    def arrived(self, session: int, data: bytes) -> None:
        """Take what a connection says."""
        channel = self._channels.get(session)
        if channel is None:
            return
        channel.feed(data)
        self._work(channel)
        if channel.is_over:
            self.ended(session)

    def ended(self, session: int) -> None:
        """Forget a connection."""
        channel = self._channels.pop(session, None)
        if channel is not None:
            channel.is_over = True
            self._left(channel)

    def _work(self, channel: Channel) -> None:
        """Answer what a client has called, up to a call that has to wait."""
        while channel.calls and channel.waiting is None:
            call = channel.calls.popleft()
            reply = self._answer(channel, call)
            if reply is not None:
                channel.say(reply)

    def _answer(self, channel: Channel, call: Call) -> bytes | None:
        """Return the reply to a call, None for one that has to wait."""
        if call.program != self._service.program:
            return accepted(call.xid, Accepted.NO_PROGRAM)
        if call.version != self._service.version:
            return other_version(call.xid, self._service.version)
        if call.procedure == _NULL:
            return accepted(call.xid, Accepted.SUCCESS)
        try:
            return self._take(channel, call)
        except GarbledError:
            return accepted(call.xid, Accepted.GARBLED)

    def _take(self, channel: Channel, call: Call) -> bytes | None:
        """Do what a procedure is for. Raises GarbledError."""
        raise NotImplementedError

    def _left(self, channel: Channel) -> None:
        """A client has gone."""


class CoreGuest(RpcGuest):
    """The core channel: links to a twin."""

    def __init__(self, twin: ByteTwin, clock: Clock, abort_port: Callable[[], int]) -> None:
        """``abort_port`` is asked when a client comes.

        Raises ValueError for a twin that has no status byte.
        """
        super().__init__(CORE)
        if not isinstance(twin, Messaged):
            raise ValueError("resource: this instrument speaks no VXI-11, only SCPI twins do")  # noqa: TRY004 - a bench file's value
        self._twin, self._bytes, self._clock = twin, twin, clock
        self._abort_port = abort_port
        self._last_link = 0
        self._holder: int | None = None
        self._waiting: list[Waiting] = []
        self._answers: deque[bytes] = deque()
        self._under_way = 0
        self._epoch = 0
        self._in_message = False
        twin.attach(self._says)
        plain = {Procedure.REMOTE: _nothing, Procedure.LOCAL: _nothing}  # a twin has no front panel
        acts = {Procedure.TRIGGER: self._trigger, Procedure.CLEAR: self._clear, **plain}
        self._does: Mapping[int, Callable[[Channel, Call], bytes | None]] = {
            Procedure.CREATE_LINK: self._create_link,
            Procedure.WRITE: self._write,
            Procedure.READ: self._read,
            Procedure.READ_STATUS: self._read_status,
            Procedure.LOCK: self._lock,
            Procedure.UNLOCK: self._unlock,
            Procedure.ENABLE_SERVICE_REQUEST: self._refuse_service_request,
            Procedure.DO_COMMAND: _refuse_command,
            Procedure.DESTROY_LINK: self._destroy_link,
            Procedure.CREATE_INTERRUPT_CHANNEL: partial(_fails, Error.NOT_SUPPORTED),
            Procedure.DESTROY_INTERRUPT_CHANNEL: partial(_fails, Error.NO_CHANNEL),
            **{procedure: partial(self._plain, act) for procedure, act in acts.items()},
        }

    def _take(self, channel: Channel, call: Call) -> bytes | None:
        does = self._does.get(call.procedure)
        if does is None:
            return accepted(call.xid, Accepted.NO_PROCEDURE)
        results = does(channel, call)
        return None if results is None else accepted(call.xid, Accepted.SUCCESS, results)

    def _left(self, channel: Channel) -> None:
        """Destroy the links of a client that has gone, and forget what it waited for."""
        if channel.waiting is not None:
            self._settle(channel.waiting)
        for link in sorted(channel.links):
            self._drop_link(channel, link)
        if not any(one.links for one in self._channels.values()):
            self._start_anew()

    def _start_anew(self) -> None:
        """Forget half a message and every answer: nobody is left who asked for one."""
        self._drop_answers()
        self._in_message = False
        self._twin.hang_up()

    # --- links and locks -------------------------------------------------------------------------

    def _create_link(self, channel: Channel, call: Call) -> bytes | None:
        """Give a client a link, with the lock if it asks for that."""
        wanted = parse_create_link(call.arguments)
        refuse = partial(packed_link, link=0, abort_port=0)
        if wanted.device.lower() not in ("", DEVICE):
            return refuse(Error.NOT_ACCESSIBLE)
        if sum(len(one.links) for one in self._channels.values()) >= _MOST_LINKS:
            return refuse(Error.OUT_OF_RESOURCES)
        self._last_link = self._last_link % 0x7FFF_FFFF + 1
        link = self._last_link

        def create() -> bytes:
            channel.links.add(link)
            if wanted.lock:
                self._holder = link
            return packed_link(Error.NONE, link, self._abort_port())

        if not wanted.lock:
            return create()
        ask = Ask(link, Flags.WAIT_FOR_LOCK, wanted.lock_ms, 0)
        return self._begin(Waiting(channel, call.xid, ask, create, refuse))

    def _destroy_link(self, channel: Channel, call: Call) -> bytes:
        """End a link."""
        link = parse_link(call.arguments)
        if link not in channel.links:
            return packed(Error.INVALID_LINK)
        self._drop_link(channel, link)
        return packed(Error.NONE)

    def _drop_link(self, channel: Channel, link: int) -> None:
        """Forget a link, and its lock with it."""
        channel.links.discard(link)
        if self._holder == link:
            self._holder = None
            self._go_on()

    def _lock(self, channel: Channel, call: Call) -> bytes | None:
        """Give a link the lock; one that has it is refused, as the standard has it."""
        ask = parse_lock(call.arguments)
        if ask.link in channel.links and self._holder == ask.link:
            return packed(Error.LOCKED_BY_OTHER)

        def take() -> bytes:
            self._holder = ask.link
            return packed(Error.NONE)

        return self._on_link(channel, call, ask, take, _ONLY_ERROR)

    def _unlock(self, channel: Channel, call: Call) -> bytes:
        """Take the lock back."""
        link = parse_link(call.arguments)
        if link not in channel.links:
            return packed(Error.INVALID_LINK)
        if self._holder != link:
            return packed(Error.NO_LOCK_HELD)
        self._holder = None
        self._go_on()
        return packed(Error.NONE)

    def _refuse_service_request(self, channel: Channel, call: Call) -> bytes:
        """Say that service requests are not supported."""
        link = parse_service_request(call.arguments)
        return packed(Error.NOT_SUPPORTED if link in channel.links else Error.INVALID_LINK)

    # --- the instrument --------------------------------------------------------------------------

    def _write(self, channel: Channel, call: Call) -> bytes | None:
        """Let the instrument hear a piece of a message."""
        ask, data = parse_write(call.arguments)
        if len(data) > LARGEST:
            return packed(Error.PARAMETER, 0)

        def write() -> bytes:
            if not self._in_message and (self._answers or self._under_way):
                # nobody has read an answer: it is dropped (IEEE 488.2, 6.3.2.3)
                self._drop_answers()
                self._twin.interrupted()
            # END ends a message as a line feed does; a line that is empty does nothing
            end = b"\n" if ask.flags & Flags.END else b""
            self._in_message = not (end or data.endswith(b"\n"))
            self._bytes.receive(data + end)
            return packed(Error.NONE, len(data))

        return self._on_link(channel, call, ask, write, lambda error: packed(error, 0))

    def _read(self, channel: Channel, call: Call) -> bytes | None:
        """Answer with what the instrument says, or wait for it."""
        ask, size, terminator = parse_read(call.arguments)

        def read() -> bytes | None:
            if not self._answers:
                return None
            whole = self._answers.popleft()
            part, reason = whole[: min(size, LARGEST)], Reason(0)
            if terminator is not None and terminator in part:
                part = part[: part.index(terminator) + 1]
                reason |= Reason.TERMINATOR
            if len(part) == size:
                reason |= Reason.COUNT
            if len(part) < len(whole):
                self._answers.appendleft(whole[len(part) :])
            else:
                reason |= Reason.END
            return packed_read(Error.NONE, reason, part)

        return self._on_link(channel, call, ask, read, packed_read)

    def _read_status(self, channel: Channel, call: Call) -> bytes | None:
        """Answer a serial poll."""

        def status() -> bytes:
            waits = bool(self._answers or self._under_way)
            return packed(Error.NONE, self._twin.status_byte(message_available=waits))

        ask = parse_generic(call.arguments)
        return self._on_link(channel, call, ask, status, lambda error: packed(error, 0))

    def _plain(self, act: Callable[[], None], channel: Channel, call: Call) -> bytes | None:
        """Do what needs nothing and returns nothing."""

        def plain() -> bytes:
            act()
            return packed(Error.NONE)

        return self._on_link(channel, call, parse_generic(call.arguments), plain, _ONLY_ERROR)

    def _trigger(self) -> None:
        """Let the instrument hear a trigger."""
        self._bytes.receive(b"*TRG\n")

    def _clear(self) -> None:
        """Clear the device: nothing that is under way in either direction counts any more."""
        self._start_anew()

    def _drop_answers(self) -> None:
        """Let no answer leave that was asked for before."""
        self._epoch += 1
        self._under_way = 0
        self._answers.clear()

    def _says(self, data: bytes, at: Instant) -> None:
        """Keep an answer, when it leaves the instrument, for who reads it."""
        if data:
            self._under_way += 1
            self._clock.call_at(at, self._keep, self._epoch, data)

    def _keep(self, epoch: int, data: bytes) -> None:
        """Keep an answer, unless it was dropped meanwhile."""
        if epoch == self._epoch:
            self._under_way -= 1
            self._answers.append(data)
            self._go_on()

    # --- calls that wait -------------------------------------------------------------------------

    def _on_link(
        self,
        channel: Channel,
        call: Call,
        ask: Ask,
        act: Callable[[], bytes | None],
        failed: Callable[[Error], bytes],
    ) -> bytes | None:
        """Do something on a link, when no other has the lock."""
        if ask.link not in channel.links:
            return failed(Error.INVALID_LINK)
        return self._begin(Waiting(channel, call.xid, ask, act, failed))

    def _begin(self, waiting: Waiting) -> bytes | None:
        """Return the results of a call, or None and have it wait."""
        ask = waiting.ask
        if self._holder not in (None, ask.link):
            if not ask.flags & Flags.WAIT_FOR_LOCK or not ask.lock_ms:
                return waiting.failed(Error.LOCKED_BY_OTHER)
            self._wait(waiting, ask.lock_ms, Error.LOCKED_BY_OTHER)
            return None
        waiting.needs_lock = False
        results = waiting.act()
        if results is None:
            if not ask.io_ms:
                return waiting.failed(Error.TIME_OUT)
            self._wait(waiting, ask.io_ms, Error.TIME_OUT)
        return results

    def _wait(self, waiting: Waiting, within_ms: int, error: Error) -> None:
        """Let a call wait, and fail when its time is over."""
        waiting.channel.waiting = waiting
        self._waiting.append(waiting)
        gone = self._clock.now() + within_ms * MILLISECOND
        waiting.timer = self._clock.call_at(gone, self._fail, waiting, error)

    def _fail(self, waiting: Waiting, error: Error) -> None:
        """End a call that has waited, unless it has been answered."""
        if waiting.channel.waiting is waiting:
            self._reply(waiting, waiting.failed(error))

    def _go_on(self) -> None:
        """Look again at what waits, in the order in which it came."""
        for waiting in list(self._waiting):
            if waiting not in self._waiting:
                continue  # answered by what was done for one before it
            was_locked_out = waiting.needs_lock
            if was_locked_out and self._holder not in (None, waiting.ask.link):
                continue
            results: bytes | None
            if was_locked_out:
                self._settle(waiting)
                results = self._begin(waiting)
            else:
                results = waiting.act()
            if results is not None:
                self._reply(waiting, results)

    def _settle(self, waiting: Waiting) -> None:
        """Let a call wait no more."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        waiting.channel.waiting = None
        if waiting.timer is not None:
            waiting.timer.cancel()

    def _reply(self, waiting: Waiting, results: bytes) -> None:
        """Answer a call that has waited, and then those behind it."""
        self._settle(waiting)
        waiting.channel.say(accepted(waiting.xid, Accepted.SUCCESS, results))
        self._work(waiting.channel)

    def abort(self, link: int) -> Error:
        """End what is under way on a link, as the abort channel asks."""
        if not any(link in channel.links for channel in self._channels.values()):
            return Error.INVALID_LINK
        for waiting in [one for one in self._waiting if one.ask.link == link]:
            self._fail(waiting, Error.ABORTED)
        return Error.NONE


class AbortGuest(RpcGuest):
    """The abort channel, which ends a call on the core channel that is under way."""

    def __init__(self, core: CoreGuest) -> None:
        """``core`` has the links."""
        super().__init__(ABORT)
        self._core = core

    def _take(self, _channel: Channel, call: Call) -> bytes:
        if call.procedure != DEVICE_ABORT:
            return accepted(call.xid, Accepted.NO_PROCEDURE)
        error = self._core.abort(parse_link(call.arguments))
        return accepted(call.xid, Accepted.SUCCESS, packed(error))


class PortmapGuest(RpcGuest):
    """A portmapper that knows the device behind it, over TCP."""

    def __init__(self, ports: Callable[[], Mapping[Service, int]]) -> None:
        """``ports`` is asked at each call: a device listens anew when it is switched on."""
        super().__init__(CORE)  # not looked at: the codec answers for the program as well
        self._ports = ports

    def _answer(self, _channel: Channel, call: Call) -> bytes:
        return answered(call, self._ports())


class DatagramPortmapGuest:
    """The same over UDP, where each datagram is a call."""

    def __init__(self, ports: Callable[[], Mapping[Service, int]]) -> None:
        """``ports`` as for PortmapGuest."""
        self._ports = ports
        self._callers: dict[int, Caller] = {}

    def opened(self, caller: Caller) -> None:
        """A datagram has come; the door forgets old ones by itself."""
        self._callers = {caller.session: caller}

    def arrived(self, session: int, data: bytes) -> None:
        """Answer a datagram; one that is no call gets no answer."""
        caller = self._callers.pop(session, None)
        if caller is None:
            return
        try:
            caller.send(answered(parse_call(data), self._ports()))
        except OtherRpcError as error:
            caller.send(other_rpc(error.xid))
        except GarbledError:
            caller.close()

    def ended(self, session: int) -> None:
        """Forget a datagram."""
        self._callers.pop(session, None)


def vxi11_endpoint(
    name: str, clock: Clock, twin: ByteTwin, host: str, port: int | None
) -> Endpoint:
    """Return a twin behind VXI-11; without a port, clients ask a portmapper at ``host`` for it.

    That one listens on port 111, which may need a privilege; a port in the resource needs none.
    Raises ValueError for a twin without a status byte.
    """
    core_way, abort_way = TcpOpening(host, port or 0, "vxi11"), TcpOpening(host, 0, "vxi11-abort")
    core = CoreGuest(twin, clock, lambda: abort_way.port)
    ways: list[tuple[Opening, Guest]] = [(core_way, core), (abort_way, AbortGuest(core))]
    if port is None:

        def ports() -> dict[Service, int]:
            return {CORE: core_way.port, ABORT: abort_way.port}

        ways += [
            (TcpOpening(host, PORTMAPPER_PORT, "portmapper"), PortmapGuest(ports)),
            (UdpOpening(host, PORTMAPPER_PORT, "portmapper-udp"), DatagramPortmapGuest(ports)),
        ]
    return Card(name, clock, ways)


def answered(call: Call, ports: Mapping[Service, int]) -> bytes:
    """Return a portmapper's reply, also to arguments that are none."""
    try:
        return answer_where(call, ports)
    except GarbledError:
        return accepted(call.xid, Accepted.GARBLED)


def _nothing() -> None:
    """Do nothing."""


def _fails(error: Error, _channel: Channel, _call: Call) -> bytes:
    """Return an error, whatever was asked."""
    return packed(error)


def _refuse_command(_channel: Channel, _call: Call) -> bytes:
    """Say that device_docmd, whose commands are a gateway's own, is not supported."""
    return packed(Error.NOT_SUPPORTED, 0)
