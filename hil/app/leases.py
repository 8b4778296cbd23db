"""The leases of this host's devices: one file for all benches and all users.

``/var/tmp/hil-leases``, or the folder that HIL_LEASES names; it outlives a reboot, since what a
dead host has left on stays on. Whoever may write there is trusted: it keeps colleagues from each
other's benches, not attackers out.
"""

import getpass
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hil.app.names import keys_of, resolve
from hil.bench import lease
from hil.bench.fenced import Fence
from hil.bench.lease import FencedError, HeldError, Holder, Lease, Process
from hil.bench.wall_time import utc_now_text
from hil.core.errors import EnvironmentProblem
from hil.ports import LinkKind
from hil.profile import Bench
from hil.results.disk import replace_text

FOLDER = "/var/tmp/hil-leases"  # noqa: S108 - shared by all users of the host on purpose
LOCKED_FOR_S = 1
"""The file is locked for milliseconds; longer means that somebody was stopped in the middle."""

_FILE, _LOCK = "leases.json", "lock"
_STARTED = 19
"""Where a process's start stands in /proc/PID/stat, behind its name: field 22 (proc(5))."""


# --- who is who ----------------------------------------------------------------------------------


def process_of(pid: int) -> Process:
    """Return a process as a lease names it. Raises EnvironmentProblem if there is none."""
    started = _started(pid)
    if started is None:
        raise EnvironmentProblem(f"there is no process {pid}")
    return Process(pid, started, *_here())


def alive(process: Process) -> bool:
    """Say whether a process may still act; one in another container may, as far as can be seen."""
    boot, namespace = _here()
    if process.boot != boot:
        return False
    return process.namespace != namespace or _started(process.pid) == process.started


def reachable(process: Process) -> bool:
    """Say whether a process's number is one of ours, so that it can be ended."""
    return (process.boot, process.namespace) == _here()


def gone(holder: Holder) -> bool:
    """Say whether nobody of a holder is left: neither the run nor its guardian."""
    return not any(alive(one) for one in (holder.process, holder.guardian) if one is not None)


def myself(what: str, bench: str) -> Holder:
    """Return this process as a holder."""
    with suppress(KeyError, OSError):  # a container's user may have no name
        return Holder(what, bench, getpass.getuser(), utc_now_text(), process_of(os.getpid()))
    return Holder(what, bench, "", utc_now_text(), process_of(os.getpid()))


@cache
def _here() -> tuple[str, str]:
    """Return which boot this is, and whose process numbers these are."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return boot, str(Path("/proc/self/ns/pid").readlink())


def _started(pid: int) -> int | None:
    """Return when a process began; None for one that is gone, or is dead and not yet buried."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[_STARTED - 1])


# --- what is held --------------------------------------------------------------------------------


def places(bench: Bench) -> dict[str, str]:
    """Return the place of each device of a bench that others could reach too."""
    found = {}
    for name, device in bench.devices.items():
        kind: LinkKind = resolve("links", device.link.kind)
        if kind.where is not None:
            found[name] = kind.where(keys_of(kind, device.link.options))
    return found


@dataclass(frozen=True)
class Tenancy:
    """What one holder holds: the token of each place, and from whom it took what was not free.

    With ``left_by`` it must read everything back safe before anything goes on.
    """

    leases: "Leases"
    tokens: Mapping[str, int]
    left_by: tuple[Holder, ...] = ()

    def fence(self, place: str) -> Fence:
        """Return what says when the place is no longer ours."""
        return partial(self.leases.newer, place, self.tokens[place])

    def watched_by(self, guardian: int) -> None:
        """Note who acts when the holder no longer can. Raises FencedError."""
        note = partial(lease.watched_by, guardian=process_of(guardian))
        self.leases.change(self.tokens, note)

    def free(self) -> None:
        """Give back what was read back safe. Raises FencedError."""
        self.leases.change(self.tokens, lease.freed)


