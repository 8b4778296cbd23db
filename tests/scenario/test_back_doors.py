"""Faults that are put in by another process: the run waits for what came of it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from scenario import Play

from drivers.virtual.watlow_f4t import WatlowF4TTwin
from hil.core.errors import DeviceError

STEPS = "  - rest: 2 s\n  - inject: {target: chamber, fault: door-open}\n  - rest: 5 s\n"
MORE = ("  - rest: 5 s\n", "  - inject: {target: chamber, fault: sensor-break}\n  - rest: 5 s\n")


class Lab:
    """Answers later, as another process does; ``refused`` are the faults that it will not have."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.standing: list[str] = []
        self.answered = 0

    def inject(self, fault: str, _cell: int, *, active: bool) -> Awaitable[None]:
        return self._answer(fault, active=active)

    async def _answer(self, fault: str, *, active: bool) -> None:
        await asyncio.sleep(0.05)
        self.answered += 1
        if fault in self.refused:
            raise DeviceError("lab", f"it has no such {fault}")
        (self.standing.append if active else self.standing.remove)(fault)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Put a lab elsewhere in the place of the chamber's back door."""
    lab = Lab()
    monkeypatch.setattr(WatlowF4TTwin, "inject", lab.inject)
    return lab


def test_a_run_leaves_a_lab_as_it_found_it(
    play: Play, profile: Callable[..., Path], lab: Lab
) -> None:
    """The next run would judge its board by the faults of this one."""
    run = play(profile(STEPS))
    assert run.verdict == "PASS"
    assert (lab.answered, lab.standing) == (2, [])
    assert [r["active"] for r in run.of("injected")] == [True, False]


@pytest.mark.parametrize("refused", [["door-open"], ["door-open", "sensor-break"]])
def test_a_run_ends_where_a_fault_could_not_be_put_in(
    play: Play, profile: Callable[..., Path], lab: Lab, refused: list[str]
) -> None:
    """An expectation on a fault that never was would judge nothing; each refusal is looked at."""
    lab.refused = {*refused}
    run = play(profile(STEPS.replace(*MORE)))
    assert run.verdict == "INCONCLUSIVE"
    assert any("lab: it has no such door-open" in reason for reason in run.summary["reasons"])
    assert lab.answered >= 2
