"""Putting a bench into its safe state, whoever left it as it is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from hil.app.preparation import prepare_bench
from hil.app.rig import build
from hil.bench.clock import run_virtual
from hil.bench.safe_state import SafeState, Undo, orders
from hil.bench.wall_time import run_wall
from hil.core.errors import DeviceError
from hil.core.records import Record, SafeStateReached
from hil.ports import Clock, Device
from hil.results.wire_hash import WireHash


@dataclass(frozen=True)
class Safe:
    """What one device read back; ``stranger`` says why it may not be the one that is meant."""

    device: str
    meaning: str
    ok: bool
    read_back: str
    stranger: str

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def make_bench_safe(name: str, overrides: Sequence[str] = ()) -> list[Safe]:
    """Open every link of a bench, make each device safe in its order, and read it back.

    A device that cannot be shown to be safe is told again, as at the end of a run, and keeps no
    other one on. Whoever answers is made safe: a stranger too, since what is wired to the bench is.
    Raises ConfigErrors for a bench that cannot be.
    """
    bench = prepare_bench(name, overrides)
    reached: dict[str, SafeStateReached] = {}
    strangers: dict[str, str] = {}

    def keep(record: Record) -> None:
        if isinstance(record, SafeStateReached):
            reached[record.device] = record

    async def main(clock: Clock) -> None:
        rig = build(bench, 1, clock, WireHash())
        state, places = SafeState(clock, keep), orders(rig)
        for device in rig.devices():
            action = partial(made_safe, device, strangers)
            state.arm(Undo(device.name, *places[device.name], action))
        await state.reach()

    (run_virtual if bench.clock == "virtual" else run_wall)(main)
    return [
        Safe(one.device, one.meaning, one.ok, one.read_back, strangers.get(one.device, ""))
        for one in reached.values()
    ]


async def made_safe(device: Device, strangers: dict[str, str]) -> str:
    """Open the link, make the device safe and return its read-back; note one that is another.

    The last attempt counts: who is known then is no stranger. Raises DeviceError.
    The link is closed in any case: "off" is the last word on it.
    """
    await device.connect()
    try:
        try:
            await device.identify()
            strangers.pop(device.name, None)
        except DeviceError as error:
            strangers[device.name] = error.message
        return await device.make_safe()
    finally:
        await device.close()
