"""One direction of a disturbed link, as a pure machine: messages and instants in, messages out.

It does no I/O and knows no clock, so that one machine serves bytes and frames, both ways, and can
be checked against a model message by message.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from drivers.links.faulty_plan import Direction, FaultPlan, LinkFault
from hil.core.instants import Instant

M = TypeVar("M")


class Alter(NamedTuple, Generic[M]):
    """How a message of some kind is spoilt: its size in bytes, its first bytes, one bit turned."""

    size: Callable[[M], int]
    cut: Callable[[M, int], M]
    flip: Callable[[M, int], M]


@dataclass(slots=True, eq=False)
class _Held(Generic[M]):
    """A message that waits: until an instant, or until ``behind`` others have passed it."""

    due: Instant
    behind: int
    message: M


class Lane(Generic[M]):
    """Lets the messages of one direction pass as the plan says."""

    def __init__(
        self,
        direction: Direction,
        plan: FaultPlan,
        alter: Alter[M],
        faulted: Callable[[LinkFault], None],
    ) -> None:
        """``faulted`` is called for each fault as it takes effect."""
        self._direction: Direction = direction
        self._plan = plan
        self._alter = alter
        self._faulted = faulted
        self._held: list[_Held[M]] = []
        self.index = 0

    def push(self, message: M, at: Instant) -> list[tuple[Instant, M]]:
        """Take the next message, which comes at ``at``; return what passes, each with its instant.

        Call in the order of ``at``. What is due by then passes first. A message without data
        cannot be cut or corrupted: it passes, and no fault is told.
        """
        passing = self.release(at)
        fault = self._plan.of(self._direction, self.index, at)
        self.index += 1
        size = self._alter.size(message)
        if fault is None or (fault.kind in ("partial", "corrupted") and not size):
            return passing + self._overtake([(at, message)])
        self._faulted(fault)
        return passing + self._disturbed(message, at, size, fault)

    def _disturbed(
        self, message: M, at: Instant, size: int, fault: LinkFault
    ) -> list[tuple[Instant, M]]:
        """Return what a fault leaves of a message for now."""
        match fault.kind:
            case "late":
                self._held.append(_Held(at + fault.amount, 0, message))
            case "reordered":
                hold = self._plan.keys.by_ns
                self._held.append(_Held(at + hold, fault.amount, message))
            case "doubled":
                return self._overtake([(at, message), (at, message)])
            case "partial" if kept := fault.amount % size:
                return self._overtake([(at, self._alter.cut(message, kept))])
            case "corrupted":
                return self._overtake([(at, self._alter.flip(message, fault.amount % (8 * size)))])
        return []  # lost, disconnected, nothing of it passes, or not yet

    def _overtake(self, passing: list[tuple[Instant, M]]) -> list[tuple[Instant, M]]:
        """Let a message pass those that wait for others; the last one to do so lets them go."""
        if self._held:
            at = passing[0][0]
            for held in [held for held in self._held if held.behind]:
                held.behind -= 1
                if not held.behind:
                    self._held.remove(held)
                    passing.append((at, held.message))
        return passing

    def release(self, now: Instant) -> list[tuple[Instant, M]]:
        """Return what is due by ``now``, by its instant; equal instants in the order of arrival."""
        if not self._held:
            return []
        due = sorted((held for held in self._held if held.due <= now), key=lambda held: held.due)
        self._held = [held for held in self._held if held.due > now]
        return [(held.due, held.message) for held in due]

    def next_due(self) -> Instant | None:
        """Return when something that is held will pass; None when nothing is."""
        return min((held.due for held in self._held), default=None)

    def drop(self) -> None:
        """Forget what is held: the link is closed or gone."""
        self._held.clear()
