"""What the firmware judges, held against the protections of the Python board, cycle by cycle."""

import math
from random import Random
from typing import Any

import pytest
from fw_rig import Rig, design
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.virtual.reference_protection import Protections
from drivers.wire.reference_board import BoardFlag
from hil.physics.board import BoardDesign, ntc_degc, ntc_divider_v

SIGNALS = {
    BoardFlag.OVER_TEMPERATURE: "OverTemperature",
    BoardFlag.UNDER_TEMPERATURE: "UnderTemperature",
    BoardFlag.OVER_CURRENT: "OverCurrent",
    BoardFlag.BLEED_PAUSED: "BleedPaused",
    BoardFlag.NTC_LOST: "NtcLost",
}


def flags_of(rig: Rig) -> int:
    faults = rig.last("Faults")
    return sum(1 << bit for bit, signal in SIGNALS.items() if faults[signal])


class Twin:
    """The Python board's judgement of the same readings."""

    def __init__(self, board: BoardDesign) -> None:
        self.board, self.protections = board, Protections(board)

    def cycle(self, rig: Rig, number: int) -> None:
        now = number * self.board.cycle_ns
        chips = rig.chips
        each = self.board.cells_per_front_end
        counts = [count for chip in chips.chain for count in chip.cells[:each]][: self.board.cells]
        current_a = chips.shunt_counts * 312.5e-9 / self.board.shunt_ohm
        self.protections.check_cells(counts, current_a, now)
        if number % 10 == 1:
            pins = [pin for chip in chips.chain for pin in chip.pins[:8]][: self.board.ntcs]
            degc = [self._degc(pin) for pin in pins]
            pcb_degc = self._degc(chips.chain[0].pins[8])
            # whose own sensor is broken is too hot, for all it knows
            pcb_degc = math.inf if math.isnan(pcb_degc) else pcb_degc
            self.protections.check_temperatures(degc, pcb_degc, now)

    def _degc(self, count: int) -> float:
        return ntc_degc(self.board, count * 1e-4)


def ends_of(threshold: tuple[float, float], step: float) -> list[float]:
    """Return values at a trip and a release, and a step to either side of them."""
    return [end + side * step for end in threshold for side in (-1, 0, 1)]


BOARD = design(cells=20, cells_per_front_end=10, ntcs=12)
VOLTS = [33_000.0, *ends_of((36_500, 35_000), 1), *ends_of((25_000, 28_000), 1), 0.0, 50_000.0]
AMPERES = [0.0, 119.9, 120.1, -120.1, 99.9, 100.1, -99.9, -300.0]
# half a kelvin off each threshold: what lies between the points of the table is good to a fifth
DEGC = [
    *[25.0, math.nan, -43.0, 130.0, 180.0],  # the table ends at -40 and 120
    *[end + side for end in (65.0, 60.0, -20.0, -15.0, 5.0, 0.0) for side in (-0.5, 0.5)],
]
PCB_DEGC = [25.0, 84.5, 85.5, 75.5, 74.5, 130.0, math.nan]


def pin(degc: float, board: BoardDesign = BOARD) -> int:
    return 0 if math.isnan(degc) else round(ntc_divider_v(board, degc) / 1e-4)


def shake(rig: Rig, random: Random) -> None:
    """Change some of what the board sees, mostly to about where it matters."""
    for chip in rig.chips.chain:
        for cell in random.sample(range(10), 2):
            chip.cells[cell] = round(random.choice(VOLTS))
        chip.pins[random.randrange(8)] = pin(random.choice(DEGC))
    rig.chips.chain[0].pins[8] = pin(random.choice(PCB_DEGC))
    rig.chips.shunt_counts = round(random.choice(AMPERES) * 0.5e-3 / 312.5e-9)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from([0, 300, 1_000, 1_050]))
