"""Plans drawn from plain integers.

Swarm testing (Groce and others, ISSTA 2012): each seed allows only some devices, directions and
kinds, so that rare things are not always drowned by frequent ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

from plan import Disturbed, Happening, Plan, Stop
from world import simulate

from drivers.links.faulty_plan import KINDS, LONGEST_HOLD, Direction, Kind, LinkFault
from drivers.wire import bloomy_abs
from hil.core.instants import MILLISECOND, SECOND

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


def plan_of(seed: int) -> Plan:
    """Draw the plan of a seed: a pure function of it and of what an undisturbed run sends."""
    random = Random(seed)  # noqa: S311 - a search, not a secret
    plan = Plan(seed=seed)
    how = random.random()
    if how < 0.78:
        plan = replace(plan, links=_links(random))
    elif how < 0.88:
        plan = replace(plan, links=_starved(random))
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


def _starved(random: Random) -> tuple[Disturbed, ...]:
    """Disturb every frame of one identifier for a while: all others go through."""
    frames, kind = _frames(), random.choice(KINDS)
    identifier, first = random.choice(sorted(set(frames))), random.randrange(len(frames))
    last = first + random.choice((100, 500, len(frames)))
    amount = _amount(random, kind)
    return tuple(
        Disturbed("board", LinkFault("to host", index, kind, amount))
        for index, one in enumerate(frames[:last])
        if index >= first and one == identifier
    )


@cache
def _frames() -> tuple[int, ...]:
    """Return the identifiers of the frames that the host gets in an undisturbed run."""
    return simulate(Plan()).heard


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
        whats = ["cut", "mute", *TWIN_FAULTS[role]]
        if role != "board":
            whats += ["reset", "swapped"]
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
