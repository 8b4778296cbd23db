"""The open-wire command: what it lets a host find out about the leads of the harness."""

import pytest
from chip_bench import ChipBench, on_chips
from hypothesis import given, settings
from hypothesis import strategies as st
from spi_host import ADOW_DOWN, ADOW_UP, Host

RANGE_COUNTS = 2000
"""0.2 V, the threshold of the reference board."""


async def procedure(host: Host, rooms: list[int]) -> set[int]:
    """Find the open leads (from 1) as the data sheet says; ``rooms`` are the cells of each chip."""
    readings = []
    for code in (ADOW_UP, ADOW_DOWN):
        await host.convert(code)
        readings.append(await host.cells(code))
    found: set[int] = set()
    below = 0
    for up, down, room in zip(*readings, rooms, strict=True):
        assert up is not None
        assert down is not None
        if up[0] == 0:
            found.add(below + 1)
        if down[room - 1] == 0:
            found.add(below + room + 1)
        found |= {below + n + 1 for n in range(1, room) if up[n] - down[n] < -RANGE_COUNTS}
        below += room
    return found


def rooms_of(cells: int, a_chip: int) -> list[int]:
    return [min(a_chip, cells - first) for first in range(0, cells, a_chip)]


chains = st.integers(2, 18).flatmap(
    lambda a_chip: st.tuples(st.integers(2, 4 * a_chip), st.just(a_chip))
)
# one cell alone on a chip cannot tell its two leads apart: its supply hangs on the same two
chains = chains.filter(lambda chain: chain[0] <= 64 and chain[0] % chain[1] != 1)


@settings(deadline=None, max_examples=40)
@given(chains, st.data())
def test_the_procedure_of_the_data_sheet_finds_exactly_the_open_lead(
    chain: tuple[int, int], data: st.DataObject
) -> None:
    cells, a_chip = chain
    lead = data.draw(st.integers(1, cells + 1))
    volts = data.draw(st.lists(st.floats(2.0, 4.2), min_size=cells, max_size=cells))

    async def main(bench: ChipBench) -> None:
        for cell, volt in enumerate(volts, 1):
            bench.cells.set_v(cell, volt)
        rooms = rooms_of(cells, a_chip)
        assert await procedure(bench.host, rooms) == set()
        bench.breaks("open-lead", lead)
        assert await procedure(bench.host, rooms) == {lead}
        bench.breaks("open-lead", lead, active=False)
        assert await procedure(bench.host, rooms) == set()

    on_chips(main, cells=cells, cells_per_front_end=a_chip, ntcs=0, noise_v=3e-4, offset_v=2e-3)


@settings(deadline=None, max_examples=25)
@given(chains, st.floats(0.0, 1.0))
def test_whole_leads_read_alike_pulled_up_and_down(chain: tuple[int, int], lead_ohm: float) -> None:
    async def main(bench: ChipBench) -> None:
        up, down = [await bench.host.cells(code) for code in (ADOW_UP, ADOW_DOWN)]
        for a, b in zip(up, down, strict=True):
            assert a is not None
            assert a == pytest.approx(b, abs=10)

    cells, a_chip = chain
    on_chips(main, lead_ohm=lead_ohm, cells=cells, cells_per_front_end=a_chip, ntcs=0)
