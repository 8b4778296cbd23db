"""A board that balances by itself, one that a host took over, and how it gets its own way back."""

import pytest
from reference_bench import BoardBench, load_design, on_bench
from tools import program

from drivers.boards.reference_picture import BoardOptions, Picture
from drivers.engines import library
from hil.core.errors import LinkTimeout
from hil.core.instants import SECOND
from hil.ports import BoardEngine, BoardFault

SOON = load_design(balance_every_ns=2 * SECOND)


def engine() -> BoardEngine:
    """Return the board's firmware, in time given to it."""
    program("cc")
    assert library.LIB.make is not None
    return library.LIB.make(library.LIB.firmware({}))


def test_a_board_balances_until_a_host_commands_it_and_again_when_it_is_let() -> None:
    async def main(bench: BoardBench) -> None:
        bench.cells.set_v(6, 3.40)
        own = [0.0] * 5 + [1.0] + [0.0] * 10
        assert (await bench.run(5)).duty == own
        assert (await bench.bleed(3, c9=1.0)).duty == [0.0] * 8 + [1.0] + [0.0] * 7
        assert await bench.board.make_safe() == "bleeds 0 of 16 on"
        # taken over for good: a board that a run has left must not begin to bleed again
        assert (await bench.run(10)).duty == [0.0] * 16
        await bench.board.balance()
        assert (await bench.run(5)).duty == own

    on_bench(main, SOON, engine=engine())


def test_one_frame_that_is_lost_does_not_keep_a_board_from_balancing() -> None:
    """A board that still has an older session's counter in mind drops the first one."""

    async def main(bench: BoardBench) -> None:
        bench.cells.set_v(6, 3.40)
        await bench.bleed(1)
        send, lost = bench.link.send, 0

        async def losing(frame: object) -> None:
            nonlocal lost
            lost += 1
            if lost > 1:
                await send(frame)  # type: ignore[arg-type]

        bench.link.send = losing  # type: ignore[method-assign]
        await bench.board.balance()
        assert lost > 1
        assert (await bench.run(5)).duty[5] == 1.0

    on_bench(main, SOON, engine=engine())


def test_a_board_that_only_does_as_it_is_told_refuses_to_balance() -> None:
    async def main(bench: BoardBench) -> None:
        bench.cells.set_v(6, 3.40)
        await bench.board.balance()
        report = await bench.run(2)
        assert BoardFault("bad-command") in report.faults
        assert report.duty == [0.0] * 16

    on_bench(main)


def test_a_board_that_is_silent_cannot_be_let_balance() -> None:
    async def main(bench: BoardBench) -> None:
        bench.twin.inject("silent", 0, active=True)
        with pytest.raises(LinkTimeout, match="no complete set of cell voltages"):
            await bench.board.balance()

    on_bench(main)


def test_a_status_has_the_time_of_its_cells_and_none_before_it_came() -> None:
    async def main(bench: BoardBench) -> None:
        assert Picture(BoardOptions(cells=16, ntcs=4)).report().status_at is None
        report = await bench.run(2)
        assert report.cells_at is not None
        assert report.status_at is not None
        assert 0 <= report.status_at - report.cells_at < SECOND // 100
        bench.twin.inject("silent", 0, active=True)
        assert (await bench.run(2)).status_at == report.status_at

    on_bench(main)
