"""The guardian of one run: makes the bench safe when the run no longer can.

A program of its own (``python -m hil.guardian``), since no clean-up inside a process survives
SIGKILL, and a process that hangs keeps its ports. When the run's beats end, it kills the run, waits
until the kernel has taken its links away, opens them itself, makes every device safe in its order,
reads it back, and leaves ``guardian.json`` in the run's folder.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from hil.app.ending import end
from hil.app.leases import FencedError, Leases, Tenancy, process_of
from hil.app.preparation import prepare_bench
from hil.app.reading_back import Safe
from hil.app.rig import build
from hil.app.summons import Door
from hil.bench.door import asked
from hil.bench.guard import LOST_AFTER
from hil.bench.rig import Rig
from hil.bench.safe_state import PATIENCE, SafeState, made_safe, note_of, open_known, undo_of
from hil.bench.wall_time import run_wall, utc_now_text
from hil.core.errors import BenchError, DeviceError, EnvironmentProblem
from hil.core.instants import MILLISECOND, Instant, to_seconds
from hil.core.records import Record, SafeStateReached
from hil.ports import Clock, Device, Identity
from hil.results import catalogue
from hil.results.wire_hash import WireHash

_CHUNK = 65_536
ENVIRONMENT = 69


class Watch:
    """What the run has said so far, and why it is not to be waited for any longer."""

    def __init__(self, clock: Clock, hears: int, says: int, run: int) -> None:
        """Listen on ``hears``, answer on ``says``; ``run`` is a pidfd of the run."""
        self.known: dict[str, Identity] = {}
        self.folder: Path | None = None
        self.handed_over = False
        self._clock, self._hears, self._says = clock, hears, says
        self._rest = b""
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._heard: Instant = clock.now()
        self._beating = self._called = False
        loop = asyncio.get_running_loop()
        os.set_blocking(hears, False)
        os.set_blocking(says, False)
        loop.add_reader(hears, self._hear)
        loop.add_reader(run, self._died, run)

    @property
    def touched(self) -> bool:
        """Say whether there is something to make safe: the run beats from before it connects."""
        return self._beating or self._called

    async def lost(self) -> str:
        """Wait for the run's end; return why it was lost, empty if it took its leave."""
        return await self._over

    def call(self, by: str) -> None:
        """Make the bench safe because somebody wants it, whatever the run does."""
        self._called = True
        self.settle(f"hil safe of {by}")

    def take(self, line: Mapping[str, Any]) -> None:
        """Take one message of the run; an empty one is a beat."""
        if line.get("done"):
            self.settle("")
        elif "left" in line:
            self.handed_over = True
            self.settle(line["left"])
        elif "folder" in line:
            self.folder = Path(line["folder"])
        elif "device" in line:
            self.known[line["device"]] = Identity(*line["who"])
        else:
            self._beat()

    def _hear(self) -> None:
        """Read what has come. The end of the pipe is the end of the run."""
        data = os.read(self._hears, _CHUNK)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.take(json.loads(line))
        if not data:
            self.settle("the run died")

    def _died(self, run: int) -> None:
        """Read what the run has said to its end: it may have taken its leave."""
        asyncio.get_running_loop().remove_reader(run)
        with suppress(BlockingIOError):
            while not self._over.done():
                self._hear()
        self.settle("the run died")

    def _beat(self) -> None:
        """Note that the run lives, and answer."""
        self._heard = self._clock.now()
        if not self._beating:
            self._beating = True
            self._clock.call_at(self._heard + LOST_AFTER, self._look)
        try:
            os.write(self._says, b".")
        except BlockingIOError:
            pass  # it has not looked for a long time: its beats say whether it lives
        except BrokenPipeError:
            self.settle("the run died")

    def _look(self) -> None:
        """Say that the run is lost, or look again when it could be."""
        if self._clock.now() - self._heard >= LOST_AFTER:
            self.settle(f"no beat of the run for {to_seconds(LOST_AFTER):g} s")
        else:
            self._clock.call_at(self._heard + LOST_AFTER, self._look)

    def settle(self, why: str) -> None:
        """Wait no longer, and say why; empty: there is nothing to do."""
        if not self._over.done():
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._hears)
            self._over.set_result(why)


