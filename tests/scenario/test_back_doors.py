"""Faults that are put in by another process: the run waits for what came of it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from scenario import Play

from drivers.virtual.watlow_f4t import WatlowF4TTwin
from hil.core.errors import DeviceError

STEPS = "  - rest: 2 s\n  - inject: {target: chamber, fault: door-open}\n  - rest: 5 s\n"


@pytest.mark.parametrize("refused", [False, True])
def test_a_run_ends_where_a_fault_could_not_be_put_in(
    play: Play, profile: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, *, refused: bool
) -> None:
    """An expectation on a fault that never was would judge nothing."""
    answered = []

    async def answer() -> None:
        await asyncio.sleep(0.05)
        answered.append(True)
        if refused:
            raise DeviceError("lab", "it has no such door")

    def inject(_twin: object, _fault: str, _cell: int, *, active: bool) -> Awaitable[None]:
        assert active
        return answer()

    monkeypatch.setattr(WatlowF4TTwin, "inject", inject)
    run = play(profile(STEPS))
    assert answered == [True]
    assert run.verdict == ("INCONCLUSIVE" if refused else "PASS")
    told = any("lab: it has no such door" in reason for reason in run.summary["reasons"])
    assert told == refused
