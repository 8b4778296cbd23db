"""How a rig is brought up: links, the undo of each device, and who answers behind it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from hil.bench.rig import Rig
from hil.bench.safe_state import SafeState, made_safe, undo_of
from hil.core.errors import BenchError, DeviceError
from hil.core.instants import SECOND
from hil.core.records import DeviceIdentified, Record
from hil.ports import Clock, Device, Guard, Identity

COMING_UP = WAY_DOWN = 60 * SECOND
"""How long coming up, or going down, may take before its guardian acts."""

T = TypeVar("T")


async def connected(
    rig: Rig,
    safe: SafeState,
    who: dict[str, Identity],
    guard: Guard,
    emit: Callable[[Record], None],
    clock: Clock,
    door_told: Callable[[], Awaitable[str]] | None = None,
) -> None:
    """Connect to all devices together, register the undo of each, and note in ``who`` they are.

    ``door_told`` says what there is to say of the chamber's door when it is read back. Raises
    ExceptionGroup with every DeviceError; a lab in which somebody's faults are is a DeviceError,
    and so is an open guard.
    """
    if rig.refuse_faults is not None:
        await rig.refuse_faults()

    async def connect(device: Device) -> None:
        await device.connect()
        # From here on the device can be made safe, and may have been left on by somebody.
        told = door_told if device is rig.chamber else None
        safe.arm(undo_of(rig, device, partial(made_safe, device, who, told)))

    async def meet(devices: Sequence[Device]) -> None:
        await all_or_group("connect", [connect(device) for device in devices])
        identities = await all_or_group("identify", [device.identify() for device in devices])
        for device, identity in zip(devices, identities, strict=True):
            who[device.name] = identity
            guard.know(device.name, identity)
            emit(DeviceIdentified(clock.now(), device.name, *identity))

    if rig.supply is not None:
        await meet([rig.supply.unit])
        await rig.supply.power_up()
    await meet(rig.supplied())
    await all_or_group("guards", [_refuse_open(rig, unit) for unit in rig.emulators])


async def _refuse_open(rig: Rig, unit: str) -> None:
    """Raise DeviceError for a guard that is open: nothing is switched on before it is closed."""
    for guard, is_closed in (await rig.read_guards(unit)).items():
        if not is_closed:
            read = f"digital input {guard.by.number} reads low"
            raise DeviceError(unit, f"{guard.name} is open ({read}): close it first")


async def all_or_group(what: str, jobs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run the jobs together and return their results in order.

    Raises ExceptionGroup with every error, so that one look shows all devices that failed.
    """
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if errors:
        raise BaseExceptionGroup(what, errors)
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


def not_ours(error: BaseException) -> BaseException | None:
    """Return the first leaf that is no BenchError: a bug, which nobody may swallow."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for leaf in error.exceptions if (found := not_ours(leaf))), None)
    return None if isinstance(error, BenchError) else error
