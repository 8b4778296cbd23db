"""What twins have in common that take a line at a time and have their own words: no SCPI."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from drivers.wire.framing import Framing, LineInput
from hil.core.instants import Duration, Instant
from hil.ports import Clock

_WAITING = 8  # [A] lines that an instrument keeps while it is busy


class LineTwin(ABC):
    """The way in and out (``ByteTwin``) of an instrument that is busy for a while over each line.

    What comes meanwhile waits in its input; more than it holds is lost. ``crowded`` counts lines
    that came before it was ready: a real instrument may lose those too.
    """

    def __init__(self, name: str, clock: Clock, framing: Framing, answer: Duration) -> None:
        """Begin with the supply on and nobody attached."""
        self.name = name
        self._clock, self._framing, self._answer_after = clock, framing, answer
        self._input = LineInput(framing)
        self._waiting: deque[str | None] = deque()
        self._ready: Instant = 0
        self._is_called = False
        self._send: Callable[[bytes, Instant], None] | None = None
        self._silent = False
        self._powered = True
        self.crowded = 0

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        """Give the instrument its way out."""
        self._send = send

    def receive(self, data: bytes) -> None:
        """Take bytes; each line is answered after its time. Without a supply it hears nothing."""
        if not self._powered:
            return
        for line in self._input.feed(data):
            if len(self._waiting) < _WAITING:
                self.crowded += bool(self._waiting) or self._clock.now() < self._ready
                self._waiting.append(line)
        self._work()

    def hang_up(self) -> None:
        """The client has gone: half a line of it stays behind no longer."""
        self._input.clear()

    def _forget_lines(self) -> None:
        """Lose what was heard and not yet done, as with the supply."""
        self._input.clear()
        self._waiting.clear()

    def _work(self) -> None:
        """Do what waits, a line at a time, and come back when the next one may be done."""
        now = self._clock.now()
        while self._waiting and now >= self._ready:
            line = self._waiting.popleft()
            reply = self._heard(line)
            self._ready = now + self._busy("" if line is None else line)
            if reply is not None and self._send is not None and not self._silent:
                self._send(self._framing.wrap(reply), now + self._answer_after)
        if self._waiting and not self._is_called:
            self._is_called = True
            self._clock.call_at(self._ready, self._called)

    def _called(self) -> None:
        self._is_called = False
        self._work()

    def _busy(self, line: str) -> Duration:  # noqa: ARG002 - most are ready at once
        """Return how long the instrument is busy over a line."""
        return 0

    @abstractmethod
    def _heard(self, line: str | None) -> str | None:
        """Do what a line says, None for one that is no text; return what it answers, if it does."""
