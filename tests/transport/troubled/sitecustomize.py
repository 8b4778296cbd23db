"""Troubles of a run that no outside can make: on the PYTHONPATH of a run.

SIGUSR1 blocks its loop until SIGUSR2. With WAY_DOWN=broken there is a bug on its way down; its
guardian has none, unless GUARDIAN=broken. HIL_FAULT strikes within a tick (``in_tick``).
"""

import importlib
import os
import signal
import sys

from drivers.chambers.watlow_f4t import WatlowF4T
from hil.bench.safe_state import SafeState


async def _breaks(self: SafeState) -> bool:  # noqa: ARG001 - stands in for a method
    raise RuntimeError("a bug on purpose")


async def _off_breaks(self: WatlowF4T) -> str:  # noqa: ARG001 - stands in for a method
    raise RuntimeError("a bug on purpose")


if "hil.guardian" not in sys.orig_argv:
    signal.signal(signal.SIGUSR1, lambda *_: signal.sigwait([signal.SIGUSR2]))
    if os.environ.get("WAY_DOWN") == "broken":
        SafeState.reach = _breaks  # type: ignore[method-assign]
    if "HIL_FAULT" in os.environ:
        importlib.import_module("in_tick")
elif os.environ.get("GUARDIAN") == "broken":
    WatlowF4T.make_safe = _off_breaks  # type: ignore[method-assign]
