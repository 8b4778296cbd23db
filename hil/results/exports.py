"""A run's records in the formats that people work with."""

import csv
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from hil.core.errors import EnvironmentProblem
from hil.core.instants import to_seconds
from hil.core.records import RunStarted, Tick
from hil.core.signals import Layout, Signal
from hil.results import archive, canonical, readable
from hil.results.reader import read


def canonical_lines(folder: Path) -> Iterator[str]:
    """Yield the lines whose SHA-256 is the run's digest. Raises DamagedRecord."""
    for seq, record in read(folder):
        yield canonical.line(seq, record).decode("ascii")


def json_records(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield every record, floats as decimals. Raises DamagedRecord."""
    for seq, record in read(folder):
        yield readable.plain(seq, record)


def write_csv(folder: Path, out: IO[str]) -> None:
    """Write the ticks, one a line: time since the first in s, then every signal with its unit.

    What is not known is empty. Raises DamagedRecord.
    """
    table = csv.writer(out, lineterminator="\n")
    first = None
    for _, record in read(folder):
        if isinstance(record, RunStarted):
            table.writerow(["time [s]", *_headings(record)])
        elif isinstance(record, Tick):
            first = record.at if first is None else first
            time_s = to_seconds(record.at - first)
            table.writerow([time_s, *("" if v != v else v for v in record.values)])  # noqa: PLR0124 - NaN


def _headings(started: RunStarted) -> list[str]:
    layout = Layout(Signal(*signal) for signal in started.signals)
    units = [unit for s in layout.signals for unit in [s.unit] * max(1, s.width)]
    return [f"{name} [{unit}]" for name, unit in zip(layout.names(), units, strict=True)]


def write_parquet(folder: Path, out: IO[bytes]) -> None:
    """Write the ticks as Parquet, a column a signal. Raises DamagedRecord, EnvironmentProblem."""
    started = next((record for _, record in read(folder) if isinstance(record, RunStarted)), None)
    if started is None:
        raise EnvironmentProblem(f"{folder.name}: no record says how its ticks are laid out")
    for _ in read(folder):  # all of it is checked before any of it is given away
        pass
    with tempfile.TemporaryDirectory() as scratch:
        path = folder / archive.FILE
        if not path.is_file():
            path = Path(scratch) / archive.FILE
            archive.write(folder, path, started)
        with path.open("rb") as source:
            shutil.copyfileobj(source, out)
