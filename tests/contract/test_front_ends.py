"""Front ends at register level, read by a host that shares no code with them."""

import dataclasses
import math

import pytest
from chip_bench import ChipBench, on_chips
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_bench import Terminals, load_design
from spi_host import (
    ADAX,
    ADCV,
    ADCV_DCP,
    ADOW_DOWN,
    ADSTAT,
    CELLS_US,
    CLRAUX,
    CLRCELL,
    MUTE,
    PINS_US,
    RDAUX,
    RDCFGA,
    RDCFGB,
    RDCV,
    RDSTAT,
    UNMUTE,
    WRCFGA,
    Host,
    checked,
    command,
    config,
)

from drivers.virtual.firmware_board import FirmwareBoardTwin
from hil.bench.clock import run_virtual
from hil.physics.board import ntc_divider_v
from hil.ports import Clock

RESET_A, RESET_B = config([])
CLEARED = [0xFFFF] * 18


# --- conversions ----------------------------------------------------------------------------------


def test_a_conversion_stands_in_the_registers_when_its_time_is_over() -> None:
    async def main(bench: ChipBench) -> None:
        for cell in range(1, 17):
            bench.cells.set_v(cell, 3.2 + 0.01 * cell)
        await bench.host.convert(ADCV, CELLS_US - 1)
        assert bench.host.words(RDCV) == [CLEARED]
        await bench.host.wait(1)
        expected = [32000 + 100 * cell for cell in range(1, 17)]
        assert bench.host.words(RDCV) == [[*expected, 0, 0]]
        bench.cells.set_v(1, 3.0)
        assert bench.host.words(RDCV) == [[*expected, 0, 0]]
        bench.host.tell(CLRCELL)
        assert bench.host.words(RDCV) == [CLEARED]

    on_chips(main)


def test_a_conversion_takes_the_place_of_one_that_runs() -> None:
    async def main(bench: ChipBench) -> None:
        bench.host.tell(ADCV)
        await bench.host.convert(ADAX, PINS_US)
        assert bench.host.words(RDCV) == [CLEARED]
        pins = bench.host.words(RDAUX)[0]
        assert pins is not None
        assert pins[5] == 30000

    on_chips(main)


def test_a_conversion_that_is_asked_for_again_begins_again() -> None:
    async def main(bench: ChipBench) -> None:
        await bench.host.convert(ADCV, 1000)
        await bench.host.convert(ADCV, CELLS_US - 1)
        assert bench.host.words(RDCV) == [CLEARED]
        await bench.host.wait(1)
        assert bench.host.words(RDCV) != [CLEARED]

    on_chips(main)


def test_a_single_channel_writes_its_own_cells_alone() -> None:
    async def main(bench: ChipBench) -> None:
        await bench.host.convert(ADCV + 2, 405)
        found = bench.host.words(RDCV)[0]
        assert found is not None
        assert [k for k, count in enumerate(found, 1) if count != 0xFFFF] == [2, 8, 14]

    on_chips(main)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0.0, 5.4), min_size=40, max_size=40))
def test_every_chip_of_a_chain_reads_its_own_cells(volts: list[float]) -> None:
    async def main(bench: ChipBench) -> None:
        for cell, volt in enumerate(volts, 1):
            bench.cells.set_v(cell, volt)
        counts = [min(math.floor(volt / 1e-4 + 0.5), 50000) for volt in volts]
        # within the drop of 10 Mohm inputs along 60 mohm leads, and a count of rounding
        for chip, found in enumerate(await bench.host.cells()):
            own = counts[15 * chip : 15 * chip + 15]
            expected = own + [0] * (18 - len(own))
            assert found == pytest.approx(expected, abs=1)

    on_chips(main, cells=40, cells_per_front_end=15)


def test_pins_show_their_dividers_and_the_board_its_own() -> None:
    async def main(bench: ChipBench) -> None:
        bench.oven.degc = 40.0
        bench.cells.degc[:] = [float(5 * k - 20) for k in range(11)]
        bench.cells.degc[3] = math.nan  # shorted
        await bench.host.convert(ADAX, PINS_US - 1)
        assert bench.host.words(RDAUX) == [[0xFFFF] * 12] * 2
        await bench.host.wait(1)

        def counts(degc: float) -> float:
            return ntc_divider_v(bench.design, degc) / 1e-4

        first, second = bench.host.words(RDAUX)
        assert first is not None
        assert second is not None
        expected = [counts(5.0 * k - 20) for k in range(8)]
        expected[3] = 0.0
        own = counts(bench.twin.truth()["pcb_degc"])
        assert first[:10] == pytest.approx([*expected[:5], 30000, *expected[5:], own], abs=0.51)
        assert second[:10] == pytest.approx(
            [*[counts(5.0 * k - 20) for k in (8, 9, 10)], 0, 0, 30000, 0, 0, 0, 0], abs=0.51
        )
        bench.host.tell(CLRAUX)
        assert bench.host.words(RDAUX) == [[0xFFFF] * 12] * 2

    on_chips(main, cells=32, ntcs=11)


