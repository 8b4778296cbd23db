"""A cell model held against a curve that was measured, or simulated by a fuller model.

The model is driven with the curve's own current and ambient, which are straight lines between
rows, and compared at the rows. Two errors, because one would mislead: between 5 and 97 % state of
charge the voltage error; above 97 %, where 1 % of charge is worth 200 mV, the *horizontal* error,
the shift of charge at which the model shows the curve's voltage. A board balances by that shift.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hil.physics.cell_types import CellParameters
from hil.physics.lone_cell import LoneCell

Floats = npt.NDArray[np.float64]

FROM_SOC_RATIO, TO_SOC_RATIO = 0.05, 0.97
"""Where the voltage error is judged; above, the horizontal one."""

STEEP_V_PER_RATIO = 0.5
"""5 mV per 1 % of charge: where the model is flatter, a shift of charge is not defined."""

LONGEST_STEP_S = 2.0
"""And at least ``PARTS_OF_A_ROW`` steps between two rows: a jump of current is written as a short
ramp, and in the cold a second of it is 50 mV. Against 0.25 s this moves the voltage by 0.01 mV RMS
in days, pulses and warm charges, by 0.4 mV in a full cycle at 0 degC (test_step_length.py)."""

PARTS_OF_A_ROW = 4

WIDEST_SHIFT_RATIO = 0.5
"""Half of all charge: where no smaller shift meets the voltage, this much is reported."""

MOST_UNACCOUNTED_RATIO = 0.05
"""Of the capacity: how far a curve's own charge may lie from the integral of its current."""

WIDEST_BEYOND_RATIO = 0.25
"""How far beyond empty or full a curve may go: a cell may hold more than its type says, not that
much more. A start that is not the curve's own and milliampere for ampere show here."""

LONGEST_S = 366 * 86400.0
"""A year, as for one step of a pack: what is longer has its times in another unit."""


@dataclass(frozen=True)
class Curve:
    """What happened to one cell, row by row: arrays of one length, time increasing.

    Current is positive in discharge. Where no ambient is known (None) the cell is held at its
    measured temperature; where no cell temperature is known (None), the ambient drives the model
    and temperatures are not compared. One of the two must be there.
    """

    name: str
    time_s: Floats
    current_a: Floats
    voltage_v: Floats
    cell_degc: Floats | None
    ambient_degc: Floats | None
    discharged_ah: Floats

    def __post_init__(self) -> None:
        """Refuse a curve that says nothing of the temperature. Raises ValueError."""
        if self.cell_degc is None and self.ambient_degc is None:
            raise ValueError("neither cell_temp_C nor ambient_C: the model depends on temperature")

    @property
    def start_degc(self) -> float:
        """Where the cell's temperature begins."""
        known = self.cell_degc if self.cell_degc is not None else self.ambient_degc
        assert known is not None  # noqa: S101 - __post_init__ refused the other case
        return float(known[0])


@dataclass(frozen=True)
class Trace:
    """What the model showed at the rows of a curve: arrays of its length.

    ``shift_ratio`` is the horizontal error, NaN where it is not defined or not asked for.
    """

    soc_ratio: Floats
    voltage_v: Floats
    cell_degc: Floats
    shift_ratio: Floats


@dataclass(frozen=True)
class Errors:
    """The figures of one file, None where it has no row to take them from.

    ``rms_mv`` and ``max_mv`` over 5 to 97 % state of charge, ``dsoc_pct`` (largest magnitude)
    above 97 %, ``rms_k`` over all rows.
    """

    rms_mv: float | None
    max_mv: float | None
    dsoc_pct: float | None
    rms_k: float | None


def true_soc(curve: Curve, start_ratio: float, capacity_ah: float) -> Floats:
    """Return the state of charge of every row by the curve's own account of charge."""
    return start_ratio - curve.discharged_ah / capacity_ah


def follow(
    cell: CellParameters,
    start_ratio: float,
    curve: Curve,
    longest_step_s: float = LONGEST_STEP_S,
) -> Trace:
    """Drive the model of a cell along a curve that starts at ``start_ratio`` of charge.

    Raises ValueError where the curve's current and its charge tell different stories (a sign, a
    unit) or is not this cell's, or the cell type does not know how a bare cell is cooled.
    """
    _check_account(curve, cell.capacity_ah)
    soc = true_soc(curve, start_ratio, cell.capacity_ah)
    _check_room(curve, soc, cell.capacity_ah)
    # At the ambient that it is given the held cell neither warms nor cools in between.
    cooling = 0.0 if curve.ambient_degc is None else None
    model = LoneCell(cell, float(soc[0]), curve.start_degc, cooling)
    rows = np.empty((4, curve.time_s.size))
    for k in range(curve.time_s.size):
        if k:
            _between_rows(model, curve, k, longest_step_s)
        current_a = float(curve.current_a[k])
        shift = math.nan
        if soc[k] > TO_SOC_RATIO:
            shift = horizontal_error(model, current_a, float(curve.voltage_v[k]))
        rows[:, k] = model.soc, model.voltage_v(current_a), model.degc, shift
    return Trace(*rows)


