"""A bug on a run's way down: on PYTHONPATH, of the run alone, not of its guardian."""

import sys

from hil.bench.safe_state import SafeState


async def _breaks(self: SafeState) -> bool:  # noqa: ARG001 - stands in for a method
    raise RuntimeError("a bug on purpose")


if "hil.guardian" not in sys.orig_argv:
    SafeState.reach = _breaks  # type: ignore[method-assign]
