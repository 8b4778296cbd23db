"""The devices of one bench, ready to be ticked: what ``app`` builds and the run works with."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hil.bench.stack import Stack
from hil.bench.supply import BoardSupply
from hil.core.instants import Duration
from hil.core.spec import DeviceSpec
from hil.core.wiring import Channel, GuardWire
from hil.ports import Board, CellEmulator, Chamber, Device, FaultBox, Injectable
from hil.profile.room import Room


@dataclass
class Rig:
    """Devices by role. ``backdoors`` take faults by name where the bench offers that.

    ``board_cycle_ns`` is the board's own measurement cycle, from its design file. Where the devices
    are in a lab, ``refuse_faults`` raises DeviceError while somebody's faults are in them.
    ``room`` is where the bench stands. ``through`` gives the channel of a fault box that makes a
    fault of the wiring: of ``("open-lead", 3)`` the one that lead 3 passes. ``guards`` are the
    switches that guard people. ``supply`` is the board's own, where the bench gives it.
    """

    emulators: Mapping[str, CellEmulator]
    chamber: Chamber
    board: Board
    stack: Stack
    board_cycle_ns: Duration
    backdoors: Mapping[str, Injectable] = field(default_factory=dict)
    refuse_faults: Callable[[], Awaitable[None]] | None = None
    room: Room = field(default_factory=Room)
    fault_boxes: Mapping[str, FaultBox] = field(default_factory=dict)
    through: Mapping[tuple[str, int], Channel] = field(default_factory=dict)
    guards: Sequence[GuardWire] = ()
    supply: BoardSupply | None = None

    def specs(self) -> dict[str, DeviceSpec]:
        """Return the instruments' data sheets by their names; the board's is no instrument's."""
        specs: dict[str, DeviceSpec] = {name: one.SPEC for name, one in self.emulators.items()}
        specs |= {name: one.SPEC for name, one in self.fault_boxes.items()}
        if self.supply is not None:
            specs[self.supply.unit.name] = self.supply.unit.SPEC
        return specs | {self.chamber.name: self.chamber.SPEC}

    async def read_guards(self, unit: str) -> dict[GuardWire, bool]:
        """Return which of the guards at a unit's digital inputs are closed. Raises DeviceError."""
        wired = [one for one in self.guards if one.by.device == unit]
        levels = await self.emulators[unit].inputs() if wired else ()
        return {one: levels[one.by.number - 1] for one in wired}

    def devices(self) -> Sequence[Device]:
        """Return all devices in the order of the bench file's roles."""
        first = [] if self.supply is None else [self.supply.unit]
        return [*first, *self.supplied()]

    def supplied(self) -> Sequence[Device]:
        """Return the same without the board's supply, which is on before they are spoken to."""
        return [*self.emulators.values(), self.chamber, self.board, *self.fault_boxes.values()]
