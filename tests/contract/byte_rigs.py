"""Byte links with their peers, for the contract suite: one rig a kind of link, virtual or real.

A transport joins the suite by a rig here and a line in RIGS.
"""

import asyncio
import os
import pty
import select
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from drivers.links.endpoint import Card
from drivers.links.endpoint_hislip import HislipGuest
from drivers.links.endpoint_vxi11 import CoreGuest
from drivers.links.faulty import disturb
from drivers.links.faulty_media import BYTES
from drivers.links.memory import memory_byte_link
from drivers.links.serial_port import serial_link
from drivers.links.tcp import tcp_link
from drivers.links.visa import visa_endpoint, visa_link
from drivers.wire.hislip import Kind, Message
from drivers.wire.onc_rpc import Accepted, accepted, record
from drivers.wire.vxi11 import Error, packed_read
from hil.bench.clock import run_virtual
from hil.bench.wall_time import run_wall
from hil.core.instants import MILLISECOND, Duration, Instant
from hil.ports import ByteLink, Clock

SOON = 20 * MILLISECOND
"""Long enough that what must not come would have: only to show that nothing does."""

DEADLINE_S = 60.0
"""A case that hangs ends here; no case needs a tenth of it."""


class Rig(Protocol):
    """A link that is not open yet, and its peer."""

    clock: Clock
    link: ByteLink
    got: bytearray
    """All that the peer has ever heard."""
    room: int
    """More bytes than the peer takes without reading; 0 where it always reads."""
    in_turns: bool
    """An answer that was not read when the next message comes is dropped (IEEE 488.2, 6.3.2.3)."""
    asked_only: bool
    """The peer gives an answer to who reads, and else keeps it: nothing is ever pending."""

    async def open(self) -> None:
        """Open the link, and return when the peer has taken note."""

    async def heard(self, count: int) -> bytes:
        """Wait until the peer has ``count`` bytes and return all that it has ever heard."""

    def say(self, data: bytes, after: Duration = 0) -> None:
        """Let the peer send ``data`` after a while, to the session there is now."""

    def deafen(self, *, active: bool = True) -> None:
        """Let the peer read no more, or read again."""

    def die(self) -> None:
        """Let the peer go away."""

    def die_saying(self, data: bytes) -> None:
        """Let the peer go away in the midst of a message that begins with ``data``."""

    def revive(self) -> None:
        """Let the peer, or another one, come back at the same place; the host has to open again."""


Case = Callable[[Rig], Awaitable[None]]
Runner = Callable[[Case], None]


class Peer(ABC):
    """What the real rigs share: a peer whose every byte is kept."""

    room = 16 << 20
    in_turns = False
    asked_only = False

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.got = bytearray()
        self.link: ByteLink

    @abstractmethod
    def say(self, data: bytes, after: Duration = 0) -> None: ...

    @abstractmethod
    def deafen(self, *, active: bool = True) -> None: ...

    @abstractmethod
    def die(self) -> None: ...

    def die_saying(self, data: bytes) -> None:
        self.say(data)
        self.die()

    @abstractmethod
    def revive(self) -> None: ...

    async def open(self) -> None:
        await self.link.open()

    def hear(self, data: bytes) -> None:
        """Bytes of the host arrive."""
        self.got += data

    async def heard(self, count: int) -> bytes:
        while len(self.got) < count:
            await self.clock.sleep_until(self.clock.now() + MILLISECOND)
        return bytes(self.got)


class MemoryRig(Peer):
    """The rig in memory, at once the twin; virtual time."""

    room = 0

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.cable = memory_byte_link("peer", clock, {"baud": 115_200}, twin=self)
        self.link = self.cable

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        self._send = send

    def receive(self, data: bytes) -> None:
        self.hear(data)

    def say(self, data: bytes, after: Duration = 0) -> None:
        self._send(data, self.clock.now() + after)

    def deafen(self, *, active: bool = True) -> None:
        """What is sent over memory is heard at once: it has nowhere to wait (``room``)."""

    def die(self) -> None:
        self.cable.cut()

    def revive(self) -> None:
        self.cable.mend()


class Connection(asyncio.Protocol):
    """One connection of a host to the peer."""

    def __init__(self, rig: "SocketRig") -> None:
        self._rig = rig

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._rig.connections.append(self)
        if self._rig.is_deaf:
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self._rig.hear(data)


