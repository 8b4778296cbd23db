"""A session of a library that blocks, as a link holds it: what VISA and python-can share.

One worker thread a session. Nothing of an earlier session may take effect in a later one: a new one
begins when the thread of the last has ended, and not before.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from drivers.links.mailbox import Mailbox
from drivers.links.stream import SEND_WITHIN, flushed, reason_of
from drivers.links.worker import Dropped, Worker
from hil.core.errors import DeviceError, LinkLost
from hil.core.instants import SECOND, Duration, to_seconds
from hil.ports import Clock

T = TypeVar("T")

_RETIRE_WITHIN = 2 * SECOND


class Blocking(Protocol):
    """One session of a library; it may raise whatever that library raises."""

    def connect(self) -> None:
        """Open it; in the worker's thread."""

    def close(self) -> None:
        """Close what was opened; in the worker's thread, as its last call."""

    def unsent(self) -> int:
        """Return how many bytes have not left this host, as far as that is known; in the loop."""

    def free(self) -> None:
        """Get the thread out of a call that blocks, where there is a way; in the loop."""


S = TypeVar("S", bound=Blocking)


class Holder(Generic[S]):
    """Opens, uses and leaves sessions for a link, and translates what goes wrong into LinkLost."""

    def __init__(
        self, name: str, clock: Clock, where: str, mailbox: Mailbox[Any], byte_ns: Duration = 0
    ) -> None:
        """``where`` names the far end in errors; ``mailbox`` is shut when the session is lost.

        ``byte_ns`` is how long a byte takes on the line, where that is long.
        """
        self._byte_ns = byte_ns
        self._name = name
        self._clock = clock
        self._where = where
        self._mailbox = mailbox
        self._worker: Worker | None = None
        self.session: S | None = None

    async def open(self, session: S, within: Duration) -> None:
        """Connect ``session`` in place of the one there is.

        Raises LinkLost, also while a call of an earlier session has not come back.
        """
        await self.leave()
        if self._worker is not None and not self._worker.ended.is_set():
            raise self.lost("an earlier call has not come back: reset the device or its adapter")
        self.session = session
        worker = self._worker = Worker(f"{self._name} {self._where}", session.close)
        try:
            async with asyncio.timeout(to_seconds(within)):
                await worker.call(session.connect)
        except BaseException as error:  # libraries raise Exception itself, backends what they like
            waited = f"no connection within {to_seconds(within):g} s"
            lost = self.lost(waited if isinstance(error, TimeoutError) else reason_of(error))
            if isinstance(error, Exception):
                raise lost from error
            raise

    async def do(self, work: Callable[[S], None], size: int = 0) -> None:
        """Have the thread do something that sends ``size`` bytes.

        Raises LinkLost, also when it takes too long; DeviceError if it was never begun.
        """
        self._mailbox.check_out()
        worker, session = self._worker, self.session
        assert worker is not None  # noqa: S101 - the mailbox is open
        assert session is not None  # noqa: S101 - the same
        within = to_seconds(SEND_WITHIN + size * self._byte_ns)
        try:
            async with asyncio.timeout(within):
                await worker.call(lambda: work(session))
        except Dropped as error:
            self._mailbox.check_out()
            raise DeviceError(self._name, "not sent: a message before it was given up") from error
        except Exception as error:
            self._mailbox.check_out()  # closed meanwhile: that is why
            taken = f"it has taken no more data for {within:g} s"
            reason = taken if isinstance(error, TimeoutError) else reason_of(error)
            raise self.lost(reason) from error

    def do_at_once(self, work: Callable[[S], None]) -> bool:
        """Do something that cannot block here, in the loop, and say so; False: ask the thread.

        Only where the thread has nothing under way: else what is done here could overtake it, or be
        overtaken by it. Raises LinkLost.
        """
        self._mailbox.check_out()
        worker, session = self._worker, self.session
        if worker is None or session is None or not worker.is_idle:
            return False
        try:
            work(session)
        except Exception as error:
            raise self.lost(reason_of(error)) from error
        return True

    def post(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Have the thread do something that changes nothing outside, and return its outcome."""
        assert self._worker is not None  # noqa: S101 - it was opened
        return self._worker.post(work)

    async def leave(self) -> None:
        """End the session, if there is one, and give its thread a while to end as well."""
        worker, session = self._worker, self.session
        if worker is None or session is None or worker.ended.is_set():
            return
        try:
            if not worker.is_retired:
                await flushed(self._clock, session.unsent, self._byte_ns)
        finally:
            if session.unsent():
                session.free()
            worker.retire()
        with suppress(TimeoutError):  # ``open`` refuses while it has not ended
            async with asyncio.timeout(to_seconds(_RETIRE_WITHIN)):
                await worker.ended.wait()

    def lost(self, reason: str) -> LinkLost:
        """End the session, shut the link for a reason, and return the error that tells it.

        What has not begun never does, and what blocks ends where there is a way.
        """
        if self._worker is not None and self.session is not None:
            self._worker.retire()
            self.session.free()
        self._mailbox.shut(f"{self._where}: {reason}")
        return LinkLost(self._name, f"{self._where}: {reason}")
