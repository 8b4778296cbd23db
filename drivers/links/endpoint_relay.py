"""The network card of a virtual instrument: a process between its clients and the lab.

Started by ``drivers.links.endpoint`` as ``python -I -S endpoint_relay.py LAB_FD KIND=FD,... NAME
ADDRESS...`` (the last two only so that ``ps`` tells which is which). A *door* is a listening socket
(``tcp``) or the inner side of a pty (``pty``), opened by the lab. To kill this process is to pull
the instrument's plug: its connections break, nobody listens any more, and the lab sees it. It ends
by itself when the lab does.

Standard library only, and only the light part of it: it starts in a few hundredths of a second.

One packet (``SOCK_SEQPACKET``) each way is door, kind, session, then data:

=========  ===========  ============================================================
kind       direction    meaning
=========  ===========  ============================================================
``o``      to the lab   a client has come; its session counts on from the last one
``d``      both         bytes of that session
``e``      to the lab   the client says no more; it may still listen
``c``      to the card  close the connection of that session
=========  ===========  ============================================================

Bytes of a session that is over are dropped here: no client gets what another one was owed.
"""

import contextlib
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import termios
from collections import deque
from collections.abc import Callable
from typing import NoReturn

HEAD = struct.Struct(">BcI")
OPENED, DATA, ENDED, CLOSE = b"o", b"d", b"e", b"c"

CHUNK = 1 << 12
"""What is read at once, so that a client who pours out questions leaves the others their turn."""
MOST_WAITING = 1 << 18
"""What may wait for a client that does not read, in bytes."""

_KERNEL_KEEPS = 1 << 16  # an instrument has no megabytes for answers that nobody reads
_TIOCGPTPEER = 0x5441  # <asm/ioctls.h>; not among Python's constants
_HANGUP = select.EPOLLHUP | select.EPOLLERR

Tell = Callable[[bytes, int, bytes], None]
"""Sends the lab a packet: kind, session, data."""


class TcpDoor:
    """A listening socket that serves one client; whoever comes meanwhile is sent away at once."""

    def __init__(self, descriptor: int, tell: Tell, poll: select.epoll) -> None:
        """Take a socket over that listens already."""
        self._listener = socket.socket(fileno=descriptor)
        self._listener.settimeout(0)
        self._tell, self._poll = tell, poll
        self._client: socket.socket | None = None
        self._heard_out = False  # the client has ended its side, and may wait for answers
        self._waiting = bytearray()
        self._watched = 0
        self._paused = False
        self.session = 0
        poll.register(self._listener, select.EPOLLIN)

    def descriptors(self) -> list[int]:
        """Return what belongs to this door now."""
        client = [self._client.fileno()] if self._client else []
        return [self._listener.fileno(), *client]

    def ready(self, descriptor: int, events: int) -> None:
        """Do what an event asks for."""
        if descriptor == self._listener.fileno():
            self._accept()
        elif self._client is not None:
            if events & (select.EPOLLIN | _HANGUP) and not self._heard_out:
                self._take_in()  # also of one that has gone: what it said last
            elif events & _HANGUP:
                self._drop()
            elif events & select.EPOLLOUT:
                self._flush()

    def send(self, data: bytes) -> None:
        """Give the client bytes; one that lets too many wait is cut off, as by a reset."""
        if self._client is None:
            return
        self._waiting += data
        self._flush()
        if len(self._waiting) > MOST_WAITING:
            self._drop()

    def close(self) -> None:
        """End the connection."""
        self._drop()

    def pause(self, *, active: bool) -> None:
        """Let the client wait, while the lab is behind."""
        self._paused = active
        if self._client is not None:
            self._watch()

    def _accept(self) -> None:
        """Take a client, or send it away while another one is served.

        The one that is served may have gone just before: what it said last comes first.
        """
        try:
            newcomer, _ = self._listener.accept()
        except OSError:  # gone again before its turn
            return
        while self._client is not None and not (self._heard_out or self._paused):
            if not self._take_in():
                break
        if self._client is not None and not self._heard_out:
            newcomer.close()
            return
        self._drop()
        newcomer.settimeout(0)
        newcomer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        newcomer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_KEEPS)
        self._client, self._heard_out = newcomer, False
        self.session += 1
        self._watched = 0
        self._poll.register(newcomer, self._watched)
        self._watch()
        self._tell(OPENED, self.session, b"")

    def _take_in(self) -> bool:
        """Pass on what the client says; say whether there may be more."""
        assert self._client is not None  # noqa: S101 - callers have looked
        try:
            data = self._client.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            self._drop()
            return False
        if data:
            self._tell(DATA, self.session, data)
            return True
        self._heard_out = True
        self._tell(ENDED, self.session, b"")
        self._watch()
        return False

    def _flush(self) -> None:
        """Write what the client takes now, the rest when it has room again."""
        assert self._client is not None  # noqa: S101 - callers have looked
        while self._waiting:
            try:
                sent = self._client.send(self._waiting)
            except BlockingIOError:
                break
            except OSError:
                self._drop()
                return
            del self._waiting[:sent]
        self._watch()

    def _watch(self) -> None:
        """Listen for what there is to do."""
        assert self._client is not None  # noqa: S101 - callers have looked
        wanted = 0 if self._heard_out or self._paused else select.EPOLLIN
        wanted |= select.EPOLLOUT if self._waiting else 0
        if wanted != self._watched:
            self._watched = wanted
            self._poll.modify(self._client, wanted)

    def _drop(self) -> None:
        """Let go of the client; the lab hears of it unless it has already."""
        if self._client is None:
            return
        self._poll.unregister(self._client)
        self._client.close()
        self._client = None
        self._waiting.clear()
        if not self._heard_out:
            self._tell(ENDED, self.session, b"")


