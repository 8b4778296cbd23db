"""An event loop whose time jumps: when nothing is ready it goes straight to the next timer.

Everything runs in one thread and no kernel object is polled, so a program of coroutines, timers
and memory links takes the same course every time, and an hour takes what its callbacks take.
The rules, each with the trouble it avoids (docs/adr/0001-clock.md):

- time is an integer number of nanoseconds: a year of ticks does not drift;
- timers are ordered by (instant, number of the call): asyncio's own heap runs equal deadlines
  out of order;
- nothing ready and no timer left is a ``DeadlockError``, never a hang;
- work outside the loop (a thread) needs ``no_jump()``, else time would run past it;
- an exception in a callback leaves ``run_until_complete``; asyncio would log it and go on.

A loop must look into asyncio's handles, whose fields are private and have no accessors: hence
the ``noqa: SLF001``.

Standard library and ``hil.core`` only.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from hil.core.errors import DeadlockError, EnvironmentProblem
from hil.core.instants import SECOND, Instant, clock_text

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_COMPACT_FROM = 1024
"""Cancelled timers stay in the heap until it grows past this many; then they are swept out."""


class VirtualTimer:
    """A callback at an instant; to the loop it looks like an ``asyncio.Handle``, but lighter."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        """Keep the callback and the context variables of the caller."""
        self._callback: Callable[..., object] | None = callback
        self._args = args
        self._cancelled = False
        self._context = copy_context()

    def cancel(self) -> None:
        """Forget the callback; harmless when it already ran."""
        self._cancelled = True
        self._callback = None  # lets go of what it refers to: the heap may keep this for long
        self._args = ()


class VirtualLoop(asyncio.BaseEventLoop):
    """The event loop of virtual time; use it as ``asyncio.Runner(loop_factory=VirtualLoop)``."""

    # What BaseEventLoop keeps and its type stubs do not show.
    _ready: deque[Any]
    _stopping: bool
    _closed: bool

    def __init__(self) -> None:
        """Start at instant 0."""
        super().__init__()
        self._clock_resolution = 1 / SECOND
        self._now: Instant = 0
        self._heap: list[tuple[Instant, int, Any]] = []
        self._calls = 0
        self._compact_at = _COMPACT_FROM
        self._holds = 0
        # A bare lock as a bell: unlike a Condition, a signal handler may ring it at any moment.
        self._bell = threading.Lock()
        self._bell.acquire()

    # --- time ----------------------------------------------------------------------------------

    def now_ns(self) -> Instant:
        """Return the present instant."""
        return self._now

    def time(self) -> float:
        """Return the present instant in seconds, for asyncio's own functions."""
        return self._now / SECOND

    def call_at_ns(
        self, instant: Instant, callback: Callable[..., object], *args: Any
    ) -> VirtualTimer:
        """Run ``callback(*args)`` at ``instant``, equal instants in the order of these calls.

        An instant that has passed runs after what is ready now, without moving time back.
        """
        timer = VirtualTimer(callback, args)
        self._push(instant, timer)
        return timer

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Do the same for asyncio (``sleep``, ``timeout``, ``call_later``), ``when`` in seconds."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        instant = round(when * SECOND)
        # Never early: code that loops until time() reaches ``when`` would spin for ever.
        self._push(instant if instant / SECOND >= when else instant + 1, timer)
        return timer

    def _push(self, instant: Instant, timer: Any) -> None:
        """Enter a timer; sweep cancelled ones out each time the heap has doubled."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        self._calls += 1
        heap = self._heap
        heappush(heap, (instant, self._calls, timer))
        if len(heap) > self._compact_at:
            heap[:] = [entry for entry in heap if not entry[2]._cancelled]  # noqa: SLF001 - a handle's fields
            heapify(heap)
            self._compact_at = max(_COMPACT_FROM, 2 * len(heap))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Take no note: a cancelled timer is skipped when its turn comes."""

    @contextmanager
    def no_jump(self) -> Iterator[None]:
        """Hold time still: with nothing ready, wait for ``call_soon_threadsafe`` instead.

        For work outside the loop that cannot be avoided. Holds nest; time goes on after the last.
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    # --- the loop ------------------------------------------------------------------------------

    def _run_once(self) -> None:
        """Run until ``stop()``: what is due, then what is ready, one generation after another.

        asyncio calls this once a generation; staying inside saves a call per generation.
        """
        ready, heap = self._ready, self._heap
        while True:
            while heap and heap[0][0] <= self._now:
                ready.append(heappop(heap)[2])
            if not ready and not self._stopping:
                self._advance()
                continue
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:  # noqa: SLF001 - a handle's fields
                    # In place of Handle._run(), which would log an exception and go on.
                    handle._context.run(handle._callback, *handle._args)  # noqa: SLF001 - a handle's fields
            if self._stopping:
                return

    def _advance(self) -> None:
        """Nothing is ready: wait for the outside if time is held, else jump to the next timer."""
        if self._holds:
            self._bell.acquire()
            return
        heap = self._heap
        while heap and heap[0][2]._cancelled:  # noqa: SLF001 - a handle's fields
            heappop(heap)
        if not heap:
            raise DeadlockError(self._deadlock_text())
        self._now = heap[0][0]

    def _deadlock_text(self) -> str:
        """Name every task that waits and the line where it does, sorted so that it repeats."""
        waiting = sorted(_where(task) for task in asyncio.all_tasks(self))
        return (
            f"virtual time stands at {clock_text(self._now)} with nothing ready and no timer left; "
            f"waiting: {'; '.join(waiting) or 'no task'}"
        )

    def _write_to_self(self) -> None:
        """Ring the bell: ``call_soon_threadsafe`` has added a callback."""
        with suppress(RuntimeError):  # it rings already: another thread or a signal was faster
            self._bell.release()

    def close(self) -> None:
        """Close as asyncio does, and forget the timers."""
        super().close()
        self._heap.clear()

    # --- what needs a thread --------------------------------------------------------------------

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run ``func`` in a thread, as asyncio does.

        Raises EnvironmentProblem outside ``no_jump()``.
        """
        if not self._holds:
            raise EnvironmentProblem(
                f"virtual time would run past the thread of {func!r}: take no_jump() around it"
            )
        return super().run_in_executor(executor, func, *args)

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait for the threads as asyncio does; they call back from outside, so time is held."""
        with self.no_jump():
            await super().shutdown_default_executor(*args)


def _where(task: asyncio.Task[Any]) -> str:
    """Return ``NAME at FILE:LINE in FUNCTION`` for a task that waits."""
    stack = task.get_stack(limit=1)
    if not stack:
        return task.get_name()
    code = stack[0].f_code
    file = code.co_filename.rpartition("/")[2]
    return f"{task.get_name()} at {file}:{stack[0].f_lineno} in {code.co_qualname}"


def _refusal(name: str, why: str) -> Callable[..., NoReturn]:
    """Return a method that says why virtual time has no such thing."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise EnvironmentProblem(f"{name}(): {why}")

    return refuse


_NO_KERNEL = "virtual time runs over memory links only; sockets, pipes and files need a wall clock"
_NO_SIGNALS = "in virtual time use signal.signal, whose handler may call call_soon_threadsafe"

for _name in (
    *("add_reader", "remove_reader", "add_writer", "remove_writer"),
    *("sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into"),
    *("sock_sendall", "sock_sendto", "sock_sendfile", "sock_connect", "sock_accept"),
    *("create_connection", "create_server", "create_datagram_endpoint"),
    *("create_unix_connection", "create_unix_server", "connect_accepted_socket"),
    *("connect_read_pipe", "connect_write_pipe", "subprocess_exec", "subprocess_shell"),
    *("getaddrinfo", "getnameinfo", "sendfile", "start_tls"),
):
    setattr(VirtualLoop, _name, _refusal(_name, _NO_KERNEL))
for _name in ("add_signal_handler", "remove_signal_handler"):
    setattr(VirtualLoop, _name, _refusal(_name, _NO_SIGNALS))
