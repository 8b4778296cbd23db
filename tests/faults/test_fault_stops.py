"""Fault case 1: whoever asks a run to stop, once or twice, has a safe bench at once."""

import pytest
from fault_table import SEEDS, Hold
from faulted import EMULATORS, drawn, ended, faulted, instant, left_out, safe_after_ms
from plan import Plan, Stop

from hil.core.instants import MILLISECOND

KINDS = {"once": ("SIGINT",), "twice": ("SIGINT", "SIGINT"), "asked": ("SIGTERM",)}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_case_1_whenever_it_is_asked_for(kind: str, seed: int, hold: Hold) -> None:
    """While it comes up, in a tick, between two; the second within 200 ms of the first."""
    random = drawn(seed, 1)
    at = instant(random, 0.05)
    second = at + random.randrange(200 * MILLISECOND)
    stops = tuple(Stop(when, who) for when, who in zip((at, second), KINDS[kind], strict=False))
    sight = faulted(Plan(seed=seed, stops=stops))
    figures = {
        "emulators and load off": safe_after_ms(sight, at, EMULATORS),
        "chamber idle, bleeds off": safe_after_ms(sight, at),
        "steps of the way down left out": left_out(sight),
        "not marked as aborted": ended(sight).verdict != "ABORTED",
    }
    hold(1, figures)
