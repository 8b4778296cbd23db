"""Puts a run together: files to models, names to drivers, twins and links, parts to a run.

The only place that knows both sides. Names in a bench file are resolved through the entry points
``hil.drivers``, ``hil.twins`` and ``hil.links``, so a third party adds theirs without touching
ours.
"""

import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hil.bench.assembly import make_stack
from hil.bench.clock import run_virtual
from hil.bench.recording import recording
from hil.bench.rig import Rig
from hil.bench.session import Progress, Session
from hil.bench.stop import StopLadder
from hil.bench.wall_time import monotonic_ns, run_wall
from hil.core.errors import ConfigError, ConfigErrors, EnvironmentProblem
from hil.core.instants import Duration
from hil.core.spec import BoardSpec, ChamberSpec, DeviceSpec, EmulatorSpec
from hil.ports import Clock, Disturber, Injectable, LabPlan, Link, LinkKind, Tap
from hil.profile import (
    Bench,
    DeviceConfig,
    Known,
    LinkConfig,
    Profile,
    check_profile,
    load_bench,
    load_profile,
    read_options,
)
from hil.results import manifest
from hil.results.link_faults import LinkFaults
from hil.results.wire_hash import WireHash
from hil.verdict.judgement import Verdict


@dataclass(frozen=True)
class Request:
    """What the user asked for; ``until`` cuts the run short at that much simulated time."""

    profile: str
    bench: str | None = None
    overrides: Sequence[str] = ()
    seed: int = 1
    runs: Path = Path("runs")
    until: Duration | None = None
    operator: str = ""


@dataclass(frozen=True)
class Prepared:
    """A profile and a bench that fit each other, and what the check wants said."""

    profile: Profile
    bench: Bench
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a run: ``summary`` is what ``--json`` prints."""

    summary: Mapping[str, Any]
    exit_code: int


# --- names ------------------------------------------------------------------------------------


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
        raise EnvironmentProblem(f"no {group[:-1]} '{name}' (installed: {known})") from None


# --- before a run ------------------------------------------------------------------------------


def prepare(request: Request) -> Prepared:
    """Load both files and check all that can be known before touching hardware.

    Raises ConfigErrors with every error found.
    """
    profile, bench = _both(request)
    findings = check_profile(profile, bench, _specs(bench), _known(bench))
    errors = [*findings.errors, *_key_errors(bench)]
    if errors:
        raise ConfigErrors(errors)
    return Prepared(profile, bench, tuple(map(str, findings.warnings)))


def _both(request: Request) -> tuple[Profile, Bench]:
    """Load profile and bench; with a bench on the command line, errors of both come together."""
    errors: list[ConfigError] = []
    profile = bench = None
    try:
        profile = load_profile(request.profile, request.overrides)
    except ConfigErrors as found:
        errors += found.errors
    name = request.bench if request.bench is not None or profile is None else profile.bench
    try:
        named_at = profile.marks.get("bench") if profile and request.bench is None else None
        bench = None if name is None else load_bench(name, request.overrides, named_at=named_at)
    except ConfigErrors as found:
        errors += found.errors
    if profile is None or bench is None:
        raise ConfigErrors(errors)
    return profile, bench


def _known(bench: Bench) -> Known:
    return Known(
        drivers=frozenset(installed("drivers")),
        twins=frozenset(installed("twins")),
        links=frozenset(installed("links")),
        faults=_faults(bench),
        kinds=_used(bench, "links", lambda device: device.link.kind),
        speaks={
            name: driver.CARRIES
            for name, driver in _used(bench, "drivers", lambda device: device.driver).items()
            if hasattr(driver, "CARRIES")
        },
    )


def _used(bench: Bench, group: str, named: Callable[[DeviceConfig], str]) -> dict[str, Any]:
    """Return what the bench names of a group, as far as it is installed."""
    names = dict.fromkeys(map(named, bench.devices.values()))
    return {name: resolve(group, name) for name in names if name in installed(group)}


def _specs(bench: Bench) -> dict[str, DeviceSpec]:
    """Return the data sheets of the devices whose driver is installed."""
    return {
        name: resolve("drivers", device.driver).SPEC
        for name, device in bench.devices.items()
        if device.driver in installed("drivers")
    }


def _key_errors(bench: Bench) -> list[ConfigError]:
    """Read every key that a driver, twin or link declares for itself; return what is wrong."""
    errors: list[ConfigError] = []
    for device in bench.devices.values():
        link = device.link.kind
        carries = resolve("links", link).carries if link in installed("links") else ""
        written = (
            ("drivers", device.driver, device.options),
            ("twins", device.driver, device.virtual),
            ("links", link, device.link.options),
            ("disturbers", carries, device.link.faults),
        )
        for group, name, keys in written:
            if name in installed(group):
                try:
                    _keys(resolve(group, name), keys)
                except ConfigErrors as found:
                    errors += found.errors
    return errors


@dataclass(frozen=True)
class NoKeys:
    """A driver, twin or link without keys of its own."""


def _keys(owner: Any, written: Mapping[str, Any]) -> dict[str, Any]:
    """Read a bench file's keys by what ``owner`` declares. Raises ConfigErrors at their place."""
    return read_options(getattr(owner, "OPTIONS", NoKeys), written)


