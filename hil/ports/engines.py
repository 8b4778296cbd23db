"""What runs a board's firmware, and the bus to the chips around it.

Entry points of ``hil.engines`` name an ``EngineKind``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from can import Message

from hil.core.instants import Instant
from hil.ports.clock import Clock
from hil.ports.links import Endpoint


class SpiBus(Protocol):
    """The bus between a board's microcontroller and the chips around it, on the chips' side."""

    def transfer(self, select: int, data: bytes) -> bytes:
        """Exchange bytes with the chip whose select line is low: as many come as go."""


class BoardEngine(Protocol):
    """A board's firmware in an engine that is given its time.

    Synchronous: while it runs no timer fires, and what it asks its chips is answered inside.
    """

    @property
    def wake(self) -> Instant:
        """When the firmware wants to run next."""

    def power_on(self, now: Instant, parameters: bytes, spi: SpiBus) -> None:
        """Start from the reset vector, with this parameter page in the flash.

        Raises ValueError for a page that the firmware refuses.
        """

    def hear(self, frame: Message) -> None:
        """Put a frame into the CAN controller's queue; the firmware looks when it runs next."""

    def advance(self, now: Instant) -> Sequence[Message]:
        """Run the firmware up to ``now`` and return the frames it has sent, in their order."""

    def close(self) -> None:
        """Let go of what the engine holds; harmless when closed."""


@runtime_checkable
class Electronics(Protocol):
    """A board without its firmware: what an engine in another process is wired to."""

    @property
    def spi(self) -> SpiBus:
        """The chips on the board's SPI bus."""

    @property
    def parameters(self) -> bytes:
        """The parameter page of this board, as it stands in the flash."""

    def start(self) -> None:
        """Give the board its supply; harmless when it has it."""


class Firmware(NamedTuple):
    """A firmware image that is there, and what a record says of it."""

    image: Path
    sha256: str
    about: Mapping[str, str]
    """Such as compiler, flags and the machine it is for."""


class LiveFactory(Protocol):
    """Puts a board whose firmware keeps its own time where a link would look for it."""

    def __call__(
        self,
        name: str,
        clock: Clock,
        options: Mapping[str, Any],
        *,
        firmware: Firmware,
        electronics: Electronics,
    ) -> Endpoint:
        """Return the endpoint of board ``name``; ``options`` are its link's keys. Does no I/O."""


@dataclass(frozen=True)
class EngineKind:
    """What an entry point of ``hil.engines`` names.

    ``OPTIONS`` is the dataclass of the keys that stand beside ``kind`` in a device's ``engine``.
    ``firmware(options)`` finds or builds the image; EnvironmentProblem, with the line that installs
    what is missing, if it cannot. One of the other two is there: ``make`` for an engine that is
    given its time, ``endpoint`` for one that keeps its own and needs a lab.
    """

    OPTIONS: type
    firmware: Callable[[Mapping[str, Any]], Firmware]
    make: Callable[[Firmware], BoardEngine] | None = None
    endpoint: LiveFactory | None = None
