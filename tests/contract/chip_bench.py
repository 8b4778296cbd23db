"""The reference board's electronics, awake, with a host at their SPI bus."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from reference_bench import QUIET, Terminals, load_design
from spi_host import Host

from drivers.virtual.firmware_board import FirmwareBoardTwin
from hil.bench.clock import run_virtual
from hil.physics.board import BoardDesign
from hil.ports import Clock

T = TypeVar("T")


class ChipBench(Terminals):
    """Electronics with their supply, awake, and a host at their bus."""

    def __init__(self, clock: Clock, design: BoardDesign, lead_ohm: float) -> None:
        super().__init__(clock, design, lead_ohm)
        self.twin = FirmwareBoardTwin("board", clock, self.plan)
        self.twin.start()
        self.host = Host(self.twin.spi, clock, design.front_ends)
        self.host.wake()

    def bleeding(self) -> list[int]:
        """Return the cells that bleed in truth."""
        return [k for k, on in enumerate(self.twin.truth()["bleeds"], 1) if on]

    def breaks(self, fault: str, cell: int, *, active: bool = True) -> None:
        self.twin.inject(fault, cell, active=active)


def on_chips(
    main: Callable[[ChipBench], Coroutine[Any, Any, T]], lead_ohm: float = 0.06, **design: Any
) -> T:
    async def awake(clock: Clock) -> T:
        return await main(ChipBench(clock, load_design(**{**QUIET, **design}), lead_ohm))

    return run_virtual(awake)
