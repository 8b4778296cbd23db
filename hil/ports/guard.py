"""Who watches over a run from outside its process."""

from typing import Protocol

from hil.core.instants import Duration
from hil.ports.devices import Identity


class Guard(Protocol):
    """The run's end of its guardian: fed by the run's progress, by nothing beside it."""

    def alive(self, within: Duration) -> None:
        """Say that the run has got on, and that it will again ``within`` so long."""

    def know(self, device: str, who: Identity) -> None:
        """Say who answered behind a device's link, so that a stranger there is told from it."""

    def check(self) -> None:
        """Raise EnvironmentProblem if nobody watches any more."""

    def over(self) -> None:
        """Say that every device was told and let go: there is nothing left to watch."""
