"""What happens to a run that can no longer make its bench safe: its guardian does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scenario import recorded
from served import Served, connected, finished, hil, patiently, running, serving
from under_way import BOOTED, HOT, SLOW_BOARD, TROUBLED, UnderWay, all_off

from hil.app.leases import leases, places
from hil.app.preparation import prepare_bench

pytestmark = pytest.mark.alone

WITHIN_MS = {"emulator-1": 500.0, "emulator-2": 500.0, "chamber": 3_000.0}
"""performance.md, goal 9: emulators and load, and a chamber whose protocol is slow."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("lab"), *SLOW_BOARD, *BOOTED) as one:
        yield one


@pytest.fixture
def begun(served: Served, profile: Callable[..., Path]) -> Iterator[UnderWay]:
    one = UnderWay(served, profile(HOT))
    yield one
    one.process.kill()
    one.process.communicate()
    served.ask("kill", device="emulator-2")
    served.ask("return", device="emulator-2", serial="V-0002")


def assert_made_safe(begun: UnderWay, cause: str) -> None:
    account = begun.account()
    assert all_off(begun.lab)
    assert account["cause"] == cause
    assert account["safe"], account
    after_ms = {one["device"]: one["after_ms"] for one in account["devices"]}
    assert set(after_ms) == {*WITHIN_MS, "board"}
    assert all(after_ms[name] <= most for name, most in WITHIN_MS.items()), after_ms


def test_a_run_that_is_killed_leaves_nothing_on(begun: UnderWay) -> None:
    os.kill(begun.process.pid, signal.SIGKILL)
    _, err = begun.process.communicate(timeout=60)
    assert "the run died; every output read back off" in err
    assert_made_safe(begun, "the run died")
    place = begun.folder().parent.parent
    _, listed, _ = finished(hil("runs", "list", cwd=place))
    assert "UNFINISHED (made safe)" in listed
    for command in ("repair", "verify"):
        code, told, err = finished(hil("runs", command, "last", cwd=place))
        assert code == 0, told + err
        assert "not known to be safe" not in told
    assert (begun.folder() / "guardian.json").exists()


@pytest.mark.nightly
def test_a_run_whose_loop_is_blocked_is_killed_and_leaves_nothing_on(
    served: Served, profile: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lives, and takes no turn: a thread's beats would go on."""
    monkeypatch.setenv("PYTHONPATH", TROUBLED)
    begun = UnderWay(served, profile(HOT))
    os.kill(begun.process.pid, signal.SIGUSR1)
    assert_made_safe(begun, "no beat of the run for 1.5 s")
    assert begun.process.wait(60) == -signal.SIGKILL
    begun.process.communicate()


@pytest.mark.nightly
def test_a_run_that_hangs_is_killed_and_leaves_nothing_on(begun: UnderWay) -> None:
    """It holds its links: the instruments take one client each, until it is dead."""
    os.kill(begun.process.pid, signal.SIGSTOP)
    assert_made_safe(begun, "no beat of the run for 1.5 s")
    assert begun.process.wait(60) == -signal.SIGKILL


def test_what_does_not_obey_the_guardian_is_forced_in_time(begun: UnderWay) -> None:
    begun.lab.ask("inject", target="emulator-1", fault="lies-off")
    begun.lab.ask("inject", target="chamber", fault="ignores-off-once")
    os.kill(begun.process.pid, signal.SIGKILL)
    begun.process.communicate(timeout=60)
    assert_made_safe(begun, "the run died")
    read = {one["device"]: one["read_back"] for one in begun.account()["devices"]}
    assert "did not obey: all outputs off: its soft interlock was raised" in read["emulator-1"]
    assert "did not obey: heating and cooling off: told again" in read["chamber"]
    begun.lab.ask("clear", target="emulator-1", fault="lies-off")
    begun.lab.ask("clear", target="chamber", fault="ignores-off-once")
    for happens in ("kill", "return"):  # the soft interlock stays raised until it has booted
        begun.lab.ask(happens, device="emulator-1")


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.nightly)]
)
def test_a_run_whose_guardian_is_gone_ends_safe(begun: UnderWay, how: signal.Signals) -> None:
    """Dead or frozen: nobody would switch the outputs off if the run died too."""
    os.kill(begun.guardian, how)
    code, out, err = finished(begun.process)
    summary = json.loads(out or err)
    assert (code, summary["verdict"]) == (2, "INCONCLUSIVE"), summary
    assert "the guardian is gone" in summary["ended"]
    reached = [one for one in recorded(begun.folder()) if one["kind"] == "safe-state-reached"]
    assert len(reached) == len(WITHIN_MS) + 1
    assert all(one["ok"] for one in reached)
    assert all_off(begun.lab)
    assert not running(begun.guardian)


