"""The board's own supply: is it what the board runs by, and is it there for what a profile asks?"""

from collections.abc import Iterator

from hil.core.errors import ConfigError
from hil.core.spec import SupplySpec
from hil.profile.conditions import Compare
from hil.profile.entries import key_of_path
from hil.profile.model import Expect, all_steps
from hil.profile.scene import Devices, Scene

_ITS_OWN = "board.supply."
"""What the names of its quantities begin with."""


def supply_errors(scene: Devices) -> Iterator[ConfigError]:
    """A supply that nothing hangs on, or that is not what the board runs by."""
    bench, wire, feed = scene.bench, scene.bench.wiring.supply, scene.bench.board.feed
    units = scene.of(SupplySpec)
    if wire is None:
        for name in units:
            message = f"'{name}' supplies nothing: wire it as wiring.supply, or leave it out"
            yield bench.wrong(f"devices.{name}", message)
        return
    spec = units.get(wire.by.device)
    if spec is None and wire.by.device in scene.specs:
        yield bench.wrong("wiring.supply.by", f"'{wire.by.device}' is no supply of a board")
    elif spec is not None and not 1 <= wire.by.number <= spec.channels:
        message = f"no channel {wire.by.number}: {spec.model} has {spec.channels}"
        yield bench.wrong("wiring.supply.by", message)
    for key, volts in (("voltage", wire.voltage_v), ("brown_out", wire.brown_out_v)):
        if spec is not None and volts not in spec.set_v:
            span = f"{spec.model} gives {spec.set_v.low:g} to {spec.set_v.high:g} V"
            yield bench.wrong(f"wiring.supply.{key}", f"found {volts:g} V, and {span}")
    if feed is None:
        message = "the board's design does not say what it runs by: expected board.feed"
        yield bench.wrong("wiring.supply", message)
    elif not feed.min_v <= wire.voltage_v <= feed.max_v:
        span = f"the board runs by {feed.min_v:g} to {feed.max_v:g} V (board.feed)"
        yield bench.wrong("wiring.supply.voltage", f"found {wire.voltage_v:g} V, and {span}")


def supply_asked(scene: Scene) -> Iterator[ConfigError]:
    """Limits, conditions and expectations on a supply that the bench does not give."""
    if scene.bench.wiring.supply is not None:
        return
    profile, message = scene.profile, "the bench gives the board no supply (wiring.supply)"
    for limit in profile.limits:
        if limit.quantity.startswith(_ITS_OWN):
            yield profile.wrong(f"limits.{limit.quantity}", message)
    for limit in scene.bench.limits:
        if limit.quantity.startswith(_ITS_OWN):
            yield scene.bench.wrong(f"limits.{limit.quantity}", message)
    for step in all_steps(profile.steps):
        asked = [step.quantity] if isinstance(step, Expect) else []
        until = getattr(step, "until", ())
        asked += [one.quantity for one in until if isinstance(one, Compare)]
        for quantity in asked:
            if quantity.startswith(_ITS_OWN):
                yield profile.wrong(key_of_path(step.path), f"{quantity}: {message}")
