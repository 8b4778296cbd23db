"""What is done to one simulated run: link faults, happenings in the lab, requests to stop.

A plan is explicit data: a search draws it from a plain integer, shrinking takes parts of it away,
and one line of JSON repeats it. Link faults are found by the numbers of
their messages, everything else by its instant.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, NamedTuple

from drivers.links.faulty_plan import (
    KINDS,
    LONGEST_HOLD,
    Direction,
    Kind,
    LinkFault,
    override,
)
from drivers.wire import bloomy_abs
from hil.core.instants import MILLISECOND, SECOND, Duration, Instant

EMULATORS = ("emulator-1", "emulator-2")
DEVICES = (*EMULATORS, "chamber", "board")
DIRECTIONS: tuple[Direction, ...] = ("to device", "to host")

MESSAGES = {
    ("emulator", "to device"): 62,
    ("emulator", "to host"): 36,
    ("chamber", "to device"): 36,
    ("chamber", "to host"): 32,
    ("board", "to device"): 80,
    ("board", "to host"): 2_000,
}
"""About how many messages an undisturbed run has, both ends of it included."""

RUN_S = 27
"""How long an undisturbed run takes, its ends included."""


class Disturbed(NamedTuple):
    """One disturbed message of one device's link."""

    device: str
    fault: LinkFault


class Happening(NamedTuple):
    """Something that befalls a device or its cable at an instant and is over after ``lasts``.

    ``what`` is ``cut`` or ``mute`` (the cable), ``reset`` (the device loses its supply for a
    moment) or a fault of the device's twin, on ``cell`` where it has one.
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


# --- drawing -------------------------------------------------------------------------------------


def plan_of(seed: int) -> Plan:
    """Draw the plan of a seed: a pure function of it.

    Swarm testing (Groce and others, ISSTA 2012): each seed allows only some devices, directions and
    kinds, so that rare things are not always drowned by frequent ones.
    """
    random = Random(seed)  # noqa: S311 - a search, not a secret
    plan = Plan(seed=seed)
    if random.random() < 0.85:
        plan = replace(plan, links=_links(random))
    if random.random() < 0.3:
        plan = replace(plan, lab=_lab(random))
    if random.random() < 0.25:
        plan = replace(plan, stops=_stops(random))
    return plan


def _some(random: Random, of: Sequence[Any]) -> list[Any]:
    """Return a random part of a sequence, at least one."""
    return random.sample(of, random.randint(1, len(of)))


def _links(random: Random) -> tuple[Disturbed, ...]:
    devices, kinds = _some(random, DEVICES), _some(random, KINDS)
    directions = _some(random, DIRECTIONS)
    # a part of the run, so that some plans spare its beginning and others hit nothing else
    begin, end = sorted(
        (random.choice((0.0, random.random())), random.choice((1.0, random.random())))
    )
    bursts = random.random() < 0.4
    found: dict[tuple[str, Direction, int], Disturbed] = {}
    for _ in range(random.choice((1, 2, 3, 5, 8, 20, 60))):
        device, kind = random.choice(devices), random.choice(kinds)
        direction: Direction = random.choice(directions)
        count = MESSAGES[device.partition("-")[0], direction]
        first = int(count * random.uniform(begin, end))
        amount = _amount(random, kind)
        for index in range(first, first + (random.choice((2, 4, 6, 12)) if bursts else 1)):
            fault = LinkFault(direction, index, kind, amount)
            found[device, direction, index] = Disturbed(device, fault)
    return tuple(sorted(found.values()))


def _amount(random: Random, kind: Kind) -> int:
    """Draw how much; lateness often lies where something else happens as well."""
    if kind == "late":
        jitter = random.randint(-3 * MILLISECOND, 3 * MILLISECOND)
        whole = random.choice((SECOND, bloomy_abs.REPLY_LIMIT, SECOND // 10))
        near = random.randint(1, 4) * whole + jitter
        return min(LONGEST_HOLD, random.choice((near, random.randint(0, 5 * SECOND))))
    if kind == "disconnected":
        return random.choice((1, 100, 500, 1_500, 4_000)) * MILLISECOND
    if kind == "reordered":
        return random.randint(1, 3)
    return random.randint(0, 2_000)


TWIN_FAULTS = {
    "emulator": ("silent", "late", "stuck-output", "alarm", "refuses-off"),
    "chamber": ("silent", "sensor-break", "compressor-trip", "refuses-off"),
    "board": ("silent", "bad-crc", "front-end-silent", "stuck-cell", "stuck-bleed"),
}


def _lab(random: Random) -> tuple[Happening, ...]:
    found = []
    for _ in range(random.choice((1, 1, 2, 3))):
        device = random.choice(DEVICES)
        role = device.partition("-")[0]
        whats = ["cut", "mute", *TWIN_FAULTS[role]] + ["reset"] * (role != "board")
        at = random.randrange(RUN_S * SECOND)
        lasts = random.choice((50, 400, 1_000, 2_500, 8_000, 100_000)) * MILLISECOND
        found.append(Happening(at, device, random.choice(whats), random.randint(1, 8), lasts))
    return tuple(sorted(found))


def _stops(random: Random) -> tuple[Stop, ...]:
    """Draw one to four requests, often close to each other as impatient people make them."""
    at = random.randrange(RUN_S * SECOND)
    found = []
    for _ in range(random.choice((1, 2, 3, 4))):
        found.append(Stop(at, random.choice(("SIGINT", "SIGTERM"))))
        at += random.choice((0, random.randrange(20 * MILLISECOND), random.randrange(SECOND)))
    return tuple(found)
