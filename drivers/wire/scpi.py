"""The device side of SCPI, sans-I/O: bytes in, replies out, errors into the queue.

An instrument is a table of ``Command``; the engine does the rest: line assembly, short and long
forms, optional nodes, numeric suffixes, channel lists, compound messages with their path rules,
the error queue, the status registers, and waiting for what an instrument has still under way.
Sources: IEEE 488.2-1992, SCPI-1999 volumes 1 and 2.

Speed is in the header cache: a header's text is resolved once, with its suffix, to one callable.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from drivers.wire.scpi_command import Channels, Command, Run, bound, header_pattern
from drivers.wire.scpi_data import BLOCK_LETTERS, ScpiError, split_outside_quotes
from drivers.wire.scpi_input import InputBuffer
from drivers.wire.scpi_status import OPERATION_COMPLETE, Status, is_command_error

__all__ = ["Channels", "Command", "ScpiDevice", "header_pattern"]

_LONGEST_MNEMONIC = 12
_CACHED_HEADERS = 4096
_BLOCK_BYTES = {BLOCK_LETTERS + one: None for one in range(256)}


class _NotYetError(Exception):
    """The message goes on when what is under way has ended."""


@dataclass(slots=True)
class _Message:
    """One line under way: its units, the next one, the path below it, the replies so far."""

    line: str
    units: list[str]
    at: int = 0
    path: str = ":"
    replies: list[str] = field(default_factory=list)
    is_closed: bool = False  # a reply of unknown length came: no other can follow it


class ScpiDevice:
    """One instrument's message exchange.

    ``status`` has its error queue and registers. ``pending`` says whether an operation that the
    instrument began is still under way: then ``*OPC`` waits with its bit, ``*OPC?`` with its
    answer and ``*WAI`` with the rest, until somebody calls ``settled``.
    """

    def __init__(
        self,
        commands: Iterable[Command],
        identity: str,
        *,
        reset: Callable[[], None],
        pending: Callable[[], bool] = lambda: False,
        heard: Callable[[str], str | None] | None = None,
        strict: bool = False,
        queue_depth: int = 16,
        longest_line: int = 4096,
    ) -> None:
        """``identity`` answers ``*IDN?``, ``reset`` does what ``*RST`` means to this device.

        ``strict`` is an instrument by the letter of SCPI-1999: it has ``:STATus`` and
        ``:SYSTem:VERSion``, and lets no query follow ``*IDN?`` in a message (-440). ``heard``
        returns what a line is to this device where several share one, None for nothing.
        """
        self._identity = identity
        self._reset, self._pending, self._heard = reset, pending, heard
        self._strict = strict
        self._queue_depth, self._longest_line = queue_depth, longest_line
        self._own = [*commands, *self._common_commands()]
        self.power_on()

    def power_on(self) -> None:
        """Start as after power-up: nothing queued, nothing enabled, the power-on event set."""
        self.status = Status(self._queue_depth)
        self._commands = [*self._own, *self.status.common_commands()]
        if self._strict:
            self._commands += self.status.scpi_commands()
        self._resolved: dict[str, tuple[Run, str | None]] = {}
        self._input = InputBuffer(self._longest_line)
        self._forget()

    def _forget(self) -> None:
        """Drop every message, and who waits for what is under way."""
        self._lines: deque[str | None] = deque()
        self._message: _Message | None = None
        self._is_held = self._tells_completion = False

    def rename(self, identity: str) -> None:
        """Answer ``*IDN?`` with another identity from now on."""
        self._identity = identity

    @property
    def waits(self) -> bool:
        """Say whether somebody waits for what is under way: ``settled`` is to be called then."""
        return self._is_held or self._tells_completion

    # --- bytes and lines ---------------------------------------------------------------------

    def receive(self, data: bytes) -> list[str]:
        """Take bytes as they come and return one reply for each finished line that asks.

        Lines end with LF, CR LF as well. Nothing that arrives raises: what is no SCPI goes into
        the error queue, and a line longer than the input buffer is dropped whole (-363); so is
        what does not fit behind a message that waits.
        """
        lines = self._input.feed(data)
        if self._heard is not None:
            ours = [(one, one if one is None else self._heard(one)) for one in lines]
            lines = [kept for one, kept in ours if one is None or kept is not None]
        if self._is_held:
            room = self._longest_line - sum(len(one or "") for one in self._lines)
            for at, line in enumerate(lines):
                room -= len(line or "")
                if room < 0:
                    self.report(-363)
                    del lines[at:]
                    break
        self._lines += lines
        return self._worked()

    def settled(self) -> list[str]:
        """Go on with what waited for the end of an operation; return the replies of that."""
        if self._pending():
            return []
        if self._tells_completion:
            self._tells_completion = False
            self.status.event |= OPERATION_COMPLETE
        self._is_held = False
        return self._worked()

    def hang_up(self) -> None:
        """Forget what a client which has gone left behind: half a line, and what it waited for."""
        self._input.clear()
        self._lines.clear()
        self._message, self._is_held = None, False

    def execute(self, line: str) -> str:
        """Run one line and return its replies joined by semicolons, empty when nothing is asked.

        A command error ends the line there, since what follows cannot be trusted; an execution
        error only spoils its own unit.
        """
        self._lines.append(line)
        return "".join(self._worked())

    def _worked(self) -> list[str]:
        """Run the lines that have arrived, up to one that has to wait."""
        answers: list[str] = []
        while not self._is_held and (self._message or self._lines):
            message = self._message or self._begun(self._lines.popleft())
            if message is None:
                continue
            self._message = message
            answer = self._run(message)
            if answer is None:
                break
            self._message = None
            if answer:
                answers.append(answer)
        return answers

    def _begun(self, line: str | None) -> _Message | None:
        """Take a line apart; None for one that holds nothing, or nothing that can be read."""
        if line is None:
            self.report(-363)
            return None
        line = line.replace("\t", " ").strip(" \r")
        plain = line if line.isascii() else line.translate(_BLOCK_BYTES)
        if not (plain.isascii() and plain.isprintable()):
            self.report(-101)
            return None
        quotes = '"' in line or "'" in line
        units = split_outside_quotes(line, ";") if quotes else line.split(";")
        return _Message(line, units)

    def _run(self, message: _Message) -> str | None:
        """Run what is left of a message; return its reply, None if it has to wait.

        A device that reboots meanwhile loses the rest.
        """
        path, replies, resolved = message.path, message.replies, self._resolved
        for at in range(message.at, len(message.units)):
            header, _, data = message.units[at].strip().partition(" ")
            if not header:  # an empty unit; drivers in the field leave a semicolon at the end
                continue
            key = header if header[0] in ":*" else path + header
            try:
                run, below = resolved.get(key) or self._resolve(key)
                path = below or path
                reply = _after_the_last(data) if message.is_closed and "?" in key else run(data)
            except _NotYetError:
                message.at, message.path, self._is_held = at, path, True
                return None
            except ScpiError as error:
                self.report(error.code, str(error))
                if is_command_error(error.code):
                    break
                continue
            if self._message is not message:
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
                run = bound(command, found.groupdict().get("suffix"), asks=asks)
                path = None if text[0] == "*" else header[: header.rindex(":") + 1]
                if len(self._resolved) >= _CACHED_HEADERS:
                    self._resolved.clear()
                self._resolved[header] = run, path
                return run, path
        raise ScpiError(_why_unknown(text.removesuffix("?"), self._commands))

    # --- errors and common commands ----------------------------------------------------------

    def report(self, code: int, text: str = "") -> None:
        """Queue an error and set its event bit; a full queue's last entry becomes -350."""
        self.status.report(code, text)

    def error_count(self) -> int:
        """Return how many errors wait in the queue."""
        return self.status.error_count()

    def _identify(self, _: Channels) -> str:
        """Tell who it is: text of no known length, which by 488.2 has to be the last reply."""
        if self._strict and self._message is not None:
            self._message.is_closed = True
        return self._identity

    def _status_byte(self, _: Channels) -> str:
        """Return the status byte without changing it."""
        waits = self._message is not None and bool(self._message.replies)
        return str(self.status.byte(message_available=waits))

    def _clear(self, _: Channels) -> None:
        """Clear the status; ``*OPC`` is forgotten, the enable masks stay (488.2, 10.3)."""
        self._tells_completion = False
        self.status.clear()

    def _restart(self, _: Channels) -> None:
        """Do what ``*RST`` means here; ``*OPC`` is forgotten (488.2, 10.32)."""
        self._tells_completion = False
        self._reset()

    def _complete(self, _: Channels) -> None:
        """Set the bit now, or when what is under way has ended."""
        self._tells_completion = self._pending()
        if not self._tells_completion:
            self.status.event |= OPERATION_COMPLETE

    def _completed(self, _: Channels) -> str:
        """Answer when nothing is under way any more."""
        self._wait(())
        return "1"

    def _wait(self, _: Channels) -> None:
        """Hold the rest of the message, and all behind it, while something is under way."""
        if self._pending():
            raise _NotYetError

    def _common_commands(self) -> list[Command]:
        """Return what IEEE 488.2 (10.1) asks of every instrument, beside its status."""
        return [
            Command("*IDN", read=self._identify),
            Command("*RST", write=self._restart),
            Command("*TST", read=lambda _: "0"),
            Command("*CLS", write=self._clear),
            Command("*STB", read=self._status_byte),
            Command("*OPC", self._complete, self._completed),
            Command("*WAI", write=self._wait),
        ]


def _after_the_last(_: str) -> str | None:
    """Refuse a query behind one whose reply has no known end."""
    raise ScpiError(-440)


def _why_unknown(text: str, commands: Sequence[Command]) -> int:
    """Return the error number that says best why no command has this header."""
    if re.fullmatch(r"[*:A-Z0-9_]+\??,.*", text):
        return -103  # a comma where a blank belongs
    if re.search(r"[^A-Z0-9_:*]", text):
        return -101
    if not re.fullmatch(r"\*[A-Z]+|(:[A-Z]\w*)+", text):
        return -102
    if any(len(node) > _LONGEST_MNEMONIC for node in text.split(":")):
        return -112
    bare = re.sub(r"\d+(?=:|$)", "", text)
    known = any(header_pattern(one.header).fullmatch(bare) for one in commands)
    return -114 if bare != text and known else -113
