"""Whole runs over links that lose, delay and spoil messages: safe at the end, never too good."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import Play, Played

from drivers.links.faulty_plan import KINDS, LinkFault, override
from hil.cli import main
from hil.core.instants import SECOND

Profile = Callable[..., Path]

DEVICES = ("emulator-1", "chamber", "board")
STEPS = """\
  - rest: 15 s
  - discharge: {current: 20 A, until: [after: 30 s]}
  - rest: 5 s
"""


@pytest.fixture
def day(profile: Profile) -> Path:
    """Return the profile that all these runs play."""
    return profile(
        STEPS, controller="{strategy: fixed-threshold, every: 10 s, start: 2 mV, stop: 1 mV}"
    )


def key(device: str, name: str, value: object) -> str:
    """Return an override of one key of a link's faults."""
    return f"bench.devices.{device}.link.faults.{name}={value}"


def ends_safe(run: Played) -> None:
    """Check what holds for every run, whatever happened to its links."""
    last = {record["device"]: record for record in run.of("safe-state-reached")}
    assert {device for device, record in last.items() if record["ok"]} == {*DEVICES, "emulator-2"}
    assert run.records[-1]["kind"] == "run-ended"
    assert not (run.verdict == "PASS" and (run.of("tripped") or run.of("bench-failed")))
    assert run.verdict != "FAIL", run.summary["reasons"]
    told = run.summary["link_faults"]
    faults = [record["fault"] for record in run.of("link-faulted")]
    assert told == {kind: faults.count(kind) for kind in sorted(set(faults))}


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("device", DEVICES)
def test_a_healthy_board_is_never_blamed_for_a_disturbed_link(
    play: Play, day: Path, device: str, kind: str
) -> None:
    run = play(day, key(device, kind, "3 %"), key(device, "from", "5 s"), seed=3)
    ends_safe(run)
    assert set(run.summary["link_faults"]) == {kind}
    assert {record["device"] for record in run.of("link-faulted")} == {device}


def test_all_links_with_all_faults_at_once_are_no_worse(play: Play, day: Path) -> None:
    rates = [(kind, "0.1 %") for kind in KINDS if kind != "disconnected"]
    plan = [key(d, name, rate) for d in DEVICES for name, rate in (*rates, ("from", "5 s"))]
    run = play(day, *plan, seed=5)
    ends_safe(run)
    assert len(run.summary["link_faults"]) > 3
    assert len({record["device"] for record in run.of("link-faulted")}) > 1


def test_a_plan_without_faults_changes_nothing(play: Play, day: Path) -> None:
    """The wrapper is there in the second run, as its first record says, and nowhere else."""
    bare, none = play(day), play(day, *(f"bench.devices.{d}.link.faults={{}}" for d in DEVICES))
    assert none.digest == bare.digest
    wrapped = play(day, *(key(device, "lost", "0 %") for device in DEVICES))
    assert [r for r in wrapped.records if r["kind"] != "run-started"] == [
        r for r in bare.records if r["kind"] != "run-started"
    ]
    assert bare.verdict == "PASS"
    assert wrapped.summary["link_faults"] == {}


def test_a_seed_draws_the_same_faults_and_another_one_others(play: Play, day: Path) -> None:
    plan = (key("board", "lost", "1 %"), key("board", "from", "5 s"))
    first, again, other = play(day, *plan), play(day, *plan), play(day, *plan, seed=2)
    assert first.digest == again.digest
    assert first.of("link-faulted") != other.of("link-faulted")
    own = (*plan, key("board", "seed", "7"))
    same = {tuple(r["index"] for r in play(day, *own, seed=s).of("link-faulted")) for s in (1, 2)}
    assert len({indices[:5] for indices in same}) == 1, "a seed of its own overrules the run's"


def test_rates_act_in_their_window_only(play: Play, day: Path) -> None:
    plan = (
        key("board", "late", "20 %"),
        key("board", "from", "20 s"),
        key("board", "until", "30 s"),
    )
    told = [record["at"] for record in play(day, *plan).of("link-faulted")]
    assert told
    # a frame's own time counts; the host looks at it in the tick after
    assert min(told) >= 20e9
    assert max(told) < 31.5e9


