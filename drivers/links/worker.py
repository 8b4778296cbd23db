"""One thread that makes blocking calls for an event loop, and the fence that keeps late ones out.

A call that was given up must not take effect afterwards: an "on" that waited behind a slow call and
timed out there would switch the output on behind the "off" of the way down. So every job carries
the epoch in which it was handed over; giving up raises the epoch; a job of an earlier epoch that
has not begun is dropped. One that has begun is before all that follow, since there is one thread.

Threads of its own, and daemons: ``asyncio.run`` would wait at its end for a blocked thread of the
default executor.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Dropped(Exception):
    """The job was not begun: it, or one before it, was given up."""


class _Job(NamedTuple):
    """``told`` gets the outcome of ``work``, in the loop."""

    epoch: int
    work: Callable[[], Any]
    told: "asyncio.Future[Any]"


class Worker:
    """A thread that does jobs in the order in which they come."""

    def __init__(self, name: str, at_end: Callable[[], None]) -> None:
        """Start; ``at_end`` is the thread's last call, whatever happened. Needs a running loop."""
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._epoch = 0
        self._under_way = 0
        self.is_retired = False
        self._at_end = at_end
        self.ended = asyncio.Event()
        Thread(target=self._run, name=name, daemon=True).start()

    def post(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Hand over a job and return what will hold its outcome; Dropped if it is never begun."""
        told: asyncio.Future[T] = self._loop.create_future()
        if self.is_retired:
            told.set_exception(Dropped())
        else:
            self._under_way += 1
            self._jobs.put(_Job(self._epoch, work, told))
        return told

    @property
    def is_idle(self) -> bool:
        """Say whether the thread has nothing to do and nothing it has done is still to be told.

        A job that was given up counts until it has come back: it may be on its way.
        """
        return not self._under_way and not self.is_retired

    async def call(self, work: Callable[[], T]) -> T:
        """Do a job and return its result; cancelled, it is given up. Raises what it raises."""
        try:
            return await self.post(work)
        except asyncio.CancelledError:
            self.give_up()
            raise

    def give_up(self) -> None:
        """Drop every job that has not begun."""
        self._epoch += 1

    def retire(self) -> None:
        """End the thread after the job that is on; harmless when it has ended."""
        self.give_up()
        self.is_retired = True
        self._jobs.put(None)

    # --- in the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        """Do jobs until told to end."""
        try:
            while (job := self._jobs.get()) is not None:
                self._do(job)
        finally:
            try:
                self._at_end()
            finally:
                self._tell(self.ended.set)

    def _do(self, job: _Job) -> None:
        """Do one job, unless its time has passed."""
        if job.epoch != self._epoch:
            self._tell(self._come_back, _fail, job.told, Dropped())
            return
        try:
            result = job.work()
        except Exception as error:  # noqa: BLE001 - whoever waits for the job gets it
            self._tell(self._come_back, _fail, job.told, error)
        else:
            self._tell(self._come_back, _settle, job.told, result)

    def _come_back(
        self, settle: Callable[["asyncio.Future[Any]", Any], None], told: Any, what: Any
    ) -> None:
        """Settle a job's outcome; in the loop."""
        self._under_way -= 1
        settle(told, what)

    def _tell(self, callback: Callable[..., None], *args: Any) -> None:
        """Run a callback in the loop."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left who could be told
            self._loop.call_soon_threadsafe(callback, *args)


def _settle(told: "asyncio.Future[Any]", result: Any) -> None:
    """Set a result that somebody still waits for."""
    if not told.done():
        told.set_result(result)


def _fail(told: "asyncio.Future[Any]", error: Exception) -> None:
    """Set an error that somebody still waits for."""
    if not told.done():
        told.set_exception(error)
