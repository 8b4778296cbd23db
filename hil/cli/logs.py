"""The log: structlog to stderr, for people on a terminal and as JSON lines elsewhere."""

import logging
import sys

import structlog


def configure(*, verbose: bool) -> None:
    """Set the log up; without ``verbose`` only what a person must know is shown."""
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if verbose else logging.WARNING
        ),
        # Asked for each time, not kept: a program that calls ``main`` may change its stderr.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
