"""What the firmware makes of chips that fail, of answers that are lost, and of any bytes at all."""

import pytest
from fw_chips import Chips
from fw_rig import Rig, design
from hypothesis import given, settings
from hypothesis import strategies as st


class Spoiler(Chips):
    """Chips whose answer number ``spoilt`` from now on is wrong in a bit."""

    def __init__(self, front_ends: int) -> None:
        super().__init__(front_ends)
        self.spoilt: set[int] = set()
        self.count = 0

    def transfer(self, now_us: int, select: int, data: bytes) -> bytes:
        said = bytearray(super().transfer(now_us, select, data))
        if select == 0 and len(said) > 8:
            if self.count in self.spoilt:
                said[7] ^= 0x04
            self.count += 1
        return bytes(said)


@pytest.mark.parametrize("which", range(6))
def test_a_read_that_fails_once_is_repeated_and_nobody_notices(which: int) -> None:
    rig = Rig()
    rig.chips = Spoiler(1)
    rig.chips.set_cells([33_000 + k for k in range(16)], 16)
    rig.run(1.15)
    rig.chips.count, rig.chips.spoilt = 0, {which}
    rig.run(0.1)
    assert rig.chips.count == 7
    assert rig.cells() == [33_000 + k for k in range(16)]
    rig.run(1)
    assert rig.faults() == set()


def test_a_read_that_fails_twice_makes_the_cells_of_this_cycle_unknown_and_no_others() -> None:
    rig = Rig(design(cells=20, cells_per_front_end=10))
    rig.chips = Spoiler(2)
    rig.run(1.15)
    rig.chips.count, rig.chips.spoilt = 0, {2, 3}
    rig.run(0.1)
    assert rig.cells() == [0xFFFF] * 10 + [33_000] * 10
    assert rig.faults() == set()
    rig.run(0.1)
    assert rig.cells() == [33_000] * 20


@pytest.mark.parametrize("fault", ["spoils", "is_cut", "is_deaf"])
@pytest.mark.parametrize("front_end", [1, 2, 3])
def test_a_front_end_that_fails_in_three_cycles_is_silent_until_a_good_one(
    front_end: int, fault: str
) -> None:
    rig = Rig(design(cells=30, cells_per_front_end=10, ntcs=24))
    rig.run(1.15)
    rig.command([200] * 30)
    rig.run(0.1)
    assert rig.duty() == [200] * 30
    setattr(rig.chips.chain[front_end - 1], fault, True)
    hidden = range(front_end, 4) if fault == "is_cut" else [front_end]
    expected = {f"FrontEnd{k}Silent" for k in hidden}
    rig.run(0.2)
    assert rig.faults() == set()
    assert rig.duty() == [200] * 30
    rig.run(0.1)
    assert rig.faults() == expected
    assert rig.duty() == [0] * 30
    said = rig.run(2.0)
    # everything goes on, with what is known
    cells = rig.cells()
    for k in (1, 2, 3):
        assert cells[10 * k - 10 : 10 * k] == [0xFFFF if k in hidden else 33_000] * 10
        degc = rig.last("Temperatures")[f"NtcTemperature{8 * k:02}"]
        assert (degc == -3276.8) is (k in hidden)
    names = [one.name for one in said]
    assert names.count("PackStatus") == 20
    assert names.count("Limits") == 2
    assert (
        rig.last("PackStatus")["ChargeAllowed"] == rig.last("PackStatus")["DischargeAllowed"] == 0
    )
    assert rig.last("PackStatus")["State"] == 2
    setattr(rig.chips.chain[front_end - 1], fault, False)
    rig.command([200] * 30)
    rig.run(0.2)
    assert rig.faults() == set()
    assert rig.cells() == [33_000] * 30
    assert rig.duty() == [200] * 30


def test_a_front_end_that_did_not_hear_the_conversion_gives_no_old_values() -> None:
    rig = Rig()
    rig.run(1.15)
    chip = rig.chips.chain[0]
    obey = chip.obey
    chip.obey = (  # type: ignore[method-assign]
        lambda code, now_us, data: b"" if code == 0x360 else obey(code, now_us, data)
    )
    rig.run(0.1)
    assert rig.cells() == [0xFFFF] * 16


