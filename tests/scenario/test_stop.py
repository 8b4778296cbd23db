"""Ctrl-C, SIGTERM and a closed terminal: stop, abort, panic; every output read back as off."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from scenario import Play, Played, hil, read_back, recorded

from hil.bench.stop import StopLadder
from hil.results import catalogue

pytestmark = pytest.mark.alone

Profile = Callable[..., Path]

LONG = "  - rest: 300 d\n"
OFF = {
    "board": "bleeds 0 of 16 on",
    "emulator-1": "outputs 0,0,0,0,0,0,0,0",
    "emulator-2": "outputs 0,0,0,0,0,0,0,0",
    "chamber": "output 1 (heating and cooling) OFF",
}


@pytest.mark.parametrize(
    "signals", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGINT, signal.SIGINT], [signal.SIGHUP]]
)
def test_a_signal_in_mid_run_exits_3_with_every_output_read_back_as_off(
    signals: Sequence[signal.Signals], profile: Profile, tmp_path: Path
) -> None:
    process = hil("run", str(profile(LONG)), cwd=tmp_path)
    assert process.stderr is not None
    process.stderr.readline()  # the first progress line: ticks are running
    for number in signals:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert out.startswith("ABORTED")
    [folder] = (tmp_path / "runs").iterdir()
    records = recorded(folder)
    reached = [record for record in records if record["kind"] == "safe-state-reached"]
    assert read_back(reached) == OFF
    assert records[-1]["kind"] == "run-ended"
    assert records[-1]["verdict"] == "ABORTED"
    assert catalogue.summaries(tmp_path / "runs")[0]["verdict"] == "ABORTED"


LOOKS_BEFORE_TICKS = 3
"""The run looks before it connects and after every tick: from the third look on it ticks."""


class Impatient(StopLadder):
    """Asks again and again from inside the run, at whatever is being waited for."""

    def __init__(self, requests: int) -> None:
        super().__init__()
        self._left = requests
        self._looks = 0

    @property
    def level(self) -> str:
        self._looks += 1
        if self._looks >= LOOKS_BEFORE_TICKS:
            left, self._left = self._left, 0
            for _ in range(left):
                self.request("SIGINT")
        return super().level


@pytest.mark.parametrize("requests", [1, 2, 3, 5])
def test_every_rung_of_the_ladder_ends_aborted_and_safe(
    requests: int, play: Play, profile: Profile
) -> None:
    run: Played = play(profile(LONG), stop=Impatient(requests))
    assert run.verdict == "ABORTED"
    assert run.of("tick")
    assert read_back(run) == OFF
    assert [r["level"] for r in run.of("stop-requested")][:3] == ["stop", "abort", "panic"][
        :requests
    ]


def test_a_stop_asked_for_before_the_run_touches_no_device(play: Play, profile: Profile) -> None:
    stop = StopLadder()
    stop.request("SIGTERM")
    run = play(profile(LONG), stop=stop)
    assert run.verdict == "ABORTED"
    kinds = {record["kind"] for record in run.records}
    assert kinds.isdisjoint({"safe-state-armed", "device-identified", "tick"})
    assert [r["source"] for r in run.of("stop-requested")] == ["SIGTERM"]


def test_a_bug_on_the_way_down_still_lets_go_of_every_link(
    play: Play, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hil.bench.run import Run  # noqa: PLC0415 - patched below
    from hil.bench.safe_state import SafeState  # noqa: PLC0415 - patched below

    let_go, gone = Run._let_go, []

    async def bug(_self: SafeState) -> bool:
        raise RuntimeError("a bug on the way down")

    async def noted(self: Run) -> None:
        await let_go(self)
        gone.append(True)

    monkeypatch.setattr(SafeState, "reach", bug)
    monkeypatch.setattr(Run, "_let_go", noted)
    with pytest.raises(RuntimeError, match="on the way down"):
        play(profile("  - rest: 3 s\n"))
    assert gone == [True]


def test_a_stop_asked_for_while_links_are_let_go_still_leaves_a_verdict(
    play: Play, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hil.bench.run import Run  # noqa: PLC0415 - patched below

    let_go, stop = Run._let_go, StopLadder()

    async def interrupted(self: Run) -> None:
        stop.request("SIGINT")
        stop.request("SIGINT")
        await self._clock.sleep_until(self._clock.now() + 1)
        await let_go(self)

    monkeypatch.setattr(Run, "_let_go", interrupted)
    run = play(profile("  - rest: 3 s\n"), stop=stop)
    assert [r["level"] for r in run.of("stop-requested")] == ["stop", "abort"]
    assert read_back(run) == OFF
    assert run.records[-1]["kind"] == "run-ended"


def test_an_output_is_never_on_without_its_undo_registered_before(
    play: Play, profile: Profile
) -> None:
    run = play(profile("  - rest: 3 s\n"))
    kinds = [record["kind"] for record in run.records]
    armed = [k for k, kind in enumerate(kinds) if kind == "safe-state-armed"]
    assert len(armed) == len(OFF)
    assert max(armed) < kinds.index("tick")


def test_a_bug_inside_the_tick_still_ends_in_the_safe_state(
    play: Play, profile: Profile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from hil.bench.tick import Ticker  # noqa: PLC0415 - patched below

    def bug(_self: Ticker, now: int, _step: str) -> None:
        raise RuntimeError(f"a bug at {now}")

    monkeypatch.setattr(Ticker, "judge_and_decide", bug)
    with pytest.raises(RuntimeError, match="a bug at"):
        play(profile(LONG))
    [folder] = (tmp_path / "runs").iterdir()
    reached = [r for r in recorded(folder) if r["kind"] == "safe-state-reached"]
    assert read_back(reached) == OFF
