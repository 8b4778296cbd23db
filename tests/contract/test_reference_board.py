"""The reference board's driver and its virtual twin against each other, over a memory CAN bus."""

import math

import pytest
from can import Message
from reference_bench import QUIET, BoardBench, faults, load_design, on_bench

from drivers.boards.reference import ReferenceBoard
from drivers.virtual.reference_board import ReferenceBoardTwin
from drivers.wire import reference_board as wire
from hil.core.errors import InstrumentFault, LinkTimeout
from hil.core.instants import SECOND
from hil.ports import BoardFault, Identity

# --- what the board reports ---------------------------------------------------------------------


def test_the_board_says_who_it_is() -> None:
    async def main(bench: BoardBench) -> Identity:
        return await bench.board.identify()

    assert on_bench(main) == Identity("reference", "reference-board", "00000001", "1.0.0")


def test_a_board_with_other_cells_is_refused() -> None:
    async def main(bench: BoardBench) -> None:
        options = {"cells": 32, "ntcs": 4}
        with pytest.raises(InstrumentFault, match="16 cells and 4 NTCs, expected 32 and 4"):
            await ReferenceBoard("board", bench.link, bench.clock, options).identify()

    on_bench(main)


@pytest.mark.parametrize("cells", [1, 16, 32, 64])
def test_a_report_shows_cells_temperatures_current_and_limits(cells: int) -> None:
    async def main(bench: BoardBench) -> None:
        for cell in range(1, cells + 1):
            bench.cells.set_v(cell, 3.2 + 0.002 * cell)
        bench.cells.degc[:] = [20.0, 30.5, math.nan, -5.0]
        bench.cells.current_a = -12.3
        bench.oven.degc = 40.0
        report = await bench.run(2.5)
        assert report.cell_v == pytest.approx(
            [3.2 + 0.002 * cell for cell in range(1, cells + 1)], abs=5e-4
        )
        assert report.ntc_degc[:2] == pytest.approx([20.0, 30.5], abs=0.051)
        assert math.isnan(report.ntc_degc[2])
        assert report.ntc_degc[3] == pytest.approx(-5.0, abs=0.051)
        assert report.pcb_degc == pytest.approx(25.0, abs=0.1)
        assert report.current_a == pytest.approx(-12.3, abs=0.1)
        assert (report.charge_limit_a, report.discharge_limit_a) == (0.0, 100.0)
        assert (report.charge_allowed, report.discharge_allowed) == (False, True)
        assert report.duty == [0.0] * cells
        assert faults(report) == {BoardFault("ntc-lost")}
        assert report.cell_sets > 20
        assert report.cells_at is not None
        assert 0 < bench.clock.now() - report.cells_at < SECOND // 10

    on_bench(main, load_design(cells=cells, ntcs=4, **QUIET))


def test_nothing_is_known_before_the_first_cycle() -> None:
    async def main(bench: BoardBench) -> None:
        options = {"cells": 16, "ntcs": 4}
        report = await ReferenceBoard("board", bench.link, bench.clock, options).sense()
        assert report.cells_at is report.heard_at is None
        assert all(map(math.isnan, [*report.cell_v, *report.ntc_degc, *report.duty]))
        assert math.isnan(report.current_a)
        assert math.isnan(report.charge_limit_a)
        assert not report.charge_allowed

    on_bench(main)


def test_traffic_of_sixteen_cells() -> None:
    """Seven frames a cycle and eight a second: temperatures 2, bleeds 3, faults 2, limits 1."""

    async def main(bench: BoardBench) -> tuple[int, int]:
        await bench.run(2)
        before, cycles = bench.link.bus.frames, bench.twin.cycles
        await bench.run(10)
        return bench.link.bus.frames - before, bench.twin.cycles - cycles

    assert on_bench(main) == (780, 100)