class SocketRig(Peer):
    """A peer that listens on a port of this machine."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.connections: list[Connection] = []
        self.is_deaf = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Listen on the port that is returned."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            self.die()
            await asyncio.sleep(0)

    @asynccontextmanager
    async def serving(self, make: Callable[[int], ByteLink]) -> AsyncIterator["SocketRig"]:
        """Listen, and build the link to the port that was found."""
        async with self.listening() as port:
            self.link = make(port)
            try:
                yield self
            finally:
                await self.link.close()

    async def open(self) -> None:
        had = len(self.connections)
        await self.link.open()
        while len(self.connections) == had:
            await self.clock.sleep_until(self.clock.now() + MILLISECOND)

    def say(self, data: bytes, after: Duration = 0) -> None:
        transport = self.connections[-1].transport
        if after:
            self.clock.call_at(self.clock.now() + after, transport.write, data)
        else:
            transport.write(data)

    def deafen(self, *, active: bool = True) -> None:
        self.is_deaf = active
        for connection in self.connections:
            transport = connection.transport
            if not transport.is_closing():
                (transport.pause_reading if active else transport.resume_reading)()

    def die(self) -> None:
        for connection in self.connections:
            connection.transport.abort()

    def revive(self) -> None:
        """Whoever comes again is let in: the port is open for as long as ``listening`` lasts."""


class PtyRig(Peer):
    """A peer behind a serial port that is a pty, found by a name that stays when it changes.

    ``settles`` needs a link that reads in the loop: ``say`` waits until the port has the bytes.
    """

    settles = True
    room = 1 << 18

    def __init__(
        self, clock: Clock, place: Path, make: Callable[[Clock, Path], ByteLink] | None = None
    ) -> None:
        super().__init__(clock)
        self.place = place
        self._loop = asyncio.get_running_loop()
        self.revive()
        self.link = (make or _serial)(clock, place)

    def revive(self) -> None:
        self.master, self._held = pty.openpty()
        os.set_blocking(self.master, False)
        self.place.unlink(missing_ok=True)
        self.place.symlink_to(os.ttyname(self._held))
        self._loop.add_reader(self.master, self._read, self.master)

    def _read(self, master: int) -> None:
        self.hear(os.read(master, 65_536))

    def say(self, data: bytes, after: Duration = 0) -> None:
        if after:
            self.clock.call_at(self.clock.now() + after, self.say, data)
        else:
            os.write(self.master, data)
            if self.settles:
                # across the kernel before the loop goes on: what was said before is there before
                select.select([self._held], [], [], DEADLINE_S)

    def deafen(self, *, active: bool = True) -> None:
        if active:
            self._loop.remove_reader(self.master)
        else:
            self._loop.add_reader(self.master, self._read, self.master)

    def die(self) -> None:
        if self.master >= 0:
            self._loop.remove_reader(self.master)
            os.close(self.master)
            os.close(self._held)
            self.master = -1


class CardRig(Peer):
    """A twin behind a door of ours: what its clients speak to is the relay, a process of its own.

    To deafen it is to stop that process.
    """

    in_turns = True

    def __init__(self, clock: Clock, resource: str) -> None:
        super().__init__(clock)
        self.card = visa_endpoint("peer", clock, {"resource": resource}, twin=self)
        self.revive()
        visa = self.card.places[0].visa
        self.link = visa_link("peer", clock, {"resource": visa})

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        self._send = send

    def receive(self, data: bytes) -> None:
        """Hear a message; the line feed that END stands for is not one of the host's."""
        self.hear(data.removesuffix(b"\n"))

    def hang_up(self) -> None:
        """Half a message that is dropped was heard all the same."""

    def interrupted(self) -> None:
        """Nobody asks this twin for its errors."""

    def status_byte(self, *, message_available: bool) -> int:
        return 16 if message_available else 0

    async def open(self) -> None:
        """Open the link: a session begins with questions, so who is deaf hears those first."""
        was_deaf = self.is_deaf
        self.deafen(active=False)
        await self.link.open()
        self.deafen(active=was_deaf)

    def say(self, data: bytes, after: Duration = 0) -> None:
        self._send(data, self.clock.now() + after)

    def deafen(self, *, active: bool = True) -> None:
        self.is_deaf = active
        if self.card.pid is not None:
            os.kill(self.card.pid, signal.SIGSTOP if active else signal.SIGCONT)

    def die(self) -> None:
        self.card.kill()

    def revive(self) -> None:
        self.card.open(lambda: None)
        self.is_deaf = False


class HislipRig(CardRig):
    """HiSLIP, where an answer is a message with a length."""

    def die_saying(self, data: bytes) -> None:
        assert isinstance(self.card, Card)
        [guest] = self.card._guests
        assert isinstance(guest, HislipGuest)
        assert guest._sync is not None
        whole = Message(Kind.DATA_END, 0, guest._message_id, data + b"0\n").packed()
        guest._sync.caller.send(whole[:-2])
        self.clock.call_at(self.clock.now() + SOON, self.die)