@pytest.mark.nightly
def test_a_bug_on_the_way_down_is_told_when_the_guardian_has_seen_to_the_bench(
    served: Served, profile: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run lives to say what broke: it is not killed for it."""
    monkeypatch.setenv("PYTHONPATH", TROUBLED)
    monkeypatch.setenv("WAY_DOWN", "broken")
    begun = UnderWay(served, profile(HOT))
    begun.process.send_signal(signal.SIGINT)
    code, _, err = finished(begun.process)
    assert code == 70  # EX_SOFTWARE of sysexits.h
    assert "RuntimeError: a bug on purpose" in err
    assert_made_safe(begun, "a bug on the run's way down")


@pytest.mark.nightly
def test_a_bug_of_the_guardian_keeps_no_other_device_on_and_stands_in_the_record(
    served: Served, profile: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", TROUBLED)
    monkeypatch.setenv("GUARDIAN", "broken")
    begun = UnderWay(served, profile(HOT))
    begun.process.kill()
    _, err = begun.process.communicate()
    assert "NOT SAFE: chamber: RuntimeError: a bug on purpose" in err
    assert "Traceback" in err
    account = begun.account()
    good = {one["device"]: one["ok"] for one in account["devices"]}
    assert good == {"board": True, "emulator-1": True, "emulator-2": True, "chamber": False}
    words = ("safe", "--bench", "loopback", *SLOW_BOARD, *served.overrides())
    code, out, err = finished(hil(*words, cwd=Path()))
    assert code == 0, out
    assert err.endswith(" had died and left it\n")
    assert all_off(served)


@pytest.mark.nightly
def test_a_stranger_is_not_taken_for_the_device_that_was_there(begun: UnderWay) -> None:
    """All others are made safe; what became of ours, nobody knows, and the record says so."""
    os.kill(begun.process.pid, signal.SIGSTOP)
    begun.lab.ask("kill", device="emulator-2")
    begun.lab.ask("return", device="emulator-2", serial="V-9999")
    account = begun.account()
    assert not account["safe"]
    read = {one["device"]: (one["ok"], one["read_back"]) for one in account["devices"]}
    assert {name for name, (ok, _) in read.items() if not ok} == {"emulator-2"}
    assert "expected serial V-0002 behind the link again, found V-9999" in read["emulator-2"][1]


def test_what_stops_the_run_leaves_its_guardian(begun: UnderWay) -> None:
    """A service manager sends SIGTERM to both: the guardian stays until the run has gone."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        os.kill(begun.guardian, number)
    os.kill(begun.process.pid, signal.SIGTERM)
    code, out, _ = finished(begun.process)
    assert (code, json.loads(out)["verdict"]) == (3, "ABORTED")
    assert all_off(begun.lab)
    assert not running(begun.guardian)
    assert not (begun.folder() / "guardian.json").exists()


def test_a_guardian_for_another_bench_than_the_runs_does_not_begin(tmp_path: Path) -> None:
    """A bench file that was changed in between: what it would switch off is not what is on."""
    hears, say = os.pipe()
    hear, says = os.pipe()
    asked = {"pid": os.getpid(), "bench": "virtual-16s", "overrides": [], "engine": None}
    os.write(say, json.dumps(asked | {"resolved": "another"}).encode() + b"\n")
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "hil.guardian", str(hears), str(says)],
        pass_fds=(hears, says),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    for descriptor in (hears, say, says):
        os.close(descriptor)
    assert os.read(hear, 1) == b""  # it never said that it is ready
    os.close(hear)
    assert done.returncode == 1
    assert done.stderr == (
        "hil: guardian: virtual-16s was changed while the run began: start again\n"
    )


def test_a_run_that_dies_before_it_connects_has_nothing_of_its_own_to_switch_off(
    served: Served, tmp_path: Path
) -> None:
    """Whoever has the bench on at that time is somebody else."""
    hears, say = os.pipe()
    hear, says = os.pipe()
    bench = prepare_bench("loopback", served.overrides()[1::2])
    asked: dict[str, object] = {"bench": "loopback", "engine": None}
    asked["overrides"] = served.overrides()[1::2]
    code = (
        "import json, os, subprocess, sys\n"
        "hears, say, hear, says, asked = map(json.loads, sys.argv[1:])\n"
        "os.write(say, json.dumps({'pid': os.getpid(), **asked}).encode() + b'\\n')\n"
        "command = [sys.executable, '-m', 'hil.guardian', str(hears), str(says)]\n"
        "subprocess.Popen(command, pass_fds=(hears, says))\n"
        "os.close(says)\n"
        "assert os.read(hear, 1) == b'!'\n"
        "os.kill(os.getpid(), 9)\n"
    )
    asked["resolved"] = bench.resolved_text()
    asked["leases"], asked["tokens"] = (
        str(leases().folder),
        dict.fromkeys(places(bench).values(), 1),
    )
    words = [json.dumps(one) for one in (hears, say, hear, says, asked)]
    with connected(served.place("emulator-1")) as somebody:
        somebody.sendall(b":OUTP 1,(@1:8)\n")
        patiently(lambda: all(served.truth("emulator-1")["on"]), "it does not go on")
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", code, *words],
        pass_fds=(hears, say, hear, says),
        cwd=tmp_path,
    )
    for descriptor in (hears, say, says):
        os.close(descriptor)
    assert process.wait(60) == -signal.SIGKILL
    assert os.read(hear, 1) == b""  # its guardian has left as well
    os.close(hear)
    assert all(served.truth("emulator-1")["on"])
    with connected(served.place("emulator-1")) as somebody:
        somebody.sendall(b":OUTP 0,(@1:8)\n")
        patiently(lambda: not any(served.truth("emulator-1")["on"]), "it does not go off")
