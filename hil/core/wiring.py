"""How the bench is wired to the board, as plain data: the bench file's ``stack`` and ``wiring``.

Cells, NTCs and devices' channels count from 1, as on the devices' own front panels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from hil.core.instants import Duration
from hil.core.recorded import UNLESS_DEFAULT


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of one device: a cell output (``emulator-1`` 3) or an auxiliary output."""

    device: str
    number: int


@dataclass(frozen=True, slots=True)
class NtcWire:
    """One NTC input of the board: emulated by an auxiliary output from the plant's ``cell``.

    The output shows the voltage of the board's own divider at that temperature.
    """

    ntc: int
    cell: int
    by: Channel


@dataclass(frozen=True, slots=True)
class ShuntWire:
    """The board's shunt input, emulated by an auxiliary output through a level shifter.

    Voltage across the board's shunt input = (output - ``centre_v``) / ``ratio``.
    """

    by: Channel
    centre_v: float
    ratio: float


@dataclass(frozen=True, slots=True)
class VirtualWiring:
    """How a virtual harness really is, where that is not what the bench file believes.

    ``lead_ohm`` are its leads, empty for those of the plan; ``faults`` are a profile's faults of
    ``wiring``, each with the number of its lead, cell or NTC (0 for none), there from the start.
    """

    lead_ohm: tuple[float, ...] = ()
    faults: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Through:
    """A wire that passes a channel of a fault box: sense lead ``number``, or NTC ``number``."""

    wire: Literal["lead", "ntc"]
    number: int
    by: Channel

    @property
    def fault(self) -> str:
        """Return the fault of ``wiring`` that the box makes of it: its channel opened."""
        return f"open-{self.wire}"


GuardName = Literal["emergency-stop", "cover", "door"]


@dataclass(frozen=True, slots=True)
class GuardWire:
    """A switch that guards people, at a digital input of a device.

    Its loop is closed while all is well, so that the input reads high; pressed, opened or cut, it
    reads low.
    """

    name: GuardName
    by: Channel

    @property
    def signal(self) -> str:
        """Return the signal of a tick's row that tells its state: 1 closed, 0 open."""
        return f"guard.{self.name}"


@dataclass(frozen=True, slots=True)
class SupplyWire:
    """The board's own supply: a channel of a unit, and what it stands at.

    ``brown_out_v`` is what a brown-out leaves of it; ``boot_ns`` is how long the board needs from
    its supply to its first report.
    """

    by: Channel
    voltage_v: float
    brown_out_v: float
    boot_ns: Duration


@dataclass(frozen=True, slots=True)
class WiringPlan:
    """The whole harness. ``cells[k]`` emulates cell k + 1; ``lead_ohm`` is one sense lead.

    There are ``len(cells) + 1`` sense leads; lead k (from 1) is the negative side of cell k and
    the positive side of cell k - 1. NTCs of the board that are not in ``ntcs`` are physical.
    ``through`` are the wires that a fault box can open, ``guards`` the switches that guard people.
    A board whose ``supply`` is none is not the bench's to supply.
    """

    cells: tuple[Channel, ...]
    lead_ohm: tuple[float, ...]
    ntcs: tuple[NtcWire, ...]
    shunt: ShuntWire | None
    virtual: VirtualWiring = field(default=VirtualWiring(), metadata=UNLESS_DEFAULT)
    through: tuple[Through, ...] = field(default=(), metadata=UNLESS_DEFAULT)
    guards: tuple[GuardWire, ...] = field(default=(), metadata=UNLESS_DEFAULT)
    supply: SupplyWire | None = field(default=None, metadata=UNLESS_DEFAULT)


def units_of(cells: Sequence[Channel]) -> dict[str, list[int]]:
    """Return each unit's cells (indices from 0) in the order of its channels.

    Units come in the order of their lowest channels, and of the stack where these are equal.
    """
    units: dict[str, list[int]] = {}
    for index in sorted(range(len(cells)), key=lambda k: cells[k].number):
        units.setdefault(cells[index].device, []).append(index)
    return units
