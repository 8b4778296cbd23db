"""What is done to one simulated run: link faults, happenings in the lab, requests to stop.

A plan is explicit data: a search draws it from a plain integer, shrinking takes parts of it away,
and one line of JSON repeats it. Link faults are found by the numbers of
their messages, everything else by its instant.
"""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from drivers.links.faulty_plan import (
    LinkFault,
    override,
)
from drivers.wire import bloomy_abs
from hil.core.instants import Duration, Instant


class Disturbed(NamedTuple):
    """One disturbed message of one device's link."""

    device: str
    fault: LinkFault


class Happening(NamedTuple):
    """Something that befalls a device or its cable at an instant and is over after ``lasts``.

    ``what`` is ``cut`` or ``mute`` (the cable), ``swapped`` (cut as well, and another unit of the
    same kind comes back), ``reset`` (the device loses its supply for a moment), of a board
    ``bus-off`` (the host's controller) or ``frozen`` (its own repeats old frames), or a fault of
    the device's twin, on ``cell`` where it has one.
    """

    at: Instant
    device: str
    what: str
    cell: int
    lasts: Duration

    @property
    def over(self) -> Instant:
        """Return when the device could work again."""
        booting = bloomy_abs.REBOOT if self.what == "reset" else 0
        return self.at + max(self.lasts, booting)


class Stop(NamedTuple):
    """A request to stop the run."""

    at: Instant
    source: str


@dataclass(frozen=True)
class Plan:
    """All of it; ``until_s`` cuts the profile short, ``seed`` is the run's own."""

    seed: int = 0
    until_s: int | None = None
    links: tuple[Disturbed, ...] = ()
    lab: tuple[Happening, ...] = ()
    stops: tuple[Stop, ...] = ()

    @property
    def parts(self) -> tuple[Disturbed | Happening | Stop, ...]:
        """Return everything that can be left out."""
        return (*self.links, *self.lab, *self.stops)

    def overrides(self) -> list[str]:
        """Return the link faults as ``hil run --set`` takes them, one text a device."""
        devices = dict.fromkeys(one.device for one in self.links)
        return [
            override(device, [one.fault for one in self.links if one.device == device])
            for device in devices
        ]

    def line(self) -> str:
        """Return the plan as one line of JSON that ``read`` takes."""
        body = {
            "seed": self.seed,
            "until_s": self.until_s,
            "links": [
                [one.device, f.direction, f.index, f.kind, f.amount]
                for one in self.links
                for f in (one.fault,)
            ],
            "lab": [list(one) for one in self.lab],
            "stops": [list(one) for one in self.stops],
        }
        return json.dumps({key: value for key, value in body.items() if value not in ([], None)})


def read(line: str) -> Plan:
    """Return the plan of a line of JSON. Raises ValueError for what is none."""
    body: dict[str, Any] = json.loads(line)
    links = [Disturbed(device, LinkFault(*rest)) for device, *rest in body.get("links", ())]
    return Plan(
        seed=body.get("seed", 0),
        until_s=body.get("until_s"),
        links=tuple(links),
        lab=tuple(Happening(*one) for one in body.get("lab", ())),
        stops=tuple(Stop(*one) for one in body.get("stops", ())),
    )
