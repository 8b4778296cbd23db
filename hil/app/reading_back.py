"""Making a rig safe that somebody else may have left on, whoever answers, and reading it back."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from hil.bench.door import asked
from hil.bench.rig import Rig
from hil.bench.safe_state import PATIENCE, SafeState, ordered_off, undo_of, with_note
from hil.core.errors import DeviceError
from hil.core.records import Record, SafeStateReached
from hil.ports import Clock, Device


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


def unsafe(reached: Sequence[Safe]) -> str:
    """Return what those have answered that are not safe."""
    return "; ".join(f"{one.device}: {one.read_back}" for one in reached if not one.ok)


async def read_back_safe(rig: Rig, clock: Clock) -> list[Safe]:
    """Open every link, make each device safe in its order, and read it back.

    A device that cannot be shown to be safe is told again, as at the end of a run, and keeps no
    other one on. Whoever answers is made safe: a stranger too, since what is wired to the bench is.
    """
    reached: dict[str, SafeStateReached] = {}
    strangers: dict[str, str] = {}

    def keep(record: Record) -> None:
        if isinstance(record, SafeStateReached):
            reached[record.device] = record

    state = SafeState(clock, keep, patience=PATIENCE)
    for device in rig.devices():
        told = partial(asked, rig) if device is rig.chamber else None
        state.arm(undo_of(rig, device, partial(made_safe, device, strangers, told)))
    await state.reach()
    return [
        Safe(one.device, one.meaning, one.ok, one.read_back, strangers.get(one.device, ""))
        for one in reached.values()
    ]


async def made_safe(
    device: Device,
    strangers: dict[str, str],
    told: Callable[[], Awaitable[str]] | None = None,
    means: int | None = None,
) -> str:
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
        read_back = await ordered_off(device, means)
        return with_note(read_back, "" if told is None else await told())
    finally:
        await device.close()
