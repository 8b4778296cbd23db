"""What is below a session of pyvisa-py: the socket or the port that PyVISA has no name for.

The loop asks it what VISA cannot say: whether the peer has gone, whether an answer waits, how much
has not left this host; and it frees a thread that a call of the library holds for ever. Should
pyvisa-py rename its parts, its sessions are treated as those of other backends (``below`` is None).
"""

import array
import fcntl
import os
import select
import socket
import termios
from contextlib import suppress
from typing import Any, Protocol

import serial

from drivers.links.stream import unsent_by_kernel
from drivers.links.tcp import discard_on_close, tune
from drivers.wire.hislip import HEADER_SIZE, Kind, kind_of, length_of

_CHUNK = 65_536
_SHORT = 4_096
"""So much fits into the send buffer of a socket that has sent everything."""

_LOOK = socket.MSG_PEEK | socket.MSG_DONTWAIT

_SHOWN = 200
"""So much of a device's own words is told."""

_CARRIERS = (Kind.DATA, Kind.DATA_END)


class Below(Protocol):
    """What carries one session."""

    carries_stream: bool
    """The loop takes bytes itself; else they are parts of messages, which VISA takes apart."""
    announces: bool
    """Whatever can be read belongs to an answer, so one that nobody has asked for may be read."""

    def fileno(self) -> int:
        """Return what the loop listens to; -1 when it is closed."""

    def begin(self) -> None:
        """Make ready. Raises OSError, also where the connection was refused."""

    def waiting(self) -> int:
        """Return how many bytes can be read now. Raises OSError when the peer has gone."""

    def take(self) -> bytes:
        """Return what can be read now, where it is a stream. Raises OSError as ``waiting``."""

    def skip(self) -> bool:
        """Take what is no part of an answer, and say whether an answer is next; in the thread.

        Raises OSError.
        """

    def takes(self, data: bytes) -> bool:
        """Say whether a write of ``data`` cannot block, and needs no answer."""

    def unsent(self) -> int:
        """Return how many bytes have not left this host."""

    def discard(self) -> None:
        """Let what has not left this host never leave it. Raises OSError."""

    def free(self) -> None:
        """Get the thread out of a call that blocks. Raises OSError when it is closed."""


def waiting(plug: socket.socket) -> int:
    """Return how many bytes can be read now, 0 for none. Raises OSError when the peer has gone."""
    try:
        if not plug.gettimeout():
            count = len(plug.recv(_CHUNK, _LOOK))
        else:
            # Python waits for the time-out in spite of MSG_DONTWAIT, but not on a socket without
            with socket.socket(plug.family, plug.type, fileno=os.dup(plug.fileno())) as probe:
                count = len(probe.recv(_CHUNK, _LOOK))
    except BlockingIOError:
        return 0
    if not count:
        raise ConnectionResetError("closed by the peer")
    return count


class _Plugs:
    """One socket or several; the first is the one that carries the answers."""

    carries_stream = False
    announces = False

    def __init__(self, *plugs: socket.socket) -> None:
        self._plugs = plugs

    def fileno(self) -> int:
        return self._plugs[0].fileno()

    def begin(self) -> None:
        for plug in self._plugs:
            tune(plug)
        self.waiting()  # tells if it was refused

    def waiting(self) -> int:
        return waiting(self._plugs[0])

    def take(self) -> bytes:
        return b""

    def skip(self) -> bool:
        return True

    def takes(self, data: bytes) -> bool:
        return len(data) <= _SHORT and not self.unsent()

    def unsent(self) -> int:
        return sum(unsent_by_kernel(plug.fileno()) for plug in self._plugs)

    def discard(self) -> None:
        for plug in self._plugs:
            discard_on_close(plug)

    def free(self) -> None:
        self.discard()
        for plug in self._plugs:
            with suppress(OSError):  # the peer has gone: nothing can block there any more
                plug.shutdown(socket.SHUT_RDWR)


class RawSocket(_Plugs):
    """A ``SOCKET`` resource."""

    carries_stream = True

    def take(self) -> bytes:
        """Return what can be read now. Raises OSError when the peer has gone."""
        count = self.waiting()
        return self._plugs[0].recv(count, socket.MSG_DONTWAIT) if count else b""


