"""The board's firmware on an emulated microcontroller: QEMU's mps2-an385, in real time.

A whole Cortex-M3 with vectors, interrupts and UARTs, and an image as one would be flashed
(``firmware_stubs/port_mps2``). QEMU emulates no CAN controller on such a machine and lets nobody in
on its SPI bus: slcan text crosses UART0, and the packets of the SPI bus UART1. Written with QEMU
7.2; its manual, chapters "Invocation" and "Generic Loader".
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivers.engines.build import ImageOptions, Recipe, image_of
from drivers.engines.live import Machine, Wires, live_factory
from hil.core.errors import EnvironmentProblem
from hil.ports import EngineKind, Firmware

RECIPE = Recipe(
    compiler="arm-none-eabi-gcc",
    folders=("app", "port", "port_mps2"),
    flags=(
        *("-std=c11", "-O2", "-g", "-mcpu=cortex-m3", "-mthumb", "-ffreestanding", "-nostdlib"),
        # else the loop that is memset() becomes a call of memset()
        "-fno-tree-loop-distribute-patterns",
        *("-ffunction-sections", "-Wl,--gc-sections", "-T", "port_mps2/mps2.ld"),
    ),
    suffix=".elf",
    last=("-lgcc",),  # divisions of 64 bits
)

QEMU = "qemu-system-arm"
PARAMETER_PAGE = 0x003F_0000
"""The flash page of the parameters (``port_mps2/mps2.ld``)."""

_INSTALL = f"sudo apt-get install --no-install-recommends {QEMU} gcc-arm-none-eabi"
_PATIENCE_S = 60

# What QEMU's monitor is told when the client is to go: "yank" shuts a socket down from outside.
_YANK = {"execute": "yank", "arguments": {"instances": [{"type": "chardev", "id": "can"}]}}


def _firmware(options: Mapping[str, Any]) -> Firmware:
    """Return the image, and say which emulator runs it. Raises EnvironmentProblem."""
    if shutil.which(QEMU) is None:
        raise EnvironmentProblem(f"no {QEMU} to run the firmware: {_INSTALL}")
    firmware = image_of(RECIPE, options)
    return firmware._replace(about={**firmware.about, "emulator": _version()})


def _version() -> str:
    """Return what QEMU calls itself."""
    told = subprocess.run(  # noqa: S603 - a fixed command
        [QEMU, "--version"], capture_output=True, text=True, check=True, timeout=_PATIENCE_S
    )
    return told.stdout.partition("\n")[0]


def _command(image: Path, wires: Wires) -> Sequence[str]:
    """Return QEMU's words for a machine with this image, page and wires, and nothing else."""
    return [
        *(QEMU, "-name", f"{wires.name} {wires.address}", "-machine", "mps2-an385"),
        *("-nodefaults", "-display", "none"),
        # the machine's Ethernet controller: one without a peer is complained of at each start
        *("-nic", "user,restrict=on,ipv6=off"),
        *("-kernel", str(image)),
        "-device",
        f"loader,file=/dev/fd/{wires.page},addr={PARAMETER_PAGE:#x},force-raw=on",
        "-chardev",
        f"socket,id=can,fd={wires.can},server=on,wait=off,nodelay=on",
        *("-chardev", f"socket,id=spi,fd={wires.spi}"),
        *("-serial", "chardev:can", "-serial", "chardev:spi"),
        *("-chardev", "stdio,id=monitor,signal=off", "-mon", "chardev=monitor,mode=control"),
    ]


def _hang_up(process: "subprocess.Popen[bytes]") -> None:
    """Let it end its client's connection; a monitor obeys once it was greeted, and ever after."""
    assert process.stdin is not None  # noqa: S101 - it was started with one
    for word in ({"execute": "qmp_capabilities"}, _YANK):
        process.stdin.write(json.dumps(word).encode())


EMULATOR = EngineKind(ImageOptions, _firmware, endpoint=live_factory(Machine(_command, _hang_up)))
"""The entry point ``qemu`` of ``hil.engines``."""
