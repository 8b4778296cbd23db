"""What a profile is once it is read: frozen data, numbers in the unit that their name ends with.

The YAML key of a field is its name without the unit: ``for_ns`` is written ``for: 1 h``. Profiles
can be written in Python with the same types.

Signs and reference points are those of the bench: currents and powers are magnitudes here, the
step's name says the direction; voltages without another word are those of one cell; temperatures
are in degrees Celsius, differences in kelvin; instants and durations are whole nanoseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from annotated_types import Ge, Gt, Interval

from hil.core.errors import ConfigError
from hil.core.instants import Duration
from hil.core.recorded import UNLESS_DEFAULT
from hil.core.watched import Severity
from hil.physics.ageing import Life
from hil.physics.parameters import OLDEST_YEARS, PackSpread
from hil.profile.conditions import After, Compare, Condition, Criterion
from hil.profile.forms import FRACTION
from hil.profile.readers import ConditionText, SeriesFile
from hil.profile.resolved import as_json
from hil.profile.series import Series
from hil.profile.source import Mark
from hil.profile.weather import Ambient, Weather, WeatherText

__all__ = ["After", "Compare", "Condition", "Criterion", "Series"]

SLOWEST_RAMP_K_PER_MIN = 0.001
"""What a controller's register can still hold; slower ones would be sent as 0."""

CurrentLimit: TypeAlias = Literal["board", "none"]


@dataclass(frozen=True, kw_only=True)
class Played:
    """What every step carries from its file: line, place (``2.repeat/1.charge``), one-line text."""

    kind: ClassVar[str]
    line: int = 0
    path: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Soak(Played):
    """Bring the chamber to a temperature, then stay ``for`` that long within ``within`` of it."""

    kind: ClassVar[str] = "soak"
    chamber_degc: float
    for_ns: Duration
    ramp_k_per_min: Annotated[float, Ge(SLOWEST_RAMP_K_PER_MIN)] | None = None
    within_k: Annotated[float, Gt(0)] = 1.0


@dataclass(frozen=True, kw_only=True)
class Charge(Played):
    """Charge with a constant current or power.

    ``limit: board`` stays within the current that the board allows and stops when it forbids
    charging, as an inverter would; ``limit: none`` does not listen, to see what the board does.
    """

    kind: ClassVar[str] = "charge"
    current_a: Annotated[float, Gt(0)] | None = None
    power_w: Annotated[float, Gt(0)] | None = None
    limit: CurrentLimit = "board"
    until: tuple[ConditionText, ...]

    def __post_init__(self) -> None:
        """Refuse both and neither."""
        _one_of(self.current_a, self.power_w, "current and power")


@dataclass(frozen=True, kw_only=True)
class Discharge(Played):
    """Discharge with a constant current or power; ``limit`` as in ``Charge``."""

    kind: ClassVar[str] = "discharge"
    current_a: Annotated[float, Gt(0)] | None = None
    power_w: Annotated[float, Gt(0)] | None = None
    limit: CurrentLimit = "board"
    until: tuple[ConditionText, ...]

    def __post_init__(self) -> None:
        """Refuse both and neither."""
        _one_of(self.current_a, self.power_w, "current and power")


@dataclass(frozen=True, kw_only=True)
class Hold(Played):
    """Hold the mean cell voltage, with no cell above ``cell_max`` and no more than ``max_current``.

    Voltages are those of one cell.
    """

    kind: ClassVar[str] = "hold"
    voltage_v: Annotated[float, Gt(0)]
    cell_max_v: Annotated[float, Gt(0)]
    max_current_a: Annotated[float, Gt(0)] | None = None
    limit: CurrentLimit = "board"
    until: tuple[ConditionText, ...]

    def __post_init__(self) -> None:
        """Refuse a cell limit that the hold itself would cross."""
        if self.cell_max_v < self.voltage_v:
            raise ValueError("'cell_max' lies below 'voltage', the mean of all cells")


@dataclass(frozen=True, kw_only=True)
class Rest(Played):
    """No current for a time."""

    kind: ClassVar[str] = "rest"
    for_ns: Duration


