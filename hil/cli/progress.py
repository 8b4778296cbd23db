"""What is seen while a run goes on: a bar on a terminal, plain lines elsewhere, on stderr."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from hil.bench.session import Progress as Told
from hil.bench.session import Status
from hil.bench.wall_time import monotonic_ns
from hil.core.instants import SECOND, clock_text

LINE_EVERY_NS = 10 * SECOND


@contextmanager
def shown(stream: TextIO, *, quiet: bool) -> Iterator[Told]:
    """Yield the function that a run tells its status."""
    if quiet:
        yield lambda _status: None
    elif stream.isatty():
        with _bar(stream) as told:
            yield told
    else:
        yield _lines(stream)


def _figures(status: Status) -> str:
    return (
        f"{status.path}  {status.chamber_degc:.1f} degC  {status.current_a + 0.0:+.1f} A  "
        f"cells {status.lowest_v:.3f} to {status.highest_v:.3f} V  bleeding {status.bleeding}"
    )


@contextmanager
def _bar(stream: TextIO) -> Iterator[Told]:
    columns: Sequence[ProgressColumn] = (
        TextColumn("{task.fields[clock]}", markup=False),
        BarColumn(bar_width=24),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task = progress.add_task("", total=None, clock=clock_text(0))

        def told(status: Status) -> None:
            clock = clock_text(status.elapsed - status.elapsed % SECOND)
            progress.update(
                task,
                completed=status.elapsed,
                total=status.expected,
                description=_figures(status),
                clock=clock,
            )

        yield told


def _lines(stream: TextIO) -> Told:
    last_ns = monotonic_ns()
    path = ""

    def told(status: Status) -> None:
        nonlocal last_ns, path
        if status.path == path and monotonic_ns() - last_ns < LINE_EVERY_NS:
            return
        last_ns, path = monotonic_ns(), status.path
        stream.write(f"{clock_text(status.elapsed)}  {_figures(status)}\n")
        stream.flush()

    return told
