"""Bugs put in on purpose, for as long as a context lasts: proof that the search finds such.

Each is one that somebody could write, and that an undisturbed run does not show.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from drivers.instrument import LineInstrument
from drivers.links.lines import LineSession
from drivers.wire import e2e
from hil.bench.safe_state import SafeState, Undo
from hil.bench.tick import Ticker
from hil.core.errors import DeviceError
from hil.core.instants import Duration


@contextmanager
def late_answer() -> Iterator[None]:
    """A session reads the next line that comes, whatever had timed out before.

    What pyvisa-py does (performance.md section 8, trap a).
    """

    async def careless(
        self: LineSession, asked: str, lines: Sequence[str], within: Duration
    ) -> list[str]:
        await self._send(lines, self._encoded_all(lines))
        return [self._decoded(one) for one in await self._read(asked, len(lines), within)]

    async def without_resync(_self: LineInstrument, exchange: Callable[[], Any]) -> Any:
        return await exchange()

    with ExitStack() as both:
        both.enter_context(patch.object(LineSession, "_ask", careless))
        both.enter_context(patch.object(LineInstrument, "_exchange", without_resync))
        yield


@contextmanager
def counter_ignored() -> Iterator[None]:
    """The receiver of frames checks the CRC and forgets the alive counter."""
    accept = e2e.Receiver.accept

    def unchecked(self: e2e.Receiver, identifier: int, frame: Sequence[int]) -> bool:
        self._alive.pop(identifier, None)
        return accept(self, identifier, frame)

    with patch.object(e2e.Receiver, "accept", unchecked):
        yield


@contextmanager
def error_swallowed() -> Iterator[None]:
    """A tick takes a device's error for nothing, and its last reading stands for a new one."""
    truth = Ticker._truth

    def keeping(self: Ticker, *arguments: Any) -> None:
        readings = [self._at[name] for name in ("emulator.read_v", "emulator.read_a")]
        last = [self.row[place] for place in readings]
        truth(self, *arguments)
        for place, values in zip(readings, last, strict=True):
            self.row[place] = values

    def swallowed(_self: Ticker, _name: str, _error: DeviceError) -> None:
        """Say nothing."""

    with ExitStack() as both:
        both.enter_context(patch.object(Ticker, "_truth", keeping))
        both.enter_context(patch.object(Ticker, "_lost", swallowed))
        yield


@contextmanager
def undo_forgotten() -> Iterator[None]:
    """Of two emulators that are told together, the safe state knows the first only."""
    arm = SafeState.arm

    def forgetful(self: SafeState, undo: Undo) -> None:
        if all(known.order != undo.order for known in self._undos):
            arm(self, undo)

    with patch.object(SafeState, "arm", forgetful):
        yield


@contextmanager
def way_down_broken_off() -> Iterator[None]:
    """A second request to stop breaks the way down off: no shield, and no second look."""

    async def unshielded(self: SafeState) -> bool:
        return await self._all()

    with patch.object(SafeState, "reach", unshielded):
        yield


BUGS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "late-answer": late_answer,
    "counter-ignored": counter_ignored,
    "error-swallowed": error_swallowed,
    "undo-forgotten": undo_forgotten,
    "way-down-broken-off": way_down_broken_off,
}
"""By the names that ``search.py --bug`` takes."""
