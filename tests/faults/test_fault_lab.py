"""Fault cases against a lab in another process: signals, SIGKILL, who comes after.

What is off, and when, is asked of the lab; the instant is that of the signal. The board of these
runs takes half a second a cycle, so that a busy host is not taken for a silent board.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_table import SEEDS, Hold
from faulted import drawn
from on_lab import (
    Mortal,
    emulators_off,
    ended_safe,
    off_after_ms,
    pause,
    shared_places,
    some_time,
    struck,
)
from served import Served, finished, hil, patiently, running, serving
from under_way import BOOTED, EMULATORS, HOT, SLOW_BOARD, UnderWay

from hil.app.holding import held
from hil.app.leases import leases
from hil.app.preparation import prepare_bench
from hil.bench.wall_time import monotonic_ns
from hil.cli import main
from hil.core.errors import EnvironmentProblem
from hil.core.records import SafeStateReached
from hil.results.contents import Contents

pytestmark = pytest.mark.alone

Profile = Callable[..., Path]

INCONCLUSIVE, ABORTED = 2, 3


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("lab"), *SLOW_BOARD, *BOOTED) as one:
        yield one


def killed(begun: UnderWay, number: signal.Signals) -> int:
    """Send a signal; return when."""
    sent = monotonic_ns()
    os.kill(begun.process.pid, number)
    return sent


@pytest.mark.parametrize("seed", SEEDS)
def test_case_2_by_its_guardian(seed: int, lab: Served, profile: Profile, hold: Hold) -> None:
    random, mortal = drawn(seed, 2), Mortal()
    with ended_safe(UnderWay(lab, profile(HOT), mortal.start)) as begun:
        some_time(random)
        off = off_after_ms(lab, killed(begun, signal.SIGKILL))
        begun.process.communicate()
        account = begun.account()
        assert (account["cause"], account["safe"]) == ("the run died", True)
        lost, runs = mortal.lost(begun.folder()), len(list(begun.folder().parent.iterdir()))
    hold(
        2,
        {
            "emulators and load off, by the guardian": off["emulators"],
            "chamber idle, by the guardian": off["chamber"],
            "acknowledged records lost": lost,
        },
    )
    hold(18, {"physical runs that began again by themselves": runs - 1})


PLACES = ("advance_plant", "_settings", "_fill_board", "judge_and_decide", "_decide")


@pytest.mark.parametrize("seed", SEEDS)
def test_case_3_by_its_guardian(
    seed: int,
    lab: Served,
    profile: Profile,
    hold: Hold,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop is blocked from within the tick, at another place and tick each time."""
    random = drawn(seed, 3)
    at, after = random.choice(PLACES), random.randint(3, 4)
    environment, told = struck(tmp_path, at, after, block_s=5.0)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    with ended_safe(UnderWay(lab, profile(HOT))) as begun:
        patiently(lambda: told.exists() and bool(told.read_text()), "the loop is not blocked")
        off = off_after_ms(lab, int(told.read_text(encoding="ascii")))
        assert begun.process.wait(60) == -signal.SIGKILL
        account = begun.account()
        assert (account["cause"], account["safe"]) == ("no beat of the run for 1.5 s", True)
    hold(
        3,
        {
            "emulators and load off, from the last tick": off["emulators"],
            "chamber idle, from the last tick": off["chamber"],
        },
    )


# --- who comes next -----------------------------------------------------------------------------

SIGNALS = (
    (signal.SIGINT,),
    (signal.SIGINT, signal.SIGINT),
    (signal.SIGTERM,),
)


