"""What a report costs: bytes, seconds and memory, of a day and of a week at one second a tick."""

import subprocess
import sys
from pathlib import Path

import pytest
from reported import DAY_S, Made

from hil.bench.wall_time import cpu_seconds, monotonic_ns
from hil.results import junit, report

pytestmark = pytest.mark.bench

MOST_BYTES = 3_000_000

PEAK = """
import resource, sys
from hil.cli import main
main(["report", sys.argv[1]])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
"""Prints the most memory, in KiB, that a process of its own needed to write a report."""


def show(line: str) -> None:
    """Print a figure for the record."""
    print(f"\n  {line}", end="")  # noqa: T201 - what make bench is for


@pytest.mark.parametrize(("days", "cells"), [(1, 16), (7, 16), (7, 32)])
def test_report_of_many_days(days: int, cells: int, tmp_path: Path) -> None:
    folder = Made(ticks=days * DAY_S, cells=cells).write(tmp_path / "run")
    began, busy = monotonic_ns(), cpu_seconds()
    page = report.write(folder)
    seconds, busy = (monotonic_ns() - began) / 1e9, cpu_seconds() - busy
    size = page.stat().st_size
    junit.write(folder)
    told = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", PEAK, str(folder)], check=True, capture_output=True, text=True
    )
    peak = int(told.stdout.split()[-1])
    show(f"{days} d at 1 s, {cells} cells, {days * DAY_S:,} rows: {size / 1e6:.2f} MB")
    show(f"    written in {seconds:.1f} s ({busy:.1f} s of processor time), {peak / 1024:.0f} MiB")
    assert size <= MOST_BYTES