def test_one_seed_gives_one_run_to_the_bit() -> None:
    async def main(bench: BoardBench) -> list[bytes]:
        await bench.bleed(3, c3=0.7)
        return bench.wire

    assert on_bench(main, seed=7) == on_bench(main, seed=7)
    assert on_bench(main, seed=7) != on_bench(main, seed=8)


# --- bleeding -----------------------------------------------------------------------------------


def shifts_v(
    *, mute: bool, lead_ohm: float, settle_ns: int = 1_000_000, **parts: float
) -> list[float]:
    """What bleeding cell 8 does to all readings, in units of I · Rw."""

    async def main(bench: BoardBench) -> list[float]:
        before = (await bench.run(1)).cell_v
        after = (await bench.bleed(2, c8=1.0)).cell_v
        drop_v = 3.3 / (16.5 + 2 * lead_ohm) * lead_ohm
        return [(a - b) / drop_v for a, b in zip(after, before, strict=True)]

    design = load_design(
        bleed_ohm=16.5,
        bleed_tolerance_ratio=0.0,
        bleed_tcr_ppm_per_k=0.0,
        mute=mute,
        settle_ns=settle_ns,
        **QUIET | parts,
    )
    return on_bench(main, design, lead_ohm)


def test_an_unmuted_bleed_disturbs_its_own_reading_and_its_neighbours() -> None:
    expected = [0.0] * 6 + [1.0, -2.0, 1.0] + [0.0] * 7
    assert shifts_v(mute=False, lead_ohm=0.3) == pytest.approx(expected, abs=0.005)


def test_a_muted_and_settled_bleed_disturbs_nothing() -> None:
    assert shifts_v(mute=True, lead_ohm=0.3) == pytest.approx([0.0] * 16, abs=0.005)


def test_a_filter_that_has_not_settled_leaves_its_share_of_the_step() -> None:
    shift = shifts_v(
        mute=True, lead_ohm=0.3, filter_resistance_ohm=1000.0, filter_capacitance_farad=1e-6
    )
    left = math.exp(-1)
    assert shift[6:9] == pytest.approx([left, -2 * left, left], abs=0.005)


@pytest.mark.parametrize(("duty", "mute"), [(1.0, True), (0.5, True), (0.005, True), (0.5, False)])
def test_the_charge_is_that_of_the_duty(duty: float, mute: bool) -> None:  # noqa: FBT001
    design = load_design(
        bleed_tolerance_ratio=0.0, bleed_tcr_ppm_per_k=0.0, mute=mute, settle_ns=10_000_000
    )

    async def main(bench: BoardBench) -> None:
        await bench.bleed(2, c5=duty)
        before = bench.cells.charge_as(5)
        await bench.bleed(10, c5=duty)
        own_as = 10 * 3.3 / 1e7
        on_s = 10 * duty * (0.9 if mute else 1.0)
        expected_as = on_s * 3.3 / (68 + 2 * 0.06)
        # the charge of the input itself is known within its tolerance only
        assert bench.cells.charge_as(5) - before == pytest.approx(expected_as, abs=1.5 * own_as)
        assert bench.cells.charge_as(1) == pytest.approx(12.1 * 3.3 / 1e7, rel=0.3)

    on_bench(main, design)


def test_the_current_is_there_while_the_bleed_is_on() -> None:
    async def main(bench: BoardBench) -> None:
        await bench.bleed(2, c5=0.5)
        start = bench.clock.now() // 100_000_000 * 100_000_000
        on_a = 3.3 / (bench.design.bleed_ohm + 0.12)
        await bench.clock.sleep_until(start + 110_000_000)
        assert bench.cells.current_of(5) == pytest.approx(on_a, rel=0.02)
        await bench.clock.sleep_until(start + 160_000_000)
        assert bench.cells.current_of(5) < 1e-6

    on_bench(main)


