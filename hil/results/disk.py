"""Bytes on the disk: whole or not at all, and known to be there.

An unbuffered ``write`` on a full disk returns short before it fails (100 rows were lost that way,
silently), and what is not synced does not survive a power loss. So everything the journal relies
on goes through here: tests put a disk that fails in its place.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hil.core.errors import EnvironmentProblem


class RecordingProblem(EnvironmentProblem):
    """Records can no longer be kept: a full disk, a disk that fails. The bench must go safe."""


class Disk:
    """What the journal asks of a disk. Every call raises OSError when it cannot be done."""

    def create(self, path: Path) -> int:
        """Make a new file for appending; return its descriptor. An existing one is an error."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)

    def write(self, descriptor: int, data: bytes) -> None:
        """Append all of ``data``, however many pieces the system takes it in."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Return when what was written survives a power loss."""
        os.fdatasync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut off what follows the first ``size`` bytes."""
        os.ftruncate(descriptor, size)

    def reserve(self, path: Path, size: int) -> None:
        """Take ``size`` bytes of room in a file of its own."""
        descriptor = self.create(path)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)


def sync_file(path: Path) -> None:
    """Return when what stands in a file survives a power loss. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Return when the names in ``folder`` survive a power loss. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Write a file so that it is the old one or the new one, never half of either.

    What is in the way of the half one goes: were that a link, its target would be written.
    Raises OSError.
    """
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with partial.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def refuse_links(folder: Path) -> None:
    """Raise EnvironmentProblem for a folder that holds anything but files and folders.

    The bench puts nothing else into a run's folder. A link would let a run that somebody sent read,
    and a repair move, what lies elsewhere; a pipe would keep its reader waiting for ever.
    """
    try:
        with os.scandir(folder) as entries:
            for one in entries:
                if not (one.is_file(follow_symlinks=False) or one.is_dir(follow_symlinks=False)):
                    what = "a link" if one.is_symlink() else "no file"
                    message = f"{one.name} is {what}: a run's folder holds plain files only"
                    raise EnvironmentProblem(f"{folder.name}: {message}; remove it")
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot be read: {error.strerror}") from error


def read_small(path: Path, most: int) -> bytes:
    """Return a file of at most ``most`` bytes, followed through no link. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        if about.st_size > most:
            raise OSError(errno.EFBIG, f"it has {about.st_size} bytes, expected at most {most}")
        return file.read(most)


def lock(folder: Path, *, shared: bool = False) -> int:
    """Take a run's folder; return the descriptor whose closing gives it back.

    ``shared`` lets others look at it too. A process that is killed gives it back as well. Raises
    EnvironmentProblem if it is taken, or on a file system that cannot lock.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise EnvironmentProblem(f"{folder}: cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        what = f"cannot be locked: {error.strerror}"
        if isinstance(error, BlockingIOError):
            what = "is being recorded or repaired right now; try again when that is over"
        raise EnvironmentProblem(f"{folder.name}: {what}") from None
    return descriptor


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a run's folder, see ``lock``. Raises EnvironmentProblem if somebody else does.

    Or if it holds what no run's folder does, see ``refuse_links``.
    """
    descriptor = lock(folder, shared=shared)
    try:
        refuse_links(folder)
        yield
    finally:
        os.close(descriptor)
