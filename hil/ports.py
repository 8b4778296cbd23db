"""What the bench needs from the outside, as Protocols; ``drivers`` implements them.

Life of a device: ``connect -> identify -> arm -> apply / sense -> make_safe -> close``.
Construction does no I/O. Cells, channels and NTCs count from 1 in names and files; sequences
here are in that order from index 0.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    Protocol,
    TypeAlias,
    runtime_checkable,
)

from can import Message

from hil.core.instants import Instant
from hil.core.records import LinkFaulted, Record
from hil.core.spec import BoardSpec, ChamberSpec, DeviceSpec, EmulatorSpec
from hil.core.wiring import WiringPlan

# --- time ------------------------------------------------------------------------------------


class Timer(Protocol):
    """A callback that has not run yet."""

    def cancel(self) -> None:
        """Forget the callback; harmless when it already ran."""


class Clock(Protocol):
    """The only source of time. Virtual or wall; nothing else may look at a clock."""

    def now(self) -> Instant:
        """Return the time since the clock started."""

    def call_at(self, instant: Instant, callback: Callable[..., None], *args: Any) -> Timer:
        """Run ``callback(*args)`` at ``instant``; equal instants run in the order of the calls."""

    async def sleep_until(self, instant: Instant) -> None:
        """Return at ``instant``, at once if it has passed."""


# --- links -----------------------------------------------------------------------------------


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


# --- devices ---------------------------------------------------------------------------------


class Identity(NamedTuple):
    """Who a device says it is; ``calibrated`` is an ISO date or empty."""

    maker: str
    model: str
    serial: str
    firmware: str
    calibrated: str = ""


class Device(Protocol):
    """What every role shares."""

    name: str

    async def connect(self) -> None:
        """Open the link. Raises LinkLost."""

    async def identify(self) -> Identity:
        """Ask who answers. Raises DeviceError, also when it is another model than expected."""

    async def arm(self) -> None:
        """Bring the device from its idle state to where set-points take effect (outputs on)."""

    def check(self) -> None:
        """Raise LinkLost if the link to the device is known to be gone; does no I/O."""

    async def make_safe(self) -> str:
        """Put the device into its safe state, read it back, and return what was read.

        Raises InstrumentFault if the read-back says otherwise.
        """

    async def close(self) -> None:
        """Let go of the link; harmless when it is closed."""


class CellReadings(NamedTuple):
    """Read-back of one emulator unit; current averaged since the last reading, + into the board."""

    voltage_v: Sequence[float]
    current_a: Sequence[float]
    alarm: int


class CellEmulator(Device, Protocol):
    """A unit of emulated cells, with auxiliary analog outputs where its SPEC has them.

    ``FAULTS`` names the faults that the instrument itself can put on a channel.
    """

    SPEC: ClassVar[EmulatorSpec]
    FAULTS: ClassVar[tuple[str, ...]]

    async def apply(self, voltage_v: Sequence[float], aux_v: Mapping[int, float]) -> None:
        """Set all cell voltages and the named auxiliary outputs in one message.

        Raises ValueError for a value outside SPEC: nothing is sent then.
        """

    async def sense(self) -> CellReadings:
        """Read back all cells. Raises DeviceError."""

    async def set_fault(self, channel: int, fault: str) -> None:
        """Put ``none`` or one of ``FAULTS`` on one channel. Raises DeviceError."""


class ChamberReading(NamedTuple):
    """What the chamber reports."""

    air_degc: float
    set_degc: float
    alarm: str


class Chamber(Device, Protocol):
    """A thermal chamber."""

    SPEC: ClassVar[ChamberSpec]

    async def apply(self, set_degc: float, ramp_k_per_min: float | None) -> None:
        """Go to ``set_degc``, at a ramp or as fast as it can. Raises ValueError outside SPEC."""

    async def sense(self) -> ChamberReading:
        """Read air temperature, set-point and alarm. Raises DeviceError."""


class BoardFault(NamedTuple):
    """A fault that the board itself reports; ``cell`` 0 means the whole board."""

    fault: str
    cell: int = 0


class BoardReport(NamedTuple):
    """The newest complete picture the board has sent.

    ``cells_at`` is the arrival of the last complete set of cell voltages, ``heard_at`` of the
    last valid frame; None when there was none yet. Limits are magnitudes in A. ``cell_sets`` counts
    complete sets of cell voltages (one a board cycle), ``rejected_frames`` bad checks or counters.
    ``status_at`` is the arrival of the last status (current, what is allowed), None before any.
    """

    cells_at: Instant | None
    heard_at: Instant | None
    cell_v: Sequence[float]
    ntc_degc: Sequence[float]
    pcb_degc: float
    current_a: float
    duty: Sequence[float]
    charge_limit_a: float
    discharge_limit_a: float
    charge_allowed: bool
    discharge_allowed: bool
    faults: frozenset[BoardFault]
    rejected_frames: int
    cell_sets: int
    status_at: Instant | None = None


class Board(Device, Protocol):
    """The board under test, spoken to over its own protocol."""

    SPEC: ClassVar[BoardSpec]

    async def apply(self, duty: Sequence[float]) -> None:
        """Command one bleed duty (0..1) a cell."""

    async def balance(self) -> None:
        """Have the board's own firmware decide its bleeds, whoever commanded them before.

        Raises DeviceError.
        """

    async def sense(self) -> BoardReport:
        """Fold everything received so far into a report; does not wait for a frame."""


# --- twins -----------------------------------------------------------------------------------


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


# --- what the entry points hil.drivers, hil.twins, hil.links and hil.disturbers name -----------


class DriverFactory(Protocol):
    """Builds a device. ``SPEC`` is its data sheet, ``OPTIONS`` the dataclass of its own keys.

    Does no I/O.
    """

    SPEC: DeviceSpec
    OPTIONS: type

    def __call__(self, name: str, link: Any, clock: Clock, options: Mapping[str, Any]) -> Device:
        """Return the device; ``options`` are the bench file's own keys for it."""