def test_a_voltage_that_changes_in_mid_cycle_counts_from_then_on() -> None:
    async def main(bench: BoardBench) -> None:
        await bench.bleed(1, c5=1.0)
        await bench.clock.sleep_until(1_950_000_000)
        await bench.board.apply([0, 0, 0, 0, 1.0] + [0] * 11)
        before = bench.cells.charge_as(5)
        bench.cells.set_v(5, 3.0)
        await bench.clock.sleep_until(2_000_000_000)
        low_as = bench.cells.charge_as(5) - before
        assert low_as == pytest.approx(0.049 * 3.0 / (bench.design.bleed_ohm + 0.12), rel=0.02)
        assert (await bench.run(0.5)).cell_v[4] == pytest.approx(3.0, abs=0.004)

    on_bench(main)


def test_bleeds_stop_when_commands_stop() -> None:
    async def main(bench: BoardBench) -> None:
        report = await bench.bleed(2, c5=1.0, c9=0.25)
        assert [report.duty[k] for k in (3, 4, 8)] == [0.0, 1.0, 0.25]
        report = await bench.run(1.9)
        assert report.duty[4] == 1.0
        report = await bench.run(0.4)
        assert report.duty == [0.0] * 16
        assert faults(report) == {BoardFault("command-lost")}
        before = bench.cells.charge_as(5)
        await bench.run(5)
        assert bench.cells.charge_as(5) - before < 1e-5
        report = await bench.bleed(1)
        assert not faults(report)

    on_bench(main)


def test_no_command_is_missed_when_nothing_bleeds() -> None:
    async def main(bench: BoardBench) -> None:
        await bench.bleed(1)
        assert not faults(await bench.run(10))

    on_bench(main)


@pytest.mark.parametrize("duty", [[0.5] * 15, [0.5] * 15 + [1.01], [0.5] * 15 + [-0.1]])
def test_an_impossible_command_is_refused_before_anything_is_sent(duty: list[float]) -> None:
    async def main(bench: BoardBench) -> None:
        await bench.run(1)
        before = len(bench.wire)
        with pytest.raises(ValueError, match="expected 16 duties"):
            await bench.board.apply(duty)
        assert len(bench.wire) == before

    on_bench(main)


def test_damaged_repeated_and_impossible_commands_change_nothing() -> None:
    def command(alive: int, page: int, count: int = 200) -> bytearray:
        return wire.encode_bleed_command(alive, page, (count,) * 6)

    async def send(bench: BoardBench, *frames: bytearray) -> None:
        for frame in frames:
            identifier = wire.BLEED_COMMAND
            await bench.link.send(
                Message(arbitration_id=identifier, is_extended_id=False, data=frame)
            )

    async def main(bench: BoardBench) -> None:
        damaged = command(1, 1)
        damaged[4] ^= 0x10
        await send(bench, command(0, 0), damaged, command(2, 2))
        await send(bench, command(3, 0), command(3, 1), command(4, 2))
        await send(bench, command(5, 0), command(6, 1, count=201), command(7, 2))
        report = await bench.run(1)
        assert report.duty == [0.0] * 16
        assert faults(report) == {BoardFault("bad-command")}
        assert not faults(await bench.run(4))
        await send(bench, command(8, 0), command(9, 1), command(10, 2))
        assert (await bench.run(1)).duty == [1.0] * 16

    on_bench(main)


def test_the_board_pauses_its_bleeds_when_it_is_too_hot() -> None:
    async def main(bench: BoardBench) -> None:
        bench.oven.degc = 90.0
        report = await bench.bleed(2000, c5=1.0)
        assert report.pcb_degc > 85
        assert report.duty == [0.0] * 16
        assert BoardFault("bleed-paused") in faults(report)
        assert BoardFault("command-lost") not in faults(report)
        bench.oven.degc = 25.0
        report = await bench.bleed(2000, c5=1.0)
        assert report.duty[4] == 1.0
        assert not faults(report)

    on_bench(main, load_design(cycle_ns=1_000_000_000))