async def guard(clock: Clock, rig: Rig, watch: Watch, run: int, tenancy: Tenancy) -> int:
    """Watch a run to its end and act if it is lost; return the exit code."""
    cause = await watch.lost()
    if not cause or not watch.touched:
        return 0
    lost = clock.now()
    if not watch.handed_over:
        await end(run)
    reached, bug = await make_safe(clock, rig, watch.known)
    safe = all(one["ok"] for one in reached)
    if safe:
        with suppress(FencedError):  # somebody was faster, and holds it now
            tenancy.free()
    account = {"at_utc": utc_now_text(), "cause": cause, "safe": safe}
    account |= {"took_ms": (clock.now() - lost) / MILLISECOND, "devices": reached}
    told = "every output read back off" if safe else "NOT SAFE: " + _unsafe(reached)
    took_s = to_seconds(clock.now() - lost)
    with suppress(OSError):  # the terminal may have gone with the run: the record has it
        os.write(
            2, f"hil: guardian: {cause}; {told} after {took_s:.2f} s{_notes(reached)}\n".encode()
        )
    if watch.folder is not None:
        catalogue.write_json(watch.folder, catalogue.GUARDIAN, account)
    if bug is not None:
        raise bug
    return 0 if safe else ENVIRONMENT


async def make_safe(
    clock: Clock, rig: Rig, known: Mapping[str, Identity]
) -> tuple[list[dict[str, Any]], Exception | None]:
    """Open all links together, make each device safe in its order, and return what was read.

    A bug is returned, to be raised when what was read stands in the record.
    """
    reached: dict[str, dict[str, Any]] = {}
    begun = clock.now()

    def keep(record: Record) -> None:
        if isinstance(record, SafeStateReached):
            one = Safe(record.device, record.meaning, record.ok, record.read_back, "")
            reached[record.device] = asdict(one) | {
                "after_ms": (record.at - begun) / MILLISECOND,
            }

    state = SafeState(clock, keep, patience=PATIENCE)
    for device in rig.devices():
        # All links are opened at once, whatever the order in which they are then used.
        opened = asyncio.ensure_future(_open(device, known))
        told = partial(asked, rig) if device is rig.chamber else None
        way = partial(_made_safe, device, known, opened, told)
        state.arm(undo_of(rig, device, way))
    bug: Exception | None = None
    try:
        await state.reach()
    except Exception as found:  # noqa: BLE001 - all devices were told: raised after the record
        bug = found
    return list(reached.values()), bug


async def _open(device: Device, known: Mapping[str, Identity]) -> None:
    """Open a link; one that cannot be opened is tried again, and told of, on the way down."""
    with suppress(DeviceError):
        await open_known(device, known)


async def _made_safe(
    device: Device,
    known: Mapping[str, Identity],
    opened: asyncio.Task[None],
    told: Callable[[], Awaitable[str]] | None,
    means: int | None,
) -> str:
    """Make a device safe as soon as its link is open. Raises DeviceError."""
    await asyncio.shield(opened)
    return await made_safe(device, known, told, means)


def _notes(reached: list[dict[str, Any]]) -> str:
    """Return what else there is to know of devices that are safe: a door to be kept shut."""
    notes = ((one["device"], note_of(one["read_back"])) for one in reached if one["ok"])
    return "".join(f"; {device}: {note}" for device, note in notes if note)


def _unsafe(reached: list[dict[str, Any]]) -> str:
    return "; ".join(f"{one['device']}: {one['read_back']}" for one in reached if not one["ok"])


def main(arguments: Sequence[str]) -> int:
    """Guard the run that started this process, over the pipes that it names; return the exit code.

    Raises ConfigErrors for a bench that is not the one that the run has read.
    """
    # Whatever stops the run leaves its guardian until the run has gone: Ctrl-C, a closed terminal,
    # a service that is stopped with all its processes.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    hears, says = map(int, arguments)
    wanted = json.loads(_first_line(hears))
    run = os.pidfd_open(wanted["pid"])
    if os.getppid() != wanted["pid"]:
        return 0  # it died before it touched anything
    bench = prepare_bench(wanted["bench"], wanted["overrides"], engine=wanted["engine"])
    if bench.resolved_text() != wanted["resolved"]:
        raise EnvironmentProblem(f"{wanted['bench']} was changed while the run began: start again")

    tenancy = Tenancy(Leases(Path(wanted["leases"])), wanted["tokens"])

    async def watching(clock: Clock) -> int:
        rig = build(bench, 1, clock, WireHash(), fences=tenancy.fence)
        watch = Watch(clock, hears, says, run)
        me = process_of(os.getpid())
        door = Door(tenancy.leases.folder, me, watch.call)
        await door.open()
        code = ENVIRONMENT
        try:
            os.write(says, b"!")
            code = await guard(clock, rig, watch, run, tenancy)
        finally:
            await door.close({"safe": code == 0})
        return code

    return run_wall(watching)


def _first_line(descriptor: int) -> bytes:
    """Read up to the first line feed, and not a byte more: what follows is for the loop."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            sys.exit(0)  # the run has gone before it said anything
        line += byte
    return line


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BenchError as error:
        sys.exit(f"hil: guardian: {error}")
