"""Putting a bench into its safe state, now, whoever has it.

Who holds it is asked first: the run, then its guardian. Who does not hear is fenced off and killed.
What is said to be safe is read back here all the same.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from hil.app.ending import end_process
from hil.app.leases import (
    FencedError,
    Leases,
    Tenancy,
    alive,
    leases,
    myself,
    places,
    process_of,
    reachable,
)
from hil.app.preparation import has_twins, prepare_bench
from hil.app.reading_back import Safe, read_back_safe
from hil.app.rig import build
from hil.app.summons import Door, ask_to_be_safe
from hil.bench.clock import run_virtual
from hil.bench.fenced import Fences
from hil.bench.lease import Holder, Process
from hil.bench.wall_time import run_wall
from hil.ports import Clock
from hil.profile import Bench
from hil.results.wire_hash import WireHash


@dataclass(frozen=True)
class MadeSafe:
    """What became of a bench: its devices, and what was done to those who held it."""

    devices: Sequence[Safe]
    holders: Sequence[str]

    @property
    def ok(self) -> bool:
        """Say whether every device was read back safe."""
        return all(one.ok for one in self.devices)


def make_bench_safe(name: str, overrides: Sequence[str] = ()) -> MadeSafe:
    """End whoever holds a bench, make each device safe in its order, and read it back.

    Raises ConfigErrors for a bench that cannot be, EnvironmentProblem for leases that cannot be
    read.
    """
    bench = prepare_bench(name, overrides)
    if has_twins(bench):
        return MadeSafe(run_virtual(partial(_reached, bench, None)), [])
    shared = leases()
    wanted = list(places(bench).values())
    found = [one.holder for one in shared.held(wanted).values() if one.holder is not None]
    holders = list(dict.fromkeys(found))
    answers = {holder: asked(shared, holder, bench.name) for holder in holders}
    # Fenced off first, and then killed: what wakes up in between moves nothing.
    tenancy = shared.take(wanted, myself("hil safe", bench.name), force=True)
    told = [
        f"{holder} {answer or _ended(holder, bench.name)}" for holder, answer in answers.items()
    ]
    devices = run_wall(partial(_with_a_door, bench, tenancy))
    if all(one.ok for one in devices):
        with suppress(FencedError):  # another `hil safe` reads it back again
            tenancy.free()
    return MadeSafe(devices, told)


def asked(shared: Leases, holder: Holder, bench: str) -> str:
    """Ask a holder and then its guardian to make safe what it holds; return what came of it.

    Empty if nobody of it hears.
    """
    by = f"{myself('', bench).user or 'somebody'}, pid {os.getpid()}"
    if not any(map(alive, _processes(holder))):
        return "had died and left it"
    if alive(holder.process):
        answer = ask_to_be_safe(shared.folder, holder.process, by)
        if answer is not None:
            return f"was asked, and {_came(answer)}"
    if holder.guardian is not None and alive(holder.guardian):
        answer = ask_to_be_safe(shared.folder, holder.guardian, by)
        if answer is not None:
            return f"did not hear; its guardian was asked, and {_came(answer)}"
    return ""


def _came(answer: Mapping[str, Any]) -> str:
    return "went safe" if answer.get("safe") is True else "could not read all back safe"


def _ended(holder: Holder, bench: str) -> str:
    """Kill what is left of a holder that does not hear, the last resort; return what came of it.

    The guardian first: the run's end must not set it going.
    """
    told = "did not hear, nor any guardian of it: fenced off"
    for process in reversed(_processes(holder)):
        if not reachable(process):
            told += f" here, but pid {process.pid} is another container's and could not be killed"
            return told
        if not run_wall(partial(end_process, process)):
            return f"{told}, but pid {process.pid} is stuck in the kernel and cannot be killed"
    told += " and killed"
    if holder.bench != bench:
        told += f"; what else it had on is not known: hil safe --bench {holder.bench}"
    return told


def _processes(holder: Holder) -> list[Process]:
    return [one for one in (holder.process, holder.guardian) if one is not None]


async def _with_a_door(bench: Bench, tenancy: Tenancy, clock: Clock) -> list[Safe]:
    """Make safe what is held, open to another `hil safe`, which then waits for this one."""
    door = Door(tenancy.leases.folder, process_of(os.getpid()), lambda _: None)
    await door.open()
    devices: list[Safe] = []
    try:
        devices = await _reached(bench, tenancy.fence, clock)
    finally:
        await door.close({"safe": bool(devices) and all(one.ok for one in devices)})
    return devices


async def _reached(bench: Bench, fences: Fences | None, clock: Clock) -> list[Safe]:
    rig = build(bench, 1, clock, WireHash(), fences=fences)
    return await read_back_safe(rig, clock)
