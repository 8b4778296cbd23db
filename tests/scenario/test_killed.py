"""A process that is killed loses nothing that it had acknowledged, and leaves no riddle behind."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.app import Request, run_profile
from hil.bench.stop import StopLadder
from hil.cli import BAD_INPUT, main
from hil.core.records import Record
from hil.results import canonical, catalogue, reader
from hil.results.contents import Contents

pytestmark = pytest.mark.alone

Capture = pytest.CaptureFixture[str]

MORTAL = Path(__file__).with_name("mortal.py")
KILLED = -9
FAST = ("bench.board.cycle=1 s",)
PROFILE = """\
profile: victim
needs: {cells: 16}
controller: {strategy: none}
pack: {cell: lfp-100ah, soc: 60 %}
verdict: [max_cell_voltage <= 3.60 V]
steps: [{rest: 20 min}]
"""


@dataclass(frozen=True)
class Whole:
    """The run that nobody killed: its lines, its digest, how many changes it made to files."""

    profile: Path
    lines: dict[int, bytes]
    digest: str
    changes: int


class Victim:
    """``hil`` in a process that can be killed; ``acknowledged`` is the last number it told.

    One that was not killed also tells how many ``changes`` it made to its files.
    """

    def __init__(self, folder: Path, *arguments: str, die: int = 0) -> None:
        self._read, write = os.pipe()
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, str(MORTAL), str(write), str(die), str(folder), *arguments],
            pass_fds=[write],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.close(write)
        self._told = os.fdopen(self._read)
        self.acknowledged = -1
        self.changes = 0

    def until(self, number: int) -> None:
        """Wait until this record is acknowledged."""
        while self.acknowledged < number:
            self.acknowledged = int(self._told.readline())

    def end(self, within_s: float | None = None) -> int:
        """Wait, kill it if it has not ended by then, and return its exit code."""
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
        out, _ = self.process.communicate()
        assert "Traceback" not in out, out
        with self._told as told:
            numbers = [self.acknowledged, *map(int, told.read().split())]
        self.acknowledged, self.changes = max(numbers), -min(0, *numbers)
        return self.process.returncode


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Return what the run is when nobody kills it: it passes."""
    place = tmp_path_factory.mktemp("whole")
    path = place / "victim.yaml"
    path.write_text(PROFILE, encoding="utf-8")
    victim = Victim(place / "runs", *arguments(path, place / "runs"))
    assert victim.end() == 0
    [folder] = (place / "runs").iterdir()
    records = dict(reader.read(folder))
    assert victim.acknowledged == max(records)
    digest = catalogue.read_json(folder, catalogue.SUMMARY)["digest"]
    return Whole(path, _lines(records), digest, victim.changes)


def arguments(profile: Path, runs: Path) -> list[str]:
    changes = [word for change in FAST for word in ("--set", change)]
    return ["run", str(profile), "--runs-dir", str(runs), "--json", *changes]


def _lines(records: dict[int, Record]) -> dict[int, bytes]:
    return {seq: canonical.line(seq, record) for seq, record in records.items()}


@dataclass(frozen=True)
class Left:
    """What a killed run left: numbers of records, whether it was sealed, its verdict repaired."""

    acknowledged: int
    kept: int
    sealed: bool
    verdict: str


def examined(folder: Path, acknowledged: int, whole: Whole, capsys: Capture) -> Left:
    """Check everything that must hold of a killed run, before and after its repair."""
    runs = ["--runs-dir", str(folder.parent)]
    kept = _lines(dict(Contents(folder).records()))
    assert set(range(acknowledged + 1)) <= set(kept), "an acknowledged record is gone"
    assert kept.items() <= whole.lines.items()
    sealed = main(["runs", "verify", folder.name, *runs]) == 0
    told = capsys.readouterr()
    assert "Traceback" not in told.out + told.err
    assert sealed or ": " in told.out.splitlines()[0]
    code = main(["runs", "repair", folder.name, *runs])
    assert code == 0, capsys.readouterr()
    assert main(["runs", "verify", folder.name, *runs]) == 0
    capsys.readouterr()
    assert main(["runs", "export", folder.name, "--canonical", *runs]) == 0
    exported = capsys.readouterr().out
    body = catalogue.read_json(folder, catalogue.SUMMARY)
    assert hashlib.sha256(exported.encode()).hexdigest() == body["digest"]
    lines = exported.encode().splitlines(keepends=True)
    assert kept.items() <= {canonical.record(line)[0]: line for line in lines}.items()
    assert body["verdict"] == ("PASS" if sealed else "INCONCLUSIVE")
    return Left(acknowledged, len(kept), sealed, body["verdict"])


def next_is_unaffected(runs: Path, whole: Whole, capsys: Capture) -> None:
    """Run once more in the same place: the same run, and both are listed."""
    before = {path.name for path in runs.iterdir()}
    request = Request(str(whole.profile), overrides=FAST, runs=runs)
    outcome = run_profile(request, StopLadder(), lambda _status: None)
    assert outcome.summary["digest"] == whole.digest
    capsys.readouterr()
    assert main(["runs", "list", "--json", "--runs-dir", str(runs)]) == 0
    listed = {one["run"] for one in json.loads(capsys.readouterr().out)}
    assert listed == before | {outcome.summary["run"]}


# --- at random instants --------------------------------------------------------------------------


