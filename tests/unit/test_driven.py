"""The plant between two ticks: every charge counted once, whatever was not read in between."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from hil.bench.driven import Driven, make_plant
from hil.core.instants import SECOND
from hil.core.signals import tick_layout
from hil.core.wiring import Channel, units_of
from hil.physics.plant import Plant
from hil.profile import load_profile
from hil.profile.model import PackConfig

CELL = load_profile("open-sense-lead").cell_parameters
# Cell 1 on channel 2 of unit b, cell 2 on channel 1 of unit a, ...: nothing here is in order.
CHANNELS = (Channel("b", 2), Channel("a", 1), Channel("b", 1), Channel("a", 2))
LAYOUT = tick_layout(4, 1, units=2)
UNITS = units_of(CHANNELS)


def plant() -> Plant:
    return make_plant(4, PackConfig(cell="lfp"), CELL, 1)


def row(
    current_a: float = 0.0,
    read_a: Sequence[float] = (0.0,) * 4,
    span_s: Sequence[float] = (1.0, 1.0),
    air_degc: float = 25.0,
) -> list[float]:
    values = [math.nan] * LAYOUT.width
    values[LAYOUT.index("pack.current_a")] = current_a
    values[LAYOUT.columns("emulator.read_a")] = read_a
    values[LAYOUT.columns("emulator.span_s")] = span_s
    values[LAYOUT.index("chamber.air_degc")] = air_degc
    return values


def test_units_come_with_their_cells_in_the_order_of_their_channels() -> None:
    assert UNITS == {"a": [1, 3], "b": [2, 0]}
    assert list(UNITS) == ["a", "b"]


def test_a_reading_that_was_missed_is_made_up_for_by_the_next_one() -> None:
    """Unit b is silent for two ticks; its next reading covers three."""
    seen, missed = plant(), plant()
    through, around = (Driven(one, LAYOUT, CHANNELS, 25.0) for one in (seen, missed))
    rows = [row(read_a=(0.06, 0.03, 0.05, 0.04))] * 4
    blind = row(read_a=(math.nan, 0.03, math.nan, 0.04), span_s=(1.0, math.nan))
    late = row(read_a=(0.06, 0.03, 0.05, 0.04), span_s=(1.0, 3.0))
    for tick in range(5):
        through.advance(tick * SECOND, rows[tick - 1])
        around.advance(tick * SECOND, [rows[0], blind, blind, late][tick - 1])
        if tick == 3:
            assert missed.soc[1] == seen.soc[1]
            assert missed.soc[0] > seen.soc[0]
    assert missed.soc.tolist() == pytest.approx(seen.soc.tolist(), abs=1e-13)


def test_the_charge_that_flowed_is_that_of_the_readings() -> None:
    one = plant()
    driven = Driven(one, LAYOUT, CHANNELS, 25.0)
    before = one.soc.copy()
    rest = plant()
    rest.step(2.0, 0.0, [0.0] * 4, 25.0)
    leaked = before - rest.soc
    driven.advance(0, [])
    driven.advance(2 * SECOND, row(read_a=(0.0, 0.0, 0.9, 0.0), span_s=(2.0, 1.0)))
    bled_ah = ((before - one.soc) - leaked) * one.capacity_ah
    assert bled_ah.tolist() == pytest.approx([0.0, 0.0, 0.9 / 3600.0, 0.0], abs=1e-9)


@pytest.mark.parametrize(
    ("airs", "same_as"),
    [
        ([40.0, 40.0, 40.0], [40.0, 40.0, 40.0]),
        ([40.0, math.nan, math.nan], [40.0, 40.0, 40.0]),
        ([math.nan, math.nan, 40.0], [25.0, 25.0, 40.0]),
    ],
    ids=["read", "held", "not known yet"],
)
def test_the_air_is_what_the_chamber_last_read(
    airs: Sequence[float], same_as: Sequence[float]
) -> None:
    one, other = plant(), plant()
    driven = Driven(one, LAYOUT, CHANNELS, None)
    driven.advance(0, [])
    for tick, (air_degc, ambient_degc) in enumerate(zip(airs, same_as, strict=True), 1):
        driven.advance(tick * 60 * SECOND, row(air_degc=air_degc))
        other.step(60.0, 0.0, [0.0] * 4, ambient_degc)
    assert one.cell_degc.tolist() == pytest.approx(other.cell_degc.tolist(), abs=1e-6)
    assert (one.cell_degc > 25.0001).all()


def test_the_air_of_the_profile_goes_before_the_chambers() -> None:
    one = plant()
    driven = Driven(one, LAYOUT, CHANNELS, 25.0)
    driven.advance(0, [])
    driven.advance(3600 * SECOND, row(air_degc=60.0))
    assert np.abs(one.cell_degc - 25.0).max() < 0.1


@pytest.mark.parametrize(
    "bad", [row(current_a=math.nan), row(read_a=(math.nan,) * 4), row(span_s=(math.inf, 1.0))]
)
def test_an_input_that_is_no_number_stops_it(bad: Sequence[float]) -> None:
    driven = Driven(plant(), LAYOUT, CHANNELS, 25.0)
    driven.advance(0, [])
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(ValueError, match="not finite"),
    ):
        driven.advance(SECOND, bad)


@pytest.mark.parametrize("at", [0, SECOND, 10**12 * SECOND])
def test_time_that_stands_still_or_leaps_stops_it(at: int) -> None:
    driven = Driven(plant(), LAYOUT, CHANNELS, 25.0)
    driven.advance(SECOND, [])
    with pytest.raises(ValueError, match=f"a tick at {at} ns after one at 1000000000 ns"):
        driven.advance(at, row())
