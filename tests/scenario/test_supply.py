"""The board's own supply: on first, off last, read back in every tick, taken away by profiles."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import Play, Played, read_back

from hil.core.errors import ConfigErrors

BENCH = "supply-16s"
BROWN_OUT = "  - inject: {target: supply, fault: brown-out, for: 400 ms}\n  - rest: 3 s\n"
LOST = "  - inject: {target: supply, fault: lost, for: 2 s}\n  - rest: 3 s\n"
BACK = "  - expect: {board.age: {max: 1 s}}\n"
TICK = {"tick": "200 ms"}
HANGS = "bench.devices.board.virtual.hangs_in_brown_out=yes"

Profile = Callable[..., Path]


def column(run: Played, name: str) -> list[float]:
    at = run.columns().index(name)
    return [float.fromhex(tick["values"][at]) for tick in run.of("tick")]


def test_it_is_on_before_the_board_is_spoken_to_and_off_when_all_else_is_safe(play: Play) -> None:
    run = play("brown-out")
    assert run.verdict == "PASS", run.summary
    assert run.of("deviation") == []
    read_back(run)
    met = [one["device"] for one in run.of("device-identified")]
    assert met[0] == "psu-1"
    safe = [one["device"] for one in run.of("safe-state-reached")]
    assert safe[-1] == "psu-1"
    volts, amperes = column(run, "supply.read_v"), column(run, "supply.read_a")
    seen = {round(volt) for volt in volts}
    assert seen == {12, 4, 0}
    # a converter without supply draws nothing, one with it what its board's design says; a reading
    # is the mean since the one before
    off = [k for k, volt in enumerate(volts) if k and max(volt, volts[k - 1]) < 5.0]
    assert len(off) >= 9
    assert max(amperes[k] for k in off) < 0.001
    assert amperes[0] == pytest.approx(0.035, abs=0.001)


@pytest.mark.parametrize("engine", [None, "lib"])
def test_a_board_with_a_reset_circuit_comes_back(
    engine: str | None, play: Play, profile: Profile
) -> None:
    steps = f"  - rest: 5 s\n{BROWN_OUT}{BACK}{LOST}{BACK}"
    run = play(profile(steps, **TICK), bench=BENCH, engine=engine)
    assert run.verdict == "PASS", run.summary


@pytest.mark.parametrize("engine", [None, "lib"])
def test_a_board_without_one_hangs_and_fails_and_is_safe_by_what_it_lives_by(
    engine: str | None, play: Play, profile: Profile
) -> None:
    """It neither bleeds nor says so: cells and supply are off, and that is read back."""
    steps = f"  - rest: 5 s\n{BROWN_OUT}{BACK}"
    run = play(profile(steps, **TICK), HANGS, bench=BENCH, engine=engine)
    assert run.verdict == "FAIL"
    last = [one for one in run.of("safe-state-reached") if one["device"] == "board"][-1]
    assert last["ok"]
    assert last["read_back"].endswith("what it lives by is off: emulator-1, emulator-2, psu-1")


def test_no_supply_at_all_wakes_a_board_that_hangs(play: Play, profile: Profile) -> None:
    steps = f"  - rest: 5 s\n{LOST}{BACK}"
    assert play(profile(steps, **TICK), HANGS, bench=BENCH).verdict == "PASS"


def test_a_board_that_draws_more_than_the_supply_may_give_ends_the_run(play: Play) -> None:
    """A short in the harness, or the wrong board: nothing the board could be failed for."""
    run = play("brown-out", "bench.board.feed.current=700 mA")
    assert run.verdict not in ("PASS", "FAIL")
    assert "psu-1" in run.summary["ended"]


def test_bleeds_stop_with_the_supply(play: Play, profile: Profile) -> None:
    steps = f"  - rest: 10 s\n{LOST.replace('2 s', '10 s')}"
    more = {
        "controller": "{strategy: fixed-threshold, start: 1 mV, stop: 0.5 mV, every: 1 s}",
        "pack": "{cell: lfp-100ah, soc: 60 %, cells: {5: {soc: 80 %}}}",
    }
    run = play(profile(steps, **more), bench=BENCH)
    fifth, volts = column(run, "emulator.read_a[5]"), column(run, "supply.read_v")
    off = [ampere for ampere, volt in zip(fifth, volts, strict=True) if volt < 1.0]
    assert max(fifth) > 0.02
    assert max(off[1:]) < 0.001


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("bench.wiring.supply.by=psu-1 channel 3", "no channel 3: R&S NGM202 has 2"),
        ("bench.wiring.supply.by=psu-2 channel 1", "no device 'psu-2'"),
        ("bench.wiring.supply.by=chamber channel 1", "'chamber' is no supply of a board"),
        ("bench.wiring.supply.by=psu-1", "expected an output such as psu-1 channel 1"),
        ("bench.wiring.supply.voltage=5 V", "found 5 V, and the board runs by 6 to 28 V"),
        ("bench.wiring.supply.voltage=24 V", "found 24 V, and R&S NGM202 gives 0 to 20 V"),
        ("bench.board.feed.max=5 V", "expected more than 6 V (min)"),
    ],
)
def test_a_bench_file_that_cannot_be_is_told_of(override: str, told: str, play: Play) -> None:
    with pytest.raises(ConfigErrors) as found:
        play("brown-out", override)
    assert told in str(found.value)


def test_what_asks_for_a_supply_that_the_bench_does_not_give_is_told_of(
    play: Play, profile: Profile
) -> None:
    steps = "  - rest: 5 s\n  - expect: {board.supply.current: {max: 50 mA}}\n"
    with pytest.raises(ConfigErrors, match="the bench gives the board no supply"):
        play(profile(steps))
    with pytest.raises(ConfigErrors, match="'supply' takes no faults"):
        play(profile(f"  - rest: 1 s\n{LOST}"))
