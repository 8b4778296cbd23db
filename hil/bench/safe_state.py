"""The bench's safe state: what must be undone, in which order, and what was read back.

An undo is registered before the action it undoes. Devices of one order go together, orders one
after the other: the board's bleeds first, then all cells of the stack together (switching off one
channel of a series stack can make its protection diode conduct), then the chamber.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from hil.bench.rig import Rig
from hil.core.errors import DeviceError, InstrumentFault, LinkLost, LinkTimeout
from hil.core.instants import SECOND, Duration, to_seconds
from hil.core.records import BadMeasurement, Record, SafeStateArmed, SafeStateReached
from hil.ports import Clock, Device, Forcible, Identity

BOARD, CELLS, FAULT_BOX, CHAMBER, SUPPLY = 10, 20, 25, 30, 40
"""Orders: lower goes first."""

AGAIN_WITHIN = 10 * SECOND
PAUSES = (SECOND // 5, SECOND // 2, SECOND, 2 * SECOND, 4 * SECOND)
"""A device that could not be shown to be safe is told again after each of these, for so long.

Counted from when all had been told: one that hangs takes nobody else's second attempt.
"""

PATIENCE = SECOND // 5
"""A board takes a cycle to read back; the cells' outputs do not stay on for so long."""

T = TypeVar("T")


def orders(rig: Rig) -> dict[str, tuple[int, str]]:
    """Return each device's order and what safe means for it, by its role."""
    found = {rig.board.name: (BOARD, "all bleeds off")}
    found |= dict.fromkeys(rig.emulators, (CELLS, "all outputs off"))
    # after the cells: nothing flows any more in a wire that closes
    found |= dict.fromkeys(rig.fault_boxes, (FAULT_BOX, "all channels connected"))
    found[rig.chamber.name] = (CHAMBER, "heating and cooling off")
    if rig.supply is not None:
        # the last: without it the board can neither obey nor say that it has
        found[rig.supply.unit.name] = (SUPPLY, "output off")
    return found


BY_HAND = {
    BOARD: "cut the board's supply: without cells and supply it bleeds nothing",
    CELLS: "press the emergency stop or pull the unit's mains plug, and touch no lead before",
    FAULT_BOX: "switch the box off: its relays fall back, and all wires are connected",
    CHAMBER: "switch the chamber off at its main switch",
    SUPPLY: "pull the supply's mains plug",
}
"""What is left to a human when a device cannot be shown to be safe, by its order."""


@dataclass(frozen=True, slots=True)
class Means:
    """One way to make a device safe; ``action`` returns what was read back."""

    meaning: str
    action: Callable[[], Awaitable[str]]
    within: Duration = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Undo:
    """How one device is made safe; ``action`` returns what was read back.

    ``stronger`` are the means for one that answers that it is on, the gentlest first; ``by_hand``
    says what a human must do when none of them helps. One that says nothing, or does not obey, is
    safe all the same when all that it ``lives_by`` is off: a board without cells and supply.
    """

    device: str
    order: int
    meaning: str
    action: Callable[[], Awaitable[str]]
    within: Duration = 10 * SECOND
    stronger: tuple[Means, ...] = ()
    by_hand: str = ""
    lives_by: frozenset[str] = frozenset()


TOLD_FIRST = 2
"""Attempts before a human is told: a relay may be slow, an answer an old one."""

FORCED_WITHIN = 15 * SECOND
"""A unit that is reset boots for ten seconds before it can be read back; it is off meanwhile."""


def undo_of(rig: Rig, device: Device, way: Callable[[int | None], Awaitable[str]]) -> Undo:
    """Return how a device of a rig is made safe, by its role, with all its stronger means.

    ``way`` is called with None to tell it, and with the number of one of ``Forcible.STRONGER``.
    """
    order, meaning = orders(rig)[device.name]
    stronger: tuple[Means, ...] = ()
    if isinstance(device, Forcible):
        stronger = tuple(
            Means(f"{meaning}: {how}", partial(way, number), FORCED_WITHIN)
            for number, how in enumerate(device.STRONGER)
        )
    plain = partial(way, None)
    lives_by: frozenset[str] = frozenset()
    if device is rig.board and rig.supply is not None:
        lives_by = frozenset({*rig.emulators, rig.supply.unit.name})
    return Undo(
        device.name,
        order,
        meaning,
        plain,
        stronger=stronger,
        by_hand=BY_HAND[order],
        lives_by=lives_by,
    )


