"""Devices that do not do as they are told on the way down: forced within the bench's deadlines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scenario import Play, Played

from hil.core.instants import SECOND

Profile = Callable[..., Path]

EMULATORS_NS, CHAMBER_NS = 500_000_000, 3_000_000_000


def way_down(run: Played, device: str) -> list[dict[str, Any]]:
    return [one for one in run.of("safe-state-reached") if one["device"] == device]


def ended(play: Play, profile: Profile, target: str, fault: str) -> Played:
    inject = f"{{target: {target}, fault: {fault}}}"
    return play(profile(f"  - rest: 5 s\n  - inject: {inject}\n  - rest: 1 s\n"))


def ended_at(run: Played) -> int:
    """Return when the slot came that found the steps over."""
    return int(run.of("tick")[-1]["at"]) + SECOND


MEANS = {
    "emulator-1 ignores-off-once": ["", "told again after the link was cleared"],
    "emulator-1 ignores-off": [
        "",
        "told again after the link was cleared",
        "its soft interlock was raised, and stays so until somebody clears it",
    ],
    "emulator-1 lies-off": [
        "",
        "told again after the link was cleared",
        "its soft interlock was raised, and stays so until somebody clears it",
    ],
    "chamber ignores-off-once": ["", "told again after the link was cleared"],
}


@pytest.mark.parametrize("disobeys", MEANS)
def test_one_that_does_not_obey_is_off_in_time_and_the_record_says_how(
    disobeys: str, play: Play, profile: Profile
) -> None:
    device, _, fault = disobeys.partition(" ")
    run = ended(play, profile, device, fault)
    down = way_down(run, device)
    assert [one["meaning"].partition(": ")[2] for one in down] == MEANS[disobeys]
    assert [one["ok"] for one in down] == [False] * (len(down) - 1) + [True]
    assert f"did not obey: {down[-1]['meaning']}" in down[-1]["read_back"]
    assert down[-1]["at"] - ended_at(run) <= (CHAMBER_NS if device == "chamber" else EMULATORS_NS)


@pytest.mark.parametrize(
    ("device", "deadline_ns", "hand"),
    [
        ("emulator-1", EMULATORS_NS, "press the emergency stop or pull the unit's mains plug"),
        ("chamber", CHAMBER_NS, "switch the chamber off at its main switch"),
    ],
)
def test_a_welded_relay_is_named_in_time_with_what_a_human_must_do(
    device: str, deadline_ns: int, hand: str, play: Play, profile: Profile
) -> None:
    cell = ", cell: 3" if device == "emulator-1" else ""
    run = ended(play, profile, device, f"refuses-off{cell}")
    down = way_down(run, device)
    assert not any(one["ok"] for one in down)
    first = next(one for one in down if hand in one["read_back"])
    assert first["at"] - ended_at(run) <= deadline_ns
    assert hand in down[-1]["read_back"]
    assert run.verdict == "ABORTED"
    assert [one for one in run.summary["reasons"] if hand in one]


def test_nobody_waits_for_the_reset_of_another(play: Play, profile: Profile) -> None:
    run = ended(play, profile, "emulator-1", "refuses-off, cell: 3")
    others = [one for one in run.of("safe-state-reached") if one["device"] != "emulator-1"]
    assert len(others) == 3
    assert all(one["ok"] for one in others)
    assert max(one["at"] for one in others) - ended_at(run) <= EMULATORS_NS
