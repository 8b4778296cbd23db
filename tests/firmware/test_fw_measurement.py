"""What the firmware measures, when, and that the host is told just that."""

from random import Random

import pytest
from fw_chips import pec
from fw_rig import SECOND, Rig, design
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.virtual.firmware_parameters import parameter_page
from drivers.wire import ltc681x
from hil.physics.board import ntc_divider_v

CYCLE_US = 100_000
QUIET_CYCLE = [
    (0, "MUTE"),
    (1_000, "CLRCELL"),
    (1_000, "ADCV"),
    *[(3_400, f"RDCV{name}") for name in "ABCDEF"],
    (3_400, "VSHUNT"),
    (3_400, "UNMUTE"),
]
SLOW_CYCLE = [
    *[(0, "RDCFGA"), (0, "RDCFGB")],
    *QUIET_CYCLE[:-2],
    *[(3_400, "DEVICE_ID"), (3_400, "VSHUNT"), (3_400, "CLRAUX"), (3_400, "ADAX")],
    *[(7_300, "RDAUXA"), (7_300, "RDAUXB"), (7_300, "RDAUXD"), (7_300, "UNMUTE")],
]

boards = st.integers(1, 18).flatmap(
    lambda each: st.tuples(st.integers(1, min(64, 4 * each)), st.just(each))
)