def test_a_front_end_that_was_reset_is_configured_anew_within_a_second() -> None:
    for at_s in (0.0, 0.06, 0.47, 0.93):
        rig = Rig()
        rig.run(1.15)
        rig.command([200] * 16)
        rig.run(0.5 + at_s)
        chip = rig.chips.chain[0]
        chip.reset()
        chip.is_awake, chip.heard_us = True, rig.now_us
        rig.command([200] * 16)
        rig.run(1.05)
        assert chip.config[0x001][0] == 0xFC
        assert chip.switches == 0xFFFF


def test_a_switch_that_the_chip_did_not_take_over_is_found_by_reading_back() -> None:
    for register in (0x001, 0x024):
        rig = Rig()
        rig.run(1.15)
        rig.command([200] * 16)
        rig.run(0.2)
        config = rig.chips.chain[0].config
        config[register] = bytes([config[register][0] & 0x0F, 0, 0, 0, 0, 0])
        rig.run(1)
        assert rig.chips.chain[0].switches == 0xFFFF


def test_a_chip_that_lost_its_supply_while_the_board_bleeds_between_long_cycles() -> None:
    rig = Rig(design(cycle_ns=20 * 10**9, command_timeout_ns=100 * 10**9))
    rig.command([200] * 16)
    rig.run(25)
    rig.chips.chain[0].reset()
    rig.run(20)
    assert rig.chips.chain[0].switches == 0xFFFF
    assert rig.cells() == [33_000] * 16


def test_a_bus_that_answers_nothing_delays_the_host_and_nothing_more() -> None:
    rig = Rig()
    rig.run(1.15)
    rig.command([200] * 16)
    rig.run(0.2)
    rig.is_answered = False
    rig.run(3)
    assert rig.faults() == {"FrontEnd1Silent"}
    assert rig.duty() == [0] * 16
    assert rig.last("PackStatus")["PackCurrent"] == -8388.608
    late_us = [
        b.at_us - a.at_us
        for a, b in zip(rig.of("PackStatus"), rig.of("PackStatus")[1:], strict=False)
    ]
    assert max(late_us) <= 600_000
    rig.is_answered = True
    rig.command([200] * 16)
    rig.run(1)
    assert rig.faults() == set()
    assert rig.chips.chain[0].switches == 0xFFFF
    assert rig.cells() == [33_000] * 16


def test_calls_that_come_early_do_no_harm() -> None:
    asked, called = Rig(), Rig()
    for rig in (asked, called):
        rig.command([70] * 16)
    asked.run(2.05)
    while called.now_us < 2_050_000:
        wake_us = called.step()
        called.now_us = min(wake_us, called.now_us + 777, 2_050_000)
    called.step()
    assert called.said == asked.said
    assert called.chips.log == asked.chips.log


def test_time_that_stands_still_or_falls_back_starts_nothing_anew() -> None:
    rig = Rig()
    rig.run(1.15)
    said = len(rig.said)
    rig.now_us = 5
    rig.step()
    assert len(rig.said) == said
    rig.now_us = 1_150_000
    rig.run(0.1)
    assert [one.signals["Cycle"] for one in rig.of("PackStatus")] == list(range(1, 13))


class Noise(Chips):
    """Chips that say anything."""

    def __init__(self, front_ends: int, data: st.DataObject) -> None:
        super().__init__(front_ends)
        self._data = data

    def transfer(self, now_us: int, select: int, data: bytes) -> bytes:
        said = super().transfer(now_us, select, data)
        kind = self._data.draw(st.integers(0, 3))
        if kind == 0:
            return self._data.draw(st.binary(min_size=len(data), max_size=len(data)))
        return said


@settings(max_examples=15)
@given(st.data())
def test_whatever_chips_and_host_say_every_frame_is_sound(data: st.DataObject) -> None:
    rig = Rig(design(cells=20, cells_per_front_end=10))
    rig.chips = Noise(2, data)
    for _ in range(4):
        identifier = data.draw(st.sampled_from([0x0C0, 0x0D0, 0x100]))
        rig.send(identifier, data.draw(st.binary(max_size=8)))
        rig.run(0.1)
    assert len(rig.of("PackStatus")) >= 2
