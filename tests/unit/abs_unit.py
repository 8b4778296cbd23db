"""A virtual Bloomy ABS, its driver, and every byte between them, for tests."""

import math
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from drivers.cell_emulators.bloomy_abs import BloomyAbs
from drivers.links.memory import memory_byte_link
from drivers.virtual.bloomy_abs import BloomyAbsTwin
from drivers.virtual.terminals import CellSource
from hil.bench.clock import run_virtual
from hil.core.instants import MILLISECOND, SECOND, Instant
from hil.core.wiring import WiringPlan
from hil.ports import Clock, LabPlan

OFF = ",".join("0" * 8)


def plan(seed: int = 7) -> LabPlan:
    return LabPlan(seed, WiringPlan((), (), (), None), None, {})


class Bleed:
    """A load of so many ohms for ``duty`` of each 100 ms, from their start."""

    def __init__(self, twin: CellSource, channel: int, ohm: float, duty: float = 1.0) -> None:
        self._twin, self._channel, self._ohm, self._duty = twin, channel, ohm, duty
        self._charge_as, self._since = 0.0, 0
        self.told: list[tuple[Instant, float]] = []
        twin.connect_load(channel, self)

    def _closed_a(self, now: Instant) -> float:
        volts = self._twin.cell_v(self._channel, now)
        return 0.0 if math.isnan(volts) else volts / self._ohm

    def current_a(self, now: Instant) -> float:
        return self._closed_a(now) if now % (100 * MILLISECOND) < self._duty * 1e8 else 0.0

    def charge_as(self, now: Instant) -> float:
        self._charge_as += self._closed_a(now) * self._duty * (now - self._since) / SECOND
        self._since = now
        return self._charge_as

    def limited_v(self, now: Instant) -> float | None:
        del now  # a load that does not care: its voltage never sags
        return None

    def before_change(self, now: Instant) -> None:
        self.told.append((now, self._twin.cell_v(self._channel, now)))
        self.charge_as(now)


class Lab(SimpleNamespace):
    """A virtual unit, its driver, and every byte that crossed between them."""

    clock: Any
    twin: BloomyAbsTwin
    driver: BloomyAbs
    log: list[bytes]

    async def armed(self) -> None:
        await self.driver.connect()
        await self.driver.identify()
        await self.driver.arm()

    def sent(self) -> list[bytes]:
        return [entry[1:] for entry in self.log if entry.startswith(b">")]


def in_lab(story: Callable[[Lab], Awaitable[None]], *, seed: int = 7, **options: object) -> None:
    """Run a story in virtual time."""

    async def main(clock: Clock) -> None:
        log: list[bytes] = []
        twin = BloomyAbsTwin("emulator-1", clock, plan(seed), {"serial": "V-17"})
        link = memory_byte_link("emulator-1", clock, {}, twin=twin, tap=log.append)
        driver = BloomyAbs("emulator-1", link, clock, options)
        await story(Lab(clock=clock, twin=twin, driver=driver, log=log, link=link))

    run_virtual(main)
