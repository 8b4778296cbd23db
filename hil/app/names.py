"""Names of a bench file to drivers, twins, links, disturbers and engines, through entry points.

A third party adds theirs without touching ours.
"""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from hil.core.errors import EnvironmentProblem
from hil.ports import Describing
from hil.profile import DeviceConfig, read_options

_ONE_OF = {"firmware": "board with firmware"}
"""What to call one of a group, where its name is no plural."""


@cache
def installed(group: str) -> Mapping[str, importlib.metadata.EntryPoint]:
    """Return the entry points of ``hil.drivers``, ``hil.twins`` or ``hil.links`` by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=f"hil.{group}")}


@cache
def resolve(group: str, name: str) -> Any:
    """Return what an entry point names. Raises EnvironmentProblem if it is not installed."""
    try:
        return installed(group)[name].load()
    except KeyError:
        known = ", ".join(sorted(installed(group))) or "none: install the package first"
        raise EnvironmentProblem(
            f"no {_ONE_OF.get(group, group[:-1])} '{name}' (installed: {known})"
        ) from None


def worded(found: Any, device: DeviceConfig) -> Any:
    """Return a driver or a twin with the words of the device's description, where it needs some."""
    if isinstance(found, Describing) and device.description is not None:
        return found.described(device.description)
    return found


def driver_of(device: DeviceConfig) -> Any:
    """Return what makes a device's driver. Raises EnvironmentProblem if it is not installed."""
    return worded(resolve("drivers", device.driver), device)


@dataclass(frozen=True)
class NoKeys:
    """A driver, twin or link without keys of its own."""


def keys_of(owner: Any, written: Mapping[str, Any]) -> dict[str, Any]:
    """Read a bench file's keys by what ``owner`` declares. Raises ConfigErrors at their place."""
    return read_options(getattr(owner, "OPTIONS", NoKeys), written)
