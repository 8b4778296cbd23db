"""A board design: everything that distinguishes one board from another, as data.

``BoardDesign`` is the form of profiles/boards/*.yaml. What it may have beside its plain resistors
are the optional groups of ``groups``. A design that contradicts itself is refused here.
"""

from dataclasses import dataclass, field
from typing import Literal

from hil.core.instants import MINUTE
from hil.core.recorded import UNLESS_DEFAULT
from hil.physics.board.groups import (
    INTERNAL_FILTER_OHM,
    ActiveBalancer,
    Derating,
    Feed,
    InternalFet,
    Leakage,
    Mosfet,
    NtcPart,
    Reference,
    Resistor,
    Ripple,
    SeriesNtc,
    Slots,
    Zones,
    refuse,
)

__all__ = [
    "ADC_MAX_V",
    "MAX_CELLS",
    "MAX_FRONT_ENDS",
    "STATED_CELL_V",
    "BoardDesign",
]

STATED_CELL_V = 3.4
"""At which cell voltage a design states its bleed current: near the end of a charge."""
STATED_CURRENT_RATIO = 0.1
"""How far a stated bleed current may lie from what the parts give: 206 mA are sold as 200 mA."""
ADC_MAX_V = 5.0
MAX_CELLS = 64
MAX_NTCS = 47
MAX_FRONT_ENDS = 4
MAX_CELLS_PER_FRONT_END = 18
MAX_LIMIT_A = 6553.5
"""A current limit has 16 bits of 0.1 A on the bus."""
CYCLE_S = (1e-3, 60.0)
"""Beyond a minute nothing is answered in the time that a safe state may take."""
BALANCE_EVERY_S = (1e-3, 3600.0)
"""From every cycle of a fast board to once an hour."""
NTC_BETA_K = (1000.0, 10_000.0)
"""Parts are 2000 to 5000 K; far outside the curve overflows."""

# Where a threshold trips, and where it releases: so a board tells too much from too little.
_TOO_MUCH = {
    "over_voltage_v": "over_voltage_release_v",
    "over_temperature_degc": "over_temperature_release_degc",
    "over_current_a": "over_current_release_a",
    "bleed_pause_degc": "bleed_resume_degc",
}
_TOO_LITTLE = {
    "under_voltage_v": "under_voltage_release_v",
    "under_temperature_degc": "under_temperature_release_degc",
}