class PtyDoor:
    """The inner side of a pty, whose outer side a program opens like a serial port.

    The kernel tells when the last program lets go, but not when one opens: a session begins with
    the first byte either way. Edge-triggered, since a pty that nobody has open is ready for ever.
    """

    def __init__(self, descriptor: int, tell: Tell, poll: select.epoll) -> None:
        """Take the inner side over."""
        self._tty, self._tell = descriptor, tell
        os.set_blocking(descriptor, False)
        self._hung_up = select.poll()
        self._hung_up.register(descriptor, 0)
        self._waiting = bytearray()
        self._is_open = self._paused = False
        self.session = 0
        poll.register(descriptor, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)

    def descriptors(self) -> list[int]:
        """Return what belongs to this door."""
        return [self._tty]

    def ready(self, _descriptor: int, _events: int) -> None:
        """Read and write all that goes now; an edge comes only once."""
        while not self._paused:
            try:
                data = os.read(self._tty, CHUNK)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                self.close()  # nobody has it open any more
                return
            self._open()
            self._tell(DATA, self.session, data)
        self._flush()

    def send(self, data: bytes) -> None:
        """Give the program bytes; what it has no room for is dropped, as on a serial line.

        Whole packets are, so that no line loses its end.
        """
        if not self._is_open:
            return
        if self._hung_up.poll(0):
            self.close()
        elif len(self._waiting) + len(data) <= MOST_WAITING:
            self._waiting += data
            self._flush()

    def close(self) -> None:
        """End the session: what was not read is lost. A serial line has no more to break."""
        self._waiting.clear()
        if self._is_open:
            self._is_open = False
            # Only from the outer side can be thrown away what stands there, unread.
            outer = fcntl.ioctl(self._tty, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
            termios.tcflush(outer, termios.TCIFLUSH)
            os.close(outer)
            self._tell(ENDED, self.session, b"")

    def pause(self, *, active: bool) -> None:
        """Let the program wait, while the lab is behind; then see what it has said meanwhile."""
        self._paused = active
        if not active:
            self.ready(self._tty, 0)

    def _open(self) -> None:
        if not self._is_open:
            self._is_open = True
            self.session += 1
            self._tell(OPENED, self.session, b"")

    def _flush(self) -> None:
        while self._waiting:
            try:
                written = os.write(self._tty, self._waiting)
            except BlockingIOError:
                return
            del self._waiting[:written]


DOORS: dict[str, type[TcpDoor] | type[PtyDoor]] = {"tcp": TcpDoor, "pty": PtyDoor}


class Relay:
    """Carries packets between the lab and the doors, for as long as the lab lives."""

    def __init__(self, lab: socket.socket, doors: list[tuple[str, int]]) -> None:
        """Open the doors, each a kind and a descriptor."""
        self._lab = lab
        self._lab.setblocking(False)  # noqa: FBT003 - the standard library's own
        self._behind: deque[bytes] = deque()  # what the lab has no room for now
        self._poll = select.epoll()
        self._poll.register(lab, select.EPOLLIN)
        self._doors: list[TcpDoor | PtyDoor] = []
        self._doors += [
            DOORS[kind](descriptor, self._teller(number), self._poll)
            for number, (kind, descriptor) in enumerate(doors)
        ]

    def _teller(self, number: int) -> Tell:
        def tell(kind: bytes, session: int, data: bytes) -> None:
            self._behind.append(HEAD.pack(number, kind, session) + data)
            if len(self._behind) == 1:
                self._to_lab()

        return tell

    def _to_lab(self) -> None:
        """Send what waits; when the lab is behind, clients wait too, but not their answers."""
        while self._behind:
            try:
                self._lab.send(self._behind[0])
            except BlockingIOError:
                self._pause(active=True)
                return
            self._behind.popleft()

    def _pause(self, *, active: bool) -> None:
        self._poll.modify(self._lab, select.EPOLLIN | (select.EPOLLOUT if active else 0))
        for door in self._doors:
            door.pause(active=active)

    def run(self) -> None:
        """Serve until the lab has gone."""
        while True:
            for descriptor, events in self._poll.poll():
                if descriptor == self._lab.fileno():
                    if events & select.EPOLLOUT:
                        self._to_lab()
                        if not self._behind:
                            self._pause(active=False)
                    if events & ~select.EPOLLOUT and not self._from_lab():
                        return
                    continue
                for door in self._doors:
                    if descriptor in door.descriptors():
                        door.ready(descriptor, events)

    def _from_lab(self) -> bool:
        """Carry out one packet of the lab; False when it has gone."""
        try:
            packet = self._lab.recv(HEAD.size + CHUNK)
        except BlockingIOError:
            return True
        if not packet:
            return False
        number, kind, session = HEAD.unpack_from(packet)
        door = self._doors[number]
        if session == door.session:
            if kind == CLOSE:
                door.close()
            else:
                door.send(packet[HEAD.size :])
        return True


def main(arguments: list[str]) -> NoReturn:
    """Serve as the command line says, and leave without a word when the lab has gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the lab ends us, whoever else is asked to end
    lab = socket.socket(fileno=int(arguments[0]))
    doors = [one.split("=") for one in arguments[1].split(",")]
    with contextlib.suppress(ConnectionError):
        Relay(lab, [(kind, int(descriptor)) for kind, descriptor in doors]).run()
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
