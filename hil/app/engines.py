"""Firmware and its engine: what a device's ``engine`` names, found, built and put to work."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from can import Message

from hil.app.names import keys_of, resolve, worded
from hil.core.errors import FirmwareFault
from hil.core.instants import Instant
from hil.core.records import FirmwareHalted, Record
from hil.ports import BoardEngine, EngineKind, Firmware, LiveFactory
from hil.profile import TWIN, Bench, DeviceConfig, EngineConfig


def twins_of(device: DeviceConfig) -> str:
    """Return the group in which a device's twin stands: with an engine it is electronics alone."""
    return "twins" if device.engine is None else "firmware"


def twin_of(device: DeviceConfig) -> Any:
    """Return the class of a device's twin. Raises EnvironmentProblem if it is not installed."""
    return worded(resolve(twins_of(device), device.driver), device)


def engine_of(engine: EngineConfig) -> BoardEngine | None:
    """Return the engine with its firmware, ready to be powered; None if it keeps its own time.

    Then it runs in a process of its own, and a lab puts it where the board's link would look.
    Raises EnvironmentProblem.
    """
    kind: EngineKind = resolve("engines", engine.kind)
    return None if kind.make is None else kind.make(firmware_of(engine))


def live_of(engine: EngineConfig | None) -> LiveFactory | None:
    """Return what puts the board of an engine that keeps its own time where its link looks.

    None for any other engine. Raises EnvironmentProblem if it is not installed.
    """
    kind: EngineKind | None = resolve("engines", engine.kind) if engine is not None else None
    return kind.endpoint if kind is not None and kind.make is None else None


class Attended:
    """An engine whose firmware may go astray: then its board is silent, and that is recorded."""

    def __init__(self, engine: BoardEngine, device: str, record: Callable[[Record], None]) -> None:
        """``record`` takes what became of the firmware of ``device``."""
        self._engine, self._device, self._record = engine, device, record
        self.power_on, self.hear, self.close = engine.power_on, engine.hear, engine.close

    @property
    def wake(self) -> Instant:
        """When the firmware wants to run next."""
        return self._engine.wake

    def advance(self, now: Instant) -> Sequence[Message]:
        """Run the firmware up to ``now`` and return the frames it has sent."""
        try:
            return self._engine.advance(now)
        except FirmwareFault as fault:
            self._record(FirmwareHalted(now, self._device, str(fault)))
            return ()


def firmware_of(engine: EngineConfig) -> Firmware:
    """Return the image that was found for an engine, or find or build it now.

    Raises EnvironmentProblem where it is not there and cannot be built.
    """
    kind: EngineKind = resolve("engines", engine.kind)
    return engine.firmware or kind.firmware(keys_of(kind, engine.options))


def with_firmware(bench: Bench) -> Bench:
    """Return the bench with the images of its engines found or built.

    So what is recorded is what runs. An image that somebody brought is known by its SHA-256 from
    here on, wherever it lies. Raises EnvironmentProblem.
    """
    devices = {
        name: device if device.engine is None else replace(device, engine=_found(device.engine))
        for name, device in bench.devices.items()
    }
    return replace(bench, devices=devices)


def _found(engine: EngineConfig) -> EngineConfig:
    """Return an engine with its image."""
    firmware, options = firmware_of(engine), dict(engine.options)
    if "image" in options:
        options["image"] = firmware.sha256
    return EngineConfig(engine.kind, options, firmware)


def engine_told(bench: Bench) -> Mapping[str, Any]:
    """Return what a record says of what runs the virtual board of a bench ``with_firmware``."""
    for device in bench.devices.values():
        if device.engine is not None:
            return about(device.engine.kind, firmware_of(device.engine))
    return {"kind": TWIN}


def about(kind: str, firmware: Firmware) -> Mapping[str, Any]:
    """Return an engine and its firmware as JSON has them."""
    return {"kind": kind, "sha256": firmware.sha256, **firmware.about}