class Leases:
    """The file. ``gone`` says of a holder that nobody of it is left."""

    def __init__(self, folder: Path, is_gone: Callable[[Holder], bool] = gone) -> None:
        """Make the folder if there is none. Raises EnvironmentProblem."""
        self.folder, self._gone = folder, is_gone
        self._seen: tuple[int, ...] = ()
        self._tokens: dict[str, int] = {}
        try:
            with suppress(FileExistsError):
                folder.mkdir(parents=True)
                folder.chmod(0o777)  # for every user of the host, whatever this one's umask
        except OSError as error:
            raise _unusable(folder, error) from error

    def take(self, wanted: Iterable[str], who: Holder, *, force: bool = False) -> Tenancy:
        """Take all of the places or none; what a holder that is gone has left is taken over.

        ``force`` takes them from those who live, too. Raises HeldError.
        """
        places = sorted(set(wanted))
        with self._locked():
            known = self._read()
            olds = {place: known.get(place, Lease()) for place in places}
            left = dict.fromkeys(old.holder for old in olds.values() if old.holder is not None)
            for place, old in olds.items():
                over = force or (old.holder is not None and self._gone(old.holder))
                known[place] = lease.taken(place, old, who, over=over)
            self._write(known)
        return Tenancy(self, {place: known[place].token for place in places}, tuple(left))

    def change(self, tokens: Mapping[str, int], how: Callable[[Lease, int], Lease]) -> None:
        """Change leases of one holder together. Raises FencedError if one has gone on."""
        with self._locked():
            known = self._read()
            for place, token in tokens.items():
                known[place] = how(known.get(place, Lease()), token)
            self._write(known)

    def held(self, wanted: Iterable[str]) -> dict[str, Lease]:
        """Return the leases of those places that are held, or were left."""
        known = self._read()
        return {p: known[p] for p in wanted if p in known and known[p].holder is not None}

    def newer(self, place: str, token: int) -> str:
        """Say who has taken a place over since ``token``; empty if nobody has.

        Costs a system call while the file is the one that was read. A file that is gone, or
        spoilt, names nobody: a run must still be able to switch off.
        """
        try:
            stat = (self.folder / _FILE).stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen != self._seen:
                self._tokens = {name: one.token for name, one in self._read().items()}
                self._seen = seen
        except (OSError, EnvironmentProblem):
            return ""
        now = self._tokens.get(place, token)
        return "" if now <= token else f"taken over since (lease {now}, ours was {token})"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the file for a moment. Raises EnvironmentProblem if somebody does not let go."""
        path = self.folder / _LOCK
        try:
            with FileLock(path, timeout=LOCKED_FOR_S, mode=0o666, fallback_to_soft=False):
                yield
        except Timeout:
            raise EnvironmentProblem(
                f"{path}: locked for {LOCKED_FOR_S} s by another process, which must have been "
                "stopped there: `fuser` names it"
            ) from None
        except OSError as error:
            raise _unusable(path, error) from error

    def _read(self) -> dict[str, Lease]:
        """Return all leases. Raises EnvironmentProblem for a file that nobody of us has written."""
        path = self.folder / _FILE
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            return {place: _lease(one) for place, one in body.items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unusable(path, error) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            text = f"{path}: cannot be read ({error}): see that all benches are off, then remove it"
            raise EnvironmentProblem(text) from error

    def _write(self, leases: Mapping[str, Lease]) -> None:
        """Replace the file, readable and replaceable for all. Raises EnvironmentProblem."""
        path = self.folder / _FILE
        body = {place: asdict(one) for place, one in sorted(leases.items())}
        try:
            replace_text(path, json.dumps(body, indent=1) + "\n")
            path.chmod(0o666)
        except OSError as error:
            raise _unusable(path, error) from error


def _lease(body: dict[str, Any]) -> Lease:
    """Read one lease. Raises KeyError, TypeError, ValueError."""
    token, holder = int(body["token"]), body["holder"]
    if holder is None:
        return Lease(token)
    process, guardian = holder.pop("process"), holder.pop("guardian")
    watcher = None if guardian is None else Process(**guardian)
    return Lease(token, Holder(**holder, process=Process(**process), guardian=watcher))


def _unusable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(f"{path}: {error.strerror or error}: HIL_LEASES names another folder")


def leases() -> Leases:
    """Return the leases of this host. Raises EnvironmentProblem."""
    return Leases(Path(os.environ.get("HIL_LEASES") or FOLDER))


__all__ = ["FencedError", "HeldError", "Leases", "Tenancy", "leases"]
