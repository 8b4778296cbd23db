"""The parameter page: what a board's firmware needs to know of the board it runs on.

156 bytes in a flash page of their own, so that one image serves every board design. The firmware
reads them in ``firmware_stubs/app/params.c``; both sides hold to the table below. All numbers are
little-endian; a quantity is a whole number of its unit, and what the unit cannot hold is refused.
"""

from itertools import pairwise
from struct import Struct, error
from typing import NamedTuple

from drivers.wire.ltc681x import VOLT_PER_COUNT, pec15
from hil.core.instants import MICROSECOND, MILLISECOND, SECOND
from hil.physics.board import ADC_MAX_V, BoardDesign, ntc_divider_v

MAGIC = b"BMSP"
VERSION = 1
PAGE_BYTES = 156
NTC_DEGC = tuple(range(-40, 121, 5))
"""Where the curve of the NTC divider is given; between them the firmware interpolates."""

_CONVERSION_NS = 2_400 * MICROSECOND
"""How long the firmware waits for a conversion of all cells, of 2335 us."""
_ASLEEP_NS = 1_500 * MILLISECOND
"""How long it lets front ends hear nothing: their watchdog takes two seconds."""

_MUTE, _BALANCES = 1 << 0, 1 << 1
_HEAD = Struct("<4sHHI")
_COUNTS = Struct("<4B")
_CURVE = Struct(f"<{len(NTC_DEGC)}H")
_CHECK = Struct("<H")

_MICROSECOND, _DECI_MILLIVOLT, _DECIDEGREE, _DECIAMPERE = 1e3, 1e-4, 0.1, 0.1
_MILLIAMPERE, _NANOOHM = 1e-3, 1e-9


class _Field(NamedTuple):
    """One number of the page: its kind as ``struct`` writes it, the design's field, its unit."""

    kind: str
    name: str
    unit: float


_FIELDS = (
    _Field("I", "cycle_ns", _MICROSECOND),
    _Field("I", "settle_ns", _MICROSECOND),
    _Field("H", "over_voltage_v", _DECI_MILLIVOLT),
    _Field("H", "over_voltage_release_v", _DECI_MILLIVOLT),
    _Field("H", "under_voltage_v", _DECI_MILLIVOLT),
    _Field("H", "under_voltage_release_v", _DECI_MILLIVOLT),
    _Field("h", "over_temperature_degc", _DECIDEGREE),
    _Field("h", "over_temperature_release_degc", _DECIDEGREE),
    _Field("h", "under_temperature_degc", _DECIDEGREE),
    _Field("h", "under_temperature_release_degc", _DECIDEGREE),
    _Field("h", "bleed_pause_degc", _DECIDEGREE),
    _Field("h", "bleed_resume_degc", _DECIDEGREE),
    _Field("h", "cold_charge_below_degc", _DECIDEGREE),
    _Field("h", "no_charge_below_degc", _DECIDEGREE),
    _Field("I", "over_current_a", _MILLIAMPERE),
    _Field("I", "over_current_release_a", _MILLIAMPERE),
    _Field("I", "protection_delay_ns", _MICROSECOND),
    _Field("I", "command_timeout_ns", _MICROSECOND),
    _Field("H", "charge_limit_a", _DECIAMPERE),
    _Field("H", "discharge_limit_a", _DECIAMPERE),
    _Field("H", "cold_charge_limit_a", _DECIAMPERE),
    _Field("H", "open_wire_every", 1),
    _Field("H", "open_wire_threshold_v", _DECI_MILLIVOLT),
    _Field("H", "balance_start_v", _DECI_MILLIVOLT),
    _Field("H", "balance_stop_v", _DECI_MILLIVOLT),
    _Field("H", "", 1),  # reserved
    _Field("I", "shunt_ohm", _NANOOHM),
    _Field("I", "balance_every_ns", _MICROSECOND),
)


def parameter_page(design: BoardDesign, serial: int) -> bytes:
    """Return the page of one board. Raises ValueError naming the field that does not fit."""
    _refuse_haste(design)
    _refuse_what_it_cannot(design)
    flags = _MUTE * design.mute | _BALANCES
    page = (
        _HEAD.pack(MAGIC, VERSION, PAGE_BYTES, serial)
        + _COUNTS.pack(design.cells, design.cells_per_front_end, design.ntcs, flags)
        + b"".join(_packed(design, field) for field in _FIELDS)
        + _CURVE.pack(*_ntc_counts(design))
    )
    return page + _CHECK.pack(pec15(page))


def _refuse_haste(design: BoardDesign) -> None:
    """Refuse a cycle without room for its measurement, and a wait that the chips sleep through.

    Raises ValueError. The firmware refuses such a page too, but cannot say why.
    """
    spare_ns = design.cycle_ns - design.settle_ns
    if spare_ns <= _CONVERSION_NS:
        raise ValueError(
            f"cycle_ns: found {spare_ns / MILLISECOND:g} ms besides settle, expected more than "
            f"{_CONVERSION_NS / MILLISECOND:g} ms: the front ends convert so long"
        )
    if design.settle_ns >= _ASLEEP_NS:
        raise ValueError(
            f"settle_ns: found {design.settle_ns / SECOND:g} s, expected less than "
            f"{_ASLEEP_NS / SECOND:g} s: front ends that hear nothing fall asleep"
        )


def _refuse_what_it_cannot(design: BoardDesign) -> None:
    """Refuse designs whose controller does what this firmware does not. Raises ValueError."""
    if design.derating is not None:
        raise ValueError("derating: this firmware has none, only bleed_pause; expected none")
    if design.slots is not None:
        message = "its front ends convert all cells at once, behind a mute; expected none"
        raise ValueError(f"slots: {message}")


def _packed(design: BoardDesign, field: _Field) -> bytes:
    """Return one number of the page. Raises ValueError if it does not fit."""
    found = getattr(design, field.name) if field.name else 0
    try:
        return Struct(f"<{field.kind}").pack(round(found / field.unit))
    except error as wrong:
        raise ValueError(
            f"{field.name}: found {found:g}, too much for the firmware's parameter page"
        ) from wrong


def _ntc_counts(design: BoardDesign) -> list[int]:
    """Return the curve of the divider. Raises ValueError where an ADC could not tell it."""
    counts = [round(ntc_divider_v(design, degc) / VOLT_PER_COUNT) for degc in NTC_DEGC]
    falls = all(cold > warm for cold, warm in pairwise(counts))
    if not falls or counts[0] * VOLT_PER_COUNT > ADC_MAX_V:
        ends_v = f"{counts[0] * VOLT_PER_COUNT:g} to {counts[-1] * VOLT_PER_COUNT:g} V"
        raise ValueError(
            f"ntc_beta_k: found a divider of {ends_v} from -40 to 120 degC, expected one that the "
            f"ADC (0.1 mV, up to {ADC_MAX_V:g} V) can tell apart"
        )
    return counts
