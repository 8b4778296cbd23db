"""The roles of devices on a bench; an entry point of ``hil.drivers`` names a ``DriverFactory``.

Life of a device: ``connect -> identify -> arm -> apply / sense -> make_safe -> close``.
Construction does no I/O. Cells, channels and NTCs count from 1 in names and files; sequences
here are in that order from index 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from hil.core.instants import Instant
from hil.core.spec import BoardSpec, ChamberSpec, DeviceSpec, EmulatorSpec, FaultBoxSpec, SupplySpec
from hil.ports.clock import Clock


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


@runtime_checkable
class Forcible(Protocol):
    """A device that can be made safe by stronger means than being told; not every one can.

    ``STRONGER`` says in words what each of them does, the gentlest first.
    """

    STRONGER: ClassVar[tuple[str, ...]]

    async def force(self, means: int) -> str:
        """Take ``STRONGER[means]`` and return what was read back. Raises as ``make_safe``."""


class CellReadings(NamedTuple):
    """Read-back of one emulator unit; current averaged since the last reading, + into the board."""

    voltage_v: Sequence[float]
    current_a: Sequence[float]
    alarm: int


class CellEmulator(Device, Protocol):
    """A unit of emulated cells, with auxiliary analog outputs where its SPEC has them.

    ``FAULTS`` names the faults that the instrument itself can put on a channel, ``CURRENT_LIMITS``
    the options that bound what a cell gives and takes, in A.
    """

    SPEC: ClassVar[EmulatorSpec]
    CURRENT_LIMITS: ClassVar[tuple[str, ...]]
    FAULTS: ClassVar[tuple[str, ...]]

    async def apply(self, voltage_v: Sequence[float], aux_v: Mapping[int, float]) -> None:
        """Set all cell voltages and the named auxiliary outputs in one message.

        Raises ValueError for a value outside SPEC: nothing is sent then.
        """

    async def sense(self) -> CellReadings:
        """Read back all cells. Raises DeviceError."""

    async def inputs(self) -> Sequence[bool]:
        """Return the levels of the digital inputs (``SPEC.digital_inputs``). Raises DeviceError."""

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


class FaultBox(Device, Protocol):
    """Relays in the wires between the bench and the board; safe is every channel connected."""

    SPEC: ClassVar[FaultBoxSpec]

    async def set_open(self, channel: int, *, is_open: bool) -> None:
        """Open a channel or connect it again, and read it back.

        Raises ValueError for a channel that there is not, DeviceError.
        """

    async def sense(self) -> None:
        """See that all channels are as they were told. Raises InstrumentFault, other DeviceErrors.

        A relay that falls back by itself would let a board pass that never saw its fault.
        """


class SupplyReading(NamedTuple):
    """Read-back of a supply's channel: mean current since the last reading, + into the board."""

    voltage_v: float
    current_a: float
    alarm: int


class Supply(Device, Protocol):
    """A unit that gives the board its own supply; safe is every output off."""

    SPEC: ClassVar[SupplySpec]

    async def give(self, channel: int, voltage_v: float) -> None:
        """Set the voltage of one channel. Raises ValueError outside SPEC; DeviceError."""

    async def sense(self, channel: int) -> SupplyReading:
        """Read one channel back. Raises DeviceError."""


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
    """The board under test, spoken to over its own protocol.

    ``FAULTS`` are those that the driver can have as the board's host.
    """

    SPEC: ClassVar[BoardSpec]
    FAULTS: ClassVar[tuple[str, ...]]

    async def apply(self, duty: Sequence[float]) -> None:
        """Command one bleed duty (0..1) a cell."""

    async def balance(self) -> None:
        """Have the board's own firmware decide its bleeds, whoever commanded them before.

        Raises DeviceError.
        """

    async def sense(self) -> BoardReport:
        """Fold everything received so far into a report; does not wait for a frame."""

    async def set_fault(self, fault: str, *, active: bool) -> None:
        """Be a host with one of ``FAULTS``, or a sound one again; ``make_safe`` ends it.

        Raises ValueError for any other fault.
        """


@runtime_checkable
class Describing(Protocol):
    """An entry point without words of its own: with a description it makes drivers, or twins."""

    def described(self, words: Any) -> Any:
        """Return the ``DriverFactory`` or ``TwinFactory`` of a ``hil.core.described`` one."""


class DriverFactory(Protocol):
    """Builds a device. ``SPEC`` is its data sheet, ``OPTIONS`` the dataclass of its own keys.

    Does no I/O.
    """

    SPEC: DeviceSpec
    OPTIONS: type

    def __call__(self, name: str, link: Any, clock: Clock, options: Mapping[str, Any]) -> Device:
        """Return the device; ``options`` are the bench file's own keys for it."""