def test_an_ntc_that_nobody_emulates_sits_in_the_air() -> None:
    async def main(clock: Clock) -> None:
        bench = Terminals(clock, load_design(ntcs=3))
        bench.oven.degc = 7.0
        wiring = dataclasses.replace(bench.plan.wiring, ntcs=bench.plan.wiring.ntcs[:2])
        plan = dataclasses.replace(bench.plan, wiring=wiring)
        twin = FirmwareBoardTwin("board", clock, plan)
        twin.start()
        host = Host(twin.spi, clock)
        host.wake()
        await host.convert(ADAX, PINS_US)
        found = host.words(RDAUX)[0]
        assert found is not None
        room, air = (ntc_divider_v(bench.design, degc) / 1e-4 for degc in (25.0, 7.0))
        assert found[:5] == pytest.approx([room, room, air, 0, 0], abs=0.51)

    run_virtual(main)


def test_more_ntcs_than_pins_are_refused() -> None:
    async def main(clock: Clock) -> None:
        bench = Terminals(clock, load_design(ntcs=9))
        with pytest.raises(ValueError, match="ntcs: found 9, expected at most 8"):
            FirmwareBoardTwin("board", clock, bench.plan)

    run_virtual(main)


def test_the_status_shows_the_sum_of_cells_and_the_heat_of_the_chip() -> None:
    async def main(bench: ChipBench) -> None:
        bench.oven.degc = 60.0
        await bench.host.convert(ADSTAT, 1563)
        found = bench.host.words(RDSTAT)[0]
        assert found is not None
        assert found[0] * 30 * 1e-4 == pytest.approx(16 * 3.3, abs=0.01)
        degc = found[1] * 1e-4 / 7.6e-3 - 276
        assert degc == pytest.approx(bench.twin.truth()["pcb_degc"], abs=0.02)
        assert found[2:4] == [50000, 30000]

    on_chips(main)


# --- bleeds ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sets(st.integers(1, 18)), min_size=3, max_size=3))
def test_what_is_written_bleeds_and_nothing_else(masks: list[set[int]]) -> None:
    async def main(bench: ChipBench) -> None:
        bench.host.bleed(*masks)
        pairs = [config(own) for own in masks]
        assert bench.host.ask(RDCFGA) == [pair[0] for pair in pairs]
        assert bench.host.ask(RDCFGB) == [pair[1] for pair in pairs]
        # 14 cells hang on each of the first two chips and 12 on the last one
        rooms = (14, 14, 12)
        expected = {
            14 * chip + cell
            for chip, (own, room) in enumerate(zip(masks, rooms, strict=True))
            for cell in own
            if cell <= room
        }
        assert set(bench.bleeding()) == expected
        draws = {cell for cell in range(1, 41) if bench.cells.current_of(cell) > 0.01}
        assert draws == expected

    on_chips(main, cells=40, cells_per_front_end=14)


def test_mute_switches_all_bleeds_off_and_keeps_their_bits() -> None:
    async def main(bench: ChipBench) -> None:
        bench.host.bleed([3, 9])
        bench.host.tell(MUTE)
        assert bench.bleeding() == []
        assert bench.host.ask(RDCFGA) == [config([3, 9])[0]]
        muted = bench.host.ask(RDCFGB)[0]
        assert muted is not None
        assert muted[1] == 0x80
        bench.host.tell(UNMUTE)
        assert bench.bleeding() == [3, 9]
        assert bench.host.ask(RDCFGB) == [RESET_B]

    on_chips(main)


