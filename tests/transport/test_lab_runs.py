"""Runs on a lab in another process: the verdict of virtual time, and what a pulled plug does.

The board of these runs takes half a second a cycle: on a busy host a lab may be late by more than
the 0.3 s after which the bench would call a faster board silent.
"""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scenario import Play, held_up, recorded
from served import Served, connected, finished, hil, patiently, serving

from hil.app.devices import survey
from hil.app.lab_doors import lab_doors
from hil.app.safe import make_bench_safe
from hil.bench import safe_state
from hil.core.errors import DeviceError, LinkLost
from hil.core.instants import SECOND
from hil.ports import Injectable
from hil.profile import load_bench

pytestmark = pytest.mark.alone

SLOW_BOARD = ("--set", "bench.board.cycle=500 ms", "--set", "bench.board.open_wire_every=2")
BOOTED = tuple(
    word
    for unit in ("emulator-1", "emulator-2")
    for word in ("--set", f"bench.devices.{unit}.virtual.boot=0 s")
)

OPEN_LEAD = """\
  - rest: 1 s
  - inject: {target: wiring, fault: open-lead, cell: 6}
  - expect: {board: open-wire, cell: 6, within: 30 s}
  - inject: {target: emulator-2, fault: open, cell: 12, for: 1 s}
  - rest: 1 s
"""
LONG = "  - rest: 10 min\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("lab"), *SLOW_BOARD, *BOOTED) as one:
        yield one


@pytest.fixture
def lab(served: Served) -> Iterator[Served]:
    """The lab, whole again after each test."""
    yield served
    for fault in served.ask("faults")["active"]:
        served.ask("clear", **fault)
    served.ask("kill", device="emulator-2")
    served.ask("return", device="emulator-2", serial="V-0002")


def run(lab: Served, profile: Path) -> "subprocess.Popen[str]":
    """Start a run on the lab's devices."""
    words = ("run", str(profile), "--bench", "loopback", "--json", *SLOW_BOARD, *lab.overrides())
    return hil(*words, cwd=profile.parent)


def test_a_profile_has_the_verdict_of_virtual_time(
    lab: Served, play: Play, profile: Callable[..., Path]
) -> None:
    """Faults of the wiring go through the lab, those of an emulator through its own command."""
    file = profile(OPEN_LEAD)
    virtual = play(file, *[word for word in SLOW_BOARD if word != "--set"])
    process = run(lab, file)
    code, out, err = finished(process)
    summary = json.loads(out or err)
    assert virtual.verdict == "PASS"
    assert (code, summary["verdict"]) == (0, "PASS") or held_up(summary), summary
    if summary["ended"] == virtual.summary["ended"]:
        judged, expected = summary["expectations"], virtual.summary["expectations"]
        assert [one["name"] for one in judged] == [one["name"] for one in expected]
        assert all(one["passed"] for one in judged) or held_up(summary)
    assert lab.truth("board")["open_leads"] == []  # the run takes out what it has put in
    assert lab.truth("emulator-1")["on"] == [False] * 8


def under_way(profile: Path) -> bool:
    """Say whether a run of this profile has begun with its steps."""
    return told(profile, "step-started")


def told(profile: Path, kind: str) -> bool:
    """Say whether a run of this profile has told a kind of record."""
    logs = profile.parent.glob("runs/*/run.log")
    return any(kind in log.read_text(encoding="utf-8") for log in logs)


def test_a_plug_pulled_in_mid_run_is_named_and_all_others_go_safe(
    lab: Served, profile: Callable[..., Path]
) -> None:
    """And whoever comes back in its place with another serial number is refused."""
    file = profile(LONG)
    process = run(lab, file)
    patiently(lambda: under_way(file) or process.poll() is not None, "the run does not come up")
    assert all(lab.truth("emulator-2")["on"]), finished(process)
    pid = lab.pid("emulator-2")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    patiently(lambda: lab.pid("emulator-2") is None, "the lab does not see it")
    lab.ask("return", device="emulator-2", serial="V-9999")
    refused = "expected serial V-0002 behind the link again, found V-9999"
    patiently(lambda: told(file, refused) or process.poll() is not None, "nobody is refused")
    # Ours again, so that nobody has to wait until the bench gives up.
    lab.ask("kill", device="emulator-2")
    lab.ask("return", device="emulator-2", serial="V-0002")
    _, out, err = finished(process)
    assert out, err
    summary = json.loads(out)
    records = recorded(file.parent / summary["folder"])
    late = [one["subject"] for one in records if one["kind"] == "tripped"]  # a lab held up before
    assert set(late) <= {"board.age"}
    assert summary["verdict"] == ("ABORTED" if late else "INCONCLUSIVE"), summary
    assert late or any("emulator-2" in reason for reason in summary["reasons"])
    reached = [one for one in records if one["kind"] == "safe-state-reached"]
    strange = [one for one in reached if refused in one["read_back"]]
    assert {(one["device"], one["ok"]) for one in strange} == {("emulator-2", False)}
    good = {one["device"]: one["ok"] for one in reached if one["device"] != "emulator-2"}
    assert good == {"emulator-1": True, "chamber": True, "board": True}
    assert lab.truth("emulator-1")["on"] == [False] * 8
    assert not lab.truth("chamber")["conditioning"]


