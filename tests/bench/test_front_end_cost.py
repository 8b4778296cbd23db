"""What the front ends cost: a transfer, and the board with firmware or without (``make bench``)."""

import time

import pytest
from reference_bench import BoardBench, Terminals, load_design, on_bench
from spi_host import ADCV, CELLS_US, CLRCELL, MUTE, RDCV, SHUNT, UNMUTE, checked, command, config
from tools import program

from drivers.engines.library import LIB
from drivers.virtual.firmware_board import FirmwareBoardTwin
from hil.bench.clock import run_virtual
from hil.core.instants import MICROSECOND, SECOND
from hil.ports import BoardEngine, Clock

pytestmark = pytest.mark.bench

CYCLES = 1000
BOARD_S = 300


def transfers() -> dict[str, list[tuple[int, bytes]]]:
    """Return what firmware sends in a cycle; the pause is a conversion."""
    group_a, group_b = config([3])
    return {
        "before": [(0, command(code)) for code in (MUTE, CLRCELL, ADCV)],
        "after": [
            *[(0, command(code) + b"\xff" * 8) for code in RDCV],
            (SHUNT, b"\x11\0\0\0"),
            (0, command(0x001) + checked(group_a)),
            (0, command(0x024) + checked(group_b)),
            (0, command(UNMUTE)),
        ],
    }


def test_transfers_of_a_cycle() -> None:
    """The best of many cycles: what else the machine does only ever adds."""

    async def main(clock: Clock) -> float:
        twin = FirmwareBoardTwin("board", clock, Terminals(clock, load_design()).plan)
        twin.start()
        twin.spi.transfer(0, b"\xff")
        best = float("inf")
        for _ in range(CYCLES):
            spent = 0.0
            for part in transfers().values():
                began = time.perf_counter()
                for select, data in part:
                    twin.spi.transfer(select, data)
                spent += time.perf_counter() - began
                await clock.sleep_until(clock.now() + CELLS_US * MICROSECOND)
            best = min(best, spent)
        cells = twin.spi.transfer(0, command(RDCV[0]) + b"\xff" * 8)
        assert cells[4:10] != b"\xff" * 6, "nothing was converted"
        return best

    count = sum(map(len, transfers().values()))
    us = run_virtual(main) / count * 1e6
    print(f"\n  a transfer: {us:.1f} us, {count} in a cycle", end="")  # noqa: T201 - what make bench is for


def test_a_board_with_firmware_beside_the_one_in_python() -> None:
    """How much faster than real time each of them runs, its driver included."""
    program("cc")
    make = LIB.make
    assert make is not None
    python = speed(None)
    c = speed(make(LIB.firmware({})))
    print(  # noqa: T201 - the same
        f"\n  the board alone: {c:.0f} times real time with firmware, {python:.0f} without", end=""
    )


def speed(engine: BoardEngine | None) -> float:
    """Return board seconds a second of this process."""

    async def main(bench: BoardBench) -> float:
        await bench.run(2)
        began, at = time.process_time(), bench.clock.now()
        await bench.run(BOARD_S)
        return (bench.clock.now() - at) / SECOND / (time.process_time() - began)

    return on_bench(main, engine=engine)
