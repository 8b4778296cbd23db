"""Frame links with another node on their bus, for the contract suite: one rig a kind of link.

A transport joins the suite by a rig here and a line in RIGS. The real ones have an adapter that is
the codec's other end, or python-can's own virtual bus.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import can
from byte_rigs import DEADLINE_S, Peer, PtyRig, SocketRig
from can import Message

from drivers.links.can_adapter import AdapterLink, adapter_link
from drivers.links.faulty import disturb
from drivers.links.faulty_media import FRAMES
from drivers.links.memory_can import memory_frame_link
from drivers.links.slcan import slcan_link
from drivers.wire.slcan import AdapterEnd
from hil.bench.clock import run_virtual
from hil.bench.wall_time import run_wall
from hil.core.instants import MILLISECOND
from hil.ports import Clock, FrameLink


class Rig(Protocol):
    """A link that is not open yet, and a peer on its bus."""

    clock: Clock
    link: FrameLink

    async def open(self) -> None:
        """Open the link, and return when its adapter is on the bus."""

    async def heard(self, count: int) -> list[Message]:
        """Wait until the peer has ``count`` frames and return all that it has."""

    def say(self, frame: Message) -> None:
        """Let the peer queue ``frame``."""

    def die(self) -> None:
        """Let the adapter go away."""

    def revive(self) -> None:
        """Let the adapter come back; the host has to open again."""


Case = Callable[[Rig], Awaitable[None]]
Runner = Callable[[Case], None]


class BusPeer:
    """What all rigs share: a node whose every frame is kept."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.frames: list[Message] = []
        self.link: FrameLink

    async def open(self) -> None:
        await self.link.open()

    async def heard(self, count: int) -> list[Message]:
        while len(self.frames) < count:
            await self.clock.sleep_until(self.clock.now() + MILLISECOND)
        return self.frames


class MemoryRig(BusPeer):
    """The rig in memory, at once the twin; virtual time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.cable = memory_frame_link("board", clock, {}, twin=self)
        self.link = self.cable

    def attach(self, send: Callable[[Message], None]) -> None:
        self._send = send

    def receive(self, frame: Message) -> None:
        self.frames.append(frame)

    def say(self, frame: Message) -> None:
        self._send(frame)

    def die(self) -> None:
        self.cable.cut()

    def revive(self) -> None:
        self.cable.mend()


class AdapterRig(BusPeer):
    """An slcan adapter behind a peer that carries bytes."""

    def __init__(self, clock: Clock, link: FrameLink, line: Peer) -> None:
        super().__init__(clock)
        self.link = link
        self.line = line
        self.adapter = AdapterEnd()
        line.hear = self._hear  # type: ignore[method-assign] # its bytes are commands here

    async def open(self) -> None:
        await self.link.open()
        while not self.adapter.is_open:  # python-can does not wait for the adapter's answers
            await self.clock.sleep_until(self.clock.now() + MILLISECOND)

    def _hear(self, data: bytes) -> None:
        frames, answer = self.adapter.receive(data)
        self.frames += frames
        if answer:
            self.line.say(answer)

    def say(self, frame: Message) -> None:
        data = self.adapter.forward(frame, self.clock.now())
        if data:
            self.line.say(data)

    def die(self) -> None:
        self.line.die()

    def revive(self) -> None:
        self.adapter = AdapterEnd()  # its supply came over USB
        self.line.revive()


class VirtualBusRig(BusPeer):
    """Another node on a virtual bus of python-can."""

    _numbers = count()

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        channel = f"contract {next(self._numbers)}"
        self.bus = can.Bus(interface="virtual", channel=channel)
        self.link = adapter_link("board", clock, {"interface": "virtual", "channel": channel})

    async def heard(self, count: int) -> list[Message]:
        while len(self.frames) < count:
            frame = self.bus.recv(0)
            if frame is None:
                await self.clock.sleep_until(self.clock.now() + MILLISECOND)
            else:
                self.frames.append(frame)
        return self.frames

    def say(self, frame: Message) -> None:
        self.bus.send(frame)

    def die(self) -> None:
        """Pull the adapter: python-can's bus fails at the next call."""
        assert isinstance(self.link, AdapterLink)
        session = self.link._holder.session
        assert session is not None
        assert session._bus is not None
        session._bus.shutdown()

    def revive(self) -> None: ...


# --- runners -------------------------------------------------------------------------------------


def in_memory(case: Case) -> None:
    async def main(clock: Clock) -> None:
        await case(MemoryRig(clock))

    run_virtual(main)


def in_memory_disturbed(case: Case) -> None:
    """Run a case through the wrapper, which has nothing to disturb."""

    async def main(clock: Clock) -> None:
        rig = MemoryRig(clock)
        rig.link = disturb(FRAMES, "board", rig.cable, clock, {}, seed=1)
        await case(rig)

    run_virtual(main)


def slcan_over_tcp(case: Case) -> None:
    _slcan_over_tcp(case, lambda link, _clock: link)


def slcan_over_tcp_disturbed(case: Case) -> None:
    _slcan_over_tcp(case, lambda link, clock: disturb(FRAMES, "board", link, clock, {}, seed=1))


def _slcan_over_tcp(case: Case, wrap: Callable[[FrameLink, Clock], FrameLink]) -> None:
    async def main(clock: Clock) -> None:
        line = SocketRig(clock)
        async with asyncio.timeout(DEADLINE_S), line.listening() as port:
            link = wrap(slcan_link("board", clock, {"host": "127.0.0.1", "port": str(port)}), clock)
            try:
                await case(AdapterRig(clock, link, line))
            finally:
                await link.close()

    run_wall(main)


def slcan_over_a_pty(case: Case) -> None:
    _over_a_pty(case, lambda clock, port: slcan_link("board", clock, {"port": port}))


def python_can_over_a_pty(case: Case) -> None:
    _over_a_pty(
        case,
        lambda clock, port: adapter_link("board", clock, {"interface": "slcan", "channel": port}),
    )


def _over_a_pty(case: Case, make: Callable[[Clock, str], FrameLink]) -> None:
    async def main(clock: Clock) -> None:
        with TemporaryDirectory() as folder:
            line = PtyRig(clock, Path(folder) / "port")
            line.settles = False  # python-can reads in a thread
            link = make(clock, str(line.place))
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await case(AdapterRig(clock, link, line))
            finally:
                await link.close()
                line.die()

    run_wall(main)


def python_can_virtual(case: Callable[[VirtualBusRig], Awaitable[None]]) -> None:
    async def main(clock: Clock) -> None:
        rig = VirtualBusRig(clock)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await case(rig)
        finally:
            await rig.link.close()
            rig.bus.shutdown()

    run_wall(main)


RIGS: dict[str, tuple[str, Runner]] = {
    "memory": ("memory-can", in_memory),
    "memory disturbed": ("memory-can", in_memory_disturbed),
    "slcan tcp": ("slcan", slcan_over_tcp),
    "slcan tcp disturbed": ("slcan", slcan_over_tcp_disturbed),
    "slcan pty": ("slcan", slcan_over_a_pty),
    "python-can virtual": ("can", python_can_virtual),
    "python-can slcan pty": ("can", python_can_over_a_pty),
}
"""By name: the entry point of ``hil.links`` that takes part, and what runs a case on it."""
