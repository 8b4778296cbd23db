"""The log: structlog to stderr, for people on a terminal and as JSON lines elsewhere.

In a command, everything that goes to stderr (the log, progress) goes through one ``Outlet``: a
terminal that was stopped with Ctrl-S or a pipe that nobody reads holds up no tick.
"""

import json
import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO, cast

import structlog

from hil.bench.wall_time import utc_now_text
from hil.core.errors import printable
from hil.results.outlet import Outlet, plain_note
from hil.results.redact import redact

Form = Literal["console", "json"]

CONTEXT = ("run", "profile", "bench")
"""What every line of a run carries, so that many runs' lines can lie in one heap."""


def configure(*, verbose: bool, form: Form | None = None) -> None:
    """Set the log up; without ``verbose`` only what a person must know is shown.

    ``form`` None chooses: for people on a terminal, JSON lines elsewhere.
    """
    people = _form(form) == "console"
    last: list[structlog.typing.Processor] = (
        [_without_context, _printable, structlog.dev.ConsoleRenderer()]
        if people
        else [_dated, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            redact,
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if verbose else logging.WARNING
        ),
        # Asked for each time, not kept: a program that calls ``main`` may change its stderr. One
        # ``write`` a line, so that a line is taken or dropped as a whole.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


@contextmanager
def unstalled(*, verbose: bool, form: Form | None = None) -> Iterator[Outlet]:
    """Set the log up and let nothing that is written to stderr wait, until the end of the block.

    At the end the last lines are written, within a deadline; ``dropped`` is complete then.
    """
    real = sys.stderr
    outlet = Outlet(real, _json_note if _form(form) == "json" else plain_note)
    sys.stderr = cast("TextIO", outlet)
    configure(verbose=verbose, form=form)
    try:
        yield outlet
    finally:
        sys.stderr = real
        outlet.close()


def _form(form: Form | None) -> Form:
    return form or ("console" if sys.stderr.isatty() else "json")


def _json_note(lines: int) -> str:
    """Say in the log's own form that lines are missing."""
    note = {"lines": lines, "utc": utc_now_text(), "event": "lines dropped", "level": "warning"}
    return json.dumps(note) + "\n"


def _dated(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add when a line was written; when it happened to the bench is ``at_s``."""
    event["utc"] = utc_now_text()
    return event


def _printable(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Show what would steer the terminal as its escape: a device's words end up here."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = "\n".join(map(printable, value.split("\n")))
    return event


def _without_context(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Leave out what a person in front of one run knows."""
    for name in CONTEXT:
        event.pop(name, None)
    return event
