"""Runs in virtual time to which something happens at an instant that a seed draws."""

from collections.abc import Collection
from pathlib import Path
from random import Random

from invariants import Sight
from plan import Plan
from world import Watched, prepared, watched

from hil.core.instants import MILLISECOND, SECOND, Instant
from hil.core.records import RunEnded, SafeStateArmed, SafeStateReached, Tick

EMULATORS = ("emulator-1", "emulator-2")
DEVICES = (*EMULATORS, "chamber", "board")
RUN_S = 25
"""What tests/simulation's profile plays, its ends left out."""


def drawn(seed: int, case: int) -> Random:
    """Return what a case draws its fault from."""
    return Random(f"{case}/{seed}")  # noqa: S311 - instants, not secrets


def instant(random: Random, first_s: float = 1.0, last_s: float = RUN_S) -> Instant:
    """Draw an instant of a run, anywhere in a tick or between two."""
    return random.randrange(round(first_s * SECOND), round(last_s * SECOND))


def faulted(plan: Plan, profile: Path | None = None, *overrides: str) -> Sight:
    """Play a plan and return all that is known of it; not one invariant may be broken."""
    run = watched(plan, prepared(profile, *overrides) if profile else prepared())
    assert run.violations == [], [str(one) for one in run.violations]
    return sight_of(run)


def sight_of(run: Watched) -> Sight:
    """Return what is known of a run."""
    assert run.sight is not None
    return run.sight


def ended(sight: Sight) -> RunEnded:
    """Return how a run ended."""
    [end] = sight.of(RunEnded)
    return end


def safe_after_ms(sight: Sight, since: Instant, devices: Collection[str] = DEVICES) -> float:
    """Return how long after an instant the last of these devices had read back safe.

    Infinite if one has not: it was told otherwise, or not at all.
    """
    last = {one.device: one for one in sight.of(SafeStateReached)}
    if not all(device in last and last[device].ok for device in devices):
        return float("inf")
    return max(last[device].at for device in devices) / MILLISECOND - since / MILLISECOND


def left_out(sight: Sight) -> int:
    """Return how many devices that were armed have not been read back safe."""
    armed = {one.device for one in sight.of(SafeStateArmed)}
    return len(armed - {one.device for one in sight.of(SafeStateReached) if one.ok})


def first_tick_after(sight: Sight, at: Instant) -> Tick:
    """Return the first tick after an instant."""
    return next(tick for tick in sight.of(Tick) if tick.at > at)
