"""Memory does not grow with a run's length: a month of rest at a slow tick."""

from pathlib import Path

import pytest

from hil.app import Request, run_profile
from hil.bench.session import Status
from hil.bench.stop import StopLadder
from hil.cli import logs
from hil.core.instants import MINUTE

DAY = 24 * 60 * MINUTE
REST = """\
profile: rest
needs: {cells: 16}
controller: {strategy: none}
pack: {cell: lfp-100ah, soc: 60 %}
verdict: [max_cell_voltage <= 3.60 V]
steps: [{rest: 30 d}]
"""


@pytest.mark.nightly
def test_memory_of_thirty_simulated_days(tmp_path: Path) -> None:
    profile = tmp_path / "rest.yaml"
    profile.write_text(REST, encoding="utf-8")
    days: dict[int, int] = {}

    def watch(status: Status) -> None:
        days[status.elapsed // DAY] = resident_bytes()  # the last of each day stays

    logs.configure(verbose=False)
    slow = ("bench.tick=10 s", "bench.board.cycle=5 s", "bench.board.command_timeout=60 s")
    request = Request(str(profile), overrides=slow, runs=tmp_path / "runs")
    summary = run_profile(request, StopLadder(), watch).summary
    first, last = days[1], days[29]
    size = sum(path.stat().st_size for path in Path(summary["folder"]).iterdir())
    print(  # noqa: T201 - figures for the record
        f"\nresident after 1 day {first / 2**20:.1f} MiB, after 30 days {last / 2**20:.1f} MiB;"
        f" {summary['events']['tick']} ticks in {size / 2**20:.1f} MiB, {summary['verdict']}"
    )
    assert (last - first) / 28 < 2**20, "more than 1 MiB a day"


def resident_bytes() -> int:
    """Return how much memory this process holds."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024
