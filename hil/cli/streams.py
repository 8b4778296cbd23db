"""Standard output and error as pipes, full disks and closed descriptors leave them.

Every write to them, whoever makes it (``print``, rich, the log, the parser's help), ends in one of
three ways: it is written, its reader has gone, or it cannot be written.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

from hil.core.errors import BenchError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.table import Table

WIDTH_OF_A_FILE = 200


class ReaderGone(Exception):
    """Whoever read standard output has gone, as ``head`` does; that is its right."""


class OutputProblem(BenchError):
    """Standard output cannot be written: a full disk, a broken device."""


class Stream:
    """A text stream whose failures are told by ``lost``; everything else is the stream's own."""

    def __init__(self, stream: TextIO, lost: Callable[[OSError], None]) -> None:
        """Wrap ``stream``."""
        self._stream, self._lost = stream, lost

    def write(self, text: str) -> int:
        """Write, or tell ``lost``."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or tell ``lost``."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Send what is still buffered nowhere: Python would fail on it again at exit, with 120."""
        _to_nowhere(self._stream.fileno())
        self._lost(error)

    def __getattr__(self, name: str) -> Any:
        """Return what the stream itself has."""
        return getattr(self._stream, name)


def take_over() -> None:
    """Replace the process's standard streams; a closed one becomes one that nobody reads."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            # The next file to be opened would take the number, and what C code prints.
            _to_nowhere(number)
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
    sys.stdout = cast("TextIO", Stream(sys.stdout, _output_lost))
    sys.stderr = cast("TextIO", Stream(sys.stderr, _nobody_to_tell))


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)


def _output_lost(error: OSError) -> None:
    """Raise ReaderGone or OutputProblem."""
    if isinstance(error, BrokenPipeError):
        raise ReaderGone from error
    raise OutputProblem(f"cannot write the output: {error.strerror}") from error


def _nobody_to_tell(_error: OSError) -> None:
    """Progress and log are a service: a run does not end because nobody watches it any more."""


class Binary:
    """Standard output as bytes, with the same ends: written, reader gone, or not writable."""

    def write(self, data: bytes) -> int:
        """Write. Raises ReaderGone, OutputProblem."""
        try:
            sys.stdout.flush()
            return sys.stdout.buffer.write(data)
        except OSError as error:
            _output_lost(error)
        return len(data)


def binary() -> Binary:
    """Return standard output for bytes."""
    return Binary()


def show(table: Table) -> None:
    """Print a table; where there is no terminal to fit into, its lines need not break."""
    target = console()
    if not target.is_terminal:
        target.width = WIDTH_OF_A_FILE
    target.print(table)


def console() -> Console:
    """Return the console for tables: text is text, whatever brackets and colons it has in it.

    What would steer the terminal stands there as its escape: devices answer, and run folders hold,
    what they like.
    """
    from hil.cli.plain import PlainConsole  # noqa: PLC0415 - the signals' handlers do not wait

    return PlainConsole(markup=False, emoji=False, highlight=False, soft_wrap=True)


def say(text: str, *, stream: TextIO | None = None) -> None:
    """Print one line, printable whatever is in it; on standard output unless told otherwise."""
    print(printable(text), file=stream or sys.stdout)
