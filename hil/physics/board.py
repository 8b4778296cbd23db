"""The electronics of a board: what it measures, how it bleeds, how warm it gets.

``BoardDesign`` is data (profiles/boards/*.yaml); the functions below are pure. The sampling chain
is one scalar source compiled by numba, run once a board cycle for all cells.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.core.instants import MINUTE
from hil.core.recorded import UNLESS_DEFAULT
from hil.physics.compiled import compiled
from hil.physics.noise import noise_row, uniform_row

__all__ = [
    "KELVIN",
    "BoardDesign",
    "Chain",
    "bleed_power_w",
    "bleed_resistances",
    "cold_limit_a",
    "make_chain",
    "noise_row",
    "ntc_degc",
    "ntc_divider_v",
    "pcb_step_degc",
    "sample_cells",
    "uniform_row",
]

Row = NDArray[np.float64]

KELVIN = 273.15
REFERENCE_DEGC = 25.0
"""Where bleed resistance, offset and gain of a design are stated."""
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

    # Bleed path and filter. ``rth`` is from the resistor to the board, which itself pauses all
    # bleeds at ``bleed_pause``; ``input`` is what an input draws; ``settle`` is how long before
    # sampling the bleeds are muted, if at all.
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
            found = f"found {self.balance_stop_v} V"
            raise ValueError(
                f"balance_stop_v: {found}, expected more than 0 and at most balance_start_v"
            )
        if self.front_ends > MAX_FRONT_ENDS:
            found = f"{self.cells} cells need {self.front_ends} front ends"
            raise ValueError(f"cells_per_front_end: {found}, expected at most {MAX_FRONT_ENDS}")
        self._released()
        positive = (
            "bleed_ohm filter_resistance_ohm filter_capacitance_farad input_ohm resolution_v "
            "pcb_tau_s ntc_r25_ohm ntc_beta_k ntc_pullup_ohm ntc_supply_v shunt_ohm "
            "command_timeout_ns"
        )
        for name in positive.split():
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: found {getattr(self, name)}, expected more than 0")

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
    def bleed_window_s(self) -> float:
        """How much of a cycle the bleed may take: all of it unless it is muted to sample."""
        muted = self.settle_ns if self.mute else 0
        return (self.cycle_ns - muted) * 1e-9


class Chain(NamedTuple):
    """What the parts of one board turned out to be, one value a cell; drawn once from the seed."""

    bleed_ohm: Row
    input_ohm: Row
    offset_v: Row
    gain_ppm: Row
    drift_ppm_per_k: Row


def make_chain(design: BoardDesign, seed: int, device: int) -> Chain:
    """Draw one board's parts, uniform over the stated tolerances.

    The draws use ``sample`` -1 to -5, which no measurement ever uses.
    """
    return Chain(
        design.bleed_ohm * (1 + design.bleed_tolerance_ratio * _spread(design, seed, device, -1)),
        design.input_ohm * (1 + design.input_tolerance_ratio * _spread(design, seed, device, -2)),
        design.offset_v * _spread(design, seed, device, -3),
        design.gain_ppm * _spread(design, seed, device, -4),
        design.drift_ppm_per_k * _reference_of(design, _spread(design, seed, device, -5)),
    )


def _spread(design: BoardDesign, seed: int, device: int, draw: int) -> Row:
    """Return one uniform value in (-1, 1) a cell."""
    row = np.empty(design.cells)
    uniform_row(seed, device, draw, row)
    return 2 * row - 1


def _reference_of(design: BoardDesign, spread: Row) -> Row:
    """Give all cells of one reference the same value: of the board, or of their front end."""
    group = design.cells if design.common_reference else design.cells_per_front_end
    shared: Row = spread[np.arange(design.cells) // group]
    return shared


@compiled
def bleed_power_w(
    charge_as: Row, charged_as: Row, source_v: Row, elapsed_s: float, out_w: Row
) -> float:
    """Fill ``out_w`` (cells,) with the mean power since ``charged_as``; return their sum.

    ``charge_as`` and ``charged_as`` (cells,) are the charges now and at the last call; the latter
    is brought up to now.
    """
    total_w = 0.0
    for k in range(out_w.shape[0]):
        out_w[k] = (charge_as[k] - charged_as[k]) * source_v[k] / elapsed_s
        charged_as[k] = charge_as[k]
        total_w += out_w[k]
    return total_w


@compiled
def bleed_resistances(
    nominal_ohm: Row,
    tcr_ppm_per_k: float,
    rth_k_per_w: float,
    pcb_degc: float,
    power_w: Row,
    out: Row,
) -> None:
    """Fill ``out`` (cells,) with R(T) = R25 (1 + TCR (T - 25)); T = board + Rth of the part · P.

    The part itself settles in seconds, so it is taken as settled at its mean power.
    """
    for k in range(out.shape[0]):
        kelvin = pcb_degc + rth_k_per_w * power_w[k] - REFERENCE_DEGC
        out[k] = nominal_ohm[k] * (1.0 + 1e-6 * tcr_ppm_per_k * kelvin)


@compiled
def sample_cells(  # noqa: PLR0917 - keywords cost compiled code more than its work
    seed: int,
    device: int,
    sample: int,
    filtered_v: Row,
    offset_v: Row,
    gain_ppm: Row,
    drift_ppm_per_k: Row,
    pcb_degc: float,
    noise_v: float,
    resolution_v: float,
    out: NDArray[np.int64],
) -> None:
    """Fill ``out`` (cells,) with ADC counts of ``resolution_v``, clamped to 0 and 5 V.

    Reading = v (1 + gain + drift (Tpcb - 25)) + offset + noise, then quantised. The chain's arrays
    come one by one: to hand a named tuple over to compiled code takes as long as the work itself.
    """
    n = out.shape[0]
    noise = np.empty(n)
    noise_row(seed, device, sample, noise)
    warm_k = pcb_degc - REFERENCE_DEGC
    # floor(x + 0.5) instead of round(): the same in Python and in compiled code
    top = math.floor(ADC_MAX_V / resolution_v + 0.5)
    for k in range(n):
        scale = 1.0 + 1e-6 * (gain_ppm[k] + drift_ppm_per_k[k] * warm_k)
        reading_v = filtered_v[k] * scale + offset_v[k] + noise_v * noise[k]
        out[k] = min(max(math.floor(reading_v / resolution_v + 0.5), 0), top)


def pcb_step_degc(
    design: BoardDesign, pcb_degc: float, air_degc: float, bleed_w: float, elapsed_s: float
) -> float:
    """Return the board's temperature after ``elapsed_s``: first-order lag to air + Rth · P."""
    settled_degc = air_degc + design.pcb_rth_k_per_w * bleed_w
    return settled_degc + (pcb_degc - settled_degc) * math.exp(-elapsed_s / design.pcb_tau_s)


