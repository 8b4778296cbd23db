"""A run whose one tick outside the fitted range trips the interlock says so all the same."""

from collections.abc import Callable
from pathlib import Path

from scenario import Play


def test_the_tick_that_trips_counts(play: Play, profile: Callable[..., Path]) -> None:
    steps = "  - rest: 3 s\n  - charge: {current: 20 A, until: [after: 1 min]}\n"
    pack = "{cell: bpx-2ah, soc: 60 %}"
    limits = "{cell.voltage: {min: 2.5 V, max: 3.65 V}}"
    run = play(profile(steps, pack=pack, limits=limits))
    assert run.verdict == "ABORTED"
    assert run.summary["extrapolated_s"] == {"rate": 1.0}
