"""Running the devices' parts of a tick side by side, each device's one after the other."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from hil.core.errors import DeviceError, LinkLost, LinkTimeout
from hil.core.instants import MILLISECOND, Instant
from hil.ports import Clock

Job = tuple[str, Coroutine[Any, Any, None]]
"""A device's name, and what is to be done with it."""

GRACE = 5 * MILLISECOND
"""A loop that was held up finds answers and the end of the time at once: answers come first."""


class Together:
    """Runs jobs at once, up to an instant; a job that is not done by then goes on alone.

    Its device is left to it meanwhile: what is to be done with that one next is not even begun, so
    that one device that hangs holds up no tick, and no answer comes to another question.
    """

    def __init__(self, clock: Clock) -> None:
        """Start with no job under way."""
        self._clock = clock
        self._busy: dict[str, asyncio.Task[None]] = {}

    def is_busy(self, name: str) -> bool:
        """Say whether a device is still at what it was asked earlier."""
        return name in self._busy and not self._busy[name].done()

    async def run(self, jobs: Sequence[Job], until: Instant) -> list[BaseException | None]:
        """Run ``jobs``; return what each raised, in their order and not in that of their ends.

        What is not done by ``until``, or was not begun, is a LinkTimeout. A cancellation ends all
        jobs, those that went on alone as well.
        """
        loop = asyncio.get_running_loop()
        found: list[BaseException | None] = [None] * len(jobs)
        tasks: list[tuple[int, str, asyncio.Task[None]]] = []
        for place, (name, job) in enumerate(jobs):
            found[place] = self._in_the_way(name)
            if found[place] is None:
                tasks.append((place, name, loop.create_task(job)))
            else:
                job.close()
        try:
            await self._settled([task for _, _, task in tasks], until)
        except asyncio.CancelledError:
            self._busy.update((name, task) for _, name, task in tasks)
            await self.let_go()
            raise
        for place, name, task in tasks:
            if task.done():
                found[place] = _raised(task)
            else:
                self._busy[name] = task
                found[place] = LinkTimeout(name, "no answer by the end of the tick's time")
        return found

    async def let_go(self) -> None:
        """Cancel what still goes on, and wait until it has cleaned up."""
        tasks = list(self._busy.values())
        self._busy.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            _raised(task)  # to have been looked at: nobody is told of it any more

    def _in_the_way(self, name: str) -> BaseException | None:
        """Return why a device cannot be asked now, or what became of its last job that matters.

        An answer that came too late, or none, has been told of: then the next question may go out.
        """
        if self.is_busy(name):
            return LinkTimeout(name, "still at what it was asked in an earlier tick")
        if name not in self._busy:
            return None
        raised = _raised(self._busy.pop(name))
        told = raised is None or (
            isinstance(raised, DeviceError) and not isinstance(raised, LinkLost)
        )
        return None if told else raised

    async def _settled(self, tasks: Sequence["asyncio.Task[None]"], until: Instant) -> None:
        """Return when all tasks have ended, or the time has; a task that is done costs nothing."""
        waiter: asyncio.Future[None] | None = None
        is_over = False

        def wake(_task: object = None) -> None:
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

        def over() -> None:
            nonlocal is_over
            is_over = True
            wake()

        def nearly_over() -> None:
            timers.append(self._clock.call_at(self._clock.now() + GRACE, over))

        timers = [self._clock.call_at(until, nearly_over)]
        try:
            for task in tasks:
                if is_over:
                    return
                if not task.done():
                    waiter = asyncio.get_running_loop().create_future()
                    task.add_done_callback(wake)
                    await waiter
                    task.remove_done_callback(wake)
        finally:
            for timer in timers:
                timer.cancel()


def _raised(task: "asyncio.Task[None]") -> BaseException | None:
    """Return what a task that has ended raised."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()
