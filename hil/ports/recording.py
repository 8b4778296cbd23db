"""Where records go."""

from typing import Protocol

from hil.core.instants import Instant
from hil.core.records import Record


class Recorder(Protocol):
    """Takes records, numbers them, keeps them. ``emit`` never fails: ``check`` tells.

    ``beside`` says that writing goes on beside the loop, so that it can fail between two ticks.
    """

    @property
    def beside(self) -> bool:
        """Say whether writing goes on beside the loop."""

    def emit(self, record: Record) -> None:
        """Append one record; never blocks the tick in wall time."""

    def check(self) -> None:
        """Raise EnvironmentProblem when records can no longer be kept."""

    def sync(self, at: Instant) -> None:
        """Return when all records so far are on the disk, or known not to be."""

    def close(self) -> None:
        """Write out what is pending; harmless when closed."""
