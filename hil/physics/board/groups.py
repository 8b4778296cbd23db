"""What a board design may have beside its plain resistors: optional groups of a board file.

A key that a board file leaves out means that the part is not there (or that its effect is left
out), so a design without any of these groups is the plain one. Every default is an assumption of
the design paper's tables (`docs/physics`), unless its field says where it comes from.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal

__all__ = [
    "ActiveBalancer",
    "Derating",
    "InternalFet",
    "Leakage",
    "Mosfet",
    "NtcPart",
    "Reference",
    "Resistor",
    "Ripple",
    "SeriesNtc",
    "Slots",
    "Zones",
]

INTERNAL_FILTER_OHM = (20.0, 100.0)
"""Filter resistors that bleed by an internal FET allows: TI's application notes on the BQ769x2."""


def refuse(name: str, found: str, expected: str) -> None:
    """Raise ValueError in the words of a configuration error, for the loader to place."""
    raise ValueError(f"{name}: found {found}, expected {expected}")


def within(group: Any, name: str, low: float, high: float) -> None:
    """Refuse a number of a group outside ``low`` to ``high``. Raises ValueError."""
    found = getattr(group, name)
    if not low <= found <= high:
        refuse(name, f"{found:g}", f"{low:g} to {high:g}")


def above_zero(group: Any, *names: str) -> None:
    """Refuse numbers of a group that are not above zero. Raises ValueError."""
    for name in names:
        if not getattr(group, name) > 0:
            refuse(name, f"{getattr(group, name):g}", "more than 0")


@dataclass(frozen=True)
class Mosfet:
    """An external MOSFET in the bleed path, in place of a saturated transistor.

    ``rds_on`` is at 25 degC and rises by ``rds_tc`` a kelvin. With ``constant`` the gate is
    regulated: the current is ``constant`` at 3.2 V and changes by ``regulation`` over the 0.4 V
    on either side of it (+-2 % over 2.8 to 3.6 V), as long as the path lets so much pass.
    """

    rds_on_ohm: float = 0.1
    rds_tolerance_ratio: float = 0.5
    rds_tc_per_k: float = 0.004
    constant_a: float | None = None
    regulation_ratio: float = 0.02

    def __post_init__(self) -> None:
        """Refuse what is no MOSFET. Raises ValueError naming the key."""
        within(self, "rds_on_ohm", 0.001, 1.0)
        within(self, "rds_tolerance_ratio", 0.0, 0.9)
        within(self, "regulation_ratio", 0.0, 0.5)
        if self.constant_a is not None:
            above_zero(self, "constant_a")


@dataclass(frozen=True)
class InternalFet:
    """The bleed FET inside a front end: the current comes through both filter resistors.

    I = V / (2 Rfilter + Rds), with Rds 15, 28 and 46 ohm (least, typical, most) for the BQ769x2.
    """

    rds_min_ohm: float = 15.0
    rds_typ_ohm: float = 28.0
    rds_max_ohm: float = 46.0

    def __post_init__(self) -> None:
        """Refuse a spread in the wrong order. Raises ValueError naming the key."""
        above_zero(self, "rds_min_ohm")
        if not self.rds_min_ohm <= self.rds_typ_ohm <= self.rds_max_ohm:
            order = f"rds_min to rds_max ({self.rds_min_ohm:g} to {self.rds_max_ohm:g} ohm)"
            refuse("rds_typ_ohm", f"{self.rds_typ_ohm:g} ohm", order)


@dataclass(frozen=True)
class SeriesNtc:
    """An NTC in series with the bleed resistor: it passes *more* when it is hot.

    ``coupling`` is how much of the resistor's rise over the board reaches the NTC beside it.
    """

    r25_ohm: float
    beta_k: float
    coupling_ratio: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what is no NTC. Raises ValueError naming the key."""
        above_zero(self, "r25_ohm")
        within(self, "beta_k", 1000.0, 10_000.0)
        within(self, "coupling_ratio", 0.0, 1.0)


@dataclass(frozen=True)
class Resistor:
    """What a data sheet says of the bleed resistor's load: rating, derating line, load life.

    Full ``rated`` power up to ``derate_from``, none at ``derate_to``; resistance moves by at most
    ``life_drift`` in 1000 h at rated power (1 % for 1 % parts, 3 % for 5 % parts).
    """

    rated_w: float
    life_drift_ratio: float = 0.01
    derate_from_degc: float = 70.0
    derate_to_degc: float = 155.0

    def __post_init__(self) -> None:
        """Refuse a line that does not fall. Raises ValueError naming the key."""
        above_zero(self, "rated_w")
        within(self, "life_drift_ratio", 0.0, 0.2)
        if not self.derate_to_degc > self.derate_from_degc:
            refuse("derate_to_degc", f"{self.derate_to_degc:g} degC", "more than derate_from_degc")


@dataclass(frozen=True)
class Slots:
    """A measurement loop that stops the bleed on the measured cell and its neighbours each slot.

    BQ76952: 21 slots of 3 ms; a cell is muted in three of them, so 3/21 of its duty is lost.
    ``slow`` 2, 4 or 8 measures so many times less often while it bleeds.
    """

    slot_ns: int = 3_000_000
    count: int = 21
    slow: int = 1

    def __post_init__(self) -> None:
        """Refuse a loop without room for its three slots. Raises ValueError naming the key."""
        above_zero(self, "slot_ns")
        within(self, "count", 3, 1000)
        if self.slow not in {1, 2, 4, 8}:
            refuse("slow", str(self.slow), "1, 2, 4 or 8")

    @property
    def lost_ratio(self) -> float:
        """How much of its time a bleed is stopped for measuring."""
        return 3.0 / (self.count * self.slow)


@dataclass(frozen=True)
class Reference:
    """How a voltage reference moves over months and after heat; its drift is the design's own.

    ``long_term`` grows with the root of the time, stated for 1000 h; ``hysteresis`` is what lies
    between readings at one temperature that was come to from above and from below, by way of more
    than ``span``. LTC6802: 60 ppm/sqrt(kh) and 100 ppm [datasheet]; the span is assumed.
    """

    long_term_ppm: float = 60.0
    hysteresis_ppm: float = 100.0
    span_k: float = 40.0

    def __post_init__(self) -> None:
        """Refuse what is no magnitude. Raises ValueError naming the key."""
        within(self, "long_term_ppm", 0.0, 10_000.0)
        within(self, "hysteresis_ppm", 0.0, 10_000.0)
        above_zero(self, "span_k")


@dataclass(frozen=True)
class Ripple:
    """Mains in the readings: ripple of a single-phase inverter, and pick-up on the leads.

    The inverter draws ``share`` of the direct current as a sine of twice the ``mains`` frequency,
    through ``cell_ohm`` of every cell; the leads pick up ``pickup`` (amplitude, differing by cell)
    at the mains' own. The ADC averages over ``window``; cells are converted ``stagger`` apart.
    """

    mains_hz: float = 50.0
    share_ratio: float = 0.0
    cell_ohm: float = 0.5e-3
    pickup_v: float = 0.0
    window_ns: int = 1_000_000
    stagger_ns: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no mains. Raises ValueError naming the key."""
        within(self, "mains_hz", 1.0, 1000.0)
        within(self, "share_ratio", 0.0, 1.0)
        within(self, "cell_ohm", 0.0, 1.0)
        within(self, "pickup_v", 0.0, 1.0)


