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
    words: Sequence[str]
    reasons: Sequence[str]
    summary: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Say whether the bench had nothing against the image."""
        return self.verdict == "PASS"


def judged(image: Path, words: Sequence[str], seed: int, runs: Path) -> Judged:
    """Play one profile, ``words`` being what stands behind ``hil run``.

    In a process of its own: an image may take its host down with it.
    """
    asked = ["--seed", str(seed), "--json", "--fail-fast", "--runs-dir", str(runs)]
    firmware = ["--engine", "lib", "--set", f"bench.devices.board.engine.image={image}"]
    command = [sys.executable, "-m", "hil.cli", "run", *words, *asked, *firmware]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, capture_output=True, text=True, check=False, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return Judged(HUNG, seed, words, [f"no end within {LONGEST_S:g} s"], {})
    if not done.stdout.strip():
        told = done.stderr.strip().splitlines()[-1:] or [""]
        return Judged(f"EXIT {done.returncode}", seed, words, told, {})
    summary = json.loads(done.stdout)
    return Judged(summary["verdict"], seed, words, summary["reasons"], summary)
