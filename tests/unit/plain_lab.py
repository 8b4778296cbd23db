"""Virtual emulators of several makers, each with its driver, for tests that hold all alike."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from abs_unit import plan

from drivers.cell_emulators.keithley_2281s import Keithley2281s
from drivers.cell_emulators.keysight_n6705 import KeysightN6705
from drivers.cell_emulators.plain_unit import PlainUnit
from drivers.cell_emulators.rs_ngm import RsNgm
from drivers.links.memory import memory_byte_link
from drivers.virtual.emulator_twin import EmulatorTwin
from drivers.virtual.keithley_2281s import Keithley2281sTwin
from drivers.virtual.keysight_n6705 import KeysightN6705Twin
from drivers.virtual.rs_ngm import RsNgmTwin
from hil.bench.clock import run_virtual
from hil.core.instants import MILLISECOND
from hil.ports import ByteLink, Clock


class Make(NamedTuple):
    """A driver, its twin, and what the twin answers to ``*IDN?`` before its serial number."""

    driver: type[PlainUnit]
    twin: type[EmulatorTwin[Any]]
    says: tuple[str, str]


MAKES = {
    "rs-ngm": Make(RsNgm, RsNgmTwin, ("Rohde&Schwarz", "NGM202")),
    "keithley-2281s": Make(
        Keithley2281s, Keithley2281sTwin, ("KEITHLEY INSTRUMENTS", "MODEL 2281S-20-6")
    ),
    "keysight-n6705": Make(KeysightN6705, KeysightN6705Twin, ("Keysight Technologies", "N6705C")),
}


class Lab:
    """A virtual unit, its driver, and a way to speak to it past the driver."""

    def __init__(self, make: Make, clock: Clock, options: dict[str, Any]) -> None:
        self.clock = clock
        built: Any = make.twin
        self.twin: Any = built("unit", clock, plan(), {"serial": "N-17", "boot_ns": 0})
        self.log: list[bytes] = []
        tap = self.log.append
        self.link: ByteLink = memory_byte_link("unit", clock, {}, twin=self.twin, tap=tap)
        driver: Any = make.driver
        self.driver: Any = driver("unit", self.link, clock, options)
        self.cells = make.driver.SPEC.channels

    async def armed(self, *volts: float) -> None:
        await self.driver.connect()
        await self.driver.identify()
        await self.driver.arm()
        await self.driver.apply(volts or (3.3,) * self.cells, {})
        await self.pause(10 * MILLISECOND)

    async def pause(self, for_ns: int) -> None:
        await self.clock.sleep_until(self.clock.now() + for_ns)

    async def query(self, line: str) -> str:
        """Ask as a client that polls nothing and knows no driver."""
        answer: str = await self.driver._ask(line)
        return answer

    async def say(self, line: str) -> None:
        await self.driver._write(line)


Story = Callable[[Lab], Awaitable[None]]


def in_lab(make: str, story: Story, **options: Any) -> None:
    """Run a story in virtual time."""

    async def main(clock: Clock) -> None:
        await story(Lab(MAKES[make], clock, options))

    run_virtual(main)
