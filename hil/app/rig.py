"""The devices of a bench file, built: links, drivers and, where a link ends here, twins."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hil.app.engines import Attended, engine_of, twin_of
from hil.app.lab_doors import BOARD, lab_doors, refuse_lab_of
from hil.app.names import driver_of, keys_of, resolve
from hil.app.preparation import specs_of
from hil.bench.assembly import make_stack
from hil.bench.fenced import Fenced, Fences
from hil.bench.rig import Rig
from hil.bench.supply import BoardSupply
from hil.core.errors import ConfigErrors
from hil.core.records import Record
from hil.core.spec import BoardSpec, ChamberSpec, DeviceSpec, EmulatorSpec, FaultBoxSpec, SupplySpec
from hil.ports import Clock, Disturber, Injectable, LabPlan, Link, LinkKind, Tap
from hil.profile import Bench, LinkConfig
from hil.profile.check_faults import SENSORS
from hil.results.link_faults import LinkFaults
from hil.results.wire_hash import WireHash

ROLES: Mapping[type[DeviceSpec], str] = {
    EmulatorSpec: "cell-emulator",
    ChamberSpec: "chamber",
    SupplySpec: "supply",
    BoardSpec: BOARD,
    FaultBoxSpec: "fault-box",
}
"""Roles by data sheet, in the order of building: a virtual board looks for what it is wired to.

A fault box looks for the board, whose wires it opens.
"""


def role_of(spec: DeviceSpec) -> str:
    """Return what a device is on the bench."""
    return ROLES[type(spec)]


def in_building_order(specs: Mapping[str, DeviceSpec]) -> list[str]:
    """Return the devices' names in the order of ``ROLES``."""
    return sorted(specs, key=lambda name: list(ROLES).index(type(specs[name])))


def build(
    bench: Bench,
    seed: int,
    clock: Clock,
    wire: WireHash,
    faults: LinkFaults | None = None,
    *,
    fences: Fences | None = None,
    limit_a: float | None = None,
) -> Rig:
    """Build links, drivers and, behind memory links, twins. Opens nothing.

    ``faults`` takes what the bench file does to its own links, and what becomes of firmware.
    ``fences`` gives the fence of a place (``LinkKind.where``) that others could drive too.
    ``limit_a`` is what an emulated cell may give and take, in place of what the bench file says.

    Raises ConfigErrors for a key whose value a device refuses, EnvironmentProblem for firmware that
    is not there (``hil.app.engines.with_firmware`` finds it before).
    """
    specs = specs_of(bench)
    plan = LabPlan(seed, bench.wiring, bench.board, {})
    devices: dict[str, Any] = {}
    for name in in_building_order(specs):
        try:
            devices[name] = _device(name, bench, plan, clock, wire, faults, fences, limit_a)
        except ValueError as error:
            raise ConfigErrors([bench.wrong(f"devices.{name}", str(error))]) from error
    stack, supply = make_stack(bench, clock.now), bench.wiring.supply
    of_role = {role: [n for n in bench.devices if type(specs[n]) is role] for role in ROLES}
    return Rig(
        emulators={name: devices[name] for name in of_role[EmulatorSpec]},
        chamber=devices[of_role[ChamberSpec][0]],
        board=devices[of_role[BoardSpec][0]],
        stack=stack,
        board_cycle_ns=bench.board.cycle_ns,
        backdoors=backdoors(plan.twins) | lab_doors(bench) | {SENSORS: stack.sensor_faults},
        refuse_faults=refuse_lab_of(bench),
        room=bench.room,
        fault_boxes={name: devices[name] for name in of_role[FaultBoxSpec]},
        guards=bench.wiring.guards,
        through={(one.fault, one.number): one.by for one in bench.wiring.through},
        supply=None if supply is None else BoardSupply(devices[supply.by.device], supply, clock),
    )


def _device(
    name: str,
    bench: Bench,
    plan: LabPlan,
    clock: Clock,
    wire: WireHash,
    faults: LinkFaults | None,
    fences: Fences | None,
    limit_a: float | None,
) -> Any:
    """Build one device with its link and, where the link ends in this process, its twin."""
    device = bench.devices[name]
    kind: LinkKind = resolve("links", device.link.kind)
    driver = driver_of(device)
    if kind.needs_twin:
        build_twin(name, bench, plan, clock, None if faults is None else faults.record)
    tap = wire.frame_tap(name) if kind.carries == "frames" else wire.byte_tap(name)
    link = _link(name, device.link, kind, clock, plan, tap, faults or LinkFaults())
    if fences is not None and kind.where is not None:
        link = Fenced(name, link, fences(kind.where(keys_of(kind, device.link.options))))
    options = keys_of(driver, device.options)
    if limit_a is not None:
        options |= dict.fromkeys(getattr(driver, "CURRENT_LIMITS", ()), limit_a)
    if isinstance(driver.SPEC, BoardSpec):
        board = bench.board
        options |= {"cells": board.cells, "ntcs": board.ntcs, "cycle_ns": board.cycle_ns}
    return driver(name, link, clock, options)


def build_twin(
    name: str,
    bench: Bench,
    plan: LabPlan,
    clock: Clock,
    record: Callable[[Record], None] | None = None,
) -> None:
    """Build the twin of a device and add it to the plan. Raises ValueError for a key's value.

    With an engine it is the electronics alone, and firmware runs on them: ``record`` takes what
    becomes of that; without it, firmware that goes astray is a FirmwareFault out of the clock. An
    engine that keeps its own time is not built here. Raises EnvironmentProblem for firmware that is
    not there and cannot be built.
    """
    device = bench.devices[name]
    twin = twin_of(device)
    engine = None if device.engine is None else engine_of(device.engine)
    if engine is not None and record is not None:
        engine = Attended(engine, name, record)
    plan = replace(plan, engine=engine)
    plan.twins[name] = twin(name, clock, plan, keys_of(twin, device.virtual))


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
    options, twin = keys_of(kind, config.options), plan.twins.get(name)
    if not config.faults:
        return kind.make(name, clock, options, twin=twin, tap=tap)
    bare = kind.make(name, clock, options, twin=twin)
    disturber: Disturber = resolve("disturbers", kind.carries)
    keys = keys_of(disturber, config.faults)
    return disturber.make(name, bare, clock, keys, seed=plan.seed, tap=tap, noted=faults.note)


def backdoors(twins: Mapping[str, Any]) -> dict[str, Injectable]:
    """Return what takes faults from outside: the twins, and the harness under ``wiring``."""
    found = {name: twin for name, twin in twins.items() if hasattr(twin, "FAULTS")}
    for twin in twins.values():
        if hasattr(twin, "WIRING_FAULTS"):
            found["wiring"] = twin
    return found
