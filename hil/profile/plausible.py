"""What readings of the bench's own instruments must be to be believed, by their data sheets.

Three things show that the bench no longer knows what stands at its outputs, though every single
reading looks right: the cells of a unit do not add up to what it was told, a reading stands still
to the bit where its own noise must move it, or nobody has looked for too long. Each has to last:
one bad reading is a bad measurement and no more, as everywhere on the bench. (A reading that cannot
be at all, no number or more than a unit carries, is a failure of its device: ``hil.bench.tick``.)

None of it looks at the board: one that lies is found and judged, and keeps the bench on.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hil.core.instants import SECOND, Duration, to_seconds
from hil.core.spec import ChamberSpec, DeviceSpec, EmulatorSpec, FaultBoxSpec, SupplySpec
from hil.core.watched import Watched
from hil.core.wiring import Channel, units_of

Kind: TypeAlias = Literal["sum", "frozen", "age"]

GIVEN_UP_AFTER: Duration = 3 * SECOND
"""How long a device may fail before the bench goes safe."""

PERSISTS: Duration = 3 * SECOND
"""How long what cannot be must be seen before it ends the run."""

FROZEN_FOR: Duration = 10 * SECOND
"""How long a reading must have stood still at least: instruments refresh it in their own time."""

LARGEST_CELL_V = 3.65
"""Where accuracies that grow with the voltage are taken."""

ONCE_IN = 1e12
"""A reading counts as frozen when noise would repeat it that often by chance once in so many."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule on the readings of ``device``; ``cells`` are the stack's, counted from 0.

    ``value`` in ``unit`` is what may not be exceeded, for longer than ``for_ns``; a ``frozen``
    reading is one that was the same ``readings`` times and for ``value`` seconds.
    """

    kind: Kind
    device: str
    value: float
    unit: str
    cells: tuple[int, ...] = ()
    for_ns: Duration = 0
    readings: int = 0

    @property
    def rule(self) -> str:
        """Return what is watched, in words."""
        lasting = f" for {to_seconds(self.for_ns):g} s" if self.for_ns else ""
        words = {
            "sum": f"{self.device} cells' sum, read less set,{lasting} <=",
            "frozen": f"{self.device} reading the same to the bit, {self.readings} times and <",
            "age": f"{self.device} time without a reading <=",
        }
        return words[self.kind]

    @property
    def origin(self) -> str:
        """Return whose limit it is: an age is the bench's own, the others are of a data sheet."""
        return "bench" if self.kind == "age" else f"device {self.device}"

    @property
    def watched(self) -> Watched:
        """Return it as a row of the table, which has its name."""
        return Watched(self.rule, self.value, self.unit, "trip", self.origin)


def rules(
    specs: Mapping[str, DeviceSpec], cells: Sequence[Channel], tick_ns: Duration
) -> list[Rule]:
    """Return the rules for the instruments of a bench; devices without a data sheet have none."""
    units = units_of(cells)
    found: list[Rule] = []
    for name, spec in specs.items():
        if isinstance(spec, EmulatorSpec) and name in units:
            found += _of_unit(name, spec, tuple(units[name]))
            found.append(_age(name, tick_ns))
        elif isinstance(spec, ChamberSpec):
            found += _frozen(name, spec.read_noise_k, spec.read_resolution_k, ())
            found.append(_age(name, tick_ns))
        elif isinstance(spec, FaultBoxSpec | SupplySpec):
            found.append(_age(name, tick_ns))
    return found


def _of_unit(name: str, spec: EmulatorSpec, cells: tuple[int, ...]) -> Iterator[Rule]:
    """Yield the rules of one emulator unit.

    Errors of its cells are added up, not their squares: what one reference makes of all of them has
    one sign. So a unit within its data sheet never trips; noise alone adds up by squares.
    """
    each_v = spec.set_accuracy_v.at(LARGEST_CELL_V) + spec.read_accuracy_v.at(LARGEST_CELL_V)
    sum_v = len(cells) * each_v + 4.0 * math.sqrt(len(cells)) * spec.read_noise_v
    yield Rule("sum", name, sum_v, "V", cells, PERSISTS)
    yield from _frozen(name, spec.read_noise_v, spec.read_resolution_v, cells)


def _frozen(name: str, noise: float, resolution: float, cells: tuple[int, ...]) -> Iterator[Rule]:
    """Yield the rule on a frozen reading, where the data sheet says how one moves."""
    readings = readings_until_frozen(noise, resolution, max(1, len(cells)))
    if readings is not None:
        seconds = to_seconds(FROZEN_FOR)
        yield Rule("frozen", name, seconds, "s", cells, readings=readings)


def _age(name: str, tick_ns: Duration) -> Rule:
    """Return how long a device may go unread: two ticks more than it may fail.

    A device that fails ends the run by itself; this is for a bench that did not look.
    """
    return Rule("age", name, to_seconds(GIVEN_UP_AFTER + 2 * tick_ns), "s")


def readings_until_frozen(noise: float, resolution: float, channels: int) -> int | None:
    """Return how many equal readings chance makes once in ``ONCE_IN``; None where it makes any.

    Two readings of normal noise sigma, rounded to r, are equal with at most r / (sigma sqrt(pi)):
    their difference has the density 1 / (2 sigma sqrt(pi)) at its top and may be r to either side.
    """
    if noise <= 0.0 or resolution <= 0.0:
        return None
    same = (resolution / (noise * math.sqrt(math.pi))) ** channels
    if same >= 1.0:
        return None
    return 1 + math.ceil(math.log(ONCE_IN) / -math.log(same))