def _check_account(curve: Curve, capacity_ah: float) -> None:
    """Refuse a curve whose charge is not the integral of its current, as with a wrong sign."""
    dt_s = np.diff(curve.time_s)
    mean_a = (curve.current_a[1:] + curve.current_a[:-1]) / 2.0
    integral_ah = np.concatenate(([0.0], np.cumsum(mean_a * dt_s))) / 3600.0
    apart_ah = np.abs(curve.discharged_ah - curve.discharged_ah[0] - integral_ah)
    worst = int(np.argmax(apart_ah))
    if apart_ah[worst] > MOST_UNACCOUNTED_RATIO * capacity_ah:
        told = curve.discharged_ah[worst] - curve.discharged_ah[0]
        raise ValueError(
            f"at {curve.time_s[worst]:g} s discharged_Ah has moved by {told:.4g} Ah, current_A by "
            f"{integral_ah[worst]:.4g} Ah: expected the same, discharge positive in both"
        )


def _check_room(curve: Curve, soc_ratio: Floats, capacity_ah: float) -> None:
    """Refuse a curve that this cell has no room for, in charge or in what it would take to step."""
    lasts_s = float(curve.time_s[-1] - curve.time_s[0])
    if not lasts_s <= LONGEST_S:
        raise ValueError(f"time_s goes on for {lasts_s:.4g} s: expected seconds, at most a year")
    worst = int(np.argmax(np.abs(soc_ratio - 0.5)))
    if abs(soc_ratio[worst] - 0.5) > 0.5 + WIDEST_BEYOND_RATIO:
        raise ValueError(
            f"at {curve.time_s[worst]:g} s a cell of {capacity_ah:.4g} Ah would be at "
            f"{100 * soc_ratio[worst]:.4g} %: expected 0 to 100 %; look at the charge at the "
            f"start, the sign and the unit of the current"
        )


def _between_rows(model: LoneCell, curve: Curve, k: int, longest_step_s: float) -> None:
    """Move from row k - 1 to row k: equal steps and a rest, each at the mean of its ramp."""
    ambient = curve.cell_degc if curve.ambient_degc is None else curve.ambient_degc
    assert ambient is not None  # noqa: S101 - Curve refused it
    last_s = float(curve.time_s[k] - curve.time_s[k - 1])
    # two rows of one time: a jump of the current, or of what the cell is held at
    step_s = _step_for(last_s, longest_step_s) if last_s > 0.0 else 0.0
    done_s = 0.0
    # A clock has its own rounding: what is below a microsecond is not time that passed.
    while (dt_s := min(step_s, round(last_s - done_s, 6))) > 0.0:
        at = (done_s + dt_s / 2.0) / last_s
        if curve.ambient_degc is None:
            model.force_degc(_on_ramp(ambient, k, at))
        model.step(dt_s, _on_ramp(curve.current_a, k, at), _on_ramp(ambient, k, at))
        done_s += dt_s
    if curve.ambient_degc is None:
        model.force_degc(float(ambient[k]))


def _step_for(last_s: float, longest_step_s: float) -> float:
    """Return the longest step, halved until enough of them fit between two rows.

    Halved, not divided: the model keeps what belongs to a step's length, and a file has as many
    lengths of rows as it likes.
    """
    most_s = min(longest_step_s, last_s / PARTS_OF_A_ROW)
    return longest_step_s * 2.0 ** math.floor(math.log2(most_s / longest_step_s))


def _on_ramp(values: Floats, k: int, ratio: float) -> float:
    """Return the value at ``ratio`` of the way from row k - 1 to row k."""
    return float(values[k - 1] + ratio * (values[k] - values[k - 1]))


def horizontal_error(model: LoneCell, current_a: float, voltage_v: float) -> float:
    """Return by how much of its charge the model must be moved to show ``voltage_v``; a ratio.

    NaN on the flat part; ``WIDEST_SHIFT_RATIO`` where no smaller one does it. Found by bisection:
    the open-circuit voltage rises with charge, but not smoothly enough for anything faster.
    """
    near = 1e-4
    rise_v = model.shifted_voltage_v(current_a, near) - model.shifted_voltage_v(current_a, -near)
    if rise_v <= 2.0 * near * STEEP_V_PER_RATIO:
        return math.nan
    low, high = -near, near
    while model.shifted_voltage_v(current_a, low) > voltage_v:
        low *= 2.0
        if low < -WIDEST_SHIFT_RATIO:
            return -WIDEST_SHIFT_RATIO
    while model.shifted_voltage_v(current_a, high) < voltage_v:
        high *= 2.0
        if high > WIDEST_SHIFT_RATIO:
            return WIDEST_SHIFT_RATIO
    while high - low > 1e-7:  # noqa: PLR2004 - 1e-5 % of charge, far below what is reported
        middle = (low + high) / 2.0
        if model.shifted_voltage_v(current_a, middle) < voltage_v:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def errors(curve: Curve, trace: Trace, soc_ratio: Floats) -> Errors:
    """Return the figures of a curve: ``soc_ratio`` is the true one (``true_soc``)."""
    apart_mv = 1e3 * (trace.voltage_v - curve.voltage_v)
    middle_mv = apart_mv[(soc_ratio >= FROM_SOC_RATIO) & (soc_ratio <= TO_SOC_RATIO)]
    shifts_pct = 100.0 * np.abs(trace.shift_ratio[~np.isnan(trace.shift_ratio)])
    rms_k = None
    # A model that was held at the measured temperature has none of its own to compare.
    if curve.cell_degc is not None and curve.ambient_degc is not None:
        rms_k = _rms(trace.cell_degc - curve.cell_degc)
    return Errors(
        rms_mv=_rms(middle_mv),
        max_mv=float(np.max(np.abs(middle_mv))) if middle_mv.size else None,
        dsoc_pct=float(np.max(shifts_pct)) if shifts_pct.size else None,
        rms_k=rms_k,
    )


def _rms(values: Floats) -> float | None:
    return float(np.sqrt(np.mean(values**2))) if values.size else None
