"""The virtual board with what only some designs have: seen from its bus and from its cells."""

import dataclasses
import math
import zlib
from typing import Any

import numpy as np
import pytest
from reference_bench import QUIET, BoardBench, faults, load_design, on_bench

from drivers.virtual.firmware_parameters import parameter_page
from hil.physics import board
from hil.physics.board import BoardDesign
from hil.ports import BoardFault, BoardReport

BOARD_DEVICE = zlib.crc32(b"board/cells") & 0xFFFF
DRY: dict[str, Any] = {**QUIET, "reference": None, "ntc_part": None}


def quiet(name: str = "standard-50mA", **changes: Any) -> BoardDesign:
    exact = {"bleed_tolerance_ratio": 0.0, "bleed_tcr_ppm_per_k": 0.0, "bleed_current_a": None}
    return load_design(name, **{**DRY, **exact, **changes})


def bled_as(design: BoardDesign, seconds: int, lead_ohm: float = 0.06, **duty: float) -> np.ndarray:
    """Return what left every cell for the bleeds alone: a run with them less one without."""

    def run(duties: dict[str, float]) -> np.ndarray:
        async def main(bench: BoardBench) -> list[float]:
            await bench.bleed(seconds, **duties)
            charge_as: list[float] = bench.twin.truth()["charge_as"]
            return charge_as

        return np.array(on_bench(main, design, lead_ohm))

    bled: np.ndarray = run(duty) - run({})
    return bled


def test_a_lone_internal_fet_bleeds_through_filters_leads_and_its_own_resistance() -> None:
    design = quiet("internal-fet")

    async def main(bench: BoardBench) -> float:
        await bench.bleed(3, c8=1.0)
        return bench.cells.current_of(8)

    # less 0.3 uA of the input; the FET itself is as drawn, and a little warmer than 25 degC
    fet_ohm = 3.3 / on_bench(main, design) - 2 * (20 + 0.06)
    drawn_ohm = board.make_chain(design, 7, BOARD_DEVICE).switch_ohm
    assert drawn_ohm is not None
    assert fet_ohm == pytest.approx(drawn_ohm[7], rel=0.06)


def test_neighbouring_internal_fets_share_their_filter_resistors() -> None:
    """All on, the currents of two cells cancel in the lead between them: only Rds is left."""
    alone = bled_as(quiet("internal-fet"), 4, c8=1.0)[7]
    together = bled_as(quiet("internal-fet"), 4, c7=1.0, c8=1.0, c9=1.0)[7]
    assert together > 1.3 * alone


def test_slots_take_a_seventh_of_the_charge() -> None:
    plain = quiet()
    share = bled_as(dataclasses.replace(plain, slots=board.Slots()), 20, c8=1.0)[7]
    share /= bled_as(plain, 20, c8=1.0)[7]
    assert share == pytest.approx((1 - 3 / 21) / (0.099 / 0.1), abs=0.01)


def shifts_mv(design: BoardDesign, lead_ohm: float = 0.25) -> list[float]:
    """Return what cells 7, 8 and 9 read more while cell 8 bleeds."""

    async def main(bench: BoardBench) -> list[float]:
        rest = (await bench.run(2)).cell_v
        on = (await bench.bleed(4, c8=1.0)).cell_v
        return [1e3 * (on[k] - rest[k]) for k in (6, 7, 8)]

    return on_bench(main, design, lead_ohm)


def test_an_unmuted_board_reads_its_own_bleed() -> None:
    i_rw = 1e3 * 0.25 * 3.3 / (16.5 + 0.5)
    assert shifts_mv(quiet("unmuted")) == pytest.approx([i_rw, -2 * i_rw, i_rw], abs=0.2)


def test_leads_of_their_own_see_no_bleed() -> None:
    assert shifts_mv(quiet("unmuted", sense="kelvin")) == [0, 0, 0]
    # nor does a filter that is slower than the cycle remember any of it
    slow = quiet(
        "unmuted", sense="kelvin", filter_resistance_ohm=1e3, filter_capacitance_farad=1e-4
    )
    assert shifts_mv(slow) == pytest.approx([0, 0, 0], abs=0.11)
    kelvin, shared = (bled_as(quiet(sense=sense), 4, c8=1.0)[7] for sense in ("kelvin", "shared"))
    assert kelvin == pytest.approx(shared)  # the bleed is the same


