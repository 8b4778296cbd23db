"""The rest of the board's electronics: shunt monitor, supply and heat."""

import math

import pytest
from chip_bench import ChipBench, on_chips
from hypothesis import given, settings
from hypothesis import strategies as st
from spi_host import RDCFGA, SHUNT, config

from hil.core.instants import MILLISECOND, SECOND

# --- the shunt ------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.floats(-300.0, 300.0))
def test_the_shunt_monitor_reads_its_voltage(current_a: float) -> None:
    async def main(bench: ChipBench) -> None:
        bench.cells.current_a = current_a
        said = bench.twin.spi.transfer(SHUNT, bytes([0x04 << 2 | 1, 0, 0, 0]))
        counts = int.from_bytes(said[1:], "big", signed=True)
        assert counts % 16 == 0
        assert counts // 16 * 312.5e-9 == pytest.approx(current_a * 0.5e-3, abs=2e-7)

    on_chips(main, current_offset_a=0.0, current_gain_ppm=0.0, current_noise_a=0.0)


def test_the_shunt_monitor_clips_at_its_range_and_has_a_finer_one() -> None:
    async def main(bench: ChipBench) -> None:
        def counts() -> int:
            said = bench.twin.spi.transfer(SHUNT, bytes([0x11, 0, 0, 0]))
            return int.from_bytes(said[1:], "big", signed=True) // 16

        bench.cells.current_a = 400.0
        assert counts() == 2**19 - 1
        bench.cells.current_a = -400.0
        assert counts() == -(2**19)
        bench.cells.current_a = -10.0
        coarse = counts()
        bench.twin.spi.transfer(SHUNT, bytes([0x00, 0x00, 0x10]))
        assert counts() == pytest.approx(4 * coarse, abs=3)
        bench.twin.spi.transfer(SHUNT, bytes([0x00, 0x80, 0x00]))  # reset
        assert counts() == coarse

    on_chips(main, current_noise_a=0.0)


def test_the_shunt_monitor_says_who_it_is() -> None:
    async def main(bench: ChipBench) -> None:
        def read(register: int) -> int:
            said = bench.twin.spi.transfer(SHUNT, bytes([register << 2 | 1, 0, 0]))
            return int.from_bytes(said[1:], "big")

        bench.oven.degc = 25.0
        assert [read(0x3E), read(0x3F), read(0x01)] == [0x5449, 0x2291, 0xFB68]
        assert read(0x06) * 7.8125e-3 == pytest.approx(25.0, abs=0.01)
        assert bench.twin.spi.transfer(SHUNT, b"") == b""

    on_chips(main)


# --- supply and heat ------------------------------------------------------------------------------


def test_without_a_supply_the_bus_is_idle() -> None:
    async def main(bench: ChipBench) -> None:
        bench.breaks("power-loss", 0)
        for select in (0, 1):
            assert bench.twin.spi.transfer(select, bytes(4)) == b"\xff" * 4
        bench.breaks("power-loss", 0, active=False)
        bench.host.wake()
        assert bench.host.ask(RDCFGA) == [config([])[0]]

    on_chips(main)


def test_the_board_warms_up_whatever_its_firmware_does() -> None:
    async def main(bench: ChipBench) -> tuple[float, float]:
        bench.breaks("stuck-bleed", 5)
        bench.oven.degc = 35.0
        bench.breaks("power-loss", 0)
        before = bench.twin.truth()["pcb_degc"]
        await bench.clock.sleep_until(600 * SECOND + MILLISECOND)
        return before, bench.twin.truth()["pcb_degc"]

    before, after = on_chips(main)
    # one time constant of the way from 25 degC to 35 degC and 2 K/W of 3.3 V across 68 ohm
    settled = 35 + 2 * 3.3**2 / 68
    assert before == pytest.approx(25, abs=0.1)
    assert after == pytest.approx(settled + (25 - settled) * math.exp(-1), abs=0.1)