class Vxi11Rig(CardRig):
    """VXI-11, where an answer goes to nobody who does not read."""

    asked_only = True

    def die_saying(self, data: bytes) -> None:
        assert isinstance(self.card, Card)
        core, _ = self.card._guests
        assert isinstance(core, CoreGuest)
        [channel] = core._channels.values()
        reply = record(accepted(1 << 20, Accepted.SUCCESS, packed_read(Error.NONE, 4, data)))
        channel._caller.send(reply[:-2])
        self.clock.call_at(self.clock.now() + SOON, self.die)


# --- runners -------------------------------------------------------------------------------------


def in_memory(case: Case) -> None:
    async def main(clock: Clock) -> None:
        await case(MemoryRig(clock))

    run_virtual(main)


def in_memory_disturbed(case: Case) -> None:
    """Run a case through the wrapper, which has nothing to disturb."""

    async def main(clock: Clock) -> None:
        rig = MemoryRig(clock)
        rig.link = disturb(BYTES, "peer", rig.cable, clock, {}, seed=1)
        await case(rig)

    run_virtual(main)


def over_tcp(case: Case) -> None:
    async def main(clock: Clock) -> None:
        async with (
            asyncio.timeout(DEADLINE_S),
            SocketRig(clock).serving(
                lambda port: tcp_link("peer", clock, {"host": "127.0.0.1", "port": port})
            ) as rig,
        ):
            await case(rig)

    run_wall(main)


def over_tcp_disturbed(case: Case) -> None:
    async def main(clock: Clock) -> None:
        def make(port: int) -> ByteLink:
            inner = tcp_link("peer", clock, {"host": "127.0.0.1", "port": port})
            return disturb(BYTES, "peer", inner, clock, {}, seed=1)

        async with asyncio.timeout(DEADLINE_S), SocketRig(clock).serving(make) as rig:
            await case(rig)

    run_wall(main)


def over_visa(case: Case) -> None:
    async def main(clock: Clock) -> None:
        async with (
            asyncio.timeout(DEADLINE_S),
            SocketRig(clock).serving(
                lambda port: visa_link(
                    "peer", clock, {"resource": f"TCPIP::127.0.0.1::{port}::SOCKET"}
                )
            ) as rig,
        ):
            await case(rig)

    run_wall(main)


def _over_a_pty(make: Callable[[Clock, Path], ByteLink]) -> Runner:
    def run(case: Case) -> None:
        async def main(clock: Clock) -> None:
            with TemporaryDirectory() as folder:
                rig = PtyRig(clock, Path(folder) / "port", make)
                try:
                    async with asyncio.timeout(DEADLINE_S):
                        await case(rig)
                finally:
                    await rig.link.close()
                    rig.die()

        run_wall(main)

    return run


def _serial(clock: Clock, place: Path) -> ByteLink:
    return serial_link("peer", clock, {"port": str(place), "baud": 4_000_000})


def _visa_serial(clock: Clock, place: Path) -> ByteLink:
    options = {"resource": f"ASRL{place}::INSTR", "baud": 4_000_000}
    return visa_link("peer", clock, options)


def _over_a_card(make: Callable[[Clock], CardRig]) -> Runner:
    def run(case: Case) -> None:
        async def main(clock: Clock) -> None:
            rig = make(clock)
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await case(rig)
            finally:
                await rig.link.close()
                rig.card.close()

        run_wall(main)

    return run


def _hislip(clock: Clock) -> CardRig:
    return HislipRig(clock, "TCPIP::127.0.0.1::hislip0,0::INSTR")


def _vxi11(clock: Clock) -> CardRig:
    return Vxi11Rig(clock, "TCPIP::127.0.0.1,0::inst0::INSTR")


RIGS: dict[str, tuple[str, Runner]] = {
    "memory": ("memory", in_memory),
    "memory disturbed": ("memory", in_memory_disturbed),
    "tcp": ("tcp", over_tcp),
    "tcp disturbed": ("tcp", over_tcp_disturbed),
    "pty serial": ("serial", _over_a_pty(_serial)),
    "visa socket": ("visa", over_visa),
    "visa HiSLIP": ("visa", _over_a_card(_hislip)),
    "visa VXI-11": ("visa", _over_a_card(_vxi11)),
    "visa ASRL": ("visa", _over_a_pty(_visa_serial)),
}
"""By name: the entry point of ``hil.links`` that takes part, and what runs a case on it."""
