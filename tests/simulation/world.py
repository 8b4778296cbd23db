"""A whole run in virtual time by a plan, watched at every record; about a tenth of a second each.

Profile and bench are read once. Everything else is built anew for each run by what ``hil run``
itself uses (``app.build``, ``Session``), with the journal in memory.
"""

import asyncio
import hashlib
from collections import Counter
from copy import copy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from can import Message
from invariants import AT_THE_END, EVERYWHERE, Invariant, Sight
from plan import Happening, Plan
from witness import Witness

from hil import app
from hil.bench import session as session_module
from hil.bench.clock import VirtualClock, run_virtual
from hil.bench.session import Session
from hil.bench.stop import StopLadder
from hil.core.errors import DeviceError
from hil.core.instants import SECOND, Instant, clock_text
from hil.core.records import Record
from hil.ports import Clock
from hil.profile import Bench
from hil.profile.overrides import apply_overrides
from hil.profile.source import Mark
from hil.profile.tree import Table
from hil.results import canonical
from hil.results.disk import RecordingProblem
from hil.results.journal import Journal
from hil.results.link_faults import LinkFaults
from hil.results.writer import Lost

PROFILE = Path(__file__).parent / "simulated.yaml"

LONGEST = 180 * SECOND
"""Virtual time in which every run must have ended: it plays half a minute and goes down in less."""

OUTSIDE = ("drivers.virtual.", "drivers.links.memory")
"""Whose timers may outlive a run: the devices' own, and what is still on a wire."""


@cache
def prepared(profile: Path = PROFILE, *overrides: str, bench: str = "virtual-16s") -> app.Prepared:
    """Return profile and bench, read and checked once."""
    return app.prepare(app.Request(profile=str(profile), bench=bench, overrides=overrides))


@dataclass(frozen=True)
class Violation:
    """One broken invariant: which, at which record (None: at the end), and how."""

    invariant: str
    record: int | None
    text: str

    def __str__(self) -> str:
        """Return one line."""
        where = "at the end" if self.record is None else f"at record {self.record}"
        return f"{self.invariant} {where}: {self.text}"


@dataclass(frozen=True)
class Simulated:
    """What came of a run; ``heard`` has the identifiers of the frames that the host got."""

    plan: Plan
    verdict: str
    digest: str
    ticks: int
    violations: tuple[Violation, ...]
    faults: Counter[tuple[str, str, str]]
    spoilt: Counter[str]
    heard: tuple[int, ...]


class Memory:
    """A ``Writer`` that keeps records in memory and has them looked at as they come."""

    beside = False
    problem: RecordingProblem | None = None
    acknowledged = -1

    def __init__(self) -> None:
        self.kept: list[tuple[int, Record]] = []

    def take(self, seq: int, record: Record) -> bool:
        self.kept.append((seq, record))
        self.acknowledged = seq
        return True

    def sync(self) -> None:
        """All is kept."""

    def lost(self) -> list[Lost]:
        return []

    def digest(self) -> str:
        sha = hashlib.sha256()
        for seq, record in self.kept:
            sha.update(canonical.line(seq, record))
        return sha.hexdigest()

    def close(self) -> None:
        """Nothing to let go of."""


class Watched:
    """One run and those who watch it."""

    def __init__(self, plan: Plan, setting: app.Prepared | None = None) -> None:
        self.plan, self.memory = plan, Memory()
        self.setting = setting or prepared()
        self.violations: list[Violation] = []
        self.sight: Sight | None = None
        self.session: Session | None = None
        self.end: Instant = 0

    async def main(self, clock: Clock) -> None:
        plan, stop, faults = self.plan, StopLadder(), LinkFaults()
        profile, bench = self.setting.profile, disturbed(self.setting.bench, plan)
        until = None if plan.until_s is None else plan.until_s * SECOND
        session = self.session = Session(profile, bench, plan.seed, until, stop, lambda _: None)
        rig = app.build(bench, plan.seed, clock, session.wire, faults)
        journal = Journal(self.memory)
        faults.record_in(journal.emit)
        witness = Witness(clock, rig)
        self.sight = Sight(plan, witness, len(profile.steps))
        journal.listen(self._look)
        ours = [clock.call_at(one.at, stop.request, one.source) for one in plan.stops]
        for happening in plan.lab:
            clock.call_at(happening.at, befall, witness, happening)
            clock.call_at(happening.at + happening.lasts, mend, witness, happening)
        ours.append(clock.call_at(LONGEST, _too_long))
        try:
            await session.play(clock, rig, journal)
        finally:
            stop.over()
            for timer in ours:
                timer.cancel()
            self.end = clock.now()
        self._look_round(clock)

    def _look(self, record: Record) -> None:
        """Check what must hold at every record."""
        assert self.sight is not None
        number = self.memory.kept[-1][0]
        self.sight.witness.see(record)
        self.sight.records.append(record)
        self.sight.numbers.append(number)
        self.check(EVERYWHERE, number)

    def check(self, invariants: tuple[Invariant, ...], number: int | None) -> None:
        """Keep what invariants find, and a crash of theirs as well."""
        assert self.sight is not None
        for invariant in invariants:
            self.found(invariant.__name__, number, *invariant(self.sight))

    def found(self, name: str, number: int | None, *texts: str) -> None:
        self.violations += [Violation(name, number, text) for text in texts]

    def _look_round(self, clock: Clock) -> None:
        """After a run nothing of the bench is left in the loop: no task, no timer."""
        left = [
            task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()
        ]
        self.found("nothing_is_left", None, *(f"the task {name}" for name in left))
        assert isinstance(clock, VirtualClock)
        for at, _, timer in clock.loop._heap:
            owner = "" if timer._cancelled else _owner(timer._callback)
            if owner and not owner.startswith((*OUTSIDE, "world.")):
                self.found("nothing_is_left", None, f"a timer of {owner} at {clock_text(at)}")