@pytest.mark.parametrize("cycle_s", [1, 2])
def test_bleed_heat_warms_the_board(cycle_s: int) -> None:
    async def main(bench: BoardBench) -> float:
        all_on = {f"c{k + 1}": 1.0 for k in range(16)}
        return (await bench.bleed(6000, **all_on)).pcb_degc

    design = load_design(cycle_ns=cycle_s * SECOND, bleed_tcr_ppm_per_k=0.0)
    # 16 · 3.3² / 68 ohm · 2 K/W over 25 degC; the lead drop and 0.1 % of muting take a little
    assert on_bench(main, design) == pytest.approx(25 + 16 * 3.3**2 / 68 * 2, abs=0.2)


# --- protections --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "trip", "between", "release"),
    [("over-voltage", 3.66, 3.55, 3.49), ("under-voltage", 2.49, 2.7, 2.85)],
)
def test_a_cell_trips_after_the_delay_and_releases_with_hysteresis(
    fault: str, trip: float, between: float, release: float
) -> None:
    mine = {BoardFault(fault, 7)}

    async def main(bench: BoardBench) -> None:
        report = await bench.run(0.97)
        bench.cells.set_v(7, trip)
        await bench.run(0.5)
        bench.cells.set_v(7, between)  # a trip that does not last is none
        await bench.run(0.2)
        bench.cells.set_v(7, trip)
        assert not faults(await bench.run(0.95))
        report = await bench.run(0.2)
        assert faults(report) == mine
        assert report.charge_allowed == (fault == "under-voltage")
        assert report.discharge_allowed == (fault == "over-voltage")
        bench.cells.set_v(7, between)
        assert faults(await bench.run(5)) == mine
        bench.cells.set_v(7, release)
        assert faults(await bench.run(0.9)) == mine
        report = await bench.run(0.3)
        assert not faults(report)
        assert report.charge_allowed
        assert report.discharge_allowed

    on_bench(main)


def test_a_cell_in_under_voltage_does_not_bleed() -> None:
    async def main(bench: BoardBench) -> None:
        bench.cells.set_v(5, 2.4)
        report = await bench.bleed(3, c5=1.0, c6=1.0)
        assert report.duty[4:6] == [0.0, 1.0]

    on_bench(main)


@pytest.mark.parametrize(
    ("degc", "fault", "charge_a", "discharge_a"),
    [
        (66.0, "over-temperature", 0.0, 0.0),
        (-21.0, "under-temperature", 0.0, 100.0),
        (-1.0, None, 0.0, 100.0),
        (3.0, None, 10.0, 100.0),
        (6.0, None, 100.0, 100.0),
    ],
)
def test_temperature_limits_current(
    degc: float, fault: str | None, charge_a: float, discharge_a: float
) -> None:
    async def main(bench: BoardBench) -> None:
        bench.cells.degc[2] = degc
        report = await bench.run(4)
        assert faults(report) == ({BoardFault(fault)} if fault else set())
        assert (report.charge_limit_a, report.discharge_limit_a) == (charge_a, discharge_a)

    on_bench(main)


@pytest.mark.parametrize("current_a", [130.0, -130.0])
def test_over_current_stops_both_directions(current_a: float) -> None:
    async def main(bench: BoardBench) -> None:
        bench.cells.current_a = current_a
        assert not faults(await bench.run(0.9))
        report = await bench.run(0.5)
        assert faults(report) == {BoardFault("over-current")}
        assert not report.charge_allowed
        assert not report.discharge_allowed

    on_bench(main)


# --- faults that the bench puts in ---------------------------------------------------------------


@pytest.mark.parametrize("fault", ["open-ntc", "shorted-ntc"])
def test_what_a_lost_ntc_felt_is_not_charged_and_without_any_nothing_flows(fault: str) -> None:
    async def main(bench: BoardBench) -> None:
        bench.cells.degc[:] = [25.0] * 4
        report = await bench.run(3)
        assert not faults(report)
        for ntc, discharge_a in ((3, 100.0), (1, 100.0), (4, 100.0), (2, 0.0)):
            bench.twin.inject(fault, ntc, active=True)
            report = await bench.run(4)
            assert faults(report) == {BoardFault("ntc-lost")}
            assert math.isnan(report.ntc_degc[ntc - 1])
            assert (report.charge_limit_a, report.discharge_limit_a) == (0.0, discharge_a)
        for ntc in range(1, 5):
            bench.twin.inject(fault, ntc, active=False)
        report = await bench.run(4)
        assert not faults(report)
        assert (report.charge_limit_a, report.discharge_limit_a) == (100.0, 100.0)

    on_bench(main)


