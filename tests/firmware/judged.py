"""An image judged as its user would: by ``hil run`` on the virtual bench, off the wires alone."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_S = 180.0
"""A firmware that lets a run hang is killed after this; a clean one takes a tenth of it."""
HUNG = "HUNG"


@dataclass(frozen=True, slots=True)
class Judged:
    """What one run made of an image; ``found`` names the deviations and unmet expectations."""

    verdict: str
    seed: int
    profile: str
    reasons: Sequence[str]
    summary: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Say whether the bench had nothing against the image."""
        return self.verdict == "PASS"


def judged(
    image: Path, profile: str, seed: int, runs: Path, overrides: Sequence[str] = ()
) -> Judged:
    """Play one profile. A process of its own: an image may take its host down with it."""
    options = [word for one in overrides for word in ("--set", one)]
    command = [
        sys.executable,
        "-m",
        "hil.cli",
        "run",
        profile,
        "--seed",
        str(seed),
        "--json",
        "--fail-fast",
    ]
    command += ["--engine", "lib", "--set", f"bench.devices.board.engine.image={image}"]
    command += ["--runs-dir", str(runs), *options]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, capture_output=True, text=True, check=False, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return Judged(HUNG, seed, profile, [f"no end within {LONGEST_S:g} s"], {})
    if not done.stdout.strip():
        told = done.stderr.strip().splitlines()[-1:] or [""]
        return Judged(f"EXIT {done.returncode}", seed, profile, told, {})
    summary = json.loads(done.stdout)
    return Judged(summary["verdict"], seed, profile, summary["reasons"], summary)
