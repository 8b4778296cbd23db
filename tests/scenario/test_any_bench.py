"""One profile on benches of different makers' instruments: only the bench file changes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import Play

BENCHES = ("virtual-16s", "mixed-16s")

BALANCE = """\
  - soak: {chamber: 25 degC, for: 2 min}
  - rest: 8 min
  - expect: {board.bleeding: {min: 5 %}, read: at rest}
  - inject: {target: wiring, fault: open-lead, cell: 12}
  - expect: {board: open-wire, cell: 12, within: 30 s}
"""
"""Cell 13 is a channel of the second maker's unit, and its bleed is what that one measures."""


@pytest.mark.parametrize("bench", BENCHES)
def test_a_broken_lead_is_found_on_each(bench: str, play: Play) -> None:
    assert play("open-sense-lead", bench=bench).verdict == "PASS"


def test_the_same_charge_is_bled_and_measured_on_each(
    play: Play, profile: Callable[..., Path]
) -> None:
    path = profile(
        BALANCE,
        pack="{cell: lfp-100ah, soc: 60 %, cells: {13: {soc: 99.1 %}}}",
        controller="{strategy: fixed-threshold, every: 20 s}",
    )
    both = [play(path, bench=bench) for bench in BENCHES]
    assert [one.verdict for one in both] == ["PASS", "PASS"]
    first, second = (one.summary["metrics"]["bled_charge"]["value"] for one in both)
    assert first > 0.0005
    assert second == pytest.approx(first, rel=0.01)
