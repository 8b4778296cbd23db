"""What a board's firmware costs in the library engine: a step, a board cycle, a build."""

import sys
from pathlib import Path

import pytest
from engine_stub import Chip, built, frame
from tools import program

from drivers.engines import build, library
from drivers.engines.library import LibraryEngine
from hil.app import Request, run_profile
from hil.bench.stop import StopLadder
from hil.bench.wall_time import cpu_seconds, monotonic_ns
from hil.cli import logs
from hil.core.instants import MILLISECOND
from hil.ports import Firmware

pytestmark = pytest.mark.bench

PERIOD, TIMES = 10 * MILLISECOND, 20_000


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logs.configure(verbose=False)


def say(line: str) -> None:
    sys.stdout.write(f"\n{line}")


def took_us(engine: LibraryEngine, frames: int) -> float:
    """Return what one advance costs: its steps, a transfer, ``frames`` each way and one more."""
    heard = [frame(0x100 + number, bytes(8)) for number in range(frames)]
    begun_s = cpu_seconds()
    for number in range(1, TIMES + 1):
        for one in heard:
            engine.hear(one)
        engine.advance(number * PERIOD)
    return (cpu_seconds() - begun_s) / TIMES * 1e6


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    """Firmware that does next to nothing: what is left is the engine."""
    return built(tmp_path_factory.mktemp("engine") / "fw")


def test_an_advance(plain: Firmware) -> None:
    for frames in (0, 8, 32):
        engine = LibraryEngine(plain)
        engine.power_on(0, b"B", Chip())
        assert len(engine.advance(PERIOD)) == 1
        say(f"two steps, a transfer, {frames} + 1 frames: {took_us(engine, frames):.1f} us")


def test_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program("cc")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    images = []
    for what in ("built", "found in the cache"):
        begun = monotonic_ns()
        images.append(build.build(library.RECIPE))
        say(f"the reference firmware, {what}: {(monotonic_ns() - begun) / 1e6:.0f} ms")
    assert len({image.sha256 for image in images}) == 1


def test_an_hour_of_a_board(tmp_path: Path) -> None:
    """The same hour with the pure-Python board and with firmware on emulated chips."""
    program("cc")
    for engine in ("twin", "lib"):
        request = Request(
            "room-baseline", runs=tmp_path, until=3_600 * 1_000 * MILLISECOND, engine=engine
        )
        begun_s = cpu_seconds()
        summary = run_profile(request, StopLadder(), lambda _status: None).summary
        used_s = cpu_seconds() - begun_s
        assert summary["simulated_s"] >= 3_600
        say(f"{engine}: {summary['speed']:.0f} times real time, {used_s:.1f} s of a core")