class HislipSockets(_Plugs):
    """Both connections of a HiSLIP session: the synchronous one has the answers."""

    announces = True

    def __init__(self, instrument: Any, answers: socket.socket, control: socket.socket) -> None:
        """``instrument`` is pyvisa-py's, which has the two sockets."""
        super().__init__(answers, control)
        self._instrument = instrument

    def skip(self) -> bool:
        """Take a message that is no answer, such as Interrupted. Raises OSError.

        pyvisa-py skips it as well, and then waits for an answer that may never be.
        """
        plug = self._plugs[0]
        header = plug.recv(HEADER_SIZE, socket.MSG_PEEK | socket.MSG_WAITALL)
        if len(header) < HEADER_SIZE or kind_of(header) in _CARRIERS:
            # else it takes one answer a message, and leaves that of the second question in it
            self._instrument._msg_type = ""  # noqa: SLF001 - it has no other way
            return True
        text = b""
        missing = HEADER_SIZE + length_of(header)
        while missing:
            piece = plug.recv(min(missing, _CHUNK))
            if not piece:
                raise ConnectionResetError("closed by the peer")
            missing -= len(piece)
            text = (text + piece)[: HEADER_SIZE + _SHOWN]
        if kind_of(header) == Kind.FATAL_ERROR:
            raise ConnectionAbortedError(text[HEADER_SIZE:].decode("ascii", "replace"))
        return False


class Vxi11Socket(_Plugs):
    """The core channel of a VXI-11 session: an answer comes to nobody who does not read."""

    def __init__(self, client: Any) -> None:
        """``client`` is pyvisa-py's, which looks for its socket anew at each call."""
        super().__init__(client.sock)
        self._client = client

    def takes(self, data: bytes) -> bool:  # noqa: ARG002 - each write has an answer
        """Say that a write may block: the device acknowledges it."""
        return False

    def free(self) -> None:
        """End the call that is on, and let the last one, which says goodbye, fail at once.

        Where a socket is at its end pyvisa-py turns round until its time-out; a closed one it
        leaves. It would leave its goodbye too, with an error that it does not expect.
        """
        self._client.sock, other = socket.socketpair()
        other.close()
        super().free()
        self._plugs[0].close()


class SerialPort:
    """The pyserial port of an ``ASRL`` resource."""

    carries_stream = True
    announces = False

    def __init__(self, port: serial.Serial) -> None:
        """``port`` is open."""
        self._port = port
        self._descriptor = port.fileno()
        self._hung_up = select.poll()
        self._hung_up.register(self._descriptor, 0)

    def fileno(self) -> int:
        """Return the descriptor; -1 when the port is closed."""
        return self._descriptor if self._port.is_open else -1

    def begin(self) -> None:
        """Let nobody else have the port. Raises OSError where somebody has it."""
        self._port.exclusive = True

    def waiting(self) -> int:
        """Return how many bytes have come. Raises OSError when the port has gone."""
        if self.fileno() < 0 or self._hung_up.poll(0):
            raise ConnectionResetError("the port has gone")
        count = array.array("i", [0])
        try:
            fcntl.ioctl(self._descriptor, termios.FIONREAD, count)
        except termios.error as error:
            raise OSError(*error.args) from error
        return count[0]

    def take(self) -> bytes:
        """Return what has come. Raises OSError when the port has gone."""
        count = self.waiting()
        # pyserial gives up a read that finds less, and more than this there is not
        return bytes(self._port.read(count)) if count else b""

    def skip(self) -> bool:
        """Say that all is part of an answer."""
        return True

    def takes(self, data: bytes) -> bool:  # noqa: ARG002 - no tty says how much it takes
        """Say that a write may block."""
        return False

    def unsent(self) -> int:
        """Return how many bytes wait for the line."""
        return unsent_by_kernel(self.fileno())

    def discard(self) -> None:
        """Forget what waits for the line. Raises OSError."""
        if self.fileno() >= 0:
            try:
                termios.tcflush(self._descriptor, termios.TCOFLUSH)
            except termios.error as error:
                raise OSError(*error.args) from error

    def free(self) -> None:
        """End a write that is on, and forget what it wrote. Raises OSError."""
        if self.fileno() >= 0:
            self._port.cancel_write()
        self.discard()


def below(visalib: Any, session: Any) -> Below | None:
    """Return what carries a session of pyvisa-py; None for another backend's, and unknown ones."""
    interface = getattr(getattr(visalib, "sessions", {}).get(session), "interface", None)
    if isinstance(interface, socket.socket):
        return RawSocket(interface)
    if isinstance(interface, serial.Serial):
        return SerialPort(interface)
    answers, control = (getattr(interface, name, None) for name in ("_sync", "_async"))
    if isinstance(answers, socket.socket) and isinstance(control, socket.socket):
        return HislipSockets(interface, answers, control)
    if isinstance(getattr(interface, "sock", None), socket.socket):
        return Vxi11Socket(interface)
    return None
