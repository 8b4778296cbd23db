"""A live board's clock against the host's, how quickly it comes up, and what it takes of the host.

Chips, lab and client share this process's loop; the board is a process of its own. Its cycles are
counted in its PACK_STATUS: 16 bits, at multiples of the cycle since power-up.
"""

import asyncio
import os
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from tools import program

from drivers.links.slcan import slcan_link
from drivers.wire import reference_board as wire
from hil.app.engines import with_firmware
from hil.app.lab import Lab
from hil.app.preparation import prepare_bench
from hil.bench.wall_time import monotonic_ns, run_wall
from hil.core.instants import to_seconds
from hil.ports import Clock, FrameLink
from hil.profile import Bench

pytestmark = pytest.mark.bench

NEEDS = {"process": ("cc",), "qemu": ("arm-none-eabi-gcc", "qemu-system-arm")}
LASTS_S = float(os.environ.get("LIVE_CLOCK_S", "60"))
STARTS, QUESTIONS = 10, 1_000
EDGE = 100  # cycles at either end; the least late one counts: a busy host delivers some late
CYCLE_BITS = 16


def say(line: str) -> None:
    sys.stdout.write(f"\n{line}")


def cpu_s(pid: int) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def connected(lab: Lab, clock: Clock) -> FrameLink:
    """Join the board's bus."""
    host, _, port = lab.endpoints["board"].places[0].address.rpartition(":")
    link = slcan_link("board", clock, {"host": host, "port": port})
    await link.open()
    return link


async def cycles(link: FrameLink) -> AsyncIterator[tuple[int, float]]:
    """Yield each cycle's number, counted on, and when its status came (s)."""
    number: int | None = None
    while True:
        for frame in await link.receive():
            if frame.arbitration_id == wire.PACK_STATUS:
                counted = wire.decode_pack_status(bytes(frame.data)).cycle
                step = 0 if number is None else (counted - number) % (1 << CYCLE_BITS)
                number = counted if number is None else number + step
                yield number, frame.timestamp


def bench_of(engine: str) -> Bench:
    """Return ``virtual-16s`` with the board in an engine."""
    for tool in NEEDS[engine]:
        program(tool)
    return with_firmware(prepare_bench("virtual-16s", engine=engine, served=True))


def measured(engine: str, measure: Callable[[Lab, Clock], Awaitable[None]]) -> None:
    """Run a measurement in a lab whose emulators are off."""
    bench = bench_of(engine)

    async def main(clock: Clock) -> None:
        lab = Lab(bench, 1, clock)
        try:
            lab.open()
            await measure(lab, clock)
        finally:
            lab.close()

    run_wall(main)


@pytest.mark.parametrize("engine", NEEDS)
def test_the_clock(engine: str) -> None:
    async def measure(lab: Lab, clock: Clock) -> None:
        pid = lab.endpoints["board"].pid
        assert pid is not None
        link, late = await connected(lab, clock), list[float]()
        begun_s, first, at = cpu_s(pid), None, 0.0
        async for number, at in cycles(link):
            first = at if first is None else first
            late.append(at - number * to_seconds(lab.bench.board.cycle_ns))
            if at - first >= LASTS_S:
                break
        assert first is not None
        lasted_s = at - first
        ahead_ms = (min(late[:EDGE]) - min(late[-EDGE:])) * 1e3
        say(
            f"{engine}: {ahead_ms:+.2f} ms in {lasted_s:.0f} s against the host's clock; a status "
            f"is up to {(max(late) - min(late)) * 1e3:.1f} ms late, its process takes "
            f"{(cpu_s(pid) - begun_s) / lasted_s:.1%} of a core"
        )
        await link.close()

    measured(engine, measure)


@pytest.mark.parametrize("engine", NEEDS)
def test_the_start(engine: str) -> None:
    async def measure(lab: Lab, clock: Clock) -> None:
        took_ms = []
        for _ in range(STARTS):
            lab.power_off("board")
            begun_ns = monotonic_ns()
            lab.power_on("board")
            link = await connected(lab, clock)
            await first_cell_set(link)
            took_ms.append((monotonic_ns() - begun_ns) / 1e6)
            await link.close()
        assert len(took_ms) == STARTS
        say(f"{engine}: first full cell set {told(took_ms)} ms after its process was started")

    measured(engine, measure)


async def first_cell_set(link: FrameLink) -> None:
    """Wait until the status that ends a set of cells has come."""
    async for _ in cycles(link):
        return


@pytest.mark.parametrize("engine", NEEDS)
def test_a_question_to_its_adapter(engine: str) -> None:
    async def measure(lab: Lab, _clock: Clock) -> None:
        host, _, port = lab.endpoints["board"].places[0].address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        took_ms = []
        for _ in range(QUESTIONS):
            begun_ns = monotonic_ns()
            writer.write(b"V\r")
            assert (await reader.readuntil(b"\r")).startswith(b"V")
            took_ms.append((monotonic_ns() - begun_ns) / 1e6)
        writer.close()
        say(f"{engine}: an answer of its adapter after {told(took_ms)} ms")

    measured(engine, measure)


def told(took_ms: Sequence[float]) -> str:
    """Return the middle and the worst of what was measured."""
    return f"{statistics.median(took_ms):.2f} (at most {max(took_ms):.2f})"
