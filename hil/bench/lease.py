"""Who may drive a device: one holder at most, told from all earlier ones by a token.

A lease is free or held. It becomes free only when the device has been read back safe; a holder that
dies leaves it held, and whoever takes it over must make the device safe before anything goes on.
Each holder gets a greater token than all before it, and the links refuse what an old one still
sends (``fenced``), so that a process that was frozen and wakes up moves nothing.
"""

from dataclasses import dataclass, replace

from hil.core.errors import EnvironmentProblem


@dataclass(frozen=True)
class Process:
    """A process of a host; ``started`` (clock ticks since boot) tells it from a later one's number.

    ``boot`` and ``namespace`` say of which boot of the host, and whose numbers these are.
    """

    pid: int
    started: int
    boot: str
    namespace: str


@dataclass(frozen=True)
class Holder:
    """Who holds a lease: ``what`` it does, for whom, and the processes that can still act.

    ``after`` is who had left the device to it: if it cannot make that safe, the next one must know.
    """

    what: str
    bench: str
    user: str
    since_utc: str
    process: Process
    guardian: Process | None = None
    after: str = ""

    def __str__(self) -> str:
        """Return one line for whoever wants the device too."""
        whom = f" of {self.user}" if self.user else ""
        where = f"bench {self.bench}, pid {self.process.pid}, since {self.since_utc}"
        after = f", after {self.after}" if self.after else ""
        return f"{self.what}{whom} ({where}{after})"


@dataclass(frozen=True)
class Lease:
    """The state of one device: ``token`` is the last holder's; free without a ``holder``."""

    token: int = 0
    holder: Holder | None = None


class HeldError(EnvironmentProblem):
    """Somebody else drives the device."""

    def __init__(self, resource: str, holder: Holder) -> None:
        """Keep who it is."""
        super().__init__(f"{resource} is held by {holder}")
        self.resource, self.holder = resource, holder


class FencedError(EnvironmentProblem):
    """Somebody has taken the device over: this holder's time is past."""


def taken(resource: str, lease: Lease, who: Holder, *, over: bool = False) -> Lease:
    """Return the lease in the hands of ``who``. Raises HeldError.

    ``over`` takes it from its holder: one that is gone, or whom a person ends. What that has left
    on, nobody knows.
    """
    if lease.holder is not None and not over:
        raise HeldError(resource, lease.holder)
    left = lease.holder
    after = "" if left is None else left.after or f"{left.what}, pid {left.process.pid}"
    return Lease(lease.token + 1, replace(who, after=after))


def watched_by(lease: Lease, token: int, guardian: Process) -> Lease:
    """Return the lease with its holder's guardian. Raises FencedError."""
    own = _own(lease, token)
    assert own.holder is not None  # noqa: S101 - _own
    return replace(own, holder=replace(own.holder, guardian=guardian))


def freed(lease: Lease, token: int) -> Lease:
    """Return the lease as its holder leaves it, the device read back safe. Raises FencedError."""
    return Lease(_own(lease, token).token)


def _own(lease: Lease, token: int) -> Lease:
    if lease.token != token or lease.holder is None:
        raise FencedError(f"the lease has gone on to token {lease.token}: this holder had {token}")
    return lease