def test_a_slot_of_three_time_constants_leaves_a_twentieth() -> None:
    slow = quiet(
        "standard-200mA",
        filter_resistance_ohm=1e3,
        filter_capacitance_farad=1e-6,
        slots=board.Slots(),
    )
    step = 1e3 * 2 * 0.25 * 3.3 / 17.0
    assert shifts_mv(slow)[1] == pytest.approx(-math.exp(-3) * step, abs=0.2)


def test_a_humid_board_bleeds_its_lowest_cell_most_and_shifts_readings() -> None:
    humid, dry = quiet("humid"), quiet()
    leak = dataclasses.replace(humid.leakage, leak_ohm=1e6) if humid.leakage else None
    wet = dataclasses.replace(humid, leakage=leak)

    async def main(bench: BoardBench) -> tuple[np.ndarray, BoardReport]:
        report = await bench.run(10)
        return np.array(bench.twin.truth()["charge_as"]), report

    (wet_as, wet_report), (dry_as, dry_report) = (on_bench(main, one) for one in (wet, dry))
    leaked_a = (wet_as - dry_as) / 10
    assert leaked_a[0] == pytest.approx(3.3 * 136 / 1e6, rel=0.02)  # 1 + 2 + ... + 16 cells
    assert leaked_a[15] == pytest.approx(3.3 * 16 / 1e6, rel=0.02)
    # 3.3 uA more in each filter resistor of 100 ohm than in the one below
    shift = np.array(wet_report.cell_v) - np.array(dry_report.cell_v)
    assert shift == pytest.approx(-0.33e-3, abs=1.1e-4)


def test_one_leaking_lead_moves_two_readings_apart() -> None:
    one = quiet(leakage=board.Leakage(leak_ohm=1e6, lead=9))

    async def main(bench: BoardBench) -> BoardReport:
        return await bench.run(2)

    shift = np.array(on_bench(main, one).cell_v) - 3.3
    drop_v = 8 * 3.3 / 1e6 * 100
    assert shift[7] == pytest.approx(-drop_v, abs=1e-4)
    assert shift[8] == pytest.approx(drop_v, abs=1e-4)
    assert np.delete(shift, [7, 8]) == pytest.approx(0, abs=1e-4)


def test_a_sensed_ntc_lowers_the_duty_and_says_so() -> None:
    async def main(bench: BoardBench) -> tuple[BoardReport, BoardReport]:
        await bench.run(2)
        cool = await bench.bleed(3, c8=1.0)
        bench.oven.degc = 75.0
        return cool, await bench.bleed(90, c8=1.0)

    cool, warm = on_bench(main, quiet("ntc-sensed", pcb_tau_s=10.0))
    assert (cool.duty[7], warm.duty[7]) == pytest.approx((1.0, 0.5), abs=0.06)
    assert (faults(cool), faults(warm)) == (set(), {BoardFault("bleed-paused")})


def test_bleeds_in_a_zone_of_their_own_leave_the_front_end_cool() -> None:
    async def main(bench: BoardBench) -> dict[str, Any]:
        await bench.bleed(200, **{f"c{k}": 1.0 for k in range(1, 17)})
        return dict(bench.twin.truth())

    # both boards of a twentieth of the heat capacity, to settle while we wait
    zones = load_design("isolated-zone").zones
    assert zones is not None
    light = dataclasses.replace(zones, bleed_capacity_j_per_k=9.0, front_end_capacity_j_per_k=6.0)
    one = on_bench(main, quiet("standard-200mA", pcb_tau_s=30.0))
    two = on_bench(main, quiet("isolated-zone", zones=light))
    assert one["front_degc"] == one["pcb_degc"] == pytest.approx(25 + 2 * 10.6, abs=1)
    assert two["pcb_degc"] > one["pcb_degc"] + 4
    assert two["front_degc"] < one["front_degc"] - 8
    # 0.66 W in 85 K/W above its zone, and 0.70 W at 3.4 V stays below the line of a 1 W part
    assert max(one["hot_degc"]) - one["pcb_degc"] == pytest.approx(85 * 0.65, rel=0.03)
    assert one["overloaded"] == []


