"""The ways in of an endpoint: listening sockets and ptys, opened by the lab for its relays."""

import errno
import fcntl
import os
import socket
import stat
import tty
from pathlib import Path
from typing import NamedTuple, Protocol

from hil.ports import Place

_PTYS = Path("/dev/pts")

_SHARED = ("hislip", "vxi11", "vxi11-abort", "portmapper")
"""What has several connections, of one client or more; the others serve one alone."""


class Door(NamedTuple):
    """One that is open: its kind and descriptor for the relay, and where others find it."""

    kind: str
    descriptor: int
    place: Place


class Opening(Protocol):
    """A way in that can be opened again and again, at the same place where that is possible."""

    @property
    def host(self) -> str:
        """On whose address it will listen; empty where only this host can come in."""

    def open(self) -> Door:
        """Open it. Raises OSError."""

    def close(self) -> None:
        """Leave nothing behind."""


class TcpOpening:
    """A listening socket; port 0 is any free one, and stays the same from then on."""

    def __init__(self, host: str, port: int, transport: str = "tcp") -> None:
        """``transport`` is the name under which it is told; slcan has no VISA resource.

        The connections of HiSLIP are several a client: its guest says whom it sends away. So it is
        with the channels of VXI-11.
        """
        self._host, self._port, self._transport = host, port, transport

    @property
    def port(self) -> int:
        """The port; 0 before it was found."""
        return self._port

    @property
    def host(self) -> str:
        """The host of its address."""
        return self._host

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
        resources = {
            "tcp": f"TCPIP::{self._host}::{self._port}::SOCKET",
            "hislip": f"TCPIP::{self._host}::hislip0,{self._port}::INSTR",
            "vxi11": f"TCPIP::{self._host},{self._port}::inst0::INSTR",
        }
        visa = resources.get(self._transport)
        place = Place(self._transport, f"{self._host}:{self._port}", visa)
        kind = "shared" if self._transport in _SHARED else "tcp"
        return Door(kind, listener.detach(), place)

    def close(self) -> None:
        """A socket leaves nothing."""


class UdpOpening:
    """A datagram socket."""

    def __init__(self, host: str, port: int, transport: str) -> None:
        """``transport`` is the name under which it is told."""
        self._host, self._port, self._transport = host, port, transport

    @property
    def host(self) -> str:
        """The host of its address."""
        return self._host

    def open(self) -> Door:
        """Bind. Raises OSError that names the address."""
        plug = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            plug.bind((self._host, self._port))
        except OSError as error:
            plug.close()
            raise OSError(error.errno, f"{self._host}:{self._port}: {error.strerror}") from error
        self._port = plug.getsockname()[1]
        return Door("udp", plug.detach(), Place(self._transport, f"{self._host}:{self._port}"))

    def close(self) -> None:
        """A socket leaves nothing."""


class PtyName:
    """A path that leads to a pty, as if it were a real port; one lab at a time has it.

    A lock beside the link (``ttyX.lock``) keeps others away: the kernel lets go of it when the lab
    ends, however it ends. In it stands where the link led, so that one which a killed lab left
    behind is known as such, even when its pty's number is somebody else's by now.
    """

    def __init__(self, path: Path) -> None:
        """``path`` is the link's own place; touches nothing yet."""
        self._path = path
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._lock: int | None = None

    def lead_to(self, pty: str) -> None:
        """Let the path mean this pty. Raises FileExistsError if it is not free, other OSError."""
        try:
            if self._lock is None:
                self._lock = self._locked()
            self._refuse_foreign({self._led_to(self._lock), Path(pty)})
            self._path.unlink(missing_ok=True)
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, os.fsencode(pty), 0)
            self._path.symlink_to(pty)
        except OSError as error:
            self.release()
            raise OSError(error.errno, f"{self._path}: {error.strerror}") from error

    def release(self) -> None:
        """Leave nothing behind: the link, if it is still ours, then the lock."""
        if self._lock is None:
            return
        if self._path.is_symlink() and self._led_to(self._lock) == self._path.readlink():
            self._path.unlink()
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    def _locked(self) -> int:
        """Return the lock file's descriptor. Raises FileExistsError if another holds it."""
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # no link, no pipe
            lock = os.open(self._lock_path, flags, 0o666)
            try:
                self._refuse_foreign_lock(lock)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # whoever had it may have taken the file away just before: then this is another one
                if os.fstat(lock).st_nlink:
                    return lock
            except FileExistsError:
                os.close(lock)
                raise
            except BlockingIOError as error:
                os.close(lock)
                taken = f"is the port of another lab{self._leads()}: stop that one, or name another"
                raise FileExistsError(errno.EEXIST, taken) from error
            os.close(lock)

    def _refuse_foreign_lock(self, lock: int) -> None:
        """Raise FileExistsError for a file that no lab has written: ``poetry.lock`` is no lock."""
        about = os.fstat(lock)
        begin = os.pread(lock, len(f"{_PTYS}/"), 0)
        if not stat.S_ISREG(about.st_mode) or begin not in (b"", os.fsencode(f"{_PTYS}/")):
            there = f"{self._lock_path.name} beside it is no lab's lock: name another port"
            raise FileExistsError(errno.EEXIST, there)

    def _refuse_foreign(self, ours: set[Path | None]) -> None:
        """Raise FileExistsError for anything but a link to a pty of ours, or to one that is gone.

        Ours is also the new one: what led to its number before led to a pty that was gone.
        """
        if self._path.is_symlink():
            target = self._path.readlink()
            gone = target.parent == _PTYS and not target.exists()
            if gone or target in ours:
                return
        elif not self._path.exists():
            return
        there = f"something is there already{self._leads()}: remove it, or name another port"
        raise FileExistsError(errno.EEXIST, there)

    def _led_to(self, lock: int) -> Path | None:
        """Return where the last lab with this lock let the link lead."""
        written = os.pread(lock, os.fstat(lock).st_size, 0)
        return Path(os.fsdecode(written)) if written else None

    def _leads(self) -> str:
        """Say where the path leads, if it is a link."""
        return f", leading to {self._path.readlink()}" if self._path.is_symlink() else ""


class PtyOpening:
    """A pty; ``path``, if given, becomes a link to it, as it would be the name of a real port."""

    def __init__(self, path: str = "", transport: str = "pty") -> None:
        """``transport`` is the name under which it is told; bytes alone have a VISA resource."""
        self._path, self._transport = path, transport
        self._name = PtyName(Path(path)) if path else None

    @property
    def host(self) -> str:
        """None: a pty is of this host."""
        return ""

    def open(self) -> Door:
        """Make a pty that changes no byte. Raises OSError, also for a path that is not free."""
        inner, outer = os.openpty()
        try:
            tty.setraw(outer)
            name = os.ttyname(outer)
            if self._name is not None:
                self._name.lead_to(name)
        except OSError:
            os.close(inner)
            raise
        finally:
            os.close(outer)
        shown = self._path or name
        visa = f"ASRL{shown}::INSTR" if self._transport == "pty" else None
        return Door("pty", inner, Place(self._transport, shown, visa))

    def close(self) -> None:
        """Take the link away, if it is still ours."""
        if self._name is not None:
            self._name.release()
