"""Can the firmware that a bench file names run where the file wants it to?

An engine that is given its time can stand behind any link that ends in this process. One that keeps
its own needs a world in wall time with real endpoints, which is a lab (``hil serve``).
"""

from collections.abc import Iterator

from hil.core.errors import ConfigError
from hil.profile.bench import TWIN, DeviceConfig
from hil.profile.conditions import nearest
from hil.profile.scene import Devices


def engine_errors(scene: Devices, *, served: bool) -> Iterator[ConfigError]:
    """Find engines that there are not, that their device has no use for, or in a wrong place."""
    for name, device in scene.bench.devices.items():
        if device.engine is not None and device.driver in scene.known.drivers:
            message = _unknown(scene, device) or _misplaced(scene, device, served=served)
            if message:
                yield scene.bench.wrong(f"devices.{name}.engine", message)


def _unknown(scene: Devices, device: DeviceConfig) -> str:
    """Say what is wrong with the name of an engine, or with having one at all; empty if nothing."""
    engine, known = device.engine, scene.known
    assert engine is not None  # noqa: S101 - asked of devices that have one
    if engine.kind == TWIN:
        keys = ", ".join(engine.options)
        return f"found {keys}, expected with them the engine that they are for, such as kind: lib"
    if engine.kind not in known.engines:
        return f"no engine '{engine.kind}'{nearest(engine.kind, [TWIN, *known.engines])}"
    if device.driver not in known.firmware:
        there = ", ".join(sorted(known.firmware)) or "none is installed"
        return f"'{device.driver}' has no firmware to run; devices that have: {there}"
    return ""


def _misplaced(scene: Devices, device: DeviceConfig, *, served: bool) -> str:
    """Say why an engine cannot run at that link; empty if it can, or if the link is unknown."""
    engine, link = device.engine, device.link.kind
    assert engine is not None  # noqa: S101 - asked of devices that have one
    if served or link not in scene.known.kinds:
        return ""
    if scene.known.is_virtual(link):
        if scene.known.engines[engine.kind].make is not None:
            return ""
        serve = f"hil serve --engine {engine.kind}"
        return (
            f"'{engine.kind}' keeps its own time, and this bench gives it: in a lab only ({serve})"
        )
    if scene.bench.lab is not None:
        return ""
    return (
        f"the device at '{link}' is real and runs its own firmware: an engine is for virtual ones"
    )
