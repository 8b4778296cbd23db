"""What can be seen of a run from outside while it goes on: telemetry over MQTT.

This is all that a run calls. ``hil.live.telemetry`` is imported when it is needed, since who wants
no telemetry does not wait for an MQTT client (an eighth of a second).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hil.core.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hil.bench.stop import StopLadder
    from hil.live.target import Target
    from hil.live.telemetry import Telemetry
    from hil.ports import Clock
    from hil.results.journal import Journal


@contextmanager
def beside(
    target: Target | None, folder: Path, journal: Journal, clock: Clock, stop: StopLadder
) -> Iterator[Telemetry | None]:
    """Tell of a run while it goes on, in wall time; without a target, nothing.

    ``journal`` must have no record yet. One more request to ``stop`` while the last messages are
    sent ends that too. Raises EnvironmentProblem if the folder's manifest cannot be read.
    """
    if target is None:
        yield None
        return
    from hil.live.telemetry import Telemetry  # noqa: PLC0415 - see above

    telemetry = Telemetry(target, folder, lambda: journal.seq - 1, clock.now, _enough(stop))
    journal.listen(telemetry.listen)
    with telemetry:
        yield telemetry


def afterwards(target: Target, folder: Path, stop: StopLadder) -> dict[str, Any]:
    """Tell of a run in virtual time, which polls no socket, when it is over; return the counts.

    Whatever goes wrong is told in them: the run's verdict stands.
    """
    from hil.live.telemetry import send_record  # noqa: PLC0415 - see above

    try:
        return send_record(target, folder, tell_state=True, enough=_enough(stop))
    except EnvironmentProblem as problem:
        return {"broker": str(target), "sent": 0, "problem": str(problem)}


def _enough(stop: StopLadder) -> Callable[[], bool]:
    """Return what says whether somebody has asked to stop since it was first asked."""
    begun: list[int] = []

    def asked() -> bool:
        begun[:] = begun or [stop.requests]
        return stop.requests > begun[0]

    return asked
