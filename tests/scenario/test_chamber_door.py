"""Runs that end in the cold: warmed where there is time, else said to be kept shut."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import Play, Played

from hil.bench.stop import StopLadder
from hil.core.instants import HOUR, MINUTE

Profile = Callable[..., Path]

COLD = "  - soak: {chamber: -5 degC, for: 30 min}\n"


def phases(run: Played) -> list[str]:
    return [one["phase"] for one in run.of("door-kept")]


def chamber_says(run: Played) -> str:
    return str(
        [one for one in run.of("safe-state-reached") if one["device"] == "chamber"][-1]["read_back"]
    )


def test_a_run_that_ends_cold_is_warmed_with_its_outputs_off(play: Play, profile: Profile) -> None:
    run = play(profile(COLD))
    assert run.verdict == "PASS"
    assert phases(run) == ["warming", "released"]
    warming, released = run.of("door-kept")
    kinds = [
        one.get("device", one.get("phase"))
        for one in run.records
        if one["kind"] in ("safe-state-reached", "door-kept")
    ]
    assert kinds == ["board", "emulator-1", "emulator-2", "warming", "released", "chamber"]
    assert 10 * MINUTE < released["at"] - warming["at"] < HOUR
    coldest, release = (float.fromhex(released[key]) for key in ("coldest_degc", "release_degc"))
    assert release <= coldest < release + 3.0
    assert release == pytest.approx(15.0, abs=0.1)
    assert "keep the door shut" not in chamber_says(run)
    assert run.summary["door"].startswith("released")


def test_a_run_that_ends_warm_says_nothing_of_the_door(play: Play, profile: Profile) -> None:
    run = play(profile("  - soak: {chamber: 25 degC, for: 1 min}\n"))
    assert phases(run) == []
    assert run.summary["door"] == ""


@pytest.mark.nightly
def test_in_a_dry_room_the_cold_does_no_harm(play: Play, profile: Profile) -> None:
    run = play(profile(COLD), "bench.room.dew_point=-20 degC")
    assert phases(run) == []


def test_a_trip_does_not_wait_and_says_to_keep_the_door_shut(play: Play, profile: Profile) -> None:
    run = play(profile(COLD, limits="{chamber.temperature: {min: 0 degC}}"))
    [tripped] = run.of("tripped")
    assert phases(run) == ["not released"]
    [kept] = run.of("door-kept")
    assert "chamber.temperature >= 0 degC" in kept["reason"]
    assert kept["at"] - tripped["at"] < MINUTE
    assert "keep the door shut until 15.0 degC: air -0.0 degC" in chamber_says(run)
    assert "dew point 12.0 degC [assumed]" in chamber_says(run)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("signal", "expected"), [("SIGINT", ["warming", "released"]), ("SIGTERM", ["not released"])]
)
def test_who_kills_soon_after_is_not_made_to_wait(
    play: Play, profile: Profile, signal: str, expected: list[str]
) -> None:
    stop = StopLadder()
    file = profile(COLD, limits="{chamber.temperature: {warn: {min: 5 degC}}}")
    run = play(file, stop=Pressed(stop, signal))
    assert run.summary["ended"] == f"stopped by {signal}"
    assert phases(run) == expected
    assert [one["source"] for one in run.of("stop-requested")] == [signal]
    assert run.verdict == "ABORTED"


class Pressed(StopLadder):
    """Asks for the stop once the chamber is cold: at the thousandth look at the level."""

    def __init__(self, _: StopLadder, signal: str) -> None:
        super().__init__()
        self._signal, self._looks = signal, 0

    @property
    def level(self) -> str:
        self._looks += 1
        if self._looks == 1000:
            self.request(self._signal)
        return super().level


@pytest.mark.nightly
def test_a_chamber_that_does_not_get_warm_is_given_up(play: Play, profile: Profile) -> None:
    steps = f"{COLD}  - inject: {{target: chamber, fault: limiter}}\n  - rest: 1 s\n"
    run = play(profile(steps))
    assert phases(run) == ["warming", "not released"]
    assert "still not warm after 2 h" in run.of("door-kept")[-1]["reason"]
    assert "keep the door shut" in chamber_says(run)


@pytest.mark.nightly
def test_an_emulator_that_stays_on_is_not_waited_beside(play: Play, profile: Profile) -> None:
    steps = (
        f"{COLD}  - inject: {{target: emulator-1, fault: refuses-off, cell: 3}}\n  - rest: 1 s\n"
    )
    run = play(profile(steps))
    assert phases(run) == ["not released"]
    assert "outputs could not be shown to be off" in run.of("door-kept")[0]["reason"]