def test_bleeds_pause_while_cells_convert_unless_discharge_is_permitted() -> None:
    async def main(bench: ChipBench) -> dict[int, list[int] | None]:
        bench.host.bleed([8])
        seen = {}
        for code, expected in ((ADCV, []), (ADCV_DCP, [8]), (ADAX, [8])):
            bench.host.tell(code)
            await bench.host.wait(1000)
            assert bench.bleeding() == expected
            await bench.host.wait(PINS_US)
            assert bench.bleeding() == [8]
            seen[code] = bench.host.words(RDCV)[0]
        return seen

    # 33 ohm and 0.5 ohm of lead: what flows shifts the reading by 3.3 V / 34 ohm * 0.5 ohm
    seen = on_chips(main, lead_ohm=0.5, bleed_ohm=33.0, bleed_tolerance_ratio=0.0)
    quiet, loaded = seen[ADCV], seen[ADCV_DCP]
    assert quiet is not None
    assert loaded is not None
    shifts = [(b - a) * 1e-4 for a, b in zip(quiet, loaded, strict=True)]
    drop_v = 3.3 / 34 * 0.5
    assert shifts == pytest.approx(
        [0.0] * 6 + [drop_v, -2 * drop_v, drop_v] + [0.0] * 9, abs=2.5e-4
    )


def test_a_stuck_transistor_bleeds_whatever_the_chips_do() -> None:
    async def main(bench: ChipBench) -> None:
        bench.breaks("stuck-bleed", 5)
        for code in (MUTE, ADCV):
            bench.host.tell(code)
            assert bench.bleeding() == [5]
        bench.breaks("power-loss", 0)
        assert bench.bleeding() == [5]
        bench.breaks("stuck-bleed", 5, active=False)
        assert bench.bleeding() == []

    on_chips(main)


# --- the bus --------------------------------------------------------------------------------------


def test_a_command_with_a_wrong_check_is_not_heard() -> None:
    async def main(bench: ChipBench) -> None:
        bench.host.bleed([4])
        for k in range(32):
            spoilt = bytearray(command(MUTE))
            spoilt[k // 8] ^= 1 << k % 8
            bench.twin.spi.transfer(0, bytes(spoilt))
            assert bench.bleeding() == [4]

    on_chips(main)


@pytest.mark.parametrize("short", [1, 2, 8, 9])
def test_data_that_are_spoilt_or_cut_short_change_nothing(short: int) -> None:
    async def main(bench: ChipBench) -> None:
        whole = command(WRCFGA) + checked(config([2])[0])
        bench.twin.spi.transfer(0, whole[:-short])
        for k in range(4, len(whole)):
            spoilt = bytearray(whole)
            spoilt[k] ^= 0x10
            bench.twin.spi.transfer(0, bytes(spoilt))
        assert bench.host.ask(RDCFGA) == [RESET_A]
        bench.twin.spi.transfer(0, whole)
        assert bench.host.ask(RDCFGA) == [config([2])[0]]

    on_chips(main)


def test_too_few_data_fill_the_nearest_chips() -> None:
    """Eight bytes stay in the first chip's shift register: the others have seen none."""

    async def main(bench: ChipBench) -> None:
        bench.twin.spi.transfer(0, command(WRCFGA) + checked(config([2])[0]))
        assert bench.host.ask(RDCFGA) == [config([2])[0], RESET_A]

    on_chips(main, cells=32)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=24), max_size=20), st.integers(0, 3))
def test_a_transfer_answers_as_many_bytes_as_came(transfers: list[bytes], select: int) -> None:
    async def main(bench: ChipBench) -> None:
        for data in transfers:
            assert len(bench.twin.spi.transfer(select, data)) == len(data)
        # no command among the noise: a chance of 2 ** -15 each that hypothesis does not draw
        assert bench.bleeding() == []

    on_chips(main)


def test_a_transfer_may_read_less_or_more_than_there_is() -> None:
    async def main(bench: ChipBench) -> None:
        full = bench.twin.spi.transfer(0, command(RDCFGA) + bytes(8))
        assert bench.twin.spi.transfer(0, command(RDCFGA) + bytes(3)) == full[:7]
        assert bench.twin.spi.transfer(0, command(RDCFGA) + bytes(11)) == full + b"\xff" * 3

    on_chips(main)


def test_a_chip_sleeps_without_commands_and_misses_what_wakes_it() -> None:
    async def main(bench: ChipBench) -> None:
        host = bench.host
        host.bleed([7])
        await host.cells()
        await host.wait(1.9e6)
        assert bench.bleeding() == [7]
        host.ask(RDCFGA)  # a valid command starts the watchdog anew
        await host.wait(1.9e6)
        host.wake()  # the wake pulse is none
        assert bench.bleeding() == [7]
        await host.wait(0.2e6)
        assert bench.bleeding() == []
        assert host.ask(RDCFGA) == [None]  # this woke it
        assert host.ask(RDCFGA) == [RESET_A]
        assert host.words(RDCV) == [CLEARED]

    on_chips(main)


