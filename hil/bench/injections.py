"""The faults that a profile puts in: ordered by the timeline, carried out in the tick.

An emulator's own fault is a command to it, an open wire that passes a fault box one to that, less
of the board's supply one to the unit that gives it. Others go through a back door: at once where
the bench has the twin, by a request to the lab where that is another process. What was put into a
lab is taken out again when the run is over, or the next run would judge a board by the faults of
this one.
"""

import asyncio
from collections.abc import Awaitable, Callable

from hil.bench.own_faults import OwnFaults
from hil.bench.rig import Rig
from hil.core.instants import Instant
from hil.core.records import Injected, Record
from hil.core.wiring import Channel
from hil.profile.check_faults import SUPPLY, SUPPLY_FAULTS, WIRING
from hil.profile.model import FaultStep, Inject

_OF_SUPPLY = frozenset((SUPPLY, fault) for fault in SUPPLY_FAULTS)


class Injections:
    """What is to be put in or out, and what stands in a lab."""

    def __init__(self, rig: Rig, emit: Callable[[Record], None], noted: OwnFaults) -> None:
        """``noted`` keeps what is the bench's own doing, for whoever judges the board."""
        self._rig, self._emit, self._noted = rig, emit, noted
        self._own: list[tuple[str, int, str]] = []  # for the emulators themselves
        self._relays: list[tuple[Channel, bool]] = []  # for fault boxes
        self._host: list[tuple[str, bool]] = []  # of the bench as the board's host
        self._asked: list[asyncio.Future[None]] = []  # of a lab
        self._in_lab: dict[tuple[str, str, int], Inject] = {}

    def order(self, step: FaultStep, at: Instant, *, active: bool) -> None:
        """Put a fault in or out: by an instrument's own command, else through a back door."""
        self._emit(Injected(at, step.target, step.fault, step.cell, active))
        own = self._rig.emulators.get(step.target)
        if own is not None and step.fault in own.FAULTS:
            fault = step.fault if active else "none"
            self._own.append((own.name, self._channel(step), fault))
            return
        board = self._rig.board
        if (step.target, step.fault) in {(board.name, fault) for fault in board.FAULTS}:
            self._host.append((step.fault, active))
            self._noted.host(active=active)
            return
        if self._rig.supply is not None and (step.target, step.fault) in _OF_SUPPLY:
            self._rig.supply.order(step.fault, active=active)
            return
        self._noted.note(step.target, step.fault, step.cell, active=active)
        relay = self._rig.through.get((step.fault, step.cell)) if step.target == WIRING else None
        if relay is not None:
            self._relays.append((relay, active))
            return
        done = self._through_door(step, active=active)
        if done is not None:
            self._asked.append(asyncio.ensure_future(done))
            key = (step.target, step.fault, step.cell)
            self._in_lab.pop(key, None)
            if isinstance(step, Inject) and active:
                self._in_lab[key] = step

    async def carry_out(self) -> None:
        """Set what instruments set themselves, and see what a lab made of the others.

        Raises DeviceError; every answer is waited for, whatever the first one says.
        """
        asked, self._asked = self._asked, []
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        for unit, channel, fault in self._own:
            await self._rig.emulators[unit].set_fault(channel, fault)
            self._noted.relay(unit, channel, active=fault != "none")
        self._own.clear()
        for relay, is_open in self._relays:
            await self._rig.fault_boxes[relay.device].set_open(relay.number, is_open=is_open)
        self._relays.clear()
        for fault, active in self._host:
            await self._rig.board.set_fault(fault, active=active)
        self._host.clear()
        if self._rig.supply is not None:
            await self._rig.supply.carry_out()

    async def take_out(self, now: Callable[[], Instant]) -> None:
        """Take out of a lab what was put in, once the bench is safe. Raises DeviceError.

        A request that is still on its way is let come in first: it must not arrive last.
        """
        await asyncio.gather(*self._asked, return_exceptions=True)
        left, self._in_lab, self._asked = list(self._in_lab.values()), {}, []
        jobs = [door for step in left if (door := self._through_door(step, active=False))]
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        for step, outcome in zip(left, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            self._emit(Injected(now(), step.target, step.fault, step.cell, active=False))

    def _channel(self, step: FaultStep) -> int:
        """Return the number that the target has for the step's cell."""
        if step.target in self._rig.emulators and step.cell:
            return self._rig.stack.channel_of(step.cell)[1]
        return step.cell

    def _through_door(self, step: FaultStep, *, active: bool) -> Awaitable[None] | None:
        door = self._rig.backdoors[step.target]
        return door.inject(step.fault, self._channel(step), active=active)
