"""What lies between host and device: streams of bytes, CAN buses, and their far ends.

Entry points of ``hil.links`` name a ``LinkKind``, those of ``hil.disturbers`` a ``Disturber``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from can import Message

from hil.core.records import LinkFaulted
from hil.ports.clock import Clock


class ByteLink(Protocol):
    """A stream of bytes. One attempt per call, no retry policy; errors are ``LinkLost``."""

    async def open(self) -> None:
        """Connect. Raises LinkLost."""

    async def send(self, data: bytes) -> None:
        """Hand ``data`` to the link. Raises LinkLost."""

    async def receive(self) -> bytes:
        """Wait for at least one byte and return all that have arrived. Raises LinkLost."""

    def pending(self) -> bytes:
        """Take what has arrived without waiting; empty when nothing has. Raises LinkLost."""

    def check(self) -> None:
        """Raise LinkLost if the link is known to be gone or was not opened; takes nothing."""

    async def close(self) -> None:
        """Let go of the link; harmless when it is closed."""


class FrameLink(Protocol):
    """A CAN bus as one node sees it. Received frames carry their arrival time in ``timestamp``."""

    async def open(self) -> None:
        """Join the bus. Raises LinkLost."""

    async def send(self, frame: Message) -> None:
        """Queue ``frame`` for arbitration.

        Raises LinkLost, LinkTimeout where an adapter in between answers no more.
        """

    async def receive(self) -> list[Message]:
        """Wait for at least one frame and return all that have arrived. Raises LinkLost."""

    def pending(self) -> list[Message]:
        """Take what has arrived without waiting; empty when nothing has.

        Raises LinkLost, LinkTimeout while an adapter in between answers no more.
        """

    def check(self) -> None:
        """Raise LinkLost if the link is known to be gone or was not opened; takes nothing."""

    async def close(self) -> None:
        """Leave the bus; harmless when it is closed."""


Link: TypeAlias = ByteLink | FrameLink


Tap: TypeAlias = Callable[[bytes], None]
"""Sees every byte and frame of a link, both ways, in the order in which the host met them."""


class LinkFactory(Protocol):
    """Builds a link; ``twin`` is given where ``LinkKind.needs_twin``. Does no I/O."""

    def __call__(
        self,
        name: str,
        clock: Clock,
        options: Mapping[str, Any],
        *,
        twin: Any,
        tap: Tap | None = None,
    ) -> Link:
        """Return the link of device ``name``; ``options`` are the bench file's ``link`` keys."""


class Place(NamedTuple):
    """Where others find a twin: ``visa`` is its resource string where VISA knows the transport."""

    transport: str
    address: str
    visa: str | None = None


class Endpoint(Protocol):
    """A twin on real endpoints, behind a process of its own: the device as others see it.

    All of it runs in the lab's loop; nothing blocks longer than the start of a process.
    """

    @property
    def places(self) -> Sequence[Place]:
        """Where it is, the place that its link names first; a pty may have another after it."""

    @property
    def hosts(self) -> Sequence[str]:
        """On whose addresses it listens, known before it does; none for ptys."""

    @property
    def pid(self) -> int | None:
        """The process in front, None while there is none."""

    def open(self, lost: Callable[[], None]) -> None:
        """Listen; ``lost()`` is called if the process in front dies by itself. Raises LinkLost."""

    def kill(self) -> None:
        """Kill the process in front, which is to pull the device's plug."""

    def hang_up(self) -> None:
        """End the connections of whoever speaks to it now."""

    def close(self) -> None:
        """Listen no more and leave nothing behind; harmless when closed."""


class EndpointFactory(Protocol):
    """Puts a twin where the link of the same ``options`` would look for it. Does no I/O."""

    def __call__(
        self, name: str, clock: Clock, options: Mapping[str, Any], *, twin: Any
    ) -> Endpoint:
        """Return the endpoint of device ``name``."""


@dataclass(frozen=True)
class LinkKind:
    """What an entry point of ``hil.links`` names.

    ``OPTIONS`` is the dataclass of the bench file's keys; ``needs_twin`` says that the other end
    is a twin in this process, so that the bench is virtual; ``carries`` what crosses it.
    ``endpoint`` is the other end for ``hil serve``, None where there can be none; ``discover``
    names what this host could reach by such a link, as the bench file would. ``where`` names the
    one place that a link of these keys leads to, whatever else they say and whichever kind of link
    leads there too: who holds that place drives the device. None where a place cannot be shared.
    """

    OPTIONS: type
    needs_twin: bool
    carries: Literal["bytes", "frames"]
    make: LinkFactory
    endpoint: EndpointFactory | None = None
    discover: Callable[[], Sequence[str]] | None = None
    where: Callable[[Mapping[str, Any]], str] | None = None


class DisturberFactory(Protocol):
    """Wraps a link so that it disturbs what passes, by a plan. Does no I/O."""

    def __call__(
        self,
        name: str,
        link: Any,
        clock: Clock,
        options: Mapping[str, Any],
        *,
        seed: int,
        tap: Tap | None = None,
        noted: Callable[[LinkFaulted], None] | None = None,
    ) -> Link:
        """Return a link of the same kind; ``options`` are the keys of ``faults`` in its bench file.

        ``seed`` is the run's; ``tap`` sees what the host sends and takes, ``noted`` each fault.
        """


@dataclass(frozen=True)
class Disturber:
    """What the entry points ``bytes`` and ``frames`` of ``hil.disturbers`` name.

    ``OPTIONS`` is the dataclass of the keys of ``faults`` in a bench file.
    """

    OPTIONS: type
    make: DisturberFactory
