"""The network card of a virtual instrument: a process between its clients and the lab.

Started by ``drivers.links.endpoint`` as ``python -I -S endpoint_relay.py LAB_FD KIND=FD,... NAME
ADDRESS...`` (the last two only so that ``ps`` tells which is which). A *door* is a listening socket
(``tcp`` for one client, ``shared`` for several), a datagram socket (``udp``) or the inner side of
a pty (``pty``), opened by the lab. To kill this process is to pull
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
from typing import Any, NoReturn

HEAD = struct.Struct(">BcI")
OPENED, DATA, ENDED, CLOSE = b"o", b"d", b"e", b"c"

CHUNK = 1 << 12
"""What is read at once, so that a client who pours out questions leaves the others their turn."""
MOST_WAITING = 1 << 18
"""What may wait for a client that does not read, in bytes."""
MOST_HEARD_OUT = 1 << 23
"""What is still heard of one that is let go of: what a socket may hold, no more of a flood."""

_KERNEL_KEEPS = 1 << 16  # an instrument has no megabytes for answers that nobody reads
_TIOCGPTPEER = 0x5441  # <asm/ioctls.h>; not among Python's constants
_ASKED_AT_ONCE = 64  # datagrams that wait for their answer; older ones get none
_HANGUP = select.EPOLLHUP | select.EPOLLERR

Tell = Callable[[bytes, int, bytes], None]
"""Sends the lab a packet: kind, session, data."""


class Connection:
    """One client of a listening socket."""

    def __init__(self, plug: socket.socket, session: int, tell: Tell, poll: select.epoll) -> None:
        """Take a client in, and say so; ``is_over`` is true when nobody is there any more."""
        plug.settimeout(0)
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_KEEPS)
        self._plug, self.session = plug, session
        self._tell, self._poll = tell, poll
        self.descriptor = plug.fileno()
        self.heard_out = False  # the client has ended its side, and may wait for answers
        self.is_over = False
        self.is_paused = False
        self.still_hears: int | None = None  # bytes, of one that is let go of
        self._waiting = bytearray()
        self._watched = 0
        poll.register(plug, self._watched)
        self.watch()
        tell(OPENED, session, b"")

    def ready(self, events: int) -> None:
        """Do what an event asks for."""
        if events & (select.EPOLLIN | _HANGUP) and not self.heard_out:
            self.take_in()  # also of one that has gone: what it said last
        elif events & _HANGUP:
            self.drop()
        elif events & select.EPOLLOUT:
            self._flush()

    def send(self, data: bytes) -> None:
        """Give the client bytes; one that lets too many wait is cut off, as by a reset."""
        self._waiting += data
        self._flush()
        if len(self._waiting) > MOST_WAITING:
            self.drop()

    def take_in(self) -> bool:
        """Pass on what the client says; say whether there may be more."""
        try:
            data = self._plug.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            self.drop()
            return False
        if data:
            self._tell(DATA, self.session, data)
            if self.still_hears is not None:
                self.still_hears -= len(data)
            return True
        self.heard_out = True
        self._tell(ENDED, self.session, b"")
        self.watch()
        return False

    def take_all_in(self) -> None:
        """Pass on all that waits: one that has gone just before somebody else came is heard out."""
        while not (self.is_over or self.heard_out or self.is_paused):
            if self.still_hears is not None and self.still_hears <= 0:
                return
            if not self.take_in():
                return

    def let_go(self) -> None:
        """Hear what the client has said until now, then end the connection."""
        if self.still_hears is None:
            self.still_hears = MOST_HEARD_OUT
        self.take_all_in()
        if not self.is_paused:
            self.drop()

    def watch(self) -> None:
        """Listen for what there is to do."""
        wanted = 0 if self.heard_out or self.is_paused else select.EPOLLIN
        wanted |= select.EPOLLOUT if self._waiting else 0
        if wanted != self._watched:
            self._watched = wanted
            self._poll.modify(self._plug, wanted)

    def drop(self) -> None:
        """Let go of the client; the lab hears of it unless it has already."""
        if self.is_over:
            return
        self.is_over = True
        self._poll.unregister(self._plug)
        self._plug.close()
        if not self.heard_out:
            self._tell(ENDED, self.session, b"")

    def _flush(self) -> None:
        """Write what the client takes now, the rest when it has room again."""
        while self._waiting and not self.is_over:
            try:
                sent = self._plug.send(self._waiting)
            except BlockingIOError:
                break
            except OSError:
                self.drop()
                return
            del self._waiting[:sent]
        if not self.is_over:
            self.watch()


class TcpDoor:
    """A listening socket that serves ``MOST`` clients; whoever else comes is sent away at once."""

    MOST = 1

    def __init__(self, descriptor: int, tell: Tell, poll: select.epoll) -> None:
        """Take a socket over that listens already."""
        self._listener = socket.socket(fileno=descriptor)
        self._listener.settimeout(0)
        self._tell, self._poll = tell, poll
        self._clients: list[Connection] = []
        self._last = 0
        poll.register(self._listener, select.EPOLLIN)

    def descriptors(self) -> list[int]:
        """Return what belongs to this door now."""
        return [self._listener.fileno(), *(one.descriptor for one in self._there())]

    def ready(self, descriptor: int, events: int) -> None:
        """Do what an event asks for."""
        if descriptor == self._listener.fileno():
            self._accept()
            return
        for client in self._there():
            if client.descriptor == descriptor:
                client.ready(events)

    def send(self, session: int, data: bytes) -> None:
        """Give a client bytes, if it is there."""
        for client in self._there():
            if client.session == session:
                client.send(data)

    def close(self, session: int) -> None:
        """End a connection."""
        for client in self._there():
            if client.session == session:
                client.let_go()

    def pause(self, *, active: bool) -> None:
        """Let the clients wait, while the lab is behind."""
        for client in self._there():
            client.is_paused = active
            client.watch()
            if client.still_hears is not None and not active:
                client.let_go()

    def _there(self) -> list[Connection]:
        """Return the clients that are there still."""
        self._clients = [one for one in self._clients if not one.is_over]
        return self._clients

    def _accept(self) -> None:
        """Take a client, or send it away while others are served.

        One that is served may have gone just before: what it said last comes first.
        """
        try:
            newcomer, _ = self._listener.accept()
        except OSError:  # gone again before its turn
            return
        served = self._there()
        for client in served:
            client.take_all_in()
        if sum(not one.heard_out for one in self._there()) >= self.MOST:
            newcomer.close()
            return
        if len(self._there()) >= self.MOST:
            next(one for one in self._clients if one.heard_out).drop()
        self._last += 1
        self._clients.append(Connection(newcomer, self._last, self._tell, self._poll))


class SharedDoor(TcpDoor):
    """The same for a protocol of several connections, which says itself whom it sends away."""

    MOST = 8


class UdpDoor:
    """A bound datagram socket; every datagram is a session of its own, with one answer or none."""

    def __init__(self, descriptor: int, tell: Tell, poll: select.epoll) -> None:
        """Take a socket over that is bound already."""
        self._plug = socket.socket(fileno=descriptor)
        self._plug.settimeout(0)
        self._tell, self._poll = tell, poll
        self._asked: dict[int, Any] = {}
        self._last = 0
        poll.register(self._plug, select.EPOLLIN)

    def descriptors(self) -> list[int]:
        """Return what belongs to this door."""
        return [self._plug.fileno()]

    def ready(self, _descriptor: int, _events: int) -> None:
        """Pass a datagram on."""
        try:
            data, address = self._plug.recvfrom(CHUNK)
        except OSError:  # gone again, or an answer that reached nobody
            return
        self._last += 1
        self._asked[self._last] = address
        if len(self._asked) > _ASKED_AT_ONCE:
            del self._asked[min(self._asked)]
        self._tell(OPENED, self._last, b"")
        self._tell(DATA, self._last, data)

    def send(self, session: int, data: bytes) -> None:
        """Answer who sent a datagram; an answer that finds no room is lost, as others are."""
        address = self._asked.pop(session, None)
        if address is not None:
            with contextlib.suppress(OSError):
                self._plug.sendto(data, address)

    def close(self, session: int) -> None:
        """Answer that datagram no more."""
        self._asked.pop(session, None)

    def pause(self, *, active: bool) -> None:
        """Let the kernel keep what comes, or drop it, while the lab is behind."""
        self._poll.modify(self._plug, 0 if active else select.EPOLLIN)


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
                self.close(self.session)  # nobody has it open any more
                return
            self._open()
            self._tell(DATA, self.session, data)
        self._flush()

    def send(self, session: int, data: bytes) -> None:
        """Give the program bytes; what it has no room for is dropped, as on a serial line.

        Whole packets are, so that no line loses its end.
        """
        if not self._is_open or session != self.session:
            return
        if self._hung_up.poll(0):
            self.close(session)
        elif len(self._waiting) + len(data) <= MOST_WAITING:
            self._waiting += data
            self._flush()

    def close(self, session: int) -> None:
        """End a session: what was not read is lost. A serial line has no more to break."""
        if session != self.session:
            return
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


Kind = TcpDoor | UdpDoor | PtyDoor
DOORS: dict[str, type[Kind]] = {
    "tcp": TcpDoor,
    "shared": SharedDoor,
    "udp": UdpDoor,
    "pty": PtyDoor,
}


class Relay:
    """Carries packets between the lab and the doors, for as long as the lab lives."""

    def __init__(self, lab: socket.socket, doors: list[tuple[str, int]]) -> None:
        """Open the doors, each a kind and a descriptor."""
        self._lab = lab
        self._lab.setblocking(False)  # noqa: FBT003 - the standard library's own
        self._behind: deque[bytes] = deque()  # what the lab has no room for now
        self._poll = select.epoll()
        self._poll.register(lab, select.EPOLLIN)
        self._doors: list[Kind] = []
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
        if kind == CLOSE:
            door.close(session)
        else:
            door.send(session, packet[HEAD.size :])
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
