"""The command line. ``main`` turns every outcome into an exit code and every error into one line.

0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 ABORTED; 64 usage, 65 a file that cannot be used, 69 the host
cannot do what is asked, 70 a bug in the bench, 74 the output could not be written. A reader of the
output that has gone (``hil run ... | head -1``) changes no verdict, and is no error elsewhere.
"""

from collections.abc import Sequence

from hil.cli import signals

USAGE, BAD_INPUT, ENVIRONMENT, BUG, OUTPUT = 64, 65, 69, 70, 74


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code.

    Without ``arguments`` the process is ours: signals and streams are taken over, signals first,
    since what is imported next takes longer than a CI job may wait before it is cancelled. A
    program that passes ``arguments`` keeps its own.
    """
    if arguments is None:
        signals.leave()
        from hil.cli import streams  # noqa: PLC0415 - after the signals, like all that follows

        streams.take_over()
    from hil.cli.commands import command  # noqa: PLC0415 - the same

    return command(arguments)
