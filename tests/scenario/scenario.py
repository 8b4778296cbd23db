"""Whole runs, judged by their verdict: in this process where that will do, else as a user would."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hil.app import Outcome, Request, run_profile
from hil.bench.stop import StopLadder
from hil.core.instants import SECOND
from hil.core.records import Record, Tick
from hil.core.signals import Layout, Signal
from hil.results import canonical, reader

PROFILES = Path(__file__).parent / "profiles"

Play = Callable[..., "Played"]


def recorded(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a run as dictionaries, every float as ``float.hex`` writes it."""
    return [_plain(seq, record) for seq, record in reader.read(folder)]


def _plain(seq: int, record: Record) -> dict[str, Any]:
    body = canonical.parse(canonical.line(seq, record))
    if isinstance(record, Tick):
        body["values"] = [value.hex() for value in record.values]
    return body


class Played:
    """What came of a run, with its records at hand."""

    def __init__(self, outcome: Outcome) -> None:
        self.summary: Mapping[str, Any] = outcome.summary
        self.verdict: str = outcome.summary["verdict"]
        self.digest: str = outcome.summary["digest"]
        self.records = recorded(Path(outcome.summary["folder"]))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the records of one kind."""
        return [record for record in self.records if record["kind"] == kind]

    def columns(self) -> list[str]:
        """Return the name of each value of a tick."""
        [started] = self.of("run-started")
        return Layout(Signal(*signal) for signal in started["signals"]).names()

    def names(self, kind: str) -> set[str]:
        """Return the names of the records of one kind."""
        return {str(record["name"]) for record in self.of(kind)}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Return a function that runs a profile (a name or a file) in this process."""

    def played(
        profile: str | Path,
        *overrides: str,
        bench: str | None = None,
        seed: int = 1,
        until_s: float | None = None,
        stop: StopLadder | None = None,
        fail_fast: bool = False,
        certificates: Path | None = None,
        engine: str | None = None,
    ) -> Played:
        request = Request(
            profile=str(profile),
            bench=bench,
            overrides=overrides,
            seed=seed,
            runs=tmp_path / "runs",
            certificates=certificates or tmp_path / "certificates",
            until=None if until_s is None else round(until_s * SECOND),
            fail_fast=fail_fast,
            engine=engine,
        )
        return Played(run_profile(request, stop or StopLadder(), lambda _status: None))

    return played


@pytest.fixture
def profile(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a profile with the given steps and returns its file."""

    def written(steps: str, **changes: str) -> Path:
        keys = {
            "needs": "{cells: 16}",
            "controller": "{strategy: none}",
            "pack": "{cell: lfp-100ah, soc: 60 %, spread: {capacity: 1 %, soc: 0.5 %}}",
            "verdict": "[max_cell_voltage <= 3.60 V]",
        } | changes
        head = "profile: scenario\nabout: a scenario\n"
        body = "".join(f"{key}: {value}\n" for key, value in keys.items())
        path = tmp_path / "scenario.yaml"
        path.write_text(f"{head}{body}steps:\n{steps}", encoding="utf-8")
        return path

    return written


def hil(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[str]":
    """Start ``hil`` as a user would: another process, its own environment."""
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "hil.cli", *arguments],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: "subprocess.Popen[str]") -> tuple[int, dict[str, Any]]:
    """Wait for ``hil run --json`` and return its exit code and the one object it printed."""
    out, err = process.communicate(timeout=120)
    assert out, err
    body: dict[str, Any] = json.loads(out)
    return process.returncode, body


LATE = r"slots missed: |ticks with bad measurements: |board-silent: |board\.age <= "
"""What the judge says of a run whose bench or lab was held up: they share a host with others."""

ALSO = (
    r"LinkTimeout: |DeviceError: .* has failed for |.*: (cannot tell|read off a bad) |.*no answer"
)
"""What follows from that, and says nothing without it."""


def held_up(summary: Mapping[str, Any]) -> bool:
    """Say whether a busy host is all that spoke against a run in wall time.

    Nobody can promise when a process gets its turn: whatever a test wants to see of such a run, it
    must let this pass.
    """
    reasons = summary["reasons"]
    late = any(re.match(LATE, reason) for reason in reasons)
    return late and all(re.match(f"{LATE}|{ALSO}", reason) for reason in reasons)


def read_back(played: Played | Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return what each device read back as its safe state; all must have been confirmed."""
    records = played.of("safe-state-reached") if isinstance(played, Played) else list(played)
    assert all(record["ok"] for record in records), records
    return {record["device"]: record["read_back"] for record in records}