def ntc_divider_v(design: BoardDesign, degc: float) -> float:
    """Return the voltage of the divider (pull-up to supply, NTC to ground) at ``degc``."""
    ohm = design.ntc_r25_ohm * math.exp(
        design.ntc_beta_k * (1 / (degc + KELVIN) - 1 / (REFERENCE_DEGC + KELVIN))
    )
    return design.ntc_supply_v * ohm / (ohm + design.ntc_pullup_ohm)


def ntc_degc(design: BoardDesign, divider_v: float) -> float:
    """Return the temperature that gives ``divider_v``; NaN for a shorted or open NTC."""
    if not 0 < divider_v < design.ntc_supply_v:
        return math.nan
    ohm = design.ntc_pullup_ohm * divider_v / (design.ntc_supply_v - divider_v)
    inverse_k = 1 / (REFERENCE_DEGC + KELVIN) + math.log(ohm / design.ntc_r25_ohm) / (
        design.ntc_beta_k
    )
    return 1 / inverse_k - KELVIN


def cold_limit_a(design: BoardDesign, coldest_degc: float) -> float:
    """Return the charge current the board allows at its coldest cell NTC (NaN: no NTC known)."""
    if coldest_degc < design.no_charge_below_degc:
        return 0.0
    if coldest_degc < design.cold_charge_below_degc:
        return design.cold_charge_limit_a
    return design.charge_limit_a
