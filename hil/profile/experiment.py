"""What an experiment is once it is read: a claim, the conditions it is put to the test in, checks.

An experiment runs packs by the thousand in the batch engine, without a bench. Its *arms* differ in
what is compared (strategy, board); its *variants* in what surrounds all of them (the cause that is
taken away, another regime). Every *draw* is a pack with assumed parameters of its own, the same in
all arms and variants, so that differences are differences of pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from annotated_types import Ge, Gt, Interval

from hil.core.instants import Duration
from hil.physics.ageing import Life
from hil.physics.board import BoardDesign
from hil.physics.cell_types import CellParameters
from hil.physics.parameters import OLDEST_YEARS, PackSpread
from hil.physics.termination import Termination
from hil.profile.columns import Column, Contest
from hil.profile.forms import FRACTION
from hil.profile.model import CellOverride
from hil.profile.readers import SeriesFile
from hil.profile.series import Series
from hil.profile.weather import Ambient

T = TypeVar("T")

OF_THE_BOARD = {
    "sampling_error_v": "offset_v",
    "bleed_tolerance_ratio": "bleed_tolerance_ratio",
    "drift_ppm_per_k": "drift_ppm_per_k",
}
"""Conditions that stand in place of a figure of the board's design, and which figure that is."""

OF_ITS_GROUPS = {
    "zone_between_w_per_k": ("zones", "between_w_per_k"),
    "mains_hz": ("ripple", "mains_hz"),
    "leaking_lead": ("leakage", "lead"),
}
"""The same for figures of a group that a design may have, or not."""

ONE_FOR_ALL = ("termination", *OF_THE_BOARD, *OF_ITS_GROUPS)
"""Conditions with numbers that all packs of an arm share: packs and boards of a batch differ in
everything but what ends a charge and the design. They are compared by arms, not drawn."""

BASE = ""
"""The name of the variant that is the experiment as written."""

Role: TypeAlias = Literal["claim", "control", "expectation"]
"""``claim``: the effect that the claim is about. ``control``: the same effect where its cause has
been taken away; it must not show. ``expectation``: what else was expected, and is no part of the
claim."""


@dataclass(frozen=True)
class Phase:
    """A part of a day: a current in or out, or none, for a time."""

    for_ns: Annotated[Duration, Gt(0)]
    charge_a: Annotated[float, Gt(0)] | None = None
    discharge_a: Annotated[float, Gt(0)] | None = None

    def __post_init__(self) -> None:
        """Refuse two directions at once. Raises ValueError."""
        if self.charge_a is not None and self.discharge_a is not None:
            raise ValueError("charge_a: stands beside 'discharge', expected one of them")

    @property
    def demand_a(self) -> float:
        """Return the current, positive in discharge."""
        return (self.discharge_a or 0.0) - (self.charge_a or 0.0)


@dataclass(frozen=True)
class Household:
    """A recorded series of current or power, positive in discharge, times ``scale``."""

    series: SeriesFile
    scale: Annotated[float, Gt(0)] = 1.0


@dataclass(frozen=True)
class Conditions:
    """One arm's world: pack, box, wiring, board, and what is asked of it day by day.

    ``schedule`` is repeated, ``at_end`` comes once, as the last of the ``duration``; ``household``
    stands in place of ``schedule``. A day of ``full`` is given, instead of the schedule's, to packs
    whose strategy has asked for a full charge. Packs have lived by ``life`` for their ``age``; with
    ``ages`` they go on ageing. Without ``leakage`` and ``leakage_activation`` the cell's own are
    taken. After every ``seam_every`` cells a ``seam`` stands in place of a link; 0: none.

    ``muted``, ``filter_tau``, ``sampling_error``, ``bleed_tolerance``, the ``drift`` of references
    and ``zone_between``, the conductance between two zones, change the board, which is otherwise as
    its file says. ``mains`` is what its ripple comes from, ``ripple_share`` how much of the current
    it is, over ``ripple_window`` an ADC averages; ``lead_leak`` is from a dirty lead to ground, of
    ``leaking_lead`` or (0) of all of them. ``bleed_drift`` is how far all its bleed resistors have
    moved already, unknown to any strategy.
    """

    cell: str = "lfp-100ah"
    cells: Annotated[int, Gt(0)] = 16
    soc_ratio: FRACTION = 0.5
    spread: PackSpread = field(default_factory=PackSpread)
    single_cells: Mapping[Annotated[int, Gt(0)], CellOverride] = field(default_factory=dict)
    gradient_k: Annotated[float, Interval(ge=-40.0, le=40.0)] = 0.0
    ambient_degc: Ambient = 25.0
    age_years: Annotated[float, Interval(ge=0.0, le=OLDEST_YEARS)] = 0.0
    life: Life = field(default_factory=Life)
    ages: bool = False
    leakage_a: Annotated[float, Ge(0)] | None = None
    leakage_activation_j_per_mol: Annotated[float, Gt(0)] | None = None
    cell_cell_w_per_k: Annotated[float, Ge(0)] = 1.5
    cell_air_w_per_k: Annotated[float, Ge(0)] = 0.8
    enclosure_ambient_w_per_k: Annotated[float, Ge(0)] = 5.0
    enclosure_j_per_k: Annotated[float, Gt(0)] = 5000.0
    bleed_heat_ratio: FRACTION = 0.25
    end_heat_ratio: FRACTION = 0.0
    link_ohm: Annotated[float, Ge(0)] = 0.0002
    seam_ohm: Annotated[float, Ge(0)] = 0.001
    seam_every: Annotated[int, Ge(0)] = 0
    lead_ohm: Annotated[float, Ge(0)] = 0.06
    board: str = "standard-50mA"
    muted: bool | None = None
    filter_tau_s: Annotated[float, Gt(0)] | None = None
    sampling_error_v: Annotated[float, Ge(0)] | None = None
    board_heat_ratio: Annotated[float, Gt(0)] = 1.0
    bleed_tolerance_ratio: Annotated[float, Interval(ge=0.0, lt=1.0)] | None = None
    bleed_drift_ratio: Annotated[float, Interval(gt=-1.0, le=1.0)] = 0.0
    drift_ppm_per_k: Annotated[float, Ge(0)] | None = None
    zone_between_w_per_k: Annotated[float, Ge(0)] | None = None
    mains_hz: Annotated[float, Gt(0)] | None = None
    ripple_share_ratio: FRACTION | None = None
    ripple_window_s: Annotated[float, Gt(0)] | None = None
    leaking_lead: Annotated[int, Ge(0)] | None = None
    lead_leak_ohm: Annotated[float, Interval(ge=1e5, le=1e12)] | None = None
    termination: Termination = field(default_factory=Termination)
    schedule: tuple[Phase, ...] = ()
    full: tuple[Phase, ...] = ()
    at_end: tuple[Phase, ...] = ()
    household: Household | None = None

    @property
    def series(self) -> Series | None:
        """Return the recorded series, if there is one."""
        return self.household.series if self.household else None

    def __post_init__(self) -> None:
        """Refuse no days, and two kinds of them. Raises ValueError."""
        if bool(self.schedule) == bool(self.household):
            raise ValueError("expected exactly one of 'schedule' and 'household'")
        if self.full and _length(self.full) != _length(self.schedule):
            raise ValueError("full: must last as long as 'schedule', whose place it takes")


