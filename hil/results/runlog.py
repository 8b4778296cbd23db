"""The log of a run: every record but the ticks, as JSON lines in its folder and on the console.

The console shows what its level lets through (``hil run --verbose`` shows all); the file keeps
everything, so that nobody has to repeat a run to read what happened. It is a service: the journal
holds the same, so a disk that fails here ends the log, and never the run; one that stalls makes no
tick wait.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

import structlog

from hil.core.errors import EnvironmentProblem
from hil.core.instants import to_seconds
from hil.core.records import (
    BadMeasurement,
    BenchFailed,
    Deviation,
    DoorKept,
    ExpectationJudged,
    LimitWarned,
    Overrun,
    Record,
    RecordsLost,
    SafeStateReached,
    StopRequested,
    Tick,
    Tripped,
)
from hil.results.outlet import Outlet
from hil.results.redact import redact

FILE = "run.log"
WARNINGS = (
    BadMeasurement,
    BenchFailed,
    Deviation,
    DoorKept,
    LimitWarned,
    Overrun,
    RecordsLost,
    StopRequested,
    Tripped,
)
LEFT_OUT = frozenset({"at", "resolved", "signals", "constants"})
"""``at`` is written in seconds; the others are long, and stand in the journal."""


class RunLog:
    """A listener of the journal that logs each record."""

    def __init__(
        self, folder: Path, context: Mapping[str, str] | None = None, *, beside: bool = False
    ) -> None:
        """Open the file. Raises EnvironmentProblem if it cannot be written.

        ``context`` stands in every line; ``beside`` lets a thread do the writing.
        """
        try:
            self._file = (folder / FILE).open("w", encoding="utf-8")
        except OSError as error:
            raise EnvironmentProblem(f"{folder.name}: cannot write {FILE}: {error}") from error
        self._outlet = Outlet(self._file, _note) if beside else None
        to_file = structlog.wrap_logger(
            structlog.WriteLogger(cast("TextIO", self._outlet or self._file)),
            processors=[
                structlog.processors.add_log_level,
                redact,
                structlog.processors.JSONRenderer(),
            ],
            # its own: the level that the console was set to would hold for the file too
            wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        )
        # Bound here and not in a context variable: a record may come from a signal's handler.
        self._console: Any = structlog.get_logger().bind(**(context or {}))
        self._to_file: Any = to_file.bind(**(context or {}))

    @property
    def dropped(self) -> int:
        """Return how many lines the file did not take in time."""
        return 0 if self._outlet is None else self._outlet.dropped

    def feed(self, record: Record) -> None:
        """Log one record; ticks are many and stand in the journal."""
        if isinstance(record, Tick):
            return
        _say(self._console, record)
        if self._to_file is not None:
            try:
                _say(self._to_file, record)
                self._check()
            except OSError as error:
                self._to_file = None
                self._console.warning(f"{FILE} ends here", reason=error.strerror)

    def _check(self) -> None:
        """Raise the OSError that the thread has met."""
        if self._outlet is not None and self._outlet.problem is not None:
            raise self._outlet.problem

    def close(self) -> None:
        """Write what waits, within a deadline, and close the file; harmless when closed."""
        if self._outlet is not None:
            self._outlet.close()
            self._outlet.close_stream()
            return
        with suppress(OSError):  # a line that did not fit is tried again, and fails again
            self._file.close()


def _note(lines: int) -> str:
    return json.dumps({"event": "lines dropped", "lines": lines, "level": "warning"}) + "\n"


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