@pytest.mark.parametrize("lead", range(1, 18))
def test_an_open_lead_is_found_named_and_stops_bleeding(lead: int) -> None:
    name = BoardFault("open-wire", lead) if lead <= 16 else BoardFault("top-lead-open")

    async def main(bench: BoardBench) -> None:
        await bench.run(1)
        bench.twin.inject("open-lead", lead, active=True)
        report = await bench.bleed(6, c8=1.0)
        assert name in faults(report)
        assert not [f for f in faults(report) if "open" in f.fault and f != name]
        assert report.duty == [0.0] * 16
        assert not report.charge_allowed
        bench.twin.inject("open-lead", lead, active=False)
        assert not faults(await bench.bleed(7))

    on_bench(main)


def test_a_blind_board_does_not_find_an_open_lead_but_its_readings_show_it() -> None:
    async def main(bench: BoardBench) -> None:
        for cell in range(1, 17):
            bench.cells.set_v(cell, 3.1)
        bench.twin.inject("blind", 0, active=True)
        bench.twin.inject("open-lead", 5, active=True)
        report = await bench.run(12)
        assert not faults(report)
        shift_v = [volt - 3.1 for volt in report.cell_v]
        assert abs(shift_v[4]) > 0.02
        assert shift_v[3] == pytest.approx(-shift_v[4], abs=0.01)

    on_bench(main)


def test_a_stuck_cell_repeats_its_last_reading() -> None:
    async def main(bench: BoardBench) -> None:
        before = (await bench.run(1)).cell_v[2]
        bench.twin.inject("stuck-cell", 3, active=True)
        bench.cells.set_v(3, 3.4)
        assert (await bench.run(2)).cell_v[2] == before
        bench.twin.inject("stuck-cell", 3, active=False)
        assert (await bench.run(1)).cell_v[2] == pytest.approx(3.4, abs=0.005)

    on_bench(main)


def test_a_stuck_bleed_draws_current_that_the_board_does_not_report() -> None:
    async def main(bench: BoardBench) -> None:
        bench.twin.inject("stuck-bleed", 4, active=True)
        report = await bench.bleed(2)
        assert report.duty == [0.0] * 16
        assert bench.cells.current_of(4) == pytest.approx(3.3 / 68.12, rel=0.02)

    on_bench(main)


def test_a_silent_board_ages_and_comes_back() -> None:
    async def main(bench: BoardBench) -> None:
        before = await bench.run(1)
        bench.twin.inject("silent", 0, active=True)
        report = await bench.run(3)
        assert report.cells_at == before.cells_at
        assert report.heard_at == before.heard_at
        bench.twin.inject("silent", 0, active=False)
        report = await bench.run(1)
        assert report.cell_sets > before.cell_sets

    on_bench(main)


def test_frames_with_a_bad_check_are_counted_and_not_believed() -> None:
    async def main(bench: BoardBench) -> None:
        before = await bench.run(1)
        assert before.rejected_frames == 0
        bench.twin.inject("bad-crc", 0, active=True)
        bench.cells.set_v(3, 3.4)
        report = await bench.run(2)
        assert report.rejected_frames == 2 * 78
        assert report.cell_sets == before.cell_sets
        assert report.cell_v == before.cell_v

    on_bench(main)