def test_a_conversion_ends_with_the_supply() -> None:
    async def main(bench: ChipBench) -> None:
        await bench.host.convert(ADCV | 3 << 7, 100)  # 26 Hz: 201 ms
        bench.breaks("power-loss", 0)
        bench.breaks("power-loss", 0, active=False)
        bench.host.wake()
        await bench.host.wait(201_325)
        assert bench.host.words(RDCV) == [CLEARED]

    on_chips(main)


# --- faults ---------------------------------------------------------------------------------------


def test_a_cut_silences_the_front_end_and_all_behind_it() -> None:
    async def main(bench: ChipBench) -> None:
        host = bench.host
        host.bleed([1], [1], [1])
        bench.breaks("front-end-silent", 20)
        for _ in range(3):
            first, second, third = await host.cells()
            assert first is not None
            assert first[0] == pytest.approx(33000, abs=1)
            assert second is third is None
            await host.wait(0.9e6)
        # what has heard nothing for two seconds sleeps, and lets go
        assert bench.bleeding() == [1]
        bench.breaks("front-end-silent", 20, active=False)
        assert [one is None for one in host.ask(RDCFGA)] == [False, True, True]
        assert host.ask(RDCFGA) == [config([1])[0], RESET_A, RESET_A]

    on_chips(main, cells=48)


def test_each_chip_has_a_watchdog_of_its_own() -> None:
    async def main(bench: ChipBench) -> None:
        def awake() -> list[bool]:
            return [chip["awake"] for chip in bench.twin.truth()["front_ends"]]

        bench.breaks("front-end-silent", 20)
        await bench.host.wait(1.5e6)
        bench.host.ask(RDCFGA)
        await bench.host.wait(1e6)
        assert awake() == [True, False]
        bench.breaks("front-end-silent", 20, active=False)
        bench.host.wake()
        await bench.host.wait(1.1e6)
        assert awake() == [False, True]
        await bench.host.wait(1e6)
        assert awake() == [False, False]

    on_chips(main, cells=32)


def test_what_a_chip_has_not_heard_it_does_not_do() -> None:
    async def main(bench: ChipBench) -> None:
        bench.breaks("front-end-silent", 20)
        await bench.host.cells()
        bench.breaks("front-end-silent", 20, active=False)
        first, second = bench.host.words(RDCV)
        assert first != CLEARED
        assert second == CLEARED

    on_chips(main, cells=32)


def test_a_chip_whose_checks_are_wrong_still_does_what_it_is_told() -> None:
    async def main(bench: ChipBench) -> None:
        bench.breaks("bad-pec", 20)
        bench.host.bleed([1], [2])
        assert bench.bleeding() == [1, 18]
        assert [one is None for one in await bench.host.cells()] == [False, True]
        bench.breaks("bad-pec", 20, active=False)
        assert None not in bench.host.words(RDCV)

    on_chips(main, cells=32)


def test_a_reading_is_stuck_at_what_was_measured_not_at_what_was_pulled() -> None:
    """Between two scans the registers hold what the open-wire procedure left there."""

    async def main(bench: ChipBench) -> None:
        found = (await bench.host.cells())[0]
        assert found is not None
        bench.breaks("open-lead", 3)
        await bench.host.cells(ADOW_DOWN)
        pulled = (await bench.host.cells(ADOW_DOWN))[0]
        assert pulled is not None
        assert pulled[2] != pytest.approx(found[2], abs=100)
        bench.breaks("stuck-cell", 3)
        bench.breaks("open-lead", 3, active=False)
        stuck = (await bench.host.cells())[0]
        assert stuck is not None
        assert stuck[2] == found[2]

    on_chips(main)


def test_a_stuck_reading_repeats_until_it_is_mended() -> None:
    async def main(bench: ChipBench) -> None:
        async def third() -> int:
            found = (await bench.host.cells())[0]
            assert found is not None
            return found[2]

        before = await third()
        bench.breaks("stuck-cell", 3)
        bench.cells.set_v(3, 3.5)
        assert [await third(), await third()] == [before, before]
        bench.breaks("stuck-cell", 3, active=False)
        assert await third() == pytest.approx(35000, abs=1)

    on_chips(main)
