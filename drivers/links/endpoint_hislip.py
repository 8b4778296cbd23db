"""A SCPI twin as a HiSLIP device (IVI-6.1): two connections a client, one client at a time.

Synchronized mode. What it does not do: TLS, and service requests on its own initiative; bit 6 of
the status byte is the master summary.
"""

import struct
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from drivers.links.endpoint import Caller
from drivers.wire.hislip import (
    LARGEST,
    VERSION,
    Fatal,
    Fault,
    Kind,
    Message,
    PoorlyFormedError,
    Reader,
    data_messages,
)
from hil.core.instants import Instant
from hil.ports import ByteTwin, Clock

_SIZE = struct.Struct("!Q")
_VENDOR = int.from_bytes(b"VI")
_NAME = b"hislip0"
_DELIVERED = 1  # bit of a control code: the client has taken the whole last answer
_GRANTED, _REFUSED = 1, 3
_UNASKED = 0xFFFF_FFFF  # the message ID of what answers no message (IVI-6.1, 3.1.2)


@runtime_checkable
class Messaged(Protocol):
    """What an interface with messages asks of an instrument beside bytes (IEEE 488.2)."""

    def status_byte(self, *, message_available: bool) -> int:
        """Return the status byte, as a serial poll has it."""

    def hang_up(self) -> None:
        """Forget the half of a message, and who waits."""

    def interrupted(self) -> None:
        """Note that a new message came before an answer was read (-410)."""


