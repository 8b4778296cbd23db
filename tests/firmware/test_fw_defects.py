"""The seeded defects: each one shows at the wires, from when it is to, and in no other way."""

import pytest
from fw_rig import Rig, Said, design

from hil.physics.board import ntc_divider_v

DEFECTS = (
    "DEFECT_STUCK_BLEED",
    "DEFECT_BLEED_DURING_MEASUREMENT",
    "DEFECT_OFF_BY_ONE",
    "DEFECT_NTC_SIGN",
    "DEFECT_STATUS_LOST",
)


def history(define: tuple[str, ...]) -> tuple[list[Said], list[tuple[int, str]], list[bytes]]:
    """Return all that a board said and asked, with a bleed and a silent front end in it."""
    rig = Rig(define=define)
    rig.chips.chain[0].pins[8] = round(ntc_divider_v(rig.design, 30.0) / 1e-4)
    rig.run(1.15)
    rig.command([0, 0, 100, *[0] * 13])
    rig.run(0.5)
    rig.chips.chain[0].is_cut = True
    rig.run(1)
    return rig.said, rig.chips.log, rig.chips.raw


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_shows_and_until_it_comes_there_is_none(defect: str) -> None:
    clean = history(())
    assert history((defect, "DEFECT_AFTER_S=3")) == clean
    assert history((defect,)) != clean


def test_a_stuck_bleed_is_on_whatever_is_decided_and_reported() -> None:
    rig = Rig(define=("DEFECT_STUCK_BLEED", "DEFECT_CELL=14", "DEFECT_AFTER_S=2"))
    rig.run(1.95)
    assert sum(rig.chips.bleed_us[0]) == 0
    rig.run(5)
    assert rig.duty() == [0] * 16
    assert rig.chips.chain[0].switches == 1 << 13
    assert rig.chips.bleed_us[0][13] > 4_000_000
    assert not rig.chips.bled_in_conversion


def test_bleeds_that_go_on_while_cells_convert() -> None:
    rig = Rig(define=("DEFECT_BLEED_DURING_MEASUREMENT",))
    rig.command([200] * 16)
    rig.run(2)
    assert rig.chips.bled_in_conversion
    assert rig.duty() == [200] * 16


def test_a_bleed_at_the_next_cell() -> None:
    rig = Rig(design(cells=20, cells_per_front_end=10), ("DEFECT_OFF_BY_ONE",))
    rig.run(1.15)
    rig.command([0, 0, 200, *[0] * 6, 200, *[0] * 9, 200])
    rig.run(0.2)
    assert rig.duty() == [0, 0, 200, *[0] * 6, 200, *[0] * 9, 200]
    assert [chip.switches for chip in rig.chips.chain] == [1 << 3, 1 << 0]


def test_a_temperature_of_the_wrong_sign() -> None:
    rig = Rig(define=("DEFECT_NTC_SIGN",))
    rig.chips.chain[0].pins[1] = 0
    rig.run(0.2)
    seen = rig.last("Temperatures")
    assert (seen["PcbTemperature"], seen["NtcTemperature01"]) == (-25.0, -25.0)
    assert seen["NtcTemperature02"] == -3276.8


def test_neither_status_nor_faults_of_a_board_with_a_silent_front_end() -> None:
    rig = Rig(define=("DEFECT_STATUS_LOST",))
    rig.run(1.15)
    rig.chips.chain[0].spoils = True
    rig.run(0.25)
    said = {one.name for one in rig.run(2)}
    assert said == {"CellVoltages1", "Temperatures", "BleedState", "Limits"}
    rig.chips.chain[0].spoils = False
    rig.run(0.2)
    assert "PackStatus" in {one.name for one in rig.run(0.1)}
