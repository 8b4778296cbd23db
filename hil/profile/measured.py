"""Curves of single cells from CSV files, measured or simulated: what a cell model is held against.

Columns, in any order: ``time_s`` (never falling; two rows of one time are a jump), ``current_A``
(positive in discharge), ``voltage_V``, ``cell_temp_C``, ``ambient_C``, ``discharged_Ah``. Between
rows current and ambient are straight lines. Left out may be ``discharged_Ah`` (the integral of the
current is taken), ``ambient_C`` (the model is then held at the cell's temperature, and temperatures
are not compared) or ``cell_temp_C`` (the model then starts at the ambient; one of the two must be
there). Other columns are left alone: a cycler writes many.
"""

from pathlib import Path

import numpy as np

from hil.physics.validation import Curve, Floats
from hil.profile.conditions import nearest
from hil.profile.series import MAX_BYTES, csv_rows, finite_number, wrong_at
from hil.profile.source import Mark, decoded, read_bytes

TIME, CURRENT, VOLTAGE = "time_s", "current_A", "voltage_V"
CELL, AMBIENT, DISCHARGED = "cell_temp_C", "ambient_C", "discharged_Ah"
NEEDED = (TIME, CURRENT, VOLTAGE)
COLUMNS = (*NEEDED, CELL, AMBIENT, DISCHARGED)

LIMITS = {
    VOLTAGE: (-10.0, 10.0, "V of one cell"),
    CELL: (-60.0, 120.0, "degC"),
    AMBIENT: (-60.0, 120.0, "degC"),
}
"""What one cell can show, and the temperatures that a model has figures for (``tables``): beyond
stand millivolts, a whole pack or kelvins, and the model would answer them at its last figure."""


def load_curve(path: Path) -> Curve:
    """Read one file. Raises ConfigErrors with file, line and column of the first mistake."""
    return parse_curve(read_bytes(path, str(path), MAX_BYTES), str(path))


def parse_curve(data: bytes, shown: str) -> Curve:
    """Read CSV text, ``shown`` is its name in errors. Raises ConfigErrors."""
    decoded(data, Mark(shown))  # for its checks; rows are read one by one, to keep memory small
    rows = csv_rows(data, shown)
    _, names = next(rows, (1, []))
    header = [name.strip() for name in names]
    _check_header(header, shown)
    read = {name: header.index(name) for name in COLUMNS if name in header}
    values: list[list[float]] = []
    blank = 0
    for line, row in rows:
        if not row:
            blank = blank or line  # cyclers end their files with one
            continue
        if blank:
            expected = f"expected {len(header)} values"
            raise wrong_at(shown, blank, "", f"found an empty line, {expected}")
        if len(row) != len(header):
            expected = f"expected {len(header)} values"
            raise wrong_at(shown, line, "", f"found {len(row)} values, {expected}")
        values.append([_value(row[at], name, shown, line) for name, at in read.items()])
        if len(values) > 1 and values[-1][0] < values[-2][0]:
            found = f"found {values[-1][0]:g} after {values[-2][0]:g}"
            raise wrong_at(shown, line, TIME, f"{found}, expected time not to fall")
    if len(values) < 2:  # noqa: PLR2004 - between rows lies what is validated
        raise wrong_at(shown, len(values) + 1, "", "expected at least two rows of values")
    return _curve(shown, dict(zip(read, np.array(values).T.copy(), strict=True)))


def _value(text: str, name: str, shown: str, line: int) -> float:
    """Read one value that may stand in its column."""
    value = finite_number(text, name, shown, line)
    if name in LIMITS:
        lowest, highest, unit = LIMITS[name]
        if not lowest <= value <= highest:
            expected = f"expected {lowest:g} to {highest:g} {unit}"
            raise wrong_at(shown, line, name, f"found {value:g}, {expected}")
    return value


def _check_header(header: list[str], shown: str) -> None:
    """Refuse a missing column and one that stands there twice."""
    if not header:
        raise wrong_at(shown, 1, "", f"is empty, expected columns {', '.join(COLUMNS)}")
    for name in COLUMNS:
        if header.count(name) > 1:
            raise wrong_at(shown, 1, name, f"two columns are named '{name}', expected one")
    for name in NEEDED:
        if name not in header:
            raise wrong_at(shown, 1, name, f"no column '{name}'{nearest(name, header)}")
    if CELL not in header and AMBIENT not in header:
        found = f"neither '{CELL}' nor '{AMBIENT}', expected at least one"
        raise wrong_at(shown, 1, CELL, found)


def _curve(shown: str, found: dict[str, Floats]) -> Curve:
    """Put the columns together; a charge that was not written down is integrated."""
    time_s, current_a = found[TIME], found[CURRENT]
    mean_a = (current_a[1:] + current_a[:-1]) / 2.0
    integral_ah = np.concatenate(([0.0], np.cumsum(mean_a * np.diff(time_s)))) / 3600.0
    return Curve(
        name=shown,
        time_s=time_s,
        current_a=current_a,
        voltage_v=found[VOLTAGE],
        cell_degc=found.get(CELL),
        ambient_degc=found.get(AMBIENT),
        discharged_ah=found.get(DISCHARGED, integral_ah),
    )
