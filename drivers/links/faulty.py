"""A link that disturbs what passes, by a plan: the host's side of the cable, whatever carries it.

What the host sends is disturbed as it sends it. What comes is disturbed as the host would have got
it: for bytes when it looks or waits, for frames at their own time stamps. With nothing held back
every call goes straight to the link inside, so that a plan without faults changes no instant.

Taps see what the host sent and what it took, not what became of it in between. After ``close``
nothing is left: what was held back is gone, as with a cable that is pulled.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from drivers.links.faulty_lane import Lane
from drivers.links.faulty_media import BYTES, FRAMES, Medium
from drivers.links.faulty_plan import FaultKeys, FaultPlan, LinkFault
from hil.core.errors import DeviceError, LinkLost
from hil.core.instants import Instant, to_seconds
from hil.core.records import LinkFaulted
from hil.ports import Clock, Disturber, Tap

M = TypeVar("M")
B = TypeVar("B")
M_contra = TypeVar("M_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)


class _Inner(Protocol[M_contra, B_co]):
    """What ByteLink and FrameLink have in common: messages out, batches in."""

    async def open(self) -> None: ...
    async def send(self, message: M_contra, /) -> None: ...
    async def receive(self) -> B_co: ...
    def pending(self) -> B_co: ...
    def check(self) -> None: ...
    async def close(self) -> None: ...


class FaultyLink(Generic[M, B]):
    """``hil.ports.ByteLink`` or ``FrameLink`` round another one of its kind."""

    def __init__(
        self,
        name: str,
        inner: _Inner[M, B],
        clock: Clock,
        plan: FaultPlan,
        medium: Medium[M, B],
        tap: Tap | None = None,
        noted: Callable[[LinkFaulted], None] | None = None,
    ) -> None:
        """Wrap ``inner``; ``noted`` is called with a record for each fault that takes effect."""
        self._name, self._inner, self._clock = name, inner, clock
        self._medium, self._tap, self._noted = medium, tap, noted
        self._to_device: Lane[M] = Lane("to device", plan, medium.alter, self._faulted)
        self._to_host: Lane[M] = Lane("to host", plan, medium.alter, self._faulted)
        self._shut: str | None = "the link is not open"
        self._gone_until: Instant = 0
        self._passed: list[tuple[Instant, M]] = []  # and not handed to the host yet
        self._waits = False
        self._reading: asyncio.Task[B] | None = None  # looks out while something is held as well
        self._late: set[asyncio.Task[None]] = set()  # send what is held
        self._dues: set[Instant] = set()  # the instants for which those wait
        self._failure: DeviceError | None = None  # of one of those

    async def open(self) -> None:
        """Connect, or begin a new session. Raises LinkLost, also while the plan keeps it away."""
        left = self._gone_until - self._clock.now()
        if left > 0:
            raise LinkLost(self._name, f"disconnected for another {to_seconds(left):g} s")
        await self._hang_up()
        await self._inner.open()
        self._shut = None

    async def send(self, message: M) -> None:
        """Send what the plan leaves of ``message``, and what it overtakes. Raises LinkLost."""
        self._check()
        for _, passing in self._to_device.push(message, self._clock.now()):
            await self._inner.send(passing)
        if self._tap is not None:
            self._tap(self._medium.on_wire(b">", message))
        self._see_to_held()
        if self._shut is not None:
            await self._hang_up()
            self._check()

    async def receive(self) -> B:
        """Wait for at least one message to pass and return all that have. Raises LinkLost."""
        if self._waits:
            raise RuntimeError(f"{self._name}: two tasks receive on one link")
        self._waits = True
        try:
            while not self._passed:
                await self._wait()
        finally:
            self._waits = False
        return self._handed()

    def pending(self) -> B:
        """Take what has passed without waiting. Raises LinkLost."""
        self._check()
        self._look()
        if not self._passed:
            self._check()  # what came may have taken the link with it
        return self._handed()

    def check(self) -> None:
        """Raise LinkLost if the link is gone, by the plan or in truth."""
        if self._shut is not None:
            raise LinkLost(self._name, self._shut)
        self._inner.check()

    async def close(self) -> None:
        """Let go of the link; what is held back, either way, never arrives."""
        self._shut = "the link is closed"
        await self._hang_up()

    # --- to the host -----------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Return when something may have passed: it came, or what was held is due."""
        self._check()
        due = self._to_host.next_due()
        if due is not None or self._reading is not None:
            await self._first(due)
            self._check()
            self._look()
            return
        try:
            batch = await self._inner.receive()
        except LinkLost:
            self._check()  # it is the plan that closed it
            raise
        self._take(batch)

    async def _first(self, due: Instant | None) -> None:
        """Wait for the link inside or for ``due``.

        The task that reads outlives a wait that is cancelled: so nothing is lost that came at the
        very instant at which the host gave up.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._received())
        woken = asyncio.get_running_loop().create_future()

        def wake(*_: object) -> None:
            if not woken.done():
                woken.set_result(None)

        reading = self._reading
        reading.add_done_callback(wake)
        timer = None if due is None else self._clock.call_at(due, wake)
        try:
            await woken
        finally:
            reading.remove_done_callback(wake)
            if timer is not None:
                timer.cancel()

    async def _received(self) -> B:
        """Return what comes next; a coroutine function, which a task needs."""
        return await self._inner.receive()

    def _look(self) -> None:
        """Take what the link inside has, and let pass what is due. Raises LinkLost, taking none."""
        newest = self._inner.pending()
        if self._reading is not None and self._reading.done():
            reading, self._reading = self._reading, None
            self._take(reading.result())
        self._take(newest)

    def _take(self, batch: B) -> None:
        """Run a batch through the plan; what comes after a disconnection is lost, uncounted."""
        now = self._clock.now()
        for at, message in self._medium.split(batch, now):
            if self._shut is not None:
                return
            self._passed += self._to_host.push(message, at)
        self._passed += self._to_host.release(now)

    def _handed(self) -> B:
        """Hand over what has passed: this is what the host took."""
        passed, self._passed = self._passed, []
        if self._tap is not None:
            for _, message in passed:
                self._tap(self._medium.on_wire(b"<", message))
        return self._medium.join(passed)

    # --- to the device ---------------------------------------------------------------------------

    def _see_to_held(self) -> None:
        """Have what is held sent at its instant: the first of it, which sees to the next."""
        due = self._to_device.next_due()
        if due is None or due in self._dues:
            return
        self._dues.add(due)
        task = asyncio.create_task(self._send_at(due))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _send_at(self, due: Instant) -> None:
        """Send what is held until ``due``, unless something has overtaken it by then."""
        await self._clock.sleep_until(due)
        self._dues.discard(due)
        released = self._to_device.release(self._clock.now())
        self._see_to_held()
        for _, message in released:
            try:
                await self._inner.send(message)
            except DeviceError as error:
                self._failure = error  # the host hears of it in its next call

    # --- both ------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Raise what stands in the way of a call."""
        if self._shut is not None:
            raise LinkLost(self._name, self._shut)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _faulted(self, fault: LinkFault) -> None:
        """A fault takes effect: tell, and go away if it says so."""
        now = self._clock.now()
        if fault.kind == "disconnected":
            self._gone_until = now + fault.amount
            self._shut = f"disconnected with message {fault.index} {fault.direction}"
            self._to_device.drop()
            self._to_host.drop()
        if self._noted is not None:
            note = LinkFaulted(now, self._name, fault.direction, fault.kind, fault.index)
            self._noted(note)

    async def _hang_up(self) -> None:
        """Close the link inside and end what was begun on it. Raises bugs of the late senders."""
        self._to_device.drop()
        self._to_host.drop()
        late, reading = list(self._late), self._reading
        self._reading = self._failure = None
        self._dues.clear()
        for task in late:
            task.cancel()
        await self._inner.close()
        await asyncio.gather(*late, *([reading] if reading else []), return_exceptions=True)
        for task in late:
            if not task.cancelled():
                task.result()


# --- the entry points -----------------------------------------------------------------------


def disturb(
    medium: Medium[Any, Any],
    name: str,
    link: Any,
    clock: Clock,
    options: Mapping[str, Any],
    *,
    seed: int,
    tap: Tap | None = None,
    noted: Callable[[LinkFaulted], None] | None = None,
) -> FaultyLink[Any, Any]:
    """Return the link of device ``name`` with faults; ``options`` as in FaultKeys."""
    plan = FaultPlan(name, seed, FaultKeys(**options))
    return FaultyLink(name, link, clock, plan, medium, tap, noted)


FAULTY_BYTES = Disturber(FaultKeys, partial(disturb, BYTES))
"""The entry point ``bytes`` of ``hil.disturbers``."""

FAULTY_FRAMES = Disturber(FaultKeys, partial(disturb, FRAMES))
"""The entry point ``frames`` of ``hil.disturbers``."""
