"""Cut-outs of the weeks in a climate: what surrounds the pack is in the rows, and decides.

A coarser tick than the profiles' own bench has: the board that balances is not what is looked at.
"""

from pathlib import Path

import pytest
from scenario import Play, Played

from hil.bench.replay_physics import replay_physics
from hil.core.instants import SECOND
from hil.profile import load_profile
from hil.results.reader import read

COARSE = ("tick=30 s", "bench.board.cycle=9 s", "bench.board.command_timeout=120 s")
MORNING_S = 4 * 3600.0


def column(run: Played, name: str) -> list[float]:
    """Return one value of every tick."""
    at = run.columns().index(name)
    return [float.fromhex(tick["values"][at]) for tick in run.of("tick")]


@pytest.fixture
def night(play: Play) -> Played:
    """Play the first four hours of the hot week."""
    return play("climate-hot-week", *COARSE, until_s=MORNING_S)


def test_the_rows_hold_the_weather_of_the_profile_and_the_chamber_follows(night: Played) -> None:
    weather = load_profile("climate-hot-week").pack.weather
    assert weather is not None
    ticks = [tick["at"] for tick in night.of("tick")]
    seen = column(night, "pack.ambient_degc")
    assert seen == pytest.approx([weather.at(at - ticks[0]) for at in ticks], abs=1e-9)
    assert max(seen) - min(seen) > 3.0  # a night cools
    air = column(night, "chamber.air_degc")
    # the chamber begins at room temperature, and goes by some kelvin a minute
    an_hour = 3600 * SECOND // (ticks[1] - ticks[0])
    assert air[an_hour:] == pytest.approx(seen[an_hour:], abs=1.0)


def test_cells_begin_with_the_weather_and_go_its_way_late(night: Played) -> None:
    seen, inside = column(night, "pack.ambient_degc"), column(night, "plant.enclosure_degc")
    cells = [column(night, f"plant.cell_degc[{cell}]") for cell in (1, 16)]
    assert cells[0][0] == pytest.approx(seen[0] - 3.0, abs=0.1)  # half the gradient, either way
    assert cells[1][0] == pytest.approx(seen[0] + 3.0, abs=0.1)
    mean = [(low + high) / 2.0 for low, high in zip(*cells, strict=True)]
    # outside, box, cells: in this order it gets cold
    assert seen[-1] < inside[-1] < mean[-1] < mean[0]
    assert mean[-1] - seen[-1] < 0.9 * (seen[0] - seen[-1])


def test_a_run_in_weather_replays_to_the_bit_from_its_records(night: Played) -> None:
    """No climate file is read: the row says what surrounded the pack."""
    again = replay_physics(read(Path(night.summary["folder"])))
    assert again.ticks == len(night.of("tick")) > 400
    assert again.stopped == ""
    assert (again.voltage.value, again.soc.value, again.temperature.value) == (0.0, 0.0, 0.0)


def test_the_digest_knows_the_year(play: Play) -> None:
    """Minutes of another year, and of another place to stand, are another run."""
    runs = [
        play("climate-hot-week", *COARSE, *change, until_s=600.0).digest
        for change in ((), (), ("pack.ambient.seed=1",), ("pack.ambient.enclosure=shade",))
    ]
    assert runs[0] == runs[1]
    assert len(set(runs)) == 3


AFTER_THE_FROST_S = 17.5 * 3600.0
KNOWS_NO_FROST = ("bench.board.no_charge_below=-30 degC", "bench.board.cold_charge_below=-25 degC")


def in_the_frost(run: Played) -> bool | None:
    """Return how the current was judged that flowed, or not, into a pack below 0 degC."""
    [judged] = [one for one in run.of("expectation") if one["name"].endswith("below 0 degC")]
    return judged["passed"]  # type: ignore[no-any-return]


@pytest.mark.nightly
def test_the_climate_brings_a_frost_in_which_the_board_forbids_charging(play: Play) -> None:
    """Nothing injects the cold: it is the garage's, half a day after the coast's."""
    run = play("climate-cold-week", *COARSE, until_s=AFTER_THE_FROST_S)
    assert in_the_frost(run) is True
    assert column(run, "plant.cell_degc[1]")[-1] < 0.0
    assert column(run, "pack.ambient_degc")[-1] > 0.0  # the cold end of the gradient, not the air


@pytest.mark.nightly
def test_a_board_that_knows_no_frost_fails_in_it(play: Play) -> None:
    run = play("climate-cold-week", *COARSE, *KNOWS_NO_FROST, until_s=AFTER_THE_FROST_S)
    assert in_the_frost(run) is False


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["climate-hot-week", "climate-cold-week"])
def test_a_good_board_passes_the_whole_week(play: Play, name: str) -> None:
    run = play(name)
    assert run.verdict == "PASS"
    assert run.of("deviation") == []


@pytest.mark.nightly
def test_a_box_that_holds_the_heat_fails_the_hot_week(play: Play) -> None:
    """Bleeds behind 10 K/W in place of 2: the board is hotter than its design says."""
    run = play("climate-hot-week", "bench.board.pcb_rth=10 K/W", until_s=3 * 86400.0)
    failed = {one["name"] for one in run.of("expectation") if one["passed"] is False}
    assert "board.temperature, at 15 h" in failed
