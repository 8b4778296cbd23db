"""The chamber's door: the room's dew point, and what those say who make a cold bench safe."""

import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from hil.app import build
from hil.app.reading_back import read_back_safe
from hil.bench.clock import run_virtual
from hil.bench.door import told
from hil.bench.rig import Rig
from hil.core.errors import ConfigErrors
from hil.core.instants import HOUR
from hil.guardian import make_safe
from hil.ports import Clock
from hil.profile import load_bench
from hil.profile.room import Room
from hil.results.wire_hash import WireHash


@pytest.mark.parametrize(
    ("temperature_degc", "humidity_ratio", "dew_degc"),
    [(20.0, 0.5, 9.3), (25.0, 0.6, 16.7), (23.0, 0.5, 12.0), (30.0, 1.0, 30.0), (20.0, 0.1, -12.6)],
)
def test_the_dew_point_is_that_of_the_tables(
    temperature_degc: float, humidity_ratio: float, dew_degc: float
) -> None:
    room = Room(temperature_degc, humidity_ratio)
    assert room.dew_degc == pytest.approx(dew_degc, abs=0.1)
    assert room.release_degc == pytest.approx(room.dew_degc + 3.0)


def test_a_dew_point_that_was_measured_is_taken_as_it_is() -> None:
    assert Room(dew_point_degc=-20.0).release_degc == -17.0


@pytest.mark.parametrize(
    ("air_degc", "says"),
    [
        (15.1, ""),
        (14.9, "keep the door shut until 15.0 degC: air 14.9 degC, dew point 12.0 degC [assumed]"),
        (
            math.nan,
            "cold? keep the door shut below 15.0 degC: air unknown, dew point 12.0 degC [assumed]",
        ),
    ],
)
def test_what_is_told_is_until_when_and_why(air_degc: float, says: str) -> None:
    assert told(Room(), air_degc) == says


def test_what_somebody_has_said_of_the_room_is_not_called_assumed() -> None:
    assert "assumed" not in told(Room(22.0), 0.0)


@pytest.mark.parametrize("given", ["humidity=140 %", "temperature=200 degC", "dew_point=wet"])
def test_a_room_that_cannot_be_is_refused_with_its_key(given: str) -> None:
    with pytest.raises(ConfigErrors, match=rf"room\.{given.partition('=')[0]}"):
        load_bench("virtual-16s", (f"bench.room.{given}",))


Way = Callable[[Clock, Rig], Coroutine[Any, Any, str]]


async def by_hil_safe(clock: Clock, rig: Rig) -> str:
    return next(
        one.read_back for one in await read_back_safe(rig, clock) if one.device == "chamber"
    )


async def by_the_guardian(clock: Clock, rig: Rig) -> str:
    reached, bug = await make_safe(clock, rig, {})
    assert bug is None
    return next(str(one["read_back"]) for one in reached if one["device"] == "chamber")


def left(way: Way, set_degc: float, *, lost_its_supply: bool = False) -> str:
    """Return what is read back of a chamber that somebody left at a temperature."""

    async def main(clock: Clock) -> str:
        rig = build(load_bench("virtual-16s"), 1, clock, WireHash())
        await rig.chamber.connect()
        await rig.chamber.arm()
        await rig.chamber.apply(set_degc, None)
        await clock.sleep_until(clock.now() + HOUR)
        await rig.chamber.close()
        if lost_its_supply:
            for active in (True, False):
                rig.backdoors["chamber"].inject("power-loss", 0, active=active)
        return await way(clock, rig)

    return run_virtual(main)


@pytest.mark.parametrize("way", [by_hil_safe, by_the_guardian])
def test_who_makes_a_cold_chamber_safe_says_so_and_does_not_wait(way: Way) -> None:
    says = left(way, -20.0)
    assert says.startswith("output 1 (heating and cooling) OFF; keep the door shut until 15.0 degC")
    assert "; " not in left(way, 30.0)


@pytest.mark.parametrize("way", [by_hil_safe, by_the_guardian])
def test_a_controller_that_starts_in_fahrenheit_again_is_not_taken_for_warm(way: Way) -> None:
    """-5 degC is 23 degF."""
    assert "keep the door shut until 15.0 degC: air -" in left(way, -5.0, lost_its_supply=True)
