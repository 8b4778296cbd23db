"""Switches that guard people: seen before anything is switched on, and in every tick after that."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import Play, read_back

from hil.app import Request, prepare
from hil.core.errors import ConfigErrors

GUARDS = (
    "bench.wiring.guards={emergency-stop: emulator-1 di 1, cover: emulator-1 di 4, "
    "door: emulator-2 di 2}"
)

Profile = Callable[..., Path]


def test_closed_loops_leave_a_run_alone_and_nothing_unwatched(play: Play) -> None:
    plain, guarded = play("open-sense-lead"), play("open-sense-lead", GUARDS)
    assert (plain.verdict, guarded.verdict) == ("PASS", "PASS")
    column = guarded.columns().index("guard.door")
    assert {float.fromhex(tick["values"][column]) for tick in guarded.of("tick")} == {1.0}
    prepared = prepare(Request("open-sense-lead", overrides=[GUARDS]))
    assert prepared.notes == ()
    assert [one.name for one in prepared.watched][:3] == [
        "guard.cover >= 1 (bench)",
        "guard.door >= 1 (bench)",
        "guard.emergency-stop >= 1 (bench)",
    ]


@pytest.mark.parametrize(
    ("target", "fault", "guard"),
    [
        ("emulator-1", "emergency-stop", "guard.emergency-stop"),
        ("emulator-1", "cover-open", "guard.cover"),
        ("chamber", "door-open", "guard.door"),
    ],
)
def test_an_opened_loop_ends_the_run_in_its_tick_and_blames_nobody(
    target: str, fault: str, guard: str, play: Play, profile: Profile
) -> None:
    steps = f"  - rest: 5 s\n  - inject: {{target: {target}, fault: {fault}}}\n  - rest: 1 h\n"
    run = play(profile(steps), GUARDS)
    [tripped] = run.of("tripped")
    assert (tripped["subject"], tripped["blames_board"]) == (guard, False)
    [injected] = run.of("injected")
    assert run.of("tick")[-1]["at"] == injected["at"] == tripped["at"]
    assert run.verdict not in ("PASS", "FAIL")
    assert {one["ok"] for one in run.of("safe-state-reached")} == {True}
    read_back(run)


def test_a_bench_whose_input_is_not_wired_is_not_switched_on(play: Play) -> None:
    """A cut wire, or a door that stands open: the input reads low, and outputs stay off."""
    run = play("open-sense-lead", GUARDS, "bench.devices.emulator-1.virtual.opened=cover")
    assert run.verdict not in ("PASS", "FAIL")
    assert "cover is open (digital input 4 reads low): close it first" in run.summary["ended"]
    assert run.of("tick") == []
    assert {one["ok"] for one in run.of("safe-state-reached")} == {True}


def test_a_unit_that_says_nothing_leaves_its_guards_unknown_and_trips(
    play: Play, profile: Profile
) -> None:
    steps = "  - rest: 5 s\n  - inject: {target: emulator-1, fault: silent}\n  - rest: 1 h\n"
    run = play(profile(steps), GUARDS)
    column = run.columns().index("guard.cover")
    assert run.of("tick")[-1]["values"][column] == float("nan").hex()
    assert run.summary["simulated_s"] < 30.0


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("bench.wiring.guards={door: emulator-1 di 5}", "no digital input 5: emulator-1 has 4"),
        ("bench.wiring.guards={door: chamber di 1}", "no digital input 1: chamber has 0"),
        ("bench.wiring.guards={door: emulator-9 di 1}", "no device 'emulator-9'"),
        ("bench.wiring.guards={window: emulator-1 di 1}", "window"),
        ("bench.wiring.guards={door: emulator-1 aux 1}", "expected a digital input such as"),
        (
            "bench.wiring.guards={door: emulator-1 di 1, cover: emulator-1 di 1}",
            "emulator-1 1 is wired twice",
        ),
    ],
)
def test_a_bench_file_that_cannot_be_is_told_of(override: str, told: str) -> None:
    with pytest.raises(ConfigErrors) as found:
        prepare(Request("open-sense-lead", overrides=[override]))
    assert told in str(found.value)
