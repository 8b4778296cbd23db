"""Virtual devices: what stands behind a link in place of copper.

Entry points of ``hil.twins`` name a ``TwinFactory``; those of ``hil.firmware`` do too, for boards
whose twin is the electronics alone (``Electronics``).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from can import Message

from hil.core.instants import Instant
from hil.core.wiring import WiringPlan
from hil.ports.clock import Clock
from hil.ports.engines import BoardEngine


class ByteTwin(Protocol):
    """A virtual device behind a byte link. Knows time only through the clock it was built with."""

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        """Give the twin its way out: ``send(data, at)`` lets bytes leave the device at ``at``."""

    def receive(self, data: bytes) -> None:
        """Bytes arrive at the device now."""


class FrameTwin(Protocol):
    """A virtual device on a CAN bus."""

    def attach(self, send: Callable[[Message], None]) -> None:
        """Give the twin its way onto the bus."""

    def receive(self, frame: Message) -> None:
        """A frame arrives at the device now."""


class Injectable(Protocol):
    """Something into which faults can be put by name, from outside its own protocol."""

    FAULTS: ClassVar[tuple[str, ...]]

    def inject(self, fault: str, cell: int, *, active: bool) -> Awaitable[None] | None:
        """Put the fault in, or take it out. Raises ValueError for a fault it does not know.

        A back door into another process returns what to wait for: DeviceError if it could not.
        """


POWER_LOSS = "power-loss"
"""The fault of a twin whose supply has gone: outputs off, registers lost, silent."""


@runtime_checkable
class Inhabited(Protocol):
    """What a lab asks of a twin beside its protocol; a twin may do without."""

    def hang_up(self) -> None:
        """The host's connection has ended: forget the half of a message that it began."""

    def replace(self, serial: str) -> None:
        """Let another unit of the same model stand in this place. Raises ValueError."""

    def truth(self) -> Mapping[str, Any]:
        """Return what is really so now, as JSON has it; names carry units, cells in their order."""


@dataclass(frozen=True)
class LabPlan:
    """What a twin needs to know of the bench around it.

    ``board`` is the ``hil.physics.board.BoardDesign`` of the bench file, ``twins`` the twins built
    so far by device name (emulators first, then chamber, then board). ``engine`` runs the firmware
    of a twin that is the board's electronics alone; None where it runs elsewhere, or is the twin.
    """

    seed: int
    wiring: WiringPlan
    board: Any
    twins: dict[str, Any]
    engine: BoardEngine | None = None


class TwinFactory(Protocol):
    """Builds the twin of one device; ``OPTIONS`` is the dataclass of its own keys."""

    OPTIONS: type

    def __call__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any]
    ) -> ByteTwin | FrameTwin:
        """Return the twin; ``options`` are the bench file's ``virtual`` keys for this device."""
