"""The device side of SCPI, sans-I/O: bytes in, replies out, errors into the queue.

An instrument is a table of ``Command``; the engine does the rest: line assembly, short and long
forms, optional nodes, numeric suffixes, channel lists, compound messages with their path rules,
the error queue and the status registers. Sources: IEEE 488.2-1992, SCPI-1999 volumes 1 and 2.

Speed is in the header cache: a header's text is resolved once, with its suffix, to one callable.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from drivers.wire.scpi_data import (
    ERROR_TEXT,
    Integer,
    Number,
    Parameter,
    ScpiError,
    forms,
    parse_channels,
    quoted,
    split_outside_quotes,
)

Channels: TypeAlias = tuple[int, ...]
Run: TypeAlias = Callable[[str], str | None]
"""What a resolved header does with the text of its parameters; a query returns its reply."""

# Bits of the standard event status register and of the status byte (IEEE 488.2, 11.2 and 11.5).
OPERATION_COMPLETE, QUERY_ERROR, DEVICE_ERROR, EXECUTION_ERROR = 1, 4, 8, 16
COMMAND_ERROR, POWER_ON = 32, 128
ERROR_AVAILABLE, MESSAGE_AVAILABLE, EVENT_SUMMARY, MASTER_SUMMARY = 4, 16, 32, 64

_LONGEST_MNEMONIC = 12
_CACHED_HEADERS = 4096


@dataclass(frozen=True, slots=True)
class Command:
    """One header and what it does, as data.

    ``header`` is written as manuals do, with its leading colon: ``:SOURce#:VOLTage[:LEVel]``;
    ``#`` marks the numeric suffix, which chooses one of ``channels`` and is 1 when left out.
    ``write(channels, *values)`` takes one value a parameter, ``read(channels)`` returns the reply;
    a command without channels gets an empty tuple. Where there are channels, a channel list may
    stand last in place of the suffix.
    """

    header: str
    write: Callable[..., None] | None = None
    read: Callable[[Channels], str] | None = None
    parameters: tuple[Parameter, ...] = ()
    channels: int = 0


class ScpiDevice:
    """One instrument's message exchange, error queue and status model."""

    def __init__(
        self,
        commands: Iterable[Command],
        identity: str,
        *,
        reset: Callable[[], None],
        queue_depth: int = 16,
        longest_line: int = 4096,
    ) -> None:
        """``identity`` answers ``*IDN?``, ``reset`` does what ``*RST`` means to this device."""
        self._identity = identity
        self._reset = reset
        self._queue_depth = queue_depth
        self._longest_line = longest_line
        self._commands = [*commands, *self._common_commands()]
        self._resolved: dict[str, tuple[Run, str | None]] = {}
        self.power_on()

    def power_on(self) -> None:
        """Start as after power-up: nothing queued, nothing enabled, the power-on event set."""
        self._buffer = b""
        self._skipping = False
        self._errors: list[tuple[int, str]] = []
        self._replies: list[str] = []
        self._event, self._event_enable, self._service_enable = POWER_ON, 0, 0

    def rename(self, identity: str) -> None:
        """Answer ``*IDN?`` with another identity from now on."""
        self._identity = identity

    # --- bytes and lines ---------------------------------------------------------------------

    def receive(self, data: bytes) -> list[str]:
        """Take bytes as they come and return one reply for each finished line that asks.

        Lines end with LF, CR LF as well. Nothing that arrives raises: what is no SCPI goes into
        the error queue, and a line longer than the input buffer is dropped whole (-363).
        """
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        answers = []
        for line in lines:
            if self._skipping or len(line) > self._longest_line:
                self._overrun(still_skipping=False)
                continue
            answer = self.execute(line.decode("latin-1"))
            if answer:
                answers.append(answer)
        if len(self._buffer) > self._longest_line:
            self._overrun(still_skipping=True)
            self._buffer = b""
        return answers

    def hang_up(self) -> None:
        """Forget the half of a line that a client which has gone left behind."""
        self._buffer, self._skipping = b"", False

    def _overrun(self, *, still_skipping: bool) -> None:
        """Report a line that does not fit, once, and skip to its end."""
        if not self._skipping:
            self.report(-363)
        self._skipping = still_skipping

    def execute(self, line: str) -> str:
        """Run one line and return its replies joined by semicolons, empty when nothing is asked.

        A command error ends the line there, since what follows cannot be trusted; an execution
        error only spoils its own unit.
        """
        line = line.replace("\t", " ").strip(" \r")
        if not (line.isascii() and line.isprintable()):
            self.report(-101)
            return ""
        quotes = '"' in line or "'" in line
        units = split_outside_quotes(line, ";") if quotes else line.split(";")
        replies = self._replies = []
        path, resolved = ":", self._resolved
        for unit in units:
            header, _, data = unit.strip().partition(" ")
            if not header:  # an empty unit; drivers in the field leave a semicolon at the end
                continue
            key = header if header[0] in ":*" else path + header
            try:
                run, below = resolved.get(key) or self._resolve(key)
                path = below or path
                reply = run(data)
            except ScpiError as error:
                self.report(error.code, str(error))
                if is_command_error(error.code):
                    break
                continue
            if self._replies is not replies:  # the device rebooted: the rest of the line is lost
                return ""
            if reply is not None:
                replies.append(reply)
        return ";".join(replies)

    # --- headers -----------------------------------------------------------------------------

    def _resolve(self, header: str) -> tuple[Run, str | None]:
        """Find the command behind an absolute header; remember what it does and its path.

        The path is None for ``*`` commands, which leave it alone. Raises ScpiError -101 to -114.
        """
        text = header.upper()
        asks = text.endswith("?")
        for command in self._commands:
            found = header_pattern(command.header).fullmatch(text.removesuffix("?"))
            if found and (command.read if asks else command.write):
                run = _bind(command, found.groupdict().get("suffix"), asks=asks)
                path = None if text[0] == "*" else header[: header.rindex(":") + 1]
                if len(self._resolved) >= _CACHED_HEADERS:
                    self._resolved.clear()
                self._resolved[header] = run, path
                return run, path
        raise ScpiError(self._why_unknown(text.removesuffix("?")))

    def _why_unknown(self, text: str) -> int:
        """Return the error number that says best why no command has this header."""
        if re.search(r"[^A-Z0-9_:*]", text):
            return -101
        if not re.fullmatch(r"\*[A-Z]+|(:[A-Z]\w*)+", text):
            return -102
        if any(len(node) > _LONGEST_MNEMONIC for node in text.split(":")):
            return -112
        bare = re.sub(r"\d+(?=:|$)", "", text)
        known = any(header_pattern(c.header).fullmatch(bare) for c in self._commands)
        return -114 if bare != text and known else -113

    # --- errors and status -------------------------------------------------------------------

    def report(self, code: int, text: str = "") -> None:
        """Queue an error and set its event bit; a full queue's last entry becomes -350."""
        if len(self._errors) < self._queue_depth:
            self._errors.append((code, text or ERROR_TEXT.get(code, "Device-specific error")))
        else:
            self._errors[-1] = (-350, ERROR_TEXT[-350])
        self._event |= _event_bit(code)

    def error_count(self) -> int:
        """Return how many errors wait in the queue."""
        return len(self._errors)

    def _pop_error(self, _: Channels) -> str:
        """Return the oldest error and take it off the queue."""
        code, text = self._errors.pop(0) if self._errors else (0, ERROR_TEXT[0])
        return f"{code},{quoted(text)}"

    def _clear(self, _: Channels) -> None:
        """Empty the queue and the event register; the enable masks stay."""
        self._errors.clear()
        self._event = 0

    def _read_event(self, _: Channels) -> str:
        """Return the event register; reading clears it."""
        value, self._event = self._event, 0
        return str(value)

    def _status_byte(self, _: Channels) -> str:
        """Return the status byte without changing it."""
        value = ERROR_AVAILABLE if self._errors else 0
        value |= MESSAGE_AVAILABLE if self._replies else 0
        value |= EVENT_SUMMARY if self._event & self._event_enable else 0
        return str(value | MASTER_SUMMARY if value & self._service_enable else value)

    def _enable_events(self, _: Channels, mask: int) -> None:
        self._event_enable = mask

    def _enable_service(self, _: Channels, mask: int) -> None:
        self._service_enable = mask & ~MASTER_SUMMARY

    def _complete(self, _: Channels) -> None:
        """Every command here is done when its line is, so completion follows at once."""
        self._event |= OPERATION_COMPLETE

    def _common_commands(self) -> list[Command]:
        """Return what IEEE 488.2 (10.1) and SCPI (21.8) ask of every instrument."""
        byte = (Integer(0, 255),)
        return [
            Command("*IDN", read=lambda _: self._identity),
            Command("*RST", write=lambda _: self._reset()),
            Command("*TST", read=lambda _: "0"),
            Command("*CLS", write=self._clear),
            Command("*ESE", self._enable_events, lambda _: str(self._event_enable), byte),
            Command("*ESR", read=self._read_event),
            Command("*SRE", self._enable_service, lambda _: str(self._service_enable), byte),
            Command("*STB", read=self._status_byte),
            Command("*OPC", self._complete, lambda _: "1"),
            Command("*WAI", write=lambda _: None),
            Command(":SYSTem:ERRor[:NEXT]", read=self._pop_error),
            Command(":SYSTem:ERRor:COUNt", read=lambda _: str(self.error_count())),
        ]