async def ordered_off(device: Device, means: int | None = None) -> str:
    """Tell a device to go safe, or force it, and return its read-back. Raises DeviceError."""
    if means is not None and isinstance(device, Forcible):
        return await device.force(means)
    return await device.make_safe()


async def made_safe(
    device: Device,
    known: Mapping[str, Identity],
    told: Callable[[], Awaitable[str]] | None = None,
    means: int | None = None,
) -> str:
    """Make one device safe and return its read-back; a link that is gone is opened once more.

    ``told`` returns what else there is to say of it, asked while its link is still open; ``means``
    is the number of a stronger one than telling it (``undo_of``).

    Who answers then must be who answered at first, by ``known``: another instrument behind the same
    address says nothing about ours. "Off" is the last word: a command of ours that is late must not
    reach a device that has been read back, so its link is let go at once. Raises DeviceError:
    LinkLost if the link is still gone, or leads to a stranger.
    """
    try:
        read_back = await ordered_off(device, means)
    except LinkLost:
        await open_known(device, known)
        read_back = await ordered_off(device, means)
    read_back = with_note(read_back, "" if told is None else await told())
    await device.close()
    return read_back


def with_note(read_back: str, note: str) -> str:
    """Return a read-back with what else there is to know of the device."""
    return f"{read_back}; {note}" if note else read_back


def note_of(read_back: str) -> str:
    """Return what ``with_note`` added; empty for nothing."""
    return read_back.partition("; ")[2]


async def open_known(device: Device, known: Mapping[str, Identity]) -> None:
    """Open a link and see that who answers is who answered at first, by ``known``.

    Raises DeviceError with the link closed again: LinkLost for a stranger.
    """
    await device.connect()
    try:
        await _refuse_stranger(device, known)
    except BaseException:
        # or the next attempt would find the link open and take whoever answers for ours
        await device.close()
        raise


async def _refuse_stranger(device: Device, known: Mapping[str, Identity]) -> None:
    """Raise LinkLost for another device than the one that was known: ours is not there."""
    who = await device.identify()
    expected = known.get(device.name, who)
    if who != expected:
        text = f"expected serial {expected.serial} behind the link again, found {who.serial}"
        raise LinkLost(device.name, text)


async def to_its_end(task: asyncio.Task[T]) -> T:
    """Wait for a task that goes on when its caller is cancelled, and return its result.

    A second Ctrl-C must not break the way down.
    """
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise


