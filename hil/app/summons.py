"""A door in each run and each guardian at which `hil safe` knocks: a socket of the host.

One line of JSON asks, one says at once that it was heard, one tells what came of it. Who does not
say within a second that it has heard cannot be waited for: its loop is blocked, or it is frozen.
"""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hil.bench.lease import Process
from hil.core.errors import EnvironmentProblem

HEARD_WITHIN_S = 1.0
DONE_WITHIN_S = 60.0
"""As long as a way down may take (``hil.bench.run.WAY_DOWN``)."""

LONGEST_LINE = 65_536
_LONGEST_PATH = 107
"""``sun_path`` of unix(7) holds 108 bytes with the zero at its end."""


def door_of(folder: Path, process: Process) -> Path:
    """Return where a process's door is."""
    return folder / f"{process.pid}-{process.started}.sock"


class Door:
    """The door of this process: calls ``safe(by)`` when somebody asks for the safe state."""

    def __init__(self, folder: Path, process: Process, safe: Callable[[str], None]) -> None:
        """Take what to call; nothing listens before ``open``."""
        self._path, self._safe = door_of(folder, process), safe
        self._done: asyncio.Future[Mapping[str, Any]] | None = None
        self._server: asyncio.Server | None = None
        self._visits: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen. Raises EnvironmentProblem."""
        self._done = asyncio.get_running_loop().create_future()
        if len(os.fsencode(self._path)) > _LONGEST_PATH:
            text = f"{self._path}: too long a path for a socket: HIL_LEASES names another folder"
            raise EnvironmentProblem(text)
        try:
            with suppress(FileNotFoundError):
                self._path.unlink()
            self._server = await asyncio.start_unix_server(
                self._let_in, self._path, limit=LONGEST_LINE
            )
            self._path.chmod(0o666)  # an emergency stop is for everybody on the host
        except OSError as error:
            raise EnvironmentProblem(f"{self._path}: {error.strerror or error}") from error

    async def close(self, told: Mapping[str, Any]) -> None:
        """Tell whoever waits what came of it, and listen no more; harmless when never opened."""
        if self._server is None or self._done is None:
            return
        self._server.close()
        with suppress(FileNotFoundError):
            self._path.unlink()
        self._done.set_result(told)
        if self._visits:
            await asyncio.wait(self._visits, timeout=HEARD_WITHIN_S)
        self._server = None

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one visitor; what it asks that makes no sense is not answered."""
        visit = asyncio.current_task()
        assert visit is not None  # noqa: S101 - a coroutine runs in a task
        assert self._done is not None  # noqa: S101 - it is open
        self._visits.add(visit)
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                by = _asked(await reader.readline())
            if by is None:
                return
            writer.write(b'{"heard": true}\n')
            self._safe(by)
            told = await asyncio.shield(self._done)
            writer.write(json.dumps(told).encode() + b"\n")
            async with asyncio.timeout(HEARD_WITHIN_S):
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass  # it has gone, or says nothing of use: that stops nothing here
        finally:
            self._visits.discard(visit)
            writer.close()


def _asked(line: bytes) -> str | None:
    """Return who asks for the safe state; None for anything else. Raises ValueError."""
    asked = json.loads(line)
    if not isinstance(asked, dict) or asked.get("do") != "safe":
        return None
    by = str(asked.get("by", ""))[:200]
    return "".join(one if one.isprintable() else "?" for one in by)


def hears(folder: Path, process: Process) -> bool:
    """Say whether a process's loop turns: whether somebody opens its door within a second."""
    with suppress(OSError), _knock(folder, process) as plug, plug.makefile("rwb") as file:
        file.write(b"{}\n")
        file.flush()
        return file.read(1) == b""  # it lets us in, and out again: there was no question
    return False


def ask_to_be_safe(folder: Path, process: Process, by: str) -> Mapping[str, Any] | None:
    """Ask a run or a guardian to make its bench safe, and wait until it has.

    Returns what it tells of it; None if it does not hear, or has not done it in its time.
    """
    try:
        with _knock(folder, process) as plug, plug.makefile("rwb") as file:
            file.write(json.dumps({"do": "safe", "by": by}).encode() + b"\n")
            file.flush()
            if "heard" not in json.loads(file.readline(LONGEST_LINE)):
                return None
            plug.settimeout(DONE_WITHIN_S)
            told = json.loads(file.readline(LONGEST_LINE))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def _knock(folder: Path, process: Process) -> socket.socket:
    """Connect to a door. Raises OSError."""
    plug = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    plug.settimeout(HEARD_WITHIN_S)
    try:
        plug.connect(str(door_of(folder, process)))
    except BaseException:
        plug.close()
        raise
    return plug
