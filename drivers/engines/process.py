"""The board's firmware as a Linux process (``firmware_stubs/port_host``), in real time.

The same C as on a microcontroller, built for this host: quick to start, easy to debug.
"""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivers.engines.build import ImageOptions, Recipe, image_of
from drivers.engines.live import Machine, Wires, live_factory
from hil.ports import EngineKind, Firmware

RECIPE = Recipe(
    compiler="cc",
    folders=("app", "port", "port_host"),
    flags=("-std=c11", "-O2", "-g", "-ffp-contract=off"),
    suffix="",
)


def _firmware(options: Mapping[str, Any]) -> Firmware:
    """Return the program. Raises EnvironmentProblem."""
    return image_of(RECIPE, options)


def _command(image: Path, wires: Wires) -> Sequence[str]:
    """Return what starts it (``port_host/main.c`` says how it reads its words)."""
    words = (f"/dev/fd/{wires.page}", f"@{wires.can}", f"@{wires.spi}")
    return [str(image), *words, wires.name, wires.address]


def _hang_up(process: "subprocess.Popen[bytes]") -> None:
    """Let it end its client's connection."""
    process.send_signal(signal.SIGHUP)


PROCESS = EngineKind(ImageOptions, _firmware, endpoint=live_factory(Machine(_command, _hang_up)))
"""The entry point ``process`` of ``hil.engines``."""