@dataclass(frozen=True)
class BoardDesign:
    """Everything that distinguishes one board from another; a key of a board file is a field.

    ``offset_v``, ``gain_ppm`` and the tolerances are half-widths of a uniform spread over channels
    ("±"); ``drift_ppm_per_k`` is that of a reference, one a front end unless ``common_reference``.
    Thresholds trip after ``protection_delay_ns`` and release, after the same time, at ``release``.
    """

    model: str
    cells: int
    cells_per_front_end: int
    cycle_ns: int

    # Bleed path (an internal FET has no resistor: 0 ohm) and filter. ``rth`` is from the resistor
    # to the board, which itself pauses all bleeds at ``bleed_pause``; ``input`` is what an input
    # draws; ``settle`` is how long before sampling the bleeds are muted, if at all.
    bleed_ohm: float
    bleed_tolerance_ratio: float
    bleed_tcr_ppm_per_k: float
    bleed_rth_k_per_w: float
    bleed_pause_degc: float
    bleed_resume_degc: float
    filter_resistance_ohm: float
    filter_capacitance_farad: float
    input_ohm: float
    input_tolerance_ratio: float
    mute: bool
    settle_ns: int

    # Sampling chain, as seen from the cell: errors of a reading in V, ppm of it, ppm a kelvin of
    # the board away from 25 degC.
    offset_v: float
    gain_ppm: float
    drift_ppm_per_k: float
    common_reference: bool
    noise_v: float
    resolution_v: float

    # Printed circuit board (first order to the air), NTC dividers (pull-up to the supply), shunt.
    pcb_rth_k_per_w: float
    pcb_tau_s: float
    ntcs: int
    ntc_r25_ohm: float
    ntc_beta_k: float
    ntc_pullup_ohm: float
    ntc_supply_v: float
    shunt_ohm: float
    current_offset_a: float
    current_gain_ppm: float
    current_noise_a: float

    # Protections and limits: currents are magnitudes, ``cold_charge_limit`` holds between
    # ``no_charge_below`` and ``cold_charge_below``.
    over_voltage_v: float
    over_voltage_release_v: float
    under_voltage_v: float
    under_voltage_release_v: float
    over_temperature_degc: float
    over_temperature_release_degc: float
    under_temperature_degc: float
    under_temperature_release_degc: float
    over_current_a: float
    over_current_release_a: float
    protection_delay_ns: int
    charge_limit_a: float
    discharge_limit_a: float
    cold_charge_limit_a: float
    cold_charge_below_degc: float
    no_charge_below_degc: float
    command_timeout_ns: int

    # Open-wire procedure: every so many cycles, a reading that a pull moves by more is open.
    open_wire_every: int
    open_wire_threshold_v: float
    pull_a: float

    # How a board with firmware of its own balances while no host commands it: a cell bleeds from
    # ``start`` above the lowest one down to ``stop``, decided every ``balance_every``.
    balance_start_v: float = field(default=0.050, metadata=UNLESS_DEFAULT)
    balance_stop_v: float = field(default=0.030, metadata=UNLESS_DEFAULT)
    balance_every_ns: int = field(default=2 * MINUTE, metadata=UNLESS_DEFAULT)

    # What the current is sold as, at 3.4 V: held against what the path can give. Its switch is a
    # saturated transistor, of no resistance, unless one of the two FETs stands here.
    bleed_current_a: float | None = field(default=None, metadata=UNLESS_DEFAULT)
    mosfet: Mosfet | None = field(default=None, metadata=UNLESS_DEFAULT)
    internal_fet: InternalFet | None = field(default=None, metadata=UNLESS_DEFAULT)
    series_ntc: SeriesNtc | None = field(default=None, metadata=UNLESS_DEFAULT)
    resistor: Resistor | None = field(default=None, metadata=UNLESS_DEFAULT)
    # Where the inputs are connected: to the leads that also carry the bleed current, or to the
    # cells by leads of their own.
    sense: Literal["shared", "kelvin"] = field(default="shared", metadata=UNLESS_DEFAULT)
    slots: Slots | None = field(default=None, metadata=UNLESS_DEFAULT)
    reference: Reference | None = field(default=None, metadata=UNLESS_DEFAULT)
    # The comparators that trigger a bleed have a reference of their own, which drifts by this.
    trigger_drift_ppm_per_k: float | None = field(default=None, metadata=UNLESS_DEFAULT)
    ripple: Ripple | None = field(default=None, metadata=UNLESS_DEFAULT)
    zones: Zones | None = field(default=None, metadata=UNLESS_DEFAULT)
    ntc_part: NtcPart | None = field(default=None, metadata=UNLESS_DEFAULT)
    leakage: Leakage | None = field(default=None, metadata=UNLESS_DEFAULT)
    derating: Derating | None = field(default=None, metadata=UNLESS_DEFAULT)
    balancer: ActiveBalancer | None = field(default=None, metadata=UNLESS_DEFAULT)
    feed: Feed | None = field(default=None, metadata=UNLESS_DEFAULT)

    def __post_init__(self) -> None:
        """Refuse a board that cannot exist. Raises ValueError naming the key."""
        self._within("cells", 1, MAX_CELLS)
        self._within("cells_per_front_end", 1, MAX_CELLS_PER_FRONT_END)
        self._within("ntcs", 0, MAX_NTCS)
        self._within("cycle_ns", *CYCLE_S, scale=1e-9)
        self._within("settle_ns", 0, (self.cycle_ns - 1) * 1e-9, scale=1e-9)
        self._within("ntc_beta_k", *NTC_BETA_K)
        self._within("charge_limit_a", 0, MAX_LIMIT_A)
        self._within("discharge_limit_a", 0, MAX_LIMIT_A)
        self._within("open_wire_every", 1, 1_000_000)
        self._within("balance_start_v", 0, ADC_MAX_V)
        self._within("balance_every_ns", *BALANCE_EVERY_S, scale=1e-9)
        if not 0 < self.balance_stop_v <= self.balance_start_v:
            refuse(
                "balance_stop_v",
                f"{self.balance_stop_v} V",
                "more than 0 and at most balance_start_v",
            )
        if self.front_ends > MAX_FRONT_ENDS:
            found = f"{self.cells} cells need {self.front_ends} front ends"
            raise ValueError(f"cells_per_front_end: {found}, expected at most {MAX_FRONT_ENDS}")
        self._released()
        positive = (
            "filter_resistance_ohm filter_capacitance_farad input_ohm resolution_v pcb_tau_s "
            "ntc_r25_ohm ntc_beta_k ntc_pullup_ohm ntc_supply_v shunt_ohm command_timeout_ns"
        )
        for name in positive.split():
            if not getattr(self, name) > 0:
                refuse(name, f"{getattr(self, name)}", "more than 0")
        self._conducts()
        if self.slots is not None and not self.mute:
            refuse("mute", "no", "yes beside slots: a measurement loop stops the bleeds")
        if self.leakage is not None and self.leakage.lead > self.cells + 1:
            message = f"0 (all) to {self.cells + 1} for {self.cells} cells"
            refuse("leakage", f"lead {self.leakage.lead}", message)

    def _conducts(self) -> None:
        """Refuse a bleed path that does not exist, or cannot give the current it is sold for."""
        if self.internal_fet is None:
            if not self.bleed_ohm > 0:
                refuse("bleed_ohm", f"{self.bleed_ohm}", "more than 0")
        else:
            self._bleeds_through_its_filter()
        if self.mosfet is not None and self.internal_fet is not None:
            refuse("mosfet", "one beside internal_fet", "one of the two: leave one out")
        if self.bleed_current_a is None:
            return
        least_a, most_a = self.bleed_range_a
        if not least_a <= self.bleed_current_a <= most_a:
            refuse(
                "bleed_current_a",
                f"{1e3 * self.bleed_current_a:.4g} mA",
                f"{1e3 * least_a:.3g} to {1e3 * most_a:.3g} mA, which is what {self._path()} "
                f"gives at {STATED_CELL_V:g} V; {self._remedy()}",
            )

    def _bleeds_through_its_filter(self) -> None:
        """Refuse what does not go with an internal FET, whose path is the input filter."""
        low, high = INTERNAL_FILTER_OHM
        if self.bleed_ohm != 0:
            remedy = "0 ohm beside internal_fet: its current flows through the filter's resistors"
            refuse("bleed_ohm", f"{self.bleed_ohm:g} ohm", remedy)
        if not low <= self.filter_resistance_ohm <= high:
            found = f"{self.filter_resistance_ohm:g} ohm"
            limits = f"{low:g} to {high:g} ohm beside internal_fet, which bleeds through it"
            refuse("filter_resistance_ohm", found, limits)
        if self.sense == "kelvin":
            refuse("sense", "kelvin", "shared beside internal_fet: it bleeds through its inputs")

    def _path(self) -> str:
        """Say what the bleed path consists of."""
        if self.internal_fet is None:
            return f"a path of {self.bleed_path_ohm:.3g} ohm, within {STATED_CURRENT_RATIO:.0%},"
        fet = self.internal_fet
        return (
            f"an internal FET of {fet.rds_min_ohm:g} to {fet.rds_max_ohm:g} ohm behind "
            f"2 x {self.filter_resistance_ohm:g} ohm"
        )

    def _remedy(self) -> str:
        """Say what to do about a stated current that the path does not give."""
        if self.internal_fet is None:
            return "state that, or take another resistor (bleed)"
        return "state that, or take an external transistor (no internal_fet, a bleed in ohm)"

    def _released(self) -> None:
        """Refuse thresholds that end on their wrong side: they would watch for the opposite."""
        for name, end in _TOO_MUCH.items():
            if not getattr(self, end) <= getattr(self, name):
                found = f"found {getattr(self, end):g}, expected at most {getattr(self, name):g}"
                raise ValueError(f"{end}: {found} ({name})")
        for name, end in _TOO_LITTLE.items():
            if not getattr(self, end) > getattr(self, name):
                found = f"found {getattr(self, end):g}, expected more than {getattr(self, name):g}"
                raise ValueError(f"{end}: {found} ({name})")

    def _within(self, field: str, low: float, high: float, scale: float = 1) -> None:
        """Refuse a count or quantity outside what wire and board can carry."""
        # to the picosecond: 60 s in nanoseconds times 1e-9 is a hair more than 60
        found = round(getattr(self, field) * scale, 12)
        if not low <= found <= high:
            unit = " s" if scale != 1 else ""
            raise ValueError(
                f"{field}: found {found:.10g}{unit}, expected {low:g} to {high:g}{unit}"
            )

    @property
    def front_ends(self) -> int:
        """How many front ends the cells need."""
        return -(-self.cells // self.cells_per_front_end)

    @property
    def filter_tau_s(self) -> float:
        """Time constant of one single-ended input filter."""
        return self.filter_resistance_ohm * self.filter_capacitance_farad

    @property
    def bleed_path_ohm(self) -> float:
        """Everything between the two ends of a bleeding cell's leads, typical, at 25 degC."""
        if self.internal_fet is not None:
            return 2 * self.filter_resistance_ohm + self.internal_fet.rds_typ_ohm
        ohm = self.bleed_ohm
        if self.series_ntc is not None:
            ohm += self.series_ntc.r25_ohm
        if self.mosfet is None:
            return ohm
        ohm += self.mosfet.rds_on_ohm
        if self.mosfet.constant_a is not None:
            ohm = max(ohm, STATED_CELL_V / self.mosfet.constant_a)
        return ohm

    @property
    def bleed_is_steady(self) -> bool:
        """Whether a bleed's current follows from the voltage of its own cell, within a quarter.

        Internal FETs of neighbours share a filter resistor: V / (2 Rfilter + Rds) is that of a lone
        one, and of all together only Rds is left. An NTC in series goes with its own heat.
        """
        return self.internal_fet is None and self.series_ntc is None

    @property
    def bleed_range_a(self) -> tuple[float, float]:
        """The least and most current that may be stated for the path, at ``STATED_CELL_V``."""
        if self.internal_fet is not None:
            filter_ohm, fet = 2 * self.filter_resistance_ohm, self.internal_fet
            return (
                STATED_CELL_V / (filter_ohm + fet.rds_max_ohm),
                STATED_CELL_V / (filter_ohm + fet.rds_min_ohm),
            )
        nominal_a = STATED_CELL_V / self.bleed_path_ohm
        return nominal_a * (1 - STATED_CURRENT_RATIO), nominal_a * (1 + STATED_CURRENT_RATIO)

    @property
    def bleed_window_s(self) -> float:
        """How much of a cycle the bleed may take: all of it unless it is muted to sample."""
        if self.slots is not None:
            return self.cycle_ns * 1e-9 * (1.0 - self.slots.lost_ratio)
        muted = self.settle_ns if self.mute else 0
        return (self.cycle_ns - muted) * 1e-9
