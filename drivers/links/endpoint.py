"""Where a twin is found from outside: the process in front of each device, and what is behind it.

The counterpart of a link: ``LinkKind.make`` looks for a device where ``LinkKind.endpoint`` puts its
twin. The lab opens the doors itself, so that a port in use shows at once, and hands them to a relay
(``endpoint_relay``), which carries bytes and knows clients; the twins, wired to each other, stay in
the lab. ``kill -9`` then does to a virtual device what a pulled plug does to a real one.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from drivers.links import endpoint_relay
from drivers.links.endpoint_doors import Door, Opening
from drivers.links.endpoint_relay import CHUNK, CLOSE, DATA, ENDED, HEAD, OPENED
from hil.core.errors import LinkLost
from hil.core.instants import SECOND, Instant
from hil.ports import ByteTwin, Clock, Endpoint, Inhabited, Place

_LINGER = SECOND
"""How long a client that has said its last may wait for answers (``printf ... | nc`` does)."""

Send = Callable[[bytes], None]


# --- guests: what a door leads to --------------------------------------------------------------


@dataclass(frozen=True)
class Caller:
    """A client at a door: ``send`` reaches nobody but this one, ``close`` ends its connection."""

    session: int
    send: Send
    close: Callable[[], None]


class Guest(Protocol):
    """What sits behind a door; most doors let one client in at a time."""

    def opened(self, caller: Caller) -> None:
        """A client has come."""

    def arrived(self, session: int, data: bytes) -> None:
        """The client of that session says something."""

    def ended(self, session: int) -> None:
        """That client says no more; also said when the supply goes."""


class ByteGuest:
    """A twin that speaks bytes: it answers whoever asked."""

    def __init__(self, twin: ByteTwin, clock: Clock) -> None:
        """Give the twin its way out."""
        self._twin, self._clock = twin, clock
        self._send: Send | None = None
        twin.attach(self._says)

    def opened(self, caller: Caller) -> None:
        """Answer this client from now on."""
        self._send = caller.send

    def arrived(self, _session: int, data: bytes) -> None:
        """Let the twin hear it."""
        self._twin.receive(data)

    def ended(self, _session: int) -> None:
        """Let the twin forget the half of a line that stands in its buffer."""
        if isinstance(self._twin, Inhabited):
            self._twin.hang_up()

    def _says(self, data: bytes, at: Instant) -> None:
        """Send what the twin says when it leaves the device, to the client who is there now."""
        if self._send is not None and data:
            self._clock.call_at(at, self._send, data)


# --- the card: doors and guests with a process in between --------------------------------------


class Card:
    """``hil.ports.Endpoint`` over a relay."""

    def __init__(self, name: str, clock: Clock, ways: Sequence[tuple[Opening, Guest]]) -> None:
        """Take what is opened and what is behind it; does no I/O."""
        self._name, self._clock = name, clock
        self._openings = [opening for opening, _ in ways]
        self._guests = [guest for _, guest in ways]
        self._sessions: list[set[int]] = [set() for _ in ways]
        self._lost: Callable[[], None] = lambda: None
        self._relay: subprocess.Popen[bytes] | None = None
        self._line: socket.socket
        self._places: list[Place] = []
        self.dropped = 0
        """Packets that a relay which hangs has not taken."""

    @property
    def places(self) -> Sequence[Place]:
        """Where the device is, in the order in which it was built."""
        return self._places

    @property
    def hosts(self) -> Sequence[str]:
        """The hosts of its doors that are sockets."""
        return [opening.host for opening in self._openings if opening.host]

    @property
    def pid(self) -> int | None:
        """The relay's process, None while there is none."""
        return None if self._relay is None else self._relay.pid

    def open(self, lost: Callable[[], None]) -> None:
        """Open all doors and start the relay. Raises LinkLost that names the address."""
        doors: list[Door] = []
        try:
            for opening in self._openings:
                doors.append(opening.open())  # noqa: PERF401 - those before a failure are closed
            self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._relay = self._started(theirs.fileno(), doors)
        except OSError as error:
            raise LinkLost(self._name, error.strerror or str(error)) from error
        finally:
            for door in doors:
                os.close(door.descriptor)  # the relay has its own: without it nobody listens
        self._lost, self._places = lost, [door.place for door in doors]
        self._sessions = [set() for _ in doors]
        self._line.settimeout(0)
        asyncio.get_running_loop().add_reader(self._line, self._from_relay)

    def _started(self, line: int, doors: Sequence[Door]) -> "subprocess.Popen[bytes]":
        """Start the relay with the doors and its end of the line, in a session of its own.

        So that a Ctrl-C at the lab's terminal goes to the lab alone.
        """
        program = [sys.executable, "-I", "-S", endpoint_relay.__file__]
        kinds = ",".join(f"{door.kind}={door.descriptor}" for door in doors)
        shown = [self._name, *(door.place.address for door in doors)]
        return subprocess.Popen(  # noqa: S603 - our own program
            [*program, str(line), kinds, *shown],
            pass_fds=(line, *(door.descriptor for door in doors)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Kill the relay."""
        if self._relay is not None:
            self._wind_up()

    def hang_up(self) -> None:
        """Close the connections that there are."""
        if self._relay is None:
            return
        for door, sessions in enumerate(self._sessions):
            for session in sessions:
                self._put(self._line, door, CLOSE, session, b"")

    def close(self) -> None:
        """End the relay."""
        self.kill()
        for opening in self._openings:
            opening.close()

    def _wind_up(self) -> None:
        """Take leave of a relay, dead or alive.

        It is not asked to end: one that is stopped would not hear it, and the loop, with all other
        devices of the lab, would wait. What the kernel has taken for a client it still delivers.
        """
        assert self._relay is not None  # noqa: S101 - callers have looked
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()
        self._relay.kill()
        self._relay.wait()
        self._relay = None
        for guest, sessions in zip(self._guests, self._sessions, strict=True):
            for session in sorted(sessions):
                guest.ended(session)
            sessions.clear()

    # --- packets ---------------------------------------------------------------------------------

    def _from_relay(self) -> None:
        """Take one packet; there is none any more from a relay that has died."""
        try:
            packet = self._line.recv(HEAD.size + CHUNK)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._wind_up()
            self._lost()
            return
        door, kind, session = HEAD.unpack_from(packet)
        guest = self._guests[door]
        if kind == DATA:
            guest.arrived(session, packet[HEAD.size :])
        elif kind == OPENED:
            self._sessions[door].add(session)
            line = self._line
            guest.opened(
                Caller(
                    session,
                    lambda data: self._put(line, door, DATA, session, data),
                    lambda: self._put(line, door, CLOSE, session, b""),
                )
            )
        elif kind == ENDED:
            self._sessions[door].discard(session)
            guest.ended(session)
            gone = self._clock.now() + _LINGER
            self._clock.call_at(gone, self._put, self._line, door, CLOSE, session, b"")

    def _put(self, line: socket.socket, door: int, kind: bytes, session: int, data: bytes) -> None:
        """Send a relay a packet or, where it does not fit in, several.

        Nothing waits for a relay: one that hangs loses it, as a network card would. ``line`` is
        that of the relay whose session it is: a later one counts its sessions anew.
        """
        for start in range(0, max(1, len(data)), CHUNK):
            try:
                line.send(HEAD.pack(door, kind, session) + data[start : start + CHUNK])
            except BlockingIOError:
                self.dropped += 1
            except OSError:
                return  # it has died, or was replaced: the reader tells


def byte_endpoint(name: str, clock: Clock, twin: ByteTwin, opening: Opening) -> Endpoint:
    """Return a byte twin behind one door."""
    return Card(name, clock, [(opening, ByteGuest(twin, clock))])