@pytest.mark.parametrize("seed", SEEDS)
def test_cases_4_19_and_1_by_the_next_run(
    seed: int, lab: Served, profile: Profile, hold: Hold, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run and guardian are killed together, as with their host; the next run finds all on.

    While that one has the bench a third is refused; in the end it is stopped by a signal.
    """
    random, wanted = drawn(seed, 4), shared_places(lab)
    with ended_safe(UnderWay(lab, profile(HOT))) as begun:
        some_time(random)
        die_together(begun)
        assert begun.hot()
        assert main(["runs", "list", "--runs-dir", str(begun.folder().parent)]) == 0
        listed = capsys.readouterr().out
        words = ("run", str(begun.profile), "--bench", "loopback", "--json", *SLOW_BOARD)
        following = hil(*words, *lab.overrides(), cwd=begun.profile.parent)
        try:
            free = goes_off_and_on(lab, following, wanted)
            hold(4, {"switched on before all read back off": 0})
            hold(19, {"bench free with an output on": free, "second refused": refused_ms(lab)})
            some_time(random)
            sent = monotonic_ns()
            for number in SIGNALS[seed % len(SIGNALS)]:
                os.kill(following.pid, number)
            off = off_after_ms(lab, sent)
            code, out, err = finished(following)
        finally:
            following.kill()
            following.communicate()
    told = json.loads(out or err)
    assert (code, told["verdict"]) == (ABORTED, "ABORTED")
    [left_by] = told["held"]["left_by"]
    unnamed = f"pid {begun.process.pid}," not in left_by
    hold(4, {"dead run not named": unnamed + ("UNFINISHED" not in listed)})
    hold(1, {"emulators and load off, by the lab": off["emulators"]})
    hold(1, {"chamber idle, by the lab": off["chamber"]})


def die_together(begun: UnderWay) -> None:
    """Kill a run and its guardian; the guardian gets no chance to see the run die."""
    os.kill(begun.guardian, signal.SIGSTOP)
    for pid in (begun.process.pid, begun.guardian):
        os.kill(pid, signal.SIGKILL)
    begun.process.communicate()
    patiently(lambda: not running(begun.guardian), "the guardian does not die")


def goes_off_and_on(lab: Served, run: "subprocess.Popen[str]", wanted: list[str]) -> int:
    """Watch a run take over what is on: all goes off before anything goes on again.

    Return how often the bench was free to others while an output was on.
    """
    seen, free = [True], 0
    while len(seen) < 3 and run.poll() is None:
        is_free = not leases().held(wanted)
        devices = lab.ask("truth")["devices"]
        some, every = not emulators_off(devices), all(all(devices[k]["on"]) for k in EMULATORS)
        free += is_free and some and not leases().held(wanted)
        if not some or (every and not seen[-1]):
            seen += [some] if some != seen[-1] else []
        pause()
    assert seen == [True, False, True], finished(run)
    patiently(lambda: lab.truth("chamber")["conditioning"], "the chamber does not come up")
    return free


def refused_ms(lab: Served) -> float:
    """Return how long it takes to be told that somebody else has the bench."""
    bench = prepare_bench("loopback", lab.overrides()[1::2])
    asked = monotonic_ns()
    with pytest.raises(EnvironmentProblem, match="is held by"), held(bench, "another"):
        pytest.fail("it was let in")
    return (monotonic_ns() - asked) / 1e6


# --- an instrument that goes and comes back ------------------------------------------------------


def told_safe(begun: UnderWay, device: str) -> int:
    """Return how often a device was recorded as safe."""
    records = (record for _, record in Contents(begun.folder()).records())
    return sum(
        isinstance(one, SafeStateReached) and one.device == device and one.ok for one in records
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_case_12_a_stranger_comes_back(
    seed: int, lab: Served, profile: Profile, hold: Hold
) -> None:
    """Ours comes back when the stranger has been refused: nobody waits until the bench gives up."""
    gone, number = (("emulator-1", 1), ("emulator-2", 2))[seed % 2]
    with ended_safe(UnderWay(lab, profile(HOT))) as begun:
        some_time(drawn(seed, 12))
        sent = monotonic_ns()
        lab.ask("kill", device=gone)
        off = off_after_ms(lab, sent, gone)
        lab.ask("return", device=gone, serial="V-9999")
        log = begun.folder() / "run.log"
        patiently(lambda: "found V-9999" in log.read_text("utf-8"), "nobody is refused")
        taken = told_safe(begun, gone)
        lab.ask("kill", device=gone)
        lab.ask("return", device=gone, serial=f"V-000{number}")
        code, _, err = finished(begun.process)
    assert code == INCONCLUSIVE, err
    figures = {"the others off": off["emulators"], "chamber idle": off["chamber"]}
    hold(12, {**figures, "strangers taken for ours": taken})


@pytest.mark.parametrize("seed", SEEDS)
def test_case_13_an_instrument_that_starts_anew(
    seed: int, lab: Served, profile: Profile, hold: Hold
) -> None:
    """It loses its supply for a moment: its connection, its registers, its outputs."""
    reset = ("emulator-1", "emulator-2")[seed % 2]
    with ended_safe(UnderWay(lab, profile(HOT))) as begun:
        some_time(drawn(seed, 13))
        sent = monotonic_ns()
        lab.ask("inject", target=reset, fault="power-loss")
        lab.ask("clear", target=reset, fault="power-loss")
        off = off_after_ms(lab, sent)
        code, _, err = finished(begun.process)
    assert code == INCONCLUSIVE, err
    hold(13, {"all off, reset over a connection": max(off.values())})
