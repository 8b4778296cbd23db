"""What recording costs: rows a second, bytes a sample, share of a tick, time to close.

Two kinds of data: what instruments deliver (made here, quantised as their data sheets say), and
the rows of a run of the virtual bench, whose plant columns are truth with all their bits.
"""

import random
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from written import UTC

from hil.app import Request, run_profile
from hil.bench.stop import StopLadder
from hil.bench.wall_time import cpu_seconds, monotonic_ns
from hil.cli import logs
from hil.core.instants import MINUTE, SECOND
from hil.core.records import Record, RunStarted, Tick
from hil.results import archive, reader, segments
from hil.results.journal import Journal
from hil.results.ledger import FILE as LEDGER
from hil.results.seal import Sealer
from hil.results.store import Store
from hil.results.writer import Batches

pytestmark = pytest.mark.bench

ROWS = 12_000
SIGNALS = 300
QUANTA = (
    ("V", 1e-4, 3.3, 4.0),
    ("degC", 0.1, 25.0, 0.6),
    ("1", 1.0, 0.0, 0.02),
    ("A", 1e-3, 20, 3),
)
"""Unit, resolution, level, and by how many resolutions a value walks from row to row."""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logs.configure(verbose=False)


def show(line: str) -> None:
    """Print a figure for the record."""
    print(f"\n  {line}", end="")  # noqa: T201 - what make bench is for


def measured_rows() -> list[Record]:
    """Return a run of 300 signals as instruments read them: noise of a few resolutions."""
    draw = random.Random(1)  # noqa: S311 - noise, not secrets
    signals = tuple((f"s{k}", QUANTA[k % 4][0], 0) for k in range(SIGNALS))
    steps = [0] * SIGNALS
    run: list[Record] = [RunStarted(0, "p", "b", 1, SECOND, "{}", signals, {})]
    for at in range(ROWS):
        for k in range(SIGNALS):
            steps[k] += round(draw.gauss(-0.02 * steps[k], QUANTA[k % 4][3]))
        row = tuple(QUANTA[k % 4][2] + QUANTA[k % 4][1] * steps[k] for k in range(SIGNALS))
        run.append(Tick(at * SECOND, row, f"{draw.getrandbits(256):064x}"))
    return run


def played(folder: Path, minutes: int, *changes: str) -> Mapping[str, Any]:
    """Play the start of the reference profile; return its summary."""
    request = Request("room-baseline", overrides=changes, runs=folder, until=minutes * MINUTE)
    return run_profile(request, StopLadder(), lambda _status: None).summary


def virtual_rows(folder: Path) -> list[Record]:
    """Return the records of a run on the virtual bench."""
    logs.configure(verbose=False)
    run = played(folder, ROWS // 60, "bench.board.cycle=1 s")
    return [record for _, record in reader.read(Path(run["folder"]))]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Record]]:
    return {
        "as measured": measured_rows(),
        "virtual bench": virtual_rows(tmp_path_factory.mktemp("virtual")),
    }


@pytest.mark.parametrize("batch", [10, 100, 1_000])
@pytest.mark.parametrize("kind", ["as measured", "virtual bench"])
def test_rate_and_size(
    kind: str,
    batch: int,
    data: dict[str, list[Record]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hil.results.writer.TICKS_A_BATCH", batch)
    monkeypatch.setattr("hil.results.store.RESERVE_BYTES", 1)
    run = data[kind]
    ticks = [record for record in run if isinstance(record, Tick)]
    width = len(ticks[0].values)
    journal, sealer = Journal(Batches(Store(tmp_path, lambda: UTC), monotonic_ns)), Sealer()
    journal.listen(sealer.feed)
    syncs = timed(Batches, "sync", monkeypatch)
    began, busy = monotonic_ns(), cpu_seconds()
    for record in run:
        journal.emit(record)
    seconds, busy = (monotonic_ns() - began) / 1e9, cpu_seconds() - busy
    live = sum(path.stat().st_size for path in segments.segments(tmp_path))
    ledger = sum(path.stat().st_size for path in tmp_path.glob(f"{LEDGER}*"))
    began = monotonic_ns()
    journal.close()
    sealer.seal(tmp_path, {}, records=journal.seq)
    closing = (monotonic_ns() - began) / 1e9
    kept = [(tmp_path / name).stat().st_size for name in (archive.FILE, archive.FOOTER, LEDGER)]
    samples = len(ticks) * width
    slow = sorted(took for took in syncs if took > 20_000)
    show(f"{kind}, {width} signals, batches of {batch}: {len(run) / seconds:,.0f} rows/s")
    show(f"    ({len(run) / busy:,.0f} a second of processor time);")
    show(f"    sync p50 {_ms(slow, 0.5)}, p99 {_ms(slow, 0.99)}; closed in {closing:.1f} s;")
    show(f"    live {live / samples:.2f} B/sample + ledger {ledger / samples:.2f},")
    show(f"    archived {kept[0] / samples:.2f} + {sum(kept[1:]) / samples:.2f}")
    assert journal.acknowledged == len(run) - 1


def timed(owner: type, name: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let calls of a method be timed; return the list that they go into, in ns."""
    took: list[int] = []
    plain = getattr(owner, name)

    def call(self: Any, *arguments: Any) -> Any:
        began = monotonic_ns()
        try:
            return plain(self, *arguments)
        finally:
            took.append(monotonic_ns() - began)

    monkeypatch.setattr(owner, name, call)
    return took


def _ms(sorted_ns: Sequence[int], share: float) -> str:
    return f"{sorted_ns[int(share * (len(sorted_ns) - 1))] / 1e6:.2f} ms"


@pytest.mark.parametrize("cycle", ["1 s", "100 ms"])
def test_share_of_the_tick_that_recording_takes(
    cycle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(tmp_path / "warm", 1)
    shares = []
    for turn in range(3):
        with monkeypatch.context() as patched:
            took = timed(Batches, "take", patched)
            summary = played(tmp_path / f"{turn}", 20, f"bench.board.cycle={cycle}")
            assert len(took) == sum(summary["events"].values()), "each record is taken once"
            shares.append(sum(took) / 1e9 / summary["wall_s"])
    show(f"board cycle {cycle}: recording takes {statistics.median(shares):.1%} of the run")