@dataclass(frozen=True)
class Zones:
    """A layout with the bleeds in a zone of their own: two nodes, each to the air, and one link.

    The board's NTC sits in the bleed zone, beside the resistors; references are in the other one,
    which the front ends' own draw warms by ``front_end_draw``.
    """

    bleed_air_w_per_k: float
    front_end_air_w_per_k: float
    between_w_per_k: float
    bleed_capacity_j_per_k: float
    front_end_capacity_j_per_k: float
    front_end_draw_w: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a zone that no heat leaves, or that holds none. Raises ValueError."""
        names = {field.name for field in fields(self)} - {"between_w_per_k", "front_end_draw_w"}
        above_zero(self, *sorted(names))
        within(self, "between_w_per_k", 0.0, 1000.0)
        within(self, "front_end_draw_w", 0.0, 100.0)


@dataclass(frozen=True)
class NtcPart:
    """What a real NTC adds to its curve: tolerances, its own heat and its lag.

    ``dissipation`` is how much power warms it by a kelvin (~2 mW/K), ``tau`` its time constant.
    """

    r25_tolerance_ratio: float = 0.01
    beta_tolerance_ratio: float = 0.01
    dissipation_w_per_k: float = 2e-3
    tau_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what is no part. Raises ValueError naming the key."""
        within(self, "r25_tolerance_ratio", 0.0, 0.5)
        within(self, "beta_tolerance_ratio", 0.0, 0.5)
        above_zero(self, "dissipation_w_per_k")
        within(self, "tau_s", 0.0, 3600.0)


@dataclass(frozen=True)
class Leakage:
    """Humid dirt between sense leads and the board's ground, its lowest lead.

    ``lead`` is the one that leaks, from 1; 0: all of them. Behind the filter the leak draws
    through the filter's resistor, and shifts readings; before it, it only bleeds the cells.
    """

    leak_ohm: float
    lead: int = 0
    behind_filter: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no leak but a short. Raises ValueError naming the key."""
        within(self, "leak_ohm", 1e5, 1e12)
        within(self, "lead", 0, 65)


@dataclass(frozen=True)
class Derating:
    """Bleed duty that falls with what the board's NTC reads.

    All of it up to ``start``, none from ``end`` on, in proportion between them.
    """

    start_degc: float
    end_degc: float

    def __post_init__(self) -> None:
        """Refuse a duty that would rise with heat. Raises ValueError naming the key."""
        if not self.end_degc > self.start_degc:
            refuse("end_degc", f"{self.end_degc:g} degC", f"more than {self.start_degc:g} degC")


@dataclass(frozen=True)
class Feed:
    """The board's own supply, where the bench gives it one.

    The board runs between ``min`` and ``max`` and draws ``current`` then, awake and with all bleeds
    off; ``hold_up`` is for how long its capacitors carry it on below ``min``.
    """

    min_v: float
    max_v: float
    current_a: float
    hold_up_ns: int = 2_000_000

    def __post_init__(self) -> None:
        """Refuse a supply that no board has. Raises ValueError naming the key."""
        within(self, "min_v", 2.0, 60.0)
        within(self, "current_a", 1e-6, 5.0)
        within(self, "hold_up_ns", 0.0, 1e9)
        if not self.max_v > self.min_v:
            refuse("max_v", f"{self.max_v:g} V", f"more than {self.min_v:g} V (min)")


@dataclass(frozen=True)
class ActiveBalancer:
    """A converter that carries charge from one cell to another, or to all of them in series.

    ``current`` flows out of the giving cell while two cells differ by ``min_difference`` or more;
    of its power ``efficiency`` arrives.
    """

    current_a: float = 2.0
    efficiency_ratio: float = 0.85
    min_difference_v: float = 5e-3
    topology: Literal["cell-to-cell", "cell-to-pack"] = "cell-to-cell"

    def __post_init__(self) -> None:
        """Refuse a machine that makes energy. Raises ValueError naming the key."""
        within(self, "current_a", 0.01, 20.0)
        within(self, "efficiency_ratio", 0.1, 1.0)
        within(self, "min_difference_v", 0.0, 1.0)