def test_references_are_as_warm_as_the_front_end_zone() -> None:
    zones = load_design("isolated-zone").zones
    assert zones is not None
    light = dataclasses.replace(zones, bleed_capacity_j_per_k=9.0, front_end_capacity_j_per_k=6.0)
    design = quiet("isolated-zone", zones=light, drift_ppm_per_k=1000.0)

    async def main(bench: BoardBench) -> tuple[float, BoardReport]:
        report = await bench.bleed(200, **{f"c{k}": 1.0 for k in range(1, 17)})
        return bench.twin.truth()["front_degc"], report

    front_degc, report = on_bench(main, design)
    drift = board.make_chain(design, 7, BOARD_DEVICE).drift_ppm_per_k
    expected_v = 3.3 * (1 + 1e-6 * drift * (front_degc - 25))
    assert report.cell_v == pytest.approx(expected_v, abs=2e-4)
    assert abs(expected_v[0] - 3.3) > 2e-3  # something to be seen


def test_a_resistor_above_its_derating_line_is_flagged() -> None:
    small = board.Resistor(rated_w=0.5, life_drift_ratio=0.03)

    async def main(bench: BoardBench) -> dict[str, Any]:
        await bench.bleed(600, c3=1.0, c4=0.5)
        return dict(bench.twin.truth())

    truth = on_bench(main, quiet("standard-200mA", resistor=small))
    assert truth["overloaded"] == [3]
    drift = np.abs(truth["drift_ratio"])
    # 600 s at 0.65 of 0.5 W, of at most 3 % in 1000 h; half the duty by its own draw
    assert 0 < drift[2] <= 0.03 * 1.3 * 600 / 3.6e6 * 1.01
    assert drift[3] > 0
    assert drift[0] < 1e-3 * drift[2]


def test_ripple_on_the_current_reaches_the_readings() -> None:
    grid = load_design("poor-grid", **DRY)

    async def main(bench: BoardBench) -> np.ndarray:
        bench.cells.current_a = -40.0
        return np.array([(await bench.run(0.1)).cell_v for _ in range(20)])

    apart_mv = 1e3 * (on_bench(main, grid) - 3.3)
    # 40 A x 30 % x 0.5 mohm = 6 mV of amplitude, cells 300 us apart: 16 of them span half a period
    assert np.abs(apart_mv).max() == pytest.approx(6.0, abs=0.8)
    assert np.ptp(apart_mv, axis=1).min() > 5
    still = dataclasses.replace(grid, ripple=None)
    assert np.ptp(on_bench(main, still)) == 0.0


def test_a_drawn_ntc_reads_its_air_with_lag() -> None:
    part = board.NtcPart(r25_tolerance_ratio=0.0, beta_tolerance_ratio=0.0, tau_s=10.0)
    design = quiet(ntc_part=part, pcb_tau_s=0.001)

    async def main(bench: BoardBench) -> list[float]:
        await bench.run(30)
        bench.oven.degc = 65.0
        return [(await bench.run(1)).pcb_degc for _ in range(60)]

    seen = on_bench(main, design)
    assert 30 < seen[4] < 50
    assert seen[10] == pytest.approx(65 - 40 / math.e, abs=4)
    assert seen[-1] == pytest.approx(65.1, abs=0.2)


def test_the_boards_own_ntc_sits_beside_the_bleeds() -> None:
    part = board.NtcPart(r25_tolerance_ratio=0.0, beta_tolerance_ratio=0.0, tau_s=2.0)

    async def main(bench: BoardBench) -> tuple[float, BoardReport]:
        report = await bench.bleed(100, **{f"c{k}": 1.0 for k in range(1, 17)})
        return bench.twin.truth()["pcb_degc"], report

    true_degc, report = on_bench(main, quiet("standard-200mA", ntc_part=part, pcb_tau_s=10.0))
    assert true_degc > 40
    assert report.pcb_degc == pytest.approx(true_degc + 0.1, abs=0.3)


def test_an_old_reference_shifts_all_its_cells() -> None:
    reference = board.Reference(long_term_ppm=10_000.0, hysteresis_ppm=0.0)

    async def main(bench: BoardBench) -> np.ndarray:
        young = (await bench.run(2)).cell_v
        return np.subtract((await bench.run(300)).cell_v, young)

    moved = on_bench(main, quiet(reference=reference))
    # at most 1 % per root of 1000 h, after five minutes, and as much for all
    assert np.ptp(moved) <= 1.01e-4
    assert 1e-4 < abs(moved).max() <= 3.3 * 0.01 * math.sqrt(302 / 3.6e6)


def test_firmware_refuses_what_its_controller_cannot() -> None:
    for name, key in (("ntc-sensed", "derating"), ("internal-fet", "slots")):
        with pytest.raises(ValueError, match=f"^{key}: "):
            parameter_page(load_design(name), 1)
    assert parameter_page(load_design("isolated-zone"), 1)
