"""A bench around the reference board for its tests: plain cells, virtual time, memory CAN."""

import dataclasses
import math
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from drivers.boards.reference import ReferenceBoard
from drivers.links.memory_can import MemoryFrameLink, memory_frame_link
from drivers.virtual.firmware_board import FirmwareBoardTwin
from drivers.virtual.reference_board import ReferenceBoardTwin
from drivers.virtual.terminals import CellLoad
from hil.bench.clock import run_virtual
from hil.core.instants import Instant, from_seconds
from hil.core.wiring import Channel, NtcWire, ShuntWire, WiringPlan
from hil.physics.board import BoardDesign, ntc_divider_v
from hil.ports import BoardEngine, BoardFault, BoardReport, Clock, LabPlan
from hil.profile.designs import load_board

T = TypeVar("T")
BOARDS = Path(__file__).parents[2] / "profiles/boards"
QUIET: dict[str, Any] = {"noise_v": 0.0, "offset_v": 0.0, "gain_ppm": 0.0, "drift_ppm_per_k": 0.0}
"""A design with these fields reads exactly what its inputs see."""


def load_design(name: str = "reference-16s", **changes: Any) -> BoardDesign:
    return dataclasses.replace(load_board(name, BOARDS.parent), **changes)


class PlainCells:
    """Ideal emulated cells and auxiliary outputs: what is set is there at once."""

    def __init__(self, clock: Clock, design: BoardDesign) -> None:
        self._clock, self._design = clock, design
        self.volts = [3.3] * design.cells
        self.degc = [25.0] * design.ntcs
        self.current_a = 0.0
        self.loads: dict[int, CellLoad] = {}

    def connect_load(self, channel: int, load: CellLoad) -> None:
        self.loads[channel] = load

    def cell_v(self, channel: int, now: Instant) -> float:
        del now
        return self.volts[channel - 1]

    def limits_a(self, channel: int) -> tuple[float, float]:
        del channel
        return 5.0, 5.0

    def aux_v(self, number: int) -> float:
        if number > len(self.degc):
            return 5.0 + 100 * self.current_a * self._design.shunt_ohm
        degc = self.degc[number - 1]
        return 0.0 if math.isnan(degc) else ntc_divider_v(self._design, degc)

    def set_v(self, cell: int, volt: float) -> None:
        self.loads[cell].before_change(self._clock.now())
        self.volts[cell - 1] = volt

    def charge_as(self, cell: int) -> float:
        return self.loads[cell].charge_as(self._clock.now())

    def current_of(self, cell: int) -> float:
        return self.loads[cell].current_a(self._clock.now())


class Oven:
    """The air around the board."""

    def __init__(self) -> None:
        self.degc = 25.0

    def air_degc(self, now: Instant) -> float:
        del now
        return self.degc


class Terminals:
    """What a board is screwed to: cells and air, wired; ``plan`` is for the board's twin."""

    def __init__(
        self, clock: Clock, design: BoardDesign, lead_ohm: float = 0.06, seed: int = 7
    ) -> None:
        self.clock, self.design = clock, design
        self.cells, self.oven = PlainCells(clock, design), Oven()
        channels = tuple(Channel("cells", k + 1) for k in range(design.cells))
        ntcs = tuple(NtcWire(k, k, Channel("cells", k)) for k in range(1, design.ntcs + 1))
        shunt = ShuntWire(Channel("cells", design.ntcs + 1), 5.0, 100)
        wiring = WiringPlan(channels, (lead_ohm,) * (design.cells + 1), ntcs, shunt)
        self.plan = LabPlan(seed, wiring, design, {"cells": self.cells, "chamber": self.oven})


class BoardBench(Terminals):
    """Board, driver, cells and air, wired; ``wire`` collects every byte on the bus."""

    def __init__(
        self,
        clock: Clock,
        design: BoardDesign,
        lead_ohm: float,
        seed: int,
        engine: BoardEngine | None = None,
    ) -> None:
        super().__init__(clock, design, lead_ohm, seed)
        twin = FirmwareBoardTwin if engine else ReferenceBoardTwin
        plan = dataclasses.replace(self.plan, engine=engine)
        self.twin: FirmwareBoardTwin | ReferenceBoardTwin = twin("board", clock, plan)
        self.wire: list[bytes] = []
        self.link: MemoryFrameLink = memory_frame_link(
            "board", clock, {}, twin=self.twin, tap=self.wire.append
        )
        options = {"cells": design.cells, "ntcs": design.ntcs, "cycle_ns": design.cycle_ns}
        self.board = ReferenceBoard("board", self.link, clock, options)

    async def run(self, seconds: float) -> BoardReport:
        """Let time pass and see what the board says."""
        await self.clock.sleep_until(self.clock.now() + from_seconds(seconds))
        return await self.board.sense()

    async def bleed(self, seconds: int, **duty: float) -> BoardReport:
        """Command ``cN=duty`` every second, all others off."""
        row = [duty.get(f"c{k + 1}", 0.0) for k in range(self.design.cells)]
        for _ in range(seconds):
            await self.board.apply(row)
            report = await self.run(1)
        return report


def on_bench(
    main: Callable[[BoardBench], Coroutine[Any, Any, T]],
    design: BoardDesign | None = None,
    lead_ohm: float = 0.06,
    seed: int = 7,
    engine: BoardEngine | None = None,
) -> T:
    """Run ``main`` with a connected and identified board in virtual time.

    ``engine`` runs the firmware of a board that has one; None is the board that is all Python.
    """

    async def connected(clock: Clock) -> T:
        bench = BoardBench(clock, design or load_design(), lead_ohm, seed, engine)
        await bench.board.connect()
        await bench.board.identify()
        return await main(bench)

    return run_virtual(connected)


def faults(report: BoardReport) -> set[BoardFault]:
    return set(report.faults)