def test_a_silent_front_end_is_reported_and_its_cells_are_unknown() -> None:
    async def main(bench: BoardBench) -> None:
        before = await bench.bleed(2, c3=1.0)
        bench.twin.inject("front-end-silent", 20, active=True)
        report = await bench.bleed(2, c3=1.0)
        assert faults(report) == {BoardFault("front-end-silent", 17)}
        assert all(math.isnan(volt) for volt in report.cell_v[16:])
        assert not any(math.isnan(volt) for volt in report.cell_v[:16])
        assert report.cell_sets == before.cell_sets + 20
        assert report.duty == [0.0] * 32

    on_bench(main, load_design("reference-32s"))


def test_faults_that_do_not_exist_are_refused() -> None:
    async def main(bench: BoardBench) -> None:
        for fault, cell in (
            ("on-fire", 1),
            ("stuck-cell", 17),
            ("open-lead", 18),
            ("open-lead", 0),
        ):
            with pytest.raises(ValueError, match=r"no fault|no cell"):
                bench.twin.inject(fault, cell, active=True)

    on_bench(main)


# --- safe state ---------------------------------------------------------------------------------


def test_make_safe_switches_all_bleeds_off_and_reads_it_back() -> None:
    async def main(bench: BoardBench) -> None:
        await bench.bleed(2, c3=1.0, c9=0.5)
        began = bench.clock.now()
        assert await bench.board.make_safe() == "bleeds 0 of 16 on"
        assert bench.clock.now() - began < SECOND // 2
        assert (await bench.board.sense()).duty == [0.0] * 16
        await bench.run(0.2)
        assert bench.cells.current_of(3) < 1e-6

    on_bench(main)


def test_make_safe_says_when_the_board_is_silent() -> None:
    async def main(bench: BoardBench) -> None:
        bench.twin.inject("silent", 0, active=True)
        await bench.run(1)
        with pytest.raises(LinkTimeout, match=r"no report of the bleeds as off within 0\.7 s"):
            await bench.board.make_safe()

    on_bench(main)


def test_make_safe_leaves_its_command_with_an_adapter_that_is_stuck() -> None:
    """It wakes up some time; what it says before that is no read-back."""

    async def main(bench: BoardBench) -> None:
        await bench.bleed(2, c3=1.0, c9=0.5)
        heard = bench.link.pending

        def stuck() -> list[Message]:
            raise LinkTimeout("board", "the adapter does not acknowledge")

        bench.link.pending = stuck  # type: ignore[method-assign]
        with pytest.raises(LinkTimeout, match="does not acknowledge"):
            await bench.board.make_safe()
        bench.link.pending = heard  # type: ignore[method-assign]
        assert (await bench.run(0.3)).duty == [0.0] * 16

    on_bench(main)


def test_make_safe_says_when_bleeds_stay_on() -> None:
    def deaf(data: bytearray, now: int) -> None:
        """A board that does not obey any more."""

    async def main(bench: BoardBench) -> None:
        await bench.bleed(1, c3=1.0, c9=0.5)
        assert isinstance(bench.twin, ReferenceBoardTwin)
        bench.twin._commands._command = deaf  # type: ignore[method-assign]
        with pytest.raises(InstrumentFault, match="bleeds 2 of 16 on") as caught:
            await bench.board.make_safe()
        assert caught.value.code == 2

    on_bench(main)


def test_a_new_session_gets_through_to_a_board_that_knows_an_old_counter() -> None:
    """What the guardian does: another process, whose counters start again, makes the board safe."""

    async def main(bench: BoardBench) -> None:
        options = {"cells": 16, "ntcs": 4}
        for sent in range(15):
            await bench.board.apply([0.5] * 16)
            await bench.run(0.1 + 0.01 * sent)
            guardian = ReferenceBoard("board", bench.link, bench.clock, options)
            assert await guardian.make_safe() == "bleeds 0 of 16 on"

    on_bench(main)


def test_arm_wants_to_hear_the_board() -> None:
    async def main(bench: BoardBench) -> None:
        await bench.board.arm()
        bench.twin.inject("silent", 0, active=True)
        await bench.run(1)
        with pytest.raises(LinkTimeout, match="no complete set of cell voltages"):
            await bench.board.arm()

    on_bench(main)