def _owner(callback: Any) -> str:
    return f"{callback.__module__}.{callback.__qualname__}"


class TooLongError(Exception):
    """A run has not ended in its time."""


def _too_long() -> None:
    raise TooLongError(f"not at its end after {clock_text(LONGEST)}")


def watched(plan: Plan, setting: app.Prepared | None = None) -> Watched:
    """Run a plan to its end; what was found stands in the run."""
    run = Watched(plan, setting)
    with patch.object(session_module, "gc", _NO_COLLECTOR):
        try:
            run_virtual(run.main)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is a finding
            run.found("nothing_breaks", None, f"{type(error).__name__}: {error}")
    if not run.violations or run.violations[-1].invariant != "nothing_breaks":
        run.check(AT_THE_END, None)
    return run


def simulate(plan: Plan) -> Simulated:
    """Run a plan to its end and return what was found."""
    run = watched(plan)
    sight = run.sight
    assert sight is not None
    judged = getattr(run.session, "judgement", None)
    return Simulated(
        plan,
        judged.verdict.name if judged else "",
        run.memory.digest(),
        sum(record.kind == "tick" for record in sight.records),
        tuple(run.violations),
        Counter((f.device, f.direction, f.fault) for f in sight.witness.link_faults),
        sight.witness.spoilt,
        tuple(sight.witness.frames.order),
    )


_NO_COLLECTOR = SimpleNamespace(collect=int, freeze=int, unfreeze=int)
"""In place of ``gc``: the two full collections of a session take as long as all the rest of it."""


# --- the plan, put into the bench ----------------------------------------------------------------


def disturbed(bench: Bench, plan: Plan) -> Bench:
    """Return the bench with the plan's link faults, as ``--set`` would have put them in."""
    tree = Table(Mark("plan"))
    apply_overrides(tree, plan.overrides(), "bench.")
    keys: Any = tree.get("devices", {})
    devices = {
        name: replace(device, link=replace(device.link, faults=keys[name]["link"]["faults"]))
        if name in keys
        else device
        for name, device in bench.devices.items()
    }
    return replace(bench, devices=devices)


# --- the lab -------------------------------------------------------------------------------------


def befall(witness: Witness, one: Happening) -> None:
    """Let something happen in the lab."""
    _put(witness, one, active=True)


def mend(witness: Witness, one: Happening) -> None:
    """Let it be over."""
    _put(witness, one, active=False)


def _put(witness: Witness, one: Happening, *, active: bool) -> None:
    twin, link = witness.twins[one.device], witness.link(one.device)
    if one.what == "cut":
        (link.cut if active else link.mend)()
    elif one.what == "mute":
        link.mute(active=active)
    elif one.what == "bus-off":
        link.mute(active=active)
        vars(link)["send"] = _refusing(one.device) if active else type(link).send.__get__(link)
    elif one.what == "frozen":
        telemetry = twin._telemetry
        telemetry._send = _repeating(telemetry._send) if active else telemetry._send.send
    elif one.what == "swapped":
        (link.cut if active else link.mend)()
        twin._scpi._identity = twin._scpi._identity.replace("V-000", "V-999")
    elif one.what == "reset":
        if active:
            twin._reboot() if hasattr(twin, "_reboot") else _restart(twin)
    else:
        twin.inject(one.what, one.cell, active=active)


def _refusing(device: str) -> Any:
    """Return the sending of an adapter whose controller is off the bus."""

    async def send(_frame: Message) -> None:
        raise DeviceError(device, "the adapter refused 1 frame(s) (BEL): bus off")

    return send


def _repeating(send: Any) -> Any:
    """Return the sending of a board that hangs: its controller repeats what it sent first."""
    first: dict[int, Message] = {}

    def again(frame: Message) -> None:
        send(copy(first.setdefault(frame.arbitration_id, copy(frame))))

    again.send = send  # type: ignore[attr-defined]
    return again


def _restart(chamber: Any) -> None:
    """Let a chamber lose its supply for a moment."""
    chamber._reset()
    chamber._scpi.power_on()
