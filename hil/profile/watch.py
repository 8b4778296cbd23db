"""All that the bench watches in a run, as one table, and what it has no means to watch.

``hil check`` prints it, the manifest keeps it, the report shows it.
"""

from collections.abc import Iterator, Mapping

from hil.core.instants import to_seconds
from hil.core.spec import ChamberSpec, DeviceSpec, EmulatorSpec
from hil.core.watched import Watched
from hil.profile.bench import Bench
from hil.profile.limits import BLIND, combined, guards
from hil.profile.model import Profile
from hil.profile.plausible import GIVEN_UP_AFTER, rules

FAILING = Watched("time a device fails <=", to_seconds(GIVEN_UP_AFTER), "s", "trip", "bench")
"""No answer, an alarm, an output that is not what was set, or a reading that cannot be."""

TOUCH_SAFE_V = 60.0
"""DC that may be touched (IEC 61010-1, dry); above it a stack belongs behind a closed cover."""


def watched(profile: Profile, bench: Bench, specs: Mapping[str, DeviceSpec]) -> list[Watched]:
    """Return every rule of a run: limits first, then what readings must be to be believed."""
    tick_ns = profile.tick_ns or bench.tick_ns
    return [
        *(bound.watched for bound in guards(bench)),
        *(bound.watched for bound in combined(profile, bench, specs)),
        BLIND,
        FAILING,
        *(rule.watched for rule in rules(specs, bench.wiring.cells, tick_ns)),
    ]


def unguarded(bench: Bench, specs: Mapping[str, DeviceSpec]) -> Iterator[str]:
    """Yield a line for each danger to people that the bench has no input to see.

    What emulators can reach counts, not what a limit keeps them from: limits are software.
    """
    tops = [
        (channel, spec.set_v.high)
        for channel in bench.wiring.cells
        if isinstance(spec := specs.get(channel.device), EmulatorSpec)
    ]
    stack_v = sum(high for _, high in tops)
    seen = {one.name for one in bench.wiring.guards}
    if stack_v > TOUCH_SAFE_V and "cover" not in seen:
        can = f"{len(tops)} cells can make {stack_v:g} V DC, above {TOUCH_SAFE_V:g} V"
        yield f"{can}: the stack needs a closed cover, and {bench.name} has no cover input"
    for name, spec in specs.items():
        if isinstance(spec, ChamberSpec) and "door" not in seen:
            span = f"{spec.set_degc.low:g} to {spec.set_degc.high:g} degC"
            yield f"{name} goes from {span}: {bench.name} has no door input to see it opened"
