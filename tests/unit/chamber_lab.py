"""Virtual chambers of several makers, each with its driver, for tests that hold all alike."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from abs_unit import plan

from drivers.chambers.described import DescribedChambers
from drivers.chambers.espec_p300 import EspecP300
from drivers.chambers.watlow_f4t import WatlowF4T
from drivers.links.memory import memory_byte_link
from drivers.virtual.described_chamber import DescribedChamberTwins
from drivers.virtual.espec_p300 import EspecP300Twin
from drivers.virtual.watlow_f4t import WatlowF4TTwin
from hil.bench.clock import run_virtual
from hil.core.instants import SECOND, Instant
from hil.ports import ByteLink, ChamberReading, Clock
from hil.profile import load_instrument


@dataclass(frozen=True)
class Make:
    """A driver, its twin, and the keys of both."""

    driver: Any
    twin: Any
    options: dict[str, Any] = field(default_factory=dict)
    virtual: dict[str, Any] = field(default_factory=dict)


def described(name: str) -> Make:
    """Return a chamber whose words a file describes."""
    words = load_instrument(name)
    return Make(DescribedChambers.described(words), DescribedChamberTwins.described(words))


MAKES = {
    "watlow-f4t": Make(WatlowF4T, WatlowF4TTwin),
    "watlow-f4t-cascade": Make(WatlowF4T, WatlowF4TTwin, {"cascade": True}, {"cascade": True}),
    "watlow-f4t-blank": Make(WatlowF4T, WatlowF4TTwin, {}, {"blank_after_orders": True}),
    "espec-p300": Make(EspecP300, EspecP300Twin),
    "espec-p300-rs485": Make(EspecP300, EspecP300Twin, {"address": 3}, {"address": 3}),
    **{name: described(name) for name in ("cts", "votsch-ascii2", "simserv", "thermotron-8800")},
}


class Lab:
    """A virtual chamber, its driver, and what goes over the wire between them."""

    def __init__(self, make: Make, clock: Clock) -> None:
        self.clock, self.make = clock, make
        self.twin = make.twin("chamber", clock, plan(), dict(make.virtual))
        self.log: list[bytes] = []
        tap = self.log.append
        self.link: ByteLink = memory_byte_link("chamber", clock, {}, twin=self.twin, tap=tap)
        self.driver = self.another()

    def another(self) -> Any:
        """Return one more driver of the same chamber."""
        return self.make.driver("chamber", self.link, self.clock, dict(self.make.options))

    async def armed(self) -> None:
        await self.driver.connect()
        await self.driver.identify()
        await self.driver.arm()

    async def pause(self, for_ns: Instant) -> None:
        await self.clock.sleep_until(self.clock.now() + for_ns)

    async def watched(self, minutes: int) -> list[ChamberReading]:
        """Read as a bench does, every second; return the reading at each minute."""
        found = []
        begin = self.clock.now()
        for second in range(60 * minutes):
            reading = await self.driver.sense()
            if second % 60 == 0:
                found.append(reading)
            await self.clock.sleep_until(begin + (second + 1) * SECOND)
        return found

    def air_degc(self) -> float:
        return float(self.twin.air_degc(self.clock.now()))


Story = Callable[[Lab], Awaitable[None]]


def in_lab(make: Make, story: Story) -> None:
    """Run a story in virtual time."""

    async def main(clock: Clock) -> None:
        await story(Lab(make, clock))

    run_virtual(main)