def test_both_boards_judge_alike(seed: int, delay_ms: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    board = design(
        cells=20, cells_per_front_end=10, ntcs=12, protection_delay_ns=delay_ms * 1_000_000
    )
    rig, twin = Rig(board), Twin(board)
    # a threshold of ten seconds' trips and releases is not to be waited for
    for number in range(1, 150):
        if random.random() < 0.15:
            shake(rig, random)
        if random.random() < 0.05:  # all is well again
            for chip in rig.chips.chain:
                chip.cells[:10], chip.pins[:9] = [33_000] * 10, [pin(25.0)] * 9
            rig.chips.shunt_counts = 0
        rig.run_until(number * 100_000 + 50_000)
        twin.cycle(rig, number)
        outcome = twin.protections.outcome
        status = rig.of("PackStatus")[-1].signals
        assert status["Cycle"] == number
        assert bool(status["ChargeAllowed"]) is (outcome.charge_limit_a > 0)
        assert bool(status["DischargeAllowed"]) is (outcome.discharge_limit_a > 0)
        assert flags_of(rig) == outcome.flags
        assert rig.faults() & {f"OverVoltage {k}" for k in range(1, 65)} == {
            f"OverVoltage {k + 1}" for k in twin.protections.over_voltage.active
        }
        assert rig.faults() & {f"UnderVoltage {k}" for k in range(1, 65)} == {
            f"UnderVoltage {k + 1}" for k in twin.protections.under_voltage.active
        }
        if number % 10 == 1:
            limits = rig.last("Limits")
            assert limits["ChargeLimit"] == pytest.approx(outcome.charge_limit_a)
            assert limits["DischargeLimit"] == pytest.approx(outcome.discharge_limit_a)


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"over_voltage_v": 3.3, "over_voltage_release_v": 3.3}, "OverVoltage 1"),
        ({"under_voltage_v": 3.3, "under_voltage_release_v": 3.35}, "UnderVoltage 1"),
        (
            {"over_temperature_degc": 25.0, "over_temperature_release_degc": 25.0},
            "OverTemperature",
        ),
        (
            {"under_temperature_degc": 25.0, "under_temperature_release_degc": 30.0},
            "UnderTemperature",
        ),
        ({"bleed_pause_degc": 25.0, "bleed_resume_degc": 20.0}, "BleedPaused"),
    ],
)
def test_a_threshold_that_is_met_trips_after_its_delay(change: dict[str, Any], flag: str) -> None:
    rig = Rig(design(protection_delay_ns=2_000_000_000, **change))
    rig.run(0.15)
    if flag == "BleedPaused":  # too hot to bleed is too hot at once
        assert rig.faults() == {flag}
        return
    rig.run(1.9)
    assert flag not in rig.faults()
    assert rig.last("PackStatus")["State"] == 0
    rig.run(1.1)
    assert flag in rig.faults()
    assert rig.last("PackStatus")["State"] == 2


def test_an_over_current_is_one_in_either_direction_and_at_its_threshold() -> None:
    for sign in (1, -1):
        rig = Rig(design(shunt_ohm=312.5e-6, over_current_a=10.0, over_current_release_a=9.0))
        rig.chips.shunt_counts = sign * 9_999
        rig.run(3.05)
        assert rig.faults() == set()
        rig.chips.shunt_counts = sign * 10_000
        rig.run(1.1)
        assert rig.faults() == {"OverCurrent"}
        rig.chips.shunt_counts = sign * 9_001
        rig.run(3)
        assert rig.faults() == {"OverCurrent"}
        rig.chips.shunt_counts = sign * 9_000
        rig.run(1.1)
        assert rig.faults() == set()


def test_a_fault_is_told_in_the_cycle_that_finds_it_and_the_board_is_starting_until_it_judged() -> (
    None
):
    rig = Rig()
    rig.chips.chain[0].cells[15] = 37_000
    rig.run(1.05)
    states = [said.signals["State"] for said in rig.of("PackStatus")]
    assert states == [0] * 10
    rig.run(0.1)  # the first cycle saw it at 0.1 s
    assert rig.of("PackStatus")[-1].signals["State"] == 2
    assert rig.faults() == {"OverVoltage 16"}
    assert rig.of("Faults")[-1].at_us == rig.of("PackStatus")[-1].at_us


@pytest.mark.parametrize("cell", [1, 16, 17, 32, 33, 48, 49, 64])
def test_each_cell_has_its_own_bit(cell: int) -> None:
    rig = Rig(design(cells=64, cells_per_front_end=16))
    counts = [33_000] * 64
    counts[cell - 1] = 24_000
    rig.chips.set_cells(counts, 16)
    rig.run(2)
    assert rig.faults() == {f"UnderVoltage {cell}"}


def test_what_is_not_known_keeps_its_state_and_starts_its_delay_anew() -> None:
    rig = Rig()
    chip = rig.chips.chain[0]
    chip.cells[2], chip.cells[3] = 37_000, 20_000
    rig.run(2)
    assert rig.faults() == {"OverVoltage 3", "UnderVoltage 4"}
    chip.cells[2] = chip.cells[3] = 0xFFFF
    rig.run(3)
    assert rig.faults() == {"OverVoltage 3", "UnderVoltage 4"}
    chip.cells[2] = chip.cells[3] = 33_000
    rig.run(0.75)
    chip.cells[2] = 0xFFFF
    rig.run(0.1)
    chip.cells[2] = 33_000
    rig.run(0.35)
    assert rig.faults() == {"OverVoltage 3"}
    rig.run(0.75)
    assert rig.faults() == set()


