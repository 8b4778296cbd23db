"""What the firmware bleeds: when, for how long, never while it measures, and whom by itself."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from fw_rig import Rig, design
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.strategy import Observation
from hil.physics.board import ntc_divider_v

layouts = st.integers(1, 18).flatmap(
    lambda each: st.tuples(st.integers(1, min(64, 4 * each)), st.just(each))
)


def bled(rig: Rig) -> list[int]:
    """Return how long each cell has bled, in us."""
    each, cells = rig.design.cells_per_front_end, rig.design.cells
    rows = [row[: min(each, cells - k * each)] for k, row in enumerate(rig.chips.bleed_us)]
    return [us for row in rows for us in row]


@settings(max_examples=25)
@given(layouts, st.randoms(use_true_random=False))
def test_each_cell_bleeds_for_its_share_of_the_cycle_and_no_other_switch_closes(
    layout: tuple[int, int], random: Random
) -> None:
    cells, each = layout
    rig = Rig(design(cells=cells, cells_per_front_end=each, ntcs=0, open_wire_every=1000))
    duty = [random.randint(0, 180) for _ in range(cells)]
    rig.run(1.15)
    rig.command(duty)
    rig.run_until(1_250_000)
    assert rig.duty() == duty
    rig.command(duty)
    rig.run_until(2_000_000)
    rig.chips.bleed_us = [[0] * 18 for _ in rig.chips.chain]
    rig.run_until(3_000_000)
    share_us = [99_000 * count // 200 for count in duty]
    assert bled(rig) == [10 * us for us in share_us]
    assert sum(map(sum, rig.chips.bleed_us)) == 10 * sum(share_us)
    assert not rig.chips.bled_in_conversion


def test_a_full_duty_lasts_until_the_next_mute_and_one_that_nearly_does_as_well() -> None:
    rig = Rig(design(open_wire_every=1000))
    rig.run(1.15)
    rig.command([200, 199, 195, 194, 0, *[0] * 11])
    rig.run_until(1_300_000)
    rig.chips.bleed_us = [[0] * 18]
    rig.run_until(1_400_000)
    # 96.6 ms are left from the end of one measurement to the next mute
    assert bled(rig)[:5] == [96_600, 96_600, 96_525, 96_030, 0]


def test_the_end_of_a_bleed_is_one_write_and_what_is_unchanged_is_not_written() -> None:
    rig = Rig()
    rig.run(1.15)
    rig.command([100] * 16)
    rig.run_until(1_300_000)
    log = [one for one in rig.chips.names(1_200_000, 1_300_000) if one[1].startswith("WR")]
    assert log == [(3_400, "WRCFGA"), (3_400, "WRCFGB"), (52_900, "WRCFGA"), (52_900, "WRCFGB")]
    rig.command([100, 0, *[0] * 14])
    rig.run_until(1_400_000)
    log = [one for one in rig.chips.names(1_300_000, 1_400_000) if one[1].startswith("WR")]
    assert log == [(3_400, "WRCFGA"), (52_900, "WRCFGA")]


def test_a_board_that_does_not_mute_bleeds_on_while_it_measures() -> None:
    rig = Rig(design(mute=False, open_wire_every=1000))
    rig.run(1.15)
    rig.command([200, 100, *[0] * 14])
    rig.run_until(1_300_000)
    rig.chips.bleed_us = [[0] * 18]
    rig.run_until(1_400_000)
    assert bled(rig)[:3] == [100_000, 50_000, 0]
    assert rig.chips.bled_in_conversion
    names = [name for _, name in rig.chips.log]
    assert "MUTE" not in names
    assert "UNMUTE" not in names
    assert rig.chips.names(1_300_000, 1_300_001) == [(0, "CLRCELL"), (0, "ADCV+DCP")]


def test_nothing_bleeds_while_leads_are_looked_for_even_without_mute() -> None:
    rig = Rig(design(mute=False, open_wire_every=1))
    rig.command([200] * 16)
    rig.run(0.95)
    assert rig.duty() == [200] * 16
    per_cycle_us = [us / 9 for us in bled(rig)]
    assert max(per_cycle_us) < 100_000 - 4 * 2_300


@pytest.mark.parametrize("cycle_s", [1.7, 5, 59])
def test_front_ends_never_fall_asleep_while_they_bleed(cycle_s: float) -> None:
    rig = Rig(design(cycle_ns=round(cycle_s * 1e9), command_timeout_ns=200 * 10**9))
    rig.command([200] * 8 + [100] * 8)
    rig.run(3.2 * cycle_s)
    window_us = cycle_s * 1e6 - 1_000
    assert bled(rig)[0] == pytest.approx(2.2 * window_us, rel=0.05)
    assert bled(rig)[15] == pytest.approx((0.5 * 2 + 0.2) * window_us, rel=0.05)
    times = [at_us for at_us, name in rig.chips.log if name not in {"VSHUNT", "DEVICE_ID"}]
    begun = [at_us for at_us in times if at_us > 1.1 * cycle_s * 1e6]
    assert max(b - a for a, b in pairwise(begun)) <= 1_000_000


def test_front_ends_that_bleed_nothing_may_sleep_and_are_woken_for_each_cycle() -> None:
    rig = Rig(design(cells=24, cells_per_front_end=12, cycle_ns=10**10))
    rig.run(40.5)
    assert rig.steps < 4 * 45
    assert rig.cells() == [33_000] * 24
    assert rig.faults() == set()


def test_a_cell_under_voltage_bleeds_no_more_whoever_asks() -> None:
    rig = Rig()
    rig.chips.chain[0].cells[7] = 24_000
    rig.run(1.05)
    rig.command([200] * 16)
    rig.run(0.2)
    assert rig.duty() == [200] * 7 + [0] + [200] * 8
    rig.chips.chain[0].cells[7] = 28_000
    rig.run(1.15)
    assert rig.duty() == [200] * 16


def test_a_board_that_is_too_hot_pauses_and_goes_on_when_it_has_cooled_down() -> None:
    rig = Rig()
    pin = rig.chips.chain[0].pins
    rig.run(1.05)
    for degc, duty in ((84.0, 200), (86.0, 0), (76.0, 0), (74.0, 200)):
        pin[8] = round(ntc_divider_v(rig.design, degc) / 1e-4)
        rig.command([200] * 16)
        rig.run(1.1)
        assert rig.duty() == [duty] * 16, degc
        assert ("BleedPaused" in rig.faults()) is (duty == 0)


def test_a_board_whose_own_sensor_is_broken_bleeds_nothing_and_says_so() -> None:
    rig = Rig()
    rig.run(1.05)
    for pin, paused in ((0, True), (16_500, False), (33_000, True)):
        rig.chips.chain[0].pins[8] = pin
        rig.command([200] * 16)
        rig.run(1.1)
        assert rig.duty() == [0 if paused else 200] * 16
        assert ("BleedPaused" in rig.faults()) is paused


# --- its own balancing ----------------------------------------------------------------------------

EVERY_NS = 10_000_000_000
UNKNOWN = 0xFFFF


@settings(max_examples=12)
@given(st.integers(1, 40), st.randoms(use_true_random=False))
def test_it_decides_as_the_fixed_threshold_does(cells: int, random: Random) -> None:
    rig = Rig(design(cells=cells, cells_per_front_end=18, ntcs=0, balance_every_ns=EVERY_NS))
    strategy = FixedThreshold(start_v=500, stop_v=300)  # in counts: no rounding to argue about
    state = strategy.initial(cells)
    steps = [0, 1, 299, 300, 301, 400, 499, 500, 501, 2_000]
    for k in range(12):
        counts = [33_000 + random.choice(steps) for _ in range(cells)]
        if k % 3 == 2:
            # one in a group of three: a group that shows nothing at all was not converted
            counts[3 * random.randrange(cells // 3) if cells > 3 else 0] = UNKNOWN
        if cells <= 3:
            counts = [33_000 if count == UNKNOWN else count for count in counts]
        rig.chips.set_cells(counts, 18)
        # the first decision falls after the protections' delay, the others on its own beat
        rig.run_until(1_150_000 + k * EVERY_NS // 1_000)
        is_known = np.array(counts) != UNKNOWN
        seen = Observation(
            time_s=np.array(rig.now_us * 1e-6),
            cell_v=np.where(is_known, np.array(counts, float), np.nan),
            current_a=np.array(0.0),
            ntc_degc=np.zeros(0),
            pcb_degc=np.array(25.0),
            age_s=np.array(0.0),
            valid=is_known,
        )
        state, decision = strategy.step(state, seen)
        assert rig.duty() == [round(200 * one) for one in decision.duty]


def test_between_two_decisions_nothing_changes() -> None:
    rig = Rig()
    rig.chips.chain[0].cells[3] = 33_501
    rig.run(1.15)
    assert rig.duty() == [0] * 3 + [200] + [0] * 12
    rig.chips.set_cells([33_000 + 1_000 * (k == 9) for k in range(16)], 16)
    rig.run(119.9)
    assert rig.duty() == [0] * 3 + [200] + [0] * 12
    rig.run(0.2)
    assert rig.duty() == [0] * 9 + [200] + [0] * 6


def test_what_was_decided_on_one_stack_is_not_done_to_the_next() -> None:
    rig = Rig()
    rig.chips.set_cells([33_000] * 15 + [34_000], 16)
    rig.run(3)
    assert rig.duty() == [0] * 15 + [200]
    rig.chips.set_cells([0] * 16, 16)
    rig.run(3)
    mark = len(rig.said)
    rig.chips.set_cells([34_000] + [33_000] * 15, 16)
    rig.run(3)
    assert rig.duty() == [200] + [0] * 15
    last = [one.signals for one in rig.of("BleedState", since=mark) if one.data[1] >> 4 == 2]
    assert {one["ActualDuty16"] for one in last} == {0}


def test_a_bus_that_fails_for_a_cycle_is_no_other_stack() -> None:
    """What bleeds goes on, even where it would not begin anew."""
    rig = Rig()
    rig.chips.set_cells([33_000] * 15 + [33_600], 16)
    rig.run(3)
    rig.chips.set_cells([33_000] * 15 + [33_400], 16)
    rig.chips.chain[0].spoils = True
    rig.run(0.1)
    rig.chips.chain[0].spoils = False
    rig.run(3)
    assert rig.duty() == [0] * 15 + [200]


def test_a_board_that_is_not_connected_waits_with_its_decision() -> None:
    rig = Rig()
    rig.chips.set_cells([0] * 15 + [4_999], 16)
    rig.run(30)
    assert rig.duty() == [0] * 16
    rig.chips.set_cells([33_000] * 12 + [34_000] * 4, 16)  # on their way up
    rig.run(0.5)
    rig.chips.set_cells([33_000] * 15 + [34_000], 16)
    rig.run(0.4)
    assert rig.duty() == [0] * 16
    rig.run(0.3)
    assert rig.duty() == [0] * 15 + [200]