def _faults(bench: Bench) -> dict[str, dict[str, bool]]:
    """Return each target's faults, and which of them are a cell's: the twins' and the drivers'.

    A twin's are back doors, so they are there only where the bench has the twin.
    """
    faults: dict[str, dict[str, bool]] = {}
    for name, device in bench.devices.items():
        owners = (
            [resolve("drivers", device.driver)] if device.driver in installed("drivers") else []
        )
        if device.driver in installed("twins") and _has_twin(device):
            twin = resolve("twins", device.driver)
            owners.append(twin)
            faults.setdefault("wiring", {}).update(_of(twin, "WIRING_FAULTS"))
        faults[name] = {key: cell for owner in owners for key, cell in _of(owner, "FAULTS").items()}
    return {target: taken for target, taken in faults.items() if taken}


def _of(owner: Any, names: str) -> dict[str, bool]:
    """Return the faults that ``owner`` lists under ``names``, and which of them are a cell's."""
    cells = getattr(owner, "FAULTS_OF_A_CELL", ())
    return {fault: fault in cells for fault in getattr(owner, names, ())}


def _has_twin(device: DeviceConfig) -> bool:
    """Say whether a device's link ends in this process; an unknown link is an error of its own."""
    kind = device.link.kind
    return kind not in installed("links") or resolve("links", kind).needs_twin


# --- the devices -------------------------------------------------------------------------------

ROLES: tuple[type[DeviceSpec], ...] = (EmulatorSpec, ChamberSpec, BoardSpec)
"""The order in which devices are built: a virtual board looks for what it is wired to."""


def build(
    bench: Bench, seed: int, clock: Clock, wire: WireHash, faults: LinkFaults | None = None
) -> Rig:
    """Build links, drivers and, behind memory links, twins. Does no I/O.

    ``faults`` takes what the bench file does to its own links.

    Raises ConfigErrors for a key whose value a device refuses.
    """
    specs = _specs(bench)
    plan = LabPlan(seed, bench.wiring, bench.board, {})
    devices: dict[str, Any] = {}
    for name in sorted(specs, key=lambda name: ROLES.index(type(specs[name]))):
        try:
            devices[name] = _device(name, bench, plan, clock, wire, faults or LinkFaults())
        except ValueError as error:
            raise ConfigErrors([bench.wrong(f"devices.{name}", str(error))]) from error
    of_role = {role: [n for n in bench.devices if type(specs[n]) is role] for role in ROLES}
    return Rig(
        emulators={name: devices[name] for name in of_role[EmulatorSpec]},
        chamber=devices[of_role[ChamberSpec][0]],
        board=devices[of_role[BoardSpec][0]],
        stack=make_stack(bench),
        board_cycle_ns=bench.board.cycle_ns,
        backdoors=backdoors(plan.twins),
    )


