"""Back doors into a lab: how a run on ``hil serve`` puts faults into devices of another process."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from hil.app.exposure import lab_token
from hil.app.names import resolve
from hil.core.errors import DeviceError
from hil.ports import ControlKind, Injectable
from hil.profile import Bench

WIRING = "wiring"
"""The target that is no device: the harness between emulators and board."""

BOARD = "board"
"""The role of the device under test."""


class LabDoor:
    """The back door of a device that a lab in another process has (``hil.ports.Injectable``)."""

    FAULTS: ClassVar[tuple[str, ...]] = ()
    """Known to the lab, which refuses any other; ``hil check`` asks the twin's class."""

    def __init__(
        self, target: str, address: tuple[str, int], kind: ControlKind, cells: Mapping[int, int]
    ) -> None:
        """``cells`` gives the cell of the pack for each channel of an emulator; empty elsewhere."""
        self._target, self._address, self._kind, self._cells = target, address, kind, cells

    def inject(self, fault: str, cell: int, *, active: bool) -> Awaitable[None]:
        """Return what asks the lab; it raises DeviceError if the lab does not do it."""
        return self._ask(fault, self._cells.get(cell, cell), "inject" if active else "clear")

    async def _ask(self, fault: str, cell: int, do: str) -> None:
        request = {"do": do, "target": self._target, "fault": fault}
        whole = request | ({"cell": cell} if cell else {})
        await self._kind.ask(*self._address, whole, lab_token(os.environ))


def lab_doors(bench: Bench) -> dict[str, Injectable]:
    """Return a back door for each device of a bench whose devices are in a lab, and the wiring.

    None for a bench that names no lab.
    """
    if bench.lab is None:
        return {}
    kind: ControlKind = resolve("labs", "control")
    doors: dict[str, Injectable] = {WIRING: LabDoor(WIRING, bench.lab, kind, {})}
    for name in bench.devices:
        cells = {
            channel.number: number
            for number, channel in enumerate(bench.wiring.cells, 1)
            if channel.device == name
        }
        doors[name] = LabDoor(name, bench.lab, kind, cells)
    return doors


async def engine_in_lab(bench: Bench) -> Mapping[str, Any] | None:
    """Return what runs the board's firmware in a bench's lab, as a record has it.

    None where the bench has no lab. Raises DeviceError if the lab does not say.
    """
    if bench.lab is None:
        return None
    kind: ControlKind = resolve("labs", "control")
    answer = await kind.ask(*bench.lab, {"do": "devices"}, lab_token(os.environ))
    engines = [one.get("engine") for one in answer["devices"] if one["role"] == BOARD]
    return next(iter(engines), None)


def refuse_lab_of(bench: Bench) -> Callable[[], Awaitable[None]] | None:
    """Return what raises DeviceError while the bench's lab, if it has one, is not as it should be.

    A board would be judged by faults that no record names, or another one than was asked for.
    """
    if bench.lab is None:
        return None
    kind: ControlKind = resolve("labs", "control")
    host, port = bench.lab
    asked = {device.engine.kind for device in bench.devices.values() if device.engine is not None}

    async def refuse() -> None:
        engine = await engine_in_lab(bench) or {}
        if asked and engine.get("kind") not in asked:
            [wanted] = asked
            found = f"the board runs in '{engine.get('kind')}', expected '{wanted}'"
            raise DeviceError("lab", f"{host}:{port}: {found}: hil serve --engine {wanted}")
        answer = await kind.ask(host, port, {"do": "faults"}, lab_token(os.environ))
        if left := answer.get("active"):
            told = ", ".join(
                f"{one['fault']} of {one['target']} {one['cell'] or ''}" for one in left
            )
            raise DeviceError("lab", f"{host}:{port}: {told.strip()}: already in; clear it first")

    return refuse
