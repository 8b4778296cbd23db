"""Which messages of a link are disturbed, and how: an explicit list, rates with a seed, or both.

A plan is data and a pure function of the message's number, so it does not matter who asks first: a
run can be repeated, a list found by a search can be shortened one fault at a time, and what rates
drew can be written down as a list (``drawn`` gives each fault with its amount, ``override`` the
text for ``--set``).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias, get_args

from hil.core.instants import MILLISECOND, SECOND, Duration, Instant

Direction: TypeAlias = Literal["to device", "to host"]
Kind: TypeAlias = Literal[
    "lost", "late", "partial", "doubled", "corrupted", "reordered", "disconnected"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST_HOLD: Duration = 30 * SECOND
"""How late a message may be at most: ``hil.verdict.judgement`` counts on it."""

_WORD = 1 << 64
_MOST_BEHIND = 3
"""By how many messages rates let one be overtaken at most."""


@dataclass(frozen=True, slots=True, order=True)
class LinkFault:
    """One disturbed message: ``index`` counts the messages of its direction from 0.

    ``amount`` is, for late and disconnected, a duration in ns; for partial the bytes that still
    pass, for corrupted the bit that is turned (from the first byte's lowest), both counted round
    and round where the message is shorter; for reordered the messages that overtake it.
    """

    direction: Direction
    index: int
    kind: Kind
    amount: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for a fault that could never take place."""
        if self.index < 0 or self.amount < (1 if self.kind == "reordered" else 0):
            raise ValueError(f"no such fault: {self}")
        if self.kind == "late" and self.amount > LONGEST_HOLD:
            raise ValueError(f"late by more than {LONGEST_HOLD // SECOND} s: {self}")


_AMOUNT_KEYS: Mapping[Kind, str] = {
    "late": "by_ns",
    "partial": "passing",
    "corrupted": "bit",
    "reordered": "behind",
    "disconnected": "gone_ns",
}


@dataclass(frozen=True, slots=True)
class FaultAt:
    """One entry of ``at``: ``{to: host, message: 12, fault: corrupted, bit: 3}``.

    ``passing`` bytes of a partial message pass (default 0), ``bit`` of a corrupted one is turned
    (default 0), ``behind`` messages overtake a reordered one (default 1); ``by`` and ``gone`` are
    the plan's unless they are given.
    """

    to: Literal["device", "host"]
    message: int
    fault: Kind
    by_ns: Duration | None = None
    passing: int | None = None
    bit: int | None = None
    behind: int | None = None
    gone_ns: Duration | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a key of another fault, or a number below the first."""
        own = _AMOUNT_KEYS.get(self.fault)
        for kind, key in _AMOUNT_KEYS.items():
            if key != own and getattr(self, key) is not None:
                raise ValueError(f"{key}: goes with {kind}, found it beside {self.fault}")
        for key, least in (("message", 0), ("passing", 0), ("bit", 0), ("behind", 1)):
            found = getattr(self, key)
            if found is not None and found < least:
                raise ValueError(f"{key}: found {found}, expected at least {least}")
        _refuse_too_long(self.by_ns)


@dataclass(frozen=True, slots=True)
class FaultKeys:
    """The keys of ``faults`` in a bench file: how often each fault takes a message, and a list.

    Rates act ``from`` to ``until`` on the bench's clock (so that a bench can come up first), the
    list ``at`` always. ``by`` is how late a late message is, and how long at most a reordered one
    waits to be overtaken; ``gone`` how long a disconnected link is away. Without ``seed`` it is the
    run's.
    """

    seed: int | None = None
    lost: float = 0.0
    late: float = 0.0
    partial: float = 0.0
    doubled: float = 0.0
    corrupted: float = 0.0
    reordered: float = 0.0
    disconnected: float = 0.0
    by_ns: Duration = 50 * MILLISECOND
    gone_ns: Duration = 500 * MILLISECOND
    from_ns: Instant = 0
    until_ns: Instant | None = None
    at: tuple[FaultAt, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for rates that are none, or two faults on one message."""
        total = 0.0
        for kind in KINDS:
            rate = getattr(self, kind)
            total += rate
            if not 0.0 <= rate <= 1.0:
                raise ValueError(f"{kind}: expected 0 % to 100 %")
        if total > 1.0:
            raise ValueError(f"the rates add up to {total:.0%}, expected 100 % at most")
        _refuse_too_long(self.by_ns)
        places = [(one.to, one.message) for one in self.at]
        for to, message in places:
            if places.count((to, message)) > 1:
                raise ValueError(f"at: two faults on message {message} to {to}, expected one")


def _refuse_too_long(by_ns: Duration | None) -> None:
    """Raise ValueError for a lateness that the verdict could no longer put down to the bench."""
    if by_ns is not None and not 0 <= by_ns <= LONGEST_HOLD:
        raise ValueError(f"by_ns: expected 0 s to {LONGEST_HOLD // SECOND} s")


@dataclass(frozen=True)
class FaultPlan:
    """What becomes of each message of one device's link."""

    device: str = ""
    seed: int = 0
    keys: FaultKeys = field(default_factory=FaultKeys)
    faults: tuple[LinkFault, ...] = ()

    @cached_property
    def _by_message(self) -> Mapping[tuple[Direction, int], LinkFault]:
        """The faults of both lists by their message."""
        return {(one.direction, one.index): one for one in (*self.faults, *_listed(self.keys))}

    @cached_property
    def _draws(self) -> bool:
        """Whether any rate is above zero: without one, no message needs its hash."""
        return any(getattr(self.keys, kind) for kind in KINDS)

    def of(self, direction: Direction, index: int, at: Instant) -> LinkFault | None:
        """Return the fault of one message that passes at ``at``; the list goes before rates."""
        listed = self._by_message.get((direction, index))
        until = self.keys.until_ns
        if (
            listed
            or not self._draws
            or at < self.keys.from_ns
            or (until is not None and at >= until)
        ):
            return listed
        return drawn(self.keys, self.seed, self.device, direction, index)


def drawn(
    keys: FaultKeys, seed: int, device: str, direction: Direction, index: int
) -> LinkFault | None:
    """Return what the rates make of one message: a pure function of its arguments.

    One uniform number picks the kind, a second one the amount, both from a BLAKE2b hash of
    seed, device, direction and index: no stream that a message more would shift.
    """
    key = f"{seed if keys.seed is None else keys.seed}|{device}|{direction}|{index}"
    digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
    picked = int.from_bytes(digest[:8], "big") / _WORD
    word = int.from_bytes(digest[8:], "big")
    for kind in KINDS:
        picked -= getattr(keys, kind)
        if picked < 0.0:
            return LinkFault(direction, index, kind, _amount(kind, keys, word))
    return None


def _amount(kind: Kind, keys: FaultKeys, word: int) -> int:
    """Return the amount of a fault that rates drew; ``word`` is uniform in 64 bits."""
    amounts: Mapping[Kind, int] = {
        "late": keys.by_ns,
        "partial": word >> 48,
        "corrupted": word >> 48,
        "reordered": 1 + word % _MOST_BEHIND,
        "disconnected": keys.gone_ns,
    }
    return amounts.get(kind, 0)


def _listed(keys: FaultKeys) -> Iterable[LinkFault]:
    """Return the entries of ``at`` as faults."""
    defaults = {"by_ns": keys.by_ns, "gone_ns": keys.gone_ns, "behind": 1}
    for one in keys.at:
        key = _AMOUNT_KEYS.get(one.fault, "")
        given = getattr(one, key, None)
        amount = defaults.get(key, 0) if given is None else given
        direction: Direction = "to host" if one.to == "host" else "to device"
        yield LinkFault(direction, one.message, one.fault, amount)


def override(device: str, faults: Iterable[LinkFault]) -> str:
    """Return ``bench.devices.DEVICE.link.faults.at=[...]``: a list of faults as ``--set`` takes it.

    Raises ValueError for two faults on one message, as the bench file would.
    """
    entries = []
    for one in faults:
        key = _AMOUNT_KEYS.get(one.kind)
        unit = " ns" if key in ("by_ns", "gone_ns") else ""
        amount = f", {key.removesuffix('_ns')}: {one.amount}{unit}" if key else ""
        to = one.direction.removeprefix("to ")
        entries.append(f"{{to: {to}, message: {one.index}, fault: {one.kind}{amount}}}")
    return f"bench.devices.{device}.link.faults.at=[{', '.join(entries)}]"