def killed_after(number: int, later_s: float, runs: Path, whole: Whole, capsys: Capture) -> Left:
    """Kill a run a little after this record was acknowledged, and look at what it left."""
    victim = Victim(runs, *arguments(whole.profile, runs))
    victim.until(number)
    assert victim.end(later_s) in (KILLED, 0)
    [folder] = runs.iterdir()
    left = examined(folder, victim.acknowledged, whole, capsys)
    next_is_unaffected(runs, whole, capsys)
    return left


def test_a_killed_run_keeps_what_it_had_acknowledged(
    whole: Whole, tmp_path: Path, capsys: Capture
) -> None:
    last = max(whole.lines)
    rows = [
        killed_after(number, 0.01, tmp_path / f"{number}", whole, capsys)
        for number in (last // 5, last // 2)
    ]
    assert len({row.kept for row in rows}) > 1, "the instants fell all into one"


@pytest.mark.nightly
def test_fifty_random_instants(whole: Whole, tmp_path: Path, capsys: Capture) -> None:
    draw = random.Random(1)  # noqa: S311 - instants, not secrets
    last = max(whole.lines)
    # A fifth of them falls into the closing of the run, whose last record is on the disk then.
    instants = [(draw.randint(0, last), draw.uniform(0.0, 0.05)) for _ in range(40)]
    instants += [(last, draw.uniform(0.0, 0.3)) for _ in range(10)]
    rows = []
    for k, (number, later_s) in enumerate(sorted(instants)):
        rows.append(killed_after(number, later_s, tmp_path / f"{k}", whole, capsys))
    with capsys.disabled():
        print(f"\nof {len(whole.lines)} records")  # noqa: T201 - the table
        print("acknowledged   kept  sealed  verdict after repair")  # noqa: T201 - the same
        for row in rows:
            line = f"{row.acknowledged:12} {row.kept:6} {row.sealed!s:>7}  {row.verdict}"
            print(line)  # noqa: T201 - the same
    assert len({row.kept for row in rows}) > 10, "the instants fell all into one"


# --- at every step of writing files ---------------------------------------------------------------


def killed_at_change(number: int, runs: Path, whole: Whole, capsys: Capture) -> Left | None:
    """Kill a run before one of its changes to files; None if nothing had been acknowledged."""
    victim = Victim(runs, *arguments(whole.profile, runs), die=number)
    assert victim.end() == KILLED
    left = None
    folder = next(runs.iterdir(), None) if runs.exists() else None
    if folder is not None and victim.acknowledged >= 0:
        left = examined(folder, victim.acknowledged, whole, capsys)
    runs.mkdir(exist_ok=True)
    return left


def test_killed_while_a_run_is_closed_archived_and_sealed(
    whole: Whole, tmp_path: Path, capsys: Capture
) -> None:
    for number in (whole.changes - 12, whole.changes - 2):
        left = killed_at_change(number, tmp_path / f"{number}", whole, capsys)
        assert left is not None
        assert left.kept == len(whole.lines)


@pytest.mark.nightly
def test_killed_at_every_change_to_its_files(whole: Whole, tmp_path: Path, capsys: Capture) -> None:
    kept = []
    for number in range(1, whole.changes + 1):
        runs = tmp_path / f"{number}"
        left = killed_at_change(number, runs, whole, capsys)
        kept.append(left.kept if left else 0)
    with capsys.disabled():
        print(f"\nrecords kept when killed at change 1 to {whole.changes}: {kept}")  # noqa: T201 - the table
    assert kept == sorted(kept)


def repairs_killed(numbers: range | None, whole: Whole, tmp_path: Path, capsys: Capture) -> int:
    """Kill repairs before changes to files, repair again, and compare; return how many."""
    runs = tmp_path / "runs"
    victim = Victim(runs, *arguments(whole.profile, runs))
    victim.until(max(whole.lines) // 2)
    assert victim.end(0.0) == KILLED
    [folder] = runs.iterdir()

    def repair(root: Path, die: int) -> tuple[Path, Victim]:
        shutil.copytree(runs, root)
        again = root / folder.name
        return again, Victim(again, "runs", "repair", folder.name, "--runs-dir", str(root), die=die)

    at_once, victim = repair(tmp_path / "at-once", 0)
    assert victim.end() == 0
    digest = catalogue.read_json(at_once, catalogue.SUMMARY)["digest"]
    kept_aside = {path.name for path in (at_once / "before-repair").iterdir()}
    numbers = numbers or range(1, victim.changes + 1)
    for number in numbers:
        again, victim = repair(tmp_path / f"repair-{number}", number)
        assert victim.end() == KILLED
        where = ["--runs-dir", str(again.parent)]
        assert main(["runs", "verify", again.name, *where]) in (0, BAD_INPUT), number
        assert main(["runs", "list", *where]) == 0
        assert again.name in capsys.readouterr().out
        assert main(["runs", "repair", again.name, *where]) == 0, number
        assert catalogue.read_json(again, catalogue.SUMMARY)["digest"] == digest
        assert {path.name for path in (again / "before-repair").iterdir()} == kept_aside
        assert "Traceback" not in capsys.readouterr().err
    return len(numbers)


@pytest.mark.nightly
def test_a_repair_that_is_killed_is_finished_by_the_next(
    whole: Whole, tmp_path: Path, capsys: Capture
) -> None:
    repairs_killed(range(9, 30, 8), whole, tmp_path, capsys)


@pytest.mark.nightly
def test_a_repair_killed_at_every_change(whole: Whole, tmp_path: Path, capsys: Capture) -> None:
    count = repairs_killed(None, whole, tmp_path, capsys)
    with capsys.disabled():
        print(f"\nrepair killed at each of {count} changes, and finished")  # noqa: T201 - the table