class SafeState:
    """Collects undos while the bench is being armed and carries them out on the way down."""

    def __init__(
        self,
        clock: Clock,
        emit: Callable[[Record], None],
        patience: Duration | None = None,
    ) -> None:
        """Start with nothing armed.

        With ``patience`` an order that has not read back by then no longer holds the next one up:
        it was told first, and that is what the order is for.
        """
        self._clock = clock
        self._patience_s = None if patience is None else to_seconds(patience)
        self._emit = emit
        self._undos: list[Undo] = []
        self._told: set[str] = set()
        self._off: set[str] = set()
        self._forced: set[str] = set()
        self._reached: asyncio.Task[bool] | None = None
        self._hurried = False
        self._bugs: list[Exception] = []

    def arm(self, undo: Undo) -> None:
        """Register an undo; call it before the device's output goes on."""
        self._undos.append(undo)
        self._emit(SafeStateArmed(self._clock.now(), undo.device, undo.order, undo.meaning))

    def hurry(self) -> None:
        """Panic: tell all devices that are still to come at once, whatever their order."""
        self._hurried = True

    async def reach_before(self, order: int) -> bool:
        """Make safe what comes before ``order``, once, and say whether every read-back agreed.

        What did is told no more by ``reach``: "off" was the last word. Runs to its end.
        """
        return await to_its_end(asyncio.ensure_future(self._before(order)))

    async def _before(self, order: int) -> bool:
        first = sorted((u for u in self._undos if u.order < order), key=lambda undo: undo.order)
        left = await self._round(first)
        self._undos = [undo for undo in self._undos if undo not in first or undo in left]
        return not left

    async def reach(self) -> bool:
        """Make everything safe and say whether every read-back agreed.

        Runs once however often it is asked for, and to its end.
        """
        if self._reached is None:
            self._reached = asyncio.ensure_future(self._all())
        return await to_its_end(self._reached)

    async def _all(self) -> bool:
        """Tell every device, whatever happens on the way; a bug is raised only after the last.

        One lost line must not leave an output on: who could not be read back is told again, but
        only when all others have been told, and every attempt leaves its record.
        """
        left = self._alive(await self._round(sorted(self._undos, key=lambda undo: undo.order)))
        give_up = self._clock.now() + AGAIN_WITHIN
        for pause in PAUSES:
            if not left or self._clock.now() + pause > give_up:
                break
            await self._clock.sleep_until(self._clock.now() + pause)
            left = self._alive(await self._round(left))
        if self._bugs:
            raise self._bugs[0]
        return not left

    def _alive(self, left: list[Undo]) -> list[Undo]:
        """Return those that are not safe by what they live by, and say so of the others."""
        dead = [undo for undo in left if undo.lives_by and undo.lives_by <= self._off]
        for undo in dead:
            by = ", ".join(sorted(undo.lives_by))
            without = f"says nothing of it; what it lives by is off: {by}"
            now = self._clock.now()
            self._note(SafeStateReached(now, undo.device, undo.meaning, without, ok=True))
        return [undo for undo in left if undo not in dead]

    async def _round(self, left: list[Undo]) -> list[Undo]:
        """Tell each device once, order after order; return those that are not safe."""
        told: list[tuple[Undo, asyncio.Task[bool]]] = []
        while left:
            group = [undo for undo in left if self._hurried or undo.order == left[0].order]
            left = left[len(group) :]
            jobs = [asyncio.ensure_future(self._one(undo)) for undo in group]
            told += zip(group, jobs, strict=True)
            await asyncio.wait(jobs, timeout=self._patience_s)
        return [undo for undo, job in told if not await job]

    async def _one(self, undo: Undo) -> bool:
        """Make one device safe and say whether it is: told, and forced if it says that it is on.

        Each stronger means is taken at once when the one before has been read back to have failed,
        and once in a run. Nothing is forced on a device that says nothing: it may be off, and a
        reset could be what brings it back to life. From the third attempt on the record says what a
        human must do: a reset may take longer than a hand.
        """
        again, self._told = undo.device in self._told, self._told | {undo.device}
        ways = [Means(undo.meaning, undo.action, undo.within)]
        if undo.device not in self._forced:
            ways += undo.stronger
        error: Exception | None = None
        for number, way in enumerate(ways):
            if number:
                self._forced.add(undo.device)
            told_twice = again or number >= TOLD_FIRST or way is ways[-1]
            by_hand = undo.by_hand if told_twice else ""
            error = await self._by(undo.device, way, by_hand, forced=number > 0)
            if not isinstance(error, InstrumentFault):
                break
        if error is None:
            self._off.add(undo.device)
        return error is None

    async def _by(self, device: str, way: Means, by_hand: str, *, forced: bool) -> Exception | None:
        """Take one way and record what was read back, or why not; return what went wrong."""
        error: Exception | None = None
        try:
            async with asyncio.timeout(to_seconds(way.within)):
                read_back = await way.action()
                if forced:
                    read_back = with_note(read_back, f"did not obey: {way.meaning}")
        except TimeoutError:
            read_back = f"no answer within {to_seconds(way.within):g} s"
            error = LinkTimeout(device, read_back)
        except DeviceError as found:
            read_back, error = str(found), found
        except Exception as bug:  # noqa: BLE001 - a bug must not leave the others on; raised later
            read_back, error = f"{type(bug).__name__}: {bug}", bug
            self._bugs.append(bug)
        now, good = self._clock.now(), error is None
        if isinstance(error, DeviceError):
            # the kind of error tells a device that says "on" from one that says nothing
            kind = type(error).__name__
            self._note(BadMeasurement(now, device, kind, error.message))
        if not good and by_hand:
            read_back += f"; by hand: {by_hand}"
        self._note(SafeStateReached(now, device, way.meaning, read_back, good))
        return error

    def _note(self, record: Record) -> None:
        """Record what was read back; a recorder that fails must not stop the way down either."""
        try:
            self._emit(record)
        except Exception as error:  # noqa: BLE001 - raised when the last device has been told
            self._bugs.append(error)
