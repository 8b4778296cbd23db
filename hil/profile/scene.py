"""What a check looks at: a profile, a bench, its devices' data sheets, and the names installed."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from hil.core.errors import ConfigError
from hil.core.spec import (
    BoardSpec,
    ChamberSpec,
    DeviceSpec,
    EmulatorSpec,
    FaultBoxSpec,
    Range,
    SupplySpec,
)
from hil.ports import EngineKind, LinkKind
from hil.profile.bench import Bench
from hil.profile.model import Profile

SpecT = TypeVar("SpecT", EmulatorSpec, ChamberSpec, BoardSpec, FaultBoxSpec, SupplySpec)


@dataclass(frozen=True)
class Known:
    """Names that are installed, and what those that the bench uses say of themselves.

    ``faults`` is, by target of ``inject``, each fault it takes and whether that is one of a cell; a
    target is a device, or ``wiring``. ``kinds`` is by link, ``speaks`` by driver what it needs its
    link to carry (``bytes`` or ``frames``); a name that is missing there is not checked.
    ``engines`` is by name, ``firmware`` are the drivers whose virtual device can be firmware,
    ``described`` those that need a description.
    """

    drivers: Collection[str]
    twins: Collection[str]
    links: Collection[str]
    faults: Mapping[str, Mapping[str, bool]]
    kinds: Mapping[str, LinkKind] = field(default_factory=dict)
    speaks: Mapping[str, str] = field(default_factory=dict)
    engines: Mapping[str, EngineKind] = field(default_factory=dict)
    firmware: Collection[str] = ()
    described: Collection[str] = ()

    def is_virtual(self, link: str) -> bool:
        """Say whether a link ends at a twin in this process."""
        return link in self.kinds and self.kinds[link].needs_twin


class Devices:
    """A bench with what is known of it, whether a profile is there or not.

    ``specs`` is by device name; an unknown driver has none.
    """

    bench: Bench
    specs: Mapping[str, DeviceSpec]
    known: Known

    def of(self, kind: type[SpecT]) -> dict[str, SpecT]:
        """Return the devices of one role."""
        return {name: spec for name, spec in self.specs.items() if isinstance(spec, kind)}


@dataclass(frozen=True)
class BenchScene(Devices):
    """What a check of a bench alone looks at."""

    bench: Bench
    specs: Mapping[str, DeviceSpec]
    known: Known


@dataclass(frozen=True)
class Scene(Devices):
    """What every check of a profile looks at."""

    profile: Profile
    bench: Bench
    specs: Mapping[str, DeviceSpec]
    known: Known

    @cached_property
    def chamber(self) -> ChamberSpec | None:
        """The chamber, where the bench has one."""
        return next(iter(self.of(ChamberSpec).values()), None)

    @cached_property
    def cell_v(self) -> Range | None:
        """The voltages that every emulator of the stack can show.

        What lies outside on one unit lies outside for the stack: cells are not told apart.
        """
        ranges = [spec.set_v for spec in self.of(EmulatorSpec).values()]
        if not ranges:
            return None
        return Range(max(one.low for one in ranges), min(one.high for one in ranges))

    def span(self, quantity: str) -> Range | None:
        """Return what the bench's devices can bring about of a quantity; None where it is open."""
        cell_v = self.cell_v
        if quantity in ("cell.voltage", "board.cell.voltage"):
            return cell_v
        if quantity == "pack.voltage" and cell_v is not None:
            cells = len(self.bench.wiring.cells)
            return Range(cells * cell_v.low, cells * cell_v.high)
        if quantity == "chamber.temperature" and self.chamber is not None:
            return self.chamber.set_degc
        return None

    def outside(
        self, key: str, value: float | None, span: Range | None, unit: str, whose: str
    ) -> Iterator[ConfigError]:
        """Yield an error at ``key`` if ``value`` lies outside what a device can do.

        Nothing is said where either is unknown: a missing device is an error of its own.
        """
        if value is not None and span is not None and value not in span:
            has = f"{span.low:g} to {span.high:g} {unit}"
            yield self.profile.wrong(
                key, f"{value:g} {unit} is outside the range of {whose}, {has}"
            )
