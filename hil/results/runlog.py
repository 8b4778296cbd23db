"""The log of a run: every record but the ticks, as JSON lines in its folder and on the console.

The console shows what its level lets through (``hil run --verbose`` shows all); the file keeps
everything, so that nobody has to repeat a run to read what happened. It is a service: the journal
holds the same, so a disk that fails here ends the log, and never the run.
"""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from hil.core.errors import EnvironmentProblem
from hil.core.instants import to_seconds
from hil.core.records import (
    BadMeasurement,
    BenchFailed,
    Deviation,
    ExpectationJudged,
    Overrun,
    Record,
    RecordsLost,
    SafeStateReached,
    StopRequested,
    Tick,
    Tripped,
)

FILE = "run.log"
WARNINGS = (BadMeasurement, BenchFailed, Deviation, Overrun, RecordsLost, StopRequested, Tripped)
LEFT_OUT = frozenset({"at", "resolved", "signals", "constants"})
"""``at`` is written in seconds; the others are long, and stand in the journal."""


class RunLog:
    """A listener of the journal that logs each record."""

    def __init__(self, folder: Path) -> None:
        """Open the file. Raises EnvironmentProblem if it cannot be written."""
        try:
            self._file = (folder / FILE).open("w", encoding="utf-8")
        except OSError as error:
            raise EnvironmentProblem(f"{folder.name}: cannot write {FILE}: {error}") from error
        to_file = structlog.wrap_logger(
            structlog.PrintLogger(self._file),
            processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
            # its own: the level that the console was set to would hold for the file too
            wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        )
        self._console: Any = structlog.get_logger()
        self._to_file: Any = to_file

    def feed(self, record: Record) -> None:
        """Log one record; ticks are many and stand in the journal."""
        if isinstance(record, Tick):
            return
        _say(self._console, record)
        if self._to_file is not None:
            try:
                _say(self._to_file, record)
            except OSError as error:
                self._to_file = None
                self._console.warning(f"{FILE} ends here", reason=error.strerror)

    def close(self) -> None:
        """Close the file; harmless when closed."""
        with suppress(OSError):  # a line that did not fit is tried again, and fails again
            self._file.close()


def _say(logger: Any, record: Record) -> None:
    """Log one record. Raises OSError."""
    named = {name: getattr(record, name) for name in record.__slots__ if name not in LEFT_OUT}
    say = logger.warning if _matters(record) else logger.info
    say(record.kind, at_s=to_seconds(record.at), **named)


def _matters(record: Record) -> bool:
    """Say whether a person must know although nobody asked for a verbose log."""
    failed = isinstance(record, ExpectationJudged) and record.passed is False
    unsafe = isinstance(record, SafeStateReached) and not record.ok
    return failed or unsafe or isinstance(record, WARNINGS)
