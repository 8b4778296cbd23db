"""``hil validate``: how far a cell model is from what a cell, or a fuller model, did."""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, Token
from rich.table import Table

from hil.cli import streams
from hil.cli.arguments import AsJson
from hil.core.errors import ConfigError, ConfigErrors, EnvironmentProblem

# Listing runs does not wait for the compiler: physics is imported when a file is validated.
if TYPE_CHECKING:
    from hil.physics.cell_types import CellParameters
    from hil.physics.validation import Curve, Errors, Trace

validate = App(
    name="validate",
    help="Hold a cell model against measured or simulated curves.",
    help_format="plaintext",
)


def _soc(_type: object, tokens: Sequence[Token]) -> float:
    """Read a state of charge: a number up to 1 is a ratio, above it a percentage."""
    text = tokens[0].value
    bare = text.strip().removesuffix("%").strip()
    try:
        value = float(bare) if bare.isascii() and "_" not in bare else -1.0
    except ValueError:
        value = -1.0
    ratio = value if value <= 1.0 and "%" not in text else value / 100.0
    if not 0.0 <= ratio <= 1.0:
        raise ValueError(f"found '{text}', expected a state of charge such as 90 %, 90 or 0.9")
    return ratio


@validate.command
def cell(
    file: Path,
    *more: Path,
    parameters: str,
    soc: Annotated[float, Parameter(converter=_soc, n_tokens=1)],
    trace: Path | None = None,
    json_: AsJson = False,
) -> None:
    """Drive a cell model with the current of each file and say how far its voltage is off.

    Columns: time_s, current_A (positive in discharge), voltage_V, cell_temp_C, ambient_C,
    discharged_Ah; current and ambient are straight lines between rows. Without discharged_Ah the
    current is integrated; without ambient_C the model is held at the cell's temperature.

    rms and max are of the voltage, over 5 to 97 % state of charge; dSOC is the shift of charge
    that makes the voltages equal, its largest above 97 % where the model rises by more than
    5 mV/%; rms K is of the cell's temperature.

    Example: hil validate cell --parameters bpx-2ah --soc 0.9 measured.csv

    Parameters
    ----------
    file
        CSV file of one cell.
    more
        More of them; all start at the same state of charge.
    parameters
        Name of a cell type (profiles/cells) or path of a YAML file.
    soc
        State of charge at discharged_Ah 0: a number up to 1 is a ratio (0.9), above it or with
        a % sign a percentage (90, 90 %).
    trace
        Folder for what the model showed at each file's times: time_s, voltage_V, cell_temp_C
        under the file's own name.
    """
    from hil.physics.validation import Errors, errors, follow, true_soc  # noqa: PLC0415 - see above
    from hil.profile.load import load_cell  # noqa: PLC0415 - the same

    files = (file, *more)
    cell_type = load_cell(parameters)
    curves = _curves(files)
    _check_cooling(parameters, cell_type, curves)
    if trace is not None:
        _check_targets(files, trace)
    found: list[tuple[Path, Errors]] = []
    for path, curve in zip(files, curves, strict=True):
        try:
            shown = follow(cell_type, soc, curve)
        except ValueError as error:  # the curve contradicts itself
            raise ConfigErrors([ConfigError(str(path), 0, 0, "", str(error))]) from error
        found.append((path, errors(curve, shown, true_soc(curve, soc, cell_type.capacity_ah))))
        if trace is not None:
            _write(trace / path.name, curve, shown)
    if json_:
        body = [{"file": str(path), **asdict(one)} for path, one in found]
        sys.stdout.write(json.dumps(body) + "\n")
    else:
        _tell(found, cell_type.validated_against)


def _curves(files: Sequence[Path]) -> "list[Curve]":
    """Read all files; every file's first mistake is told, so that all can be mended at once."""
    from hil.profile.measured import load_curve  # noqa: PLC0415 - brings numpy and physics

    curves, problems = [], []
    for path in files:
        try:
            curves.append(load_curve(path))
        except ConfigErrors as error:
            problems += error.errors
    if problems:
        raise ConfigErrors(problems)
    return curves


def _check_cooling(shown: str, cell_type: "CellParameters", curves: "Sequence[Curve]") -> None:
    """Refuse a cell that says nothing of a bare cell in air where a file's ambient asks for it."""
    if cell_type.cooling_w_per_k is None and any(one.ambient_degc is not None for one in curves):
        found = "missing, expected what the bare cell gives to the air, such as 0.5 W/K; or leave"
        message = f"{found} ambient_C out of the file: the cell is then held at cell_temp_C"
        raise ConfigErrors([ConfigError(shown, 0, 0, "cooling", message)])


def _check_targets(files: Sequence[Path], folder: Path) -> None:
    """Refuse traces that would take each other's place, or that of a file which is read."""
    named: dict[str, Path] = {}
    for path in files:
        if path.name in named:
            both = f"{named[path.name]} and {path}"
            raise EnvironmentProblem(f"{folder}: {both} would both be traced to {path.name}")
        named[path.name] = path
        if (folder / path.name).resolve() == path.resolve():
            raise EnvironmentProblem(f"{folder}: the trace would overwrite {path}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot be made: {error.strerror}") from error


def _write(path: Path, curve: "Curve", shown: "Trace") -> None:
    """Write what the model showed, to 1 uV and 0.1 mK. Raises EnvironmentProblem."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("time_s", "voltage_V", "cell_temp_C"))
            for time_s, volts, degc in zip(
                curve.time_s, shown.voltage_v, shown.cell_degc, strict=True
            ):
                rows.writerow((repr(float(time_s)), f"{volts:.6f}", f"{degc:.4f}"))
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be written: {error.strerror}") from error


def _tell(found: "Sequence[tuple[Path, Errors]]", against: str) -> None:
    """Print a line a file, the worst voltage first, and what it was held against."""
    table = Table("file", "rms mV", "max mV", "dSOC %", "rms K", box=None, pad_edge=False)
    for path, one in sorted(found, key=lambda pair: -(pair[1].rms_mv or 0.0)):
        figures = (one.rms_mv, one.max_mv, one.dsoc_pct, one.rms_k)
        table.add_row(str(path), *("-" if value is None else f"{value:.3f}" for value in figures))
    streams.show(table)
    print(against)  # noqa: T201 - the command line's own voice