def test_a_frozen_adapter_is_not_held_against_the_board(
    lab: Served, profile: Callable[..., Path]
) -> None:
    """Its process stops, as behind a hung USB hub: nobody can say that the board is silent."""
    file = profile(LONG)
    process = run(lab, file)
    patiently(lambda: under_way(file) or process.poll() is not None, "the run does not come up")
    pid = lab.pid("board")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        patiently(
            lambda: told(file, "tripped") or process.poll() is not None, "the run does not end"
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    _, out, err = finished(process)
    assert out, err
    summary = json.loads(out)
    assert summary["verdict"] != "FAIL", summary
    records = recorded(file.parent / summary["folder"])
    assert not any(one.get("blames_board") for one in records if one["kind"] == "tripped")
    assert not any(one["kind"] == "deviation" for one in records)
    bad = [one for one in records if one["kind"] == "bad-measurement"]
    assert {one["device"] for one in bad} == {"board"}
    # Which of the two limits ends first is the host's pace: the adapter's, or that of the tick.
    limits = ("the adapter does not acknowledge", "no answer by the end of the tick's time")
    assert any(limit in bad[0]["message"] for limit in limits), bad[0]


# --- without a run: back doors, hil devices, hil safe --------------------------------------------


def settings(lab: Served) -> list[str]:
    """Return what the lab's bench is beside loopback.yaml, as ``--set`` takes it."""
    return [word for word in (*SLOW_BOARD, *lab.overrides()) if word != "--set"]


def test_a_back_door_says_why_it_stays_shut(lab: Served) -> None:
    bench = load_bench("loopback", settings(lab))
    doors = lab_doors(bench)
    assert set(doors) == {"wiring", *bench.devices}

    async def put_in(door: Injectable, fault: str, cell: int) -> None:
        done = door.inject(fault, cell, active=True)
        assert done is not None
        await done

    asyncio.run(put_in(doors["emulator-2"], "stuck-output", 3))
    assert lab.ask("faults")["active"][0]["cell"] == 11
    with pytest.raises(DeviceError, match="no cell 40"):
        asyncio.run(put_in(doors["board"], "stuck-cell", 40))
    elsewhere = lab_doors(load_bench("loopback", [f"bench.lab.control={lab.place('chamber')}"]))
    with connected(lab.place("chamber")), pytest.raises(LinkLost, match="lab: "):
        asyncio.run(put_in(elsewhere["chamber"], "silent", 0))


def test_devices_names_who_answers_and_why_one_does_not(lab: Served) -> None:
    lab.ask("kill", device="emulator-1")
    found = {one.device: one for one in survey("loopback", settings(lab))}
    assert list(found) == ["emulator-1", "emulator-2", "chamber", "board"]
    assert found["emulator-1"].who is None
    assert "refused" in found["emulator-1"].problem
    who = {name: one.who.serial for name, one in found.items() if one.who}
    assert who == {"emulator-2": "V-0002", "chamber": "V-0001", "board": "00000001"}
    assert found["emulator-2"].link == f"visa {lab.listening['endpoints'][1]['visa']}"


def test_safe_switches_off_whatever_was_left_on_and_names_who_is_gone(
    lab: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safe_state, "PAUSES", (SECOND // 10,))  # it does not come back
    with lab.connect("emulator-1") as client:
        client.sendall(b":SOUR1:VOLT 3.3;:OUTP 1,(@1:8)\n")
        patiently(lambda: all(lab.truth("emulator-1")["on"]), "it does not go on")
    with lab.connect("chamber") as client:
        client.sendall(b":OUTPUT1:STATE ON\n")
        patiently(lambda: lab.truth("chamber")["conditioning"], "it does not go on")
    lab.ask("kill", device="emulator-2")
    good = {one.device: one.ok for one in make_bench_safe("loopback", settings(lab)).devices}
    assert good == {"board": True, "emulator-1": True, "emulator-2": False, "chamber": True}
    assert lab.truth("emulator-1")["on"] == [False] * 8
    assert not lab.truth("chamber")["conditioning"]
