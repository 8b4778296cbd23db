"""`make audit` says what it found, and never passes over what it could not ask about."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audited.py"
SOUND = {"name": "can", "version": "1", "vulns": []}
FLAWED = {"name": "yaml", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
UNASKED = {"name": "serial", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([SOUND], 0, "1 packages, no known vulnerability"),
        ([SOUND, FLAWED], 1, "yaml 2: CVE-1, mended in 3"),
        ([SOUND, UNASKED], 1, "NOT AUDITED: 1 of 2 packages (serial, ...)"),
        ([], 1, ""),
    ],
)
def test_what_was_found_is_said(packages: list[dict[str, object]], code: int, said: str) -> None:
    told = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, SCRIPT],
        input=json.dumps({"dependencies": packages}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == code
    assert said in told.stdout
    assert not told.stderr
