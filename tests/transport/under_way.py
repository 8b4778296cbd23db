"""A run on a lab in another process, with everything on, for those who would end it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from served import Served, finished, hil, patiently, running

BOOTED = tuple(
    word
    for unit in ("emulator-1", "emulator-2")
    for word in ("--set", f"bench.devices.{unit}.virtual.boot=0 s")
)
SLOW_BOARD = ("--set", "bench.board.cycle=500 ms", "--set", "bench.board.open_wire_every=2")
TROUBLED = str(Path(__file__).parent / "troubled")
HOT = """\
  - soak: {chamber: 45 degC, ramp: 2 K/min, for: 10 min}
  - rest: 10 min
"""
EMULATORS = ("emulator-1", "emulator-2")


class UnderWay:
    """A run on the lab whose outputs are on, and its guardian."""

    def __init__(
        self, lab: Served, profile: Path, start: Callable[..., "subprocess.Popen[str]"] = hil
    ) -> None:
        words = ("run", str(profile), "--bench", "loopback", "--json", *SLOW_BOARD)
        self.lab, self.profile, self._folder = lab, profile, profile.parent
        self.process = start(*words, *lab.overrides(), cwd=profile.parent)
        patiently(lambda: self.ticks() or self.process.poll() is not None, "it does not come up")
        assert self.hot(), finished(self.process)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        [self.guardian] = map(int, children.read_text(encoding="ascii").split())

    def ticks(self) -> bool:
        logs = self._folder.glob("runs/*/run.log")
        return any("step-started" in log.read_text(encoding="utf-8") for log in logs) and self.hot()

    def hot(self) -> bool:
        on = [self.lab.truth(name)["on"] for name in EMULATORS]
        return all(map(all, on)) and bool(self.lab.truth("chamber")["conditioning"])

    def folder(self) -> Path:
        [found] = (self._folder / "runs").iterdir()
        return found

    def account(self) -> dict[str, Any]:
        """Return what the guardian has left, when it has gone."""
        patiently(lambda: not running(self.guardian), "the guardian does not end")
        found: dict[str, Any] = json.loads((self.folder() / "guardian.json").read_text("utf-8"))
        return found


def all_off(lab: Served) -> bool:
    """Ask the lab, not the guardian."""
    off = not any(any(lab.truth(name)["on"]) for name in EMULATORS)
    return off and not lab.truth("chamber")["conditioning"]
