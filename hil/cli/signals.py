"""What a signal does: before a run exists it ends the process, during a run it asks it to stop.

When the verdict stands it ends the process again, with the verdict's code.

Nothing heavy is imported here: these handlers stand before the rest of the program is read.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what CI and containers stop with, and a closed terminal."""

ABORTED = 3

GRACE_S = 5
"""Whoever still reads a verdict has this long when a signal comes: half of what docker waits."""


def leave() -> None:
    """End the process on a signal, with one line and the code of ABORTED: there is no run yet."""
    for number in CAUGHT:
        signal.signal(number, _leave)


_ended = ["before a run had begun"]


def ends(what: str) -> None:
    """Say what a signal ends from now on, where ``leave`` stands: nothing that is to be undone."""
    _ended[0] = what


def _leave(number: int, _frame: object) -> None:
    """Leave at once: an exception could be lost inside an import, and nothing is to be undone."""
    line = f"hil: {signal.Signals(number).name} {_ended[0]}\n"
    try:
        os.write(2, line.encode())
    finally:
        os._exit(ABORTED)


LOOK_S = 0.5
"""How often a process whose verdict stands looks whether it was asked to end."""


@contextmanager
def sent_to(request: Callable[[str], None]) -> Iterator[None]:
    """Call ``request(name)`` on every signal; what stood before is put back at the end.

    Where ``leave`` stood before, signals are ignored from then on: the verdict stands and has been
    told, and one Ctrl-C more while the process winds up must not make it another one.
    """

    def asked(number: int, _frame: object) -> None:
        request(signal.Signals(number).name)

    before = {number: signal.signal(number, asked) for number in CAUGHT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if handler is _leave else handler)


@contextmanager
def ending_with(code: int) -> Iterator[None]:
    """Let a signal end the process with ``code``: the verdict stands, only its telling takes time.

    A reader that is slow has ``GRACE_S`` from the first signal on; one that does not read at all
    would hold the process for ever. A second signal ends it at once, or ``LOOK_S`` later: one that
    comes just before a write blocks, or while the first is handled, is noticed by Python only when
    that write is interrupted anew.
    """
    asked: list[int] = []
    looks: list[int] = []

    def end(number: int, _frame: object) -> None:
        """Leave at once: an exception would be lost in whatever writes, and nothing is open."""
        if number != signal.SIGALRM:
            asked.append(number)
        elif asked:
            looks.append(number)
        if len(asked) > 1 or len(looks) * LOOK_S >= GRACE_S:
            os._exit(code)

    before = {number: signal.signal(number, end) for number in (*CAUGHT, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_REAL, LOOK_S, LOOK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
