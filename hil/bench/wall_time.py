"""The wall clock: the one file of ``hil`` and ``drivers`` that reads the host's time.

Deadlines go to the kernel as absolute CLOCK_MONOTONIC instants on one timerfd, which asyncio
watches like a socket: a tick is p50 0.06 ms and p99 0.31 ms late where ``asyncio.sleep`` is 1.2
and 2.7 ms late and drifts by up to 4 % (docs/adr/0001-clock.md). Linux only.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, TypeVar

from hil.bench.clock import sleep_until, watched
from hil.core.errors import EnvironmentProblem
from hil.core.instants import SECOND, Instant

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hil.ports import (
        Clock,
    )  # not at run time: it brings python-can, and this needs only asyncio

T = TypeVar("T")

# From <sys/timerfd.h>; os.timerfd_create is absent before Python 3.13.
_TFD_NONBLOCK = 0o4000
_TFD_CLOEXEC = 0o2000000
_TFD_TIMER_ABSTIME = 1
_EXPIRATIONS_BYTES = 8


class _ITimerSpec(ctypes.Structure):
    """``struct itimerspec``: the interval (0 here, one shot), then the absolute deadline."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class _TimerFd:
    """One kernel timer with absolute deadlines."""

    def __init__(self) -> None:
        """Create it. Raises EnvironmentProblem where the kernel or C library has none."""
        library = ctypes.CDLL(None, use_errno=True)
        try:
            create, self._settime = library.timerfd_create, library.timerfd_settime
        except AttributeError:
            raise EnvironmentProblem(
                "the wall clock needs timerfd, which this system's C library lacks: use Linux"
            ) from None
        self.descriptor = _checked(create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC))

    def set(self, deadline_ns: int) -> None:
        """Fire once at ``deadline_ns`` of CLOCK_MONOTONIC, at once if that has passed."""
        # 0 would switch the timer off instead of firing it.
        spec = _ITimerSpec(0, 0, *divmod(max(deadline_ns, 1), SECOND))
        _checked(self._settime(self.descriptor, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None))

    def clear(self) -> None:
        """Take note of the expiry, so that the descriptor is no longer readable."""
        with suppress(BlockingIOError):  # set again since the loop saw it: nothing to note
            os.read(self.descriptor, _EXPIRATIONS_BYTES)


def _checked(result: int) -> int:
    """Return what a C function returned. Raises EnvironmentProblem with errno's text."""
    if result < 0:
        raise EnvironmentProblem(f"timerfd: {os.strerror(ctypes.get_errno())}")
    return result


class WallTimer:
    """A callback that waits in the clock's heap."""

    __slots__ = ("_args", "_callback", "cancelled", "context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        """Keep the callback and the context variables of the caller."""
        self._callback = callback
        self._args = args
        self.cancelled = False
        self.context = copy_context()

    def cancel(self) -> None:
        """Forget the callback; harmless when it already ran."""
        self.cancelled = True

    def run(self) -> None:
        """Run the callback, unless another one at the same instant has cancelled it."""
        if not self.cancelled:
            self._callback(*self._args)


class WallClock:
    """``hil.ports.Clock`` in real time; instant 0 is its construction. Needs a selector loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Raises EnvironmentProblem where there is no timerfd."""
        self._loop = loop
        self._timer = _TimerFd()
        self._heap: list[tuple[Instant, int, WallTimer]] = []
        self._calls = 0
        self._start = monotonic_ns()
        loop.add_reader(self._timer.descriptor, self._expired)

    def now(self) -> Instant:
        """Return the time since the clock was built."""
        return monotonic_ns() - self._start

    def call_at(self, instant: Instant, callback: Callable[..., object], *args: Any) -> WallTimer:
        """Run ``callback(*args)`` at ``instant``, never early, equal instants in call order."""
        timer = WallTimer(callback, args)
        self._calls += 1
        heappush(self._heap, (instant, self._calls, timer))
        if self._heap[0][2] is timer:
            self._timer.set(self._start + instant)
        return timer

    async def sleep_until(self, instant: Instant) -> None:
        """Return at ``instant``; if it has passed, at once but after what is ready now."""
        await sleep_until(self, self._loop, instant)

    def close(self) -> None:
        """Give the kernel timer back; timers that wait never run. Harmless when closed."""
        self._heap.clear()
        if self._timer.descriptor >= 0:
            self._loop.remove_reader(self._timer.descriptor)
            os.close(self._timer.descriptor)
            self._timer.descriptor = -1

    def _expired(self) -> None:
        """Hand all that is due to the loop, in order, and set the next deadline."""
        self._timer.clear()
        now = self.now()
        heap = self._heap
        while heap and (heap[0][0] <= now or heap[0][2].cancelled):
            timer = heappop(heap)[2]
            # One loop callback each: one that raises does not take the others down.
            self._loop.call_soon(timer.run, context=timer.context)
        if heap:
            self._timer.set(self._start + heap[0][0])


def run_wall(main: Callable[[Clock], Coroutine[Any, Any, T]]) -> T:
    """Run ``main(clock)`` in real time and return what it returns.

    Raises whatever ``main`` or any callback raises, after ``main`` was cancelled and cleaned up.
    """
    clock: WallClock | None = None
    try:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            clock = WallClock(runner.get_loop())
            return runner.run(watched(main, clock))
    finally:  # only now: tasks that the runner cancels on its way out may still need the time
        if clock is not None:
            clock.close()


def monotonic_ns() -> int:
    """Return the host's CLOCK_MONOTONIC in nanoseconds: it never steps."""
    return time.monotonic_ns()


def cpu_seconds() -> float:
    """Return the processor time of this process so far, in seconds."""
    return time.process_time()


def utc_now_text() -> str:
    """Return the date and time as ISO 8601 in UTC, to the millisecond: ``...T09:30:00.000Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
