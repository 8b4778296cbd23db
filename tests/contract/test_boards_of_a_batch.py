"""The boards of a batch against the bench's twin of the same design, name and seed."""

import numpy as np
import pytest
from reference_bench import BOARDS, BoardBench, load_design, on_bench

from hil.core.instants import to_seconds
from hil.physics.batch import Batch
from hil.physics.board import BoardDesign
from hil.physics.boards import Boards
from hil.physics.parameters import PackParameters
from hil.physics.stack import Floats
from hil.ports import BoardReport
from hil.profile.designs import load_board
from hil.profile.load import load_cell

DESIGNS = sorted(path.stem for path in BOARDS.glob("*.yaml"))
LEAD_OHM, SEED, CURRENT_A = 0.3, 11, -20.0
DUTY = {2: 1.0, 3: 1.0, 4: 0.5, 9: 0.25}
"""By cell, from 1: neighbours, one of them for half of the time; and one for itself."""


def volts_of(cells: int) -> Floats:
    return 3.3 + 0.2 * np.sin(np.arange(cells, dtype=np.float64))


def twin_of(design: BoardDesign) -> tuple[BoardReport, int, Floats]:
    """Return what the twin reports under bleed, in which cycle, and the mean currents."""

    async def main(bench: BoardBench) -> tuple[BoardReport, int, Floats]:
        bench.cells.current_a = CURRENT_A
        for cell, volt in enumerate(volts_of(design.cells).tolist(), 1):
            bench.cells.set_v(cell, volt)
        duty = {f"c{cell}": one for cell, one in DUTY.items()}
        await bench.bleed(12, **duty)
        report, cells = await bench.run(0.05), range(1, design.cells + 1)
        cycle, begun = bench.twin.cycles, bench.clock.now()
        charged_as = np.array([bench.cells.charge_as(cell) for cell in cells])
        await bench.bleed(4, **duty)
        passed_s = to_seconds(bench.clock.now() - begun)
        drawn_as = np.array([bench.cells.charge_as(cell) for cell in cells]) - charged_as
        return report, cycle, drawn_as / passed_s

    return on_bench(main, design, lead_ohm=LEAD_OHM, seed=SEED)


def boards_on(design: BoardDesign, seeds: tuple[int, ...]) -> tuple[Batch, Boards]:
    """Return boards that bleed as ``DUTY`` says, on packs that show ``volts_of``."""
    batch = Batch(PackParameters(design.cells, load_cell("lfp-100ah")), seeds)
    boards = Boards(design, batch, lead_ohm=LEAD_OHM)
    batch.impose(1.0, np.full(len(seeds), CURRENT_A), np.zeros(design.cells), 25.0)
    batch.seen_v[:] = volts_of(design.cells)
    duty = np.zeros((len(seeds), design.cells))
    for cell, one in DUTY.items():
        duty[:, cell - 1] = one
    boards.order(duty)
    return batch, boards


@pytest.mark.parametrize("name", DESIGNS)
def test_a_board_of_a_batch_reads_and_draws_what_the_twin_does(name: str) -> None:
    """One of three boards: its counts, noise included, and the mean current of every cell."""
    design = load_board(name, BOARDS.parent)
    report, cycle, drawn_a = twin_of(design)
    batch, boards = boards_on(design, (3, SEED, 4))
    current_a = boards.conductances(batch)[1] * volts_of(design.cells)
    readings = boards.read(batch, cycle)
    off_counts = np.abs(np.array(report.cell_v) - readings.cell_v[1]) / 1e-4
    # the twin's board has been warming for 12 s: that may round a count the other way
    assert off_counts.max() < 1.01
    assert (off_counts > 0.01).sum() <= 1
    assert readings.current_a[1] == pytest.approx(report.current_a, abs=1e-9)
    assert np.abs(current_a / drawn_a - 1.0).max() < 2e-3
    assert np.abs(readings.cell_v[1] - readings.cell_v[0]).max() > 1e-4  # another seed, other parts


def test_what_bleeds_warms_board_parts_and_readings_as_on_the_twin() -> None:
    """A quarter of an hour of both, the board in its own bleeds' heat."""
    design, seconds = load_design("isolated-zone"), 900

    async def main(bench: BoardBench) -> tuple[BoardReport, dict[str, object]]:
        for cell, volt in enumerate(volts_of(design.cells).tolist(), 1):
            bench.cells.set_v(cell, volt)
        report = await bench.bleed(seconds, **{f"c{cell}": one for cell, one in DUTY.items()})
        return report, dict(bench.twin.truth())

    report, truth = on_bench(main, design, lead_ohm=LEAD_OHM, seed=SEED)
    batch, boards = boards_on(design, (SEED,))
    air_degc = np.array([25.0])
    for _ in range(seconds // 30):
        bleed_a = boards.conductances(batch) * volts_of(design.cells)
        batch.impose(30.0, np.zeros(1), bleed_a, 25.0)
        batch.seen_v[:] = volts_of(design.cells)
        boards.after_leg(batch, 30.0, air_degc)
    rise_k = boards.hot_degc[0] - 25.0
    assert rise_k == pytest.approx(np.array(truth["hot_degc"]) - 25.0, rel=5e-3)
    assert rise_k.max() > 5.0
    pcb_degc = boards.read(batch).pcb_degc[0]
    assert pcb_degc == pytest.approx(report.pcb_degc, abs=0.11)
    drift_ratio = boards.drift_ratio[0]
    assert drift_ratio == pytest.approx(truth["drift_ratio"], rel=2e-3, abs=1e-12)
    assert np.abs(drift_ratio).max() > 0.0


def test_readings_are_those_of_the_last_sample_and_of_the_last_warmth() -> None:
    """They are told once and kept: a sample or a leg later they are told anew."""
    batch, boards = boards_on(load_board(DESIGNS[0], BOARDS.parent), (SEED,))
    before = boards.read(batch, 1)
    assert boards.readings() is before
    higher = boards.read(batch, 1, batch.seen_v + 0.1)
    assert higher.cell_v == pytest.approx(before.cell_v + 0.1, abs=2e-4)
    boards.after_leg(batch, 600.0, np.array([60.0]))
    assert (boards.readings().pcb_degc > before.pcb_degc + 1.0).all()
