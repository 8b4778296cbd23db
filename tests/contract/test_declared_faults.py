"""What twins and drivers declare of their faults is what they do: ``hil check`` relies on it."""

from collections.abc import Mapping

import pytest
from can import Message

from drivers.boards.reference import ReferenceBoard
from drivers.boards.reference_picture import BoardOptions, Picture
from drivers.wire import reference_board as wire
from hil.app import backdoors, build, resolve
from hil.bench.clock import run_virtual
from hil.ports import Clock, Injectable
from hil.profile import load_bench
from hil.results.wire_hash import WireHash

DEVICES = ("emulator-1", "chamber", "board")


def refusals(target: str, cell: int) -> dict[str, bool]:
    """Return for each fault of a device whether its twin refuses it on ``cell``."""

    async def ask(clock: Clock) -> dict[str, bool]:
        rig = build(load_bench("virtual-16s"), 1, clock, WireHash())
        doors: Mapping[str, Injectable] = rig.backdoors
        return {fault: refuses(doors[target], fault, cell) for fault in doors[target].FAULTS}

    return run_virtual(ask)


def refuses(door: Injectable, fault: str, cell: int) -> bool:
    """Say whether a back door refuses a fault."""
    try:
        door.inject(fault, cell, active=True)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("name", DEVICES)
def test_a_fault_needs_a_cell_exactly_where_its_owner_says_so(name: str) -> None:
    device = load_bench("virtual-16s").devices[name]
    twin = resolve("twins", device.driver)
    of_a_cell = set(getattr(twin, "FAULTS_OF_A_CELL", ()))
    assert of_a_cell <= set(twin.FAULTS)
    assert {fault for fault, refused in refusals(name, 0).items() if refused} == of_a_cell
    assert not any(refusals(name, 1).values())


def test_drivers_and_links_carry_the_same() -> None:
    for device in load_bench("virtual-16s").devices.values():
        driver, kind = resolve("drivers", device.driver), resolve("links", device.link.kind)
        assert kind.carries == driver.CARRIES


def test_the_board_reports_what_its_data_sheet_lists_and_nothing_else() -> None:
    picture = Picture(BoardOptions(cells=16, ntcs=0))
    make, firmware = wire.Make(0, 5, 16, 16), wire.Firmware(1, 1, 2, 3, 0)
    frames = [
        (wire.IDENTITY, wire.encode_make(make)),
        (wire.IDENTITY, wire.encode_firmware(firmware)),
        (wire.FAULTS, wire.encode_fault_flags(wire.FaultFlags(0, 0xFFFF, 0))),
        (wire.FAULTS, wire.encode_cell_faults(wire.CellFaults(1, 1, 0xFFFF, 0xFFFF, 0xFFFF))),
    ]
    for identifier, data in frames:
        picture.take(Message(arbitration_id=identifier, is_extended_id=False, data=data))
    named = {fault for fault, _ in picture.report().faults}
    assert named == set(ReferenceBoard.SPEC.faults)
    assert len(ReferenceBoard.SPEC.faults) == len(named)


def test_backdoors_are_the_twins_and_the_wiring() -> None:
    async def doors(clock: Clock) -> set[str]:
        return set(build(load_bench("virtual-16s"), 1, clock, WireHash()).backdoors)

    twins = {"emulator-1", "emulator-2", "chamber", "board"}
    assert run_virtual(doors) == twins | {"wiring", "sensors"}
    assert backdoors({}) == {}