def _device(
    name: str, bench: Bench, plan: LabPlan, clock: Clock, wire: WireHash, faults: LinkFaults
) -> Any:
    """Build one device with its link and, where the link ends in this process, its twin."""
    device = bench.devices[name]
    kind: LinkKind = resolve("links", device.link.kind)
    driver = resolve("drivers", device.driver)
    if kind.needs_twin:
        twin = resolve("twins", device.driver)
        plan.twins[name] = twin(name, clock, plan, _keys(twin, device.virtual))
    tap = wire.frame_tap(name) if kind.carries == "frames" else wire.byte_tap(name)
    link = _link(name, device.link, kind, clock, plan, tap, faults)
    options = _keys(driver, device.options)
    if isinstance(driver.SPEC, BoardSpec):
        board = bench.board
        options |= {"cells": board.cells, "ntcs": board.ntcs, "cycle_ns": board.cycle_ns}
    return driver(name, link, clock, options)


def _link(
    name: str,
    config: LinkConfig,
    kind: LinkKind,
    clock: Clock,
    plan: LabPlan,
    tap: Tap,
    faults: LinkFaults,
) -> Link:
    """Build a device's link; one whose file asks for faults is wrapped, and tapped outside."""
    options, twin = _keys(kind, config.options), plan.twins.get(name)
    if not config.faults:
        return kind.make(name, clock, options, twin=twin, tap=tap)
    bare = kind.make(name, clock, options, twin=twin)
    disturber: Disturber = resolve("disturbers", kind.carries)
    keys = _keys(disturber, config.faults)
    return disturber.make(name, bare, clock, keys, seed=plan.seed, tap=tap, noted=faults.note)


def backdoors(twins: Mapping[str, Any]) -> dict[str, Injectable]:
    """Return what takes faults from outside: the twins, and the harness under ``wiring``."""
    found = {name: twin for name, twin in twins.items() if hasattr(twin, "FAULTS")}
    for twin in twins.values():
        if hasattr(twin, "WIRING_FAULTS"):
            found["wiring"] = twin
    return found


# --- a run -------------------------------------------------------------------------------------


def run_profile(request: Request, stop: StopLadder, progress: Progress) -> Outcome:
    """Run a profile to its end, whatever that is, and leave a folder with its record.

    Raises ConfigErrors or EnvironmentProblem before anything is touched; after that there is
    always a record.
    """
    begun_ns = monotonic_ns()
    prepared = prepare(request)
    profile, bench, seed = prepared.profile, prepared.bench, request.seed
    session = Session(profile, bench, seed, request.until, stop, progress)
    faults = LinkFaults()

    async def main(clock: Clock) -> Outcome:
        rig = build(bench, seed, clock, session.wire, faults)
        about = _about(request, prepared)
        with recording(request.runs, about, beside=bench.clock == "wall") as record:
            faults.record_in(record.journal.emit)
            try:
                await session.play(clock, rig, record.journal)
            finally:
                stop.over()
        summary = {"run": record.folder.name, "folder": str(record.folder), **session.summary()}
        summary["link_faults"] = dict(sorted(faults.counts.items()))
        summary["startup_s"] = (monotonic_ns() - begun_ns) / 1e9 - summary["wall_s"]
        record.conclude(summary)
        return Outcome(summary, Verdict[summary["verdict"]].exit_code)

    return run_virtual(main) if bench.clock == "virtual" else run_wall(main)


def _about(request: Request, prepared: Prepared) -> dict[str, Any]:
    """Return what the manifest says of the run before it begins."""
    profile, bench = prepared.profile, prepared.bench
    return {
        "operator": request.operator,
        "profile": profile.name,
        "bench": bench.name,
        "overrides": list(request.overrides),
        "seed": request.seed,
        "resolved": {
            "profile": json.loads(profile.resolved_text()),
            "bench": json.loads(bench.resolved_text()),
        },
        "git": {
            "bench": _git_state(Path(__file__).parent),
            "profile": _git_state(profile.file.parent),
        },
        "versions": manifest.versions(),
        "host": manifest.host(),
    }


_git_state = cache(manifest.git_state)