class _Channel:
    """One connection, of which it is not known yet which half of a session it is."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.reader = Reader()

    def say(self, kind: Kind, control: int = 0, parameter: int = 0, payload: bytes = b"") -> None:
        self.caller.send(Message(kind, control, parameter, payload).packed())


class HislipGuest:
    """A twin whose clients speak HiSLIP."""

    def __init__(self, twin: ByteTwin, clock: Clock) -> None:
        """Give the twin its way out. Raises ValueError for one that has no status byte."""
        if not isinstance(twin, Messaged):
            raise ValueError("resource: this instrument speaks no HiSLIP, only SCPI twins do")  # noqa: TRY004 - a bench file's value
        self._twin, self._bytes, self._clock = twin, twin, clock
        self._channels: dict[int, _Channel] = {}
        self._session = 0
        self._sync: _Channel | None = None
        self._async: _Channel | None = None
        self._begin()
        twin.attach(self._says)
        self._does: dict[int, Callable[[_Channel, Message], None]] = {
            Kind.ASYNC_MAX_MSG_SIZE: self._agree_on_size,
            Kind.ASYNC_LOCK: self._lock,
            Kind.ASYNC_LOCK_INFO: self._tell_lock,
            Kind.ASYNC_REMOTE_LOCAL_CONTROL: self._go_remote,
            Kind.ASYNC_STATUS_QUERY: self._tell_status,
            Kind.ASYNC_DEVICE_CLEAR: self._clear,
        }

    def _begin(self) -> None:
        """Stand as before the first message of a client."""
        self._largest = LARGEST
        self._message_id = _UNASKED
        self._under_way = 0  # answers that have not left the instrument
        self._unread = False  # one has left, and the client has not said that it has it
        self._epoch = 0
        self._is_locked = self._is_clearing = False

    # --- connections -----------------------------------------------------------------------------

    def opened(self, caller: Caller) -> None:
        """Wait for its first message, which says what it is."""
        self._channels[caller.session] = _Channel(caller)

    def ended(self, session: int) -> None:
        """End the session with either of its connections.

        Its last message may still stand in the synchronous one when the other has gone: it is heard
        first, or an "off" just before a client leaves would be lost.
        """
        channel = self._channels.pop(session, None)
        if channel is None:
            return
        if channel is self._async and self._sync is not None:
            self._sync.caller.close()
        elif channel is self._sync:
            self._leave()

    def _leave(self) -> None:
        """Forget the client, and let go of both its connections."""
        for channel in (self._sync, self._async):
            if channel is not None:
                self._channels.pop(channel.caller.session, None)
                channel.caller.close()
        self._sync = self._async = None
        self._drop_answers()
        self._twin.hang_up()

    def arrived(self, session: int, data: bytes) -> None:
        """Take what a connection says."""
        channel = self._channels.get(session)
        if channel is None:
            return
        try:
            messages = channel.reader.feed(data)
        except PoorlyFormedError as error:
            self._refuse(channel, Fatal.POORLY_FORMED, f"message header: {error}")
            return
        for message in messages:
            if self._channels.get(session) is not channel:
                return  # sent away meanwhile
            self._take(channel, message)

    def _refuse(self, channel: _Channel, why: Fatal, text: str) -> None:
        """End a connection, and its session with it, saying why."""
        channel.say(Kind.FATAL_ERROR, why, payload=text.encode())
        self._channels.pop(channel.caller.session, None)
        if channel in (self._sync, self._async):
            self._leave()
        else:
            channel.caller.close()

    def _take(self, channel: _Channel, message: Message) -> None:
        """Do what a message asks for."""
        if message.is_too_large:
            channel.say(Kind.ERROR, Fault.TOO_LARGE, payload=f"at most {LARGEST} bytes".encode())
        elif channel is self._sync and message.kind != Kind.INITIALIZE:
            self._take_sync(channel, message)
        elif channel is self._async and message.kind != Kind.ASYNC_INITIALIZE:
            does = self._does.get(message.kind, _not_known)
            does(channel, message)
        else:
            self._introduce(channel, message)

    def _introduce(self, channel: _Channel, message: Message) -> None:
        """Take a connection as one of the two of a session."""
        if message.kind == Kind.INITIALIZE and channel not in (self._sync, self._async):
            if message.payload.lower() not in (b"", _NAME):
                text = f"found {message.payload!r}, expected {_NAME!r}"
                self._refuse(channel, Fatal.BAD_INITIALIZATION, text)
            elif self._sync is not None:
                self._refuse(channel, Fatal.TOO_MANY_CLIENTS, "another client is served")
            else:
                self._begin()
                self._sync = channel
                self._session = self._session % 0xFFFF + 1
                parameter = VERSION << 16 | self._session
                channel.say(Kind.INITIALIZE_RESPONSE, parameter=parameter)
        elif (
            message.kind == Kind.ASYNC_INITIALIZE
            and channel is not self._sync
            and self._sync is not None
            and self._async is None
            and message.parameter == self._session
        ):
            self._async = channel
            channel.say(Kind.ASYNC_INITIALIZE_RESPONSE, parameter=_VENDOR)
        else:
            self._refuse(channel, Fatal.BAD_INITIALIZATION, "expected Initialize, AsyncInitialize")

    # --- the synchronous channel -----------------------------------------------------------------

    def _take_sync(self, channel: _Channel, message: Message) -> None:
        """Take what is meant for the instrument itself."""
        if self._async is None:
            self._refuse(channel, Fatal.NOT_BOTH_CHANNELS, "no asynchronous channel yet")
        elif message.kind == Kind.DEVICE_CLEAR_COMPLETE:
            self._is_clearing = False
            channel.say(Kind.DEVICE_CLEAR_ACKNOWLEDGE)
        elif message.kind not in (Kind.DATA, Kind.DATA_END, Kind.TRIGGER):
            _not_known(channel, message)
        elif not self._is_clearing:
            self._check_interrupted(channel, self._async, message)
            self._message_id = message.parameter
            if message.kind == Kind.TRIGGER:
                self._bytes.receive(b"*TRG\n")
            else:
                # END ends a message as a line feed does; a line that is empty does nothing
                end = b"\n" if message.kind == Kind.DATA_END else b""
                self._bytes.receive(message.payload + end)

    def _check_interrupted(self, sync: _Channel, other: _Channel, message: Message) -> None:
        """Drop an answer that nobody has read, as IEEE 488.2 (6.3.2.3) has it, and tell both."""
        if message.control & _DELIVERED:
            self._unread = False
        if self._unread or self._under_way:
            self._drop_answers()
            self._twin.interrupted()
            sync.say(Kind.INTERRUPTED, parameter=message.parameter)
            other.say(Kind.ASYNC_INTERRUPTED, parameter=message.parameter)

    def _drop_answers(self) -> None:
        """Let no answer leave that was asked for before."""
        self._epoch += 1
        self._under_way, self._unread = 0, False

    def _says(self, data: bytes, at: Instant) -> None:
        """Send an answer when it leaves the instrument."""
        if self._sync is not None and data:
            self._under_way += 1
            self._clock.call_at(at, self._deliver, self._epoch, self._message_id, data)

    def _deliver(self, epoch: int, message_id: int, data: bytes) -> None:
        """Send an answer, unless it was dropped meanwhile."""
        if epoch != self._epoch or self._sync is None:
            return
        self._under_way -= 1
        self._unread = True
        for message in data_messages(data, message_id, self._largest):
            self._sync.caller.send(message.packed())

    # --- the asynchronous channel ----------------------------------------------------------------

    def _agree_on_size(self, channel: _Channel, message: Message) -> None:
        """Hear the client's limit, and tell ours."""
        if len(message.payload) == _SIZE.size:
            self._largest = max(64, min(LARGEST, _SIZE.unpack(message.payload)[0]))
        channel.say(Kind.ASYNC_MAX_MSG_SIZE_RESPONSE, payload=_SIZE.pack(LARGEST))

    def _lock(self, channel: _Channel, message: Message) -> None:
        """Grant the only client its lock, or take it back; not twice."""
        wanted = bool(message.control)
        result = _GRANTED if wanted != self._is_locked else _REFUSED
        self._is_locked = wanted
        channel.say(Kind.ASYNC_LOCK_RESPONSE, result)

    def _tell_lock(self, channel: _Channel, _message: Message) -> None:
        """Say whether there is an exclusive lock, and how many clients hold one."""
        held = int(self._is_locked)
        channel.say(Kind.ASYNC_LOCK_INFO_RESPONSE, held, held)

    def _go_remote(self, channel: _Channel, _message: Message) -> None:
        """Agree: a twin has no front panel to lock."""
        channel.say(Kind.ASYNC_REMOTE_LOCAL_RESPONSE)

    def _tell_status(self, channel: _Channel, message: Message) -> None:
        """Answer a serial poll."""
        if message.control & _DELIVERED:
            self._unread = False
        waits = self._unread or bool(self._under_way)
        channel.say(Kind.ASYNC_STATUS_RESPONSE, self._twin.status_byte(message_available=waits))

    def _clear(self, channel: _Channel, _message: Message) -> None:
        """Clear the device: nothing that is under way in either direction counts any more."""
        self._is_clearing = True
        self._drop_answers()
        self._twin.hang_up()
        channel.say(Kind.ASYNC_DEVICE_CLEAR_ACKNOWLEDGE)


def _not_known(channel: _Channel, message: Message) -> None:
    """Say that a message has no meaning here."""
    text = f"message type {message.kind}".encode()
    channel.say(Kind.ERROR, Fault.UNKNOWN_TYPE, payload=text)