@dataclass(frozen=True, kw_only=True)
class Follow(Played):
    """Follow a series of current or power; positive values discharge the pack.

    ``scale`` multiplies every value. Charging stops while a cell is above ``cell_max``,
    discharging while one is below ``cell_min``.
    """

    kind: ClassVar[str] = "follow"
    series: SeriesFile
    scale: Annotated[float, Gt(0)] = 1.0
    limit: CurrentLimit = "board"
    cell_min_v: Annotated[float, Gt(0)]
    cell_max_v: Annotated[float, Gt(0)]
    until: tuple[ConditionText, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an empty window."""
        if self.cell_max_v <= self.cell_min_v:
            raise ValueError("'cell_max' must lie above 'cell_min'")


@dataclass(frozen=True, kw_only=True)
class Outdoors(Played):
    """Let the chamber follow weather from here on, until a ``soak`` gives it another set-point.

    It takes no time of its own. What the weather asks beyond ``needs.chamber`` and the chamber
    itself stays at their limit.
    """

    kind: ClassVar[str] = "chamber"
    weather: WeatherText


@dataclass(frozen=True, kw_only=True)
class Repeat(Played):
    """Play ``steps`` ``count`` times; with ``every``, each turn starts on that period."""

    kind: ClassVar[str] = "repeat"
    count: int
    every_ns: Duration | None
    steps: "tuple[Step, ...]"


@dataclass(frozen=True, kw_only=True)
class Expect(Played):
    """Judge a measured quantity now; for one that every cell has, all must lie inside.

    Bounds are in ``unit``, ends included; ``name`` is how the report calls it: the quantity, and
    where it was read if the profile says so.
    """

    kind: ClassVar[str] = "expect"
    quantity: str
    minimum: float | None
    maximum: float | None
    unit: str
    name: str


@dataclass(frozen=True, kw_only=True)
class ExpectFault(Played):
    """Expect the board to report a fault within a time from now; cell 0 is the whole board."""

    kind: ClassVar[str] = "expect"
    fault: str
    cell: int
    within_ns: Duration


@dataclass(frozen=True, kw_only=True)
class ExpectGone(ExpectFault):
    """Expect the board to report a fault no more, within a time from now."""

    gone: bool = True


@dataclass(frozen=True, kw_only=True)
class FaultStep(Played):
    """A fault of a device or of the wiring; cell 0 means no one cell."""

    target: str
    fault: str
    cell: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, kw_only=True)
class Inject(FaultStep):
    """Put a fault in, for a time or for good."""

    kind: ClassVar[str] = "inject"
    for_ns: Duration | None = None


@dataclass(frozen=True, kw_only=True)
class Clear(FaultStep):
    """Take a fault out again that an ``Inject`` without a time has put in."""

    kind: ClassVar[str] = "clear"


Step: TypeAlias = (
    Soak
    | Charge
    | Discharge
    | Hold
    | Rest
    | Follow
    | Outdoors
    | Repeat
    | Expect
    | ExpectFault
    | Inject
    | Clear
)
"""The closed union of what a profile can do."""


@dataclass(frozen=True)
class Limit:
    """A limit that the bench watches all the time, in the unit of its quantity.

    ``rate`` bounds the change over ``over_ns``, in either direction, in the quantity's rate unit
    (``hil.profile.conditions.RATE_UNITS``).
    """

    quantity: str
    minimum: float | None
    maximum: float | None
    rate: float | None = field(default=None, metadata=UNLESS_DEFAULT)
    over_ns: Duration | None = field(default=None, metadata=UNLESS_DEFAULT)
    severity: Severity = field(default="trip", metadata=UNLESS_DEFAULT)


@dataclass(frozen=True)
class Window:
    """A range of temperature."""

    min_degc: float | None = None
    max_degc: float | None = None


@dataclass(frozen=True)
class Needs:
    """What the profile asks of a bench."""

    cells: Annotated[int, Gt(0)]
    chamber: Window = field(default_factory=Window)

    @property
    def chamber_min_degc(self) -> float | None:
        """Return the lowest chamber temperature asked for."""
        return self.chamber.min_degc

    @property
    def chamber_max_degc(self) -> float | None:
        """Return the highest chamber temperature asked for."""
        return self.chamber.max_degc


@dataclass(frozen=True)
class Controller:
    """The reference controller; ``parameters`` is the strategy's own frozen dataclass.

    It commands the board's bleeds, or, as a shadow, decides beside the board and is what the
    board's own decisions are judged by.
    """

    mode: Literal["command", "shadow"]
    strategy: str
    parameters: Any


@dataclass(frozen=True)
class CellOverride:
    """One cell fixed by hand, in place of what the spread drew: ratios of nominal, and its SOC."""

    capacity_ratio: Annotated[float, Interval(gt=0.0, le=2.0)] | None = None
    soc_ratio: FRACTION | None = None
    leakage_ratio: Annotated[float, Interval(ge=0.0, le=1000.0)] | None = None
    resistance_ratio: Annotated[float, Interval(gt=0.0, le=10.0)] | None = None


@dataclass(frozen=True)
class PackConfig:
    """The simulated pack.

    ``cell`` names a file of profiles/cells, which the loader puts into ``cell_parameters``.
    ``gradient`` is the difference in ambient temperature between the two ends of the stack.
    Without ``ambient`` the pack stands in the chamber's air; it may be weather, not a number.
    The cells are new ones that have lived for ``age`` as ``life`` says.
    """

    cell: str
    soc_ratio: FRACTION = 0.5
    spread: PackSpread = field(default_factory=PackSpread)
    gradient_k: Annotated[float, Interval(ge=0.0, le=40.0)] = 0.0
    cells: Mapping[Annotated[int, Gt(0)], CellOverride] = field(default_factory=dict)
    ambient_degc: Ambient | None = None
    age_years: Annotated[float, Interval(ge=0.0, le=OLDEST_YEARS)] = field(
        default=0.0, metadata=UNLESS_DEFAULT
    )
    life: Life = field(default=Life(), metadata=UNLESS_DEFAULT)

    @property
    def weather(self) -> Weather | None:
        """Return the weather that the pack stands in, if it does."""
        return self.ambient_degc if isinstance(self.ambient_degc, Weather) else None

    @property
    def constant_degc(self) -> float | None:
        """Return the one temperature around the pack, if it has one."""
        return None if isinstance(self.ambient_degc, Weather) else self.ambient_degc


@dataclass(frozen=True)
class Profile:
    """A test, ready to be checked against a bench and run.

    ``cell_parameters`` is the ``hil.physics.cell_types.CellParameters`` that ``pack.cell`` names.
    ``cell_limits`` are what that cell may be put through, by its own file.
    ``parameters`` have been filled in already and are kept for the report. ``marks`` say where each
    dotted key stands (``steps.2.charge.current``), for errors that only a check can find.
    """

    name: str
    about: str
    file: Path
    bench: str
    needs: Needs
    controller: Controller
    pack: PackConfig
    cell_parameters: Any
    limits: tuple[Limit, ...]
    steps: tuple[Step, ...]
    verdict: tuple[Criterion, ...]
    tick_ns: Duration | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    cell_limits: tuple[Limit, ...] = ()
    marks: Mapping[str, Mark] = field(default_factory=dict, compare=False, repr=False)

    def wrong(self, key: str, message: str) -> ConfigError:
        """Return an error at a dotted key, or at the nearest one above it that the file has."""
        return nearest_mark(self.marks, key, str(self.file)).error(key, message)

    def resolved_text(self) -> str:
        """Return everything that decides the run as one line of JSON, without any path."""
        return as_json(self)


def nearest_mark(marks: Mapping[str, Mark], key: str, file: str) -> Mark:
    """Return the mark of ``key``, else of what contains it, else of the whole file."""
    while key:
        if key in marks:
            return marks[key]
        key = key.rpartition(".")[0]
    return Mark(file)


def all_steps(steps: Sequence[Step]) -> list[Step]:
    """Return every step in the order of the file, those inside a repeat once."""
    found: list[Step] = []
    for step in steps:
        found.append(step)
        if isinstance(step, Repeat):
            found += all_steps(step.steps)
    return found


def _one_of(first: object, second: object, names: str) -> None:
    """Refuse two answers to one question, and none. Raises ValueError."""
    if (first is None) == (second is None):
        raise ValueError(f"expected exactly one of {names}")
