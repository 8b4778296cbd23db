"""A disturbed link of either kind with a twin that listens: for tests of the wrapper itself."""

from collections.abc import Callable
from typing import Any

from can import Message

from drivers.links.faulty import FaultyLink
from drivers.links.faulty_media import BYTES, FRAMES
from drivers.links.faulty_plan import FaultKeys, FaultPlan, LinkFault
from drivers.links.memory import memory_byte_link
from drivers.links.memory_can import memory_frame_link
from hil.core.instants import MILLISECOND, Instant
from hil.core.records import LinkFaulted
from hil.ports import Clock

BY = 50 * MILLISECOND


class Listening:
    """A twin that listens, and keeps what it heard and what the link told."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.heard: list[bytes] = []
        self.heard_at: list[Instant] = []
        self.noted: list[LinkFaulted] = []
        self.tapped: list[bytes] = []

    def disturbed(self, cable: Any, medium: Any, faults: tuple[LinkFault, ...]) -> Any:
        """Return the link round ``cable`` that has these faults."""
        plan = FaultPlan("device", 1, FaultKeys(by_ns=BY), faults)
        taps = self.tapped.append, self.noted.append
        return FaultyLink[Any, Any]("device", cable, self.clock, plan, medium, *taps)


class Bytes(Listening):
    """A byte link with a plan, and the twin behind it; messages are ``m0`` to ``m9``."""

    name = "bytes"

    def __init__(self, clock: Clock, *faults: LinkFault) -> None:
        super().__init__(clock)
        self.cable = memory_byte_link("device", clock, {"latency_ns": 0}, twin=self)
        self.link = self.disturbed(self.cable, BYTES, faults)

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        self._send = send

    def receive(self, data: bytes) -> None:
        self.heard.append(data)
        self.heard_at.append(self.clock.now())

    @staticmethod
    def message(k: int) -> Any:
        return b"m%d" % k

    def say(self, k: int) -> None:
        self._send(self.message(k), self.clock.now())

    @staticmethod
    def written(batch: bytes) -> bytes:
        return batch


class Frames(Listening):
    """The same on a CAN bus; a frame's data are ``m0`` to ``m9``."""

    name = "frames"

    def __init__(self, clock: Clock, *faults: LinkFault) -> None:
        super().__init__(clock)
        self.cable = memory_frame_link("device", clock, {}, twin=self)
        self.link = self.disturbed(self.cable, FRAMES, faults)

    def attach(self, send: Callable[[Message], None]) -> None:
        self._send = send

    def receive(self, frame: Message) -> None:
        self.heard.append(bytes(frame.data))
        self.heard_at.append(self.clock.now())

    @staticmethod
    def message(k: int) -> Any:
        return Message(arbitration_id=0x100, is_extended_id=False, data=b"m%d" % k)

    def say(self, k: int) -> None:
        self._send(self.message(k))

    @staticmethod
    def written(batch: list[Message]) -> bytes:
        return b"".join(bytes(frame.data) for frame in batch)


Rig = Bytes | Frames
