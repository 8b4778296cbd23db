"""Firmware of the tests' own behind the ABI of ``bms_lib.h``, and chips that answer it."""

import shutil
from pathlib import Path

from can import Message
from tools import program

from drivers.engines import build
from drivers.engines.library import RECIPE
from hil.ports import Firmware

HERE = Path(__file__).parent
HEADER = build.SOURCES / "app" / "bms.h"


def sources(folder: Path) -> Path:
    """Return a folder laid out as ``firmware_stubs``, with the plain firmware in it."""
    for name in ("app", "port_lib"):
        (folder / name).mkdir(parents=True)
    shutil.copy(HEADER, folder / "app")
    shutil.copy(HERE / "echo_firmware.c", folder / "port_lib")
    return folder


def built(folder: Path, *define: str) -> Firmware:
    """Build the plain firmware from a new or known folder; skips where there is no compiler."""
    program("cc")
    return build.build(RECIPE, define, folder if folder.exists() else sources(folder))


class Chip:
    """Answers a transfer with its complement, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bytes]] = []

    def transfer(self, select: int, data: bytes) -> bytes:
        self.asked.append((select, data))
        return bytes(byte ^ 0xFF for byte in data)


def frame(identifier: int, data: bytes = b"") -> Message:
    """Return a frame with an 11-bit identifier."""
    return Message(arbitration_id=identifier, data=data, is_extended_id=False)


def heard(frames: "list[Message] | tuple[Message, ...]") -> list[tuple[int, bytes]]:
    """Return identifier and data of each frame."""
    return [(one.arbitration_id, bytes(one.data)) for one in frames]