def is_command_error(code: int) -> bool:
    """Say whether the parser raised it (-100 to -199), not the device."""
    return -200 < code <= -100  # noqa: PLR2004 - the class of the standard


def _event_bit(code: int) -> int:
    """Return the event register's bit of an error's class (SCPI-1999 volume 2, 21.8)."""
    if code > 0:
        return DEVICE_ERROR
    classes = {1: COMMAND_ERROR, 2: EXECUTION_ERROR, 3: DEVICE_ERROR, 4: QUERY_ERROR}
    return classes.get(-code // 100, 0)


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


def _bind(command: Command, suffix: str | None, *, asks: bool) -> Run:
    """Return what the command does for this suffix. Raises ScpiError -114."""
    channels: Channels = ()
    if command.channels:
        channels = (int(suffix or 1),)
        if not 1 <= channels[0] <= command.channels:
            raise ScpiError(-114)
    listable = bool(command.channels) and not suffix
    if asks:
        return _bind_query(command, channels, listable=listable)
    return _bind_setting(command, channels, listable=listable)


def _bind_query(command: Command, channels: Channels, *, listable: bool) -> Run:
    """Return a query: no data, a channel list, or MIN, MAX or DEF of its number."""
    read, count = command.read, command.channels
    assert read is not None  # noqa: S101 - _resolve has just looked

    def query(data: str) -> str:
        data = data.strip()
        if not data:
            return read(channels)
        if listable and data[0] == "(":
            return read(parse_channels(data, count))
        for parameter in command.parameters[:1]:
            value = parameter.special(data) if isinstance(parameter, Number) else None
            if value is not None:
                return f"{value:g}"
        raise ScpiError(-108)

    return query


def _bind_setting(command: Command, channels: Channels, *, listable: bool) -> Run:
    """Return a setting: its parameters, then, where it has channels, perhaps a channel list."""
    write, count = command.write, command.channels
    parse = [parameter.parse for parameter in command.parameters]
    assert write is not None  # noqa: S101 - _resolve has just looked

    def set_many(data: str) -> None:
        parts = split_outside_quotes(data, ",") if data.strip() else []
        chosen = channels
        if listable and len(parts) == len(parse) + 1 and parts[-1].lstrip().startswith("("):
            chosen = parse_channels(parts.pop(), count)
        if len(parts) != len(parse):
            raise ScpiError(-109 if len(parts) < len(parse) else -108)
        write(chosen, *[read(part) for read, part in zip(parse, parts, strict=True)])

    if len(parse) != 1:
        return set_many
    only = parse[0]

    def set_one(data: str) -> None:
        if "," in data:
            set_many(data)
        else:
            write(channels, only(data))

    return set_one