class TwinFactory(Protocol):
    """Builds the twin of one device; ``OPTIONS`` is the dataclass of its own keys."""

    OPTIONS: type

    def __call__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any]
    ) -> ByteTwin | FrameTwin:
        """Return the twin; ``options`` are the bench file's ``virtual`` keys for this device."""


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
    names what this host could reach by such a link, as the bench file would.
    """

    OPTIONS: type
    needs_twin: bool
    carries: Literal["bytes", "frames"]
    make: LinkFactory
    endpoint: EndpointFactory | None = None
    discover: Callable[[], Sequence[str]] | None = None


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


Handle: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Answers one request at a lab's control port. Raises ValueError, BenchError to refuse it."""


class ControlPort(Protocol):
    """A lab's control port that listens."""

    @property
    def address(self) -> str:
        """Where it listens, as ``host:port``."""

    async def close(self) -> None:
        """Listen no more."""


@dataclass(frozen=True)
class ControlKind:
    """What the entry point ``control`` of ``hil.labs`` names: both ends of a control port.

    ``serve(handle, host, port)`` listens; ``ask(host, port, request)`` returns an answer or raises
    DeviceError.
    """

    serve: Callable[[Handle, str, int], Awaitable[ControlPort]]
    ask: Callable[[str, int, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


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


class Recorder(Protocol):
    """Takes records, numbers them, keeps them. ``emit`` never fails: ``check`` tells.

    ``beside`` says that writing goes on beside the loop, so that it can fail between two ticks.
    """

    @property
    def beside(self) -> bool:
        """Say whether writing goes on beside the loop."""

    def emit(self, record: Record) -> None:
        """Append one record; never blocks the tick in wall time."""

    def check(self) -> None:
        """Raise EnvironmentProblem when records can no longer be kept."""

    def sync(self, at: Instant) -> None:
        """Return when all records so far are on the disk, or known not to be."""

    def close(self) -> None:
        """Write out what is pending; harmless when closed."""