def test_a_reading_that_is_lost_now_and_then_keeps_nothing_from_tripping() -> None:
    """Each second cycle says nothing: what stays too high in all the others is an over-voltage."""
    rig = Rig()
    chip = rig.chips.chain[0]
    rig.run(1.15)
    for _ in range(12):
        chip.cells[2] = 37_000 if chip.cells[2] == 0xFFFF else 0xFFFF
        rig.run(0.1)
    assert rig.faults() == {"OverVoltage 3"}


def test_an_ntc_that_breaks_while_it_is_too_hot_stays_too_hot() -> None:
    rig = Rig()
    rig.chips.chain[0].pins[1] = pin(70.0)
    rig.run(3)
    assert rig.faults() == {"OverTemperature"}
    rig.chips.chain[0].pins[1] = 0
    rig.run(5)
    assert rig.faults() == {"OverTemperature", "NtcLost"}
    rig.chips.chain[0].pins[1] = pin(25.0)
    rig.run(3)
    assert rig.faults() == set()


# --- open leads -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("cells", "each"), [(16, 16), (20, 10), (7, 3), (24, 8)])
def test_leads_are_found_open_by_what_the_data_sheet_says(cells: int, each: int) -> None:
    """An inner one by its difference, an outermost one by a cell that reads nothing."""
    for lead in range(cells + 1):
        rig = Rig(design(cells=cells, cells_per_front_end=each, open_wire_every=3, ntcs=0))
        if lead == cells - 1 and cells % each == 1:
            continue  # a cell that is alone gives up both its leads
        chain = rig.chips.chain
        chip, inner = divmod(lead, each)
        if inner and lead < cells:
            chain[chip].up[inner], chain[chip].down[inner] = 30_000, 32_001
            chain[chip].up[inner - 1], chain[chip].down[inner - 1] = 36_000, 30_000
        else:
            if lead < cells:
                chain[chip].up[0] = 0
            if lead > 0:
                chain[(lead - 1) // each].down[(lead - 1) % each] = 0
        rig.run(0.25)
        assert rig.faults() == set()
        rig.run(0.1)
        expected = {"TopLeadOpen"} if lead == cells else {f"OpenWire {lead + 1}"}
        assert rig.faults() == expected, lead
        assert rig.last("PackStatus")["State"] == 2
        assert rig.last("Limits")["ChargeLimit"] == rig.last("Limits")["DischargeLimit"] == 0


def test_a_change_up_to_the_threshold_is_no_open_lead() -> None:
    rig = Rig(design(open_wire_every=1))
    chip = rig.chips.chain[0]
    chip.up[7], chip.down[7] = 30_000, 32_000
    chip.up[0], chip.down[15] = 1, 1
    rig.run(1)
    assert rig.faults() == set()
    chip.down[7] = 32_001
    rig.run(0.15)
    assert rig.faults() == {"OpenWire 8"}


def test_nobody_looks_for_leads_on_a_stack_that_is_not_there() -> None:
    rig = Rig(design(open_wire_every=1))
    rig.chips.set_cells([4_999] * 16, 16)
    rig.chips.chain[0].up[0] = 0
    rig.run(1)
    assert not any(name.startswith("ADOW") for _, name in rig.chips.log)
    rig.chips.chain[0].cells[9] = 5_000
    rig.run(0.2)
    assert "OpenWire 1" in rig.faults()


def test_the_scan_comes_when_it_is_due_and_pulls_twice_each_way() -> None:
    rig = Rig(design(open_wire_every=7))
    rig.run(3)
    scans = {at_us // 100_000 for at_us, name in rig.chips.log if name.startswith("ADOW")}
    assert scans == {7, 14, 21, 28}
    log = [one for one in rig.chips.names(700_000, 800_000) if "RDCV" not in one[1]]
    assert log[3:] == [
        (3_400, "VSHUNT"),
        *[(3_400, "ADOW+"), (5_800, "ADOW+"), (8_200, "ADOW-"), (10_600, "ADOW-")],
        (13_000, "UNMUTE"),
    ]


def test_leads_that_were_not_seen_stay_as_they_were() -> None:
    rig = Rig(design(cells=20, cells_per_front_end=10, open_wire_every=1))
    rig.chips.chain[1].up[4], rig.chips.chain[1].down[4] = 30_000, 40_000
    rig.run(0.25)
    assert rig.faults() == {"OpenWire 15"}
    rig.chips.chain[1].up[4] = 33_000
    rig.chips.chain[1].down[4] = 33_000
    rig.chips.chain[1].spoils = True
    rig.run(1)
    assert rig.faults() == {"OpenWire 15", "FrontEnd2Silent"}
    rig.chips.chain[1].spoils = False
    rig.run(0.2)
    assert rig.faults() == set()
