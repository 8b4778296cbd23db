"""What can be asked of a lab at its control port.

Requests and answers are JSON objects; docs/how-to/serve-a-lab.md shows each. Faults have the names
that a profile's ``inject`` uses, and cells are counted in the pack.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hil.app.engines import engine_told
from hil.app.lab_doors import BOARD, WIRING
from hil.app.rig import backdoors
from hil.core.instants import to_seconds
from hil.ports import POWER_LOSS, Inhabited

if TYPE_CHECKING:
    from hil.app.lab import Lab

Answer = Mapping[str, Any]


class Control:
    """Answers requests; every one that makes no sense is refused with a ValueError that says why.

    Errors of devices that cannot listen again come as LinkLost.
    """

    def __init__(self, lab: "Lab") -> None:
        """Take the lab to speak for."""
        self._lab = lab
        self._doors = backdoors(lab.twins)
        self._active: list[tuple[str, str, int]] = []
        self._requests: dict[str, tuple[Callable[..., Answer], tuple[str, ...]]] = {
            "devices": (self._devices, ()),
            "truth": (self._truth, ("device",)),
            "faults": (self._faults, ()),
            "inject": (self._inject, ("target", "fault", "cell")),
            "clear": (self._clear, ("target", "fault", "cell")),
            "kill": (self._kill, ("device",)),
            "return": (self._return, ("device", "serial")),
            "disconnect": (self._disconnect, ("device",)),
        }

    def handle(self, request: Mapping[str, Any]) -> Answer:
        """Answer one request. Raises ValueError, LinkLost."""
        asked = request.get("do")
        if not isinstance(asked, str) or asked not in self._requests:
            raise ValueError(f"do: found {asked!r}, expected one of {_list(self._requests)}")
        action, keys = self._requests[asked]
        unknown = set(request) - {"do", *keys}
        if unknown:
            takes = _list(keys) if keys else "no other keys"
            raise ValueError(f"{_list(unknown)}: '{asked}' does not take that, but {takes}")
        return action(**{key: request[key] for key in keys if key in request})

    # --- looking ---------------------------------------------------------------------------------

    def _devices(self) -> Answer:
        """Say for each device where it is, which process stands in front, and whether it is on.

        Of the board also what runs its firmware, as a run's record has it.
        """
        lab = self._lab
        return {
            "devices": [
                {
                    "device": name,
                    "role": lab.roles[name],
                    "pid": endpoint.pid,
                    "places": [place.address for place in endpoint.places],
                    "engine": engine_told(lab.bench) if lab.roles[name] == BOARD else None,
                }
                for name, endpoint in lab.endpoints.items()
            ]
        }

    def _truth(self, device: object = None) -> Answer:
        """Return what is really so: device by device, and the cells in the pack's order."""
        lab = self._lab
        names = lab.twins if device is None else [self._known(device)]
        twins = [(name, lab.twins[name]) for name in names]
        truths = {name: twin.truth() for name, twin in twins if isinstance(twin, Inhabited)}
        found = {"at_s": to_seconds(lab.clock.now()), "devices": truths}
        if device is None:
            found["cells"] = {
                quantity: [
                    truths[channel.device][quantity][channel.number - 1]
                    for channel in lab.bench.wiring.cells
                ]
                for quantity in ("cell_v", "current_a", "charge_as")
            }
        plain: Answer = _plain(found)
        return plain

    def _faults(self) -> Answer:
        """Return the faults of each target and whether one is a cell's, and which are in."""
        known = {
            target: {fault: fault in _cells(door) for fault in _names(target, door)}
            for target, door in self._doors.items()
        }
        keys = ("target", "fault", "cell")
        off = [(name, POWER_LOSS, 0) for name, one in self._lab.endpoints.items() if not one.pid]
        active = [dict(zip(keys, one, strict=True)) for one in self._active + off]
        return {"faults": known, "active": active}

    # --- faults ----------------------------------------------------------------------------------

    def _inject(self, target: object = None, fault: object = None, cell: object = 0) -> Answer:
        """Put a fault in."""
        return self._set(target, fault, cell, active=True)

    def _clear(self, target: object = None, fault: object = None, cell: object = 0) -> Answer:
        """Take a fault out."""
        return self._set(target, fault, cell, active=False)

    def _set(self, target: object, fault: object, cell: object, *, active: bool) -> Answer:
        """Put a fault in or out, by the names that a profile uses."""
        if not isinstance(target, str) or target not in self._doors:
            raise ValueError(f"target: found {target!r}, expected one of {_list(self._doors)}")
        door = self._doors[target]
        if not isinstance(fault, str) or fault not in _names(target, door):
            known = _list(_names(target, door))
            raise ValueError(f"fault: found {fault!r}, {target} takes {known}")
        if not isinstance(cell, int) or isinstance(cell, bool):
            raise ValueError(f"cell: found {cell!r}, expected a number")  # noqa: TRY004 - refused alike
        if bool(cell) != (fault in _cells(door)):
            wants = "is a fault of one cell: expected 'cell'" if not cell else "takes no 'cell'"
            raise ValueError(f"cell: '{fault}' of {target} {wants}")
        if fault == POWER_LOSS:
            (self._lab.power_off if active else self._lab.power_on)(target)
        else:
            door.inject(fault, self._channel(target, cell), active=active)
            self._note((target, fault, cell), active=active)
        return {"at_s": to_seconds(self._lab.clock.now())}

    def _channel(self, target: str, cell: int) -> int:
        """Return what a device calls a cell of the pack. Raises ValueError for another unit's."""
        if self._lab.roles.get(target) != "cell-emulator" or not cell:
            return cell
        for number, channel in enumerate(self._lab.bench.wiring.cells, 1):
            if (number, channel.device) == (cell, target):
                return channel.number
        raise ValueError(f"cell: {target} does not emulate cell {cell}")

    def _note(self, one: tuple[str, str, int], *, active: bool) -> None:
        if one in self._active:
            self._active.remove(one)
        if active:
            self._active.append(one)

    # --- processes -------------------------------------------------------------------------------

    def _kill(self, device: object = None) -> Answer:
        """Kill the process in front of a device."""
        name = self._known(device)
        endpoint = self._lab.endpoints[name]
        if endpoint.pid is None:
            raise ValueError(f"device: {name} has no process: it was killed before")
        pid = endpoint.pid
        self._lab.power_off(name)
        return {"device": name, "pid": pid}

    def _return(self, device: object = None, serial: object = None) -> Answer:
        """Bring a device back, with another serial number if one is given."""
        name = self._known(device)
        if self._lab.endpoints[name].pid is not None:
            raise ValueError(f"device: {name} is there: kill it first")
        if serial is not None:
            if not isinstance(serial, str):
                raise ValueError(f"serial: found {serial!r}, expected a text")
            self._lab.twins[name].replace(serial)
        self._lab.power_on(name)
        return {"device": name, "pid": self._lab.endpoints[name].pid}

    def _disconnect(self, device: object = None) -> Answer:
        """End the connections of whoever speaks to a device."""
        name = self._known(device)
        self._lab.endpoints[name].hang_up()
        return {"device": name}

    def _known(self, device: object) -> str:
        if not isinstance(device, str) or device not in self._lab.endpoints:
            known = _list(self._lab.endpoints)
            raise ValueError(f"device: found {device!r}, expected one of {known}")
        return device


def _names(target: str, door: Any) -> tuple[str, ...]:
    """Return the faults of a target; those of the wiring are a part of the twin's that has it."""
    names: tuple[str, ...] = door.WIRING_FAULTS if target == WIRING else door.FAULTS
    return names


def _cells(door: Any) -> tuple[str, ...]:
    """Return which faults are one cell's."""
    names: tuple[str, ...] = getattr(door, "FAULTS_OF_A_CELL", ())
    return names


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: what is not known (NaN) is null."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
