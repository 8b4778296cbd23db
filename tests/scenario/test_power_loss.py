"""Devices that lose their supply, in virtual time: what they hold is lost, and nothing is on."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from scenario import Play

from hil.app import build
from hil.bench.clock import run_virtual
from hil.bench.rig import Rig
from hil.core.instants import SECOND
from hil.ports import POWER_LOSS, Clock, Inhabited
from hil.profile import load_bench
from hil.results.wire_hash import WireHash

Profile = Callable[..., Path]

DEVICES = ("emulator-1", "chamber", "board")


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_without_supply_is_named_and_nothing_is_held_against_the_board(
    play: Play, profile: Profile, device: str
) -> None:
    steps = f"""\
  - charge: {{current: 20 A, until: [after: 10 s]}}
  - inject: {{target: {device}, fault: power-loss}}
  - rest: 5 min
"""
    run = play(profile(steps, controller="{strategy: fixed-threshold, start: 1 mV, stop: 0.5 mV}"))
    assert run.verdict != "PASS"
    [ended] = run.of("run-ended")
    assert device in str(ended["reason"]) + " ".join(run.summary["reasons"])
    reached = {one["device"]: one["ok"] for one in run.of("safe-state-reached")}
    assert reached == {name: name != device for name in reached}
    if device != "board":
        assert run.verdict != "FAIL", run.summary["reasons"]


Truth = Mapping[str, Mapping[str, Any]]


def truths(*, lasts_s: float) -> list[Truth]:
    """Return what the devices hold before they lose their supply, without it, and with it again."""

    async def main(clock: Clock) -> list[Truth]:
        rig = build(load_bench("virtual-16s"), 1, clock, WireHash())
        for device in rig.devices():
            await device.connect()
            await device.identify()
        for unit in rig.emulators.values():
            await unit.apply([3.3] * 8, {1: 2.0})
        await rig.chamber.apply(40.0, None)
        for device in rig.devices():
            await device.arm()
        await rig.board.apply([0.5] * 16)
        return [
            await after(clock, rig, active, round(lasts_s * SECOND))
            for active in (None, True, False)
        ]

    return run_virtual(main)


async def after(clock: Clock, rig: Rig, active: bool | None, lasts: int) -> Truth:  # noqa: FBT001 - in, out or left
    """Put the fault in or out, let time pass, and look."""
    doors = {name: rig.backdoors[name] for name in DEVICES}
    for door in doors.values():
        if active is not None:
            door.inject(POWER_LOSS, 0, active=active)
    await clock.sleep_until(clock.now() + lasts)
    return {name: door.truth() for name, door in doors.items() if isinstance(door, Inhabited)}


def test_registers_are_lost_and_outputs_are_off() -> None:
    before, without, again = truths(lasts_s=2.0)
    assert before["emulator-1"]["on"] == [True] * 8
    assert before["chamber"]["conditioning"]
    assert before["board"]["bleeds"] == [0.5] * 16
    for one in (without, again):
        assert one["emulator-1"]["on"] == [False] * 8
        assert all(map(math.isnan, one["emulator-1"]["cell_v"]))
        assert one["emulator-1"]["aux_v"] == [0.0] * 8
        assert not one["chamber"]["conditioning"]
        assert one["board"]["bleeds"] == [0.0] * 16
    assert [one["board"]["powered"] for one in (before, without, again)] == [True, False, True]


def test_what_is_stuck_has_no_voltage_behind_it_without_supply() -> None:
    async def main(clock: Clock) -> bool:
        rig = build(load_bench("virtual-16s"), 1, clock, WireHash())
        unit, door = rig.emulators["emulator-1"], rig.backdoors["emulator-1"]
        await unit.connect()
        await unit.apply([3.3] * 8, {})
        await unit.arm()
        door.inject("refuses-off", 3, active=True)
        door.inject(POWER_LOSS, 0, active=True)
        assert isinstance(door, Inhabited)
        return any(door.truth()["on"])

    assert not run_virtual(main)
