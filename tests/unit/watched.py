"""A healthy board on a bench of the tests' own, to be broken: what the rules about a board see."""

from hil.core.instants import SECOND
from hil.core.records import Deviation
from hil.core.signals import Layout
from hil.ports import BoardFault, BoardReport
from hil.verdict.deviations import BoardWatch
from hil.verdict.findings import Tolerances
from hil.verdict.shadow import Shadow

CELLS = 16
NTC_CELLS = {1: 1, 2: 6, 3: 11, 4: 16}
NO_FAULT: frozenset[BoardFault] = frozenset()
REPORT = BoardReport(
    cells_at=0,
    heard_at=0,
    cell_v=[],
    ntc_degc=[],
    pcb_degc=25.0,
    current_a=0.0,
    duty=[],
    charge_limit_a=100.0,
    discharge_limit_a=100.0,
    charge_allowed=True,
    discharge_allowed=True,
    faults=NO_FAULT,
    rejected_frames=0,
    cell_sets=0,
    status_at=0,
)
"""What stands in the row is read from there."""


class Watched:
    """A healthy board on a bench, to be broken: one tick a second, one set of readings a tick."""

    def __init__(
        self, tolerances: Tolerances, layout: Layout, shadow: Shadow | None = None
    ) -> None:
        """Wire it up, healthy and at rest."""
        self.watch = BoardWatch(layout, tolerances, NTC_CELLS, shadow)
        self.layout = layout
        self.tick = 0
        self.step = "1.rest"
        self.sets = 0
        self.rejected = 0
        self.status_late = 0
        self.faults = NO_FAULT
        self.row = [0.0] * layout.width
        self.put("emulator.read_v", [3.3] * CELLS)
        self.put("board.cell_v", [3.3] * CELLS)
        self.put("plant.cell_degc", [25.0] * CELLS)
        self.put("board.ntc_degc", [25.0] * 4)
        self.put("board.age_s", [0.1])
        self.seen: list[Deviation] = []

    def put(self, name: str, values: list[float]) -> None:
        """Write a signal into the row."""
        self.row[self.layout.columns(name)] = values

    def cell(self, name: str, cell: int, value: float) -> None:
        """Write one cell's value; cells count from 1."""
        self.row[self.layout.index(name) + cell - 1] = value

    def run(self, ticks: int, *, sets: int = 1) -> list[Deviation]:
        """Let ticks pass; return what is new."""
        new: list[Deviation] = []
        for _ in range(ticks):
            self.sets += sets
            at = self.tick * SECOND
            report = REPORT._replace(
                faults=self.faults,
                cell_sets=self.sets,
                rejected_frames=self.rejected,
                cells_at=at,
                status_at=at - self.status_late,
            )
            new += self.watch.check(at, self.row, report, self.step)
            self.tick += 1
        self.seen += new
        return new


def names(deviations: list[Deviation]) -> list[tuple[str, str]]:
    """Return what was found and of what."""
    return [(deviation.name, deviation.subject) for deviation in deviations]
