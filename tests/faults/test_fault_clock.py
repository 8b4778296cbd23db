"""Fault case 17: somebody sets the host's clock in mid-run, by an hour, either way."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from fault_table import SEEDS, Hold
from faulted import drawn

from hil.bench import wall_time
from hil.bench.tick import Ticker
from hil.cli import main
from hil.core.instants import SECOND
from hil.core.records import Overrun, Tick
from hil.results.contents import Contents

pytestmark = pytest.mark.alone

LONG_REST = Path(__file__).parent / "profiles" / "long-rest.yaml"
PERIOD_S = 0.1
TICKS = 25


class Stepped(datetime):
    """A wall clock that somebody has set."""

    by = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Stepped":
        """Return the time that the clock shows."""
        return super().now(tz) + cls.by


def stepped_at(number: int, by: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the wall clock be set in this tick of the next run."""
    real: Callable[..., Any] = Ticker.advance_plant
    ticks = iter(range(10**9))

    def advance(self: Ticker, now: int) -> None:
        if next(ticks) == number:
            monkeypatch.setattr(Stepped, "by", by)
        real(self, now)

    monkeypatch.setattr(Ticker, "advance_plant", advance)
    monkeypatch.setitem(vars(wall_time), "datetime", Stepped)


@pytest.mark.parametrize("seed", SEEDS)
def test_case_17_the_clock_is_set(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hold: Hold
) -> None:
    random = drawn(seed, 17)
    by = timedelta(hours=random.choice((-1, 1)))
    stepped_at(random.randrange(3, TICKS - 3), by, monkeypatch)
    words = ("bench.clock=wall", f"bench.tick={PERIOD_S} s", "bench.board.cycle=250 ms")
    changes = [word for change in words for word in ("--set", change)]
    until = ("--until", f"{TICKS * PERIOD_S:g} s", "--runs-dir", str(tmp_path))
    assert main(["run", str(LONG_REST), *changes, *until]) == 2, "cut short"
    [folder] = tmp_path.iterdir()
    records = [record for _, record in Contents(folder).records()]
    at = [record.at for record in records if isinstance(record, Tick)]
    body = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    shown = datetime.fromisoformat(body["ended_utc"]) - datetime.fromisoformat(body["started_utc"])
    ran = timedelta(seconds=(at[-1] - at[0]) / SECOND)
    slots = [(one - at[0]) / SECOND / PERIOD_S for one in at]
    hold(
        17,
        {
            "ticks missed": sum(r.missed for r in records if isinstance(r, Overrun)),
            "ticks moved": max(abs(one - round(one)) for one in slots) * PERIOD_S * 1e3,
            "clocks not recorded": abs((shown - by - ran).total_seconds()) > 30,
        },
    )
