"""One header of an instrument as data, and how its legal spellings are found.

Sources: SCPI-1999 volume 1, 6.2 (headers, short and long forms, optional nodes, numeric suffixes).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from drivers.wire.scpi_data import (
    Number,
    Parameter,
    ScpiError,
    forms,
    parse_channels,
    split_outside_quotes,
)

Channels: TypeAlias = tuple[int, ...]
Run: TypeAlias = Callable[[str], str | None]
"""What a resolved header does with the text of its parameters; a query returns its reply."""


@dataclass(frozen=True, slots=True)
class Command:
    """One header and what it does.

    ``header`` is written as manuals do, with its leading colon: ``:SOURce#:VOLTage[:LEVel]``;
    ``#`` marks the numeric suffix, which chooses one of ``channels`` and is 1 when left out.
    ``write(channels, *values)`` takes one value a parameter, ``read(channels)`` returns the reply;
    a command without channels gets an empty tuple. Where there are channels, a channel list may
    stand last in place of the suffix. ``asks`` are parameters of the query: ``read`` gets their
    values too. The last ``optional`` of either may be left out, and are None then.
    """

    header: str
    write: Callable[..., None] | None = None
    read: Callable[..., str] | None = None
    parameters: tuple[Parameter, ...] = ()
    channels: int = 0
    asks: tuple[Parameter, ...] = ()
    optional: int = 0


@cache
def header_pattern(header: str) -> re.Pattern[str]:
    """Return what matches every legal spelling, in capitals and without ``?``, of a header.

    A node without ``#`` takes the suffix 1 as well, which is what it has when none is given.
    """
    signs = {"*": r"\*", "[": "(?:", "]": ")?"}

    def spell(found: re.Match[str]) -> str:
        part = found[0]
        if part in signs:
            return signs[part]
        short, long = forms(part.rstrip("#"))
        suffix = r"(?P<suffix>\d*)" if part.endswith("#") else "" if header[0] == "*" else "1?"
        return f"{short}(?:{long.removeprefix(short)})?{suffix}"

    return re.compile(re.sub(r"[A-Za-z]+#?|[*\[\]]", spell, header))


def bound(command: Command, suffix: str | None, *, asks: bool) -> Run:
    """Return what the command does for this suffix. Raises ScpiError -114."""
    channels: Channels = ()
    if command.channels:
        channels = (int(suffix or 1),)
        if not 1 <= channels[0] <= command.channels:
            raise ScpiError(-114)
    listable = bool(command.channels) and not suffix
    if asks:
        return _query(command, channels, listable=listable)
    return _setting(command, channels, listable=listable)


def _query(command: Command, channels: Channels, *, listable: bool) -> Run:
    """Return a query: its own parameters, a channel list, or MIN, MAX or DEF of its number."""
    read, count = command.read, command.channels
    assert read is not None  # noqa: S101 - the caller has just looked

    def query(data: str) -> str:
        data = data.strip()
        if not data and not command.asks:
            return read(channels)
        if command.asks:
            parts = split_outside_quotes(data, ",") if data else []
            return read(channels, *_values(command.asks, parts, command.optional))
        if listable and data[0] == "(":
            return read(parse_channels(data, count))
        for parameter in command.parameters[:1]:
            value = parameter.special(data) if isinstance(parameter, Number) else None
            if value is not None:
                return f"{value:g}"
        raise ScpiError(-108)

    return query


def _setting(command: Command, channels: Channels, *, listable: bool) -> Run:
    """Return a setting: its parameters, then, where it has channels, perhaps a channel list."""
    write, count, wanted = command.write, command.channels, command.parameters
    assert write is not None  # noqa: S101 - the caller has just looked

    def set_many(data: str) -> None:
        parts = split_outside_quotes(data, ",") if data.strip() else []
        chosen = channels
        if listable and parts and len(parts) > len(wanted) - command.optional:
            chosen = _listed(parts, count) or channels
        write(chosen, *_values(wanted, parts, command.optional))

    if len(wanted) != 1 or command.optional:
        return set_many
    only = wanted[0].parse

    def set_one(data: str) -> None:
        if "," in data:
            set_many(data)
        else:
            write(channels, only(data))

    return set_one


def _listed(parts: list[str], count: int) -> Channels:
    """Take a channel list off the end of the parameters, if there is one."""
    return parse_channels(parts.pop(), count) if parts[-1].lstrip().startswith("(") else ()


def _values(wanted: tuple[Parameter, ...], parts: list[str], optional: int) -> list[object]:
    """Read the parameters. Raises ScpiError -108, -109, or what is wrong with one of them."""
    if not len(wanted) - optional <= len(parts) <= len(wanted):
        raise ScpiError(-109 if len(parts) < len(wanted) else -108)
    values: list[object] = [one.parse(part) for one, part in zip(wanted, parts, strict=False)]
    return values + [None] * (len(wanted) - len(parts))
