"""The ways in of an endpoint: listening sockets and ptys, opened by the lab for its relays."""

import os
import socket
import tty
from pathlib import Path
from typing import NamedTuple, Protocol

from hil.ports import Place


class Door(NamedTuple):
    """One that is open: its kind and descriptor for the relay, and where others find it."""

    kind: str
    descriptor: int
    place: Place


class Opening(Protocol):
    """A way in that can be opened again and again, at the same place where that is possible."""

    def open(self) -> Door:
        """Open it. Raises OSError."""

    def close(self) -> None:
        """Leave nothing behind."""


class TcpOpening:
    """A listening socket; port 0 is any free one, and stays the same from then on."""

    def __init__(self, host: str, port: int, transport: str = "tcp") -> None:
        """``transport`` is the name under which it is told; bytes alone have a VISA resource."""
        self._host, self._port, self._transport = host, port, transport

    def open(self) -> Door:
        """Bind and listen. Raises OSError that names the address."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen()
        except OSError as error:
            listener.close()
            raise OSError(error.errno, f"{self._host}:{self._port}: {error.strerror}") from error
        self._port = listener.getsockname()[1]
        visa = f"TCPIP::{self._host}::{self._port}::SOCKET" if self._transport == "tcp" else None
        place = Place(self._transport, f"{self._host}:{self._port}", visa)
        return Door("tcp", listener.detach(), place)

    def close(self) -> None:
        """A socket leaves nothing."""


class PtyOpening:
    """A pty; ``path``, if given, becomes a link to it, as it would be the name of a real port."""

    def __init__(self, path: str = "", transport: str = "pty") -> None:
        """``transport`` is the name under which it is told; bytes alone have a VISA resource."""
        self._path, self._transport = Path(path) if path else None, transport
        self._linked = ""

    def open(self) -> Door:
        """Make a pty that changes no byte. Raises OSError, also for a path that is something."""
        inner, outer = os.openpty()
        try:
            tty.setraw(outer)
            name = os.ttyname(outer)
            if self._path is not None:
                self._link(self._path, name)
        except OSError:
            os.close(inner)
            raise
        finally:
            os.close(outer)
        shown = str(self._path or name)
        visa = f"ASRL{shown}::INSTR" if self._transport == "pty" else None
        return Door("pty", inner, Place(self._transport, shown, visa))

    def _link(self, path: Path, name: str) -> None:
        """Let ``path`` mean the pty; only a link, such as one that a killed lab left, is replaced.

        Raises FileExistsError.
        """
        if path.is_symlink():
            path.unlink()
        try:
            path.symlink_to(name)
        except OSError as error:
            raise OSError(error.errno, f"{path}: {error.strerror}") from error
        self._linked = name

    def close(self) -> None:
        """Take the link away, if it is still ours."""
        path = self._path
        if path is not None and path.is_symlink() and str(path.readlink()) == self._linked:
            path.unlink()
