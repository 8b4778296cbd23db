"""The limits of a run: what bench, profile, devices and the pack's cells allow, combined.

Of each quantity, side and severity the tightest wins, and the winner keeps its origin, so that a
trip says whose limit it was. Nothing here needs a device: data sheets are ``SPEC``, so that
``hil check`` shows the table that the run is then watched by.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hil.core.instants import SECOND, Duration, to_seconds
from hil.core.spec import ChamberSpec, DeviceSpec, EmulatorSpec
from hil.core.watched import Severity, Watched
from hil.profile.bench import Bench
from hil.profile.conditions import QUANTITIES
from hil.profile.model import Limit, Profile

Side: TypeAlias = Literal["min", "max", "rate"]
Key: TypeAlias = tuple[str, int, str, Duration]

SIDES: tuple[Side, ...] = ("min", "max", "rate")
"""In the order in which they are looked at."""

BLIND_AFTER: Duration = 3 * SECOND
"""How long a limited quantity may be unknown before the bench goes safe."""

SILENT_CYCLES = 3
"""A board is silent after this many of its own cycles without a full set of voltages."""


BLIND = Watched("time without a limited quantity <=", to_seconds(BLIND_AFTER), "s", "trip", "bench")


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit on one quantity. ``origin`` says whose: bench, profile, pack, device NAME.

    A ``rate`` bounds the magnitude of the change over ``over_ns``; the others are of a value.
    """

    quantity: str
    side: Side
    value: float
    unit: str
    origin: str
    severity: Severity = "trip"
    over_ns: Duration = 0

    @property
    def rule(self) -> str:
        """Return what is watched: ``cell.voltage <=``, ``current change over 10 s <=``."""
        if self.side == "rate":
            return f"{self.quantity} change over {to_seconds(self.over_ns):g} s <="
        return f"{self.quantity} {'<=' if self.side == 'max' else '>='}"

    @property
    def name(self) -> str:
        """Return the rule as it is shown: ``cell.voltage <= 3.65 V (profile)``."""
        return self.watched.name

    @property
    def watched(self) -> Watched:
        """Return it as a row of the table."""
        return Watched(self.rule, self.value, self.unit, self.severity, self.origin)

    def allows(self, value: float) -> bool:
        """Say whether a value (of a rate: the magnitude of a change) lies within; its ends do."""
        return value >= self.value if self.side == "min" else value <= self.value

    @property
    def trips(self) -> bool:
        """Say whether it bounds values and, crossed, ends the run."""
        return self.severity == "trip" and self.side != "rate"

    @property
    def slack(self) -> float:
        """Return a number that is the smaller, the tighter the bound is."""
        return -self.value if self.side == "min" else self.value


def tightest(bounds: Iterable[Bound]) -> list[Bound]:
    """Return the tightest bound of each quantity, side, severity and window, in a fixed order.

    Of equal ones the origin that comes first in the alphabet is named. A warning that lies at or
    beyond what trips would never be told, and is left out.
    """
    best: dict[Key, Bound] = {}
    for bound in bounds:
        key = _key(bound, bound.severity)
        held = best.get(key)
        if held is None or (bound.slack, bound.origin) < (held.slack, held.origin):
            best[key] = bound
    return [best[key] for key in sorted(best) if not _is_never_told(best[key], best)]


def _key(bound: Bound, severity: Severity) -> Key:
    return (bound.quantity, SIDES.index(bound.side), severity, bound.over_ns)


def _is_never_told(bound: Bound, best: Mapping[Key, Bound]) -> bool:
    """Say whether a warning is overtaken by the trip on the same side."""
    trip = best.get(_key(bound, "trip"))
    return bound.severity == "warn" and trip is not None and bound.slack >= trip.slack


def combined(profile: Profile, bench: Bench, specs: Mapping[str, DeviceSpec]) -> list[Bound]:
    """Return the limits that hold: of bench, profile, devices and cells, and on silence."""
    bounds = [*_of("bench", bench.limits), *_of("profile", profile.limits)]
    bounds += _of(f"pack {profile.pack.cell}", profile.cell_limits)
    bounds += _of_devices(specs)
    silent_s = to_seconds(SILENT_CYCLES * bench.board.cycle_ns)
    bounds.append(Bound("board.age", "max", silent_s, "s", "bench"))
    return tightest(bounds)


def guards(bench: Bench) -> list[Bound]:
    """Return the rules on the switches that guard people: each loop is closed, and is seen to be.

    No profile can loosen them; one that cannot be read any more trips as every limit does.
    """
    return [Bound(one.signal, "min", 1.0, "", "bench") for one in bench.wiring.guards]


def _of(origin: str, limits: Iterable[Limit]) -> Iterator[Bound]:
    """Yield what one file says."""
    for limit in limits:
        quantity = QUANTITIES[limit.quantity]
        sides: tuple[tuple[Side, float | None], ...] = (
            ("min", limit.minimum),
            ("max", limit.maximum),
            ("rate", limit.rate),
        )
        for side, value in sides:
            if value is not None:
                unit = quantity.rate_unit if side == "rate" else quantity.unit
                over_ns = limit.over_ns or 0 if side == "rate" else 0
                yield Bound(limit.quantity, side, value, unit, origin, limit.severity, over_ns)


def _of_devices(specs: Mapping[str, DeviceSpec]) -> Iterator[Bound]:
    """Yield what devices can be: outside of that a reading is none, or the device is not in hand.

    An emulator that is set to the end of its range reads back beyond it by what its data sheet
    allows; a chamber's own limit is the end of its range.
    """
    for name, spec in specs.items():
        origin = f"device {name}"
        if isinstance(spec, EmulatorSpec):
            low, high = spec.set_v.low, spec.set_v.high
            low -= spec.set_accuracy_v.at(low) + spec.read_error_v(low)
            high += spec.set_accuracy_v.at(high) + spec.read_error_v(high)
            yield Bound("cell.voltage", "min", low, "V", origin)
            yield Bound("cell.voltage", "max", high, "V", origin)
        elif isinstance(spec, ChamberSpec):
            yield Bound("chamber.temperature", "min", spec.set_degc.low, "degC", origin)
            yield Bound("chamber.temperature", "max", spec.set_degc.high, "degC", origin)
