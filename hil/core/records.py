"""Everything that can happen in a run, as a closed union. The journal is a sequence of these.

A record is plain immutable data with the instant at which it happened. It holds no wall-clock
time and no path of the host, so that two runs of one seed write the same records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from hil.core.instants import Duration, Instant


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first record: what runs, on what, and how a tick row is laid out.

    ``constants`` holds per-run truth that folds need (``plant.capacity_ah`` per cell);
    ``signals`` is one ``(name, unit, width)`` a signal, in row order.
    """

    kind: ClassVar[str] = "run-started"
    at: Instant
    profile: str
    bench: str
    seed: int
    tick: Duration
    resolved: str
    signals: tuple[tuple[str, str, int], ...]
    constants: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class DeviceIdentified:
    """A device answered who it is."""

    kind: ClassVar[str] = "device-identified"
    at: Instant
    device: str
    maker: str
    model: str
    serial: str
    firmware: str
    calibrated: str


@dataclass(frozen=True, slots=True)
class SafeStateArmed:
    """The undo of what comes next is registered; written before the device's output goes on."""

    kind: ClassVar[str] = "safe-state-armed"
    at: Instant
    device: str
    order: int
    meaning: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step of the profile begins; ``index`` is the value of the tick's ``step`` column."""

    kind: ClassVar[str] = "step-started"
    at: Instant
    index: int
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step is over; ``reason`` is the condition that ended it."""

    kind: ClassVar[str] = "step-ended"
    at: Instant
    index: int
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tick:
    """One row of measurements, laid out as ``RunStarted.signals`` says; NaN where nothing is known.

    ``wire`` is the rolling SHA-256, in hex, over every byte and frame on every link so far.
    """

    kind: ClassVar[str] = "tick"
    at: Instant
    values: tuple[float, ...]
    wire: str


@dataclass(frozen=True, slots=True)
class Overrun:
    """A tick began late; ``missed`` slots were skipped, never caught up in a burst."""

    kind: ClassVar[str] = "overrun"
    at: Instant
    late: Duration
    missed: int


@dataclass(frozen=True, slots=True)
class BadMeasurement:
    """A device error inside the tick: the measurement is of bad quality, the run goes on."""

    kind: ClassVar[str] = "bad-measurement"
    at: Instant
    device: str
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class BoardFaultChanged:
    """The board raised or cleared a fault flag; ``cell`` counts from 1, 0 means the whole board."""

    kind: ClassVar[str] = "board-fault"
    at: Instant
    fault: str
    cell: int
    active: bool


@dataclass(frozen=True, slots=True)
class Injected:
    """The profile put a fault in, or took it out again (``active`` false)."""

    kind: ClassVar[str] = "injected"
    at: Instant
    target: str
    fault: str
    cell: int
    active: bool


@dataclass(frozen=True, slots=True)
class LinkFaulted:
    """The bench disturbed a link by the plan in its own file: no evidence against the board.

    ``direction`` is ``to device`` or ``to host``; ``index`` counts the messages of that direction
    from 0.
    """

    kind: ClassVar[str] = "link-faulted"
    at: Instant
    device: str
    direction: str
    fault: str
    index: int


@dataclass(frozen=True, slots=True)
class FirmwareHalted:
    """The board's firmware did what no controller could: from here on its processor stands still.

    The bench knows it from the engine that ran it; on the wires the board is silent.
    """

    kind: ClassVar[str] = "firmware-halted"
    at: Instant
    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordsLost:
    """Records ``first`` to ``last`` could not be kept: whatever they showed is not known."""

    kind: ClassVar[str] = "records-lost"
    at: Instant
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Deviation:
    """The board did not behave as it must: evidence for FAIL, never an exception."""

    kind: ClassVar[str] = "deviation"
    at: Instant
    name: str
    subject: str
    value: float
    limit: float
    unit: str
    situation: str


@dataclass(frozen=True, slots=True)
class ExpectationJudged:
    """One expectation with everything needed to check it: value, uncertainty, limit, when, where.

    ``passed`` is None where the guard band leaves it open or the value could not be measured.
    ``comparison`` is one of ``<=``, ``<``, ``>=``, ``>``.
    """

    kind: ClassVar[str] = "expectation"
    at: Instant
    name: str
    value: float
    uncertainty: float
    unit: str
    comparison: str
    limit: float
    passed: bool | None
    read_at: Instant
    where: str


@dataclass(frozen=True, slots=True)
class Tripped:
    """An interlock tripped; the run goes to its safe state."""

    kind: ClassVar[str] = "tripped"
    at: Instant
    limit: str
    subject: str
    value: float
    bound: float
    unit: str
    blames_board: bool


@dataclass(frozen=True, slots=True)
class LimitWarned:
    """A limit that only warns was crossed, for the first time in the run, which goes on."""

    kind: ClassVar[str] = "limit-warned"
    at: Instant
    limit: str
    subject: str
    value: float
    bound: float
    unit: str


@dataclass(frozen=True, slots=True)
class DoorKept:
    """The chamber is, or was, too cold to be opened: room air would condense in it.

    ``phase`` is ``warming`` (the bench warms it, outputs off, before it lets go), ``released``, or
    ``not released``; ``coldest_degc`` is the coldest of what is known in it, ``reason`` says more.
    """

    kind: ClassVar[str] = "door-kept"
    at: Instant
    phase: str
    coldest_degc: float
    release_degc: float
    dew_point_degc: float
    reason: str


@dataclass(frozen=True, slots=True)
class BenchFailed:
    """The bench itself could not go on: a device that does not answer, a step it cannot do."""

    kind: ClassVar[str] = "bench-failed"
    at: Instant
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The operator or the host asked the run to stop (``SIGINT``, ``SIGTERM``)."""

    kind: ClassVar[str] = "stop-requested"
    at: Instant
    source: str
    level: str


@dataclass(frozen=True, slots=True)
class SafeStateReached:
    """One device was told to go safe and read back; ``ok`` only if the read-back says so."""

    kind: ClassVar[str] = "safe-state-reached"
    at: Instant
    device: str
    meaning: str
    read_back: str
    ok: bool


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last record."""

    kind: ClassVar[str] = "run-ended"
    at: Instant
    verdict: str
    reason: str


Record: TypeAlias = (
    RunStarted
    | DeviceIdentified
    | SafeStateArmed
    | StepStarted
    | StepEnded
    | Tick
    | Overrun
    | BadMeasurement
    | BoardFaultChanged
    | Injected
    | LinkFaulted
    | FirmwareHalted
    | RecordsLost
    | Deviation
    | ExpectationJudged
    | Tripped
    | LimitWarned
    | DoorKept
    | BenchFailed
    | StopRequested
    | SafeStateReached
    | RunEnded
)