@settings(max_examples=40)
@given(boards, st.randoms(use_true_random=False))
def test_every_cell_of_any_board_arrives_as_its_front_end_saw_it(
    layout: tuple[int, int], random: Random
) -> None:
    cells, each = layout
    rig = Rig(design(cells=cells, cells_per_front_end=each, ntcs=0))
    counts = [random.randint(0, 50_000) for _ in range(cells)]
    rig.chips.set_cells(counts, each)
    rig.run(0.25)
    assert rig.cells() == counts
    filler = [
        said.signals[name]
        for said in rig.said
        for name in said.signals
        if name.startswith("Cell") and said.signals[name] > 6.55
    ]
    last = cells % each or each
    pages = [-(-each // 3)] * (rig.design.front_ends - 1) + [-(-last // 3)]
    assert len(filler) == 2 * (3 * sum(pages) - cells)


@pytest.mark.parametrize(("volt", "seen"), [(65_534, 65_534), (65_535, 65_535)])
def test_one_cell_that_is_off_the_scale_is_not_known_and_the_others_are(
    volt: int, seen: int
) -> None:
    rig = Rig()
    rig.chips.chain[0].cells[4] = volt
    rig.run(0.5)
    assert rig.cells() == [33_000] * 4 + [seen] + [33_000] * 11
    assert rig.faults() == set()


def test_a_quiet_cycle_takes_eleven_transfers_and_a_slow_one_comes_every_second() -> None:
    rig = Rig()
    rig.run(4.95)
    for cycle in range(2, 49):
        log = rig.chips.names(cycle * CYCLE_US, (cycle + 1) * CYCLE_US)
        assert log == (SLOW_CYCLE if cycle % 10 == 1 else QUIET_CYCLE), cycle


def test_front_ends_are_woken_one_by_one_and_configured_before_the_first_cycle() -> None:
    rig = Rig(design(cells=36, cells_per_front_end=12))
    rig.run(0.15)
    assert rig.chips.names(CYCLE_US, 2 * CYCLE_US)[:6] == [
        *[(0, "WAKE1"), (400, "WAKE1"), (800, "WAKE1")],
        *[(1_200, "WRCFGA"), (1_200, "WRCFGB"), (1_200, "MUTE")],
    ]
    # inputs released and the reference on, else conversions would come too late
    assert [chip.config[0x001][0] for chip in rig.chips.chain] == [0xFC] * 3
    assert rig.cells() == [33_000] * 36


def test_cycle_n_starts_n_cycles_after_power_up_and_says_so() -> None:
    powered_us = 123_456_789
    rig = Rig(design(cycle_ns=333_333_000), powered_us=powered_us)
    rig.run(1_000.1)
    mutes = [at_us for at_us, name in rig.chips.log if name == "MUTE"]
    assert mutes[1:] == [powered_us + n * 333_333 for n in range(2, 3_001)]
    assert [said.signals["Cycle"] for said in rig.of("PackStatus")] == [*range(1, 3_001)]


def test_a_board_that_was_held_up_goes_on_with_the_cycle_of_now() -> None:
    rig = Rig()
    rig.run(1.0)
    rig.now_us += 7_330_000
    rig.run(0.3)
    cycles = [said.signals["Cycle"] for said in rig.of("PackStatus")]
    assert cycles[:9] == list(range(1, 10))
    assert cycles[9] == 10  # under way when it was held up
    assert cycles[10:12] == [83, 84]


@pytest.mark.parametrize("cycle_ms", [10, 20, 50, 700, 1_000, 2_600, 59_000])
def test_any_cycle_time_has_its_temperatures_about_once_a_second(cycle_ms: int) -> None:
    rig = Rig(design(cycle_ns=cycle_ms * 1_000_000))
    cycles = max(40, 5_000 // cycle_ms)
    rig.run(cycles * cycle_ms / 1e3 + 0.02)
    slow = [said for said in rig.of("Temperatures") if said.signals["Page"] == 0]
    every = max(1, round(1_000 / cycle_ms))
    assert len(slow) == -(-cycles // every)
    assert len(rig.of("PackStatus")) >= 0.97 * cycles
    assert rig.faults() == set()


def test_frames_of_a_cycle_leave_in_their_order() -> None:
    rig = Rig()
    for code in (1, 3):
        rig.ask(code)
    said = [said.name for said in rig.run(0.15)]
    assert said == [
        *["CellVoltages1"] * 6,
        *["Temperatures"] * 2,
        *["BleedState"] * 3,
        "PackStatus",
        *["Faults"] * 2,
        "Limits",
        *["Identity"] * 2,
    ]
    quiet = [said.name for said in rig.run(0.1)]
    assert quiet == ["CellVoltages1"] * 6 + ["PackStatus"]


def test_a_board_says_who_it_is() -> None:
    rig = Rig(design(cells=40, cells_per_front_end=14, ntcs=17))
    rig.ask(1)
    rig.run(0.15)
    identity = rig.last("Identity")
    assert identity["SerialNumber"] == 4711
    assert (identity["FirmwareMajor"], identity["FirmwareMinor"], identity["FirmwarePatch"]) == (
        2,
        0,
        0,
    )
    assert identity["Ntcs"] == 17


@settings(max_examples=60)
@given(st.lists(st.floats(-40.0, 120.0), min_size=33, max_size=33))
def test_temperatures_follow_the_divider_to_a_fifth_of_a_kelvin(degc: list[float]) -> None:
    rig = Rig(design(cells=64, cells_per_front_end=16, ntcs=32))
    counts = [round(ntc_divider_v(rig.design, one) / 1e-4) for one in degc]
    for k, chip in enumerate(rig.chips.chain):
        chip.pins[:8] = counts[8 * k : 8 * k + 8]
    rig.chips.chain[0].pins[8] = counts[32]
    rig.run(0.15)
    seen = rig.last("Temperatures")
    assert seen["PcbTemperature"] == pytest.approx(degc[32], abs=0.2)
    found = [seen[f"NtcTemperature{k + 1:02}"] for k in range(32)]
    assert found == pytest.approx(degc[:32], abs=0.2)


def test_the_table_is_met_at_each_of_its_points_and_goes_on_to_a_broken_ntc() -> None:
    rig = Rig(design(ntcs=8, cycle_ns=1_000_000_000))
    table = [round(ntc_divider_v(rig.design, degc) / 1e-4) for degc in range(-40, 121, 5)]
    rig.run(0.1)  # past the start of a cycle
    for degc, count in zip(range(-40, 121, 5), table, strict=True):
        rig.chips.chain[0].pins[:3] = [count, table[0] + 1, table[-1] - 1]
        rig.run(1)
        seen = rig.last("Temperatures")
        found = [seen[f"NtcTemperature{k:02}"] for k in (1, 2, 3)]
        assert found == [degc, -40, 120]


def test_a_broken_ntc_has_no_temperature() -> None:
    """Shorted or open; a cell of 180 degC or -45 degC is neither."""
    rig = Rig(design(ntcs=8))
    open_ = round(rig.design.ntc_supply_v / 1e-4)
    hot, cold = (round(ntc_divider_v(rig.design, degc) / 1e-4) for degc in (180.0, -45.0))
    rig.chips.chain[0].pins[:5] = [0, open_, 0xFFFF, hot, cold]
    rig.run(0.15)
    seen = rig.last("Temperatures")
    found = [seen[f"NtcTemperature{k:02}"] for k in range(1, 6)]
    assert found == [-3276.8, -3276.8, -3276.8, 120, -40]


@settings(max_examples=60)
@given(st.integers(-(1 << 19), (1 << 19) - 1), st.sampled_from([1e-5, 1e-4, 5e-4, 1e-3, 1e-2]))
def test_the_current_is_the_voltage_across_the_shunt(counts: int, shunt_ohm: float) -> None:
    rig = Rig(design(shunt_ohm=shunt_ohm))
    rig.chips.shunt_counts = counts
    rig.run(0.15)
    current_a = counts * 312.5e-9 / shunt_ohm
    seen_a = rig.last("PackStatus")["PackCurrent"]
    assert seen_a == pytest.approx(max(-8388.607, min(8388.607, current_a)), abs=0.000_51)


def test_a_current_that_nobody_measures_is_not_known_and_must_not_flow() -> None:
    rig = Rig()
    rig.run(2)
    rig.chips.shunt_line = 0xFF
    rig.run(0.2)
    assert rig.last("PackStatus")["PackCurrent"] == -8388.608
    assert rig.last("PackStatus")["DischargeAllowed"] == 1  # once is no evidence
    rig.run(0.2)
    status = rig.last("PackStatus")
    assert (status["State"], status["ChargeAllowed"], status["DischargeAllowed"]) == (2, 0, 0)
    rig.chips.shunt_line = None
    rig.run(0.2)
    status = rig.last("PackStatus")
    assert (status["State"], status["ChargeAllowed"], status["DischargeAllowed"]) == (1, 1, 1)


def test_a_line_that_is_stuck_low_is_no_current_of_nothing() -> None:
    rig = Rig()
    rig.run(1.95)
    rig.chips.shunt_line = 0x00
    rig.run(1.5)
    said = [one.signals["PackCurrent"] for one in rig.of("PackStatus")]
    assert said[-5:] == [-8388.608] * 5
    status = rig.last("PackStatus")
    assert (status["State"], status["ChargeAllowed"], status["DischargeAllowed"]) == (2, 0, 0)
    rig.chips.shunt_line = None
    rig.run(0.1)
    assert rig.last("PackStatus")["PackCurrent"] == 0


def test_a_monitor_that_misses_one_question_is_asked_again_in_the_next_cycle() -> None:
    rig = Rig()
    rig.run(1.05)
    rig.chips.shunt_line = 0x00
    rig.run(0.1)  # the slow cycle, that begins at 1.1 s
    rig.chips.shunt_line = None
    rig.run(0.4)
    said = [one.signals for one in rig.of("PackStatus")][-5:]
    assert [one["PackCurrent"] for one in said] == [-8388.608, 0, 0, 0, 0]
    assert {one["DischargeAllowed"] for one in said} == {1}


# --- the parameter page ---------------------------------------------------------------------------


def sealed(page: bytes) -> bytes:
    return page[:-2] + int.from_bytes(pec(page[:-2]), "big").to_bytes(2, "little")


def altered(at: int, value: bytes) -> bytes:
    page = bytearray(parameter_page(design(), 1))
    page[at : at + len(value)] = value
    return sealed(bytes(page))


def test_a_good_page_is_taken() -> None:
    assert Rig(page=altered(8, b"\xff" * 4)).runs
    assert ltc681x.pec15(b"\x00\x01") == int.from_bytes(pec(b"\x00\x01"), "big")


@given(st.integers(0, 155), st.integers(1, 255))
def test_a_page_with_one_wrong_byte_is_refused_and_the_board_stays_silent(
    at: int, wrong: int
) -> None:
    page = bytearray(parameter_page(design(), 1))
    page[at] ^= wrong
    rig = Rig(page=bytes(page))
    assert not rig.runs
    rig.ask(1)
    assert rig.run(10) == []
    assert rig.chips.log == []


@pytest.mark.parametrize("size", [0, 1, 155, 157])
def test_a_page_of_another_size_is_refused(size: int) -> None:
    assert not Rig(page=(parameter_page(design(), 1) + b"\x00")[:size]).runs


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, b"BMSQ"),
        (4, b"\x02\x00"),  # version
        (6, b"\x9d\x00"),  # size
        (12, b"\x00"),  # no cell
        (12, b"\x41"),  # 65 cells
        (13, b"\x00"),  # none a front end
        (13, b"\x13"),  # 19 a front end
        (13, b"\x03"),  # six front ends
        (14, b"\x09"),  # nine NTCs on eight inputs
        (16, (3_400).to_bytes(4, "little")),  # a conversion does not fit into the cycle
        (20, (97_600).to_bytes(4, "little")),  # nor with this settling time
        # a minute's cycle that begins with more silence than front ends bear
        (16, (60_000_000).to_bytes(4, "little") + (1_500_000).to_bytes(4, "little")),
        (70, b"\x00\x00"),  # a scan every no cycles
        (80, b"\x00" * 4),  # a shunt of nothing
        (24, (34_999).to_bytes(2, "little")),  # an over-voltage below its release
        (30, (25_000).to_bytes(2, "little")),  # an under-voltage released where it trips
        (38, (-200).to_bytes(2, "little", signed=True)),  # as an under-temperature
        (32, (599).to_bytes(2, "little")),  # an over-temperature below its release
        (40, (749).to_bytes(2, "little")),  # bleeds paused where it is cool enough for them
        (48, (99_999).to_bytes(4, "little")),  # an over-current below its release
        (90, b"\xff\xff"),  # a curve that rises
        (90, parameter_page(design(), 1)[88:90]),  # or stands still
    ],
)
def test_a_page_that_asks_for_what_cannot_be_is_refused(at: int, value: bytes) -> None:
    assert not Rig(page=altered(at, value)).runs


@pytest.mark.parametrize("at", [16, 20])
def test_a_page_at_the_edge_of_what_can_be_is_taken(at: int) -> None:
    edge = {16: 3_401, 20: 97_599}[at]
    rig = Rig(page=altered(at, edge.to_bytes(4, "little")))
    assert rig.runs
    rig.run(1)
    assert rig.cells() == [33_000] * 16
    assert rig.now_us == SECOND
