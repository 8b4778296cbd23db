"""A fault box in the wires: what a profile breaks goes by its relays, and is read back."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import Play, read_back

from hil.app import Request, prepare
from hil.core.errors import ConfigErrors

BENCH = "fault-box-16s"
BREAK = "  - inject: {target: wiring, fault: open-lead, cell: 6}\n"
FOUND = "  - expect: {board: open-wire, cell: 6, within: 10 s}\n"

Profile = Callable[..., Path]


def test_a_lead_that_the_box_opens_is_found_by_the_board(play: Play) -> None:
    run = play("open-sense-lead", bench=BENCH)
    assert run.verdict == "PASS"
    read_back(run)
    [safe] = [one for one in run.of("safe-state-reached") if one["device"] == "fiu-1"]
    assert (safe["ok"], safe["read_back"]) == (True, "channels 1 to 24 connected")
    # after the cells: nothing flows in a wire that closes
    order = [one["device"] for one in run.of("safe-state-reached")]
    assert order.index("fiu-1") > max(order.index("emulator-1"), order.index("emulator-2"))


def test_a_lead_is_connected_again_and_the_board_takes_note(play: Play, profile: Profile) -> None:
    steps = f"""\
{BREAK}{FOUND}  - clear: {{target: wiring, fault: open-lead, cell: 6}}
  - expect: {{board: open-wire, cell: 6, gone_within: 15 s}}
  - inject: {{target: wiring, fault: open-ntc, cell: 2}}
  - expect: {{board: ntc-lost, within: 5 s}}
"""
    run = play(profile(steps), bench=BENCH)
    assert run.verdict == "PASS", run.summary
    assert run.of("deviation") == []


def test_a_board_that_does_not_look_fails(play: Play, profile: Profile) -> None:
    steps = f"  - inject: {{target: board, fault: blind}}\n  - rest: 5 s\n{BREAK}{FOUND}"
    assert play(profile(steps), bench=BENCH).verdict == "FAIL"


def test_a_box_that_loses_its_supply_is_not_held_against_the_board(
    play: Play, profile: Profile
) -> None:
    """Its relays fall back: the board would see a whole pack, and be blamed for saying so."""
    steps = f"{BREAK}  - inject: {{target: fiu-1, fault: power-loss}}\n  - rest: 60 s\n{FOUND}"
    run = play(profile(steps), bench=BENCH)
    assert run.verdict not in ("PASS", "FAIL")
    assert "fiu-1" in run.summary["ended"]
    assert {one["device"] for one in run.of("bad-measurement")} == {"fiu-1"}
    [off] = {one["ok"] for one in run.of("safe-state-reached") if one["device"] == "emulator-1"}
    assert off


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("bench.wiring.through.leads={18: fiu-1 channel 1}", "no lead 18: there are 17"),
        ("bench.wiring.through.ntcs={9: fiu-1 channel 18}", "no ntc 9"),
        ("bench.wiring.through.ntcs={1: fiu-1 channel 25}", "no channel 25: FIU has 24"),
        ("bench.wiring.through.ntcs={1: fiu-1 channel 3}", "fiu-1 3 is wired twice"),
        ("bench.wiring.through.ntcs={1: chamber channel 3}", "'chamber' is no fault box"),
        ("bench.wiring.through.ntcs={1-3: fiu-1 channel 18-19}", "3 wires at 2 channels"),
        ("bench.wiring.through.ntcs={1: fiu-1 ch 18}", "expected as many channels as wires"),
        ("bench.devices.fiu-1.options={module: 8}", "module: found 8, expected 0 to 7"),
    ],
)
def test_a_bench_file_that_cannot_be_is_told_of(override: str, told: str, play: Play) -> None:
    with pytest.raises(ConfigErrors) as found:
        play("open-sense-lead", override, bench=BENCH)
    assert told in str(found.value)


def test_on_a_real_bench_only_what_passes_the_box_can_be_broken() -> None:
    """Every link of the loopback bench is a real one; here no lab stands behind it."""
    real = (
        "bench.clock=wall",
        "bench.wiring.through.leads={1-3: fiu-1 channel 1-3}",
        *(
            f"bench.devices.{name}.link={{kind: tcp, host: 127.0.0.1, port: 5025}}"
            for name in ("emulator-1", "emulator-2", "chamber", "fiu-1")
        ),
        "bench.devices.board.link={kind: slcan, port: /dev/ttyACM0}",
    )
    with pytest.raises(ConfigErrors) as found:
        prepare(Request("open-sense-lead", BENCH, overrides=real))
    assert "lead 6 passes no fault box; these do: 1, 2, 3" in str(found.value)
