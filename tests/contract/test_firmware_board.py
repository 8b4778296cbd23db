"""The board with its C firmware against the board that is all Python, on the same terminals.

Neither knows the other's source: what both do alike, both took from the protocol and the design.
"""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_bench import QUIET, BoardBench, faults, load_design, on_bench
from tools import program

from drivers.engines.library import LIB
from hil.core.instants import MILLISECOND, SECOND, Instant
from hil.physics.board import BoardDesign
from hil.ports import BoardEngine, BoardFault, BoardReport, Identity

Engines = Callable[[], BoardEngine]
Act = Callable[[BoardBench], None]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Engines:
    """Return what makes an engine with the firmware as it stands, built into a cache of its own."""
    program("cc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        firmware = LIB.firmware({})
    make = LIB.make
    assert make is not None
    return lambda: make(firmware)


# --- the same terminals, the same reports ---------------------------------------------------------


def set_v(cell: int, volt: float) -> Act:
    return lambda bench: bench.cells.set_v(cell, volt)


def set_degc(ntc: int, degc: float) -> Act:
    return lambda bench: bench.cells.degc.__setitem__(ntc - 1, degc)


def set_a(current_a: float) -> Act:
    return lambda bench: setattr(bench.cells, "current_a", current_a)


def set_air(degc: float) -> Act:
    return lambda bench: setattr(bench.oven, "degc", degc)


def lead(number: int, *, is_open: bool) -> Act:
    return lambda bench: bench.twin.inject("open-lead", number, active=is_open)


TROUBLE: dict[str, tuple[Act, Act]] = {
    "over-voltage": (set_v(3, 3.7), set_v(3, 3.4)),
    "under-voltage": (set_v(5, 2.4), set_v(5, 3.0)),
    "too hot": (set_degc(2, 66.0), set_degc(2, 55.0)),
    "too cold": (set_degc(3, -21.0), set_degc(3, 2.0)),
    "broken NTC": (set_degc(1, math.nan), set_degc(1, 25.0)),
    "over-current": (set_a(125.0), set_a(90.0)),
    "over-current in charge": (set_a(-125.0), set_a(-90.0)),
    "hot board": (set_air(400.0), set_air(-100.0)),
    "middle lead": (lead(7, is_open=True), lead(7, is_open=False)),
    "top lead": (lead(17, is_open=True), lead(17, is_open=False)),
    "bottom lead": (lead(1, is_open=True), lead(1, is_open=False)),
}


def told(report: BoardReport) -> tuple[object, ...]:
    """Return what must not differ between two boards."""
    broken = [k for k, degc in enumerate(report.ntc_degc) if math.isnan(degc)]
    return (
        report.faults,
        report.charge_limit_a,
        report.discharge_limit_a,
        report.charge_allowed,
        report.discharge_allowed,
        broken,
    )


async def events(
    bench: BoardBench, actions: tuple[Act, ...], seconds: int
) -> list[tuple[Instant, tuple[object, ...]]]:
    """Return all that the board says anew after each action, and when."""
    seen: list[tuple[Instant, tuple[object, ...]]] = []
    await bench.run(2.03)
    for act in actions:
        act(bench)
        for _ in range(20 * seconds):
            now = told(await bench.run(0.05))
            if not seen or now != seen[-1][1]:
                seen.append((bench.clock.now(), now))
    return seen


@pytest.mark.parametrize("trouble", TROUBLE)
def test_both_boards_say_the_same_of_trouble_at_the_same_time(
    trouble: str, engines: Engines
) -> None:
    seconds = 150 if trouble == "hot board" else 7
    design = load_design()

    async def main(bench: BoardBench) -> list[tuple[Instant, tuple[object, ...]]]:
        return await events(bench, TROUBLE[trouble], seconds)

    python, c = on_bench(main, design), on_bench(main, design, engine=engines())
    assert [what for _, what in c] == [what for _, what in python]
    assert len(python) > 2
    for (at, _), (reference_at, _) in zip(c, python, strict=True):
        assert abs(at - reference_at) <= design.cycle_ns


@settings(max_examples=8)
@given(
    st.sampled_from([(1, 1), (16, 16), (17, 16), (32, 16), (60, 15), (64, 18)]),
    st.lists(st.floats(0.0, 5.2), min_size=64, max_size=64),
    st.lists(st.floats(-35.0, 100.0), min_size=5, max_size=5),
    st.floats(-110.0, 110.0),
)
def test_both_boards_read_the_same(
    engines: Engines,
    chain: tuple[int, int],
    volts: list[float],
    degc: list[float],
    current_a: float,
) -> None:
    cells, a_chip = chain
    design = load_design(
        cells=cells,
        cells_per_front_end=a_chip,
        ntcs=5,
        current_noise_a=0.0,
        **QUIET | {"offset_v": 2e-3, "gain_ppm": 200.0},
    )

    async def main(bench: BoardBench) -> BoardReport:
        for cell in range(1, cells + 1):
            bench.cells.set_v(cell, volts[cell - 1])
        bench.cells.degc[:] = degc
        bench.cells.current_a = current_a
        return await bench.run(2.5)

    python, c = on_bench(main, design), on_bench(main, design, engine=engines())
    # inputs that an earlier voltage left charged have settled in both; what differs is rounding
    assert c.cell_v == pytest.approx(python.cell_v, abs=1.01e-4)
    # one step of the ADC is 0.2 K at the cold end of the divider, the curve's segments as much
    assert c.ntc_degc == pytest.approx(python.ntc_degc, abs=0.4)
    assert c.pcb_degc == pytest.approx(python.pcb_degc, abs=0.1)
    assert c.current_a == pytest.approx(python.current_a, abs=2e-3)
    assert told(c) == told(python)


def test_noise_is_that_of_the_same_converter(engines: Engines) -> None:
    design = load_design()

    async def main(bench: BoardBench) -> list[float]:
        return [(await bench.run(0.1)).cell_v[0] for _ in range(400)]

    python, c = on_bench(main, design), on_bench(main, design, engine=engines())
    means = [sum(one) / len(one) for one in (python, c)]
    spreads = [
        math.sqrt(sum((v - mean) ** 2 for v in one) / len(one))
        for one, mean in zip((python, c), means, strict=True)
    ]
    assert means[1] == pytest.approx(means[0], abs=5 * design.noise_v / math.sqrt(400))
    assert spreads == pytest.approx([design.noise_v] * 2, rel=0.2)


def test_the_board_says_who_it_is(engines: Engines) -> None:
    async def main(bench: BoardBench) -> Identity:
        return await bench.board.identify()

    expected = Identity("reference", "reference-board", "00000001", "2.0.0")
    assert on_bench(main, engine=engines()) == expected


def test_one_seed_gives_one_run_to_the_bit(engines: Engines) -> None:
    async def main(bench: BoardBench) -> list[bytes]:
        await bench.bleed(3, c3=0.7)
        return bench.wire

    first, again, other = [on_bench(main, seed=seed, engine=engines()) for seed in (7, 7, 8)]
    assert first == again
    assert first != other


# --- bleeds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("duty", [0.005, 0.25, 0.5, 0.9])
def test_a_commanded_duty_takes_the_same_charge_from_its_cell(
    duty: float, engines: Engines
) -> None:
    async def main(bench: BoardBench) -> list[float]:
        await bench.bleed(2, c5=duty)
        before = [bench.cells.charge_as(cell) for cell in (4, 5, 6)]
        await bench.bleed(10, c5=duty)
        return [bench.cells.charge_as(cell) - b for cell, b in zip((4, 5, 6), before, strict=True)]

    python, c = on_bench(main), on_bench(main, engine=engines())
    assert c == pytest.approx(python, rel=0.002)


def test_bleeds_stop_with_the_commands_and_both_boards_say_so_at_once(engines: Engines) -> None:
    async def main(bench: BoardBench) -> list[tuple[Instant, tuple[object, ...]]]:
        await bench.bleed(2, c5=1.0, c9=0.25)
        return await events(bench, (lambda _: None,), 4)

    python, c = on_bench(main), on_bench(main, engine=engines())
    assert [what for _, what in c] == [what for _, what in python]
    assert frozenset({BoardFault("command-lost")}) in [what[0] for _, what in c]
    for (at, _), (reference_at, _) in zip(c, python, strict=True):
        assert abs(at - reference_at) <= 100 * MILLISECOND


def bleeding(bench: BoardBench) -> list[int]:
    """Return the cells that bleed in truth."""
    return [k for k, on in enumerate(bench.twin.truth()["bleeds"], 1) if on]


BALANCING = {"balance_every_ns": 2 * SECOND, "mute": True}


def test_the_board_balances_until_a_host_commands_and_again_when_it_is_told_to(
    engines: Engines,
) -> None:
    async def main(bench: BoardBench) -> None:
        bench.cells.set_v(4, 3.36)
        bench.cells.set_v(9, 3.34)  # above the stop, below the start
        await bench.run(5.05)
        assert bleeding(bench) == [4]
        report = await bench.bleed(2, c9=1.0)
        assert bleeding(bench) == [9]
        assert [k for k, duty in enumerate(report.duty, 1) if duty] == [9]
        await bench.bleed(2)
        assert bleeding(bench) == []
        await bench.board.balance()
        await bench.run(3)
        await bench.clock.sleep_until(bench.clock.now() // SECOND * SECOND + SECOND + SECOND // 20)
        assert bleeding(bench) == [4]
        assert not faults(await bench.board.sense())
        bench.cells.set_v(4, 3.335)  # hysteresis holds it
        await bench.run(4)
        assert bleeding(bench) == [4]
        bench.cells.set_v(4, 3.325)
        await bench.run(4)
        assert bleeding(bench) == []

    on_bench(main, load_design(**QUIET | BALANCING), engine=engines())


def test_a_transistor_that_is_stuck_shows_at_the_cell_and_not_in_the_report(
    engines: Engines,
) -> None:
    async def main(bench: BoardBench) -> None:
        bench.twin.inject("stuck-bleed", 6, active=True)
        report = await bench.run(3)
        assert bleeding(bench) == [6]
        assert set(report.duty) == {0.0}
        assert not faults(report)

    on_bench(main, engine=engines())


# --- front ends that fail -------------------------------------------------------------------------


def silent(design: BoardDesign, cell: int) -> set[int]:
    """Return the cells that nobody sees without the front end of ``cell`` and all behind it."""
    first = (cell - 1) // design.cells_per_front_end * design.cells_per_front_end
    return set(range(first + 1, design.cells + 1))


@pytest.mark.parametrize("fault", ["front-end-silent", "bad-pec"])
def test_a_front_end_that_cannot_be_read_is_told_of_while_all_else_goes_on(
    fault: str, engines: Engines
) -> None:
    design = load_design(cells=32, ntcs=10)

    async def main(bench: BoardBench) -> None:
        await bench.bleed(2, c3=1.0)
        before = await bench.board.sense()
        bench.twin.inject(fault, 20, active=True)
        await bench.run(0.25)
        assert not faults(await bench.board.sense())
        report = await bench.run(0.25)
        assert faults(report) == {BoardFault("front-end-silent", 17)}
        unseen = {k for k, volt in enumerate(report.cell_v, 1) if math.isnan(volt)}
        assert unseen == silent(design, 20)
        assert report.cell_sets - before.cell_sets >= 4
        assert (report.charge_limit_a, report.discharge_limit_a) == (0.0, 0.0)
        report = await bench.bleed(2, c3=1.0)
        assert bleeding(bench) == []
        assert set(report.duty) == {0.0}
        assert [math.isnan(degc) for degc in report.ntc_degc] == [False] * 8 + [True] * 2
        assert report.heard_at is not None
        assert bench.clock.now() - report.heard_at < SECOND // 5
        bench.twin.inject(fault, 20, active=False)
        report = await bench.run(1.25)
        assert not faults(report)
        assert not any(math.isnan(volt) for volt in report.cell_v)
        assert bleeding(bench) == [3]

    on_bench(main, design, engine=engines())


def test_a_reading_that_stands_still_is_sent_as_it_is(engines: Engines) -> None:
    async def main(bench: BoardBench) -> None:
        before = (await bench.run(1)).cell_v[2]
        bench.twin.inject("stuck-cell", 3, active=True)
        bench.cells.set_v(3, 3.5)
        after = [(await bench.run(0.1)).cell_v[2] for _ in range(20)]
        assert set(after[1:]) == {before}
        bench.twin.inject("stuck-cell", 3, active=False)
        assert (await bench.run(0.3)).cell_v[2] == pytest.approx(3.5, abs=0.005)

    on_bench(main, engine=engines())


def test_a_board_that_lost_its_supply_starts_anew(engines: Engines) -> None:
    async def main(bench: BoardBench) -> None:
        await bench.bleed(2, c5=1.0)
        sets = (await bench.board.sense()).cell_sets
        bench.twin.inject("power-loss", 0, active=True)
        assert bleeding(bench) == []
        assert (await bench.run(3)).cell_sets == sets
        bench.twin.inject("power-loss", 0, active=False)
        report = await bench.run(2)
        assert report.cell_sets - sets >= 18
        assert not faults(report)
        assert set(report.duty) == {0.0}
        report = await bench.bleed(1, c5=1.0)
        assert report.duty[4] == 1.0

    on_bench(main, engine=engines())


def test_traffic_is_that_of_the_board_in_python(engines: Engines) -> None:
    """Seven frames a cycle and eight a second."""

    async def main(bench: BoardBench) -> int:
        await bench.run(2)
        before = bench.link.bus.frames
        await bench.run(10)
        return bench.link.bus.frames - before

    assert on_bench(main, engine=engines()) == on_bench(main) == 780
