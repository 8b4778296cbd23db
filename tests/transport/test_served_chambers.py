"""Every chamber there is, behind a socket and in wall time, driven by its own driver."""

import asyncio
from pathlib import Path

import pytest
from served import serving

from hil.app import resolve
from hil.app.names import driver_of, keys_of
from hil.bench.wall_time import run_wall
from hil.core.instants import SECOND
from hil.ports import ChamberReading, Clock
from hil.profile import Bench, load_bench

pytestmark = pytest.mark.alone

NO_CHAMBERS = ("emulator-1", "emulator-2", "board")


async def driven(bench: Bench, name: str, place: str, clock: Clock) -> tuple[ChamberReading, str]:
    """Return a reading on the way to 30 degC, and what was read back of off."""
    config = bench.devices[name]
    kind, driver = resolve("links", "tcp"), driver_of(config)
    host, _, port = place.rpartition(":")
    link = kind.make(name, clock, {"host": host, "port": int(port)})
    device = driver(name, link, clock, keys_of(driver, config.options))
    await device.connect()
    await device.identify()
    await device.arm()
    await device.apply(30.0, 2.0)
    await device.sense()
    await clock.sleep_until(clock.now() + SECOND)
    reading = await device.sense()
    safe = await device.make_safe()
    await device.close()
    return reading, safe


def test_each_is_set_read_and_switched_off(tmp_path: Path) -> None:
    bench = load_bench("chambers")
    names = [name for name in bench.devices if name not in NO_CHAMBERS]
    with serving(tmp_path, bench="chambers") as lab:

        async def main(clock: Clock) -> list[tuple[ChamberReading, str]]:
            jobs = [driven(bench, name, lab.place(name), clock) for name in names]
            return await asyncio.gather(*jobs)

        for name, (reading, safe) in zip(names, run_wall(main), strict=True):
            truth = lab.truth(name)
            assert reading.air_degc == pytest.approx(truth["air_degc"], abs=1.0), name
            assert reading.set_degc == pytest.approx(30.0), name
            assert (reading.alarm, truth["conditioning"]) == ("", False), name
            assert safe, name
            assert truth.get("crowded", 0) == 0, name