def _length(phases: tuple[Phase, ...]) -> Duration:
    return sum(phase.for_ns for phase in phases)


@dataclass(frozen=True)
class Assumed:
    """A parameter that nobody knows better than by a range: drawn anew for every pack.

    ``path`` are the fields that lead to it in ``Conditions``; a ``log`` range is one of factors.
    ``text`` is the range as it was written, with its unit.
    """

    key: str
    path: tuple[str, ...]
    low: float
    high: float
    log: bool = False
    text: str = ""


@dataclass(frozen=True)
class CheckText:
    """A check as it is written: bounds are texts, since the metric says in which unit."""

    name: str
    role: Role
    metric: str
    arm: str
    against: str | None = None
    variant: str = BASE
    against_variant: str | None = None
    below: str | None = None
    above: str | None = None
    relative: bool = False

    def __post_init__(self) -> None:
        """Refuse a check that bounds nothing. Raises ValueError."""
        if self.below is None and self.above is None:
            raise ValueError("expected 'below', 'above' or both")
        if self.relative and self.against is None:
            raise ValueError("relative: expected 'against' beside it")


@dataclass(frozen=True)
class Check:
    """An effect, looked for in every draw: ``metric`` of ``arm``, less that of ``against``.

    It shows where that (or, ``relative``, its share of ``against``'s) lies above ``above`` and
    below ``below``, in ``unit``. Arms are labels of ``Arm``.
    """

    name: str
    role: Role
    metric: str
    arm: str
    against: str | None
    below: float | None
    above: float | None
    relative: bool
    unit: str
    expected: str


@dataclass(frozen=True)
class Arm:
    """One thing to be compared, under one variant, with everything that it names loaded.

    ``known`` are conditions that variant or arm state themselves: of these nothing is drawn.
    """

    name: str
    variant: str
    conditions: Conditions
    cell: CellParameters
    design: BoardDesign
    strategy: Any
    known: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """Return how results call it: the plain name, behind its variant if that is not the base.

        >>> Arm("none", "warm", ..., ..., ..., ...).label
        'warm/none'
        """
        return f"{self.variant}/{self.name}" if self.variant else self.name


@dataclass(frozen=True)
class Head:
    """The head of an experiment's file. ``draws`` are shared out among the ``seeds``.

    ``plane``: two assumed conditions and a metric, for a plot of where in their plane it shows;
    ``grids`` and ``contest``: what its page shows of many variants (``hil.profile.columns``).
    """

    experiment: str
    title: str
    claim: str
    duration_ns: Annotated[Duration, Gt(0)]
    draws: Annotated[int, Interval(ge=1, le=100_000)] = 50
    seeds: tuple[Annotated[int, Interval(ge=0, lt=2**32)], ...] = (1, 2, 3)
    plane: tuple[str, ...] = ()
    grids: tuple[str, ...] = ()
    contest: Contest | None = None


@dataclass(frozen=True)
class Experiment:
    """A claim and everything that it is judged by, ready to run.

    ``overrides`` are what was set by hand: with them it is no longer what the file says.
    """

    head: Head
    file: Path
    arms: tuple[Arm, ...]
    assumed: tuple[Assumed, ...]
    checks: tuple[Check, ...]
    overrides: tuple[str, ...] = ()
    grids: tuple[Column, ...] = ()


def with_value(whole: T, path: Sequence[str], value: float) -> T:
    """Return a dataclass with the value at ``path`` in place of its own."""
    first, *rest = path
    inner = with_value(getattr(whole, first), rest, value) if rest else value
    return replace(whole, **{first: inner})  # type: ignore[type-var] # conditions and their parts
