"""A bench's first seconds in virtual time, before anything happens in wall time.

What is compiled, or loaded from the compiler's cache, is so from then on: the first open-wire scan
of a virtual board would otherwise hold up every answer of the lab for a second or more on a machine
that has never done one.
"""

from dataclasses import replace

from hil.app.engines import live_of
from hil.app.names import resolve
from hil.app.rig import build
from hil.bench.clock import run_virtual
from hil.core.instants import SECOND
from hil.ports import Clock
from hil.profile import Bench, DeviceConfig, LinkConfig
from hil.results.wire_hash import WireHash

IN_MEMORY = {"bytes": "memory", "frames": "memory-can"}

_CELL_V, _ROOM_DEGC = 3.3, 23.0
_LASTS = 3 * SECOND


def rehearse(bench: Bench, seed: int) -> None:
    """Bring all twins of a bench up behind memory links, look at them, and throw them away.

    Raises DeviceError, where a driver and its twin do not understand each other.
    """
    devices = {name: _in_memory(device) for name, device in bench.devices.items()}
    alike = replace(bench, clock="virtual", devices=devices, lab=None)

    async def main(clock: Clock) -> None:
        rig = build(alike, seed, clock, WireHash())
        if rig.supply is not None:
            await rig.supply.unit.connect()
            await rig.supply.power_up()
        for device in rig.supplied():
            await device.connect()
            await device.identify()
        for unit in rig.emulators.values():
            await unit.apply([_CELL_V] * unit.SPEC.channels, {})
        await rig.chamber.apply(_ROOM_DEGC, None)
        for device in rig.supplied():
            await device.arm()
        await rig.board.apply([1.0] * bench.board.cells)
        await clock.sleep_until(clock.now() + _LASTS)
        for unit in rig.emulators.values():
            await unit.sense()
        await rig.board.sense()

    run_virtual(main)


def _in_memory(device: DeviceConfig) -> DeviceConfig:
    """Return a device at a memory link; firmware that keeps its own time leaves its part to a twin.

    What is compiled is the electrics, and those are the same.
    """
    link = LinkConfig(IN_MEMORY[_carries(device.link.kind)], {}, {})
    return replace(device, link=link, engine=None if live_of(device.engine) else device.engine)


def _carries(kind: str) -> str:
    """Return what a link carries."""
    carries: str = resolve("links", kind).carries
    return carries