def test_a_listed_fault_is_the_only_one_and_takes_its_message(play: Play, day: Path) -> None:
    faults = [LinkFault("to host", 30, "lost"), LinkFault("to device", 8, "late", 7_000_000)]
    run = play(day, override("emulator-1", faults))
    told = {(r["direction"], r["index"], r["fault"]) for r in run.of("link-faulted")}
    assert told == {("to host", 30, "lost"), ("to device", 8, "late")}
    assert [r["device"] for r in run.of("bad-measurement")] == ["emulator-1"]
    ends_safe(run)


def test_a_link_that_is_gone_as_the_run_ends_is_opened_again_to_switch_off(
    play: Play, day: Path
) -> None:
    last = LinkFault("to device", 111, "disconnected", 2_000_000_000)
    run = play(day, override("emulator-1", [last]))
    attempts = [r for r in run.of("safe-state-reached") if r["device"] == "emulator-1"]
    assert [r["ok"] for r in attempts] == [False] * (len(attempts) - 1) + [True]
    assert len(attempts) > 1
    assert attempts[-1]["read_back"] == "outputs 0,0,0,0,0,0,0,0"
    ends_safe(run)


def test_a_garbled_name_is_not_taken_for_the_instruments(play: Play, day: Path) -> None:
    """Once taken, no answer would ever be known again, and "off" never read back."""
    letter = LinkFault("to host", 0, "corrupted", 3 * 8 + 5)  # "WATLOW becomes "WAtLOW
    run = play(day, override("chamber", [letter]))
    assert run.verdict == "INCONCLUSIVE"
    assert "WAtLOW" in run.of("bench-failed")[0]["message"]
    ends_safe(run)


def test_a_number_that_a_turned_bit_has_made_is_no_pass(play: Play, profile: Profile) -> None:
    hot = profile("  - rest: 10 s\n  - expect: {chamber.temperature: {min: 40 degC}}\n")
    bit_of_2 = 2  # 23 degC becomes 63 degC
    runs = [
        play(hot, override("chamber", [LinkFault("to host", index, "corrupted", bit_of_2)]))
        for index in range(8, 15)
    ]
    read = [run.of("expectation")[0]["passed"] for run in runs]
    assert True in read, "no bit was turned where it makes another number"
    assert "PASS" not in {run.verdict for run in runs}


def test_the_summary_for_people_says_what_was_disturbed(
    day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, fault = str(tmp_path / "runs"), override("chamber", [LinkFault("to host", 9, "late", 1)])
    assert main(["run", str(day), "--set", fault, "--runs-dir", runs]) == 0
    assert "links   disturbed by the bench's own plan: 1 late\n" in capsys.readouterr().out
    assert main(["run", str(day), "--runs-dir", runs]) == 0
    assert "disturbed" not in capsys.readouterr().out


@pytest.mark.parametrize("device", DEVICES)
def test_a_link_that_is_gone_ends_the_run_in_the_same_tick(
    play: Play, day: Path, device: str
) -> None:
    """It is not opened again inside a run: to wait for it would only leave the others on."""
    gone = LinkFault("to device", 30, "disconnected", 60 * SECOND)
    run = play(day, override(device, [gone]))
    assert run.verdict == "INCONCLUSIVE"
    lost, *later = run.of("bad-measurement")
    assert {(r["device"], r["error"]) for r in (lost, *later)} == {(device, "LinkLost")}
    assert "disconnected" in run.summary["ended"]
    others = [r for r in run.of("safe-state-reached") if r["device"] != device]
    assert len(others) == len(DEVICES)  # emulator-2 is one of them
    assert all(record["ok"] and record["at"] - lost["at"] < SECOND for record in others)
    assert any(f"{device}: safe state not reached" in reason for reason in run.summary["reasons"])
