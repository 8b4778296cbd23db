"""What a fault case does inside a tick of a run; its guardian is left alone.

HIL_FAULT is JSON: which method of the tick is ``at`` fault, from which call ``after`` on, what it
does (``block_s`` seconds of nothing, ``step_s`` seconds on the wall clock), and where to ``tell``
the instant in nanoseconds of CLOCK_MONOTONIC.
"""

import json
import os
import threading
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from hil.bench import wall_time
from hil.bench.tick import Ticker


class Stepped(datetime):
    """A wall clock that somebody has set."""

    by = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Stepped":
        """Return the time that the clock shows."""
        return super().now(tz) + cls.by


class Fault:
    """Strikes once, at its call."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan, self.calls = plan, 0
        self._real = getattr(Ticker, plan["at"])

    def __call__(self, ticker: Ticker, *arguments: Any) -> Any:
        """Be the method."""
        self.calls += 1
        if self.calls == self.plan["after"]:
            Path(self.plan["tell"]).write_text(str(wall_time.monotonic_ns()), encoding="ascii")
            Stepped.by = timedelta(seconds=self.plan.get("step_s", 0.0))
            threading.Event().wait(self.plan.get("block_s", 0.0))
        return self._real(ticker, *arguments)


fault = Fault(json.loads(os.environ["HIL_FAULT"]))
setattr(Ticker, fault.plan["at"], lambda ticker, *arguments: fault(ticker, *arguments))  # noqa: PLW0108 - to be bound
vars(wall_time)["datetime"] = Stepped
